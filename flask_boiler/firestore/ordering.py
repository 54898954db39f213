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
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import lru_cache
from itertools import groupby
from typing import Any, NamedTuple

from flask_boiler.firestore import protocol
from flask_boiler.ground.values import QueryTarget, Snapshot

__all__ = [
    "Criterion",
    "ResultSorter",
    "effective_orders",
    "field_names",
    "field_value",
    "is_vector",
    "name_key",
    "sort_snapshots",
    "value_key",
]

_NAME = "__name__"
_VECTOR_TYPE = "__vector__"
_NUMERIC_ID = re.compile(r"__id(-?\d+)__")
_PATH_PART = re.compile(r"`((?:[^`\\]|\\.)*)`|([^.`]+)")
_ESCAPE = re.compile(r"\\(.)")

#: Something that sorts as the value does; keys of any two values can be compared.
Key = tuple[Any, ...]


class Criterion(NamedTuple):
    """One sort criterion of a query, written out or implied."""

    field: str
    descending: bool


def value_key(value: Any) -> Key:
    """A key that sorts as Firestore sorts the stored value."""
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


def is_vector(fields: Any) -> bool:
    """Whether a map of stored values is a vector."""
    # Looking up a name that is not there would add it to the message.
    return "__type__" in fields and fields["__type__"].string_value == _VECTOR_TYPE


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


@lru_cache(maxsize=4096)
def field_names(path: str) -> tuple[str, ...]:
    """The field names that a field path leads through, unquoted.

    >>> field_names("address.`house number`")
    ('address', 'house number')
    """
    return tuple(
        _ESCAPE.sub(r"\1", quoted) if quoted else plain
        for quoted, plain in _PATH_PART.findall(path)
    )


def field_value(document: Any, path: str) -> Any | None:
    """The stored value at a field path of a document, or ``None`` if there is none."""
    fields = document.fields
    value = None
    for name in field_names(path):
        if fields is None or name not in fields:
            return None
        value = fields[name]
        is_map = value.WhichOneof("value_type") == "map_value"
        fields = value.map_value.fields if is_map else None
    return value


def effective_orders(structured: Any) -> list[Criterion]:
    """All criteria a ``StructuredQuery`` sorts by, with those that Firestore adds itself.

    Fields compared by inequality come after the explicit ones, and the document's name comes
    last; both in the direction of the last explicit one.
    """
    descending_value = protocol.StructuredQuery.DESCENDING
    orders = [
        Criterion(order.field.field_path, order.direction == descending_value)
        for order in structured.order_by
    ]
    named = {field_names(order.field) for order in orders}
    descending = orders[-1].descending if orders else False
    unequal = {field_names(path): path for path in _unequal_fields(structured.where)}
    for names in sorted(unequal):
        if names not in named and names != (_NAME,):
            orders.append(Criterion(unequal[names], descending))
    if (_NAME,) not in named:
        orders.append(Criterion(_NAME, descending))
    return orders


_FIELD_FILTER = protocol.StructuredQuery.FieldFilter
_UNARY_FILTER = protocol.StructuredQuery.UnaryFilter
_INEQUALITIES = frozenset(
    {
        _FIELD_FILTER.LESS_THAN,
        _FIELD_FILTER.LESS_THAN_OR_EQUAL,
        _FIELD_FILTER.GREATER_THAN,
        _FIELD_FILTER.GREATER_THAN_OR_EQUAL,
        _FIELD_FILTER.NOT_EQUAL,
        _FIELD_FILTER.NOT_IN,
    }
)
_UNARY_INEQUALITIES = frozenset({_UNARY_FILTER.IS_NOT_NAN, _UNARY_FILTER.IS_NOT_NULL})


def _unequal_fields(where: Any) -> Iterable[str]:
    match where.WhichOneof("filter_type"):
        case "composite_filter":
            for part in where.composite_filter.filters:
                yield from _unequal_fields(part)
        case "field_filter" if where.field_filter.op in _INEQUALITIES:
            yield where.field_filter.field.field_path
        case "unary_filter" if where.unary_filter.op in _UNARY_INEQUALITIES:
            yield where.unary_filter.field.field_path


@lru_cache(maxsize=1024)
def _runs_of(target: QueryTarget) -> tuple[tuple[bool, tuple[str, ...]], ...]:
    """The criteria, joined where they have the same direction: whether it is descending."""
    orders = effective_orders(protocol.StructuredQuery.FromString(target.structured))
    return tuple(
        (descending, tuple(order.field for order in run))
        for descending, run in groupby(orders, key=lambda order: order.descending)
    )


class ResultSorter:
    """Sorts the results of one query, again and again; cheaply where little has changed.

    May be used by several threads at once: what they remember of each other's results only
    saves work.
    """

    def __init__(self, target: QueryTarget) -> None:
        self._runs = _runs_of(target)
        self._backwards = target.limit_to_last
        self._keys: dict[str, tuple[Snapshot, tuple[Key, ...]]] = {}

    def sort(self, snapshots: Collection[Snapshot]) -> list[Snapshot]:
        """The documents of a result in the caller's order."""
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


def sort_snapshots(target: QueryTarget, snapshots: Collection[Snapshot]) -> list[Snapshot]:
    """The documents of a query's result in the caller's order."""
    return ResultSorter(target).sort(snapshots)


def _sort_key(snapshot: Snapshot, fields: Sequence[str]) -> Key:
    return tuple(
        name_key(snapshot.path) if field == _NAME else _stored_key(snapshot.raw, field)
        for field in fields
    )


def _stored_key(document: Any, field: str) -> Key:
    value = field_value(document, field)
    return (-1,) if value is None else value_key(value)
