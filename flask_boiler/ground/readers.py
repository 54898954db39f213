"""The readers that reads go through: a cut, a transaction, or the database itself.

``get``, ``where`` and store references ask here, so that the same getter reads
live state in a mediator, a consistent snapshot in a request, and its own writes'
world in a transaction.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from flask_boiler.ground.ports import Datastore, Reader
from flask_boiler.ground.values import QueryTarget, Snapshot

__all__ = ["DirectReader", "MomentReader", "current_reader", "reading_through"]

#: Documents that are surely read in one request, and so at one time.
_IN_ONE_REQUEST = 500

_reader: ContextVar[Reader | None] = ContextVar("flask_boiler_reader", default=None)


def current_reader() -> Reader | None:
    """The reader that is in force here, or ``None`` for the database itself."""
    return _reader.get()


@contextmanager
def reading_through(reader: Reader | None) -> Iterator[None]:
    """Have all reads in the block go through ``reader``; ``None`` means the database itself."""
    token = _reader.set(reader)
    try:
        yield
    finally:
        _reader.reset(token)


class DirectReader:
    """Strong reads of the database, each at its own time."""

    fetches = True

    def __init__(self, datastore: Datastore) -> None:
        self._datastore = datastore

    def documents(self, paths: Sequence[str]) -> Mapping[str, Snapshot]:
        """The snapshots by path, as they are now."""
        return self._datastore.get(paths)

    def query(self, target: QueryTarget) -> Sequence[Snapshot]:
        """The documents of the result, as it is now."""
        return list(self._datastore.run_query(target))


class MomentReader:
    """Reads of the database as of one time, without a transaction.

    Firestore answers for any time of the last hour.

    :param at_ns: the time; 0 takes that of the first read, which is a strong one.
    """

    fetches = True

    def __init__(self, datastore: Datastore, at_ns: int = 0) -> None:
        self._datastore = datastore
        self._at_ns = at_ns

    def documents(self, paths: Sequence[str]) -> Mapping[str, Snapshot]:
        """The snapshots by path, as of that time."""
        if self._at_ns:
            return self._datastore.get(paths, read_time_ns=self._at_ns)
        found = self._datastore.get(paths[:_IN_ONE_REQUEST])
        self._at_ns = max((snapshot.read_time_ns for snapshot in found.values()), default=0)
        rest = paths[_IN_ONE_REQUEST:]
        return {**found, **self.documents(rest)} if rest else found

    def query(self, target: QueryTarget) -> Sequence[Snapshot]:
        """The documents of the result, as of that time."""
        found = list(self._datastore.run_query(target, read_time_ns=self._at_ns or None))
        self._at_ns = self._at_ns or max((s.read_time_ns for s in found), default=0)
        return found
