"""The events that follow from the messages of a Listen stream."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

from flask_boiler.ground.values import QueryTarget, Snapshot, Target

__all__ = ["Answered", "Event", "HeldBack", "Mismatched", "Raised", "Refused"]


@dataclass(slots=True)
class Raised:
    """The changes since the last raise; everything that is held is consistent at its read time.

    :param documents: documents that changed, or are newly held.
    :param queries: by query, the members that changed, entered, or (``None``) left; a query
        that is newly held is there with all its members, and with those that went while it
        was not held.
    :param held: the targets that are newly held.
    :param caught_up: the targets that caught up for the first time since they were listened
        to, or listened to again.
    """

    read_time_ns: int
    documents: dict[str, Snapshot] = field(default_factory=dict)
    queries: dict[QueryTarget, dict[str, Snapshot | None]] = field(default_factory=dict)
    held: list[Target] = field(default_factory=list)
    caught_up: list[Target] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Refused:
    """The server does not serve this target, so it is held no more."""

    target: Target
    cause: str


@dataclass(frozen=True, slots=True)
class Mismatched:
    """The server has other documents for this target than are known: listen to it again.

    :param times: how often in a row, without a raise in between.
    :param removal: the request that ends the listening that went wrong, unless it has ended.
    """

    target: Target
    times: int
    removal: Any | None


@dataclass(frozen=True, slots=True)
class Answered:
    """The server has answered a probe: send the request that ends the probe."""

    request: Any


@dataclass(frozen=True, slots=True)
class HeldBack:
    """Nothing was raised, because a target that was held has not caught up again."""


Event: TypeAlias = Raised | Refused | Mismatched | Answered | HeldBack
