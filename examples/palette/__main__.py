"""``python -m examples.palette``: the page on a local Firestore, until Ctrl-C."""

import argparse
import sys
import threading

from examples.palette.app import create_app
from examples.palette.models import save_a_rainbow
from examples.server import serving
from examples.signals import signals_handled


def main() -> int:
    """Serve the page until Ctrl-C, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m examples.palette", description=__doc__)
    parser.add_argument("--port", type=int, default=5000, help="0 takes one that is free")
    app = create_app()
    boiler = app.extensions["boiler"]
    try:
        with signals_handled(), app.app_context(), boiler:
            save_a_rainbow()
            with serving(app, port=parser.parse_args().port) as address:
                print(f"The palette is at {address}; Ctrl-C ends it.", flush=True)
                threading.Event().wait()
    except KeyboardInterrupt:
        pass
    finally:
        boiler.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
