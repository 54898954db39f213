"""Which queries the embedded Firestore takes, where it is easily mistaken."""

from __future__ import annotations

from typing import Any

import pytest

from flask_boiler.firestore import protocol
from flask_boiler.local.embedded.queries.validation import check_query
from flask_boiler.local.embedded.storage.refusal import Refusal

_FIELD = protocol.StructuredQuery.FieldFilter
_UNARY = protocol.StructuredQuery.UnaryFilter
_COMPOSITE = protocol.StructuredQuery.CompositeFilter


def _field(field: str, op: int, *operands: int) -> Any:
    made = protocol.StructuredQuery.Filter()
    made.field_filter.field.field_path = field
    made.field_filter.op = op
    for operand in operands:
        made.field_filter.value.array_value.values.add(integer_value=operand)
    return made


def _unary(field: str, op: int) -> Any:
    made = protocol.StructuredQuery.Filter()
    made.unary_filter.field.field_path = field
    made.unary_filter.op = op
    return made


def _query(op: int, *filters: Any) -> Any:
    made = protocol.StructuredQuery()
    made.from_.add(collection_id="c")
    made.where.composite_filter.op = op
    made.where.composite_filter.filters.extend(filters)
    return made


@pytest.mark.parametrize("op", [_COMPOSITE.AND, _COMPOSITE.OR])
@pytest.mark.parametrize(
    "negative",
    [
        _field("n", _FIELD.NOT_IN, 1, 2),
        _field("n", _FIELD.NOT_EQUAL, 1),
        _unary("n", _UNARY.IS_NOT_NULL),
    ],
    ids=["not-in", "!=", "is not null"],
)
def test_a_negative_filter_may_not_even_be_repeated(op: int, negative: Any) -> None:
    with pytest.raises(Refusal):
        check_query(_query(op, negative, negative))


def test_array_contains_may_be_repeated() -> None:
    contains = _field("n", _FIELD.ARRAY_CONTAINS, 1)
    check_query(_query(_COMPOSITE.AND, contains, contains))
    with pytest.raises(Refusal):
        check_query(_query(_COMPOSITE.AND, contains, _field("n", _FIELD.ARRAY_CONTAINS, 2)))
