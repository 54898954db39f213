"""Views that were set aside, and what they wait for."""

from __future__ import annotations

import datetime
import logging
from collections.abc import Iterable

from flask_boiler.engine.keys import Parked, ViewKey
from flask_boiler.errors import BoilerError, CyclicViewError, MaterializationError

__all__ = ["Parking", "as_boiler_error"]

logger = logging.getLogger(__name__)


class Parking:
    """Who failed, with what and since when; and who wants a place that is another's."""

    def __init__(self) -> None:
        self._parked: dict[ViewKey, Parked] = {}
        self._in_circles: set[ViewKey] = set()
        self._contested: dict[str, set[ViewKey]] = {}

    def __contains__(self, key: ViewKey) -> bool:
        return key in self._parked

    def parked(self) -> list[Parked]:
        """All that are set aside, the longest first."""
        return list(self._parked.values())

    def set_aside(self, key: ViewKey, error: Exception) -> None:
        """Park a view, visibly; one that fails again keeps the time of its first failure."""
        before = self._parked.get(key)
        self.release(key)
        since = before.since if before else datetime.datetime.now(datetime.UTC)
        self._parked[key] = Parked(key, error, since)
        if isinstance(error, CyclicViewError):
            self._in_circles.add(key)
        logger.error("%s is parked: %s", key, error, exc_info=error)

    def release(self, key: ViewKey) -> None:
        """It is well again, or gone."""
        self._parked.pop(key, None)
        self._in_circles.discard(key)

    @property
    def in_circles(self) -> frozenset[ViewKey]:
        """The views that are set aside because they read each other."""
        return frozenset(self._in_circles)

    def contest(self, key: ViewKey, places: Iterable[str]) -> None:
        """The view would be kept at these places if they were free."""
        for place in places:
            self._contested.setdefault(place, set()).add(key)

    def freed(self, places: Iterable[str]) -> set[ViewKey]:
        """Who wanted these places, now that they are free; forgets it."""
        waiting: set[ViewKey] = set()
        for place in places:
            waiting |= self._contested.pop(place, set())
        return waiting


def as_boiler_error(key: ViewKey, error: BaseException, read_time_ns: int) -> Exception:
    """What failed a view, as an error that names it."""
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
