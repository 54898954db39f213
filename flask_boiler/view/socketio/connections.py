"""The connections below a namespace: how much waits on one, and how one ends."""

from __future__ import annotations

from typing import Any

__all__ = ["connection_refusal", "end_connection", "has_gone", "send_away", "unread_by"]


def unread_by(server: Any, namespace: str, sid: str) -> int | None:
    """The number of messages that wait until a client reads; ``None`` if none can wait for it."""
    connection = _connection(server, namespace, sid)
    return None if connection is None else int(connection.queue.qsize())


def has_gone(server: Any, namespace: str, sid: str) -> bool:
    """Whether the connection of a client that is about to be let in has ended meanwhile."""
    try:
        return server.get_environ(sid, namespace) is None
    except KeyError:
        # The last client of the namespace is leaving at this moment.
        return True


def connection_refusal() -> type[Exception]:
    """The error that says that a client is not let in; it takes a text, and data, to tell it."""
    from socketio.exceptions import ConnectionRefusedError as SocketIORefusal

    refusal: type[Exception] = SocketIORefusal
    return refusal


def send_away(server: Any, namespace: str, sid: str) -> None:
    """Have a client leave; it may come back."""
    if not end_connection(server, namespace, sid):
        server.disconnect(sid, namespace=namespace, ignore_queue=True)


def end_connection(server: Any, namespace: str, sid: str) -> bool:
    """End a client's connection, not waiting for it to read a farewell; if there is one.

    The connection, with what waits on it, and not only its being in the namespace: clients come
    back by themselves if they lose a connection, and do not if they are told to leave.
    """
    connection = _connection(server, namespace, sid)
    if connection is not None:
        connection.close(wait=False, abort=True, reason=server.reason.SERVER_DISCONNECT)
    return connection is not None


def _connection(server: Any, namespace: str, sid: str) -> Any:
    """The Engine.IO connection of a client, if there is one."""
    try:
        connection = server.manager.eio_sid_from_sid(sid, namespace)
    except KeyError:
        # The last client of the namespace is leaving at this moment; nothing reaches it.
        return None
    # There is none in Flask-SocketIO's test client, which takes everything at once.
    return server.eio.sockets.get(connection)
