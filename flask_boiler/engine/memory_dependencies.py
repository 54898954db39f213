"""The graph of views and what they read, in this process's memory."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from flask_boiler.engine.dependencies import Swap
from flask_boiler.engine.view_key import ViewKey
from flask_boiler.firestore.query_compiler import collection_ids
from flask_boiler.ground.ports import Cut
from flask_boiler.ground.values import QueryTarget, Target, collection_of

__all__ = ["MemoryDependencies"]

#: What most computations change: nothing.
_SAME = Swap()


class MemoryDependencies:
    """The :class:`~flask_boiler.engine.dependencies.Dependencies` that end with the process."""

    def __init__(self) -> None:
        self._readers: dict[Target, set[ViewKey]] = {}
        self._reads: dict[ViewKey, frozenset[Target]] = {}
        #: By the id of the collections that they ask.
        self._queries: dict[str, set[QueryTarget]] = {}

    def readers(self, target: Target) -> Collection[ViewKey]:
        """The views that read a target."""
        return self._readers.get(target, ())

    def reads(self, key: ViewKey) -> frozenset[Target]:
        """The targets that a view reads."""
        return self._reads.get(key, frozenset())

    def _queries_over(self, path: str) -> Collection[QueryTarget]:
        """The queries that somebody reads and that a document may be in the result of."""
        collection_id = collection_of(path).rpartition("/")[2]
        found = self._queries.get(collection_id, set())
        of_any = self._queries.get("")
        return found | of_any if of_any else found

    def readers_of_document(self, path: str, cut: Cut) -> Iterator[ViewKey]:
        """The views that read a document by its path, or in a query's result as of a cut."""
        yield from self.readers(path)
        for target in self._queries_over(path):
            if cut.member(target, path) is not None:
                yield from self.readers(target)

    def targets(self) -> int:
        """The number of targets that somebody reads."""
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
