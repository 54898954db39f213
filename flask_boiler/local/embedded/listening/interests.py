"""The listeners that a change concerns, found by the document's name and values.

Queries are often many of one kind, "the notes of this meeting": they are found by the value that
they ask for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator
from typing import Generic, NamedTuple, TypeVar

from flask_boiler.local.embedded.queries.conditions import (
    NAME_FIELD,
    Conjunction,
    Leaf,
    disjunction,
)
from flask_boiler.local.embedded.queries.matching import Query, value_at
from flask_boiler.local.embedded.storage.commit_feed import Change
from flask_boiler.local.embedded.storage.encoding import encode_value

__all__ = ["Interest", "Interests", "interest_in_document", "interests_in_query"]

T = TypeVar("T", bound=Hashable)

_NAME, _COLLECTION, _GROUP, _ALL = range(4)


class Interest(NamedTuple):
    """The documents that somebody wants to hear of.

    :param kind: one, those of a collection, of a group, or all.
    :param names: of these only those in which the field of this path has a value; empty: all.
    :param encoded: the value.
    """

    kind: int
    key: str
    names: tuple[str, ...] = ()
    encoded: bytes = b""


def interest_in_document(name: str) -> Interest:
    """The interest in a document, by its full name."""
    return Interest(_NAME, name)


def interests_in_query(query: Query) -> list[Interest]:
    """The interests in what a query may find; at least one."""
    whole = _scope(query)
    narrow = [_narrowed(whole, conjunction) for conjunction in disjunction(query.structured.where)]
    return list(dict.fromkeys(narrow)) if all(one.names for one in narrow) else [whole]


def _scope(query: Query) -> Interest:
    if not query.collection_id:
        return Interest(_ALL, "")
    if query.all_descendants:
        return Interest(_GROUP, query.collection_id)
    parent = f"{query.world}/documents" + (f"/{query.parent}" if query.parent else "")
    return Interest(_COLLECTION, f"{parent}/{query.collection_id}")


def _narrowed(whole: Interest, conjunction: Conjunction) -> Interest:
    leaf = next(filter(_is_one_value, conjunction), None)
    if leaf is None:
        return whole
    return whole._replace(names=leaf.names, encoded=leaf.intervals[0][0])


def _is_one_value(leaf: Leaf) -> bool:
    return (
        leaf.is_equality
        and not leaf.is_contains
        and len(leaf.intervals) == 1
        and leaf.names != NAME_FIELD
    )


class Interests(Generic[T]):
    """The interests of listeners; however many there are, those concerned are found at once.

    Not safe for several threads at once.
    """

    def __init__(self) -> None:
        # With how often each has said so; dicts keep the order.
        self._interested: dict[Interest, dict[T, int]] = {}
        #: By what is meant without values: the fields whose values somebody asks for.
        self._fields: dict[Interest, Counter[tuple[str, ...]]] = {}

    def add(self, interests: Iterable[Interest], who: T) -> None:
        """Note that somebody has these interests (one more time)."""
        for interest in interests:
            counts = self._interested.setdefault(interest, {})
            counts[who] = counts.get(who, 0) + 1
            if interest.names:
                self._fields.setdefault(_whole(interest), Counter())[interest.names] += 1

    def remove(self, interests: Iterable[Interest], who: T) -> None:
        """Take back what was added once."""
        for interest in interests:
            counts = self._interested[interest]
            counts[who] -= 1
            if not counts[who]:
                del counts[who]
            if not counts:
                del self._interested[interest]
            if interest.names:
                self._forget_field(_whole(interest), interest.names)

    def _forget_field(self, whole: Interest, names: tuple[str, ...]) -> None:
        fields = self._fields[whole]
        fields[names] -= 1
        if not fields[names]:
            del fields[names]
        if not fields:
            del self._fields[whole]

    def concerned(self, changes: Iterable[Change]) -> dict[T, list[Change]]:
        """The listeners that changes concern, each with these changes."""
        found: dict[T, list[Change]] = {}
        for change in changes:
            for who in dict.fromkeys(self._of(change)):
                found.setdefault(who, []).append(change)
        return found

    def _of(self, change: Change) -> Iterator[T]:
        collection = change.name.rpartition("/")[0]
        for whole in (
            Interest(_NAME, change.name),
            Interest(_COLLECTION, collection),
            Interest(_GROUP, collection.rpartition("/")[2]),
            Interest(_ALL, ""),
        ):
            yield from self._interested.get(whole, ())
            for names in self._fields.get(whole, ()):
                yield from self._asking_for(whole, names, change)

    def _asking_for(self, whole: Interest, names: tuple[str, ...], change: Change) -> Iterator[T]:
        for document in (change.before, change.after):
            value = None if document is None else value_at(document.message, names)
            if value is not None:
                wanted = whole._replace(names=names, encoded=encode_value(value))
                yield from self._interested.get(wanted, ())

    def __len__(self) -> int:
        return len(self._interested)


def _whole(interest: Interest) -> Interest:
    return Interest(interest.kind, interest.key)
