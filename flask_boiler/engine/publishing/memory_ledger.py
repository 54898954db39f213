"""A ledger in memory: for tests, and for views that nobody else keeps and no restart outlives."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence

from flask_boiler.engine.publishing.ledger import NO_RECORD, PlaceRecord, RecordChange
from flask_boiler.engine.view_key import ViewKey
from flask_boiler.errors import ConflictError
from flask_boiler.ground.ports import Datastore
from flask_boiler.ground.values import CommitResult, Snapshot, Write

__all__ = ["MemoryLedger"]


#: Changes nothing, and has a time: not every Firestore gives one to a commit without writes.
_NOTHING = Write("delete", "_boiler_clock/ledger")


class MemoryLedger:
    """A :class:`~flask_boiler.engine.publishing.ledger.PlaceLedger` that ends with the process.

    :param datastore: where the documents of the places are.
    """

    def __init__(self, datastore: Datastore) -> None:
        self._datastore = datastore
        # Held while documents are committed, so that a record never says what is not so.
        self._lock = threading.Lock()
        self._records: dict[str, tuple[ViewKey, PlaceRecord]] = {}

    def records(self, mediator: str, root: str | None = None) -> dict[str, PlaceRecord]:
        """The records of a mediator's places, by place."""
        with self._lock:
            return {
                place: record
                for place, (key, record) in self._records.items()
                if key.mediator == mediator and root in (None, key.subject)
            }

    def look(self, places: Collection[str]) -> dict[str, tuple[Snapshot, PlaceRecord]]:
        """The document and the record of each place."""
        with self._lock:
            stored = self._datastore.get(places)
            return {place: (stored[place], self._record(place)) for place in places}

    def commit(self, changes: Sequence[Write | RecordChange]) -> CommitResult:
        """Write documents, and change records if that was done."""
        with self._lock:
            for change in changes:
                if isinstance(change, RecordChange):
                    self._check(change)
            documents = [change for change in changes if isinstance(change, Write)]
            result = self._datastore.commit(documents or [_NOTHING])
            times_ns = iter(result.update_times_ns)
            for change in changes:
                if isinstance(change, RecordChange):
                    self._note(change, result.commit_time_ns)
            return CommitResult(
                result.commit_time_ns,
                tuple(
                    next(times_ns) if isinstance(change, Write) else result.commit_time_ns
                    for change in changes
                ),
            )

    def prune(self, tombstones: Mapping[str, int]) -> None:
        """Forget tombstones that are still as they were written."""
        with self._lock:
            for place, written_ns in tombstones.items():
                record = self._record(place)
                if record.is_tombstone and record.update_time_ns == written_ns:
                    del self._records[place]

    def sign(self, place: str) -> str | None:
        """No document: all who share this ledger are of one process."""
        return None

    def record_in(self, document: Snapshot) -> PlaceRecord | None:
        """No document is a record."""
        return None

    def _record(self, place: str) -> PlaceRecord:
        return self._records[place][1] if place in self._records else NO_RECORD

    def _check(self, change: RecordChange) -> None:
        if self._record(change.place).update_time_ns != change.replaces_ns:
            raise ConflictError(
                f"the record of {change.place} is not what it was", path=change.place
            )

    def _note(self, change: RecordChange, time_ns: int) -> None:
        record = PlaceRecord(
            owner=change.key if change.owned else None,
            left_by=change.key if change.left and not change.owned else None,
            update_time_ns=time_ns,
        )
        self._records[change.place] = change.key, record
