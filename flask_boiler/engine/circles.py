"""Views that read each other's documents in a circle, seen while they run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from flask_boiler.engine.view_key import ViewKey
from flask_boiler.ground.errors import CyclicViewError

__all__ = ["circle_error", "circle_through"]


def circle_through(
    key: ViewKey,
    places: Iterable[str],
    *,
    readers_of: Callable[[str], Iterable[ViewKey]],
    places_of: Callable[[ViewKey], Iterable[str]],
) -> Sequence[ViewKey]:
    """The circle that a view closes: each of its views once, and it reads the next one.

    Nothing if there is none. Looks from the view to who reads it: most views are read by no other.

    :param places: where the view is kept.
    :param readers_of: the views that read the document at a path.
    :param places_of: where each other view is kept.
    """
    pending: list[tuple[Iterable[str], tuple[ViewKey, ...]]] = [(places, (key,))]
    visited: set[ViewKey] = set()
    while pending:
        kept_at, trail = pending.pop()
        for reader in (reader for place in kept_at for reader in readers_of(place)):
            if reader == key:
                return [key, *reversed(trail[1:])]
            if reader not in visited:
                visited.add(reader)
                pending.append((places_of(reader), (*trail, reader)))
    return []


def circle_error(circle: Sequence[ViewKey]) -> CyclicViewError:
    """What is wrong with a circle."""
    names = " reads ".join(map(str, [*circle, circle[0]]))
    return CyclicViewError(f"views read each other in a circle: {names}; let one of them go")
