"""Firestore's order of values and documents, computed from stored values.

Values of different types have an order too::

    null < boolean < number (NaN first) < timestamp < string < bytes
         < reference < geo point < array < vector < map

Strings compare as their UTF-8 bytes, which is how Python compares them. Integers and
doubles compare by value, exactly.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Sequence
from functools import lru_cache
from itertools import groupby
from typing import Any

from flask_boiler.firestore import protocol
from flask_boiler.firestore.protocol import effective_orders, field_value, is_vector
from flask_boiler.ground.values import QueryTarget, Snapshot

__all__ = [
    "ResultSorter",
    "name_key",
    "value_key",
]

_NAME = "__name__"
_NUMERIC_ID = re.compile(r"__id(-?\d+)__")

#: Something that sorts as the value does; keys of any two values can be compared.
Key = tuple[Any, ...]


def value_key(value: Any) -> Key:
    """A key that sorts in Firestore's order of the stored value."""
    return _KEYS[value.WhichOneof("value_type")](value)


def name_key(path: str) -> Key:
    """A key that sorts as Firestore sorts the names of documents: segment by segment."""
    return tuple(_segment_key(segment) for segment in path.split("/"))


def _segment_key(segment: str) -> Key:
    # Numeric ids are those that Datastore gave out; they come before all others.
    if segment.startswith("__id"):
        found = _NUMERIC_ID.fullmatch(segment)
        if found:
            return (0, int(found.group(1)))
    return (1, segment)


def _number_key(number: float) -> Key:
    return (2, 0, 0) if math.isnan(number) else (2, 1, number)


def _timestamp_key(value: Any) -> Key:
    return (3, value.timestamp_value.seconds, value.timestamp_value.nanos)


def _geo_point_key(value: Any) -> Key:
    return (7, value.geo_point_value.latitude, value.geo_point_value.longitude)


def _array_key(value: Any) -> Key:
    return (8, tuple(value_key(item) for item in value.array_value.values))


def _map_key(value: Any) -> Key:
    fields = value.map_value.fields
    if is_vector(fields):
        numbers = fields["value"].array_value.values
        return (9, len(numbers), tuple(value_key(number) for number in numbers))
    return (10, tuple((name, value_key(fields[name])) for name in sorted(fields)))


_KEYS: dict[str | None, Callable[[Any], Key]] = {
    None: lambda value: (0,),
    "null_value": lambda value: (0,),
    "boolean_value": lambda value: (1, value.boolean_value),
    "integer_value": lambda value: (2, 1, value.integer_value),
    "double_value": lambda value: _number_key(value.double_value),
    "timestamp_value": _timestamp_key,
    "string_value": lambda value: (4, value.string_value),
    "bytes_value": lambda value: (5, value.bytes_value),
    "reference_value": lambda value: (6, name_key(value.reference_value)),
    "geo_point_value": _geo_point_key,
    "array_value": _array_key,
    "map_value": _map_key,
}


@lru_cache(maxsize=1024)
def _runs_of(target: QueryTarget) -> tuple[tuple[bool, tuple[str, ...]], ...]:
    """The criteria, joined where they have the same direction, with whether it is descending."""
    orders = effective_orders(protocol.StructuredQuery.FromString(target.structured))
    return tuple(
        (descending, tuple(order.field for order in run))
        for descending, run in groupby(orders, key=lambda order: order.descending)
    )


class ResultSorter:
    """A sorter for the results of one query, which is quick if little has changed.

    May be used by several threads at once: what they remember of each other's results only
    saves work.
    """

    def __init__(self, target: QueryTarget) -> None:
        self._runs = _runs_of(target)
        self._backwards = target.limit_to_last
        self._keys: dict[str, tuple[Snapshot, tuple[Key, ...]]] = {}

    def sort(self, snapshots: Collection[Snapshot]) -> list[Snapshot]:
        """The documents of a result, in the order of the query."""
        if len(self._keys) > 2 * len(snapshots) + 100:
            self._keys = {}
        rows = [self._row(snapshot) for snapshot in snapshots]
        # Sorting is stable: one pass for each run of criteria, the last run first.
        for position in reversed(range(len(self._runs))):
            descending = self._runs[position][0]
            rows.sort(key=lambda row, at=position: row[1][at], reverse=descending)  # type: ignore[misc]
        result = [snapshot for snapshot, _ in rows]
        if self._backwards:
            result.reverse()
        return result

    def _row(self, snapshot: Snapshot) -> tuple[Snapshot, tuple[Key, ...]]:
        row = self._keys.get(snapshot.path)
        if row is None or row[0] is not snapshot:
            keys = tuple(_sort_key(snapshot, fields) for _, fields in self._runs)
            row = self._keys[snapshot.path] = (snapshot, keys)
        return row


def _sort_key(snapshot: Snapshot, fields: Sequence[str]) -> Key:
    return tuple(
        name_key(snapshot.path) if field == _NAME else _stored_key(snapshot.raw, field)
        for field in fields
    )


def _stored_key(document: Any, field: str) -> Key:
    value = field_value(document, field)
    return (-1,) if value is None else value_key(value)
