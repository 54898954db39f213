"""The comparison of what is known about targets with what is stored, in parts of limited size.

A result of many documents is read page by page, each at a time of its own, while the target goes
on changing. So a document is suspicious only if it is stored otherwise than it is known *and* is
known as it was before the first page: whatever became known meanwhile was not missed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeAlias

from flask_boiler.firestore import narrowing, protocol
from flask_boiler.firestore.listen.stream import Connection
from flask_boiler.ground.values import QueryTarget, Snapshot, Target

__all__ = ["Comparison", "Documents", "Known", "Result", "Suspects", "UpdateTimes", "missed"]

#: The update times of documents; one that is missing is not there.
UpdateTimes: TypeAlias = Mapping[str, int]
#: For each target, documents that are stored otherwise, and the update times they are known by.
Suspects: TypeAlias = dict[Target, dict[str, int | None]]
#: What is known of a target; ``None`` if it has not caught up.
Known: TypeAlias = Callable[[Target], UpdateTimes | None]

_NAME = "__name__"


class Comparison(Protocol):
    """A comparison of some targets with what is stored."""

    @property
    def targets(self) -> Sequence[Target]:
        """The targets that are compared."""
        ...

    def begin(self, known: Known) -> None:
        """Note what is known, before anything is read."""
        ...

    def read(self, connection: Connection) -> bool:
        """Read the next part; true if it was the last. After an error it may be repeated."""
        ...

    def suspects(self, known: Known) -> Suspects:
        """The documents that differ from what is known, when all parts are read."""
        ...


class Documents:
    """A comparison of single documents, which are read together."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = paths
        self._before: dict[str, UpdateTimes | None] = {}
        self._stored: dict[str, dict[str, int]] = {}

    @property
    def targets(self) -> Sequence[Target]:
        """The targets that are compared."""
        return self._paths

    def begin(self, known: Known) -> None:
        """See :class:`Comparison`."""
        self._before = {path: known(path) for path in self._paths}

    def read(self, connection: Connection) -> bool:
        """See :class:`Comparison`."""
        for path, found in connection.get(self._paths, mask=(_NAME,)).items():
            self._stored[path] = {path: found.update_time_ns} if found.exists else {}
        return True

    def suspects(self, known: Known) -> Suspects:
        """See :class:`Comparison`."""
        found: Suspects = {}
        for path, stored in self._stored.items():
            deviating = _deviating(stored, self._before[path], known(path))
            if deviating:
                found[path] = deviating
        return found


class Result:
    """A comparison of a query's result, which is read page by page.

    :param page_size: in documents.
    """

    def __init__(self, target: QueryTarget, page_size: int) -> None:
        self._target = target
        self._size = page_size
        limit = protocol.StructuredQuery.FromString(target.structured).limit.value
        #: How many documents there may still be, if that is limited.
        self._left: int | None = limit or None
        self._page = narrowing.page_of(target, page_size)
        self._before: UpdateTimes | None = None
        self._stored: dict[str, int] = {}

    @property
    def targets(self) -> Sequence[Target]:
        """The targets that are compared."""
        return (self._target,)

    def begin(self, known: Known) -> None:
        """See :class:`Comparison`."""
        self._before = known(self._target)

    def read(self, connection: Connection) -> bool:
        """See :class:`Comparison`."""
        wanted = self._size if self._left is None else min(self._size, self._left)
        found = list(connection.run_query(self._page))
        self._stored.update((each.path, each.update_time_ns) for each in found)
        if self._left is not None:
            self._left -= len(found)
        if len(found) < wanted or self._left == 0:
            return True
        self._turn_page(found[-1])
        return False

    def _turn_page(self, last: Snapshot) -> None:
        size = self._size if self._left is None else min(self._size, self._left)
        self._page = narrowing.after(self._page, last.raw, size)

    def suspects(self, known: Known) -> Suspects:
        """See :class:`Comparison`."""
        deviating = _deviating(self._stored, self._before, known(self._target))
        return {self._target: deviating} if deviating else {}


def missed(suspects: Suspects, known: Known) -> list[Target]:
    """The targets in which some suspect is still known as it was."""
    found = []
    for target, before in suspects.items():
        now = known(target)
        if now is not None and any(now.get(path) == before[path] for path in before):
            found.append(target)
    return found


def _deviating(
    stored: UpdateTimes, before: UpdateTimes | None, now: UpdateTimes | None
) -> dict[str, int | None]:
    """The documents that differ from what is known, with what is known of them.

    A target that is not current is no contradiction. One that was not current before is compared
    all the same: what is under way is looked at again.
    """
    if now is None:
        return {}
    before = now if before is None else before
    paths = [path for path, time_ns in stored.items() if now.get(path, 0) < time_ns]
    paths.extend(now.keys() - stored.keys())
    return {path: now.get(path) for path in paths if now.get(path) == before.get(path)}
