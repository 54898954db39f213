"""Ports at which nobody listens."""

import socket


class ClosedPort:
    """An address of this machine that refuses connections for as long as the block lasts."""

    def __enter__(self) -> str:
        self._socket = socket.socket()
        # Bound, so that nobody else gets it, and not listened at.
        self._socket.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{self._socket.getsockname()[1]}"

    def __exit__(self, *raised: object) -> None:
        self._socket.close()
