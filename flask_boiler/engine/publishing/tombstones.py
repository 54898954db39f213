"""The records of places that were given up, for as long as they are needed."""

from __future__ import annotations

import heapq

__all__ = ["KEPT_FOR_NS", "Tombstones"]

#: For so long after a place was given up, its tombstone tells older computations that they have
#: lost. One that is refused has lost, too, if its cut is older than that. What nothing refuses,
#: for want of a tombstone, goes when its process hears of the deletion.
KEPT_FOR_NS = 3600 * 1_000_000_000
_MOST_AT_ONCE = 500


class Tombstones:
    """The tombstones that this process wrote or found. Not thread-safe."""

    def __init__(self) -> None:
        #: A heap: when each was written, and the place.
        self._known: list[tuple[int, str]] = []

    def note(self, place: str, written_ns: int) -> None:
        """Remember a tombstone."""
        heapq.heappush(self._known, (written_ns, place))

    def take_served(self, now_ns: int) -> list[tuple[str, int]]:
        """Some of the tombstones that are needed no more, with their times; they are forgotten.

        :param now_ns: a recent time of the server's.
        """
        taken: list[tuple[str, int]] = []
        while self._known and self._known[0][0] <= now_ns - KEPT_FOR_NS:
            written_ns, place = heapq.heappop(self._known)
            # One that is found again, at another start in the process, comes next to itself.
            if taken[-1:] == [(place, written_ns)]:
                continue
            taken.append((place, written_ns))
            if len(taken) == _MOST_AT_ONCE:
                break
        return taken
