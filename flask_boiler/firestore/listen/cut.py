"""Cuts: the state of everything that is listened to, at one read time; they share what is equal.

There is one copy of the newest state, in plain dictionaries. Each older version keeps an
*undo*: the values that the next version replaced, and a link to that next version::

    Cut 10:00 ──► version 1 ──undo {SF: old}──► version 2 ──undo {LA: old}──► version 3
    Cut 10:01 ──────────────────────────────────────┘                            │
    Cut 10:02 ─────────────────────────────────────────────────────┘ (newest)  latest

A value as of a version is the first one found in the undos from that version on, or else
the newest. Nothing points backwards, so a version goes as soon as no cut needs it; making a
version costs as much as what changed in it, and a cut in which nothing changed shares the
version before it.

Readers take no lock. The writer stores a version's undo *before* it touches the newest state,
and a reader looks at the newest state *before* it walks the undos: if it saw a replaced value,
the undo that restores the old one is already there to be found; if it saw the old value, the
undo holds the same. This needs no more than that single dictionary operations (``get``, item
assignment, ``copy``) and attribute accesses are atomic, which Python guarantees with and
without the GIL.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from flask_boiler.firestore.ordering import ResultSorter
from flask_boiler.ground.values import QueryTarget, Snapshot, Target

__all__ = ["CutLog", "ListenCut"]


class _Members:
    """The newest members of one query, as long as it is held without interruption."""

    __slots__ = ("edition", "ordered", "snapshots", "sorter")

    def __init__(self, target: QueryTarget, snapshots: dict[str, Snapshot]) -> None:
        self.snapshots = snapshots
        self.sorter = ResultSorter(target)
        #: Counts the changes, so that a sorted result can be told from an outdated one.
        self.edition = 0
        self.ordered: tuple[int, list[Snapshot]] | None = None


class _Latest:
    """The newest state; only the owner of the log writes it."""

    __slots__ = ("documents", "queries")

    def __init__(self) -> None:
        self.documents: dict[str, Snapshot] = {}
        self.queries: dict[QueryTarget, _Members] = {}


class _Undo:
    """The state that one version replaced; ``None`` stands for what was not there.

    :param held: queries that were not held before, or by other members from here on.
    """

    __slots__ = ("documents", "held", "members", "successor")

    def __init__(
        self,
        documents: dict[str, Snapshot | None],
        members: dict[QueryTarget, dict[str, Snapshot | None]],
        held: dict[QueryTarget, _Members | None],
    ) -> None:
        self.documents = documents
        self.members = members
        self.held = held
        self.successor = _Version()


class _Version:
    """A position in the log; ``undo`` is set once, when the version is replaced."""

    __slots__ = ("undo",)

    def __init__(self) -> None:
        self.undo: _Undo | None = None

    def undos(self) -> Iterator[_Undo]:
        undo = self.undo
        while undo is not None:
            yield undo
            undo = undo.successor.undo


class ListenCut:
    """A :class:`~flask_boiler.ground.ports.Cut` of the Listen client.

    Holding an old one also holds the values that were replaced since.
    """

    __slots__ = ("__weakref__", "_latest", "_version", "read_time_ns")

    def __init__(self, read_time_ns: int, latest: _Latest, version: _Version) -> None:
        self.read_time_ns = read_time_ns
        self._latest = latest
        self._version = version

    def holds(self, target: Target) -> bool:
        """Whether the cut has a document or query; the size of the result does not matter."""
        if isinstance(target, str):
            return self.document(target) is not None
        held = target in self._latest.queries
        for undo in self._version.undos():
            if target in undo.held:
                return undo.held[target] is not None
        return held

    def document(self, path: str) -> Snapshot | None:
        """The snapshot of a document, also of one that does not exist; ``None`` if not held."""
        snapshot = self._latest.documents.get(path)
        for undo in self._version.undos():
            if path in undo.documents:
                return undo.documents[path]
        return snapshot

    def member(self, target: QueryTarget, path: str) -> Snapshot | None:
        """The snapshot of one document of a query's result; ``None`` if it is not in the result."""
        snapshot = _member(self._latest.queries.get(target), path)
        for undo in self._version.undos():
            replaced = undo.members.get(target)
            if replaced is not None and path in replaced:
                return replaced[path]
            if target in undo.held:
                # Changed no more: a query that is held again gets members of its own.
                return _member(undo.held[target], path)
        return snapshot

    def query(self, target: QueryTarget) -> list[Snapshot] | None:
        """The documents of a query's result, in its order; ``None`` if the query is not held."""
        members = self._latest.queries.get(target)
        edition = 0 if members is None else members.edition
        snapshots = None if members is None else members.snapshots.copy()
        unchanged = True
        restored: dict[str, Snapshot | None] = {}
        for undo in self._version.undos():
            for path, snapshot in undo.members.get(target, {}).items():
                restored.setdefault(path, snapshot)
                unchanged = False
            if target in undo.held:
                members, unchanged = undo.held[target], False
                snapshots = None if members is None else members.snapshots.copy()
                break
        if members is None or snapshots is None:
            return None
        if unchanged:
            return _ordered(members, edition, snapshots)
        return members.sorter.sort(_patched(snapshots, restored).values())

    def __repr__(self) -> str:
        return f"<Cut at {self.read_time_ns}>"


