"""What the tests of the Listen client share: a hub on a server, and what it delivers."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from flask_boiler.context.clients import local_client
from flask_boiler.errors import TargetRejectedError, UnavailableError
from flask_boiler.firestore import protocol
from flask_boiler.firestore.datastore import FirestoreDatastore
from flask_boiler.firestore.listen.backoff import BackoffPolicy
from flask_boiler.firestore.listen.hub import Hub
from flask_boiler.firestore.listen.stream import StreamPolicy
from flask_boiler.ground.ports import CutChange
from flask_boiler.ground.values import CommitResult, QueryTarget, Target, Write

PATIENCE_S = 20.0
_LOOK_AGAIN_AFTER_S = 0.01
_ATTEMPTS = 10
#: Nobody wants to wait in a test.
HASTY = StreamPolicy(backoff=BackoffPolicy(initial_s=0.02, maximum_s=0.2))


def collection(collection_id: str, *, order_by: str = "", limit: int = 0) -> QueryTarget:
    query = protocol.StructuredQuery()
    query.from_.add(collection_id=collection_id)
    if order_by:
        query.order_by.add(direction=protocol.StructuredQuery.ASCENDING).field.field_path = order_by
    if limit:
        query.limit.value = limit
    return QueryTarget("", query.SerializeToString(), text=f"all of {collection_id}")


class Listener:
    """A hub on a database of its own, and all it ever delivered."""

    def __init__(self, host: str, project: str, **options: Any) -> None:
        self._client = local_client(host, project=project, database="(default)")
        self.datastore = FirestoreDatastore(self._client)
        self.hub = Hub(self.datastore, **{"policy": HASTY, **options})
        self._condition = threading.Condition()
        self.changes: list[CutChange] = []
        self.rejected: dict[Target, TargetRejectedError] = {}
        self.hub.subscribe(self._note)
        self.hub.start()

    def _note(self, change: CutChange) -> None:
        with self._condition:
            self.changes.append(change)
            self.rejected.update(change.rejected)
            held: list[Target] = [*change.documents, *change.queries]
            for target in held:
                self.rejected.pop(target, None)
            self._condition.notify_all()

    def wait_for(self, condition: Callable[[], Any], timeout_s: float = PATIENCE_S) -> None:
        """Wait until something holds after a change was delivered."""
        with self._condition:
            held = self._condition.wait_for(condition, timeout_s)
        assert held, f"waited in vain; {self.hub.statistics()}"

    def wait_until(self, condition: Callable[[], Any]) -> None:
        """Wait until something holds of which nothing that is delivered tells."""
        with self._condition:
            for _ in range(round(PATIENCE_S / _LOOK_AGAIN_AFTER_S)):
                if condition():
                    return
                self._condition.wait(_LOOK_AGAIN_AFTER_S)
        raise AssertionError(f"waited in vain; {self.hub.statistics()}")

    def listen(self, *targets: Target) -> None:
        """Listen to targets, and wait until they are held."""
        self.hub.listen(targets)
        self.wait_for(lambda: all(self.holds(target) for target in targets))

    def holds(self, target: Target) -> bool:
        cut = self.hub.cut
        found = cut.document(target) if isinstance(target, str) else cut.query(target)
        return found is not None

    def field(self, path: str, name: str = "n") -> Any:
        """A field of a document in the newest cut; ``None`` if it is missing or not held."""
        snapshot = self.hub.cut.document(path)
        return None if snapshot is None else snapshot.get(name)

    def ids(self, target: QueryTarget) -> list[str] | None:
        """The ids of a query's result in the newest cut."""
        result = self.hub.cut.query(target)
        return None if result is None else [snapshot.id for snapshot in result]

    def wait_for_field(self, path: str, value: Any, name: str = "n") -> None:
        self.wait_for(lambda: self.field(path, name) == value)

    def wait_for_ids(self, target: QueryTarget, ids: list[str]) -> None:
        self.wait_for(lambda: self.ids(target) == ids)

    def set(self, path: str, **fields: Any) -> CommitResult:
        return self._commit(Write("set", path, fields))

    def delete(self, path: str) -> None:
        self._commit(Write("delete", path))

    def _commit(self, write: Write) -> CommitResult:
        # Google's emulator answers some commits with UNKNOWN when it is busy. Doing such a
        # write twice is as good as once.
        for _ in range(_ATTEMPTS - 1):
            try:
                return self.datastore.commit([write])
            except UnavailableError:
                continue
        return self.datastore.commit([write])

    def close(self) -> None:
        self.hub.stop()
        self._client.close()


@contextmanager
def listening(host: str, *, project: str | None = None, **options: Any) -> Iterator[Listener]:
    listener = Listener(host, project or f"listen-{uuid.uuid4().hex[:16]}", **options)
    try:
        yield listener
    finally:
        listener.close()
