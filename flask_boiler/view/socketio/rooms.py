"""The rooms in which the subscribers of a live view hear of it.

A room is what subscribers have in common beside the view: the form of updates, and how often they
come. Its id is their subscription id, so an update is encoded once for all of them.
"""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from flask_boiler.view.socketio.options import Updates

__all__ = ["Member", "Message", "Room"]


class Message(NamedTuple):
    """A message to a subscriber: the value or a patch, and which of them it is."""

    body: Any
    meta: dict[str, Any]


@dataclass(slots=True)
class Member:
    """A subscriber in a room.

    :param version: what it was told last; 0 if it has to be told all.
    :param answering: the thread that is about to acknowledge its subscription: nothing may
        overtake that.
    :param unwarned: the view has no value since then, and the client was not told that yet.
    """

    version: int
    answering: threading.Thread | None = None
    unwarned: bool = False


@dataclass(slots=True)
class Room:
    """The subscribers of one view with the same options."""

    updates: Updates
    interval_s: float
    id: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    members: dict[str, Member] = field(default_factory=dict)
    next_at: float = 0.0
    #: How often in a row something could not be sent, and when it is tried again.
    failures: int = 0
    retry_at: float = 0.0
