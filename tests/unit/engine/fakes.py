"""A feed and a datastore that the test drives, for the engine's own logic."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence

from flask_boiler.engine.engine import Engine
from flask_boiler.engine.publishing.publisher import Publisher
from flask_boiler.engine.publishing.stored_ledger import StoredLedger
from flask_boiler.engine.view_key import ViewKey
from flask_boiler.errors import (
    ConflictError,
    TargetRejectedError,
    UnavailableError,
)
from flask_boiler.firestore.codec import Codec
from flask_boiler.firestore.query_compiler import compile_query
from flask_boiler.ground.ports import CutChange
from flask_boiler.ground.values import CommitResult, QuerySpec, QueryTarget, Snapshot, Target, Write
from flask_boiler.operate.testing.memory_datastore import MemoryDatastore

CODEC = Codec(None, "projects/p/databases/(default)")


def all_of(collection: str) -> QueryTarget:
    """The query of everything in a collection."""
    compiled = compile_query(QuerySpec(collection), CODEC)
    return QueryTarget(compiled.parent, compiled.structured, text=collection)


def publisher_of(engine: Engine) -> Publisher:
    """What publishes an engine's views in documents, with all that a test may turn."""
    assert isinstance(engine.publisher, Publisher)
    return engine.publisher


class ScriptedDatastore(MemoryDatastore):
    """A datastore whose commits wait, fail and are refused as the test says."""

    def __init__(self) -> None:
        super().__init__(project="p")
        #: How many commits a precondition refused.
        self.refused = 0
        #: Raised by the next commits, one each: before or after they take effect.
        self.failures: list[tuple[str, Exception]] = []
        #: Every commit that writes one of these is answered as if the server were broken.
        self.poisoned: set[str] = set()
        self.credentials = 1
        #: Whom Firestore refuses: every commit for which this gives an error.
        self.refusal: Callable[[Sequence[Write]], Exception | None] = lambda writes: None
        #: Raises for a write that Firestore would not store.
        self.check: Callable[[Write], None] = lambda write: None
        #: Commits wait for it.
        self.hold = threading.Event()
        self.hold.set()
        #: Released by each commit that begins.
        self.entered = threading.Semaphore(0)
        self._one_at_a_time = threading.Lock()

    def recorded_owner(self, place: str) -> ViewKey | None:
        """The view that the ledger says has a place."""
        return StoredLedger(self).look([place])[place][1].owner

    def refresh_credentials(self) -> None:
        self.credentials += 1

    def commit(self, writes: Sequence[Write], *, transaction: bytes | None = None) -> CommitResult:
        self.entered.release()
        self.hold.wait(60)
        with self._one_at_a_time:
            if not self.poisoned.isdisjoint(write.path for write in writes):
                raise UnavailableError("internal error", outcome_unknown=True)
            refusal = self.refusal(writes)
            if refusal is not None:
                raise refusal
            when, failure = self.failures.pop(0) if self.failures else ("never", None)
            if failure is not None and when == "before":
                raise failure
            for write in writes:
                self.check(write)
            try:
                result = super().commit(writes, transaction=transaction)
            except ConflictError:
                self.refused += 1
                raise
            if failure is not None:
                raise failure
            return result


class ScriptedCut:
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
    def __init__(self, feed: ScriptedFeed, callback: Callable[[CutChange], None]) -> None:
        self.feed = feed
        self.callback = callback

    def close(self) -> None:
        self.feed.receivers.remove(self)


class ScriptedFeed:
    """Holds and delivers what the test says, on the test's own thread."""

    doubtful = False
    refused_s = 0.0
    on_fault: Callable[[BaseException], object]

    def __init__(self, datastore: ScriptedDatastore) -> None:
        self.datastore = datastore
        self.wanted: dict[Target, int] = {}
        self.listened: queue.SimpleQueue[Target] = queue.SimpleQueue()
        self.refreshes = threading.Semaphore(0)
        self.receivers: list[_Receiver] = []
        self.cut = ScriptedCut(0, {}, {})
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
        self.cut = ScriptedCut(self.datastore.now_ns(), self._documents, self._queries)
        errors = {t: TargetRejectedError(t, why) for t, why in (rejected or {}).items()}
        for receiver in list(self.receivers):
            receiver.callback(CutChange(self.cut, set(documents), queries, errors))
