"""The ledger as documents: one small document per place, in a collection of the framework's own."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from flask_boiler.engine.publishing.ledger import NO_RECORD, PlaceRecord, RecordChange
from flask_boiler.engine.view_key import ViewKey
from flask_boiler.firestore.query_compiler import compile_query
from flask_boiler.ground.naming import record_id
from flask_boiler.ground.ports import Datastore
from flask_boiler.ground.values import (
    CommitResult,
    CompositeFilter,
    FieldFilter,
    Filter,
    Precondition,
    QuerySpec,
    Snapshot,
    Write,
)

__all__ = ["LEDGER_COLLECTION", "StoredLedger", "ledger_path"]

LEDGER_COLLECTION = "_boiler_places"


class StoredLedger:
    """The :class:`~flask_boiler.engine.publishing.ledger.PlaceLedger` of a database.

    A record is written in the commit that first writes its place.
    """

    def __init__(self, datastore: Datastore) -> None:
        self._datastore = datastore

    def records(self, mediator: str, root: str | None = None) -> dict[str, PlaceRecord]:
        """The records of a mediator's places, by place; one query."""
        where: Filter = FieldFilter("mediator", "==", mediator)
        if root is not None:
            where = CompositeFilter("and", (where, FieldFilter("root", "==", root)))
        spec = QuerySpec(LEDGER_COLLECTION, where=where)
        found = self._datastore.run_query(compile_query(spec, self._datastore.codec))
        return {record.fields["place"]: _record_of(record) for record in found}

    def look(self, places: Collection[str]) -> dict[str, tuple[Snapshot, PlaceRecord]]:
        """The document and the record of each place, in one request."""
        paths = {place: ledger_path(place) for place in places}
        # Side by side, so that requests are not split between a document and its record.
        found = self._datastore.get([path for pair in paths.items() for path in pair])
        return {place: (found[place], _record_of(found[path])) for place, path in paths.items()}

    def commit(self, changes: Sequence[Write | RecordChange]) -> CommitResult:
        """Write documents and records in one commit."""
        return self._datastore.commit(
            [_write_of(c) if isinstance(c, RecordChange) else c for c in changes]
        )

    def prune(self, tombstones: Mapping[str, int]) -> None:
        """Remove tombstones that are still as they were written; reads them before."""
        # The place may be somebody's again, or another process was first.
        paths = {ledger_path(place): written_ns for place, written_ns in tombstones.items()}
        stored = self._datastore.get(paths)
        writes = [
            Write("delete", path, precondition=Precondition(update_time_ns=written_ns))
            for path, written_ns in paths.items()
            if stored[path].update_time_ns == written_ns
        ]
        if writes:
            self._datastore.commit(writes)

    def sign(self, place: str) -> str | None:
        """The path of the place's record."""
        return ledger_path(place)

    def record_in(self, document: Snapshot) -> PlaceRecord | None:
        """The record that a document of the ledger's collection is."""
        is_record = document.path.startswith(f"{LEDGER_COLLECTION}/")
        return _record_of(document) if is_record else None


def ledger_path(place: str) -> str:
    """The path of a place's record."""
    return f"{LEDGER_COLLECTION}/{record_id(place)}"


def _record_of(stored: Snapshot) -> PlaceRecord:
    if not stored.exists:
        return NO_RECORD
    fields = stored.fields
    if fields.get("vacated") is not True:
        return PlaceRecord(owner=_key_of(fields), update_time_ns=stored.update_time_ns)
    left_by = _key_of(fields) if fields.get("left") is True else None
    return PlaceRecord(left_by=left_by, update_time_ns=stored.update_time_ns)


def _key_of(fields: Mapping[str, Any]) -> ViewKey:
    return ViewKey(fields["mediator"], fields["root"])


def _write_of(change: RecordChange) -> Write:
    mediator, root = change.key
    fields: dict[str, Any] = {"mediator": mediator, "root": root, "place": change.place}
    if not change.owned:
        fields["vacated"] = True
        if change.left:
            fields["left"] = True
    seen_ns = change.replaces_ns
    required = Precondition(update_time_ns=seen_ns) if seen_ns else Precondition(exists=False)
    return Write("set", ledger_path(change.place), fields, precondition=required)
