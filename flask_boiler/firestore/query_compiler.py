"""Queries as the server takes them, compiled from a ``QuerySpec`` or from Google's queries."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from google.cloud.firestore_v1.base_aggregation import BaseAggregationQuery
from google.cloud.firestore_v1.base_collection import BaseCollectionReference
from google.cloud.firestore_v1.base_query import BaseQuery
from google.cloud.firestore_v1.base_vector_query import BaseVectorQuery

from flask_boiler.errors import QueryError, ValidationError
from flask_boiler.firestore import protocol
from flask_boiler.firestore.codec import Codec
from flask_boiler.firestore.query_rules import NAME, NOTHING, check
from flask_boiler.ground.ports import DocumentCodec
from flask_boiler.ground.values import (
    Cursor,
    FieldFilter,
    Filter,
    HasPath,
    Order,
    QuerySpec,
    QueryTarget,
)

__all__ = [
    "HasTargets",
    "collection_ids",
    "compile_query",
    "describe",
    "target_of",
    "targets_of",
]

_FIELD = protocol.StructuredQuery.FieldFilter
_UNARY = protocol.StructuredQuery.UnaryFilter
_COMPOSITE = protocol.StructuredQuery.CompositeFilter
_ASCENDING = protocol.StructuredQuery.ASCENDING
_DESCENDING = protocol.StructuredQuery.DESCENDING

_OPERATORS = {
    "==": _FIELD.EQUAL,
    "!=": _FIELD.NOT_EQUAL,
    "<": _FIELD.LESS_THAN,
    "<=": _FIELD.LESS_THAN_OR_EQUAL,
    ">": _FIELD.GREATER_THAN,
    ">=": _FIELD.GREATER_THAN_OR_EQUAL,
    "in": _FIELD.IN,
    "not-in": _FIELD.NOT_IN,
    "array-contains": _FIELD.ARRAY_CONTAINS,
    "array-contains-any": _FIELD.ARRAY_CONTAINS_ANY,
}
_LISTS = frozenset({"in", "not-in", "array-contains-any"})


@runtime_checkable
class HasTargets(Protocol):
    """A query of the framework, which knows its targets."""

    def targets(self, codec: Codec) -> list[QueryTarget]:
        """The targets that together find the whole result."""
        ...


def targets_of(query: Any, codec: Codec) -> list[QueryTarget]:
    """The targets of a :class:`~flask_boiler.Query`, or of one of Google's queries.

    :raises QueryError: it is neither, or cannot be listened to.
    """
    if isinstance(query, HasTargets):
        return query.targets(codec)
    return [target_of(query, codec)]


def target_of(query: Any, codec: Codec) -> QueryTarget:
    """The target of Google's ``Query``, ``CollectionReference`` or ``CollectionGroup``.

    :raises QueryError: it is none of these, or cannot be listened to, or belongs to another
        database.
    """
    if isinstance(query, BaseAggregationQuery | BaseVectorQuery):
        raise QueryError(
            f"a {type(query).__name__} cannot be listened to: use a query of documents"
        )
    if isinstance(query, BaseCollectionReference):
        query = query._query()
    if not isinstance(query, BaseQuery):
        raise QueryError(f"{query!r:.80} is not a query: expected a Query, or one of Google's")
    structured = protocol.StructuredQuery()
    structured.CopyFrom(query._to_protobuf()._pb)
    if query._limit_to_last:
        _reverse(structured)
    prefix, _ = query._parent._parent_info()
    return QueryTarget(
        _relative(prefix, codec),
        _serialized(structured),
        limit_to_last=query._limit_to_last,
        text=f"the query of {query._parent.id or 'everything'}",
    )


def _relative(parent: str, codec: Codec) -> str:
    root = codec.name("")
    if not f"{parent}/".startswith(root):
        raise QueryError(f"the query is of another database: {parent}, not {root.rstrip('/')}")
    return codec.path(f"{parent}/").rstrip("/")


def collection_ids(target: QueryTarget) -> list[str]:
    """The ids of the collections that a query searches; an empty id means any collection."""
    structured = protocol.StructuredQuery.FromString(target.structured)
    return [selector.collection_id for selector in structured.from_]


def compile_query(spec: QuerySpec, codec: DocumentCodec) -> QueryTarget:
    """The target of a query spec.

    :raises QueryError: Firestore cannot answer it; or it can find nothing, which Firestore is not
        asked for.
    """
    spec = check(spec)
    if spec.where == NOTHING:
        raise QueryError(f"{describe(spec)}: the query finds nothing, so there is nothing to ask")
    structured = _Compiler(spec, codec).structured()
    if spec.limit_to_last:
        _reverse(structured)
    return QueryTarget(
        spec.parent,
        _serialized(structured),
        limit_to_last=spec.limit_to_last,
        text=describe(spec),
    )


@dataclass(frozen=True, slots=True)
class _Name:
    """A document reference for the codec."""

    path: str


class _Compiler:
    """A compiler that fills one ``StructuredQuery``."""

    def __init__(self, spec: QuerySpec, codec: DocumentCodec) -> None:
        self._spec = spec
        self._codec = codec

    def structured(self) -> Any:
        spec = self._spec
        structured = protocol.StructuredQuery(offset=spec.offset)
        source = structured.from_
        source.add(collection_id=spec.collection, all_descendants=spec.all_descendants)
        if spec.where is not None:
            self._fill_filter(structured.where, spec.where)
        for order in spec.orders:
            structured.order_by.add(
                field={"field_path": order.field},
                direction=_DESCENDING if order.descending else _ASCENDING,
            )
        self._fill_cursor(structured, "start_at", spec.start)
        self._fill_cursor(structured, "end_at", spec.end)
        if spec.limit is not None:
            structured.limit.value = spec.limit
        if spec.select is not None:
            for field in spec.select or (NAME,):
                structured.select.fields.add(field_path=field)
        return structured

    def _fill_filter(self, slot: Any, where: Filter) -> None:
        if isinstance(where, FieldFilter):
            self._fill_comparison(slot, where)
            return
        composite = slot.composite_filter
        composite.op = _COMPOSITE.AND if where.op == "and" else _COMPOSITE.OR
        for part in where.filters:
            self._fill_filter(composite.filters.add(), part)

    def _fill_comparison(self, slot: Any, where: FieldFilter) -> None:
        unary = _unary_operator(where)
        if unary is not None:
            slot.unary_filter.op = unary
            slot.unary_filter.field.field_path = where.field
            return
        slot.field_filter.op = _OPERATORS[where.op]
        slot.field_filter.field.field_path = where.field
        value = slot.field_filter.value
        if where.op in _LISTS:
            # Not encoded as one value: an array of arrays is no value, but may be asked for.
            values = value.array_value.values
            values.extend(self._value(where.field, item) for item in where.value)
        else:
            value.CopyFrom(self._value(where.field, where.value))

    def _fill_cursor(self, structured: Any, name: str, cursor: Cursor | None) -> None:
        if cursor is None:
            return
        slot = getattr(structured, name)
        slot.before = cursor.before
        for order, value in zip(self._spec.orders, cursor.values, strict=False):
            slot.values.append(self._value(order.field, value))

    def _value(self, field: str, value: Any) -> Any:
        if field == NAME:
            return self._codec.encode_value(_Name(self._path(value)))
        try:
            return self._codec.encode_value(value)
        except ValidationError as error:
            raise QueryError(f"{field} cannot be compared with {value!r:.80}: {error}") from error

    def _path(self, value: Any) -> str:
        path = value.path if isinstance(value, HasPath) else value
        if not isinstance(path, str) or not path:
            raise QueryError(
                f"a document's name cannot be compared with {value!r:.80}: expected an id, a "
                "path or a reference"
            )
        if "/" in path or self._spec.all_descendants:
            return _document_path(path)
        collection = self._spec.collection
        return f"{self._spec.parent}/{collection}/{path}".lstrip("/")


def _document_path(path: str) -> str:
    if len(path.split("/")) % 2:
        raise QueryError(
            f"{path!r} does not name a document: for a collection group, or a collection below a "
            "document, give the whole path"
        )
    return path


def _unary_operator(where: FieldFilter) -> Any | None:
    if where.value is None:
        return {"==": _UNARY.IS_NULL, "!=": _UNARY.IS_NOT_NULL}[where.op]
    if isinstance(where.value, float) and math.isnan(where.value):
        return {"==": _UNARY.IS_NAN, "!=": _UNARY.IS_NOT_NAN}[where.op]
    return None


def _reverse(structured: Any) -> None:
    """Reverse the orders of a query, so that its last results come first."""
    if not structured.order_by:
        raise QueryError(
            "limit_to_last needs an order_by, because without an order no result is the last"
        )
    for order in structured.order_by:
        order.direction = _ASCENDING if order.direction == _DESCENDING else _DESCENDING
    ends = {"end_at": _turned(structured, "start_at"), "start_at": _turned(structured, "end_at")}
    for name, cursor in ends.items():
        structured.ClearField(name)
        if cursor is not None:
            getattr(structured, name).CopyFrom(cursor)


def _turned(structured: Any, name: str) -> Any | None:
    if not structured.HasField(name):
        return None
    cursor = protocol.Cursor()
    cursor.CopyFrom(getattr(structured, name))
    cursor.before = not cursor.before
    return cursor


def _serialized(structured: Any) -> bytes:
    # Equal queries have to have equal bytes: their targets are shared.
    return bytes(structured.SerializeToString(deterministic=True))


def describe(spec: QuerySpec) -> str:
    """The text of a query for error messages.

    >>> describe(QuerySpec("City", where=FieldFilter("country", "==", "USA"), limit=3))
    "City where country == 'USA' limit 3"
    """
    place = f"{spec.parent}/{spec.collection}" if spec.parent else spec.collection
    words = [f"every {spec.collection} below {spec.parent or 'the root'}"]
    if not spec.all_descendants:
        words = [place]
    if spec.where is not None:
        words.append(f"where {_described(spec.where)}")
    if spec.orders:
        words.append(f"order by {', '.join(_described_order(order) for order in spec.orders)}")
    if spec.start is not None or spec.end is not None:
        words.append("in a range")
    if spec.offset:
        words.append(f"offset {spec.offset}")
    if spec.limit is not None:
        words.append(f"limit {'to last ' if spec.limit_to_last else ''}{spec.limit}")
    return " ".join(words)


def _described(where: Filter) -> str:
    if isinstance(where, FieldFilter):
        return f"{where.field} {where.op} {_shortened(where.value)}"
    if not where.filters:
        return "nothing is found" if where.op == "or" else "anything is found"
    return f" {where.op} ".join(
        _described(part) if isinstance(part, FieldFilter) else f"({_described(part)})"
        for part in where.filters
    )


def _shortened(value: Any) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str) and len(value) > 3:
        return f"[{value[0]!r}, ... {len(value)} values]"
    return f"{value!r:.60}"


def _described_order(order: Order) -> str:
    return f"-{order.field}" if order.descending else order.field
