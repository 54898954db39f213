"""``flask boiler run --http``: whether a worker is alive and ready, for who supervises it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import click

from flask_boiler.ground.json_text import json_text
from flask_boiler.ground.lifecycle import OwnThread

if TYPE_CHECKING:
    from flask_boiler.operate.health import Health

__all__ = ["serving_health"]

#: A client that says or takes nothing for so long is sent away.
_PATIENCE_S = 2.0
#: So many are served at a time, and others sent away: a supervisor is one, or a few.
_MOST_AT_ONCE = 8


@contextmanager
def serving_health(address: tuple[str, int], health: Callable[[], Health]) -> Iterator[None]:
    """Serve in the block ``GET /healthz`` and ``GET /readyz``, and nothing else.

    :param health: what is known, of which nothing is read.
    :raises ClickException: it cannot listen there.
    """
    try:
        server = _Server(address, health)
    except (OSError, UnicodeError) as error:
        host, port = address
        raise click.ClickException(
            f"cannot listen at {host}:{port}: {error}. Stop the program that listens there, or "
            "choose another address"
        ) from error
    thread = OwnThread(
        server.serve_forever,
        name="flask-boiler-health",
        stops="health checks are not answered any more",
    )
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(HTTPServer):
    """A few threads at a time, so that one that says nothing holds up no other."""

    def __init__(self, address: tuple[str, int], health: Callable[[], Health]) -> None:
        self.address_family = socket.getaddrinfo(*address, type=socket.SOCK_STREAM)[0][0]
        self._places = threading.BoundedSemaphore(_MOST_AT_ONCE)
        super().__init__(address, partial(_Request, health))

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._places.acquire(blocking=False):
            self.shutdown_request(request)
            return
        OwnThread(
            partial(self._serve, request, client_address),
            name="flask-boiler-health-request",
            stops="one health check is not answered",
        ).start()

    def _serve(self, request: Any, client_address: Any) -> None:
        try:
            self.finish_request(request, client_address)
        except OSError:
            # The client is gone, or says nothing: there is nobody to be told.
            pass
        finally:
            self.shutdown_request(request)
            self._places.release()


class _Request(BaseHTTPRequestHandler):
    timeout = _PATIENCE_S

    def __init__(self, health: Callable[[], Health], *connection: Any) -> None:
        self._health = health
        # It answers here.
        super().__init__(*connection)

    def do_GET(self) -> None:
        health = self._health()
        match self.path.partition("?")[0]:
            case "/healthz":
                # It answers: that is what it takes to be alive.
                self._answer(HTTPStatus.OK, health)
            case "/readyz":
                ready = not health.hindrances
                self._answer(HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE, health)
            case _:
                self._send(HTTPStatus.NOT_FOUND, {"error": "use /healthz or /readyz"})

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: supervisors ask every few seconds."""

    def _answer(self, status: HTTPStatus, health: Health) -> None:
        self._send(status, health.as_json())

    def _send(self, status: HTTPStatus, told: dict[str, Any]) -> None:
        content = json_text(told).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(content)
