"""The feed of commits: it tells its subscribers of them, in order."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from flask_boiler.local.embedded.storage.document import StoredDocument

__all__ = ["Change", "Commit", "CommitFeed", "Subscriber", "coalesced"]


@dataclass(frozen=True, slots=True)
class Change:
    """The change that a commit made to one document; ``None`` means that it did not exist.

    ``before`` and ``after`` differ, apart from a write that found the document to be so
    already: that changes nothing and is no change.
    """

    name: str
    before: StoredDocument | None
    after: StoredDocument | None


@dataclass(frozen=True, slots=True)
class Commit:
    """All changes of one commit; it happened in one world at one time (in microseconds).

    ``decided`` is, for a commit that the feed hands on, a time up to which its subscribers have
    then been told everything, and which can be read at; it is later than the commit's own
    unless others follow at once. In a replay it is 0.
    """

    time: int
    world: str
    changes: tuple[Change, ...]
    decided: int = field(default=0, compare=False)


#: Called with every commit, in the order of their times, one call at a time, when the commit
#: is durable and before whoever committed hears of it. It must return at once, must not read
#: or write the storage, and must not raise: put the commit where another thread finds it.
Subscriber = Callable[[Commit], None]


class CommitFeed:
    """The feed, which hands commits on to the subscribers of their world."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._subscribers: dict[str, tuple[Subscriber, ...]] = {}

    def subscribe(self, world: str, subscriber: Subscriber) -> None:
        """Call this with every commit that is published from now on."""
        with self._lock:
            self._subscribers[world] = (*self._subscribers.get(world, ()), subscriber)

    def unsubscribe(self, world: str, subscriber: Subscriber) -> None:
        """Do not call it again; a call that is under way may still be."""
        with self._lock:
            left = tuple(s for s in self._subscribers.get(world, ()) if s != subscriber)
            if left:
                self._subscribers[world] = left
            else:
                self._subscribers.pop(world, None)

    def publish(self, commit: Commit) -> None:
        """Tell the subscribers of the commit's world."""
        for subscriber in self._subscribers.get(commit.world, ()):
            subscriber(commit)


def coalesced(changes: list[Change]) -> list[Change]:
    """One change for each document, from the first state to the last."""
    if len(changes) < 2:
        return changes
    last: dict[str, Change] = {}
    for change in changes:
        first = last.get(change.name)
        before = change.before if first is None else first.before
        last[change.name] = Change(change.name, before, change.after)
    return [c for c in last.values() if c.before is not None or c.after is not None]
