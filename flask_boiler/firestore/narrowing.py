"""Queries for parts of a result, which are made from the query for the whole."""

from __future__ import annotations

from typing import Any

from flask_boiler.errors import QueryError
from flask_boiler.firestore import protocol
from flask_boiler.firestore.codec import Codec
from flask_boiler.firestore.protocol import effective_orders, field_value
from flask_boiler.firestore.query_rules import NAME
from flask_boiler.ground.values import QueryTarget, collection_of

__all__ = [
    "after",
    "below",
    "bounded",
    "may_find",
    "page_of",
    "require_unbounded",
    "with_document",
    "with_value",
]

_EQUAL = protocol.StructuredQuery.FieldFilter.EQUAL
_AND = protocol.StructuredQuery.CompositeFilter.AND
_ASCENDING = protocol.StructuredQuery.ASCENDING
_DESCENDING = protocol.StructuredQuery.DESCENDING
# As much of a value as is indexed; a query for a longer one is refused.
_LONGEST_VALUE_BYTES = 1_500


def require_unbounded(target: QueryTarget) -> None:
    """Check that a query finds all documents that meet its conditions.

    :raises QueryError: it has a limit, an offset or a position.
    """
    structured = _structured(target)
    bounds = [name for name in ("limit", "start_at", "end_at") if structured.HasField(name)]
    if structured.offset:
        bounds.append("offset")
    if bounds:
        raise QueryError(
            f"{target} has a {', '.join(bounds)}: only a query without these is possible here"
        )


def bounded(target: QueryTarget, limit: int) -> QueryTarget:
    """The query for the first ``limit`` documents of the result."""
    structured = _structured(target)
    structured.limit.value = limit
    return _rebuilt(target, structured, f"the first {limit} of {target}")


def page_of(target: QueryTarget, size: int) -> QueryTarget:
    """The query for the first ``size`` documents in the server's order, ready for :func:`after`.

    Of the documents only what they are sorted by, and their names. A query with a limit has no
    more than that.
    """
    structured = _structured(target)
    orders = effective_orders(structured)
    structured.ClearField("order_by")
    structured.ClearField("select")
    for order in orders:
        direction = _DESCENDING if order.descending else _ASCENDING
        structured.order_by.add(direction=direction).field.field_path = order.field
    for field in dict.fromkeys([NAME, *(order.field for order in orders)]):
        structured.select.fields.add(field_path=field)
    limit = structured.limit.value if structured.HasField("limit") else size
    structured.limit.value = min(limit, size)
    return _rebuilt(target, structured, f"a page of {target}")


def after(page: QueryTarget, last: Any, size: int) -> QueryTarget:
    """The query for what follows a page that was made by :func:`page_of`.

    :param last: the page's last document, as it is stored.
    :param size: how many documents there may be at the most.
    """
    structured = _structured(page)
    structured.ClearField("offset")
    cursor = structured.start_at
    cursor.Clear()
    cursor.before = False
    for order in structured.order_by:
        field = order.field.field_path
        if field == NAME:
            cursor.values.add(reference_value=last.name)
        else:
            cursor.values.add().CopyFrom(field_value(last, field))
    structured.limit.value = size
    return _rebuilt(page, structured, str(page))


def with_document(target: QueryTarget, path: str, codec: Codec) -> QueryTarget:
    """The query for the document at ``path``, if it is in the result."""
    value = protocol.Value(reference_value=codec.name(path))
    return _narrowed(target, NAME, value, f"{path} in {target}")


def with_value(target: QueryTarget, field: str, value: Any, codec: Codec) -> QueryTarget:
    """The query for documents of the result with this value of a stored field, in any order.

    For a value that is longer than Firestore takes in a query, this is the whole result.
    """
    encoded = codec.encode_value(value)
    if encoded.ByteSize() > _LONGEST_VALUE_BYTES:
        return target
    return _narrowed(target, field, encoded, f"{field} = {value!r} in {target}")


def below(target: QueryTarget, path: str) -> QueryTarget:
    """The query for documents of the result below the one at ``path``, in any order.

    For the query of a single collection, this is the whole result.
    """
    structured = _structured(target)
    structured.ClearField("order_by")
    everywhere = all(source.all_descendants for source in structured.from_)
    parent = path if everywhere else target.parent
    narrowed = QueryTarget(parent, b"", text=f"{target} below {path}")
    return _rebuilt(narrowed, structured, str(narrowed))


def may_find(target: QueryTarget, path: str) -> bool:
    """Whether a document is in a collection that the query searches."""
    collection = collection_of(path)
    for source in _structured(target).from_:
        if source.all_descendants:
            inside = not target.parent or collection.startswith(f"{target.parent}/")
            named = source.collection_id in ("", collection.rpartition("/")[2])
            if inside and named:
                return True
        elif collection == f"{target.parent}/{source.collection_id}".lstrip("/"):
            return True
    return False


def _structured(target: QueryTarget) -> Any:
    return protocol.StructuredQuery.FromString(target.structured)


def _narrowed(target: QueryTarget, field: str, value: Any, text: str) -> QueryTarget:
    structured = _structured(target)
    # An order would ask for an index of its own; there are few results, sorted by whoever asks.
    structured.ClearField("order_by")
    before = protocol.StructuredQuery.Filter()
    before.CopyFrom(structured.where)
    asked = structured.HasField("where")
    structured.ClearField("where")
    slot = structured.where
    if asked:
        slot.composite_filter.op = _AND
        slot.composite_filter.filters.add().CopyFrom(before)
        slot = slot.composite_filter.filters.add()
    slot.field_filter.op = _EQUAL
    slot.field_filter.field.field_path = field
    slot.field_filter.value.CopyFrom(value)
    return _rebuilt(target, structured, text)


def _rebuilt(target: QueryTarget, structured: Any, text: str) -> QueryTarget:
    serialized = bytes(structured.SerializeToString(deterministic=True))
    return QueryTarget(target.parent, serialized, text=text)
