"""Which views read which documents and queries.

A bipartite graph, kept for its two questions: who reads this target, and what does this
view read. Each target that somebody reads is listened to once, and released with its last
reader. Not thread-safe: the engine's lock guards it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from flask_boiler.engine.view_key import ViewKey
from flask_boiler.firestore.query_compiler import collection_ids
from flask_boiler.ground.errors import CyclicViewError
from flask_boiler.ground.ports import Cut
from flask_boiler.ground.values import QueryTarget, Target, collection_of

__all__ = ["Dependencies", "Swap", "circle_error", "circle_through"]


@dataclass(frozen=True, slots=True)
class Swap:
    """What changed when a view's dependencies were replaced.

    :param added: targets that this view did not read before.
    :param appeared: those of them that nobody read before: listen to them.
    :param dropped: targets that this view does not read any more.
    :param vanished: those of them that nobody reads any more: release them.
    """

    added: frozenset[Target] = field(default=frozenset())
    appeared: frozenset[Target] = field(default=frozenset())
    dropped: frozenset[Target] = field(default=frozenset())
    vanished: frozenset[Target] = field(default=frozenset())


#: What most computations change: nothing.
_SAME = Swap()


class Dependencies:
    """The graph of views and what they read."""

    def __init__(self) -> None:
        self._readers: dict[Target, set[ViewKey]] = {}
        self._reads: dict[ViewKey, frozenset[Target]] = {}
        #: By the id of the collections that they ask.
        self._queries: dict[str, set[QueryTarget]] = {}

    def readers(self, target: Target) -> Collection[ViewKey]:
        """The views that read a target."""
        return self._readers.get(target, ())

    def reads(self, key: ViewKey) -> frozenset[Target]:
        """What a view reads."""
        return self._reads.get(key, frozenset())

    def queries_over(self, path: str) -> Collection[QueryTarget]:
        """The queries that somebody reads and that a document may be in the result of."""
        collection_id = collection_of(path).rpartition("/")[2]
        found = self._queries.get(collection_id, set())
        of_any = self._queries.get("")
        return found | of_any if of_any else found

    def readers_of_document(self, path: str, cut: Cut) -> Iterator[ViewKey]:
        """The views that read a document by its path, or in a query's result as of a cut."""
        yield from self.readers(path)
        for target in self.queries_over(path):
            if cut.member(target, path) is not None:
                yield from self.readers(target)

    def targets(self) -> int:
        """How many targets are read by somebody."""
        return len(self._readers)

    def replace(self, key: ViewKey, targets: Iterable[Target]) -> Swap:
        """Let a view read exactly ``targets`` from now on."""
        before = self.reads(key)
        after = frozenset(targets)
        if before == after:
            return _SAME
        added = after - before
        appeared = frozenset(t for t in added if t not in self._readers)
        for target in added:
            self._readers.setdefault(target, set()).add(key)
        for target in appeared:
            self._index(target)
        dropped = before - after
        vanished = frozenset(t for t in dropped if self._leave(key, t))
        self._remember(key, after)
        return Swap(added, appeared, dropped, vanished)

    def _leave(self, key: ViewKey, target: Target) -> bool:
        readers = self._readers[target]
        readers.discard(key)
        if readers:
            return False
        del self._readers[target]
        if isinstance(target, QueryTarget):
            self._remove_query(target)
        return True

    def _index(self, target: Target) -> None:
        if isinstance(target, QueryTarget):
            for collection_id in collection_ids(target):
                self._queries.setdefault(collection_id, set()).add(target)

    def _remove_query(self, target: QueryTarget) -> None:
        for collection_id in collection_ids(target):
            queries = self._queries[collection_id]
            queries.discard(target)
            if not queries:
                del self._queries[collection_id]

    def _remember(self, key: ViewKey, targets: frozenset[Target]) -> None:
        if targets:
            self._reads[key] = targets
        else:
            self._reads.pop(key, None)


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
