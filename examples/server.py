"""A web server in this process, for demos and tests."""

from __future__ import annotations

import argparse
import socket
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server

from examples.signals import signals_handled

__all__ = ["serve", "serving"]


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        """Print nothing, because the demo prints what matters."""


@contextmanager
def serving(app: Flask, *, port: int = 0) -> Generator[str]:
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


def serve(app: Flask, prepare: Callable[[], None]) -> int:
    """Serve the page of an application and run its mediators until Ctrl-C; the exit status.

    ``--port`` says where, by default at port 5000.

    :param prepare: saves what is there at the beginning.
    """
    parser = argparse.ArgumentParser(description=f"The page of {app.import_name}.")
    parser.add_argument("--port", type=int, default=5000, help="0 takes one that is free")
    port = parser.parse_args(sys.argv[1:]).port
    boiler = app.extensions["boiler"]
    try:
        with signals_handled(), app.app_context(), boiler:
            prepare()
            with serving(app, port=port) as address:
                print(f"The page is at {address}; Ctrl-C ends it.", flush=True)
                threading.Event().wait()
    except KeyboardInterrupt:
        pass
    finally:
        boiler.close()
    return 0
