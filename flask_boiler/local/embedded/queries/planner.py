"""The planner: which index entries are read for a query, in which order, and what is checked.

A query becomes one or more :class:`Scan`, each over one collection (or group) and one
conjunction of its filters. The results of a scan come in the order of its entries; what the
query asks for beyond that is done by ``executor``: merging scans, sorting, checking, counting.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from flask_boiler.firestore.protocol import field_names
from flask_boiler.local.embedded.queries.conditions import (
    END,
    NAME_FIELD,
    Conjunction,
    Interval,
    Leaf,
    disjunction,
    intersection,
)
from flask_boiler.local.embedded.queries.matching import Query
from flask_boiler.local.embedded.storage.encoding import (
    contains_prefix,
    encode_name,
    encode_value,
    field_prefix,
    successor,
)
from flask_boiler.local.embedded.storage.keys import COLLECTION, GROUP, NAME_PREFIX, scope_prefix

__all__ = ["Scan", "Scope", "scans", "scopes"]

#: How many entries are counted at most to find out which way is shorter.
FEW = 1000

#: How many keys are in a range, at most ``FEW``.
Count = Callable[[Interval], int]


@dataclass(frozen=True, slots=True)
class Scope:
    """A collection, or all collections of one id below documents.

    :param number: what its keys begin with.
    :param name: encoded, what the names of its documents begin with.
    :param is_group: whether the rest of a name, in its keys, is the whole path.
    """

    number: bytes
    name: bytes
    is_group: bool

    def rest(self, name: bytes) -> bytes:
        """The position of an encoded full name among the ends of this scope's keys."""
        if not name.startswith(self.name):
            return b"" if name < self.name else END
        rest = name[len(self.name) :]
        # The key of a document of a collection ends with its id, without the end of a name.
        return rest if self.is_group or not rest.endswith(b"\x02") else rest[:-1]


@dataclass(frozen=True, slots=True)
class Scan:
    """A scan of index entries: which are read, in which order, and what they say.

    :param ranges: of keys, in the order in which they are read.
    :param in_documents: whether the keys are those of the documents themselves.
    :param also: what the keys of entries begin with that must exist as well, in place of the
        ``prefix`` of the one that is read.
    :param prefix: what all keys begin with, up to the document's end, when ``also`` is given;
        empty, when they begin with different values: the documents' own keys have that end.
    :param is_backwards: whether they are read from the end.
    :param is_exact: whether every document found is in the result.
    :param sorted_fields: by how many of the query's criteria the result is sorted already; all
        of them, or the first, or none.
    """

    ranges: tuple[Interval, ...]
    in_documents: bool = False
    also: tuple[bytes, ...] = ()
    prefix: bytes = b""
    is_backwards: bool = False
    is_exact: bool = True
    sorted_fields: int = 0


def scopes(query: Query, number: Callable[[int, str], int | None]) -> list[Scope]:
    """The scopes that a query with a collection's id reads; none if there is nothing.

    :param number: the number of a collection or a group in the query's world.
    """
    found = []
    path = f"{query.parent}/{query.collection_id}" if query.parent else query.collection_id
    root = encode_name(f"{query.world}/documents")[:-1]
    at_root = not query.parent
    if (at_root or not query.all_descendants) and (
        collection := number(COLLECTION, path)
    ) is not None:
        found.append(Scope(scope_prefix(collection), root + encode_name(path)[:-1], False))
    if query.all_descendants and (group := number(GROUP, query.collection_id)) is not None:
        found.append(Scope(scope_prefix(group), root, True))
    return found


def scans(query: Query, scope: Scope, count: Count) -> list[Scan]:
    """The scans that together find a query's result in a scope."""
    made = [
        _Planner(query, scope, conjunction, count).scan()
        for conjunction in disjunction(query.structured.where)
    ]
    return [scan for scan in made if scan is not None]


