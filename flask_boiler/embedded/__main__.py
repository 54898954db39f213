"""``python -m flask_boiler.embedded``: an embedded Firestore in a process of its own."""

from __future__ import annotations

import argparse
import logging
import sys

from flask_boiler.embedded.database import MEMORY
from flask_boiler.embedded.running import run_until_ended
from flask_boiler.embedded.server import EmbeddedFirestore
from flask_boiler.errors import ConfigurationError


def main() -> int:
    """Serve until it is ended; the exit status."""
    arguments = _arguments()
    # It is told below, to whoever looks at the output.
    logging.getLogger("flask_boiler.embedded").setLevel(logging.ERROR)
    try:
        server = EmbeddedFirestore(
            arguments.file,
            address=arguments.address,
            port=arguments.port,
            allow_remote=arguments.allow_remote,
            trusted_hosts=arguments.trusted_host,
        )
        run_until_ended(server, _say)
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m flask_boiler.embedded", description=__doc__)
    parser.add_argument("--file", default=MEMORY, help="where its data are kept (in memory)")
    parser.add_argument("--address", default="127.0.0.1", help="where it listens (127.0.0.1)")
    parser.add_argument("--port", type=int, default=0, help="at which port (a free one)")
    parser.add_argument(
        "--allow-remote", action="store_true", help="allow an address that others can reach"
    )
    parser.add_argument(
        "--trusted-host",
        action="append",
        default=[],
        metavar="NAME",
        help="a name, besides localhost, under which browsers may ask, and whose pages may",
    )
    return parser.parse_args()


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
