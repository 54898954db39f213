"""Documents in memory, as of any time since the start."""

from __future__ import annotations

import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import grpc

from flask_boiler.firestore import protocol
from flask_boiler.firestore.codec import encoded_fields
from flask_boiler.firestore.protocol import field_names
from tests.scripted_firestore.matching import Query
from tests.scripted_firestore.transforms import apply_transform


class Refusal(Exception):
    """What the server answers instead of a result."""

    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        super().__init__(f"{code.name}: {details}")
        self.code = code
        self.details = details


class Storage:
    """All documents of all databases, and all they ever were.

    Times are whole microseconds; a read time is never given out before everything up to it is
    decided, so a read at it always finds the same.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._history: dict[str, list[tuple[int, Any]]] = {}
        #: Which documents each commit wrote, in order of time.
        self._commits: list[tuple[int, tuple[str, ...]]] = []
        self._now_ns = 0
        self._watchers: list[Callable[[], None]] = []
        self._transactions: dict[bytes, _Transaction] = {}
        self._last_transaction = 0

    def now_ns(self) -> int:
        """A time that no commit has or will have had before it unseen."""
        with self._lock:
            self._now_ns = max(self._now_ns + 1000, time.time_ns() // 1000 * 1000)
            return self._now_ns

    def watch(self, watcher: Callable[[], None]) -> None:
        """Call this after every commit."""
        with self._lock:
            self._watchers.append(watcher)

    def unwatch(self, watcher: Callable[[], None]) -> None:
        with self._lock:
            self._watchers.remove(watcher)

    def document(self, resource_name: str, at_ns: int | None = None) -> Any:
        """The document as of a time, or ``None``."""
        versions = self._history.get(resource_name)
        if not versions:
            return None
        if at_ns is None:
            return versions[-1][1]
        position = bisect_right(versions, at_ns, key=lambda version: version[0])
        return versions[position - 1][1] if position else None

    def documents(self, at_ns: int | None = None) -> Iterator[Any]:
        """All documents as of a time."""
        with self._lock:
            names = list(self._history)
        for resource_name in names:
            found = self.document(resource_name, at_ns)
            if found is not None:
                yield found

    def run(self, query: Query, at_ns: int | None = None) -> list[Any]:
        """A query's result as of a time."""
        with self._lock:
            return query.result(self.documents(at_ns))

    def written_since(self, after_ns: int, until_ns: int) -> set[str]:
        """The documents written in this span, whether or not that changed them."""
        with self._lock:
            start = bisect_right(self._commits, after_ns, key=lambda commit: commit[0])
            end = bisect_right(self._commits, until_ns, key=lambda commit: commit[0])
            return {name for _, names in self._commits[start:end] for name in names}

    def begin(self, options: Any) -> bytes:
        """A new transaction."""
        with self._lock:
            self._last_transaction += 1
            token = b"transaction-%d" % self._last_transaction
            read_time_ns = protocol.nanoseconds(options.read_only.read_time)
            self._transactions[token] = _Transaction(
                read_time_ns or self.now_ns(), options.HasField("read_only")
            )
            return token

    def transaction(self, token: bytes) -> _Transaction:
        with self._lock:
            if token not in self._transactions:
                raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, "no such transaction")
            return self._transactions[token]

    def end(self, token: bytes) -> None:
        with self._lock:
            self._transactions.pop(token, None)

    def commit(self, writes: Iterable[Any], transaction: bytes = b"") -> tuple[int, list[int]]:
        """Apply all writes or none; the commit time, and each document's update time."""
        with self._lock:
            commit_time_ns = self.now_ns()
            if transaction:
                self._check_reads(self.transaction(transaction))
                self.end(transaction)
            staged: dict[str, Any] = {}
            for write in writes:
                self._stage(write, commit_time_ns, staged)
            for resource_name, document in staged.items():
                self._history.setdefault(resource_name, []).append((commit_time_ns, document))
            self._commits.append((commit_time_ns, tuple(staged)))
            times = [_update_time_ns(staged[_name_of(write)]) for write in writes]
            watchers = list(self._watchers)
        for watcher in watchers:
            watcher()
        return commit_time_ns, times

    def _check_reads(self, transaction: _Transaction) -> None:
        for resource_name in transaction.names:
            read = self.document(resource_name, transaction.read_time_ns)
            if _update_time_ns(read) != _update_time_ns(self.document(resource_name)):
                raise Refusal(grpc.StatusCode.ABORTED, f"{resource_name} has changed")
        for query in transaction.queries:
            if self.run(query, transaction.read_time_ns) != self.run(query):
                raise Refusal(grpc.StatusCode.ABORTED, "a query's result has changed")

    def _stage(self, write: Any, commit_time_ns: int, staged: dict[str, Any]) -> None:
        resource_name = _name_of(write)
        if resource_name.count("/") % 2:
            raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, f"{resource_name} is no document")
        before = staged.get(resource_name, self.document(resource_name))
        _check_precondition(write, resource_name, before)
        if write.WhichOneof("operation") == "delete":
            staged[resource_name] = None
            return
        after = _written(write, before, commit_time_ns)
        for transform in write.update_transforms:
            apply_transform(after, transform, commit_time_ns)
        unchanged = before is not None and encoded_fields(before) == encoded_fields(after)
        stamp_ns = protocol.nanoseconds(before.update_time) if unchanged else commit_time_ns
        created_ns = commit_time_ns if before is None else protocol.nanoseconds(before.create_time)
        protocol.set_timestamp(after.update_time, stamp_ns)
        protocol.set_timestamp(after.create_time, created_ns)
        staged[resource_name] = after


