"""What a ``PlaceLedger`` promises."""

from __future__ import annotations

import pytest

from flask_boiler.engine.publishing.ledger import NO_RECORD, PlaceLedger, RecordChange
from flask_boiler.engine.view_key import ViewKey
from flask_boiler.errors import ConflictError
from flask_boiler.ground.ports import Datastore
from flask_boiler.ground.values import Precondition, Write

__all__ = ["LedgerContract"]

A = ViewKey("views", "towns/a")
B = ViewKey("views", "towns/b")
OTHER = ViewKey("others", "towns/a")


def claim(place: str, key: ViewKey, replaces_ns: int = 0) -> RecordChange:
    return RecordChange(place, key, owned=True, left=False, replaces_ns=replaces_ns)


def leave(place: str, key: ViewKey, replaces_ns: int, *, left: bool = False) -> RecordChange:
    return RecordChange(place, key, owned=False, left=left, replaces_ns=replaces_ns)


class LedgerContract:
    """Needs the fixtures ``ledger`` and ``datastore``, both empty and of one database."""

    def test_a_place_and_its_document_are_one_commit(
        self, ledger: PlaceLedger, datastore: Datastore
    ) -> None:
        result = ledger.commit([Write("set", "seats/1", {"n": 1}), claim("seats/1", A)])
        document, record = ledger.look(["seats/1"])["seats/1"]
        assert (document.to_dict(), record.owner, record.left_by) == ({"n": 1}, A, None)
        assert document.update_time_ns == result.update_times_ns[0]
        assert record.update_time_ns == result.update_times_ns[1]
        assert datastore.get(["seats/1"])["seats/1"].to_dict() == {"n": 1}

    def test_nothing_is_written_if_the_record_is_another(
        self, ledger: PlaceLedger, datastore: Datastore
    ) -> None:
        ledger.commit([claim("seats/1", A)])
        with pytest.raises(ConflictError):
            ledger.commit([Write("set", "seats/1", {"n": 1}), claim("seats/1", B)])
        document, record = ledger.look(["seats/1"])["seats/1"]
        assert (document.exists, record.owner) == (False, A)

    def test_no_record_changes_if_the_document_is_another(
        self, ledger: PlaceLedger, datastore: Datastore
    ) -> None:
        datastore.commit([Write("set", "seats/1", {"n": 1})])
        absent = Precondition(exists=False)
        with pytest.raises(ConflictError):
            ledger.commit(
                [Write("set", "seats/1", {"n": 2}, precondition=absent), claim("seats/1", A)]
            )
        assert ledger.look(["seats/1"])["seats/1"][1] == NO_RECORD
        assert ledger.records("views") == {}

    def test_places_pass_from_one_to_another(self, ledger: PlaceLedger) -> None:
        [first_ns] = ledger.commit([claim("seats/1", A)]).update_times_ns
        [second_ns] = ledger.commit([claim("seats/1", B, first_ns)]).update_times_ns
        assert ledger.look(["seats/1"])["seats/1"][1].owner == B
        with pytest.raises(ConflictError):
            ledger.commit([claim("seats/1", A, first_ns)])
        assert second_ns > first_ns

    def test_a_mediator_finds_its_own(self, ledger: PlaceLedger) -> None:
        times_ns = ledger.commit(
            [claim("seats/1", A), claim("seats/2", B), claim("seats/3", OTHER)]
        ).update_times_ns
        ledger.commit([leave("seats/2", B, times_ns[1])])
        found = ledger.records("views")
        assert {place: record.owner for place, record in found.items()} == {
            "seats/1": A,
            "seats/2": None,
        }
        assert ledger.records("views", B.subject).keys() == {"seats/2"}
        assert ledger.records("nobody") == {}

    def test_a_place_that_was_given_up_says_when(self, ledger: PlaceLedger) -> None:
        [owned_ns] = ledger.commit([claim("seats/1", A)]).update_times_ns
        [left_ns] = ledger.commit([leave("seats/1", A, owned_ns)]).update_times_ns
        record = ledger.look(["seats/1"])["seats/1"][1]
        assert record.is_tombstone
        assert (record.owner, record.left_by, record.update_time_ns) == (None, None, left_ns)

    def test_one_that_left_its_document_is_remembered(self, ledger: PlaceLedger) -> None:
        [owned_ns] = ledger.commit([claim("seats/1", A)]).update_times_ns
        ledger.commit([leave("seats/1", A, owned_ns, left=True)])
        record = ledger.look(["seats/1"])["seats/1"][1]
        assert (record.owner, record.left_by, record.is_tombstone) == (None, A, False)

    def test_tombstones_are_pruned_as_they_were_written(self, ledger: PlaceLedger) -> None:
        first_ns, second_ns = ledger.commit(
            [claim("seats/1", A), claim("seats/2", B)]
        ).update_times_ns
        first_ns, second_ns = ledger.commit(
            [leave("seats/1", A, first_ns), leave("seats/2", B, second_ns)]
        ).update_times_ns
        # Somebody has the second one again.
        ledger.commit([claim("seats/2", A, second_ns)])
        ledger.prune({"seats/1": first_ns, "seats/2": second_ns})
        records = {
            place: record for place, (_, record) in ledger.look(["seats/1", "seats/2"]).items()
        }
        assert records["seats/1"] == NO_RECORD
        assert records["seats/2"].owner == A
        ledger.prune({"seats/1": first_ns})

    def test_a_sign_is_a_document_that_tells(
        self, ledger: PlaceLedger, datastore: Datastore
    ) -> None:
        ledger.commit([Write("set", "seats/1", {"n": 1}), claim("seats/1", A)])
        assert ledger.record_in(datastore.get(["seats/1"])["seats/1"]) is None
        sign = ledger.sign("seats/1")
        if sign is not None:
            record = ledger.record_in(datastore.get([sign])[sign])
            assert record is not None
            assert record.owner == A
