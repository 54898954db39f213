"""The rules that a query has to keep so that Firestore can answer it, checked before it is sent.

They are those that google's protocol documents and its emulator enforces. A *disjunction* is
one of the alternatives of the filter's disjunctive normal form: ``in`` and
``array-contains-any`` have one for each value, ``or`` adds up, and ``and`` multiplies.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from flask_boiler.errors import QueryError
from flask_boiler.ground.values import (
    CompositeFilter,
    Cursor,
    FieldFilter,
    Filter,
    Order,
    QuerySpec,
)

__all__ = [
    "MAX_DISJUNCTIONS",
    "NAME",
    "NOTHING",
    "check",
    "conjunction",
    "disjunctions",
    "full_orders",
    "has_not_in",
]

NAME = "__name__"
#: What no document fulfils: any of no alternatives, as all of no conditions is fulfilled by each.
NOTHING = CompositeFilter("or", ())
_EVERYTHING = CompositeFilter("and", ())
MAX_DISJUNCTIONS = 30
_MAX_NOT_IN = 10
_MAX_UNEQUAL_FIELDS = 10
_LISTS = frozenset({"in", "not-in", "array-contains-any"})
_ARRAYS = frozenset({"array-contains", "array-contains-any"})
_NEGATIONS = frozenset({"!=", "not-in"})
_INEQUALITIES = frozenset({"<", "<=", ">", ">=", "!=", "not-in"})


def check(spec: QuerySpec) -> QuerySpec:
    """The same query, if Firestore can answer it, without empty lists, which Firestore refuses.

    The filter of a query that can find nothing is :data:`NOTHING`: nobody has to be asked.

    :raises QueryError: what is wrong, and what to write instead.
    """
    spec = spec.but(where=_resolved(spec.where))
    if spec.where is not None:
        _check_filter(spec.where)
    _check_orders(spec)
    _check_range(spec)
    for what, cursor in (("start", spec.start), ("end", spec.end)):
        _check_cursor(what, cursor, spec)
    return spec


def conjunction(*filters: Filter | None) -> Filter | None:
    """The filter that holds if all of these hold; ``None`` if there are none."""
    parts: list[Filter] = []
    for part in filters:
        if isinstance(part, CompositeFilter) and part.op == "and":
            parts.extend(part.filters)
        elif part is not None:
            parts.append(part)
    return CompositeFilter("and", tuple(parts)) if len(parts) > 1 else next(iter(parts), None)


def _resolved(where: Filter | None) -> Filter | None:
    """The same filter without empty lists; ``None`` if it always holds."""
    resolved = None if where is None else _without_empty(where)
    return None if resolved == _EVERYTHING else resolved


def _without_empty(where: Filter) -> Filter:
    if isinstance(where, FieldFilter):
        if where.op not in _LISTS or where.value:
            return where
        return _EVERYTHING if where.op == "not-in" else NOTHING
    neutral, decisive = (_EVERYTHING, NOTHING) if where.op == "and" else (NOTHING, _EVERYTHING)
    parts = [_without_empty(part) for part in where.filters]
    if decisive in parts:
        return decisive
    kept = [part for part in parts if part != neutral]
    if len(kept) == len(parts) and kept == list(where.filters):
        return where
    return kept[0] if len(kept) == 1 else CompositeFilter(where.op, tuple(kept))


def disjunctions(where: Filter | None) -> int:
    """The number of alternatives of the filter in disjunctive normal form."""
    if isinstance(where, FieldFilter):
        return len(where.value) if where.op in ("in", "array-contains-any") else 1
    if where is None:
        return 1
    counts = [disjunctions(part) for part in where.filters]
    return math.prod(counts) if where.op == "and" else sum(counts)


def has_not_in(where: Filter | None) -> bool:
    """Whether the filter contains a ``not-in``, which allows no alternatives beside it."""
    return any(part.op == "not-in" for part in _leaves(where))


def full_orders(spec: QuerySpec) -> tuple[Order, ...]:
    """The query's orders with those that Firestore adds, so that no two documents are equal.

    These are the fields compared by inequality, sorted, and the document's name, all in the
    direction of the last explicit order.
    """
    named = {order.field for order in spec.orders}
    unequal = {leaf.field for leaf in _leaves(spec.where) if leaf.op in _INEQUALITIES}
    descending = spec.orders[-1].descending if spec.orders else False
    added = [*sorted(unequal - named - {NAME}), *({NAME} - named)]
    return (*spec.orders, *(Order(field, descending) for field in added))


def _leaves(where: Filter | None) -> Iterator[FieldFilter]:
    if isinstance(where, FieldFilter):
        yield where
    elif where is not None:
        for part in where.filters:
            yield from _leaves(part)


def _check_filter(where: Filter) -> None:
    leaves = list(_leaves(where))
    for leaf in leaves:
        _check_leaf(leaf)
    _check_negations(where, leaves)
    _check_unequal_fields(leaves)
    if _array_clauses(where) > 1:
        raise QueryError(
            "two array comparisons (contains, contains_any) cannot be joined by 'and': Firestore "
            "allows one of them in each alternative. Compare the other one in Python, or join "
            "them by |"
        )
    count = disjunctions(where)
    if count > MAX_DISJUNCTIONS:
        raise QueryError(
            f"the filter has {count} alternatives when all values of 'in', 'contains_any' and '|' "
            f"are combined, and Firestore takes at most {MAX_DISJUNCTIONS}: use several queries"
        )


def _check_leaf(leaf: FieldFilter) -> None:
    shown = f"{leaf.field} {leaf.op}"
    if leaf.op in _LISTS:
        _check_list(leaf, shown)
    elif _is_special(leaf.value) and leaf.op not in ("==", "!="):
        raise QueryError(f"{shown} {leaf.value}: None and NaN can only be compared with == and !=")
    if leaf.field == NAME and leaf.op in _ARRAYS:
        raise QueryError(f"{shown}: a document's name is not an array")


def _check_list(leaf: FieldFilter, shown: str) -> None:
    limit = _MAX_NOT_IN if leaf.op == "not-in" else MAX_DISJUNCTIONS
    if len(leaf.value) > limit:
        raise QueryError(
            f"{shown}: {len(leaf.value)} values, and Firestore takes at most {limit}: use several "
            "queries"
        )
    if any(_is_special(value) for value in leaf.value):
        raise QueryError(
            f"{shown}: None and NaN are never found by a list: compare them with == or !=, and "
            "join the conditions by | or &"
        )


def _is_special(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _check_negations(where: Filter, leaves: list[FieldFilter]) -> None:
    negations = [f"{leaf.field} {leaf.op}" for leaf in leaves if leaf.op in _NEGATIONS]
    if len(negations) > 1:
        raise QueryError(
            f"{' and '.join(negations)}: Firestore takes only one != or not_in in a query. Use one "
            "not_in with all the values of one field, and compare the others in Python"
        )
    if has_not_in(where) and (_has_or(where) or any(_branches(leaf) for leaf in leaves)):
        raise QueryError(
            f"{negations[0]}: Firestore takes no 'in', 'contains_any' or '|' beside not_in"
        )


def _has_or(where: Filter) -> bool:
    return isinstance(where, CompositeFilter) and (
        where.op == "or" or any(_has_or(part) for part in where.filters)
    )


def _branches(leaf: FieldFilter) -> bool:
    return leaf.op in ("in", "array-contains-any")


def _check_unequal_fields(leaves: list[FieldFilter]) -> None:
    fields = {leaf.field for leaf in leaves if leaf.op in _INEQUALITIES}
    if len(fields) > _MAX_UNEQUAL_FIELDS:
        raise QueryError(
            f"{len(fields)} fields are compared by inequality, and Firestore takes at most "
            f"{_MAX_UNEQUAL_FIELDS}: {', '.join(sorted(fields))}"
        )


def _array_clauses(where: Filter) -> int:
    """The greatest number of array comparisons in any alternative."""
    if isinstance(where, FieldFilter):
        return int(where.op in _ARRAYS)
    counts = [_array_clauses(part) for part in where.filters]
    return sum(counts) if where.op == "and" else max(counts, default=0)


def _check_orders(spec: QuerySpec) -> None:
    fields = [order.field for order in spec.orders]
    twice = {field for field in fields if fields.count(field) > 1}
    if twice:
        raise QueryError(f"ordered by {', '.join(sorted(twice))} twice")
    if NAME in fields[:-1]:
        raise QueryError(
            "nothing can follow the document's name in an order, because names are unique"
        )
    if spec.limit_to_last and not fields:
        raise QueryError(
            "limit_to_last needs an order_by, because without an order no result is the last"
        )


def _check_range(spec: QuerySpec) -> None:
    if spec.limit is not None and not _is_count(spec.limit):
        raise QueryError(f"limit({spec.limit!r}): expected a whole number, 0 or more")
    if not _is_count(spec.offset):
        raise QueryError(f"offset({spec.offset!r}): expected a whole number, 0 or more")


def _is_count(number: Any) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and 0 <= number < 2**31


def _check_cursor(what: str, cursor: Cursor | None, spec: QuerySpec) -> None:
    if cursor is None:
        return
    if not cursor.values:
        raise QueryError(f"the {what} of the range has no value")
    if len(cursor.values) > len(spec.orders):
        by = ", ".join(order.field for order in spec.orders) or "nothing"
        raise QueryError(
            f"the {what} of the range has {len(cursor.values)} values, but the query is ordered "
            f"by {by}: call order_by first, with a field for each value"
        )
