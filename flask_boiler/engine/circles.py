"""Views that read each other's documents in a circle, seen while they run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from flask_boiler.engine.keys import ViewKey
from flask_boiler.errors import CyclicViewError
from flask_boiler.values import Target

__all__ = ["circle_through"]


def circle_through(
    key: ViewKey,
    reads: Iterable[Target],
    places: Collection[str],
    *,
    reads_of: Callable[[ViewKey], Iterable[Target]],
    owner_of: Callable[[str], ViewKey | None],
) -> CyclicViewError | None:
    """The circle that a view closes, if it does.

    :param reads: what the view reads.
    :param places: where it is kept.
    :param reads_of: what each other view reads.
    :param owner_of: the view that is kept at a path.
    """
    pending: list[tuple[Iterable[Target], list[ViewKey]]] = [(reads, [key])]
    visited: set[ViewKey] = set()
    while pending:
        targets, trail = pending.pop()
        for target in targets:
            if not isinstance(target, str):
                continue
            if target in places:
                names = " reads ".join(map(str, [*trail, key]))
                return CyclicViewError(
                    f"views read each other in a circle: {names}; let one of them go"
                )
            owner = owner_of(target)
            if owner is not None and owner not in visited:
                visited.add(owner)
                pending.append((reads_of(owner), [*trail, owner]))
    return None
