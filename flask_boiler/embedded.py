"""The embedded Firestore. ``python -m flask_boiler.embedded`` runs it in a process of its own."""

from flask_boiler.local.embedded.listening.faults import Faults
from flask_boiler.local.embedded.listening.listen_stream import ListenPolicy
from flask_boiler.local.embedded.serving.server import EmbeddedFirestore
from flask_boiler.local.embedded.storage.database import StorageFailure
from flask_boiler.local.embedded.storage.file_lock import Holder, holder_of

__all__ = [
    "EmbeddedFirestore",
    "Faults",
    "Holder",
    "ListenPolicy",
    "StorageFailure",
    "holder_of",
]

if __name__ == "__main__":
    import sys

    from flask_boiler.local.embedded_program import main

    sys.exit(main())
