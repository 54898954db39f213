"""What the embedded Firestore does wrong when a test wants it, seen through the framework."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from flask_boiler.context.clients import local_client
from flask_boiler.embedded import EmbeddedFirestore
from flask_boiler.errors import ConfigurationError, UnavailableError
from flask_boiler.firestore.datastore import FirestoreDatastore
from flask_boiler.ground.values import Write
from tests.firestore.test_embedded_rest import ask


@pytest.fixture
def client(embedded_firestore: EmbeddedFirestore) -> Iterator[Any]:
    made = local_client(embedded_firestore.host, project="faults", database="(default)")
    yield made
    made.close()


@pytest.fixture
def datastore(client: Any) -> FirestoreDatastore:
    return FirestoreDatastore(client)


@pytest.mark.parametrize("applied", [False, True])
def test_commits_fail_before_or_after_they_are_applied(
    embedded_firestore: EmbeddedFirestore, datastore: FirestoreDatastore, applied: bool
) -> None:
    embedded_firestore.faults.fail("Commit", grpc.StatusCode.UNAVAILABLE, applied=applied)

    with pytest.raises(UnavailableError) as caught:
        datastore.commit([Write("set", "City/SF", {"n": 1})])

    assert caught.value.outcome_unknown
    assert datastore.get(["City/SF"])["City/SF"].exists is applied
    datastore.commit([Write("set", "City/SF", {"n": 2})])


def test_errors_come_in_bursts(embedded_firestore: EmbeddedFirestore, client: Any) -> None:
    """google-cloud-firestore tries again what it may; here, until the burst is over."""
    client.document("City/SF").set({"n": 1})
    embedded_firestore.faults.fail("BatchGetDocuments", grpc.StatusCode.UNAVAILABLE, times=2)
    assert client.document("City/SF").get().get("n") == 1


def test_a_call_is_delayed(
    embedded_firestore: EmbeddedFirestore, datastore: FirestoreDatastore
) -> None:
    embedded_firestore.faults.delay("BatchGetDocuments", 30.0)
    with pytest.raises(UnavailableError):
        datastore.get(["City/SF"], patience_s=0.05)
    embedded_firestore.faults.delay("BatchGetDocuments", 0.0)
    assert not datastore.get(["City/SF"])["City/SF"].exists


def test_a_server_of_an_application_cannot_be_disturbed() -> None:
    with (
        EmbeddedFirestore() as server,
        pytest.raises(ConfigurationError, match="make it with faults=Faults"),
    ):
        server.faults.beat()


@pytest.mark.parametrize("applied", [False, True])
def test_what_pages_call_by_rest_fails_alike(
    embedded_firestore: EmbeddedFirestore, client: Any, applied: bool
) -> None:
    faults, database = embedded_firestore.faults, client._database_string
    name = f"{database}/documents/City/SF"
    commit = {"writes": [{"update": {"name": name, "fields": {"n": {"integerValue": "1"}}}}]}
    path = f"/v1/{database}/documents"
    faults.fail("Commit", grpc.StatusCode.PERMISSION_DENIED, applied=applied)
    status, answer = ask(embedded_firestore.host, "POST", f"{path}:commit", commit)
    assert (status, answer["error"]["status"]) == (403, "PERMISSION_DENIED")
    assert client.document("City/SF").get().exists is applied
    faults.refuse_commits(grpc.StatusCode.UNAUTHENTICATED, below="City")
    assert ask(embedded_firestore.host, "POST", f"{path}:commit", commit)[0] == 401
    faults.refuse_commits(None)
    assert ask(embedded_firestore.host, "POST", f"{path}:commit", commit)[0] == 200
    faults.fail("GetDocument", grpc.StatusCode.UNAVAILABLE)
    assert ask(embedded_firestore.host, "GET", f"{path}/City/SF")[0] == 503
    assert ask(embedded_firestore.host, "GET", f"{path}/City/SF")[0] == 200
