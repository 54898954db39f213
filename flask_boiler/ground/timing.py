"""Tasks that are due at a later time, and the thread that runs them."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Hashable

from flask_boiler.ground.lifecycle import OwnThread, join

__all__ = ["Agenda", "Timekeeper"]

_logger = logging.getLogger(__name__)

_AGAIN_AFTER_S = 1.0


class Agenda:
    """Tasks by name, with the time at which each is due; not thread-safe."""

    def __init__(self) -> None:
        self._tasks: dict[Hashable, tuple[float, Callable[[], None]]] = {}

    def schedule(self, name: Hashable, at: float, task: Callable[[], None]) -> None:
        """Plan a task for a time, in place of an earlier task of the same name."""
        self._tasks[name] = (at, task)

    def cancel(self, name: Hashable) -> None:
        """Remove a task, if there is one of this name."""
        self._tasks.pop(name, None)

    def take_due(self, now: float) -> list[Callable[[], None]]:
        """The tasks that are due; they are removed from the agenda."""
        due = [name for name, (at, _) in self._tasks.items() if at <= now]
        return [self._tasks.pop(name)[1] for name in due]

    def next_at(self) -> float:
        """The time at which the next task is due; infinite if there is none."""
        return min((at for at, _ in self._tasks.values()), default=math.inf)


class Timekeeper:
    """A thread that calls ``tick`` at the time that it returned, or earlier if it is woken.

    :param tick: does what is due, and returns when it is to be called again.
    :param name: what the thread is called.
    :param on_failure: told what ended the thread, if something does.
    """

    def __init__(
        self,
        tick: Callable[[], float],
        clock: Callable[[], float],
        name: str = "flask-boiler-timekeeper",
        *,
        on_failure: Callable[[BaseException], object] | None = None,
    ) -> None:
        self._tick = tick
        self._clock = clock
        self._condition = threading.Condition()
        self._next_at = math.inf
        self._stopping = False
        self._thread = OwnThread(
            self._run,
            name=name,
            stops="nothing that is due later is done any more",
            on_failure=on_failure,
        )

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def wake_by(self, at: float) -> None:
        """Call ``tick`` at this time at the latest."""
        with self._condition:
            if at < self._next_at:
                self._next_at = at
                self._condition.notify()

    def stop(self) -> None:
        """Stop, and return when the thread has ended, unless it is this thread."""
        with self._condition:
            self._stopping = True
            self._condition.notify()
        join(self._thread)

    def _run(self) -> None:
        while self._sleep():
            try:
                self.wake_by(self._tick())
            except BaseException:
                _logger.exception("a task of %s failed; the others go on", self._thread.name)
                # It did not come to say when the next is due.
                self.wake_by(self._clock() + _AGAIN_AFTER_S)

    def _sleep(self) -> bool:
        """Wait until ``tick`` is due; false if it never will be."""
        with self._condition:
            while not self._stopping and (left_s := self._next_at - self._clock()) > 0:
                self._condition.wait(min(left_s, threading.TIMEOUT_MAX))
            self._next_at = math.inf
            return not self._stopping
