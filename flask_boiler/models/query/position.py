"""The position where a page ends, in a form of bounded size, whatever is stored.

Firestore itself takes no more than 1,500 bytes of a value into its indexes, so that is what a
position keeps of each. Documents that agree in all that is kept are a *tie*: they are given in the
order of their names, which any process can tell of any of them, also when others have gone.

Cutting keeps the order: of two values, what is cut of the less is never greater. It goes through a
value from its beginning, and whether a character or an item is kept depends only on how much was
kept before it. So what is kept also tells whether the value may have been cut.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from functools import cmp_to_key
from itertools import groupby
from typing import Any, NamedTuple

from flask_boiler.firestore import protocol
from flask_boiler.firestore.codec import Codec
from flask_boiler.firestore.ordering import name_key, value_key
from flask_boiler.firestore.protocol import field_value, is_vector
from flask_boiler.firestore.query_rules import NAME, full_orders
from flask_boiler.ground.values import Cursor, QuerySpec, Snapshot

__all__ = ["Position", "Ties"]

_MOST_BYTES = 1500
#: What is left of these when a value counts as cut: all that has a fixed size is smaller, and a
#: character has a quarter.
_LEAST = 16
_LONGEST_CHARACTER = 4


class Position(NamedTuple):
    """A place in a result, just after a document that may have gone since.

    :param values: what is kept of its values, for each of the query's orders but the name.
    :param path: the document's.
    :param given: how many documents the pages had up to here.
    """

    values: tuple[Any, ...]
    path: str
    given: int


class _Row(NamedTuple):
    """A document as far as a position keeps it.

    :param keys: what sorts as it does, for each of the orders.
    :param tie: what it has in common with those that may have to change places with it; its path,
        if there are none.
    """

    values: tuple[Any, ...]
    keys: list[Any]
    tie: list[Any] | str


class Ties:
    """The order of a query's result, in which ties are given by name.

    :param spec: the query.
    """

    def __init__(self, spec: QuerySpec, codec: Codec) -> None:
        orders = full_orders(spec)
        named = [order.field for order in orders].index(NAME)
        # No two documents have one name, so what comes after it decides nothing.
        #: The query's orders, up to the name.
        self.orders = orders[: named + 1]
        self._fields = [order.field for order in self.orders[:-1]]
        self._descending = [order.descending for order in self.orders]
        self._codec = codec

    def position(self, last: Snapshot, given: int) -> Position:
        """The place just after a document."""
        return Position(self._row(last).values, last.path, given)

    def start(self, after: Position) -> Cursor | None:
        """From where to read so that nothing after a position is missed; ``None``: from the first.

        Where the document's values are kept whole, that is the position itself.
        """
        values: list[Any] = []
        for value, descending in zip(after.values, self._descending, strict=False):
            if _is_whole(value):
                values.append(self._codec.decode_value(value))
                continue
            bound = _successor(value) if descending else value
            if bound is not None:
                values.append(self._codec.decode_value(bound))
            return Cursor(tuple(values), before=True) if values else None
        return Cursor((*values, after.path), before=False)

    def in_order(self, found: Iterable[Snapshot], after: Position | None) -> list[Snapshot]:
        """The documents of a result that come after a position."""
        by_place = cmp_to_key(self._compare)
        rows = [(snapshot, self._row(snapshot)) for snapshot in found]
        place = None if after is None else self._row_of(after.values, after.path)
        return [
            snapshot
            for _, tied in groupby(rows, key=lambda row: row[1].tie)
            for snapshot, row in sorted(tied, key=lambda row: by_place(row[1]))
            if place is None or self._compare(row, place) > 0
        ]

    def may_go_on(self, last: Snapshot) -> bool:
        """Whether what follows a document may have to be given before it."""
        return isinstance(self._row(last).tie, list)

    def _row(self, snapshot: Snapshot) -> _Row:
        stored = (field_value(snapshot.raw, field) for field in self._fields)
        return self._row_of(tuple(map(_cut, stored)), snapshot.path)

    def _row_of(self, values: tuple[Any, ...], path: str) -> _Row:
        keys = [*map(value_key, values), name_key(path)]
        cut = next((n for n, value in enumerate(values) if not _is_whole(value)), None)
        return _Row(values, keys, path if cut is None else keys[: cut + 1])

    def _compare(self, one: _Row, other: _Row) -> int:
        for ours, theirs, descending in zip(one.keys, other.keys, self._descending, strict=True):
            if ours != theirs:
                return 1 if (ours > theirs) is not descending else -1
        return 0


def _cut(value: Any) -> Any:
    """The part of a stored value that is kept."""
    return _kept(protocol.Value() if value is None else value, _MOST_BYTES)[0]


def _is_whole(kept: Any) -> bool:
    """Whether what is kept of a value is surely all of it."""
    return _kept(kept, _MOST_BYTES)[1] >= _LEAST


def _kept(value: Any, room: int) -> tuple[Any, int]:
    """The part of a value that is kept, and how much room that leaves."""
    match value.WhichOneof("value_type"):
        case "string_value":
            return _kept_text(value, room)
        case "bytes_value":
            data = value.bytes_value[:room]
            return protocol.Value(bytes_value=data), room - len(data)
        case "array_value":
            return _kept_array(value, room - _LEAST)
        case "map_value" if not is_vector(value.map_value.fields):
            return _kept_map(value, room - _LEAST)
        case "map_value" | "reference_value":
            # Cut, a vector would have another dimension; both have a bounded size anyway.
            return value, room - max(_LEAST, value.ByteSize())
    return value, room - _LEAST


def _kept_text(value: Any, room: int) -> tuple[Any, int]:
    text = value.string_value.encode()
    end = max(room - _LONGEST_CHARACTER + 1, 0)
    while end < len(text) and text[end] & 0xC0 == 0x80:
        end += 1
    return protocol.Value(string_value=text[:end].decode()), room - len(text[:end])


def _kept_array(value: Any, room: int) -> tuple[Any, int]:
    kept = protocol.Value()
    kept.array_value.SetInParent()
    for item in value.array_value.values:
        if room < _LEAST:
            break
        part, room = _kept(item, room)
        kept.array_value.values.append(part)
    return kept, room


def _kept_map(value: Any, room: int) -> tuple[Any, int]:
    kept = protocol.Value()
    kept.map_value.SetInParent()
    fields = value.map_value.fields
    for name in sorted(fields):
        if room < _LEAST:
            break
        room -= max(_LEAST, len(name.encode()))
        if room < _LEAST:
            # The least that a key can have.
            part = protocol.Value(null_value=0)
        else:
            part, room = _kept(fields[name], room)
        kept.map_value.fields[name].CopyFrom(part)
    return kept, room


def _successor(value: Any) -> Any:
    """The least text that is greater than all that begin with this one; ``None`` of what is none.

    Then nothing that is near can be told, and nothing is, also where there is no such text.
    """
    text = value.string_value if value.WhichOneof("value_type") == "string_value" else ""
    while text:
        following = ord(text[-1]) + 1
        if following <= sys.maxunicode:
            last = chr(0xE000 if following == 0xD800 else following)
            return protocol.Value(string_value=text[:-1] + last)
        text = text[:-1]
    return None
