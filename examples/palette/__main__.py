"""``python -m examples.palette``: the page on a local Firestore, until Ctrl-C."""

import sys

from examples.palette.app import create_app
from examples.palette.models import save_a_rainbow
from examples.server import serve

if __name__ == "__main__":
    sys.exit(serve(create_app(), save_a_rainbow))
