"""Who is concerned by a change of a document: found by its name, not by asking everybody."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from typing import Generic, NamedTuple, TypeVar

from flask_boiler.embedded.feed import Change
from flask_boiler.embedded.matching import Query

__all__ = ["Interest", "Interests", "interest_in"]

T = TypeVar("T", bound=Hashable)

_NAME, _COLLECTION, _GROUP, _ALL = range(4)


class Interest(NamedTuple):
    """Which documents somebody wants to hear of: one, a collection's, a group's, or all."""

    kind: int
    key: str


def interest_in(what: str | Query) -> Interest:
    """The interest in a document, by its full name, or in what a query may find."""
    if isinstance(what, str):
        return Interest(_NAME, what)
    if not what.collection_id:
        return Interest(_ALL, "")
    if what.all_descendants:
        return Interest(_GROUP, what.collection_id)
    parent = f"{what.world}/documents" + (f"/{what.parent}" if what.parent else "")
    return Interest(_COLLECTION, f"{parent}/{what.collection_id}")


class Interests(Generic[T]):
    """Who has which interests; how many there are does not matter to finding some.

    Not safe for several threads at once.
    """

    def __init__(self) -> None:
        # With how often each has said so; dicts keep the order.
        self._parties: dict[Interest, dict[T, int]] = {}

    def add(self, interests: Iterable[Interest], party: T) -> None:
        """Somebody has interests (one more time)."""
        for interest in interests:
            counts = self._parties.setdefault(interest, {})
            counts[party] = counts.get(party, 0) + 1

    def remove(self, interests: Iterable[Interest], party: T) -> None:
        """Take back what was added once."""
        for interest in interests:
            counts = self._parties[interest]
            counts[party] -= 1
            if not counts[party]:
                del counts[party]
            if not counts:
                del self._parties[interest]

    def concerned(self, changes: Iterable[Change]) -> dict[T, list[Change]]:
        """Who is concerned by changes, and by which of them."""
        found: dict[T, list[Change]] = {}
        for change in changes:
            for party in dict.fromkeys(self._of(change.name)):
                found.setdefault(party, []).append(change)
        return found

    def _of(self, name: str) -> Iterator[T]:
        parties = self._parties
        collection = name.rpartition("/")[0]
        yield from parties.get((_NAME, name), ())  # type: ignore[call-overload]
        yield from parties.get((_COLLECTION, collection), ())  # type: ignore[call-overload]
        yield from parties.get((_GROUP, collection.rpartition("/")[2]), ())  # type: ignore[call-overload]
        yield from parties.get((_ALL, ""), ())  # type: ignore[call-overload]

    def __len__(self) -> int:
        return len(self._parties)
