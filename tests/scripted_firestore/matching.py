"""Which documents a query finds, and in which order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from flask_boiler.firestore import protocol
from flask_boiler.firestore.ordering import name_key, value_key
from flask_boiler.firestore.protocol import Criterion, effective_orders, field_names, field_value

_OPERATORS = protocol.StructuredQuery.FieldFilter
_UNARY = protocol.StructuredQuery.UnaryFilter
_AND = protocol.StructuredQuery.CompositeFilter.AND
_NAME = "__name__"


class Query:
    """A ``StructuredQuery`` below a parent, as the server runs it."""

    def __init__(self, parent: str, structured: Any) -> None:
        self._prefix = parent + "/"
        self._structured = structured
        self._orders = effective_orders(structured)

    @property
    def has_window(self) -> bool:
        """Whether a document's part in the result depends on other documents."""
        query = self._structured
        return bool(query.HasField("limit") or query.offset)

    def matches(self, document: Any) -> bool:
        """Whether a document is in the result, apart from ``limit`` and ``offset``."""
        return (
            self._is_below(document.name)
            and _holds(self._structured.where, document)
            and all(_orderable(document, order) for order in self._orders)
            and self._is_in_range(document)
        )

    def result(self, documents: Iterable[Any]) -> list[Any]:
        """The result among all documents, in its order, of each what the query selects."""
        found = [document for document in documents if self.matches(document)]
        for order in reversed(self._orders):
            found.sort(key=lambda d, f=order.field: _key(d, f), reverse=order.descending)  # type: ignore[misc]
        found = found[self._structured.offset :]
        if self._structured.HasField("limit"):
            found = found[: self._structured.limit.value]
        return [self.selected(document) for document in found]

    def selected(self, document: Any) -> Any:
        """What the query shows of a document."""
        if not self._structured.HasField("select"):
            return document
        paths = [field.field_path for field in self._structured.select.fields]
        return masked(document, [path for path in paths if path != _NAME])

    def _is_below(self, resource_name: str) -> bool:
        if not resource_name.startswith(self._prefix):
            return False
        segments = resource_name[len(self._prefix) :].split("/")
        return any(
            (not source.collection_id or segments[-2] == source.collection_id)
            and (source.all_descendants or len(segments) == 2)
            for source in self._structured.from_
        )

    def _is_in_range(self, document: Any) -> bool:
        query = self._structured
        if query.HasField("start_at"):
            order = self._compare(document, query.start_at)
            if order < 0 or (order == 0 and not query.start_at.before):
                return False
        if query.HasField("end_at"):
            order = self._compare(document, query.end_at)
            if order > 0 or (order == 0 and query.end_at.before):
                return False
        return True

    def _compare(self, document: Any, cursor: Any) -> int:
        for order, wanted in zip(self._orders, cursor.values, strict=False):
            found = _key(document, order.field)
            sought = name_key(wanted.reference_value) if order.field == _NAME else value_key(wanted)
            if found != sought:
                return (-1 if found < sought else 1) * (-1 if order.descending else 1)
        return 0


def masked(document: Any, paths: Sequence[str]) -> Any:
    """A document with no more than some of its fields."""
    shown = protocol.Document(name=document.name)
    shown.create_time.CopyFrom(document.create_time)
    shown.update_time.CopyFrom(document.update_time)
    for path in paths:
        found = field_value(document, path)
        if found is None:
            continue
        names = field_names(path)
        fields = shown.fields
        for step in names[:-1]:
            fields = fields[step].map_value.fields
        fields[names[-1]].CopyFrom(found)
    return shown


def _orderable(document: Any, order: Criterion) -> bool:
    return order.field == _NAME or field_value(document, order.field) is not None


def _key(document: Any, field: str) -> Any:
    if field == _NAME:
        return name_key(document.name)
    return value_key(field_value(document, field))


def _holds(where: Any, document: Any) -> bool:
    match where.WhichOneof("filter_type"):
        case "composite_filter":
            parts = (_holds(part, document) for part in where.composite_filter.filters)
            return all(parts) if where.composite_filter.op == _AND else any(parts)
        case "field_filter":
            found = _operand(document, where.field_filter.field.field_path)
            operator = _FIELD_OPERATORS[where.field_filter.op]
            return found is not None and operator(found, where.field_filter.value)
        case "unary_filter":
            found = _operand(document, where.unary_filter.field.field_path)
            return found is not None and _UNARY_OPERATORS[where.unary_filter.op](found)
        case _:
            return True


def _operand(document: Any, path: str) -> Any:
    if path == _NAME:
        return protocol.Value(reference_value=document.name)
    return field_value(document, path)


def _equal(found: Any, wanted: Any) -> bool:
    return value_key(found) == value_key(wanted) and not _is_nan(found)


def _is_nan(found: Any) -> bool:
    return value_key(found) == (2, 0, 0)


def _is_null(found: Any) -> bool:
    return value_key(found) == (0,)


def _ordered(found: Any, wanted: Any, test: Callable[[Any, Any], bool]) -> bool:
    ours, theirs = value_key(found), value_key(wanted)
    return ours[0] == theirs[0] and not _is_nan(found) and bool(test(ours, theirs))


def _is_one_of(found: Any, wanted: Any) -> bool:
    return any(_equal(found, item) for item in wanted.array_value.values)


def _is_none_of(found: Any, wanted: Any) -> bool:
    choices = wanted.array_value.values
    if _is_null(found) or any(_is_null(item) for item in choices):
        return False
    return not _is_one_of(found, wanted)


_FIELD_OPERATORS: dict[int, Callable[[Any, Any], bool]] = {
    _OPERATORS.EQUAL: _equal,
    _OPERATORS.NOT_EQUAL: lambda f, w: not _is_null(f) and not _equal(f, w),
    _OPERATORS.LESS_THAN: lambda f, w: _ordered(f, w, lambda a, b: a < b),
    _OPERATORS.LESS_THAN_OR_EQUAL: lambda f, w: _ordered(f, w, lambda a, b: a <= b),
    _OPERATORS.GREATER_THAN: lambda f, w: _ordered(f, w, lambda a, b: a > b),
    _OPERATORS.GREATER_THAN_OR_EQUAL: lambda f, w: _ordered(f, w, lambda a, b: a >= b),
    _OPERATORS.IN: _is_one_of,
    _OPERATORS.NOT_IN: _is_none_of,
    _OPERATORS.ARRAY_CONTAINS: lambda f, w: any(_equal(i, w) for i in f.array_value.values),
    _OPERATORS.ARRAY_CONTAINS_ANY: lambda f, w: any(_is_one_of(i, w) for i in f.array_value.values),
}
_UNARY_OPERATORS: dict[int, Callable[[Any], bool]] = {
    _UNARY.IS_NAN: _is_nan,
    _UNARY.IS_NULL: _is_null,
    _UNARY.IS_NOT_NAN: lambda found: not _is_nan(found) and not _is_null(found),
    _UNARY.IS_NOT_NULL: lambda found: not _is_null(found),
}
