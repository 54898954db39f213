"""Tasks that come as CloudEvents: applied once, answered as deliverers expect it."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.exceptions import BadRequest

from flask_boiler import CTX, Boiler, QueryTaskMediator, Transaction
from flask_boiler.errors import UnavailableError
from flask_boiler.firestore.datastore import FirestoreDatastore
from flask_boiler.ground.values import Write
from flask_boiler.view.inbox.setbacks import PATIENCE
from tests.firestore import task_events
from tests.firestore.ledgers import Transfer, account, open_accounts, order, transfers

EncodedEvent = Callable[..., tuple[dict[str, str], bytes]]
ENCODINGS = [
    task_events.protobuf_event,
    task_events.emulator_event,
    task_events.json_event,
    task_events.structured_event,
]


@pytest.fixture
def mediator(boiler: Boiler) -> QueryTaskMediator:
    return boiler.add(transfers(key="source"))


@pytest.fixture
def client(boiler: Boiler, mediator: QueryTaskMediator) -> FlaskClient:
    app = Flask("bank")
    app.register_blueprint(boiler.trigger_blueprint(), url_prefix="/triggers")
    return app.test_client()


def post(client: FlaskClient, event: tuple[dict[str, str], bytes]) -> Any:
    headers, body = event
    return client.post("/triggers/", headers=headers, data=body)


@pytest.mark.parametrize("encode", ENCODINGS)
def test_an_event_in_any_encoding_has_its_task_applied_once(
    boiler: Boiler, client: FlaskClient, encode: EncodedEvent
) -> None:
    open_accounts(ada=100, ben=0)
    order("t", "ada", "ben", 5)
    for kind in ("created", "written", "created"):
        assert post(client, encode(boiler.context, "transfers/t", kind=kind)).status_code == 204
    assert account("ben").balance == 5


@pytest.mark.parametrize("encode", ENCODINGS)
@pytest.mark.parametrize("doc_id", ["té", "a b", '"', "50%41", "日本"])
def test_a_document_may_be_called_anything(
    boiler: Boiler, client: FlaskClient, encode: EncodedEvent, doc_id: str
) -> None:
    open_accounts(ada=100, ben=0)
    order(doc_id, "ada", "ben", 5)
    assert post(client, encode(boiler.context, f"transfers/{doc_id}")).status_code == 204
    assert account("ben").balance == 5


def test_the_slash_at_the_end_may_be_missing(boiler: Boiler, client: FlaskClient) -> None:
    headers, body = task_events.json_event(boiler.context, "transfers/gone")
    assert client.post("/triggers", headers=headers, data=body).status_code == 204


@pytest.mark.parametrize("kind", task_events.KINDS)
def test_what_is_there_now_counts_and_not_the_event(
    boiler: Boiler, client: FlaskClient, kind: str
) -> None:
    open_accounts(ada=100, ben=0)
    order("t", "ada", "ben", 5)
    event = task_events.protobuf_event(boiler.context, "transfers/t", kind=kind)
    assert post(client, event).status_code == 204
    # A deletion leaves nothing to do; the one that is told of is followed by a creation.
    assert account("ben").balance == (0 if kind == "deleted" else 5)


def test_events_twice_and_shuffled_keep_the_order_of_a_key(
    boiler: Boiler, client: FlaskClient
) -> None:
    open_accounts(ada=100, ben=0, cy=100)
    created = [f"t{number}" for number in reversed(range(12))]
    for doc_id in created:
        order(doc_id, "ada", "ben", 1)
        order(f"other-{doc_id}", "cy", "ben", 1)
    paths = [f"transfers/{other}{doc_id}" for doc_id in created for other in ("", "other-")] * 2
    random.Random(6).shuffle(paths)
    for path in paths:
        assert post(client, task_events.json_event(boiler.context, path)).status_code == 204
    assert account("ada").history == created
    assert account("ben").balance == 24


@pytest.mark.parametrize("mark", ["ledger", {"state": "done"}])
def test_echoes_of_what_was_written_do_nothing(boiler: Boiler, mark: Any) -> None:
    open_accounts(ada=100, ben=0)
    order("t", "ada", "ben", 5)
    mediator = boiler.add(transfers(mark=mark))
    app = Flask("bank")
    app.register_blueprint(boiler.trigger_blueprint())
    for kind in ("created", "updated", "written"):
        headers, body = task_events.protobuf_event(boiler.context, "transfers/t", kind=kind)
        assert app.test_client().post("/", headers=headers, data=body).status_code == 204
    assert account("ben").balance == 5
    assert mediator.statistics.done == 1


def test_documents_that_are_no_tasks_are_ignored(boiler: Boiler, client: FlaskClient) -> None:
    for path in ("taskAccounts/ada", "transfers/gone", "users/ada/transfers/t"):
        event = task_events.protobuf_event(boiler.context, path)
        assert post(client, event).status_code == 204


def test_a_task_that_can_never_succeed_is_parked_and_refused(
    boiler: Boiler, client: FlaskClient, mediator: QueryTaskMediator
) -> None:
    open_accounts(ada=1, ben=0)
    order("poison", "ada", "ben", 5)
    order("later", "ada", "ben", 1)
    answers = [
        post(client, task_events.protobuf_event(boiler.context, f"transfers/{doc_id}"))
        for doc_id in ("poison", "poison", "later")
    ]
    assert [answer.status_code for answer in answers] == [422, 422, 503]
    # Why is told to those who run the application, and not to whoever posts.
    assert "is parked by" in answers[0].get_json()["detail"]
    assert "ada" not in answers[0].get_json()["detail"]
    assert "Retry-After" in answers[2].headers
    assert [parked.key.subject for parked in boiler.parked] == ["transfers/poison"]
    account("ada").update(balance=10)
    assert mediator.retry("transfers/poison")
    assert account("ada").history == ["poison", "later"]
    assert boiler.parked == []
    for doc_id in ("poison", "later"):
        event = task_events.protobuf_event(boiler.context, f"transfers/{doc_id}")
        assert post(client, event).status_code == 204


def test_a_task_of_the_wrong_shape_is_parked_and_refused(
    boiler: Boiler, client: FlaskClient
) -> None:
    CTX.db.document("transfers/odd").set({"source": "ada", "amount": "much"})
    event = task_events.protobuf_event(boiler.context, "transfers/odd")
    assert post(client, event).status_code == 422
    assert len(boiler.parked) == 1


def test_an_event_comes_again_when_firestore_cannot_be_reached(
    boiler: Boiler, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_accounts(ada=100, ben=0)
    order("t", "ada", "ben", 5)
    event = task_events.protobuf_event(boiler.context, "transfers/t")

    def unreachable(*args: object, **kwargs: object) -> None:
        raise UnavailableError("nobody answers", outcome_unknown=True)

    with monkeypatch.context() as patch:
        patch.setattr(FirestoreDatastore, "commit", unreachable)
        assert post(client, event).status_code == 503
    assert boiler.parked == []
    assert post(client, event).status_code == 204
    assert account("ben").balance == 5


def test_a_task_that_alone_cannot_be_committed_is_parked_and_not_delivered_for_ever(
    boiler: Boiler, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_accounts(ada=100, ben=0)
    order("t", "ada", "ben", 5)
    event = task_events.protobuf_event(boiler.context, "transfers/t")
    real = FirestoreDatastore.commit

    def failing(datastore: Any, writes: Any, **options: Any) -> Any:
        if any(write.path == "taskAccounts/ben" for write in writes):
            raise UnavailableError("it failed internally", outcome_unknown=True)
        return real(datastore, writes, **options)

    monkeypatch.setattr(FirestoreDatastore, "commit", failing)
    answers = [post(client, event).status_code for _ in range(PATIENCE)]
    assert answers == [503] * (PATIENCE - 1) + [422]
    assert [parked.key.subject for parked in boiler.parked] == ["transfers/t"]


@pytest.mark.parametrize("size", [2_000_000, 12_000_000])
def test_a_task_over_the_limits_of_a_commit_is_parked_and_refused(
    boiler: Boiler, size: int
) -> None:
    def swell(task: Transfer, transaction: Transaction) -> None:
        for number in range(0, size, 900_000):
            text = "x" * min(900_000, size - number)
            transaction.write(Write("set", f"swollen/s{number}", {"text": text, "more": text}))

    order("t", "ada", "ben", 1)
    query = Transfer.get_query()
    boiler.add(QueryTaskMediator(query=query, on_task=swell, mark="ledger"))
    app = Flask("bank")
    app.register_blueprint(boiler.trigger_blueprint())
    headers, body = task_events.protobuf_event(boiler.context, "transfers/t")
    answer = app.test_client().post("/", headers=headers, data=body)
    assert answer.status_code == 422
    assert list(CTX.db.collection("swollen").stream()) == []
    assert [parked.key.subject for parked in boiler.parked] == ["transfers/t"]


class TestBadEvents:
    @pytest.mark.parametrize(
        ("changed", "body", "said"),
        [
            ({}, b"", "neither"),
            ({}, b"\xff\xff\xff", "neither"),
            ({"content-type": "application/json"}, b"{]", "neither"),
            ({"content-type": "application/json"}, b'{"value": 7}', "neither"),
            ({"content-type": "application/json"}, b"[300]", "neither"),
            ({"content-type": "application/json"}, b"1e400", "neither"),
            # As a number of bytes, more than there is memory.
            ({"content-type": "application/json"}, b"99999999999999", "neither"),
            ({"content-type": "application/json"}, b'"\\ud800"', "neither"),
            ({}, b"[" * 100_000, "not a CloudEvent"),
            ({"content-type": "application/cloudevents+json"}, b"[" * 100_000, "not a CloudEvent"),
            (
                {"content-type": "application/json"},
                b'{"value": {"name": "x/y"}}',
                "name of a document",
            ),
            ({"ce-type": "google.cloud.storage.object.v1.finalized"}, None, "no event of"),
            ({"ce-type": "google.cloud.firestore.document.v1.deleted"}, None, "deleted"),
            ({"ce-document": "transfers/another"}, None, "transfers/another"),
            ({"ce-specversion": "7"}, None, "not a CloudEvent"),
        ],
    )
    def test_a_malformed_one_is_refused(
        self,
        boiler: Boiler,
        client: FlaskClient,
        changed: dict[str, str],
        body: bytes | None,
        said: str,
    ) -> None:
        headers, right = task_events.protobuf_event(boiler.context, "transfers/t")
        answer = post(client, (headers | changed, right if body is None else body))
        assert (answer.status_code, answer.mimetype) == (400, "application/problem+json")
        assert said in answer.get_json()["detail"]

    def test_one_without_attributes_is_refused(self, client: FlaskClient) -> None:
        assert client.post("/triggers/", data=b"hello").status_code == 400

    @pytest.mark.parametrize("other", ["projects/p/databases/(default)", "databases/other"])
    def test_one_of_another_database_is_refused(
        self, boiler: Boiler, client: FlaskClient, other: str
    ) -> None:
        headers, body = task_events.json_event(boiler.context, "transfers/t")
        own = boiler.context.datastore.database
        replaced = (
            other if other.startswith("projects") else f"{own.rpartition('/databases')[0]}/{other}"
        )
        answer = post(client, (headers, body.replace(own.encode(), replaced.encode())))
        assert answer.status_code == 400
        assert replaced in answer.get_json()["detail"]


class Event:
    """What functions-framework hands to a function."""

    def __init__(self, attributes: dict[str, Any], data: Any) -> None:
        self._attributes, self._data = attributes, data

    def get_attributes(self) -> dict[str, Any]:
        return self._attributes

    def get_data(self) -> Any:
        return self._data


def test_a_mediator_is_a_target_by_itself(boiler: Boiler, mediator: QueryTaskMediator) -> None:
    open_accounts(ada=100, ben=0)
    order("t", "ada", "ben", 5)
    headers, body = task_events.protobuf_event(boiler.context, "transfers/t")
    attributes = {name.removeprefix("ce-"): value for name, value in headers.items()}
    mediator.cloud_event(Event(attributes, body))
    assert account("ben").balance == 5
    with pytest.raises(BadRequest):
        mediator.cloud_event(Event(attributes, b"\xff"))
