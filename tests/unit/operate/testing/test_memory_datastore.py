"""The datastore in memory, held to what the port promises, and what it tells of itself."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from flask_boiler.attrs.declarations import bproperty
from flask_boiler.context.context import CTX
from flask_boiler.errors import ConfigurationError, ConflictError, UnavailableError
from flask_boiler.ground.lifecycle import OwnThread
from flask_boiler.ground.values import Precondition, Write
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.operate.testing.memory_datastore import (
    MemoryDatastore,
    answer_lost,
    memory_context,
    request_lost,
)
from flask_boiler.viewmodels.slots.reference import reference
from flask_boiler.viewmodels.store import Store
from flask_boiler.viewmodels.view_model import ViewModel
from tests.contracts.datastore_contract import DatastoreContract


@pytest.fixture
def datastore() -> MemoryDatastore:
    return MemoryDatastore()


class TestMemoryDatastore(DatastoreContract):
    """What every datastore promises."""


def test_the_hand_of_the_test_is_no_request(datastore: MemoryDatastore) -> None:
    stored = datastore.put("a/1", {"n": 1}, m=2)
    assert stored.to_dict() == datastore.fields("a/1") == {"n": 1, "m": 2}
    datastore.put("a/2")
    datastore.drop("a/2")
    assert (datastore.exists("a/2"), datastore.fields("a/2")) == (False, {})
    assert datastore.documents.keys() == {"a/1"}
    assert (datastore.reads, datastore.queries, datastore.attempts) == ([], [], [])


def test_what_was_asked_is_remembered(datastore: MemoryDatastore) -> None:
    datastore.get(["a/1", "a/2"])
    datastore.get(["a/3"])
    assert datastore.requests == [["a/1", "a/2"], ["a/3"]]
    assert datastore.reads == ["a/1", "a/2", "a/3"]
    write = Write("set", "a/1", {"n": 1}, precondition=Precondition(exists=False))
    datastore.commit([write])
    with pytest.raises(ConflictError):
        datastore.commit([write])
    assert (datastore.commits, datastore.writes) == ([[write]], [write])
    assert datastore.attempts == [[write], [write]]
    token = datastore.begin()
    datastore.rollback(token)
    assert (datastore.begun, datastore.rolled_back) == ([token], [token])


def test_mishaps_happen_once(datastore: MemoryDatastore) -> None:
    datastore.mishaps += [request_lost, answer_lost]
    for number in (1, 2):
        with pytest.raises(UnavailableError) as caught:
            datastore.commit([Write("set", f"a/{number}", {})])
        assert caught.value.outcome_unknown
    datastore.commit([Write("set", "a/3", {})])
    assert datastore.documents.keys() == {"a/2", "a/3"}


def test_time_passes_when_it_is_told_to(datastore: MemoryDatastore) -> None:
    before_ns = datastore.put("a/1", n=1).update_time_ns
    datastore.advance(3600 * 10**9)
    assert datastore.put("a/1", n=2).update_time_ns >= before_ns + 3600 * 10**9


def test_two_have_nothing_in_common(datastore: MemoryDatastore) -> None:
    datastore.put("a/1", n=1)
    assert MemoryDatastore().documents == {}


class Mooring(DomainModel):
    ship: Any = bproperty()


class MooringStore(Store):
    mooring = reference(Mooring)


class MooringView(ViewModel):
    store: MooringStore


def test_every_thread_is_on_the_database_of_the_block() -> None:
    with memory_context() as datastore, ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: Mooring.new(doc_id="a", ship="Ida").save()).result()
        assert datastore.fields("Mooring/a")["ship"] == "Ida"


def test_what_follows_a_view_ends_with_the_block() -> None:
    before = own_threads()
    with memory_context() as datastore:
        datastore.put("Mooring/a", ship="Ida")
        MooringView.get("a", once=False)
        started = own_threads() - before
        assert started
    for thread in started:
        # The one that hears the client of a stream ends just after the stream has.
        thread.join(timeout=30)
    assert not own_threads() & started


def own_threads() -> set[threading.Thread]:
    # Those of libraries that other tests have used come and go.
    return {thread for thread in threading.enumerate() if isinstance(thread, OwnThread)}


def test_what_reads_by_googles_own_client_is_told_how_to_read() -> None:
    with memory_context():
        document = CTX.db.document("Mooring/a")
        assert document.path == "Mooring/a"
        with pytest.raises(ConfigurationError, match=r"in a test by the datastore's put\(\)"):
            document.get()
