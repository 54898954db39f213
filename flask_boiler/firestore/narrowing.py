"""Parts of a query's result, asked for by queries that are made from the whole one."""

from __future__ import annotations

from typing import Any

from flask_boiler.errors import QueryError
from flask_boiler.firestore import protocol
from flask_boiler.firestore.codec import Codec
from flask_boiler.firestore.query_rules import NAME
from flask_boiler.values import QueryTarget, collection_of

__all__ = ["below", "bounded", "may_find", "require_unbounded", "with_document", "with_value"]

_EQUAL = protocol.StructuredQuery.FieldFilter.EQUAL
_AND = protocol.StructuredQuery.CompositeFilter.AND


def require_unbounded(target: QueryTarget) -> None:
    """Check that a query asks for everything that fulfils its conditions.

    :raises QueryError: it has a limit, an offset or a position.
    """
    structured = _structured(target)
    bounds = [name for name in ("limit", "start_at", "end_at") if structured.HasField(name)]
    if structured.offset:
        bounds.append("offset")
    if bounds:
        raise QueryError(f"{target} has a {', '.join(bounds)}: ask for the whole result here")


def bounded(target: QueryTarget, limit: int) -> QueryTarget:
    """The first ``limit`` of the result."""
    structured = _structured(target)
    structured.limit.value = limit
    return _rebuilt(target, structured, f"the first {limit} of {target}")


def with_document(target: QueryTarget, path: str, codec: Codec) -> QueryTarget:
    """Of the result, the document at ``path``: it, or nothing."""
    value = protocol.Value(reference_value=codec.name(path))
    return _narrowed(target, NAME, value, f"{path} in {target}")


def with_value(target: QueryTarget, field: str, value: Any, codec: Codec) -> QueryTarget:
    """Of the result, the documents with this value of a stored field; in no certain order."""
    return _narrowed(target, field, codec.encode_value(value), f"{field} = {value!r} in {target}")


def below(target: QueryTarget, path: str) -> QueryTarget:
    """Of the result, the documents below the one at ``path``; in no certain order.

    For the query of a single collection, this is the whole result.
    """
    structured = _structured(target)
    structured.ClearField("order_by")
    everywhere = all(source.all_descendants for source in structured.from_)
    parent = path if everywhere else target.parent
    narrowed = QueryTarget(parent, b"", text=f"{target} below {path}")
    return _rebuilt(narrowed, structured, str(narrowed))


def may_find(target: QueryTarget, path: str) -> bool:
    """Whether the document lies where the query looks."""
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
