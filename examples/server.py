"""A web server in this process, for the demo and the tests."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server

__all__ = ["serving"]


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        """Print nothing, because the demo prints what matters."""


@contextmanager
def serving(app: Flask, *, port: int = 0) -> Iterator[str]:
    """Serve an application, and yield its address, such as ``http://127.0.0.1:8000``.

    :param port: 0 takes one that is free.
    :raises OSError: the port is taken.
    """
    # Werkzeug would end the program if the port is taken.
    with socket.create_server(("127.0.0.1", port)) as listening:
        server = make_server(
            "127.0.0.1",
            port,
            app,
            threaded=True,
            request_handler=_Quiet,
            fd=listening.fileno(),
        )
    thread = threading.Thread(target=server.serve_forever, name="examples-http", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