class _Transaction:
    """What a transaction has read, and as of when."""

    def __init__(self, read_time_ns: int, is_read_only: bool) -> None:
        self.read_time_ns = read_time_ns
        self.is_read_only = is_read_only
        self.names: set[str] = set()
        self.queries: list[Query] = []


def _name_of(write: Any) -> str:
    operation = write.WhichOneof("operation")
    return str(write.delete if operation == "delete" else write.update.name)


def _update_time_ns(document: Any) -> int:
    return 0 if document is None else protocol.nanoseconds(document.update_time)


def _check_precondition(write: Any, resource_name: str, before: Any) -> None:
    match write.current_document.WhichOneof("condition_type"):
        case "exists" if write.current_document.exists and before is None:
            raise Refusal(grpc.StatusCode.NOT_FOUND, f"no document to update: {resource_name}")
        case "exists" if not write.current_document.exists and before is not None:
            raise Refusal(
                grpc.StatusCode.ALREADY_EXISTS, f"document already exists: {resource_name}"
            )
        case "update_time":
            wanted_ns = protocol.nanoseconds(write.current_document.update_time)
            if wanted_ns != _update_time_ns(before):
                raise Refusal(
                    grpc.StatusCode.FAILED_PRECONDITION,
                    f"the stored version of {resource_name} is not the required one",
                )


def _written(write: Any, before: Any, commit_time_ns: int) -> Any:
    after = protocol.Document(name=write.update.name)
    if not write.HasField("update_mask"):
        after.fields.MergeFrom(write.update.fields)
        return after
    if before is not None:
        after.fields.MergeFrom(before.fields)
    for path in write.update_mask.field_paths:
        _copy_field(write.update, after, field_names(path))
    return after


def _copy_field(source: Any, destination: Any, names: tuple[str, ...]) -> None:
    given, kept = source.fields, destination.fields
    for step in names[:-1]:
        given = given[step].map_value.fields if given is not None and step in given else None
        if given is None and step not in kept:
            return
        kept = kept[step].map_value.fields
    if given is not None and names[-1] in given:
        kept[names[-1]].CopyFrom(given[names[-1]])
    elif names[-1] in kept:
        del kept[names[-1]]
