"""The filters of a query, as intervals of encoded values.

A *leaf* is one filter: a field, and the intervals that its encoded value (for
``array_contains``: one of its elements) has to be in. A *conjunction* is a list of leaves that
must all hold; a filter as a whole is a list of conjunctions of which one must hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from itertools import product
from typing import Any, NamedTuple

from flask_boiler.firestore import protocol
from flask_boiler.firestore.protocol import field_names
from flask_boiler.local.embedded.storage.encoding import (
    NAN,
    NULL,
    encode_name,
    encode_value,
    successor,
    type_range,
)

__all__ = [
    "END",
    "NAME_FIELD",
    "Conjunction",
    "Interval",
    "Leaf",
    "disjunction",
    "intersection",
    "leaf_of",
]

_FIELD = protocol.StructuredQuery.FieldFilter
_LISTS = (_FIELD.IN, _FIELD.NOT_IN, _FIELD.ARRAY_CONTAINS_ANY)
_UNARY = protocol.StructuredQuery.UnaryFilter
_COMPOSITE = protocol.StructuredQuery.CompositeFilter

NAME_FIELD = ("__name__",)
#: Greater than every encoded value.
END = b"\xff"

#: From the first, up to but not including the second.
Interval = tuple[bytes, bytes]


class Leaf(NamedTuple):
    """One filter.

    :param names: the field's path; for ``__name__`` the intervals are of full names.
    :param intervals: disjoint and in order; none: nothing fulfils it.
    :param is_contains: whether elements of an array are meant.
    :param is_equality: whether each interval is a single value.
    """

    names: tuple[str, ...]
    intervals: tuple[Interval, ...]
    is_contains: bool = False
    is_equality: bool = False
    #: Whether it compares with null or NaN, which nothing fulfils: Firestore leaves such a
    #: filter out before it looks at the others.
    is_void: bool = False
    #: Whether it compares with several values, as ``in`` does.
    is_list: bool = False

    def accepts(self, encoded: bytes) -> bool:
        """Whether an encoded value is in one of the intervals."""
        return any(low <= encoded < high for low, high in self.intervals)


Conjunction = tuple[Leaf, ...]


def disjunction(where: Any) -> list[Conjunction]:
    """The conjunctions of which one must hold; one that is empty always does."""
    match where.WhichOneof("filter_type"):
        case "composite_filter":
            parts = [disjunction(part) for part in where.composite_filter.filters]
            if where.composite_filter.op == _COMPOSITE.OR and parts:
                return [conjunction for part in parts for conjunction in part]
            return [tuple(leaf for part in choice for leaf in part) for choice in product(*parts)]
        case None:
            return [()]
        case _:
            leaf = leaf_of(where)
            if leaf.is_equality and len(leaf.intervals) > 1:
                return [(leaf._replace(intervals=(interval,)),) for interval in leaf.intervals]
            return [(leaf,)]


def leaf_of(where: Any) -> Leaf:
    """The leaf of a filter that has no parts."""
    if where.WhichOneof("filter_type") == "unary_filter":
        names = field_names(where.unary_filter.field.field_path)
        return _UNARY_LEAVES[where.unary_filter.op]._replace(names=names)
    part = where.field_filter
    names = field_names(part.field.field_path)
    if names == NAME_FIELD:
        return _leaf(names, part, [encode_name(v.reference_value) for v in _operands(part)])
    return _leaf(names, part, [encode_value(value) for value in _operands(part)])


def _operands(part: Any) -> Sequence[Any]:
    return part.value.array_value.values if part.op in _LISTS else [part.value]


def _leaf(names: tuple[str, ...], part: Any, operands: list[bytes]) -> Leaf:
    if _is_void(part.op, operands):
        is_list = part.op in _LISTS
        is_equality = is_list and part.op != _FIELD.NOT_IN
        return Leaf(names, (), is_void=True, is_list=is_list, is_equality=is_equality)
    match part.op:
        case _FIELD.EQUAL | _FIELD.IN:
            return Leaf(names, _points(operands), is_equality=True)
        case _FIELD.ARRAY_CONTAINS | _FIELD.ARRAY_CONTAINS_ANY:
            return Leaf(names, _points(operands), is_contains=True, is_equality=True)
        case _FIELD.NOT_EQUAL | _FIELD.NOT_IN:
            return Leaf(names, _all_but(names, operands))
        case _:
            return Leaf(names, _compared(names, part.op, operands[0]))


def _is_void(op: int, operands: list[bytes]) -> bool:
    if op in (_FIELD.NOT_EQUAL, _FIELD.NOT_IN):
        return all(operand == NULL for operand in operands)
    return all(operand in (NULL, NAN) for operand in operands)


def _points(operands: Iterable[bytes]) -> tuple[Interval, ...]:
    # Nothing equals null or NaN; they are asked for by unary filters.
    found = sorted({operand for operand in operands if operand not in (NULL, NAN)})
    return tuple((operand, successor(operand)) for operand in found)


def _all_but(names: tuple[str, ...], operands: list[bytes]) -> tuple[Interval, ...]:
    if NULL in operands:
        return ()
    low = b"" if names == NAME_FIELD else successor(NULL)
    return _without((low, END), [operand for operand in operands if operand != NAN])


def _without(interval: Interval, operands: Iterable[bytes]) -> tuple[Interval, ...]:
    low, high = interval
    rest = []
    for operand in sorted(set(operands)):
        rest.append((low, operand))
        low = successor(operand)
    return (*rest, (low, high))


def _compared(names: tuple[str, ...], op: int, operand: bytes) -> tuple[Interval, ...]:
    low, high = (b"", END) if names == NAME_FIELD else type_range(operand)
    if op == _FIELD.LESS_THAN:
        return ((low, operand),)
    if op == _FIELD.LESS_THAN_OR_EQUAL:
        return ((low, successor(operand)),)
    if op == _FIELD.GREATER_THAN:
        return ((successor(operand), high),)
    return ((operand, high),)


_UNARY_LEAVES = {
    _UNARY.IS_NAN: Leaf((), ((NAN, successor(NAN)),), is_equality=True),
    _UNARY.IS_NULL: Leaf((), ((NULL, successor(NULL)),), is_equality=True),
    _UNARY.IS_NOT_NULL: Leaf((), ((successor(NULL), END),)),
    _UNARY.IS_NOT_NAN: Leaf((), _without((successor(NULL), END), [NAN])),
}


def intersection(many: Iterable[Sequence[Interval]]) -> list[Interval]:
    """The intervals that all of these have in common; everything if there are none."""
    return reduce(_meet, (list(intervals) for intervals in many), [(b"", END)])


def _meet(left: list[Interval], right: list[Interval]) -> list[Interval]:
    met = ((max(a, c), min(b, d)) for a, b in left for c, d in right)
    return sorted((low, high) for low, high in met if low < high)
