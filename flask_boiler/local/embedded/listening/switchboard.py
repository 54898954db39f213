"""A switchboard: each Listen stream is told of the commits that concern it, and of no others."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from typing import Protocol

from flask_boiler.local.embedded.listening.interests import Interest, Interests
from flask_boiler.local.embedded.storage.commit_feed import Change, Commit, CommitFeed

__all__ = ["CommitListener", "Switchboard"]


class CommitListener(Protocol):
    """A stream that is told of commits. Compared by identity."""

    def __hash__(self) -> int: ...

    def notice(self, decided: int, changes: Sequence[Change]) -> None:
        """Commits concern it; called in order, must return at once.

        :param decided: a time, later than theirs, up to which it has then been told everything.
        """
        ...


class Switchboard:
    """The switchboard between the feed of a storage and the streams. May be used by any thread."""

    def __init__(self, feed: CommitFeed) -> None:
        self._feed = feed
        self._lock = threading.Lock()
        self._worlds: dict[str, Interests[CommitListener]] = {}
        #: By world, of commits that are published together, the changes that came so far.
        self._groups: dict[str, list[Change]] = {}

    def add(self, world: str, interests: Iterable[Interest], listener: CommitListener) -> None:
        """Tell a stream of commits that are published from now on."""
        with self._lock:
            if world not in self._worlds:
                self._worlds[world] = Interests()
                self._feed.subscribe(world, self._publish)
            self._worlds[world].add(interests, listener)

    def remove(self, world: str, interests: Iterable[Interest], listener: CommitListener) -> None:
        """Take back what was added once; a commit that is under way may still be told."""
        with self._lock:
            self._worlds[world].remove(interests, listener)
            if not self._worlds[world]:
                del self._worlds[world]
                self._feed.unsubscribe(world, self._publish)

    def _publish(self, commit: Commit) -> None:
        with self._lock:
            group = self._groups.setdefault(commit.world, [])
            group.extend(commit.changes)
            # While others follow at once, nobody could be told a time that covers this one.
            if commit.decided <= commit.time:
                return
            del self._groups[commit.world]
            interests = self._worlds.get(commit.world)
            concerned = interests.concerned(group) if interests is not None else {}
        for listener, changes in concerned.items():
            listener.notice(commit.decided, changes)
