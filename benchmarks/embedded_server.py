"""The embedded Firestore in a process of its own: ``python -m benchmarks.embedded_server [FILE]``.

It prints its ``HOST:PORT`` when it answers, and ends when its standard input does.
"""

from __future__ import annotations

import logging
import sys

from flask_boiler.embedded import EmbeddedFirestore


def main() -> None:
    logging.getLogger("flask_boiler").setLevel(logging.ERROR)
    with EmbeddedFirestore(*sys.argv[1:2]) as server:
        print(server.host, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
