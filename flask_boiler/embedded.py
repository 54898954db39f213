"""The embedded Firestore: ``python -m flask_boiler.embedded`` runs it."""

from flask_boiler.local.embedded.listening.faults import Faults
from flask_boiler.local.embedded.serving.server import EmbeddedFirestore

__all__ = ["EmbeddedFirestore", "Faults"]

if __name__ == "__main__":
    import sys

    from flask_boiler.local.embedded_program import main

    sys.exit(main())
