"""REST and WebSocket while Firestore is away: answers within a bound, and nothing done twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import flask_socketio
import grpc
import pytest
from flask import Flask
from flask.testing import FlaskClient
from pytest_mock import MockerFixture

from flask_boiler import Boiler, Config, WsMediator
from flask_boiler.embedded import EmbeddedFirestore
from flask_boiler.firestore import datastore
from flask_boiler.view.http.requests import READ_TIME_HEADER
from tests.firestore.test_rest import WHOLE, problem
from tests.firestore.towns import Town, TownMutation, TownView, create_towns_app, save_a_town

TIMEOUT_S = 0.5
#: Longer than any test takes; taken back at its end.
FOREVER_S = 600.0


Spies = list[Any]


@pytest.fixture
def calls(mocker: MockerFixture) -> Spies:
    """Spies on all calls of Firestore that have an end."""
    return [mocker.spy(datastore, "answered"), mocker.spy(datastore, "streamed")]


def assert_bounded(calls: Spies) -> None:
    """None of these calls might take longer than a request may wait."""
    allowed_s = [call.kwargs["timeout"] for spy in calls for call in spy.call_args_list]
    assert allowed_s, "Firestore was not asked"
    assert max(allowed_s) <= TIMEOUT_S


@pytest.fixture
def boiler(embedded_firestore: EmbeddedFirestore, calls: Spies) -> Iterator[Boiler]:
    config = Config(
        project="towns", emulator_host=embedded_firestore.host, request_timeout_s=TIMEOUT_S
    )
    with Boiler(config=config) as made, made.context.activated():
        save_a_town()
        for spy in calls:
            spy.reset_mock()
        yield made


@pytest.fixture
def client(boiler: Boiler) -> FlaskClient:
    return create_towns_app(boiler).test_client()


@contextmanager
def silent(server: EmbeddedFirestore, call: str) -> Iterator[None]:
    """Calls of a kind are not answered in the block."""
    server.faults.delay(call, FOREVER_S)
    try:
        yield
    finally:
        server.faults.delay(call, 0.0)


READS = [
    ("/towns/ulm", {}, "BatchGetDocuments"),
    ("/towns/ulm", {READ_TIME_HEADER: "1"}, "BeginTransaction"),
    ("/towns", {}, "BeginTransaction"),
    ("/towns", {}, "RunQuery"),
]


@pytest.mark.parametrize(("path", "headers", "call"), READS)
def test_a_read_is_given_up_in_time(
    client: FlaskClient,
    calls: Spies,
    embedded_firestore: EmbeddedFirestore,
    path: str,
    headers: dict[str, str],
    call: str,
) -> None:
    with silent(embedded_firestore, call):
        answer = client.get(path, headers=headers)
    problem(answer, 503)
    assert_bounded(calls)
    assert answer.headers["Retry-After"]
    assert client.get(path, headers=headers).status_code == 200


@pytest.mark.parametrize("method", ["get", "put", "patch", "delete"])
def test_a_firestore_that_is_gone_is_waited_for_no_longer(
    client: FlaskClient, calls: Spies, embedded_firestore: EmbeddedFirestore, method: str
) -> None:
    sent: Any = {} if method in ("get", "delete") else {"json": WHOLE}
    embedded_firestore.stop()
    answer = getattr(client, method)("/towns/ulm", **sent)
    problem(answer, 503)
    assert_bounded(calls)
    # What was not even read was not changed either.
    assert answer.headers["Retry-After"]


def test_a_write_of_unknown_outcome_is_given_up_in_time_and_not_to_be_repeated(
    client: FlaskClient, calls: Spies, embedded_firestore: EmbeddedFirestore
) -> None:
    with silent(embedded_firestore, "Commit"):
        answer = client.patch("/towns/ulm", json={"population": 4})
    assert_bounded(calls)
    assert "before you repeat it" in problem(answer, 503)["detail"]
    assert "Retry-After" not in answer.headers


@pytest.fixture
def mutate(boiler: Boiler) -> Iterator[Callable[..., Any]]:
    """Has a client of a WebSocket mediator mutate something; the answer."""
    mediator = WsMediator(TownView, TownMutation, namespace="/towns")
    app = Flask("towns")
    boiler.init_app(app)
    io = flask_socketio.SocketIO(app, async_mode="threading")
    io.on_namespace(mediator)
    client = io.test_client(app, namespace="/towns")

    def mutate(operation: str, data: Any = None) -> Any:
        command = {"operation": operation, "doc_id": "ulm", "data": data}
        return client.emit("mutate", command, callback=True, namespace="/towns")

    yield mutate
    mediator.stop()


def test_a_mutation_by_websocket_is_given_up_in_time(
    mutate: Callable[..., Any], calls: Spies, embedded_firestore: EmbeddedFirestore
) -> None:
    with silent(embedded_firestore, "Commit"):
        error = mutate("patch", {"population": 4})["error"]
    assert error["status"] == 503
    assert "before you repeat it" in error["detail"]
    assert mutate("patch", {"population": 5})["value"]["population"] == 5
    embedded_firestore.stop()
    assert mutate("delete")["error"]["status"] == 503
    assert_bounded(calls)


def test_a_write_whose_answer_was_lost_is_looked_up(
    client: FlaskClient, embedded_firestore: EmbeddedFirestore
) -> None:
    lost = grpc.StatusCode.DEADLINE_EXCEEDED
    embedded_firestore.faults.fail("Commit", lost, applied=True)
    assert client.patch("/towns/ulm", json={"population": 4}).status_code == 200
    embedded_firestore.faults.fail("Commit", lost, applied=False)
    assert client.patch("/towns/ulm", json={"population": 5}).status_code == 200
    assert Town.get_or_raise("ulm").population == 5


def test_a_delete_after_which_firestore_is_gone_is_known_to_be_done(
    client: FlaskClient, boiler: Boiler, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: Any = boiler.context.datastore
    commit, commits = asked._commit, []

    def commit_once(*args: Any, **options: Any) -> Any:
        commits.append(args)
        if len(commits) > 1:
            raise Away
        return commit(*args, **options)

    monkeypatch.setattr(asked, "_commit", commit_once)
    assert "It was deleted" in problem(client.delete("/towns/ulm"), 500)["detail"]
    assert Town.get("ulm") is None


class Away(grpc.RpcError):
    """Firestore cannot be reached."""

    @staticmethod
    def code() -> grpc.StatusCode:
        return grpc.StatusCode.UNAVAILABLE

    @staticmethod
    def details() -> str:
        return "nobody is there"
