"""The port to the graph of which views read which documents and queries.

It answers two questions: who reads this target, and what does this view read. Each target that
somebody reads is listened to once, and released with its last reader.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from flask_boiler.engine.view_key import ViewKey
from flask_boiler.errors import CyclicViewError
from flask_boiler.ground.ports import Cut
from flask_boiler.ground.values import Target

__all__ = ["Dependencies", "Swap", "circle_error", "circle_through"]


@dataclass(frozen=True, slots=True)
class Swap:
    """The difference between what a view has read and what it reads from now on.

    :param added: targets that this view did not read before.
    :param appeared: those of them that nobody read before: listen to them.
    :param dropped: targets that this view does not read any more.
    :param vanished: those of them that nobody reads any more: release them.
    """

    added: frozenset[Target] = field(default=frozenset())
    appeared: frozenset[Target] = field(default=frozenset())
    dropped: frozenset[Target] = field(default=frozenset())
    vanished: frozenset[Target] = field(default=frozenset())


class Dependencies(Protocol):
    """The targets that each view reads.

    All of it is called with the engine's lock held, and must not wait.
    """

    def readers(self, target: Target) -> Collection[ViewKey]:
        """The views that read a target."""
        ...

    def reads(self, key: ViewKey) -> frozenset[Target]:
        """The targets that a view reads."""
        ...

    def readers_of_document(self, path: str, cut: Cut) -> Iterator[ViewKey]:
        """The views that read a document by its path, or in a query's result as of a cut."""
        ...

    def targets(self) -> int:
        """The number of targets that somebody reads."""
        ...

    def replace(self, key: ViewKey, targets: Iterable[Target]) -> Swap:
        """Let a view read exactly ``targets`` from now on."""
        ...


def circle_through(
    key: ViewKey,
    places: Iterable[str],
    *,
    readers_of: Callable[[str], Iterable[ViewKey]],
    places_of: Callable[[ViewKey], Iterable[str]],
    keeps: Callable[[ViewKey, ViewKey], bool],
) -> Sequence[ViewKey]:
    """The circle that a view closes: each of its views once, and it reads the next one.

    Nothing if there is none. Looks from the view to who reads it: most views are read by no other.
    A view that another one has kept counts as reading that one.

    :param places: where the view is kept.
    :param readers_of: the views that read the document at a path.
    :param places_of: where each other view is kept.
    :param keeps: whether the first view has the second one kept.
    """
    pending: list[tuple[Iterable[str], tuple[ViewKey, ...]]] = [(places, (key,))]
    visited: set[ViewKey] = set()
    while pending:
        kept_at, trail = pending.pop()
        for reader in (reader for place in kept_at for reader in readers_of(place)):
            if reader == key:
                return [key, *reversed(trail[1:])]
            if keeps(reader, key):
                return [key, reader, *reversed(trail[1:])]
            if reader not in visited:
                visited.add(reader)
                pending.append((places_of(reader), (*trail, reader)))
    return []


def circle_error(circle: Sequence[ViewKey]) -> CyclicViewError:
    """The error of the views of a circle."""
    names = " reads ".join(map(str, [*circle, circle[0]]))
    return CyclicViewError(
        f"views read each other in a circle: {names}; delete one of them, or have it read "
        "something else"
    )
