"""Reading through a live cut: nothing is fetched, everything is recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flask_boiler.ground.ports import Cut, Incomplete
from flask_boiler.ground.values import QueryTarget, Snapshot, Target

__all__ = ["CutReader", "differs", "is_seen", "seen_in"]


class CutReader:
    """A :class:`~flask_boiler.ground.ports.Reader` over one cut, which records what was read.

    :param given: snapshots of the same cut that are at hand without being listened to one by
        one, such as a member of a listened query; which of them were read is recorded apart.
    """

    fetches = False

    def __init__(self, cut: Cut, given: Mapping[str, Snapshot] | None = None) -> None:
        self.cut = cut
        self.reads: set[Target] = set()
        self.given: dict[str, Snapshot] = dict(given or {})
        #: The paths of the given documents that were read.
        self.given_reads: set[str] = set()

    def documents(self, paths: Sequence[str]) -> Mapping[str, Snapshot]:
        """The documents as of the cut.

        :raises Incomplete: naming all of them that the cut does not hold.
        """
        found: dict[str, Snapshot] = {}
        missing: list[Target] = []
        for path in paths:
            snapshot = self.given.get(path)
            if snapshot is not None:
                self.given_reads.add(path)
            else:
                snapshot = self._listened(path)
            if snapshot is None:
                missing.append(path)
            else:
                found[path] = snapshot
        if missing:
            raise Incomplete(missing)
        return found

    def query(self, target: QueryTarget) -> Sequence[Snapshot]:
        """The query's result as of the cut, in its order.

        :raises Incomplete: the cut does not hold it.
        """
        self.reads.add(target)
        result = self.cut.query(target)
        if result is None:
            raise Incomplete([target])
        return result

    def _listened(self, path: str) -> Snapshot | None:
        self.reads.add(path)
        return self.cut.document(path)


def differs(before: Cut, after: Cut, target: Target) -> bool:
    """Whether a target is not the same in two cuts."""
    return not is_seen(after, target, seen_in(before, target))


def seen_in(cut: Cut, target: Target) -> object:
    """What is to be seen of a target in a cut: a document, or a query's result, or nothing."""
    return cut.query(target) if isinstance(target, QueryTarget) else cut.document(target)


def is_seen(cut: Cut, target: Target, seen: object) -> bool:
    """Whether the same is to be seen of a target in a cut."""
    now = seen_in(cut, target)
    if not (isinstance(now, list) and isinstance(seen, list)):
        return now is seen
    return len(now) == len(seen) and all(map(_is_same, now, seen))


def _is_same(one: Snapshot, other: Snapshot) -> bool:
    if one is other:
        return True
    return one.path == other.path and one.update_time_ns == other.update_time_ns
