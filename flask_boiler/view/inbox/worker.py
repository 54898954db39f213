"""The worker of a queue: threads that pick what is to be applied, at random.

The engine treats the queue as one view. It is *computed* when its window, or what is parked of
it, has changed; it is *published* when every task that can be applied has been. Meanwhile the
threads pick from the newest cut that there is, so that they see what other workers have done.
"""

from __future__ import annotations

import logging
import math
import random
import threading
from collections.abc import Callable, Sequence

from flask_boiler.engine.acceptance import Acceptance
from flask_boiler.engine.cut_reader import CutReader
from flask_boiler.engine.live_view import LiveView
from flask_boiler.engine.sink import Computed, PublishOutcome, SubmittedView, WithoutPlaces
from flask_boiler.engine.view_key import ViewKey
from flask_boiler.errors import UnavailableError
from flask_boiler.firestore.failures import is_refusal
from flask_boiler.ground.callbacks import as_exception
from flask_boiler.ground.lifecycle import ending_within, join, own_threads, time_to_end_s
from flask_boiler.ground.ports import Feed, Incomplete
from flask_boiler.ground.values import QueryTarget, Snapshot, Target
from flask_boiler.view.inbox.handling import Handling
from flask_boiler.view.inbox.records import says_parked, task_of
from flask_boiler.view.inbox.setbacks import pause_s
from flask_boiler.view.inbox.sight import Sight
from flask_boiler.view.inbox.task_processor import TaskProcessor
from flask_boiler.view.mediation.inbox import ParkedTask, Result, TaskState

__all__ = ["Worker"]

logger = logging.getLogger(__name__)

_FINISH_WITHIN_S = 30.0
_LOOK_AGAIN_S = 0.05
# After so many tasks the queue counts as published, if there is news that it is computed for again:
# under a load that never ends, its lag would grow for ever.
_ROUND = 50


