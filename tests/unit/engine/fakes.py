"""A feed and a datastore in memory, driven by the test, for the engine's own logic."""

from __future__ import annotations

import itertools
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

from flask_boiler.engine.engine import Engine
from flask_boiler.engine.publishing.publisher import Publisher
from flask_boiler.engine.publishing.stored_ledger import StoredLedger
from flask_boiler.engine.view_key import ViewKey
from flask_boiler.firestore.codec import Codec
from flask_boiler.firestore.query_compiler import compile_query
from flask_boiler.ground.errors import (
    BoilerError,
    ConflictError,
    TargetRejectedError,
    UnavailableError,
)
from flask_boiler.ground.ports import CutChange, Datastore
from flask_boiler.ground.values import CommitResult, QuerySpec, QueryTarget, Snapshot, Target, Write

CODEC = Codec(None, "projects/p/databases/(default)")


def all_of(collection: str) -> QueryTarget:
    """The query of everything in a collection."""
    compiled = compile_query(QuerySpec(collection), CODEC)
    return QueryTarget(compiled.parent, compiled.structured, text=collection)


def publisher_of(engine: Engine) -> Publisher:
    """What publishes an engine's views in documents, with all that a test may turn."""
    assert isinstance(engine.publisher, Publisher)
    return engine.publisher


class MemoryDatastore:
    """One commit at a time; keeps documents, update times, and what was committed."""

    database = "projects/p/databases/(default)"

    def __init__(self) -> None:
        self.codec = CODEC
        self.documents: dict[str, Snapshot] = {}
        self.commits: list[list[Write]] = []
        #: How many commits a precondition refused.
        self.refused = 0
        #: Raised by the next commits, one each: before or after they take effect.
        self.failures: list[tuple[str, Exception]] = []
        #: Every commit that writes one of these is answered as if the server were broken.
        self.poisoned: set[str] = set()
        self.credentials = 1
        #: Whom Firestore refuses: every commit for which this gives an error.
        self.refusal: Callable[[Sequence[Write]], BoilerError | None] = lambda writes: None
        self._clock = itertools.count(1_000, 10)
        self._lock = threading.Lock()
        self.hold = threading.Event()
        self.hold.set()
        self.entered = threading.Semaphore(0)

    def now(self) -> int:
        return next(self._clock)

    def put(self, path: str, fields: Mapping[str, Any]) -> Snapshot:
        """Somebody else's write."""
        with self._lock:
            return self._put(path, CODEC.encode(fields), self.now())

    def drop(self, path: str) -> None:
        with self._lock:
            self.documents.pop(path, None)

    def fields(self, path: str) -> dict[str, Any] | None:
        snapshot = self.documents.get(path)
        return None if snapshot is None else snapshot.to_dict()

    def recorded_owner(self, place: str) -> ViewKey | None:
        """The view that the ledger says has a place."""
        ledger = StoredLedger(cast(Datastore, self))
        return ledger.look([place])[place][1].owner

    def advance(self, time_ns: int) -> None:
        """Let so much time pass."""
        with self._lock:
            self._clock = itertools.count(self.now() + time_ns, 10)

    def get(self, paths: Iterable[str], **options: Any) -> dict[str, Snapshot]:
        at_ns = self.now()
        return {p: self.documents.get(p) or CODEC.missing(p, read_time_ns=at_ns) for p in paths}

    def refresh_credentials(self) -> None:
        self.credentials += 1

    def begin(self, **options: Any) -> bytes:
        return b"token"

    def run_query(self, target: QueryTarget, **options: Any) -> Iterator[Snapshot]:
        # The only query that the engine runs by itself is for its ledger.
        return iter([s for p, s in self.documents.items() if p.startswith("_boiler_places/")])

    def commit(self, writes: Sequence[Write], **options: Any) -> CommitResult:
        self.entered.release()
        self.hold.wait(60)
        with self._lock:
            if not self.poisoned.isdisjoint(write.path for write in writes):
                raise UnavailableError("internal error", outcome_unknown=True)
            refusal = self.refusal(writes)
            if refusal is not None:
                raise refusal
            failure = self.failures.pop(0) if self.failures else None
            if failure is not None and failure[0] == "before":
                raise failure[1]
            result = self._apply(writes)
            if failure is not None:
                raise failure[1]
            return result

    def _apply(self, writes: Sequence[Write]) -> CommitResult:
        try:
            for write in writes:
                self._check(write)
        except ConflictError:
            self.refused += 1
            raise
        self.commits.append(list(writes))
        now = self.now()
        for write in writes:
            if write.kind == "delete":
                self.documents.pop(write.path, None)
            else:
                raw = write.fields
                if isinstance(raw, Mapping):
                    raw = CODEC.encode(raw)
                self._put(write.path, raw, now)
        return CommitResult(now, tuple(now for _ in writes))

    def _check(self, write: Write) -> None:
        condition = write.precondition
        if condition is None:
            return
        stored = self.documents.get(write.path)
        if condition.exists is False and stored is not None:
            raise ConflictError(f"{write.path} is there", path=write.path)
        if condition.update_time_ns is not None and (
            stored is None or stored.update_time_ns != condition.update_time_ns
        ):
            raise ConflictError(f"{write.path} changed", path=write.path)

    def _put(self, path: str, raw: Any, now: int) -> Snapshot:
        snapshot = Snapshot(path, raw, CODEC, create_time_ns=now, update_time_ns=now)
        self.documents[path] = snapshot
        return snapshot