def _member(members: _Members | None, path: str) -> Snapshot | None:
    return None if members is None else members.snapshots.get(path)


def _patched(
    snapshots: dict[str, Snapshot], restored: Mapping[str, Snapshot | None]
) -> dict[str, Snapshot]:
    for path, snapshot in restored.items():
        if snapshot is None:
            snapshots.pop(path, None)
        else:
            snapshots[path] = snapshot
    return snapshots


def _ordered(members: _Members, edition: int, snapshots: dict[str, Snapshot]) -> list[Snapshot]:
    # No undo concerns the query, so the copy is untouched and is the edition that was read
    # before it was made.
    ordered = members.ordered
    if ordered is None or ordered[0] != edition:
        ordered = members.ordered = (edition, members.sorter.sort(snapshots.values()))
    return list(ordered[1])


class CutLog:
    """The maker of cuts; it has one owner at a time, and cuts can be read by anybody."""

    def __init__(self) -> None:
        self._latest = _Latest()
        self._version = _Version()
        self.cut = ListenCut(0, self._latest, self._version)

    def advance(
        self,
        read_time_ns: int,
        documents: Mapping[str, Snapshot],
        queries: Mapping[QueryTarget, Mapping[str, Snapshot | None]],
    ) -> ListenCut:
        """The next cut.

        :param documents: new states of listened documents.
        :param queries: by query, new states of members, ``None`` for those that left; a query
            that is not held becomes so, with these members.
        """
        if documents or queries:
            self._record(documents, queries)
            self._apply(documents, queries)
        return self._cut_at(read_time_ns)

    def drop(self, targets: Iterable[Target]) -> ListenCut:
        """A cut at the same read time that does not hold these targets any more."""
        documents, queries = self._latest.documents, self._latest.queries
        gone = [t for t in targets if (t in documents if isinstance(t, str) else t in queries)]
        if gone:
            paths = [target for target in gone if isinstance(target, str)]
            dropped = [target for target in gone if isinstance(target, QueryTarget)]
            undo = _Undo({p: documents[p] for p in paths}, {}, {q: queries[q] for q in dropped})
            self._publish(undo)
            for path in paths:
                del documents[path]
            for query in dropped:
                del queries[query]
        return self._cut_at(self.cut.read_time_ns)

    def _record(
        self,
        documents: Mapping[str, Snapshot],
        queries: Mapping[QueryTarget, Mapping[str, Snapshot | None]],
    ) -> None:
        latest = self._latest
        members: dict[QueryTarget, dict[str, Snapshot | None]] = {}
        held: dict[QueryTarget, _Members | None] = {}
        for target, changes in queries.items():
            known = latest.queries.get(target)
            if known is None:
                held[target] = None
            else:
                members[target] = {path: known.snapshots.get(path) for path in changes}
        self._publish(_Undo({p: latest.documents.get(p) for p in documents}, members, held))

    def _publish(self, undo: _Undo) -> None:
        self._version.undo = undo
        self._version = undo.successor

    def _apply(
        self,
        documents: Mapping[str, Snapshot],
        queries: Mapping[QueryTarget, Mapping[str, Snapshot | None]],
    ) -> None:
        self._latest.documents.update(documents)
        for target, changes in queries.items():
            known = self._latest.queries.get(target)
            if known is None:
                found = {path: s for path, s in changes.items() if s is not None}
                self._latest.queries[target] = _Members(target, found)
            else:
                known.edition += 1
                for path, snapshot in changes.items():
                    if snapshot is None:
                        known.snapshots.pop(path, None)
                    else:
                        known.snapshots[path] = snapshot

    def _cut_at(self, read_time_ns: int) -> ListenCut:
        self.cut = ListenCut(read_time_ns, self._latest, self._version)
        return self.cut
