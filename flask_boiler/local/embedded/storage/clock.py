"""The server's time: whole microseconds since the epoch, each given out once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

__all__ = ["Clock", "microseconds", "set_timestamp"]


def _wall_us() -> int:
    return time.time_ns() // 1000


class Clock:
    """Gives out times that only grow, however the wall clock behaves.

    :param wall_us: the wall clock.
    """

    def __init__(self, wall_us: Callable[[], int] = _wall_us) -> None:
        self._wall_us = wall_us
        self._lock = threading.Lock()
        self._last = 0

    def tick(self) -> int:
        """A time later than every other that was given out, and close to the wall clock's."""
        with self._lock:
            self._last = max(self._last + 1, self._wall_us())
            return self._last

    def advance(self, time_us: int) -> None:
        """Give out only times later than this one."""
        with self._lock:
            self._last = max(self._last, time_us)


def microseconds(timestamp: object) -> int:
    """A protobuf ``Timestamp`` as microseconds since the epoch; what is finer is cut off."""
    return int(timestamp.seconds * 1_000_000 + timestamp.nanos // 1000)  # type: ignore[attr-defined]


def set_timestamp(timestamp: object, time_us: int) -> None:
    """Fill a protobuf ``Timestamp`` from microseconds since the epoch."""
    seconds, rest = divmod(time_us, 1_000_000)
    timestamp.seconds, timestamp.nanos = seconds, rest * 1000  # type: ignore[attr-defined]
