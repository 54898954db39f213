"""A whole Firestore in memory behind the ``Datastore`` port, without any connection."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import grpc
from google.auth.credentials import AnonymousCredentials
from google.cloud import firestore

from flask_boiler.context.config import Config
from flask_boiler.context.context import ApplicationContext
from flask_boiler.firestore import protocol
from flask_boiler.firestore.codec import Codec, encode_write
from flask_boiler.ground.errors import (
    ConflictError,
    DocumentNotFoundError,
    UnavailableError,
    ValidationError,
)
from flask_boiler.ground.values import CommitResult, QueryTarget, Snapshot, Write
from tests.scripted_firestore.matching import Query
from tests.scripted_firestore.storage import Refusal, Storage

DATABASE = "projects/memory/databases/(default)"


class MemoryDatastore:
    """What is asked of it is kept; commits can be made to go wrong.

    ``mishaps`` holds what happens to the next commits, one each: called with the function that
    does the commit.
    """

    database = DATABASE

    def __init__(self) -> None:
        client = firestore.Client(project="memory", credentials=AnonymousCredentials())
        self.codec = Codec(client, DATABASE)
        self.storage = Storage()
        self.asked: list[QueryTarget] = []
        self.commits: list[list[Write]] = []
        self.read: list[str] = []
        self.rolled_back: list[bytes] = []
        self.begun: list[bytes] = []
        self.mishaps: list[Callable[[Callable[[], CommitResult]], CommitResult]] = []

    def put(self, path: str, **fields: Any) -> int:
        """What somebody else writes; its update time."""
        return self._apply([Write("set", path, fields)], b"").update_times_ns[0]

    def drop(self, path: str) -> None:
        """What somebody else deletes."""
        self._apply([Write("delete", path)], b"")

    def fields(self, path: str) -> dict[str, Any] | None:
        """What is stored now."""
        found = self.storage.document(self.codec.name(path))
        return None if found is None else self.codec.decode(found)

    def get(
        self,
        paths: Iterable[str],
        *,
        transaction: bytes | None = None,
        read_time_ns: int | None = None,
        mask: Sequence[str] | None = None,
    ) -> dict[str, Snapshot]:
        at_ns = self._time(transaction)
        found = {}
        for path in paths:
            self.read.append(path)
            if transaction is not None:
                self.storage.transaction(transaction).names.add(self.codec.name(path))
            document = self.storage.document(self.codec.name(path), at_ns)
            found[path] = self._snapshot(path, document)
        return found

    def run_query(
        self,
        target: QueryTarget,
        *,
        transaction: bytes | None = None,
        read_time_ns: int | None = None,
    ) -> Iterator[Snapshot]:
        self.asked.append(target)
        structured = protocol.StructuredQuery.FromString(target.structured)
        query = Query(f"{DATABASE}/documents/{target.parent}".rstrip("/"), structured)
        at_ns = self._time(transaction) or self.storage.now_ns()
        found = self.storage.run(query, at_ns)
        if transaction is not None:
            self.storage.transaction(transaction).queries.append(query)
        snapshots = [self.codec.snapshot(document, read_time_ns=at_ns) for document in found]
        return iter(snapshots[::-1] if target.limit_to_last else snapshots)

    def aggregate(
        self,
        target: QueryTarget,
        aggregations: Mapping[str, tuple[str, str | None]],
        *,
        transaction: bytes | None = None,
        read_time_ns: int | None = None,
    ) -> dict[str, Any]:
        assert 1 <= len(aggregations) <= 5, "as Firestore requires"
        found = list(self.run_query(target, transaction=transaction))
        return {alias: _aggregated(found, *asked) for alias, asked in aggregations.items()}

    def commit(self, writes: Sequence[Write], *, transaction: bytes | None = None) -> CommitResult:
        self.commits.append(list(writes))

        def act() -> CommitResult:
            return self._apply(writes, transaction or b"")

        return self.mishaps.pop(0)(act) if self.mishaps else act()

    def refresh_credentials(self) -> None:
        """There are none."""

    def begin(self, *, read_only: bool = False, read_time_ns: int | None = None) -> bytes:
        options = protocol.TransactionOptions()
        (options.read_only if read_only else options.read_write).SetInParent()
        self.begun.append(self.storage.begin(options))
        return self.begun[-1]

    def rollback(self, transaction: bytes) -> None:
        self.rolled_back.append(transaction)
        self.storage.end(transaction)

    def _time(self, transaction: bytes | None) -> int | None:
        return None if transaction is None else self.storage.transaction(transaction).read_time_ns

    def _snapshot(self, path: str, document: Any) -> Snapshot:
        return self.codec.missing(path) if document is None else self.codec.snapshot(document)

    def _apply(self, writes: Sequence[Write], transaction: bytes) -> CommitResult:
        encoded = [protocol.Write() for _ in writes]
        for write, message in zip(writes, encoded, strict=True):
            encode_write(self.codec, write, message)
        try:
            time_ns, times = self.storage.commit(encoded, transaction)
        except Refusal as refusal:
            if refusal.code is grpc.StatusCode.NOT_FOUND:
                raise DocumentNotFoundError("", str(refusal)) from refusal
            if refusal.code is grpc.StatusCode.INVALID_ARGUMENT:
                raise ValidationError({"document": [str(refusal)]}) from refusal
            raise ConflictError(str(refusal)) from refusal
        return CommitResult(time_ns, tuple(times))


def _aggregated(found: list[Snapshot], function: str, field: str | None) -> Any:
    if function == "count":
        return len(found)
    values = [snapshot.get(field or "") for snapshot in found]
    numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    if function == "sum":
        return sum(numbers)
    return math.fsum(numbers) / len(numbers) if numbers else None


def answer_lost(act: Callable[[], CommitResult]) -> CommitResult:
    """The commit is applied, and its answer does not arrive."""
    act()
    raise UnavailableError("the connection was lost", outcome_unknown=True)


def request_lost(act: Callable[[], CommitResult]) -> CommitResult:
    """The commit never arrives."""
    raise UnavailableError("the connection was lost", outcome_unknown=True)


def memory_context() -> tuple[ApplicationContext, MemoryDatastore]:
    """A context whose datastore is in memory."""
    context = ApplicationContext(Config(project="memory", testing=True))
    datastore = MemoryDatastore()
    context._connections.datastore = datastore  # type: ignore[assignment]
    return context, datastore
