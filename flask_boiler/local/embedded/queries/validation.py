"""The rules for queries: which ones Firestore takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

from flask_boiler.firestore import protocol
from flask_boiler.firestore.protocol import Criterion, field_names, is_vector
from flask_boiler.local.embedded.queries.conditions import NAME_FIELD, Leaf, disjunction
from flask_boiler.local.embedded.queries.matching import NAME, criteria
from flask_boiler.local.embedded.storage.name_rules import (
    check_collection_id,
    check_document,
    check_field_path,
    is_reserved,
)
from flask_boiler.local.embedded.storage.refusal import (
    Refusal,
    failed_precondition,
    invalid,
    unimplemented,
)
from flask_boiler.local.embedded.storage.value_rules import check_value

__all__ = ["check_query"]

_FIELD = protocol.StructuredQuery.FieldFilter
_UNARY = protocol.StructuredQuery.UnaryFilter
_COMPOSITE = protocol.StructuredQuery.CompositeFilter
_MANY = {_FIELD.IN: 30, _FIELD.ARRAY_CONTAINS_ANY: 30, _FIELD.NOT_IN: 10}
_MULTIPLYING = (_FIELD.IN, _FIELD.ARRAY_CONTAINS_ANY)
_NEGATIVE = (_FIELD.NOT_EQUAL, _FIELD.NOT_IN)
_UNARY_NEGATIVE = (_UNARY.IS_NOT_NAN, _UNARY.IS_NOT_NULL)
_CONTAINS = (_FIELD.ARRAY_CONTAINS, _FIELD.ARRAY_CONTAINS_ANY)
_MOST_DISJUNCTIONS = 30
#: Filters, orders, and the document that a query is below.
_MOST_PARTS = 100
_SEARCH = protocol.StructuredQuery.FindNearest
_MOST_NEIGHBORS = 1000
_MOST_UNEQUAL_FIELDS = 10
_UNEQUAL = (
    *_NEGATIVE,
    _FIELD.LESS_THAN,
    _FIELD.LESS_THAN_OR_EQUAL,
    _FIELD.GREATER_THAN,
    _FIELD.GREATER_THAN_OR_EQUAL,
)


def check_query(
    query: Any,
    required: Sequence[tuple[str, ...]] = (),
    *,
    may_search: bool = False,
    is_below_document: bool = False,
) -> None:
    """A ``StructuredQuery`` that can be run.

    :param required: more fields that it is sorted by, as those that an aggregation is over.
    :param may_search: whether it may ask for the nearest vectors.
    :param is_below_document: whether it is about collections below a document.
    :raises Refusal: INVALID_ARGUMENT, or UNIMPLEMENTED for a search that it may not ask for.
    """
    if query.HasField("find_nearest"):
        if not may_search:
            raise unimplemented(
                "find_nearest can be run; it cannot be listened to, aggregated or partitioned"
            )
        _check_search(query)
    if len(query.from_) > 1:
        raise invalid("StructuredQuery.from cannot have more than one collection selector.")
    for source in query.from_:
        if source.collection_id:
            check_collection_id(source.collection_id)
    if query.limit.value < 0:
        raise invalid("limit is negative")
    if query.offset < 0:
        raise invalid("offset is negative")
    for field in query.select.fields:
        check_field_path(field.field_path)
    if query.HasField("where"):
        _check_where(query.where)
    _check_size(query, is_below_document)
    _check_orders(query)
    for cursor in (query.start_at, query.end_at):
        _check_cursor(query, cursor)
    _check_keys(query, required)
    if not any(source.collection_id for source in query.from_):
        _check_without_collection(query)


def _check_search(query: Any) -> None:
    search = query.find_nearest
    for part, is_there in (
        ("limit", query.HasField("limit")),
        ("offset", query.offset > 0),
        ("cursor", query.HasField("start_at") or query.HasField("end_at")),
    ):
        if is_there:
            raise invalid(f"A query {part} cannot be used with FindNearest")
    check_field_path(search.vector_field.field_path)
    if search.distance_measure not in _SEARCH.DistanceMeasure.values()[1:]:
        raise invalid("Unknown Distance Measure.")
    if not 1 <= search.limit.value <= _MOST_NEIGHBORS:
        raise invalid(
            f"FindNearest.limit must be a positive integer of no more than {_MOST_NEIGHBORS}"
        )
    check_value(search.query_vector)
    if not is_vector(search.query_vector.map_value.fields):
        raise invalid("Query Value must be of type vector.")
    if is_reserved(search.distance_result_field):
        raise invalid(
            f'The distanceResultField.property.name "{search.distance_result_field}" is reserved.'
        )


def _check_where(where: Any) -> None:
    for leaf in _leaves(where):
        _check_leaf(leaf)
    count = _disjunctions(where)
    if count > _MOST_DISJUNCTIONS:
        raise invalid(
            f"Too many disjunctions after normalization. Result had {count} disjunctions which "
            f"is more than the maximum of {_MOST_DISJUNCTIONS}"
        )
    _check_together(where)


def _leaves(where: Any) -> Iterator[Any]:
    if where.WhichOneof("filter_type") == "composite_filter":
        if where.composite_filter.op not in (_COMPOSITE.AND, _COMPOSITE.OR):
            raise invalid("Unsupported CompositeFilter operator.")
        if where.composite_filter.op == _COMPOSITE.OR and not where.composite_filter.filters:
            raise invalid("Composite filter must have at least one sub-filter.")
        for part in where.composite_filter.filters:
            yield from _leaves(part)
    else:
        yield where


def _check_leaf(where: Any) -> None:
    match where.WhichOneof("filter_type"):
        case "unary_filter":
            if where.unary_filter.op not in _UNARY.Operator.values()[1:]:
                raise invalid("Unknown UnaryFilter operator.")
            check_field_path(where.unary_filter.field.field_path)
            if _is_name(where.unary_filter):
                raise invalid("__key__ filter value must be a Key")
        case "field_filter":
            _check_field_filter(where.field_filter)
        case _:
            raise invalid("Unknown Filter type.")


def _check_field_filter(part: Any) -> None:
    check_field_path(part.field.field_path)
    if part.op not in _FIELD.Operator.values()[1:]:
        raise invalid("Unknown FieldFilter operator.")
    name = _FIELD.Operator.Name(part.op)
    operands = [part.value]
    if part.op in _MANY:
        _check_many(part, name)
        operands = list(part.value.array_value.values)
    for operand in operands:
        check_value(operand)
    if _is_name(part):
        if part.op in _CONTAINS:
            raise invalid("the name __key__ is reserved")
        for operand in operands:
            if not operand.HasField("reference_value"):
                raise invalid("__key__ filter value must be a Key")


def _check_many(part: Any, name: str) -> None:
    if not part.value.HasField("array_value"):
        raise invalid(f"'{name}' requires an ArrayValue.")
    operands = part.value.array_value.values
    if not operands:
        raise invalid(f"'{name}' requires an non-empty ArrayValue.")
    if len(operands) > _MANY[part.op]:
        raise invalid(f"'{name}' supports up to {_MANY[part.op]} comparison values.")


def _is_name(part: Any) -> bool:
    return field_names(part.field.field_path) == NAME_FIELD


def _check_together(where: Any) -> None:
    # One that is repeated counts again.
    leaves = list(_leaves(where))
    fields = [leaf.field_filter for leaf in leaves if leaf.HasField("field_filter")]
    negative = sum(part.op in _NEGATIVE for part in fields) + sum(
        leaf.unary_filter.op in _UNARY_NEGATIVE for leaf in leaves if leaf.HasField("unary_filter")
    )
    if negative > 1:
        raise invalid(
            "Only a single 'NOT_EQUAL', 'NOT_IN', 'IS_NOT_NAN', or 'IS_NOT_NULL' filter allowed "
            "per query."
        )
    _check_unequal_fields(leaves)
    if any(part.op == _FIELD.NOT_IN for part in fields) and (
        any(part.op in _MULTIPLYING for part in fields) or _has_or(where)
    ):
        raise invalid(
            "'NOT_IN' cannot be used in the same query with 'IN', 'ARRAY_CONTAINS_ANY' or 'OR'."
        )
    if any(len(contained) > 1 for contained in _contained(where)):
        raise invalid("A maximum of 1 'ARRAY_CONTAINS' filter is allowed per disjunction.")


def _check_unequal_fields(leaves: Sequence[Any]) -> None:
    unequal = {
        part.field.field_path
        for leaf in leaves
        for part in (getattr(leaf, leaf.WhichOneof("filter_type")),)
        if part.op in (_UNEQUAL if leaf.HasField("field_filter") else _UNARY_NEGATIVE)
    }
    if len(unequal) > _MOST_UNEQUAL_FIELDS:
        raise invalid(
            f"The query contains {len(unequal)} distinct inequality fields: "
            f"[{', '.join(sorted(unequal))}]. A query may not have more than "
            f"{_MOST_UNEQUAL_FIELDS} distinct inequality fields."
        )


def _has_or(where: Any) -> bool:
    if where.WhichOneof("filter_type") != "composite_filter":
        return False
    composite = where.composite_filter
    return composite.op == _COMPOSITE.OR or any(_has_or(part) for part in composite.filters)


def _contained(where: Any) -> list[frozenset[bytes]]:
    """The different ``array_contains`` of each conjunction."""
    if where.WhichOneof("filter_type") == "composite_filter":
        parts = [_contained(part) for part in where.composite_filter.filters]
        if where.composite_filter.op == _COMPOSITE.OR:
            return [contained for part in parts for contained in part]
        return [frozenset().union(*choice) for choice in product(*parts)]
    is_contains = where.HasField("field_filter") and where.field_filter.op in _CONTAINS
    return [frozenset([_spelled(where)] if is_contains else [])]


def _spelled(where: Any) -> bytes:
    return bytes(where.SerializeToString(deterministic=True))


def _disjunctions(where: Any) -> int:
    """The number of conjunctions that a filter has when it is written as one disjunction."""
    match where.WhichOneof("filter_type"):
        case "composite_filter":
            counts = [_disjunctions(part) for part in where.composite_filter.filters]
            if where.composite_filter.op == _COMPOSITE.OR:
                return sum(counts)
            count = 1
            for factor in counts:
                count *= factor
            return count
        case "field_filter" if where.field_filter.op in _MULTIPLYING:
            values = where.field_filter.value.array_value.values
            return len({value.SerializeToString(deterministic=True) for value in values})
    return 1


def _check_size(query: Any, is_below_document: bool) -> None:
    filters = _comparisons(query.where) if query.HasField("where") else 0
    if filters + len(query.order_by) + is_below_document > _MOST_PARTS:
        raise invalid(
            f"The query may not have more than {_MOST_PARTS} filters + sort orders + ancestor "
            f"total. Currently there are {filters} filters and {len(query.order_by)} sort orders."
        )


def _comparisons(where: Any) -> int:
    """The number of values that a filter compares with; a repetition side by side counts once."""
    match where.WhichOneof("filter_type"):
        case "composite_filter":
            parts = {_spelled(part): part for part in where.composite_filter.filters}
            return sum(map(_comparisons, parts.values()))
        case "field_filter" if where.field_filter.op in _MANY:
            return len(where.field_filter.value.array_value.values)
    return 1


def _check_orders(query: Any) -> None:
    seen: set[tuple[str, ...]] = set()
    for order in query.order_by:
        if order.direction not in protocol.StructuredQuery.Direction.values():
            raise invalid("Unrecognized ordering.")
        check_field_path(order.field.field_path)
        names = field_names(order.field.field_path)
        if names in seen:
            raise invalid(f"order by clause cannot contain duplicate fields {'.'.join(names)}")
        if NAME_FIELD in seen:
            raise invalid("order by clause cannot contain more fields after the key")
        seen.add(names)


def _check_keys(query: Any, required: Sequence[tuple[str, ...]]) -> None:
    """Check conditions on names that are not allowed, alone or together with fields."""
    orders = criteria(query)
    if any(order.field == NAME for order in orders[:-1]):
        raise invalid("order by clause cannot contain more fields after the key")
    # Lists that nothing fulfils are left out only after all of this was looked at.
    conjunctions = [
        conjunction
        for conjunction in disjunction(query.where)
        if not any(leaf.is_void and not leaf.is_list for leaf in conjunction)
    ]
    unequal = any(
        not leaf.is_equality and leaf.names != NAME_FIELD
        for conjunction in conjunctions
        for leaf in conjunction
    )
    named = [leaf for conjunction in conjunctions for leaf in conjunction if _is_key(leaf)]
    if (
        unequal
        and any(leaf.is_equality for leaf in named)
        and all(leaf.is_equality for leaf in named)
    ):
        raise invalid(
            "Equality on key is not allowed if there are other inequality fields and key does "
            "not appear in inequalities."
        )
    in_an_index = [
        any((leaf.is_equality or leaf.is_void) and not _is_key(leaf) for leaf in conjunction)
        for conjunction in conjunctions
    ]
    # One alternative that is answered from an index is enough for all.
    if orders[0] == Criterion(NAME, True) and in_an_index and not any(in_an_index):
        raise failed_precondition("Firestore does not support descending key scans")
    more = set(required) - {field_names(order.field) for order in orders}
    if more and named:
        raise _unsupported_index(more)
    if more and any(order.field.field_path == NAME for order in query.order_by):
        raise _unsupported_index(more)


def _unsupported_index(fields: set[tuple[str, ...]]) -> Refusal:
    names = ", ".join(sorted(map(".".join, fields)))
    return invalid(
        f"This query requires an index that has fields [{names}] after __name__ and Firestore "
        "does not currently support such an index. Please try the query again with additional "
        "ordering on those fields."
    )


def _is_key(leaf: Leaf) -> bool:
    return leaf.names == NAME_FIELD


def _check_cursor(query: Any, cursor: Any) -> None:
    if len(cursor.values) > len(query.order_by):
        raise invalid("Cursor has too many values.")
    for order, value in zip(query.order_by, cursor.values, strict=False):
        check_value(value)
        if _is_name(order):
            if not value.HasField("reference_value"):
                raise invalid("Cursor __key__ value is not a document reference.")
            check_document(value.reference_value)


def _check_without_collection(query: Any) -> None:
    """Documents of any collection have no fields in common but their names."""
    for leaf in _leaves(query.where) if query.HasField("where") else ():
        part = getattr(leaf, leaf.WhichOneof("filter_type"))
        if not _is_name(part):
            raise invalid(f"kind is required for filter: {part.field.field_path}")
    for order in query.order_by:
        if not _is_name(order) or order.direction == protocol.StructuredQuery.DESCENDING:
            raise invalid("kind is required for all orders except __key__ ascending")
