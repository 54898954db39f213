"""The datastore in memory, held to what the port promises, and what it tells of itself."""

from __future__ import annotations

import pytest

from flask_boiler.ground.errors import ConflictError, UnavailableError
from flask_boiler.ground.values import Precondition, Write
from flask_boiler.operate.testing.memory_datastore import (
    MemoryDatastore,
    answer_lost,
    request_lost,
)
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
