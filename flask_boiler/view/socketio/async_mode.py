"""The mode of a Socket.IO server: its events get threads, whatever Flask-SocketIO would choose."""

from __future__ import annotations

from typing import Any

from flask_boiler.errors import ConfigurationError
from flask_boiler.ground.lifecycle import greenlets_instead_of_threads

__all__ = ["prefer_threads", "require_threads"]


def prefer_threads(io: Any) -> None:
    """Have a ``flask_socketio.SocketIO`` handle events on threads where nobody chose otherwise.

    Without an ``async_mode``, Flask-SocketIO takes eventlet or gevent as soon as either is
    installed, also where the application's threads are real ones. A server that was told its mode,
    that has clients already, or whose threads gevent has replaced, is left as it is.
    """
    if io.server_options.get("async_mode") is not None or greenlets_instead_of_threads():
        return
    if io.server is None:
        # It is made by init_app, from these options.
        io.server_options["async_mode"] = "threading"
    elif io.async_mode != "threading" and not io.server.eio.sockets:
        _replace_server(io)


def require_threads(server: Any, io: Any, *, namespace: str) -> None:
    """Refuse a Socket.IO server on which events do not have threads of their own.

    :param io: the ``flask_socketio.SocketIO`` that has the server, if there is one.
    :raises ConfigurationError: with what to do, for the mediator of ``namespace``.
    """
    # As it was configured: Flask-SocketIO's test client handles events one after another.
    options = {} if io is None else io.server_options
    if server.async_mode != "threading" or not options.get("async_handlers", True):
        raise ConfigurationError(
            f"{namespace} needs a thread for each event: make the SocketIO with "
            'async_mode="threading" and without async_handlers=False'
        )


def _replace_server(io: Any) -> None:
    import socketio

    chosen, io.server_options["async_mode"] = io.server, "threading"
    io.server = socketio.Server(**io.server_options)
    io.async_mode = io.server.async_mode
    io.server.handlers.update(chosen.handlers)
    for handler in chosen.namespace_handlers.values():
        io.server.register_namespace(handler)
    if (middleware := getattr(io, "sockio_mw", None)) is not None:
        middleware.engineio_app = io.server