class Worker(WithoutPlaces):
    """Applies the tasks of a queue; a :class:`~flask_boiler.engine.sink.Sink` of its windows.

    ::

        waiting ──submit()──► picking ──nothing left──► done() ──► waiting
                                └────── stop() ──► what is in hand is finished

    :param threads: how many tasks are applied at a time.
    :param kind: what its threads are called, as in ``task``.
    :param acceptance: whether Firestore takes commits at all.
    :param on_failure: told what ended a thread, if something does.
    :param rng: picks an index below the given number.
    """

    def __init__(
        self,
        handling: Handling,
        processor: TaskProcessor,
        feed: Feed,
        *,
        threads: int,
        kind: str,
        acceptance: Acceptance,
        on_failure: Callable[[BaseException], object] | None = None,
        rng: Callable[[int], int] = random.randrange,
    ) -> None:
        self._of = handling
        self._queue = handling.queue
        self._records = handling.records
        self._processor = processor
        self._feed = feed
        self._limit = self._queue.window or 0
        self._acceptance = acceptance
        self._condition = threading.Condition()
        self._sight = Sight(handling, feed, rng)
        self._targets: Sequence[QueryTarget] = ()
        self._done: Callable[[PublishOutcome], None] | None = None
        self._stopped = threading.Event()
        # The keys of the tasks in hand: two of one key would only disturb each other.
        self._in_hand: set[str] = set()
        # Why a task could not even be found out about, since the queue was looked at anew.
        self._trouble: Exception | None = None
        self._pauses = 0
        # How many tasks are left of the round.
        self._left = 0
        # Whether anything was written since `done` was called last.
        self._written = False
        self._threads = own_threads(
            threads,
            self._run,
            name=f"flask-boiler-{kind}-{handling.records.mediator}",
            serving=f"each {kind} of {handling.records.mediator}",
            on_failure=on_failure,
        )

    def live_view(self, key: ViewKey) -> LiveView[Sequence[QueryTarget]]:
        """The view that the queue is to the engine."""
        return LiveView(
            key, self.compute, self, on_heard=self._sight.hear, on_parked=self._hear_of_refusal
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
        """The tasks that are set aside, as far as was heard; ``None`` if nothing was."""
        with self._condition:
            return self._sight.parked

    # What the engine calls.

    def compute(self, reader: CutReader) -> Computed[Sequence[QueryTarget]]:
        """Look at the queue: choose the window, and have the cut hold it.

        :raises Incomplete: the cut does not hold it yet.
        """
        _hold(reader, [self._records.target])
        if not self._queue.whole:
            # They are looked at one by one, as those outside the window hold back others, too.
            records = filter(says_parked, reader.query(self._records.target))
            reader.documents([task_of(record) for record in records])
        targets = self._queue.targets(self._limit)
        _hold(reader, targets)
        if self._queue.whole:
            return Computed(targets)
        limit = self._wanted_limit(targets)
        if limit != self._limit:
            self._limit = limit
            targets = self._queue.targets(limit)
            _hold(reader, targets)
        return Computed(targets)

    def submit(
        self,
        view: SubmittedView,
        computed: Computed[Sequence[QueryTarget]],
        done: Callable[[PublishOutcome], None],
    ) -> None:
        """Apply what can be applied; ``done`` is called when nothing is left."""
        with self._condition:
            if not self._stopped.is_set() and computed.payload is not None:
                if computed.payload != self._targets:
                    # They may have changed before anybody was told of it.
                    self._sight.reset()
                self._targets = computed.payload
                self._trouble = None
                self._left = _ROUND
                self._sight.take_up()
                self._done = done
                # All: whoever finds nothing looks again as long as others have tasks in hand.
                self._condition.notify_all()
                return
        done(PublishOutcome())

    def _hear_of_refusal(self, error: Exception) -> None:
        # What changes while a target is refused is not told.
        self._sight.reset()

    def _wanted_limit(self, targets: Sequence[QueryTarget]) -> int:
        """Room for the window beside the tasks that cannot be applied at present."""
        with self._condition:
            cut = self._sight.look(targets)
            if cut is None:
                return self._limit
            members = sum(len(cut.query(target) or ()) for target in targets)
            blocked = members - self._sight.open
        window = self._queue.window or 1
        wanted = window * (1 + -(-blocked // window))
        # Listening anew costs more than listening to a few too many.
        too_few = wanted > self._limit and members >= self._limit
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
                    self._conclude(task, told)
            else:
                self._conclude(task, result)

    def _see_to(self, task: Snapshot) -> Result:
        with self._condition:
            comes_first = self._sight.comes_first(task)
            consult = self._sight.is_recorded(task)
        if comes_first:
            waiting = self._of.waiting(task)
            return self._processor.apply(task.path, consult=consult, taken_for=waiting)
        stopped = self._stopped.is_set
        return self._processor.apply_in_order(task.path, seen=task, stopped=stopped)

    def _take(self) -> Snapshot | None:
        """A task to see to; waits until there is one. ``None`` at the end."""
        while True:
            done: Callable[[PublishOutcome], None] | None = None
            with self._condition:
                if self._stopped.is_set():
                    return None
                ends = self._left <= 0 and self._sight.has_news
                if self._done is not None and not ends:
                    task = self._pick()
                    if task is not None:
                        self._in_hand.add(self._queue.key.name(task))
                        return task
                if self._done is not None and (ends or not self._in_hand):
                    done, self._done = self._done, None
                else:
                    # Newer cuts are not announced while other threads have tasks in hand.
                    self._condition.wait(_LOOK_AGAIN_S if self._in_hand else None)
            if done is not None:
                done(self._outcome())

    def _pick(self) -> Snapshot | None:
        if self._sight.look(self._targets) is None:
            return None
        free = self._sight.to_take(self._in_hand, most=2)
        if len(free) > 1:
            self._condition.notify()
        return free[0] if free else None

    def _conclude(self, task: Snapshot, end: Result | Exception) -> None:
        with self._condition:
            self._in_hand.discard(self._queue.key.name(task))
            self._pauses = 0
            self._left -= 1
            self._written = True
            if isinstance(end, Exception):
                self._trouble = self._trouble or end
                self._sight.set_aside(task, math.inf)
            elif end.state in (TaskState.DONE, TaskState.GONE):
                self._sight.end(task)
            else:
                # The next cut shows the record of what is parked, or that it is tried again.
                newer_ns = self._feed.cut.read_time_ns + 1
                self._sight.set_aside(task, end.known_at_ns or newer_ns)

    def _pause(self, task: Snapshot, error: Exception) -> None:
        """Wait a little before anything is tried again: Firestore is away, or refuses all."""
        logger.warning("task %s waits: %s", task.path, error)
        with self._condition:
            self._in_hand.discard(self._queue.key.name(task))
            self._pauses += 1
            failures = self._pauses
        self._stopped.wait(pause_s(failures))

    def _outcome(self) -> PublishOutcome:
        with self._condition:
            written, self._written = self._written, False
            newer_ns = self._feed.cut.read_time_ns + 1
            if self._trouble is not None:
                return PublishOutcome(error=self._trouble)
            if self._sight.look(self._targets) is None or self._sight.is_behind:
                # Whatever is missing comes with a newer cut, or its refusal does.
                return PublishOutcome(newer_than_ns=newer_ns)
            return PublishOutcome(written=written)


def _hold(reader: CutReader, targets: Sequence[QueryTarget]) -> None:
    """Have the cut hold queries, whose results need not be looked at for that.

    :raises Incomplete: it does not hold them yet.
    """
    reader.reads.update(targets)
    missing: list[Target] = [target for target in targets if not reader.cut.holds(target)]
    if missing:
        raise Incomplete(missing)
