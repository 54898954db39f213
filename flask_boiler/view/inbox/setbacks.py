"""Setbacks: what happens to documents that cannot be applied while Firestore does not answer.

They wait, each time longer; one that fails again and again, while Firestore takes other commits, is
suspected to be the cause.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from flask_boiler.ground.lifecycle import ProcessLock

__all__ = ["PATIENCE", "Suspects", "pause_s"]

#: After so many failures in a row a document is suspected to be the cause of them.
PATIENCE = 6

_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 10.0
# Lest those pile up that others have done away with.
_MOST_SUSPECTS = 1_000


def pause_s(failures: int) -> float:
    """The pause after so many failures in a row, in seconds; never the same for two who wait."""
    return min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0**failures) * random.uniform(0.5, 1.0)


class Suspects:
    """Counts how often in a row Firestore did not answer when a document was applied."""

    def __init__(self) -> None:
        self._lock = ProcessLock()
        self._failures: dict[str, int] = {}

    def is_the_cause(self, path: str, takes_commits: Callable[[], bool]) -> bool:
        """Whether it is for the document that Firestore fails, having failed at it once more.

        :param takes_commits: asks whether Firestore takes commits at all.
        """
        if self._failed(path) < PATIENCE:
            return False
        if takes_commits():
            return True
        # It is away, so what has failed before says nothing of the document.
        self.acquit(path)
        return False

    def acquit(self, path: str) -> None:
        """Count the failures of a document anew."""
        with self._lock:
            self._failures.pop(path, None)

    def _failed(self, path: str) -> int:
        with self._lock:
            count = self._failures.pop(path, 0) + 1
            self._failures[path] = count
            if len(self._failures) > _MOST_SUSPECTS:
                del self._failures[next(iter(self._failures))]
            return count
