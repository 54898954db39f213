"""What is left in the ledger of places that were given up."""

from __future__ import annotations

from typing import Any

from flask_boiler.engine.publishing.stored_ledger import StoredLedger, ledger_path
from flask_boiler.engine.publishing.tombstones import KEPT_FOR_NS, Tombstones
from tests.unit.engine.fakes import ScriptedDatastore


def test_one_that_was_found_again_is_removed_once() -> None:
    # As at a mediator's second start in a process that wrote the tombstone itself.
    datastore: Any = ScriptedDatastore()
    tombstones = Tombstones()
    for place in ("seats/1", "seats/2"):
        written = datastore.put(ledger_path(place), {"vacated": True})
        for _ in range(2):
            tombstones.note(place, written.update_time_ns)
    served = tombstones.take_served(datastore.now_ns() + KEPT_FOR_NS)
    assert [place for place, _ in served] == ["seats/1", "seats/2"]
    StoredLedger(datastore).prune(dict(served))
    assert datastore.documents == {}
