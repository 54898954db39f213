"""The memory of what was computed of recent cuts, for views that share it."""

from __future__ import annotations

import threading
import weakref
from collections import deque
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from flask_boiler.engine.cut_reader import CutReader, is_seen, seen_in
from flask_boiler.ground.ports import Cut, Incomplete
from flask_boiler.ground.values import Target

__all__ = ["CutMemo", "Remembered"]

T = TypeVar("T")

# Views that are computed at the same time may be on the newest cut and on the one before.
_REMEMBERED = 3
# How long one waits for another who computes. Who computes may wait for the other in turn, by a
# lock of the application's own, say.
_PATIENCE_S = 5.0


@dataclass(slots=True)
class Remembered(Generic[T]):
    """What was computed of a cut: a value, or that the cut lacks something.

    :param cut: the cut, unless nobody else has it any more: it would keep all that was replaced.
    :param basis: what it was computed of besides what was read.
    :param seen: what was read for it, and what that was.
    :param given_reads: the paths of what was read of the documents that the reader was given.
    :param missing: what the cut lacks; ``None``, if there is a value.
    """

    cut: weakref.ref[Cut]
    read_time_ns: int
    basis: Hashable
    seen: Mapping[Target, object]
    given_reads: frozenset[str]
    value: Any = None
    missing: frozenset[Target] | None = None

    def holds_in(self, cut: Cut, basis: Hashable) -> bool:
        """Whether the same would be computed of another cut."""
        if self.basis != basis:
            return False
        if self.cut() is cut:
            return True
        return all(is_seen(cut, target, state) for target, state in self.seen.items())

    def has(self, wanted: Callable[[T], bool]) -> bool:
        """Whether there is a value, and one of this kind."""
        return self.missing is None and wanted(self.value)

    def told(self, reader: CutReader) -> T:
        """The value, for a reader that is told what was read for it.

        :raises Incomplete: the cut lacks something.
        """
        reader.reads.update(self.seen)
        reader.given_reads |= self.given_reads
        if self.missing is not None:
            raise Incomplete(self.missing)
        value: T = self.value
        return value


class CutMemo(Generic[T]):
    """A function of cuts that is computed once, as long as nothing that it reads changes.

    For any number of threads; of several that ask at once, one computes, and the others wait for
    it, unless that takes long. No lock is held meanwhile.

    :param compute: reads through the reader that it is given, and through nothing else. If it
        raises anything but ``Incomplete``, nothing is remembered.
    """

    def __init__(self, compute: Callable[[CutReader], T]) -> None:
        self._compute = compute
        self._done = threading.Condition()
        # The newest first.
        self._known: deque[Remembered[T]] = deque(maxlen=_REMEMBERED)
        # The threads that compute.
        self._at_work: list[int] = []

    def of(self, reader: CutReader, basis: Hashable = None) -> T:
        """The value for the cut of a reader, which is told what was read for it.

        :param basis: equal, if nothing but reads may have changed since it was computed.
        :raises Incomplete: the cut does not hold what it reads; the reader is told of all.
        """
        me = threading.get_ident()
        with self._done:
            known = self._remembered(reader.cut, basis)
            if known is None and self._is_anybody_else_at_work(me):
                self._done.wait_for(lambda: not self._is_anybody_else_at_work(me), _PATIENCE_S)
                known = self._remembered(reader.cut, basis)
            if known is None:
                self._at_work.append(me)
        if known is None:
            known = self._computed(reader, basis, me)
        return known.told(reader)

    def forget(self, unwanted: Callable[[T], bool]) -> None:
        """Forget the values that are unwanted: they are computed again when they are asked for."""
        with self._done:
            kept = [known for known in self._known if not known.has(unwanted)]
            if len(kept) < len(self._known):
                self._known = deque(kept, maxlen=_REMEMBERED)

    def _is_anybody_else_at_work(self, me: int) -> bool:
        return any(worker != me for worker in self._at_work)

    def _remembered(self, cut: Cut, basis: Hashable) -> Remembered[T] | None:
        known = next((each for each in self._known if each.holds_in(cut, basis)), None)
        if known is not None and cut.read_time_ns > known.read_time_ns:
            # The next who asks is on that cut, too, or on a newer one.
            known.cut, known.read_time_ns = weakref.ref(cut), cut.read_time_ns
        return known

    def _computed(self, reader: CutReader, basis: Hashable, me: int) -> Remembered[T]:
        own = CutReader(reader.cut, reader.given)
        try:
            known = self._attempted(own, basis)
        except BaseException:
            reader.reads |= own.reads
            reader.given_reads |= own.given_reads
            self._leave_work(me, None)
            raise
        self._leave_work(me, known)
        return known

    def _leave_work(self, me: int, known: Remembered[T] | None) -> None:
        with self._done:
            self._at_work.remove(me)
            if known is not None:
                kept = [each for each in self._known if each.missing is None]
                self._known = deque([known, *kept[: _REMEMBERED - 1]], maxlen=_REMEMBERED)
            self._done.notify_all()

    def _attempted(self, reader: CutReader, basis: Hashable) -> Remembered[T]:
        """The value, or what the cut lacks for it."""
        try:
            return _remembered(reader, basis, self._compute(reader))
        except Incomplete as incomplete:
            return _remembered(reader, basis, missing=incomplete.missing)


def _remembered(
    reader: CutReader,
    basis: Hashable,
    value: Any = None,
    missing: frozenset[Target] | None = None,
) -> Remembered[Any]:
    cut = reader.cut
    seen = {target: seen_in(cut, target) for target in reader.reads | (missing or set())}
    given = frozenset(reader.given_reads)
    return Remembered(weakref.ref(cut), cut.read_time_ns, basis, seen, given, value, missing)
