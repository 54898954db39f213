"""The Firestore in memory, through google's client and ours: what other tests take for granted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.api_core import exceptions
from google.cloud import firestore

from flask_boiler.errors import ConflictError, DocumentNotFoundError, UnavailableError
from flask_boiler.firestore.clients import local_client
from flask_boiler.firestore.datastore import FirestoreDatastore
from flask_boiler.values import Precondition, Write
from tests.firestore.listening import collection
from tests.scripted_firestore import ScriptedFirestore


@pytest.fixture
def server() -> Iterator[ScriptedFirestore]:
    with ScriptedFirestore() as made:
        yield made


@pytest.fixture
def client(server: ScriptedFirestore) -> Iterator[Any]:
    made = local_client(server.address, project="scripted", database="(default)")
    yield made
    made.close()


@pytest.fixture
def datastore(client: Any) -> FirestoreDatastore:
    return FirestoreDatastore(client)


def test_documents_are_set_merged_updated_and_deleted(client: Any) -> None:
    sf = client.document("City/SF")
    sf.set({"a": 1, "b": {"c": 1, "d": 2}})
    sf.set({"b": {"c": 3}}, merge=True)
    sf.update({"b.d": 4, "a": firestore.DELETE_FIELD, "`odd name`": 5})
    assert sf.get().to_dict() == {"b": {"c": 3, "d": 4}, "odd name": 5}

    sf.delete()
    assert not sf.get().exists


def test_transforms(client: Any) -> None:
    sf = client.document("City/SF")
    sf.set({"n": 1, "tags": ["a"], "at": firestore.SERVER_TIMESTAMP})
    sf.update({"n": firestore.Increment(2), "tags": firestore.ArrayUnion(["a", "b"]), "x": 1.5})
    sf.update({"tags": firestore.ArrayRemove(["a"]), "x": firestore.Maximum(7)})

    found = sf.get()
    assert found.get("n") == 3
    assert found.get("tags") == ["b"]
    assert found.get("x") == 7
    assert found.get("at") <= found.update_time


def test_queries(client: Any) -> None:
    for number in range(5):
        client.document(f"City/{number}").set({"n": number, "even": number % 2 == 0})
    client.document("Country/US/City/9").set({"n": 9, "even": False})
    cities = client.collection("City")

    def ids(query: Any) -> list[str]:
        return [snapshot.id for snapshot in query.get()]

    even = firestore.And([firestore.FieldFilter("even", "==", True)])
    assert ids(cities.where(filter=even).order_by("n", direction="DESCENDING")) == ["4", "2", "0"]
    assert ids(cities.order_by("n").start_after({"n": 1}).limit(2)) == ["2", "3"]
    assert ids(cities.order_by("n").limit_to_last(2)) == ["3", "4"]
    assert ids(client.collection_group("City").order_by("n").offset(4)) == ["4", "9"]
    (selected,) = cities.select(["n"]).limit(1).get()
    assert selected.to_dict() == {"n": 0}


def test_a_commit_applies_all_or_nothing_and_says_why(datastore: FirestoreDatastore) -> None:
    first = datastore.commit([Write("set", "City/SF", {"n": 1})]).update_times_ns[0]
    harmless = Write("set", "City/LA", {"n": 1})

    def refused(path: str, precondition: Precondition) -> Write:
        return Write("set", path, {"n": 2}, precondition=precondition)

    with pytest.raises(ConflictError):
        datastore.commit([harmless, refused("City/SF", Precondition(exists=False))])
    with pytest.raises(ConflictError):
        datastore.commit([harmless, refused("City/SF", Precondition(update_time_ns=first - 1000))])
    with pytest.raises(DocumentNotFoundError):
        datastore.commit([harmless, refused("City/NY", Precondition(exists=True))])
    assert not datastore.get(["City/LA"])["City/LA"].exists

    datastore.commit([refused("City/SF", Precondition(update_time_ns=first))])
    assert datastore.get(["City/SF"])["City/SF"].get("n") == 2


def test_a_write_that_changes_nothing_keeps_the_update_time(
    datastore: FirestoreDatastore,
) -> None:
    first = datastore.commit([Write("set", "City/SF", {"n": 1})])
    second = datastore.commit([Write("set", "City/SF", {"n": 1})])

    assert second.update_times_ns == first.update_times_ns
    assert second.commit_time_ns > first.commit_time_ns


def test_the_past_can_be_read(datastore: FirestoreDatastore) -> None:
    first = datastore.commit([Write("set", "City/SF", {"n": 1})])
    datastore.commit([Write("set", "City/SF", {"n": 2})])
    datastore.commit([Write("delete", "City/SF")])

    past = datastore.get(["City/SF"], read_time_ns=first.commit_time_ns)
    assert past["City/SF"].get("n") == 1
    assert not datastore.get(["City/SF"], read_time_ns=first.commit_time_ns - 1000)[
        "City/SF"
    ].exists


def test_a_transaction_loses_when_what_it_read_changed(client: Any) -> None:
    sf = client.document("City/SF")
    sf.set({"n": 1})
    attempts = []

    @firestore.transactional
    def double(transaction: Any) -> None:
        found = sf.get(transaction=transaction).get("n")
        attempts.append(found)
        if len(attempts) == 1:
            sf.set({"n": 10})
        transaction.update(sf, {"n": 2 * found})

    double(client.transaction())

    assert attempts == [1, 10]
    assert sf.get().get("n") == 20


@pytest.mark.parametrize("applied", [False, True])
def test_commits_fail_before_or_after_they_are_applied(
    server: ScriptedFirestore, datastore: FirestoreDatastore, applied: bool
) -> None:
    server.fail_commits(grpc.StatusCode.UNAVAILABLE, applied=applied)

    with pytest.raises(UnavailableError) as caught:
        datastore.commit([Write("set", "City/SF", {"n": 1})])

    assert caught.value.outcome_unknown
    assert datastore.get(["City/SF"])["City/SF"].exists is applied
    datastore.commit([Write("set", "City/SF", {"n": 2})])


class _Away(grpc.RpcError):
    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNAVAILABLE

    def details(self) -> str:
        return "away"


def test_a_query_is_asked_again_while_nothing_of_it_has_arrived(
    datastore: FirestoreDatastore, monkeypatch: pytest.MonkeyPatch
) -> None:
    datastore.commit([Write("set", "City/SF", {"n": 1})])
    ask = datastore._query
    asked = []

    def away_at_first(request: Any, **options: Any) -> Any:
        asked.append(request)
        if len(asked) == 1:
            raise _Away
        return ask(request, **options)

    monkeypatch.setattr(datastore, "_query", away_at_first)
    assert [s.path for s in datastore.run_query(collection("City"))] == ["City/SF"]
    assert len(asked) == 2


def test_a_name_that_is_no_document_is_refused(client: Any, server: ScriptedFirestore) -> None:
    batch = client.batch()
    batch.delete(client.document("City/SF"))
    batch._write_pbs[0]._pb.delete += "/odd"

    with pytest.raises(exceptions.InvalidArgument):
        batch.commit()
