"""Parking: the views that were set aside, and what they wait for."""

from __future__ import annotations

import datetime
import logging
import traceback
from collections.abc import Iterable
from types import FrameType
from typing import Protocol

from flask_boiler.engine.view_key import Parked, ViewKey
from flask_boiler.errors import BoilerError, CyclicViewError, MaterializationError
from flask_boiler.ground.ports import CutChange
from flask_boiler.ground.values import Target

__all__ = ["Parking", "ParkingListener", "as_boiler_error", "let_go"]

logger = logging.getLogger(__name__)


class ParkingListener(Protocol):
    """A listener to what is parked; the engine's lock is held, so it must not wait for anything."""

    def parked(self, parked: Parked) -> None:
        """Hear of a view that is set aside, or failed again."""
        ...

    def released(self, key: ViewKey) -> None:
        """Hear of a view that is well, or gone; also of those that were not parked."""
        ...

    def heard(self, change: CutChange) -> None:
        """Hear of a new cut, in which somebody may ask that views be tried again."""
        ...


class Parking:
    """The views that were set aside, with their errors, and those that want places of others."""

    def __init__(self) -> None:
        self._parked: dict[ViewKey, Parked] = {}
        self._in_circles: set[ViewKey] = set()
        self._contested: dict[str, set[ViewKey]] = {}
        self.listener: ParkingListener | None = None

    def __contains__(self, key: ViewKey) -> bool:
        return key in self._parked

    def parked(self) -> list[Parked]:
        """All parked views, the one that is parked longest first."""
        return list(self._parked.values())

    def set_aside(self, key: ViewKey, error: Exception) -> None:
        """Park a view, visibly; one that fails again keeps the time of its first failure."""
        before = self._parked.get(key)
        self._drop(key)
        since = before.since if before else datetime.datetime.now(datetime.UTC)
        parked = self._parked[key] = Parked(key, error, since)
        if isinstance(error, CyclicViewError):
            self._in_circles.add(key)
        if self.listener is not None:
            self.listener.parked(parked)
        logger.error("%s is parked: %s", key, error, exc_info=error)

    def release(self, key: ViewKey) -> None:
        """Take a view out: it is well again, or gone."""
        self._drop(key)
        if self.listener is not None:
            self.listener.released(key)

    def hear(self, change: CutChange) -> None:
        """Tell the listener of a new cut, in which somebody may ask that views be tried again."""
        if self.listener is not None:
            self.listener.heard(change)

    def _drop(self, key: ViewKey) -> None:
        self._parked.pop(key, None)
        self._in_circles.discard(key)

    def held(self, mediator: str, target: Target | None) -> None:
        """Note that a target of a mediator's population is held, so that it is refused no more."""
        # A document has the key of its view, which is not well before it is computed.
        if not isinstance(target, str):
            self.release(ViewKey(mediator, str(target)))

    @property
    def in_circles(self) -> frozenset[ViewKey]:
        """The views that are set aside because they read each other."""
        return frozenset(self._in_circles)

    def contest(self, key: ViewKey, places: Iterable[str]) -> None:
        """Note the places at which a view would be kept if they were free."""
        for place in places:
            self._contested.setdefault(place, set()).add(key)

    def freed(self, places: Iterable[str]) -> set[ViewKey]:
        """The views that wanted these places, which are free now; they are forgotten."""
        waiting: set[ViewKey] = set()
        for place in places:
            waiting |= self._contested.pop(place, set())
        return waiting


def let_go(error: BaseException | None) -> None:
    """Have the tracebacks of an error keep lines only, and no values of variables.

    Among these is the cut that a view was computed on, which keeps all that is replaced since. To
    be called when whatever has computed it has returned.
    """
    seen: set[int] = set()
    pending = [error]
    while pending:
        error = pending.pop()
        if error is None or id(error) in seen:
            continue
        seen.add(id(error))
        pending += [error.__cause__, error.__context__]
        for frame, _ in traceback.walk_tb(error.__traceback__):
            _clear(frame)


def _clear(frame: FrameType | None) -> None:
    """Clear a frame, and those that have called it, as far as they have returned."""
    try:
        while frame is not None:
            frame.clear()
            frame = frame.f_back
    except RuntimeError:
        # It still runs, and so do all that have called it.
        return


def as_boiler_error(key: ViewKey, error: BaseException, read_time_ns: int) -> Exception:
    """The error of a view that failed, which names the view."""
    if isinstance(error, MaterializationError):
        error.key = key
        error.read_time_ns = read_time_ns
        return error
    if isinstance(error, BoilerError):
        return error
    raised = MaterializationError(
        f"{key} could not be computed: {type(error).__name__}: {error}",
        key=key,
        read_time_ns=read_time_ns,
    )
    raised.__cause__ = error
    return raised
