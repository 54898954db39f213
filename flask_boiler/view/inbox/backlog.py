"""The backlog of each key: its tasks in their order, as they were last read.

Firestore cannot be asked for the first task of a key, as no query sorts by creation time: all of
the key have to be read. So what was read is kept, for as many tasks as it holds. All that come
before one of these are known with it, because whatever is created later comes later; only for a
task that the backlog does not hold is it read again, once it is worked off. Each task is read so
once by each process, however long the backlog.

A document that becomes a task of the key by a change, though it was created long ago, has its
place from the next reading on: those that were waiting already may overtake it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

from flask_boiler.ground.lifecycle import ProcessLock
from flask_boiler.ground.values import Snapshot

__all__ = ["Backlogs", "Waiting", "in_order"]

# About 30 MB; who forgets one reads it again.
_MOST_WAITING = 100_000


@dataclass(frozen=True, slots=True)
class Waiting:
    """A task that was found under a key.

    :param key: the key's name.
    """

    path: str
    create_time_ns: int
    key: str


class Backlogs:
    """The backlogs of the keys that were read last; for any number of threads.

    :param most: of how many tasks they are kept, if there are several.
    """

    def __init__(self, most: int = _MOST_WAITING) -> None:
        self._most = most
        self._lock = ProcessLock()
        # Those that were read first come first; each by path, in the order of its tasks.
        self._by_key: dict[str, OrderedDict[str, Waiting]] = {}
        self._size = 0

    def hold(self, task: Waiting) -> bool:
        """Whether all tasks that come before this one are known, and it itself."""
        with self._lock:
            backlog = self._by_key.get(task.key)
            return backlog is not None and backlog.get(task.path) == task

    def first_before(self, task: Waiting) -> Waiting | None:
        """Of the tasks of its key, the first one, if that is known to come before it."""
        with self._lock:
            backlog = self._by_key.get(task.key)
            first = next(iter(backlog.values())) if backlog else None
        return first if first is not None and in_order(first) < in_order(task) else None

    def replace(self, key: str, tasks: Iterable[Waiting]) -> None:
        """Note all tasks of a key that wait, in place of those that were known."""
        backlog = OrderedDict((task.path, task) for task in sorted(tasks, key=in_order))
        with self._lock:
            self._forget(key)
            if backlog:
                self._by_key[key] = backlog
                self._size += len(backlog)
            while self._size > self._most and len(self._by_key) > 1:
                self._forget(next(iter(self._by_key)))

    def discard(self, task: Waiting) -> None:
        """Forget a task, which does not wait any more."""
        with self._lock:
            backlog = self._by_key.get(task.key)
            if backlog is not None and backlog.get(task.path) == task:
                del backlog[task.path]
                self._size -= 1
                if not backlog:
                    del self._by_key[task.key]

    def _forget(self, key: str) -> None:
        self._size -= len(self._by_key.pop(key, ()))


def in_order(task: Snapshot | Waiting) -> tuple[int, list[str]]:
    """The sort key of tasks that wait for each other: creation time, then path."""
    return task.create_time_ns, task.path.split("/")
