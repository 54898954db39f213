"""Real clients over real WebSockets: they subscribe, mutate, lose the connection and resume."""

# mypy: disable-error-code="no-redef, union-attr"

from __future__ import annotations

import gc
import itertools
import json
import os
import socket
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import flask_socketio
import pytest
import websocket
from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server

from flask_boiler import (
    Attr,
    Boiler,
    Config,
    DomainModel,
    Mutation,
    Store,
    ViewModel,
    WsLimits,
    WsMediator,
    attrs,
    reference,
)
from flask_boiler.errors import PermissionDeniedError
from flask_boiler.ground.ports import LocalFirestore
from flask_boiler.view.socketio.rooms import Member, Room
from flask_boiler.view.socketio.shared_view import SharedView
from tests.e2e.holding import LANGUAGES, Holder
from tests.e2e.sockets import CLOSED_FROM_BOTH_SIDES, RawClient, eventually

pytestmark = CLOSED_FROM_BOTH_SIDES

#: Together, of both clients; `make soak` asks for more.
DISCONNECTS = int(os.environ.get("FLASK_BOILER_DISCONNECTS", "40"))
CLIENTS = int(os.environ.get("FLASK_BOILER_CLIENTS", "60"))
NAMESPACE = "/boards"
MAX_UNREAD = 4
MAX_SUBSCRIPTIONS = 5
UNREAD_EVENTS = 5_000
# Each is more than the buffers of a connection take, which are not ours.
LARGE_WRITES = 15
LARGE_BYTES = 100_000


class Board(DomainModel):
    lines: Attr[list[str]] = attrs.bproperty(default_factory=list)
    count: Attr[int] = attrs.bproperty(default=0)


class BoardStore(Store):
    board = reference(Board)


class BoardView(ViewModel):
    store: BoardStore

    lines: Attr[list[str]] = attrs.bproperty()
    count: Attr[int] = attrs.bproperty()

    @lines.getter
    def lines(self) -> Any:
        return self.store.board.lines

    @count.getter
    def count(self) -> Any:
        return self.store.board.count

    @count.setter
    def count(self, value: int) -> None:
        self.store.board.count = value


class BoardMutation(Mutation[BoardView]):
    pass


class Served:
    """An application with a board, served in this process."""

    def __init__(self, boiler: Boiler, mediator: ClosingBoards, address: str) -> None:
        self.boiler = boiler
        self.mediator = mediator
        self.address = address

    def write(self, count: int, **fields: Any) -> None:
        Board.get_or_raise("a").update(count=count, **fields)


class Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        """Connections that end in the middle of something are what is tested here."""


@contextmanager
def serving(app: Flask) -> Iterator[str]:
    """Serve an application on connections whose buffers are small."""
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    server.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class ClosingBoards(WsMediator):
    """Is for everybody until it closes."""

    closed = False

    def authorize(self, arguments: dict[str, Any]) -> None:
        if self.closed:
            raise PermissionDeniedError("Closed.")


@contextmanager
def serving_boards(
    emulator: LocalFirestore,
    *,
    linger_s: float = 0.5,
    max_connection_s: float | None = None,
    **options: Any,
) -> Iterator[Served]:
    app = Flask("boards")
    project = f"test-{uuid.uuid4().hex[:20]}"
    boiler = Boiler(app, config=Config(testing=True, project=project, emulator_host=emulator.host))
    limits = WsLimits(
        linger_s=linger_s,
        max_unread=MAX_UNREAD,
        max_subscriptions=MAX_SUBSCRIPTIONS,
        max_connection_s=max_connection_s,
    )
    mediator = ClosingBoards(BoardView, BoardMutation, namespace=NAMESPACE, limits=limits)
    boiler.add(mediator)
    io = flask_socketio.SocketIO(app, async_mode="threading", **options)
    io.on_namespace(mediator)
    try:
        with boiler.context.activated(), serving(app) as address, boiler:
            Board.new(doc_id="a", lines=["x" * 20] * 20).save()
            yield Served(boiler, mediator, address)
    finally:
        boiler.close()


@pytest.fixture
def served(firestore_emulator: LocalFirestore) -> Iterator[Served]:
    with serving_boards(firestore_emulator) as served:
        yield served


@pytest.fixture
def remembering(firestore_emulator: LocalFirestore) -> Iterator[Served]:
    """One that keeps what a client saw for as long as a test lasts."""
    with serving_boards(firestore_emulator, linger_s=600) as served:
        yield served


@pytest.fixture
def impatient(firestore_emulator: LocalFirestore) -> Iterator[Served]:
    """One that soon takes clients that answer no ping for gone."""
    with serving_boards(firestore_emulator, ping_interval=1, ping_timeout=2) as served:
        yield served


