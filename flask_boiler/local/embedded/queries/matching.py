"""The meaning of a ``StructuredQuery``: which documents, in which order, showing what.

A :class:`Query` decides about one document at a time, so that it serves running a query,
validating what a transaction read, and listening alike.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from flask_boiler.firestore import protocol
from flask_boiler.firestore.protocol import Criterion, effective_orders, field_names, is_vector
from flask_boiler.local.embedded.queries.conditions import NAME_FIELD, Leaf, leaf_of
from flask_boiler.local.embedded.storage.document import StoredDocument, split_name
from flask_boiler.local.embedded.storage.encoding import (
    descending,
    encode_name,
    encode_value,
)

__all__ = [
    "NAME",
    "Query",
    "criteria",
    "inner_fields",
    "masked",
    "opened_fields",
    "value_at",
]

NAME = "__name__"
_PLAIN = re.compile(r"[a-zA-Z_][a-zA-Z_0-9]*")
_COMPOSITE = protocol.StructuredQuery.CompositeFilter

#: Whether a document's message fulfils a condition.
Predicate = Callable[[Any], bool]


def quoted(name: str) -> str:
    """A field's name as a field path has it."""
    if _PLAIN.fullmatch(name):
        return name
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def _significant(structured: Any) -> Any:
    """A query that is sorted the same way: without the filters that are left out beforehand."""
    leaves = list(_leaves(structured.where))
    kept = [leaf for leaf in leaves if not leaf_of(leaf).is_void]
    if len(kept) == len(leaves):
        return structured
    reduced = protocol.StructuredQuery(order_by=structured.order_by)
    reduced.where.composite_filter.op = _COMPOSITE.AND
    reduced.where.composite_filter.filters.extend(kept)
    return reduced


def _leaves(where: Any) -> Iterator[Any]:
    match where.WhichOneof("filter_type"):
        case "composite_filter":
            for part in where.composite_filter.filters:
                yield from _leaves(part)
        case str():
            yield where


def value_at(message: Any, names: Sequence[str]) -> Any | None:
    """The value at a field path of a document or a map, or ``None`` if there is none."""
    fields = message.fields
    value = None
    for name in names:
        if fields is None or name not in fields:
            return None
        value = fields[name]
        fields = inner_fields(value)
    return value


def inner_fields(value: Any) -> Any | None:
    """The fields of a map, or ``None`` for everything else; a vector is no map."""
    if not value.HasField("map_value") or is_vector(value.map_value.fields):
        return None
    return value.map_value.fields


def opened_fields(value: Any) -> Any:
    """The fields of a map to write into; the value becomes one with the first if it is none."""
    if inner_fields(value) is None:
        value.map_value.fields.clear()
    return value.map_value.fields


def criteria(structured: Any, required: Sequence[tuple[str, ...]] = ()) -> list[Criterion]:
    """All criteria that a result is sorted by, written out or implied, to the name at the end."""
    orders = effective_orders(_significant(structured))
    explicit = len(structured.order_by)
    named = {field_names(order.field) for order in orders}
    descending_last = orders[explicit - 1].descending if explicit else False
    more = [
        Criterion(".".join(map(quoted, names)), descending_last) for names in set(required) - named
    ]
    if not more:
        return orders
    implied = [order for order in orders[explicit:] if order.field != NAME] + more
    implied.sort(key=lambda order: field_names(order.field))
    return [*orders[:explicit], *implied, Criterion(NAME, descending_last)]


