"""``python -m examples.ridesharing``: the page on a local Firestore, until Ctrl-C."""

import sys

from examples.ridesharing.app import create_app
from examples.ridesharing.models import save_users
from examples.server import serve

if __name__ == "__main__":
    sys.exit(serve(create_app(), save_users))