@pytest.fixture
def patient(firestore_emulator: LocalFirestore) -> Iterator[Served]:
    """One that pings nobody while a test lasts, so that what waits for a client are updates."""
    with serving_boards(firestore_emulator, ping_interval=600) as served:
        yield served


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_client_subscribes_mutates_and_resumes(remembering: Served, language: str) -> None:
    with Holder.of(remembering.address, NAMESPACE, language, updates="json-patch") as holder:
        assert holder.await_return() == "full"
        holder.await_count(0)
        command = {"operation": "patch", "doc_id": "a", "data": {"count": 7}}
        assert holder.answer("mutate", command)["value"]["count"] == 7
        if 7 not in [said["value"]["count"] for said in holder.told]:
            holder.await_count(7)
        refused = holder.answer("mutate", {**command, "data": {"count": "x"}})
        assert refused["error"]["errors"].keys() == {"count"}
        holder.drop()
        assert holder.await_return() == "none"
        assert holder.answer("burn")["error"]["status"] == 404
        assert holder.forms == {"full", "json-patch", "none"}
    eventually(lambda: remembering.mediator.clients == 0)


@pytest.mark.long
@pytest.mark.parametrize("language", LANGUAGES)
def test_through_many_lost_connections_no_version_comes_twice_or_late(
    served: Served, language: str
) -> None:
    counts = itertools.count(1)
    with Holder.of(served.address, NAMESPACE, language, updates="json-patch") as holder:
        holder.await_return()
        for _ in range(max(1, DISCONNECTS // 2)):
            for _ in range(2):
                served.write(next(counts))
            holder.drop()
            served.write(next(counts))
            holder.await_return()
        last = next(counts)
        served.write(last)
        holder.await_count(last)
        assert holder.complaints == []
        assert holder.versions == sorted(set(holder.versions))
        assert "json-patch" in holder.forms


@pytest.mark.parametrize("language", LANGUAGES)
def test_clients_that_are_sent_away_as_the_mediator_stops_come_back(
    served: Served, language: str
) -> None:
    with Holder.of(served.address, NAMESPACE, language) as holder:
        holder.await_return()
        served.mediator.stop()
        served.write(1)
        served.mediator.start()
        holder.await_return()
        holder.await_count(1)


def test_a_client_that_comes_while_the_mediator_is_stopped_has_to_come_again(
    served: Served,
) -> None:
    served.mediator.stop()
    # The connection ends, so that the client tries again; told no, it would not.
    with pytest.raises(websocket.WebSocketConnectionClosedException):
        RawClient(served.address, NAMESPACE)
    eventually(lambda: served.mediator.server.manager.rooms == {})
    assert served.mediator.clients == 0
    served.mediator.start()
    with RawClient(served.address, NAMESPACE) as client:
        assert client.emit("subscribe_view_model", {"doc_id": "a"})["value"]["count"] == 0


@pytest.mark.long
@pytest.mark.parametrize("language", LANGUAGES)
def test_who_may_see_no_more_sees_no_more_when_it_has_to_come_back(
    firestore_emulator: LocalFirestore, language: str
) -> None:
    with (
        serving_boards(firestore_emulator, max_connection_s=2.0) as served,
        Holder.of(served.address, NAMESPACE, language, updates="json-patch") as holder,
    ):
        assert holder.await_return() == "full"
        # It misses nothing by having to come back.
        assert holder.await_return() == "none"
        assert holder.complaints == []
        served.mediator.closed = True
        assert holder.await_problem()["detail"] == "Closed."
        eventually(lambda: served.mediator.views == 0)


@pytest.mark.long
def test_a_client_that_stops_reading_costs_little_delays_nobody_and_gets_the_newest_state(
    patient: Served,
) -> None:
    manager = patient.mediator.server.manager
    unread = []
    with (
        RawClient(patient.address, NAMESPACE, receive_buffer=4096) as slow,
        Holder.of(patient.address, NAMESPACE, "python") as holder,
    ):
        holder.await_count(0)
        slow.emit("subscribe_view_model", {"doc_id": "a"})
        connection = manager.eio_sid_from_sid(slow.sid, NAMESPACE)
        waiting = patient.mediator.server.eio.sockets[connection].queue
        for count in range(1, LARGE_WRITES + 1):
            patient.write(count, lines=["y" * LARGE_BYTES, str(count)])
            holder.await_count(count)
            unread.append(waiting.qsize())
        # More would have been too much: it got no further messages, and nobody waited for it.
        assert max(unread) == MAX_UNREAD
        versions = _read_until(slow, LARGE_WRITES)
    assert versions == sorted(set(versions))
    assert len(versions) < LARGE_WRITES


def test_a_client_that_asks_and_never_reads_is_sent_away(patient: Served) -> None:
    mediator = patient.mediator
    with (
        RawClient(patient.address, NAMESPACE, receive_buffer=4096) as deaf,
        Holder.of(patient.address, NAMESPACE, "python") as holder,
    ):
        holder.await_count(0)
        deaf.emit("subscribe_view_model", {"doc_id": "a"})
        connection = mediator.server.manager.eio_sid_from_sid(deaf.sid, NAMESPACE)
        waiting = mediator.server.eio.sockets[connection].queue
        # It may be sent away for good before it has said all.
        with suppress(OSError, websocket.WebSocketException):
            for number in range(UNREAD_EVENTS):
                deaf.send(f'42{NAMESPACE},{number}["burn"]')
        eventually(lambda: mediator.clients == 1, lambda: f"{waiting.qsize()} messages wait")
        # What was being answered when it was too much is answered, in threads of their own.
        assert waiting.qsize() < UNREAD_EVENTS / 2
        patient.write(1)
        holder.await_count(1)
        assert holder.complaints == []


def _read_until(client: RawClient, count: int) -> list[int]:
    """The versions that a client was told until there was this count."""
    versions: list[int] = []
    while True:
        _, value, meta = json.loads(client.receive(f"42{NAMESPACE},"))
        versions.append(meta["version"])
        if value["count"] == count:
            return versions


@pytest.mark.long
def test_a_client_that_vanishes_without_a_word_is_noticed(impatient: Served) -> None:
    with RawClient(impatient.address, NAMESPACE) as silent:
        silent.emit("subscribe_view_model", {"doc_id": "a"})
        # It answers no ping.
        eventually(lambda: impatient.mediator.clients == impatient.mediator.views == 0)
        assert impatient.boiler.engine.views == 0


@pytest.mark.long
def test_many_clients_come_and_go_and_leave_nothing(impatient: Served) -> None:
    def come(number: int) -> RawClient:
        client = RawClient(impatient.address, NAMESPACE)
        client.emit("subscribe_view_model", {"doc_id": "a"}, {"min_interval_s": number % 5})
        return client

    mediator = impatient.mediator
    come(0).close()
    eventually(lambda: mediator.clients == mediator.views == 0)
    before, others = set(threading.enumerate()), kept_in_memory()
    for start in range(0, CLIENTS, 20):
        with ExitStack() as stack:
            for number in range(start, min(start + 20, CLIENTS)):
                stack.enter_context(come(number))
            assert mediator.views == 1
    eventually(lambda: mediator.clients == mediator.views == 0)
    hub: Any = impatient.boiler.engine.feed
    eventually(lambda: hub.statistics().targets == 0)
    assert mediator.server.manager.rooms == {}

    def left() -> list[str]:
        return [thread.name for thread in threading.enumerate() if thread not in before]

    # Those that ping clients sleep for an interval before they notice.
    eventually(lambda: not left(), left)
    # Threads that compute hold on to what they computed last.
    workers = impatient.boiler.context.config.compute_threads
    eventually(lambda: len(kept_in_memory(others)) <= workers, kept_in_memory)
    assert {type(kept) for kept in kept_in_memory(others)} <= {SharedView}


def kept_in_memory(others: Sequence[object] = ()) -> list[object]:
    """The shared views, rooms and subscribers that there are beside others."""
    gc.collect()
    known = set(map(id, others))
    kinds = (SharedView, Room, Member)
    return [o for o in gc.get_objects() if type(o) in kinds and id(o) not in known]


@pytest.mark.long
@pytest.mark.parametrize(
    "junk",
    [
        "x" * (1024 * 1024),
        '42/boards,7["subscribe_view_model",' + "[" * 100_000,
        '42/boards,7[{"a": 1}]',
        '42/boards,7[["subscribe_view_model"]]',
        "42/boards,7[]",
        "42/elsewhere,7[1]",
        "99",
    ],
    ids=["1 MiB", "deep", "object", "array", "nothing", "elsewhere", "unknown"],
)
def test_junk_harms_nobody_else(served: Served, junk: str) -> None:
    with Holder.of(served.address, NAMESPACE, "python") as holder:
        holder.await_count(0)
        with RawClient(served.address, NAMESPACE) as bad:
            bad.emit("subscribe_view_model", {"doc_id": "a"})
            bad.send(junk)
            served.write(1)
            holder.await_count(1)
        assert holder.complaints == []
    eventually(lambda: served.mediator.clients == served.mediator.views == 0)


def test_a_megabyte_as_an_argument_is_refused(served: Served) -> None:
    with RawClient(served.address, NAMESPACE) as client:
        answer = client.emit("mutate", {"operation": "patch", "doc_id": "a", "data": "x" * 900_000})
        assert answer["error"]["status"] == 413
