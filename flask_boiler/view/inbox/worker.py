"""The worker of a queue: threads that pick tasks from a window of it, at random.

The engine treats the queue as one view. It is *computed* when its window, or what is parked of
it, has changed; it is *published* when every task that can be applied has been. Meanwhile the
threads pick from the newest cut that there is, so that they see what other workers have done.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flask_boiler.engine.acceptance import Acceptance
from flask_boiler.engine.cut_reader import CutReader
from flask_boiler.engine.sink import Computed, PublishOutcome, SubmittedView, WithoutPlaces
from flask_boiler.errors import UnavailableError
from flask_boiler.firestore.failures import is_refusal
from flask_boiler.ground.callbacks import as_exception
from flask_boiler.ground.lifecycle import ending_within, join, own_threads, time_to_end_s
from flask_boiler.ground.ports import Cut, Feed
from flask_boiler.ground.values import QueryTarget, Snapshot
from flask_boiler.view.inbox.backlog import in_order
from flask_boiler.view.inbox.marks import Mark
from flask_boiler.view.inbox.queue import TaskKey, TaskQueue
from flask_boiler.view.inbox.records import (
    TaskRecords,
    as_parked_task,
    is_parked,
    says_parked,
    task_of,
)
from flask_boiler.view.inbox.setbacks import pause_s
from flask_boiler.view.inbox.task_processor import TaskProcessor
from flask_boiler.view.mediation.inbox import ParkedTask, Result, TaskState

__all__ = ["Worker"]

logger = logging.getLogger(__name__)

_FINISH_WITHIN_S = 30.0
_LOOK_AGAIN_S = 0.05


@dataclass(frozen=True, slots=True)
class _Seen:
    """The state of a queue in one cut."""

    tasks: dict[str, Snapshot]
    records: dict[str, Snapshot]
    #: Parked tasks by their keys.
    parked_by_key: dict[str, list[Snapshot]]
    #: Tasks that were parked, and are not there any more.
    withdrawn: list[Snapshot]


@dataclass(frozen=True, slots=True)
class Window:
    """The part of a queue that a worker listens to, and takes tasks from.

    :param targets: the queries that find its tasks; the cut holds them.
    """

    targets: Sequence[QueryTarget]


class Worker(WithoutPlaces):
    """Applies the tasks of a queue; a :class:`~flask_boiler.engine.sink.Sink` of its windows.

    ::

        waiting ──submit()──► picking ──nothing left──► done() ──► waiting
                                └────── stop() ──► what is in hand is finished

    :param window: how many tasks that can be applied are listened to at a time.
    :param threads: how many tasks are applied at a time.
    :param acceptance: whether Firestore takes commits at all.
    :param on_failure: told what ended a thread, if something does.
    :param rng: picks an index below the given number.
    """

    def __init__(
        self,
        queue: TaskQueue,
        records: TaskRecords,
        processor: TaskProcessor,
        feed: Feed,
        *,
        mark: Mark,
        window: int,
        threads: int,
        name: str,
        acceptance: Acceptance,
        on_failure: Callable[[BaseException], object] | None = None,
        rng: Callable[[int], int] = random.randrange,
    ) -> None:
        self._queue = queue
        self._records = records
        self._processor = processor
        self._feed = feed
        self._mark = mark
        self._window = window
        self._limit = window
        self._rng = rng
        self._acceptance = acceptance
        self._condition = threading.Condition()
        self._targets: Sequence[QueryTarget] = ()
        self._done: Callable[[PublishOutcome], None] | None = None
        self._stopped = threading.Event()
        # The keys of the tasks in hand: two of one key would only disturb each other.
        self._in_hand: set[str] = set()
        # Versions of tasks that are over, though cuts may still show them.
        self._over: dict[str, int] = {}
        # Tasks that are not to be looked at before a cut of this time.
        self._not_before: dict[str, int] = {}
        # Withdrawn tasks whose records are deleted, though cuts may still show them.
        self._forgotten: set[str] = set()
        # Tasks that could not even be found out about, until the queue is looked at anew.
        self._troubled: dict[str, Exception] = {}
        self._pauses = 0
        # Whether anything was written since `done` was called last.
        self._written = False
        self._threads = own_threads(
            threads,
            self._run,
            name=f"flask-boiler-task-{name}",
            serving=f"the tasks of {name}",
            on_failure=on_failure,
        )

    def start(self) -> None:
        """Start the threads; they wait for the first window."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Finish the tasks in hand, unless that takes long, and end the threads."""
        self._stopped.set()
        with self._condition:
            self._condition.notify_all()
        with ending_within(min(_FINISH_WITHIN_S, time_to_end_s())):
            for thread in self._threads:
                # One that is left harms nothing: its commit counts, or it does not.
                join(thread)
        with self._condition:
            done, self._done = self._done, None
        if done is not None:
            done(PublishOutcome())

    @property
    def parked(self) -> list[ParkedTask] | None:
        """The tasks that are set aside, as the newest cut has it; ``None`` if it holds none of it.

        Nothing is read for that.
        """
        cut = self._feed.cut
        records = cut.query(self._records.target)
        if records is None:
            return None
        found = [
            (cut.document(task_of(record)), record) for record in records if says_parked(record)
        ]
        return [
            as_parked_task(record)
            for task, record in found
            if task is not None and is_parked(task, record)
        ]

    # What the engine calls.

    def compute(self, reader: CutReader) -> Computed[Window]:
        """Look at the queue: choose the window, and have the cut hold it.

        :raises Incomplete: the cut does not hold it yet.
        """
        records = reader.query(self._records.target)
        # They are looked at one by one, as those outside the window hold back others, too.
        reader.documents([task_of(record) for record in records if says_parked(record)])
        targets = self._queue.window(self._limit)
        for target in targets:
            reader.query(target)
        limit = self._wanted_limit(self._see(reader.cut, targets))
        if limit != self._limit:
            self._limit = limit
            targets = self._queue.window(limit)
            for target in targets:
                reader.query(target)
        return Computed(Window(targets))

    def submit(
        self,
        view: SubmittedView,
        computed: Computed[Window],
        done: Callable[[PublishOutcome], None],
    ) -> None:
        """Apply what can be applied; ``done`` is called when nothing is left."""
        with self._condition:
            if not self._stopped.is_set() and computed.payload is not None:
                self._targets = computed.payload.targets
                self._troubled.clear()
                self._done = done
                self._condition.notify_all()
                return
        done(PublishOutcome())

    def _see(self, cut: Cut, targets: Sequence[QueryTarget]) -> _Seen:
        return _seen(cut, targets, self._records.target, self._queue.key)

    def _wanted_limit(self, seen: _Seen) -> int:
        """Room for the window beside the tasks that cannot be applied at present."""
        blocked = sum(not self._is_free(task, seen) for task in seen.tasks.values())
        wanted = self._window * (1 + -(-blocked // self._window))
        # Listening anew costs more than listening to a few too many.
        too_few = wanted > self._limit and len(seen.tasks) >= self._limit
        return wanted if too_few or wanted * 4 <= self._limit else self._limit

    # The threads.

    def _run(self) -> None:
        while (task := self._take()) is not None:
            try:
                result = self._see_to(task)
            except UnavailableError as error:
                if is_refusal(error):
                    self._acceptance.refused(error)
                self._pause(task, error)
            except BaseException as error:
                # The thread is there for other tasks, too.
                told = as_exception(error, task.path)
                if is_refusal(told) and self._acceptance.is_refused_to_all():
                    self._pause(task, told)
                else:
                    self._conclude(task, None, told)
            else:
                self._conclude(task, result, None)

    def _see_to(self, task: Snapshot) -> Result:
        if not task.exists:
            self._processor.forget(task.path)
            return Result(TaskState.GONE)
        return self._processor.apply_in_order(task.path, seen=task, stopped=self._stopped.is_set)

    def _take(self) -> Snapshot | None:
        """A task to apply; waits until there is one. ``None`` at the end."""
        while True:
            done: Callable[[PublishOutcome], None] | None = None
            with self._condition:
                if self._stopped.is_set():
                    return None
                if self._done is not None:
                    task = self._pick()
                    if task is not None:
                        self._in_hand.add(self._queue.key.name(task))
                        return task
                if self._done is not None and not self._in_hand:
                    done, self._done = self._done, None
                else:
                    # Newer cuts are not announced while other threads have tasks in hand.
                    self._condition.wait(_LOOK_AGAIN_S if self._in_hand else None)
            if done is not None:
                done(self._outcome())

    def _pick(self) -> Snapshot | None:
        cut = self._feed.cut
        if not all(cut.holds(target) for target in (*self._targets, self._records.target)):
            return None
        seen = self._see(cut, self._targets)
        self._forget_unseen(seen, cut)
        free = [task for task in seen.tasks.values() if self._may_take(task, seen)]
        free = free or [task for task in seen.withdrawn if self._may_forget(task)]
        return free[self._rng(len(free))] if free else None

    def _may_forget(self, task: Snapshot) -> bool:
        return (
            self._queue.key.name(task) not in self._in_hand
            and task.path not in self._troubled
            and task.path not in self._forgotten
        )

    def _may_take(self, task: Snapshot, seen: _Seen) -> bool:
        return (
            self._queue.key.name(task) not in self._in_hand
            and task.path not in self._troubled
            and self._over.get(task.path) != task.update_time_ns
            and task.path not in self._not_before
            and self._is_free(task, seen)
        )

    def _is_free(self, task: Snapshot, seen: _Seen) -> bool:
        """Whether a task is neither marked nor parked, and no earlier one of its key is parked."""
        record = seen.records.get(task.path)
        if self._mark.is_marked(task, record) or is_parked(task, record):
            return False
        parked = seen.parked_by_key.get(self._queue.key.name(task), ())
        return not any(_comes_after(task, other) for other in parked)

    def _forget_unseen(self, seen: _Seen, cut: Cut) -> None:
        self._forgotten.intersection_update(task.path for task in seen.withdrawn)
        self._over = {
            path: time_ns
            for path, time_ns in self._over.items()
            if path in seen.tasks and seen.tasks[path].update_time_ns <= time_ns
        }
        self._not_before = {
            path: at_ns
            for path, at_ns in self._not_before.items()
            if path in seen.tasks and at_ns > cut.read_time_ns
        }

    def _conclude(self, task: Snapshot, result: Result | None, error: Exception | None) -> None:
        with self._condition:
            self._in_hand.discard(self._queue.key.name(task))
            self._pauses = 0
            self._written = True
            if not task.exists:
                self._forgotten.add(task.path)
            if result is None:
                assert error is not None
                self._troubled[task.path] = error
            elif result.state in (TaskState.DONE, TaskState.GONE):
                self._over[task.path] = task.update_time_ns
            else:
                # The next cut shows the record of what is parked, or that it is tried again.
                newer_ns = self._feed.cut.read_time_ns + 1
                self._not_before[task.path] = result.known_at_ns or newer_ns
            self._condition.notify_all()

    def _pause(self, task: Snapshot, error: Exception) -> None:
        """Wait a little before anything is tried again: Firestore is away, or refuses all."""
        logger.warning("task %s waits: %s", task.path, error)
        with self._condition:
            self._in_hand.discard(self._queue.key.name(task))
            self._pauses += 1
            failures = self._pauses
        self._stopped.wait(pause_s(failures))

    def _outcome(self) -> PublishOutcome:
        written, self._written = self._written, False
        cut = self._feed.cut
        targets = (*self._targets, self._records.target)
        if self._troubled:
            return PublishOutcome(error=next(iter(self._troubled.values())))
        if not all(cut.holds(target) for target in targets) or self._not_before:
            # Whatever is missing comes with a newer cut, or its refusal does.
            return PublishOutcome(newer_than_ns=cut.read_time_ns + 1)
        return PublishOutcome(written=written)


def _seen(cut: Cut, targets: Sequence[QueryTarget], records: QueryTarget, key: TaskKey) -> _Seen:
    tasks = {task.path: task for target in targets for task in cut.query(target) or ()}
    by_task = {task_of(record): record for record in cut.query(records) or ()}
    parked: dict[str, list[Snapshot]] = {}
    withdrawn = []
    for path, record in by_task.items():
        task = cut.document(path)
        if task is None or not says_parked(record):
            continue
        if not task.exists:
            withdrawn.append(task)
        elif is_parked(task, record):
            parked.setdefault(key.name(task), []).append(task)
    return _Seen(tasks, by_task, parked, withdrawn)


def _comes_after(task: Snapshot, other: Snapshot) -> bool:
    return in_order(other) < in_order(task)
