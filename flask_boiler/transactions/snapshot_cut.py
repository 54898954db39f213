"""The computation of a view once, on a consistent snapshot that is read level by level.

A function that reads is run until everything it reads is at hand: each run says what it
misses, all of that is fetched in one request, and the function runs again. So a view whose
references are three levels deep costs three reads, however many documents there are on each,
and all of them show the database at one time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from flask_boiler.errors import MissingIndexError, QueryError, UnavailableError
from flask_boiler.ground.ports import Datastore, Incomplete
from flask_boiler.ground.readers import reading_through
from flask_boiler.ground.values import QueryTarget, Snapshot, Target

__all__ = ["SnapshotCut", "compute_once"]

R = TypeVar("R")


class SnapshotCut:
    """A :class:`~flask_boiler.ground.ports.Reader` of one read-only transaction."""

    fetches = False

    def __init__(self, datastore: Datastore) -> None:
        self._datastore = datastore
        self._transaction: bytes | None = None
        self._documents: dict[str, Snapshot] = {}
        self._queries: dict[QueryTarget, list[Snapshot]] = {}
        self._refused: dict[QueryTarget, QueryError] = {}

    def documents(self, paths: Sequence[str]) -> Mapping[str, Snapshot]:
        """The snapshots by path, as of the transaction.

        :raises Incomplete: some have not been fetched yet.
        """
        missing = [path for path in paths if path not in self._documents]
        if missing:
            raise Incomplete(missing)
        return {path: self._documents[path] for path in paths}

    def query(self, target: QueryTarget) -> Sequence[Snapshot]:
        """The documents of the query's result, as of the transaction.

        :raises Incomplete: it has not been fetched yet.
        :raises QueryError: Firestore cannot answer it.
        """
        if target in self._refused:
            # Raised once more as it is, it would carry the traces of all who asked before.
            raise self._refused[target].with_traceback(None)
        if target not in self._queries:
            raise Incomplete([target])
        return self._queries[target]

    def fetch(self, targets: frozenset[Target]) -> None:
        """Read what is missing: all documents in one request, and each query in one request.

        A query that Firestore refuses fails whoever asks it, and nobody else.

        :raises UnavailableError: the transaction is lost, as it is when the server restarts.
        """
        if self._transaction is None:
            self._transaction = self._datastore.begin(read_only=True)
        paths = [target for target in targets if isinstance(target, str)]
        if paths:
            self._documents |= self._datastore.get(paths, transaction=self._transaction)
        for target in targets:
            if isinstance(target, QueryTarget):
                self._run(target)

    def _run(self, target: QueryTarget) -> None:
        try:
            found = list(self._datastore.run_query(target, transaction=self._transaction))
        except QueryError as error:
            self._require_fault_of_its_own(target, error)
            self._refused[target] = error
        else:
            self._queries[target] = found

    def _require_fault_of_its_own(self, target: QueryTarget, error: QueryError) -> None:
        """Check that an error is about the query, and not about an unknown transaction."""
        if isinstance(error, MissingIndexError):
            return
        try:
            next(iter(self._datastore.run_query(target)), None)
        except QueryError:
            return
        raise UnavailableError(f"the read-only transaction was lost: {error}") from error


def compute_once(function: Callable[[], R], datastore: Datastore) -> R:
    """The result of ``function``, all of whose reads are as of one time.

    It is called several times, so it must have no effects of its own.
    """
    cut = SnapshotCut(datastore)
    while True:
        try:
            with reading_through(cut):
                return function()
        except Incomplete as incomplete:
            cut.fetch(incomplete.missing)
