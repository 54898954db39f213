"""Dividing a query into what Firestore takes at once, and joining the answers exactly.

A query for a model asks for the ``obj_type`` of every class at or below it. Firestore takes 30
alternatives in a query, so with more classes, or with alternatives in the query itself, the
classes are divided between several queries: each document is in the answer of exactly one.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import total_ordering
from itertools import islice
from typing import Any

from flask_boiler.firestore import protocol
from flask_boiler.firestore.ordering import name_key, value_key
from flask_boiler.firestore.protocol import Criterion, effective_orders, field_value
from flask_boiler.firestore.query_rules import (
    MAX_DISJUNCTIONS,
    NAME,
    NOTHING,
    conjunction,
    disjunctions,
    has_not_in,
)
from flask_boiler.ground.values import FieldFilter, Filter, QuerySpec, QueryTarget, Snapshot

__all__ = ["joined", "parts_of"]

_TYPE_FIELD = "obj_type"


def parts_of(spec: QuerySpec, type_names: Sequence[str] | None) -> list[QuerySpec]:
    """The queries that together give the spec's result, for documents of these types.

    :param type_names: ``None`` for documents of any type.
    :returns: none, if no document can be in the result.
    """
    if spec.where == NOTHING:
        return []
    if type_names is None:
        return [spec]
    size = 1 if has_not_in(spec.where) else MAX_DISJUNCTIONS // disjunctions(spec.where)
    chunks = [type_names[i : i + size] for i in range(0, len(type_names), size)]
    if len(chunks) > 1:
        spec = _reaching(spec)
    return [spec.but(where=conjunction(_of_types(chunk), spec.where)) for chunk in chunks]


def _of_types(type_names: Sequence[str]) -> Filter:
    if len(type_names) == 1:
        return FieldFilter(_TYPE_FIELD, "==", type_names[0])
    return FieldFilter(_TYPE_FIELD, "in", list(type_names))


def _reaching(spec: QuerySpec) -> QuerySpec:
    # Any part may hold the whole answer, and also all that the offset skips.
    limit = None if spec.limit is None else spec.offset + spec.limit
    return spec.but(limit=limit, offset=0)


def joined(
    spec: QuerySpec, targets: Sequence[QueryTarget], answers: Sequence[Iterable[Snapshot]]
) -> Iterator[Snapshot]:
    """The result of the spec, from the answers of its parts in the parts' order.

    Takes no more of each answer than it needs.
    """
    if len(targets) < 2:
        return iter(answers[0] if answers else ())
    orders = _orders_of(targets[0])
    merged = heapq.merge(*answers, key=lambda snapshot: _Rank(snapshot, orders))
    if spec.limit_to_last:
        return iter(_last(list(merged), spec))
    stop = None if spec.limit is None else spec.offset + spec.limit
    return islice(merged, spec.offset, stop)


def _last(snapshots: list[Snapshot], spec: QuerySpec) -> list[Snapshot]:
    end = len(snapshots) - spec.offset
    start = 0 if spec.limit is None else max(0, end - spec.limit)
    return snapshots[start : max(0, end)]


def _orders_of(target: QueryTarget) -> list[Criterion]:
    """The caller's order, also where the server's is its reverse."""
    orders = effective_orders(protocol.StructuredQuery.FromString(target.structured))
    if not target.limit_to_last:
        return orders
    return [Criterion(order.field, not order.descending) for order in orders]


@total_ordering
@dataclass(slots=True)
class _Descending:
    """A key that sorts the other way."""

    key: Any

    def __lt__(self, other: _Descending) -> bool:
        return bool(other.key < self.key)


class _Rank:
    """A document's place in an order."""

    __slots__ = ("_keys",)

    def __init__(self, snapshot: Snapshot, orders: Sequence[Criterion]) -> None:
        self._keys = tuple(_key(snapshot, order) for order in orders)

    def __lt__(self, other: _Rank) -> bool:
        return self._keys < other._keys


def _key(snapshot: Snapshot, order: Criterion) -> Any:
    key: Any = name_key(snapshot.path) if order.field == NAME else _value_key(snapshot, order)
    return _Descending(key) if order.descending else key


def _value_key(snapshot: Snapshot, order: Criterion) -> Any:
    value = field_value(snapshot.raw, order.field)
    return (-1,) if value is None else value_key(value)
