"""Ports at which nobody listens."""

import random
import socket

#: Systems give none of these to a program that asks for any port (Linux begins at 32768), so nobody
#: gets one by chance after it was found free.
_ASKED_FOR = range(20_000, 32_000)


class ClosedPort:
    """An address of this machine that refuses connections for as long as the block lasts."""

    def __enter__(self) -> str:
        self._socket = socket.socket()
        # Bound, so that nobody else gets it, and not listened at.
        self._socket.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{self._socket.getsockname()[1]}"

    def __exit__(self, *raised: object) -> None:
        self._socket.close()


def free_port() -> int:
    """A port of this machine at which nobody listens, for who is to listen there later."""
    while True:
        port = random.SystemRandom().choice(_ASKED_FOR)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
