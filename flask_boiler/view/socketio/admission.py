"""The rate at which clients may begin to follow views."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

__all__ = ["Admission"]


class Admission:
    """A queue at the door: each who asks gets a time, so that only so many start in a second.

    :param per_s: how many; ``None`` lets everybody in at once.
    """

    def __init__(self, per_s: float | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_s = per_s
        self._clock = clock
        self._lock = threading.Lock()
        self._next_at = 0.0

    def wait_s(self, *, at_most_s: float) -> float | None:
        """The time to wait before one may start; ``None``, and no place taken, if it is longer."""
        if self._per_s is None:
            return 0.0
        with self._lock:
            now = self._clock()
            start = max(now, self._next_at)
            if start - now > at_most_s:
                return None
            self._next_at = start + 1.0 / self._per_s
            return start - now
