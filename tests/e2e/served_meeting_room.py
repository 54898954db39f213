"""The meeting room over HTTP, in a process of its own, until its standard input ends.

Configured by the environment; says where it listens on its first line.
"""

from __future__ import annotations

import sys

from examples.meeting_room.app import create_app
from examples.server import serving


def main() -> None:
    """Serve, each request on a thread of its own."""
    with serving(create_app()) as address:
        sys.stdout.write(f"{address}\n")
        sys.stdout.flush()
        # Its end is that of whoever started this.
        sys.stdin.read()


if __name__ == "__main__":
    main()
