"""The memory of what was computed of recent cuts, for views that share it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from flask_boiler.engine.cut_reader import CutReader, differs
from flask_boiler.ground.ports import Cut
from flask_boiler.ground.values import Target

__all__ = ["CutMemo", "Remembered"]

T = TypeVar("T")

# Views that are computed at the same time may be on the newest cut and on the one before.
_REMEMBERED = 3


@dataclass(slots=True)
class Remembered(Generic[T]):
    """A value that was computed of a cut.

    :param basis: what it was computed of besides what was read.
    :param reads: what was read for it.
    :param given_reads: the paths of what was read of the documents that the reader was given.
    """

    cut: Cut
    basis: Hashable
    value: T
    reads: frozenset[Target]
    given_reads: frozenset[str]

    def holds_in(self, cut: Cut, basis: Hashable) -> bool:
        """Whether the same would be computed of another cut."""
        if self.basis != basis:
            return False
        return self.cut is cut or not any(differs(self.cut, cut, target) for target in self.reads)


class CutMemo(Generic[T]):
    """A function of cuts that is computed once, as long as nothing that it reads changes.

    For any number of threads; of several that ask at once, one computes.

    :param compute: reads through the reader that it is given, and through nothing else. If it
        raises, nothing is remembered.
    """

    def __init__(self, compute: Callable[[CutReader], T]) -> None:
        self._compute = compute
        self._lock = threading.RLock()
        # The newest first.
        self._known: deque[Remembered[T]] = deque(maxlen=_REMEMBERED)

    def of(self, reader: CutReader, basis: Hashable = None) -> T:
        """The value for the cut of a reader, which is told what was read for it.

        :param basis: equal, if nothing but reads may have changed since it was computed.
        :raises Incomplete: the cut does not hold what it reads; the reader is told of all.
        """
        with self._lock:
            known = self._remembered(reader.cut, basis)
            if known is None:
                known = self._computed(reader, basis)
            reader.reads |= known.reads
            reader.given_reads |= known.given_reads
            return known.value

    def forget(self, unwanted: Callable[[T], bool]) -> None:
        """Forget the values that are unwanted: they are computed again when they are asked for."""
        with self._lock:
            kept = [known for known in self._known if not unwanted(known.value)]
            if len(kept) < len(self._known):
                self._known = deque(kept, maxlen=_REMEMBERED)

    def _remembered(self, cut: Cut, basis: Hashable) -> Remembered[T] | None:
        known = next((each for each in self._known if each.holds_in(cut, basis)), None)
        if known is not None and cut.read_time_ns > known.cut.read_time_ns:
            # The next who asks is on that cut, too, or on a newer one.
            known.cut = cut
        return known

    def _computed(self, reader: CutReader, basis: Hashable) -> Remembered[T]:
        own = CutReader(reader.cut, reader.given)
        try:
            value = self._compute(own)
        except BaseException:
            reader.reads |= own.reads
            reader.given_reads |= own.given_reads
            raise
        known = Remembered(
            reader.cut, basis, value, frozenset(own.reads), frozenset(own.given_reads)
        )
        self._known.appendleft(known)
        return known
