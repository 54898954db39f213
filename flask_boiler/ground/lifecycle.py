"""Things that run: what a ``with`` block starts, it also stops; and how long that may take."""

from __future__ import annotations

import logging
import math
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import Self

from flask_boiler.ground.callbacks import require_plain_members

__all__ = ["Startable", "Stoppable", "ending_within", "join", "time_to_end_s"]

_logger = logging.getLogger(__name__)

_ends_at_s: ContextVar[float] = ContextVar("flask_boiler_ends_at", default=math.inf)


@contextmanager
def ending_within(seconds: float) -> Iterator[None]:
    """What is stopped in the block waits no longer than this for its threads, all together."""
    token = _ends_at_s.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _ends_at_s.reset(token)


def time_to_end_s() -> float:
    """How long what is stopped here may still take; infinite if nobody has said."""
    return max(0.0, _ends_at_s.get() - time.monotonic())


def join(thread: threading.Thread) -> bool:
    """Wait for a thread's end as long as there is time; whether it has ended.

    One that has not is at work on something of the application's that takes longer. It is left,
    which is logged, and ends with the process at the latest. A thread that never started, or waits
    for itself, has nothing to wait for.
    """
    if thread.ident is None or thread is threading.current_thread():
        return True
    left_s = time_to_end_s()
    thread.join(None if left_s == math.inf else left_s)
    if thread.is_alive():
        _logger.warning(
            "the thread %s is left: what it is doing takes longer than the end may", thread.name
        )
    return not thread.is_alive()


class Stoppable(ABC):
    """Stops at the end of a ``with`` block, also when the block fails."""

    @abstractmethod
    def stop(self) -> None:
        """Stop; once it has, nothing happens."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


class Startable(Stoppable):
    """Starts at the beginning of a ``with`` block, and stops at its end."""

    def __init_subclass__(cls, **options: object) -> None:
        super().__init_subclass__(**options)
        require_plain_members(cls)

    @abstractmethod
    def start(self) -> object:
        """Start; while it runs, nothing happens."""

    def __enter__(self) -> Self:
        self.start()
        return self
