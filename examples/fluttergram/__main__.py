"""``python -m examples.fluttergram``: the page on a local Firestore, until Ctrl-C."""

import sys

from examples.fluttergram.app import create_app
from examples.fluttergram.models import save_users
from examples.server import serve

if __name__ == "__main__":
    sys.exit(serve(create_app(), save_users))