class _Planner:
    """Finds the way for one conjunction in one scope."""

    def __init__(self, query: Query, scope: Scope, conjunction: Conjunction, count: Count) -> None:
        self._query = query
        self._scope = scope
        self._count = count
        self._first = field_names(query.orders[0].field)
        self._is_backwards = query.orders[0].descending
        self._leaves = conjunction
        # Sorted by name within equal values, in the direction of the value: entries are so.
        self._is_plain = len({order.descending for order in query.orders}) == 1
        self._names = self._name_intervals()

    def scan(self) -> Scan | None:
        if any(not leaf.intervals for leaf in self._leaves) or not self._names:
            return None
        equalities = [
            leaf
            for leaf in self._leaves
            if leaf.is_equality and leaf.names not in (NAME_FIELD, self._first)
        ] or [leaf for leaf in self._leaves if leaf.is_equality and leaf.names != NAME_FIELD]
        if self._first == NAME_FIELD:
            return self._by_equality(equalities) if equalities else self._by_name()
        if not equalities or equalities[0].names == self._first:
            # An array's elements are no help in sorting the arrays.
            plain = [leaf for leaf in equalities if not leaf.is_contains]
            return self._by_field() if plain or not equalities else self._shorter(equalities)
        return self._shorter(equalities)

    def _shorter(self, equalities: list[Leaf]) -> Scan:
        """The scan that reads less: by equality, to be sorted, or in order, to be checked."""
        in_order = self._by_field()
        equal = self._by_equality(equalities)
        few = sum(map(self._count, equal.ranges))
        if few < FEW:
            return equal
        if self._query.limit is not None or sum(map(self._count, in_order.ranges)) < few:
            return in_order
        return equal

    # By the names of the documents.

    def _name_intervals(self) -> list[Interval]:
        """The intervals in which the ends of keys can be, by the conditions on names."""
        demands: list[Sequence[Interval]] = []
        for leaf in self._leaves:
            if leaf.names == NAME_FIELD:
                demands.append(self._rests(leaf.intervals))
        if self._scope.is_group and self._query.parent:
            below = encode_name(self._query.parent)[:-1]
            demands.append([(below, successor(below))])
        if self._first == NAME_FIELD:
            demands.append(self._cursors(self._scope.rest, encode_name, "reference_value"))
        return intersection(demands)

    def _rests(self, intervals: Sequence[Interval]) -> list[Interval]:
        rest = self._scope.rest
        return [
            (rest(low) if low else b"", END if high == END else _rest_of_end(rest, high))
            for low, high in intervals
        ]

    def _by_name(self) -> Scan:
        in_documents = not self._scope.is_group
        prefix = self._scope.number + (b"" if in_documents else NAME_PREFIX)
        return self._made(
            prefix,
            self._names,
            in_documents=in_documents,
            is_backwards=self._is_backwards,
            is_exact=self._are_exact(NAME_FIELD),
            sorted_fields=len(self._query.orders),
        )

    # By values that are equal: such entries are sorted by name.

    def _by_equality(self, equalities: list[Leaf]) -> Scan:
        prefixes = [self._prefix(leaf) + leaf.intervals[0][0] for leaf in equalities]
        if len(prefixes) > 1:
            prefixes.sort(key=lambda prefix: self._count((prefix, successor(prefix))))
        by_name = self._first == NAME_FIELD
        used = {id(leaf) for leaf in equalities}
        rest = [leaf for leaf in self._leaves if id(leaf) not in used]
        return self._made(
            prefixes[0],
            self._names,
            also=tuple(prefixes[1:]),
            prefix=prefixes[0],
            is_backwards=by_name and self._is_backwards,
            is_exact=all(leaf.names == NAME_FIELD for leaf in rest)
            and self._are_exact(*([NAME_FIELD] if by_name else [])),
            sorted_fields=len(self._query.orders) if by_name else 0,
        )

    @staticmethod
    def _is_one(leaf: Leaf) -> bool:
        """Whether an entry that begins with its value tells that it holds."""
        return leaf.is_equality and leaf.names != NAME_FIELD and len(leaf.intervals) == 1

    def _prefix(self, leaf: Leaf) -> bytes:
        start = contains_prefix if leaf.is_contains else field_prefix
        return self._scope.number + start(leaf.names)

    # By the values of the field that the result is sorted by.

    def _by_field(self) -> Scan:
        own = [
            leaf.intervals
            for leaf in self._leaves
            if leaf.names == self._first and not leaf.is_contains
        ]
        cursors = self._cursors(lambda encoded: encoded, encode_value, None)
        intervals = intersection([*own, cursors])
        orders = self._query.orders
        is_sorted = self._is_plain and len(orders) == 2
        others = [leaf for leaf in self._leaves if leaf.names != self._first or leaf.is_contains]
        equal = [] if self._scope.is_group else [leaf for leaf in others if self._is_one(leaf)]
        return self._made(
            self._scope.number + field_prefix(self._first),
            intervals,
            also=tuple(self._prefix(leaf) + leaf.intervals[0][0] for leaf in equal),
            is_backwards=self._is_backwards,
            is_exact=len(equal) == len(others) and self._are_exact(self._first),
            sorted_fields=len(orders) if is_sorted else 1,
        )

    # Cursors.

    def _cursors(
        self, place: Callable[[bytes], bytes], encode: Callable[[Any], bytes], part: str | None
    ) -> list[Interval]:
        """The intervals of the first criterion; inclusive, unless it is the cursor's only one."""
        low, high = b"", END
        structured = self._query.structured
        for cursor, is_start in ((structured.start_at, True), (structured.end_at, False)):
            if not cursor.values:
                continue
            value = cursor.values[0]
            at = place(encode(getattr(value, part) if part else value))
            is_only = len(cursor.values) == 1
            # Whether what is at the cursor is in the result.
            takes = not is_only or cursor.before == is_start
            if is_start != self._is_backwards:
                low = max(low, at if takes else _behind(at))
            else:
                high = min(high, _behind(at) if takes else at)
        return [(low, high)]

    def _are_exact(self, *fields: tuple[str, ...]) -> bool:
        """Whether ranges of these fields say all that is left: criteria, cursors, the parent."""
        query = self._query
        structured = query.structured
        longest = max(len(structured.start_at.values), len(structured.end_at.values))
        by_name = NAME_FIELD in fields or not (self._scope.is_group and query.parent)
        return query.fields <= set(fields) and by_name and longest <= (1 if fields else 0)

    def _made(self, start: bytes, intervals: Sequence[Interval], **options: Any) -> Scan:
        end = successor(start)
        ranges = [
            (start + low, end if high == END else start + high)
            for low, high in intervals
            if low != END
        ]
        if options.get("is_backwards"):
            ranges.reverse()
        return Scan(tuple(ranges), **options)


def _rest_of_end(rest: Callable[[bytes], bytes], high: bytes) -> bytes:
    """The exclusive end of an interval of names, among the ends of keys.

    An end is either a name, or the successor of one, whose last byte is one more.
    """
    return _behind(rest(high[:-1] + b"\x02")) if high.endswith(b"\x03") else rest(high)


def _behind(place: bytes) -> bytes:
    """The first place after one; before and after everything there is none."""
    return place if place in (b"", END) else successor(place)