class MemoryCut:
    def __init__(
        self,
        read_time_ns: int,
        documents: Mapping[str, Snapshot],
        queries: Mapping[QueryTarget, Mapping[str, Snapshot]],
    ) -> None:
        self.read_time_ns = read_time_ns
        self._documents = dict(documents)
        self._queries = {t: dict(m) for t, m in queries.items()}

    def holds(self, target: Target) -> bool:
        return target in self._documents or target in self._queries

    def document(self, path: str) -> Snapshot | None:
        return self._documents.get(path)

    def query(self, target: QueryTarget) -> list[Snapshot] | None:
        members = self._queries.get(target)
        return None if members is None else list(members.values())

    def member(self, target: QueryTarget, path: str) -> Snapshot | None:
        return self._queries.get(target, {}).get(path)


class _Receiver:
    def __init__(self, feed: MemoryFeed, callback: Callable[[CutChange], None]) -> None:
        self.feed = feed
        self.callback = callback

    def close(self) -> None:
        self.feed.receivers.remove(self)


class MemoryFeed:
    """Holds and delivers what the test says, on the test's own thread."""

    doubtful = False
    refused_s = 0.0
    on_fault: Callable[[BaseException], object]

    def __init__(self, datastore: MemoryDatastore) -> None:
        self.datastore = datastore
        self.wanted: dict[Target, int] = {}
        self.listened: queue.SimpleQueue[Target] = queue.SimpleQueue()
        self.refreshes = threading.Semaphore(0)
        self.receivers: list[_Receiver] = []
        self.cut = MemoryCut(0, {}, {})
        self._documents: dict[str, Snapshot] = {}
        self._queries: dict[QueryTarget, dict[str, Snapshot]] = {}

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def listen(self, targets: Iterable[Target]) -> None:
        for target in targets:
            self.wanted[target] = self.wanted.get(target, 0) + 1
            if self.wanted[target] == 1:
                self.listened.put(target)

    def release(self, targets: Iterable[Target]) -> None:
        for target in targets:
            self.wanted[target] -= 1
            if not self.wanted[target]:
                del self.wanted[target]
                self._documents.pop(target, None)  # type: ignore[arg-type]
                self._queries.pop(target, None)  # type: ignore[arg-type]

    def refresh(self) -> None:
        self.refreshes.release()

    def subscribe(self, on_change: Callable[[CutChange], None]) -> _Receiver:
        receiver = _Receiver(self, on_change)
        self.receivers.append(receiver)
        return receiver

    def deliver(
        self,
        *documents: str,
        members: Mapping[QueryTarget, Sequence[str]] | None = None,
        left: Mapping[QueryTarget, Sequence[str]] | None = None,
        rejected: Mapping[Target, str] | None = None,
    ) -> None:
        """Raise a cut that shows these documents as they are stored now."""
        for path in documents:
            self._documents[path] = self.datastore.get([path])[path]
        for refused in rejected or {}:
            self._documents.pop(refused, None)  # type: ignore[arg-type]
            self._queries.pop(refused, None)  # type: ignore[arg-type]
        queries: dict[QueryTarget, set[str]] = {}
        for target, paths in (members or {}).items():
            known = self._queries.setdefault(target, {})
            known.update(self.datastore.get(paths))
            queries[target] = set(paths)
        for target, paths in (left or {}).items():
            for path in paths:
                self._queries[target].pop(path, None)
            queries.setdefault(target, set()).update(paths)
        self.cut = MemoryCut(self.datastore.now(), self._documents, self._queries)
        errors = {t: TargetRejectedError(t, why) for t, why in (rejected or {}).items()}
        for receiver in list(self.receivers):
            receiver.callback(CutChange(self.cut, set(documents), queries, errors))
