"""What a read goes through: a cut, a transaction, or else the database itself.

``get``, ``where`` and store references ask here, so that the same getter reads
live state in a mediator, a consistent snapshot in a request, and its own writes'
world in a transaction.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from flask_boiler.ports import Datastore, Reader
from flask_boiler.values import QueryTarget, Snapshot

__all__ = ["DirectReader", "current_reader", "reading_through"]

_reader: ContextVar[Reader | None] = ContextVar("flask_boiler_reader", default=None)


def current_reader() -> Reader | None:
    """The reader that is in force here, or ``None``."""
    return _reader.get()


@contextmanager
def reading_through(reader: Reader | None) -> Iterator[None]:
    """Let every read in the block go through ``reader``; ``None`` means the database itself."""
    token = _reader.set(reader)
    try:
        yield
    finally:
        _reader.reset(token)


class DirectReader:
    """Strong reads, each at its own time."""

    def __init__(self, datastore: Datastore) -> None:
        self._datastore = datastore

    def documents(self, paths: Sequence[str]) -> Mapping[str, Snapshot]:
        """A snapshot for every path, as it is now."""
        return self._datastore.get(paths)

    def query(self, target: QueryTarget) -> Sequence[Snapshot]:
        """The result as it is now."""
        return list(self._datastore.run_query(target))
