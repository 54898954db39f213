"""Which tasks may be the cause of Firestore's failing."""

from __future__ import annotations

import threading

__all__ = ["Suspects"]

# Lest those pile up that others have done away with.
_MOST = 1_000


class Suspects:
    """How often applying each task failed in a row for want of Firestore."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures: dict[str, int] = {}

    def failures(self, path: str) -> int:
        """How often it has, with this time."""
        with self._lock:
            count = self._failures.pop(path, 0) + 1
            self._failures[path] = count
            if len(self._failures) > _MOST:
                del self._failures[next(iter(self._failures))]
            return count

    def acquit(self, path: str) -> None:
        """Count anew."""
        with self._lock:
            self._failures.pop(path, None)
