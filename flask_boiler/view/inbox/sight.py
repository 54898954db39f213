"""The sight of a queue: what a worker sees of it in the newest cut, and may take.

It is brought up to date by the documents that have changed, so that a task costs no more because
many others wait, or are marked.
"""

from __future__ import annotations

import heapq
import math
import random
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import chain, islice

from flask_boiler.ground.ports import Cut, Feed
from flask_boiler.ground.values import QueryTarget, Snapshot, Target
from flask_boiler.view.inbox.backlog import Waiting, in_order
from flask_boiler.view.inbox.handling import Handling
from flask_boiler.view.inbox.records import as_parked_task, is_parked, says_parked, task_of
from flask_boiler.view.mediation.inbox import ParkedTask

__all__ = ["Sight"]

_Order = tuple[int, list[str]]


class Sight:
    """What is seen of a queue; used by one thread at a time, except for ``hear``.

    A task is *open* if it is neither marked nor parked, as far as is known. The first open task of
    a key can be taken, unless an earlier one is parked that holds it back.
    """

    def __init__(
        self, handling: Handling, feed: Feed, rng: Callable[[int], int] = random.randrange
    ) -> None:
        self._of = handling
        self._feed = feed
        self._rng = rng
        self._records = handling.records.target
        self._targets: Sequence[QueryTarget] | None = None
        self._lock = threading.Lock()
        # The documents and records that have changed since the last look.
        self._heard: set[str] = set()
        self._heard_records: set[str] = set()
        #: Whether anything has changed since it was last taken up.
        self.has_news = False
        self._open: dict[str, tuple[Waiting, Snapshot]] = {}
        # The open tasks of each key, and some that were.
        self._keys: dict[str, list[_Order]] = {}
        # By their records' paths, the tasks that have one; and those whose record says `parked`.
        self._recorded: dict[str, str] = {}
        self._said_parked: set[str] = set()
        self._parked: dict[str, tuple[Waiting, ParkedTask]] = {}
        # The first parked task of each key; `None` if it has to be found out.
        self._first_parked: dict[str, _Order] | None = None
        # Tasks that were parked, and are gone or marked.
        self._withdrawn: dict[str, Snapshot] = {}
        # Versions of tasks that are over, though cuts may still show them.
        self._over: dict[str, int] = {}
        # Tasks that are not to be looked at before a cut of this time, and their keys.
        self._aside: dict[str, tuple[float, str]] = {}

    def hear(self, target: Target, paths: Collection[str]) -> None:
        """Note which documents of a target have changed; from any thread."""
        with self._lock:
            self.has_news = True
            (self._heard_records if target == self._records else self._heard).update(paths)

    def reset(self) -> None:
        """Look at everything anew the next time: changes may have gone unheard."""
        self._targets = None

    def take_up(self) -> None:
        """Look anew at what was set aside, or is parked outside of a window, the next time."""
        self.has_news = False
        self._aside = {path: (0, key) for path, (_, key) in self._aside.items()}
        if not self._of.queue.whole:
            with self._lock:
                self._heard |= self._said_parked

    def look(self, targets: Sequence[QueryTarget]) -> Cut | None:
        """The newest cut, with which what is seen is up to date; ``None`` if it lacks a target."""
        with self._lock:
            changed, self._heard = self._heard, set()
            records, self._heard_records = self._heard_records, set()
        # Not before: it has to show all that was heard.
        cut = self._feed.cut
        if not all(cut.holds(target) for target in (*targets, self._records)):
            self.reset()
            return None
        if targets != self._targets:
            self._targets = targets
            records.update(self._recorded, (r.path for r in cut.query(self._records) or ()))
            changed.update(self._open, *(_by_path(cut.query(target)) for target in targets))
        changed.update(self._task_of(path, cut) for path in records)
        for path, (at_ns, _) in list(self._aside.items()):
            if at_ns <= cut.read_time_ns:
                del self._aside[path]
                changed.add(path)
        for path in changed:
            self._judge(path, cut)
        return cut

    def to_take(self, busy: Collection[str], most: int) -> list[Snapshot]:
        """A few tasks that can be taken, each the first of its key.

        They begin at a key at random, so that two workers seldom take the same. If there are none,
        they are those that were parked and are gone, or marked: to be forgotten.

        :param busy: keys of which none is to be taken.
        :param most: how many tasks are enough.
        """
        name = self._of.queue.key.name
        return list(islice(self._firsts(busy), most)) or [
            task for task in self._withdrawn.values() if name(task) not in busy
        ]

    def is_recorded(self, task: Snapshot) -> bool:
        """Whether there is a record that a task was parked, in whichever version."""
        return task.path in self._said_parked

    def comes_first(self, task: Snapshot) -> bool:
        """Whether a task that can be taken is known to be the first of its key, or to be over."""
        queue = self._of.queue
        return queue.whole or queue.key.alone(task) or task.path in self._withdrawn

    @property
    def parked(self) -> list[ParkedTask] | None:
        """The parked tasks; ``None`` if nothing has been seen yet."""
        return None if self._targets is None else [task for _, task in self._parked.values()]

    @property
    def open(self) -> int:
        """The number of tasks that are open, and not held back."""
        return sum(not self._is_held_back(waiting) for waiting, _ in self._open.values())

    @property
    def is_behind(self) -> bool:
        """Whether a newer cut has to tell what became of a task."""
        return any(until_ns < math.inf for until_ns, _ in self._aside.values())

    def end(self, task: Snapshot) -> None:
        """Note that this version of a task is over, or forgotten, as no cut may show yet."""
        self._withdrawn.pop(task.path, None)
        _, seen = self._open.get(task.path, (None, None))
        if seen is not None and seen.update_time_ns == task.update_time_ns:
            del self._open[task.path]
            self._over[task.path] = task.update_time_ns

    def set_aside(self, task: Snapshot, until_ns: float) -> None:
        """Leave a task alone until a cut of this time, and what it may hold back."""
        self._aside[task.path] = until_ns, self._of.queue.key.name(task)
        self._open.pop(task.path, None)

    def _firsts(self, busy: Collection[str]) -> Iterator[Snapshot]:
        waits = set(busy)
        if self._of.queue.holds_back:
            waits.update(key for _, key in self._aside.values())
        keys = list(self._keys)
        at = self._rng(len(keys)) if keys else 0
        for key in chain(islice(keys, at, None), islice(keys, at)):
            first = None if key in waits else self._first(key)
            if first is not None and not self._is_held_back(first[0]):
                yield first[1]

    def _first(self, key: str) -> tuple[Waiting, Snapshot] | None:
        orders = self._keys[key]
        while orders:
            created_ns, segments = orders[0]
            found = self._open.get("/".join(segments))
            if found is not None and (found[0].create_time_ns, found[0].key) == (created_ns, key):
                return found
            heapq.heappop(orders)
        del self._keys[key]
        return None

    def _is_held_back(self, waiting: Waiting) -> bool:
        if not (self._parked and self._of.queue.holds_back):
            return False
        if self._first_parked is None:
            firsts: dict[str, _Order] = {}
            for parked, _ in self._parked.values():
                firsts[parked.key] = min(firsts.get(parked.key, in_order(parked)), in_order(parked))
            self._first_parked = firsts
        first = self._first_parked.get(waiting.key)
        return first is not None and first < in_order(waiting)

    def _judge(self, path: str, cut: Cut) -> None:
        """Look at one task anew."""
        was, _ = self._open.get(path, (None, None))
        self._forget_judged(path)
        member = self._member(path, cut)
        record = cut.member(self._records, self._of.records.path_of(path))
        if record is not None and says_parked(record):
            self._said_parked.add(path)
            if self._judge_parked(path, member, record, cut):
                return
        if path in self._aside:
            return
        if member is not None and member.update_time_ns == self._over.get(path):
            return
        self._over.pop(path, None)
        if member is None or self._of.commands.mark.is_marked(member, record):
            return
        waiting = self._of.waiting(member)
        self._open[path] = waiting, member
        if waiting != was:
            heapq.heappush(self._keys.setdefault(waiting.key, []), in_order(waiting))

    def _judge_parked(self, path: str, member: Snapshot | None, record: Snapshot, cut: Cut) -> bool:
        """Whether a task is parked, as its record said once."""
        queue, task = self._of.queue, member
        if task is None:
            # Outside of a window it is listened to by itself.
            task = queue.missing(path) if queue.whole else cut.document(path)
        if task is None:
            return False
        if is_parked(task, record):
            self._parked[path] = self._of.waiting(task), as_parked_task(record)
            self._first_parked = None
            return True
        if not task.exists or self._of.commands.mark.is_marked(task, record):
            self._withdrawn[path] = task
        return False

    def _forget_judged(self, path: str) -> None:
        self._open.pop(path, None)
        self._withdrawn.pop(path, None)
        self._said_parked.discard(path)
        if self._parked.pop(path, None) is not None:
            self._first_parked = None

    def _member(self, path: str, cut: Cut) -> Snapshot | None:
        found = (cut.member(target, path) for target in self._targets or ())
        return next((snapshot for snapshot in found if snapshot is not None), None)

    def _task_of(self, record_path: str, cut: Cut) -> str:
        record = cut.member(self._records, record_path)
        if record is None:
            return self._recorded.pop(record_path, record_path)
        return self._recorded.setdefault(record_path, task_of(record))


def _by_path(found: Sequence[Snapshot] | None) -> dict[str, Snapshot]:
    return {snapshot.path: snapshot for snapshot in found or ()}
