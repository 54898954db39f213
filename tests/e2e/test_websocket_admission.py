"""Who is let in to a namespace, and who says that a client has come or gone: the server alone."""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Iterator
from typing import Any

import flask_socketio
import pytest
import socketio
import websocket
from flask import Flask, abort, request

from flask_boiler import (
    Boiler,
    Config,
    DomainModel,
    Store,
    ViewModel,
    WsLimits,
    WsMediator,
    reference,
)
from flask_boiler.errors import (
    ConflictError,
    PermissionDeniedError,
    UnauthenticatedError,
    ValidationError,
)
from flask_boiler.view.socketio.namespace import RESERVED
from tests.e2e.sockets import CLOSED_FROM_BOTH_SIDES, TIMEOUT_S, RawClient, eventually
from tests.e2e.test_websocket_clients import serving

pytestmark = CLOSED_FROM_BOTH_SIDES

NAMESPACE = "/gates"


class Gate(DomainModel):
    pass


class GateStore(Store):
    gate = reference(Gate)


class GateView(ViewModel):
    store: GateStore


class Gates(WsMediator):
    """Lets in whom the query string does not keep out, and notes who comes and goes."""

    on_duty = "nobody"
    fails = False

    def __init__(self, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        self.seen: list[str] = []
        self.entered, self.left = threading.Event(), threading.Event()

    def on_connect(self, auth: Any) -> None:
        self.seen.append("connect")
        match (auth or {}).get("as"):
            case "stranger":
                raise UnauthenticatedError("Sign in first.")
            case "thief":
                raise PermissionDeniedError("Not you.")
            case "late":
                raise ConflictError("Somebody else was let in.")
            case "odd":
                raise ValidationError({"as": ["Odd."]})
            case "aborted":
                abort(401, "Sign in by HTTP.")
            case "unlucky":
                raise RuntimeError("the password of the database is secret")
            case "mistaken":
                raise TypeError("the password of the database is secret")
            case "eager":
                # What an older Socket.IO server does with an event that comes before the answer.
                answer = self.trigger_event("knock", request.sid, "softly")  # type: ignore[attr-defined]
                self.seen.append(f"answered {answer}")
            case "leaving":
                self.entered.set()
                assert self.left.wait(TIMEOUT_S)
            case "refused":
                raise flask_socketio.ConnectionRefusedError("Closed.", {"until": "noon"})

    def on_disconnect(self, reason: str) -> None:
        self.seen.append("disconnect")
        if self.fails:
            raise RuntimeError("it is gone all the same")

    def on_knock(self, how: str) -> str:
        if how == "softly":
            return "Come in."
        raise PermissionDeniedError("Not so.") if how == "loudly" else RuntimeError("secret")

    def on_connect_error(self) -> str:
        return "never"


class Served:
    def __init__(self, address: str, mediator: Gates, io: Any) -> None:
        self.address = address
        self.mediator = mediator
        self.io = io


@pytest.fixture
def served(request: pytest.FixtureRequest) -> Iterator[Served]:
    app = Flask("gates")
    boiler = Boiler(app, config=Config(testing=True, project="gates", emulator_host="127.0.0.1:9"))
    limits = WsLimits(max_connection_s=getattr(request, "param", None))
    mediator = Gates(GateView, namespace=NAMESPACE, limits=limits)
    io = flask_socketio.SocketIO(app, async_mode="threading")
    io.on_namespace(mediator)
    with serving(app) as address:
        yield Served(address, mediator, io)
        mediator.stop()
    boiler.close()


for_a_while = pytest.mark.parametrize("served", [2.0], indirect=True)


@for_a_while
@pytest.mark.parametrize("event", ["connect", "disconnect"])
def test_no_event_of_a_clients_makes_it_stay_longer(served: Served, event: str) -> None:
    answers = []
    with (
        RawClient(served.address, NAMESPACE) as client,
        pytest.raises(websocket.WebSocketException),
    ):
        # Until it is sent away.
        while True:
            answers.append(client.emit(event, {}, None))
    assert {answer["error"]["status"] for answer in answers} <= {400}
    eventually(lambda: served.mediator.clients == 0)
    assert served.mediator.seen == ["connect", "disconnect"]


@for_a_while
def test_who_leaves_and_comes_back_in_one_connection_has_not_come_anew(served: Served) -> None:
    came = 0
    with (
        RawClient(served.address, NAMESPACE) as client,
        pytest.raises(websocket.WebSocketException),
    ):
        while True:
            client.send(f"41{NAMESPACE},")
            client.send(f"40{NAMESPACE},")
            client.receive(f"40{NAMESPACE},")
            came += 1
    assert came
    eventually(lambda: served.mediator.clients == 0)


@pytest.mark.long
def test_reserved_names_are_refused_with_an_answer(served: Served) -> None:
    with socketio.SimpleClient() as client:
        client.connect(served.address, namespace=NAMESPACE, transports=["websocket"])
        for event in RESERVED:
            answer = client.call(event, {"a": 1})
            assert answer["error"]["status"] == 400
            assert event in answer["error"]["detail"]
            assert client.receive() == ["error", {**answer["error"], "event": event}]
        assert served.mediator.seen == ["connect"]
        assert client.call("knock", "softly") == "Come in."


@pytest.mark.long
@pytest.mark.parametrize("event", [{"a": 1}, ["knock"], None, 7])
def test_what_is_no_name_is_no_event(served: Served, event: object) -> None:
    with RawClient(served.address, NAMESPACE) as client:
        assert client.emit(event)["error"]["status"] == 404


def test_who_is_not_let_in_yet_is_not_heard(served: Served) -> None:
    with socketio.SimpleClient() as client:
        client.connect(served.address, namespace=NAMESPACE, auth={"as": "eager"})
        assert served.mediator.seen == ["connect", "answered None"]
        assert client.call("knock", "softly") == "Come in."


def test_who_goes_before_being_let_in_leaves_nothing(served: Served) -> None:
    polling = f"{served.address}/socket.io/?EIO=4&transport=polling"
    with urllib.request.urlopen(polling) as answer:
        sid = json.loads(answer.read()[1:])["sid"]

    def post(text: str) -> None:
        body = urllib.request.Request(f"{polling}&sid={sid}", data=text.encode())
        with urllib.request.urlopen(body) as answer:
            answer.read()

    coming = threading.Thread(target=post, args=[f'40{NAMESPACE},{{"as": "leaving"}}'])
    coming.start()
    assert served.mediator.entered.wait(TIMEOUT_S)
    post("1")
    eventually(lambda: sid not in served.io.server.environ)
    served.mediator.left.set()
    coming.join()
    eventually(lambda: served.mediator.clients == 0)
    assert not served.io.server.manager.rooms


@pytest.mark.long
def test_what_is_no_handler_of_the_class_is_no_event(served: Served) -> None:
    with RawClient(served.address, NAMESPACE) as client:
        for event in ("duty", "", "event", "namespace", "_handle", "knock.__func__"):
            answer = client.emit(event)
            assert answer["error"]["status"] == 404
            assert answer["error"]["detail"].endswith(
                "the events are knock, mutate, subscribe_view_model, unsubscribe_view_model."
            )


def test_what_an_own_handler_raises_is_answered(served: Served) -> None:
    cases: list[tuple[int, list[Any]]] = [
        (403, ["loudly"]),
        (500, ["twice"]),
        (422, []),
        (422, ["softly", 2]),
    ]
    with RawClient(served.address, NAMESPACE) as client:
        for status, given in cases:
            answer = client.emit("knock", *given)
            assert answer["error"]["status"] == status
            assert "secret" not in json.dumps(answer)


def refusal_of(served: Served, who: str) -> Any:
    """What a client is told that says who it is, and is not let in."""
    with RawClient(served.address, NAMESPACE) as client:
        client.send(f"41{NAMESPACE},")
        client.send(f'40{NAMESPACE},{{"as": "{who}"}}')
        return json.loads(client.receive(f"44{NAMESPACE},"))


@pytest.mark.parametrize("handled", [False, True], ids=["alone", "beside an error handler"])
def test_who_is_not_let_in_is_told_why(served: Served, handled: bool) -> None:
    if handled:
        served.io.on_error_default(lambda error: None)
    failed = "The server failed to answer; the error was logged."
    for who, status, said in (
        ("stranger", 401, "Sign in first."),
        ("thief", 403, "Not you."),
        ("late", 409, "Somebody else was let in."),
        ("odd", 422, "The input is not valid."),
        ("aborted", 401, "Sign in by HTTP."),
        ("unlucky", 500, failed),
        ("mistaken", 500, failed),
    ):
        told = refusal_of(served, who)
        assert told["message"] == said
        assert (told["data"]["status"], told["data"]["detail"]) == (status, said)
        assert told["data"].get("errors") == ({"as": ["Odd."]} if who == "odd" else None)
    eventually(lambda: served.mediator.clients == 0)


def test_a_client_library_is_told_so_in_its_connect_error(served: Served) -> None:
    refused: list[Any] = []
    client = socketio.Client(reconnection=False)
    client.on("connect_error", refused.append, namespace=NAMESPACE)
    with pytest.raises(socketio.exceptions.ConnectionError):
        client.connect(
            served.address, namespaces=[NAMESPACE], auth={"as": "thief"}, transports=["websocket"]
        )
    client.disconnect()
    [told] = refused
    assert told["data"] == {
        "type": "about:blank",
        "title": "Forbidden",
        "status": 403,
        "detail": "Not you.",
    }


def test_socket_ios_own_refusal_is_told_as_it_is(served: Served) -> None:
    assert refusal_of(served, "refused") == {"message": "Closed.", "data": {"until": "noon"}}


def test_a_disconnect_that_fails_leaves_nothing(served: Served) -> None:
    served.mediator.fails = True
    with RawClient(served.address, NAMESPACE):
        pass
    eventually(lambda: served.mediator.clients == 0)
    eventually(lambda: served.mediator.server.manager.rooms == {})
