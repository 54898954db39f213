"""The Socket.IO namespace that a mediator is, and which of its events are the server's own.

Socket.IO hands those and a client's to a namespace in one way: that a client has come or gone, and
whatever a client sends, which may be called ``connect`` or ``disconnect``, too.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from flask_boiler.errors import ConfigurationError, MissingExtraError
from flask_boiler.ground.callbacks import require_plain_members

__all__ = ["RESERVED", "as_namespace", "event_names", "is_connecting", "is_disconnecting", "takes"]

#: What clients may not call their events. Socket.IO's client libraries keep these for themselves,
#: and refuse to send them; but whoever speaks the protocol may.
RESERVED = frozenset(
    {
        "*",
        "__connect",
        "__disconnect_final",
        "connect",
        "connect_error",
        "disconnect",
        "disconnecting",
        "newListener",
        "reconnect",
        "removeListener",
    }
)
_PREFIX = "on_"
_LIBRARIES = ("flask_socketio", "socketio")


def event_names(namespace: type) -> set[str]:
    """The events that clients of a namespace may send: its methods ``on_…``, reserved names apart.

    Only functions in class bodies count, and none that Socket.IO's own classes have or will have.
    """
    names: set[str] = set()
    for cls in reversed(namespace.__mro__):
        if cls.__module__.partition(".")[0] in _LIBRARIES:
            continue
        for name, member in vars(cls).items():
            if name.startswith(_PREFIX):
                event = name.removeprefix(_PREFIX)
                # A class may also take away what one above it handles.
                (names.add if _is_method(member) else names.discard)(event)
    return names - RESERVED - {""}


def _is_method(member: object) -> bool:
    return inspect.isfunction(member) or isinstance(member, staticmethod | classmethod)


def is_connecting(server: Any, namespace: str, sid: str, *given: Any) -> bool:
    """Whether ``connect`` is the server's: it comes with the environment of the handshake."""
    environ = server.get_environ(sid, namespace)
    return bool(given) and environ is not None and given[0] is environ


def is_disconnecting(server: Any, namespace: str, sid: str) -> bool:
    """Whether ``disconnect`` is the server's: it first notes that the client is on its way."""
    return not server.manager.is_connected(sid, namespace)


def takes(handler: Callable[..., Any], *given: Any) -> bool:
    """Whether a handler can be called with these arguments."""
    try:
        inspect.signature(handler).bind(*given)
    except TypeError:
        return False
    return True


def as_namespace(cls: type[Any]) -> type[Any]:
    """The class below ``cls`` that is a Socket.IO namespace as well; made once.

    :raises ConfigurationError: a method of it is a coroutine function or a generator function.
    """
    made: type[Any] | None = vars(cls).get("_as_namespace")
    if made is not None:
        return made
    try:
        from flask_socketio import Namespace
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in ("flask_socketio", "socketio"):
            raise
        raise MissingExtraError("websocket", cls.__name__) from error
    require_plain_members(cls, prefix=_PREFIX, error=ConfigurationError)
    members = {name: getattr(cls, name) for name in ("__module__", "__qualname__", "__doc__")}
    made = type(cls.__name__, (cls, Namespace), members)
    made._as_namespace = made
    cls._as_namespace = made
    return made
