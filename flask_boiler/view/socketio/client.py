"""What a WebSocket mediator knows of one of its clients."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from flask_boiler.view.socketio.shared_view import Room
from flask_boiler.view.socketio.sharing import Share

__all__ = ["Client"]


@dataclass(slots=True)
class Client:
    """One connection to the namespace: what it is subscribed to, by subscription id."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    #: Held while the client enters or leaves a view at its own wish: each of its events has a
    #: thread of its own, and what one of them acknowledges must not be undone by half by another.
    #: Nothing is sent by who holds it, for a view that is about to send may be waited for.
    turn: threading.Lock = field(default_factory=threading.Lock)
    subscriptions: dict[str, tuple[Share, Room]] = field(default_factory=dict)
    #: Subscriptions that are on their way.
    coming: int = 0
    gone: bool = False
    #: It was sent away, as it does not read what it asks for.
    expelled: bool = False
    #: It was let in. Not every Socket.IO server keeps back what a client sends before that.
    admitted: bool = False
