"""The kinds of Firestore's own types: texts, numbers, moments, places, times of the day."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

from flask_boiler.attrs.kinds.kind import Kind
from flask_boiler.attrs.kinds.mismatch import Mismatch, shown
from flask_boiler.firestore.native import GeoPoint, Vector

__all__ = [
    "BYTES",
    "GEO_POINT",
    "TIMESTAMP",
    "VECTOR",
    "IntegerKind",
    "LocalTimeKind",
    "ScalarKind",
    "as_integer",
]


class ScalarKind(Kind):
    """The kind of one of Firestore's own types.

    :param types: classes whose instances are taken as they are.
    :param convert: makes what is stored of an instance, and what is read of a stored one.
    """

    def __init__(
        self,
        label: str,
        *types: type,
        convert: Callable[[Any], Any] | None = None,
        read: Callable[[Any], Any] | None = None,
    ) -> None:
        self.label = label
        self.types = types
        self.taken_as_is = frozenset(types) if read is None else frozenset()
        self.stored_as_is = frozenset(types) if convert is None else frozenset()
        self._convert = convert
        self._read = read

    def accepts(self, value: Any) -> bool:
        """Whether it is an instance; ``True`` and ``False`` are no numbers."""
        return isinstance(value, self.types) and (bool in self.types or value.__class__ is not bool)

    def load(self, stored: Any) -> Any:
        """The stored value itself."""
        if type(stored) in self.taken_as_is:
            return stored
        if not self.accepts(stored):
            raise self.refuse(stored)
        return stored if self._read is None else self._read(stored)

    def dump(self, value: Any, *, bare: bool = False) -> Any:
        """The value itself."""
        if not self.accepts(value):
            raise self.refuse(value)
        return value if self._convert is None else self._convert(value)

    def __repr__(self) -> str:
        return f"<ScalarKind {self.label}>"


class IntegerKind(ScalarKind):
    """Integers; an integral double is one, too.

    Firestore makes doubles of integers: an ``Increment`` on a double does, and so do languages
    that have one type for both.
    """

    def __init__(self) -> None:
        super().__init__("int", int)

    def load(self, stored: Any) -> Any:
        """The integer."""
        return super().load(as_integer(stored))

    def dump(self, value: Any, *, bare: bool = False) -> Any:
        """The integer."""
        return super().dump(as_integer(value), bare=bare)


def as_integer(value: Any) -> Any:
    """The integer that a double is; any other value, and one beyond 64 bits, as it is."""
    if isinstance(value, float) and value.is_integer() and -(2.0**63) <= value < 2.0**63:
        return int(value)
    return value


class LocalTimeKind(Kind):
    """Naive times of one time zone, stored as timestamps."""

    label = "a naive datetime"

    def __init__(self, zone: datetime.tzinfo) -> None:
        self.zone = zone

    def load(self, stored: Any) -> Any:
        """The wall clock in the zone at that moment."""
        if not isinstance(stored, datetime.datetime):
            raise Mismatch(f"expected a timestamp, not {shown(stored)}")
        return self._clock(stored)

    def dump(self, value: Any, *, bare: bool = False) -> Any:
        """The moment when the zone's clocks show that time; ``fold`` tells two apart."""
        if not isinstance(value, datetime.datetime) or value.tzinfo is not None:
            raise self.refuse(value)
        try:
            moment = value.replace(tzinfo=self.zone).astimezone(datetime.UTC)
        except OverflowError as error:
            raise self._beyond(value) from error
        if self._clock(moment) != value.replace(tzinfo=None):
            name = self.zone.key if isinstance(self.zone, ZoneInfo) else str(self.zone)
            raise Mismatch(
                f"{value.isoformat()} does not exist in {name}: the clocks skip this time"
            )
        return moment

    def _clock(self, moment: datetime.datetime) -> datetime.datetime:
        try:
            return moment.astimezone(self.zone).replace(tzinfo=None)
        except OverflowError as error:
            raise self._beyond(moment) from error

    def _beyond(self, value: datetime.datetime) -> Mismatch:
        return Mismatch(f"{value.isoformat()} is outside of the years 1 to 9999 in some time zone")


def _in_utc(moment: datetime.datetime) -> datetime.datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)


def _copy_point(point: GeoPoint) -> GeoPoint:
    return GeoPoint(point.latitude, point.longitude)


TIMESTAMP = ScalarKind("datetime", datetime.datetime, convert=_in_utc)
BYTES = ScalarKind("bytes", bytes, bytearray, convert=bytes)
GEO_POINT = ScalarKind("GeoPoint", GeoPoint, convert=_copy_point, read=_copy_point)
VECTOR = ScalarKind("Vector", Vector)