class Query:
    """A query below a parent, which is valid: see ``validation``.

    :param parent: the full name of a document, or of the documents of a world.
    :param structured: a ``google.firestore.v1.StructuredQuery``; not changed afterwards.
    :param required: more fields that a document must have to be in the result, as those that an
        aggregation is over; the result is sorted by them, too.
    """

    def __init__(
        self, parent: str, structured: Any, required: Sequence[tuple[str, ...]] = ()
    ) -> None:
        world, path = split_name(f"{parent}/")
        #: The database, and the path of the document that the query is below; empty: the root.
        self.world, self.parent = world, path.rstrip("/")
        self.structured = structured
        source = structured.from_[0] if structured.from_ else None
        #: The id of the collections that are asked; empty: of any.
        self.collection_id: str = source.collection_id if source else ""
        #: Whether collections anywhere below the parent are asked, or only those directly below.
        self.all_descendants: bool = source.all_descendants if source else False
        self.orders: list[Criterion] = criteria(structured, required)
        self.limit: int | None = structured.limit.value if structured.HasField("limit") else None
        self.offset: int = structured.offset
        self._prefix = f"{parent}/"
        #: The paths of the fields that a document in the result has.
        self.fields: frozenset[tuple[str, ...]] = frozenset(
            field_names(order.field) for order in self.orders if order.field != NAME
        )
        self._holds = _predicate(structured.where)
        self._in_range = self._range()

    @property
    def has_window(self) -> bool:
        """Whether a document's part in the result depends on other documents."""
        return self.limit is not None or self.offset > 0

    def matches(self, document: StoredDocument) -> bool:
        """Whether a document is in the result, apart from ``limit`` and ``offset``."""
        return self.matches_message(document.message)

    def matches_message(self, message: Any) -> bool:
        """Whether a ``Document`` message is in the result, apart from ``limit`` and ``offset``."""
        return (
            self.asks(message.name)
            and self._holds(message)
            and all(value_at(message, names) is not None for names in self.fields)
            and self._in_range(message)
        )

    def asks(self, name: str) -> bool:
        """Whether a document of this name is in a collection that is asked."""
        if not name.startswith(self._prefix):
            return False
        segments = name[len(self._prefix) :].split("/")
        return (self.all_descendants or len(segments) == 2) and (
            not self.collection_id or segments[-2] == self.collection_id
        )

    def sort_key(self, message: Any) -> bytes:
        """Bytes that sort as the result is ordered; no two documents have the same."""
        return b"".join(self._order_part(message, order) for order in self.orders)

    def selected(self, message: Any) -> Any:
        """A ``Document`` as the query shows it; that may be itself, do not change it."""
        if not self.structured.HasField("select"):
            return message
        paths = [field.field_path for field in self.structured.select.fields]
        return masked(message, [path for path in paths if path != NAME])

    def cursor_key(self, cursor: Any) -> bytes:
        """The beginning of the sort keys at a cursor's position."""
        return b"".join(
            _ordered(
                encode_name(value.reference_value) if order.field == NAME else encode_value(value),
                order,
            )
            for order, value in zip(self.orders, cursor.values, strict=False)
        )

    def _order_part(self, message: Any, order: Criterion) -> bytes:
        if order.field == NAME:
            return _ordered(encode_name(message.name), order)
        value = value_at(message, field_names(order.field))
        return b"" if value is None else _ordered(encode_value(value), order)

    def _range(self) -> Predicate:
        structured = self.structured
        tests: list[Callable[[bytes], bool]] = []
        if structured.HasField("start_at"):
            start = self.cursor_key(structured.start_at)
            tests.append(_from(start) if structured.start_at.before else _behind(start))
        if structured.HasField("end_at"):
            end = self.cursor_key(structured.end_at)
            tests.append(_before(end) if structured.end_at.before else _up_to(end))
        if not tests:
            return lambda message: True

        def is_in_range(message: Any) -> bool:
            key = self.sort_key(message)
            return all(test(key) for test in tests)

        return is_in_range


def _ordered(encoded: bytes, order: Criterion) -> bytes:
    return descending(encoded) if order.descending else encoded


# A cursor names the beginning of sort keys: those that begin so are at its position.


def _from(cursor: bytes) -> Callable[[bytes], bool]:
    return lambda key: key >= cursor


def _behind(cursor: bytes) -> Callable[[bytes], bool]:
    return lambda key: key > cursor and not key.startswith(cursor)


def _before(cursor: bytes) -> Callable[[bytes], bool]:
    return lambda key: key < cursor


def _up_to(cursor: bytes) -> Callable[[bytes], bool]:
    return lambda key: key < cursor or key.startswith(cursor)


def masked(message: Any, paths: Sequence[str]) -> Any:
    """A document with no more than some of its fields."""
    shown = protocol.Document(name=message.name)
    shown.create_time.CopyFrom(message.create_time)
    shown.update_time.CopyFrom(message.update_time)
    for path in paths:
        names = field_names(path)
        found = value_at(message, names)
        if found is None:
            continue
        fields = shown.fields
        for step in names[:-1]:
            fields = fields[step].map_value.fields
        fields[names[-1]].CopyFrom(found)
    return shown


def _predicate(where: Any) -> Predicate:
    match where.WhichOneof("filter_type"):
        case "composite_filter":
            parts = [_predicate(part) for part in where.composite_filter.filters]
            if where.composite_filter.op == _COMPOSITE.OR and parts:
                return lambda message: any(part(message) for part in parts)
            return lambda message: all(part(message) for part in parts)
        case None:
            return lambda message: True
        case _:
            return _leaf_predicate(leaf_of(where))


def _leaf_predicate(leaf: Leaf) -> Predicate:
    if leaf.names == NAME_FIELD:
        return lambda message: leaf.accepts(encode_name(message.name))

    def contains(message: Any) -> bool:
        found = value_at(message, leaf.names)
        return found is not None and any(
            leaf.accepts(encode_value(element)) for element in found.array_value.values
        )

    def holds(message: Any) -> bool:
        found = value_at(message, leaf.names)
        return found is not None and leaf.accepts(encode_value(found))

    return contains if leaf.is_contains else holds
