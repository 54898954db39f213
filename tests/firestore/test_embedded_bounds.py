"""What comes from outside is bounded in size, count and time, whoever sends it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import queue
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from http import HTTPStatus
from typing import IO, Any, NamedTuple
from urllib.parse import urlencode

import pytest

from flask_boiler.embedded import EmbeddedFirestore, Faults, ListenPolicy
from flask_boiler.ground.lifecycle import DaemonPool
from flask_boiler.local.embedded.serving.gateway import Gateway
from flask_boiler.local.embedded.serving.host_check import HostCheck
from flask_boiler.local.embedded.serving.http_connection import (
    Answer,
    Head,
    HttpLimits,
    HttpServing,
    Source,
)
from flask_boiler.local.embedded.serving.service import Service
from flask_boiler.local.embedded.serving.streams import Streams
from flask_boiler.local.embedded.serving.web import Web
from flask_boiler.local.embedded.serving.webchannel import ChannelLimits, WebChannels
from flask_boiler.local.embedded.storage.storage import Storage
from tests.unit.local.embedded.worlds import put

WITHIN_S = 60.0
WORLD = "projects/demo/databases/(default)"
CHANNEL = "/google.firestore.v1.Firestore/Listen/channel"
COMMIT = f"POST /v1/{WORLD}/documents:commit HTTP/1.1\r\nHost: localhost\r\n"
CLOSE = "Connection: close\r\n"
GET = f"GET / HTTP/1.1\r\nHost: localhost\r\n{CLOSE}\r\n"
ENDLESS = "x" * 65_536


#: What a test does not shorten lasts longer than the machine may be busy.
PATIENT = HttpLimits(
    idle_s=WITHIN_S,
    headers_s=WITHIN_S,
    body_grace_s=WITHIN_S,
    unread_s=WITHIN_S,
    linger_s=WITHIN_S,
)


class Served(NamedTuple):
    """A gateway with limits of its own."""

    gateway: Gateway
    channels: WebChannels
    storage: Storage


class Waiting(Web):
    """Answers when it may."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.may_answer = threading.Event()
        self.may_answer.set()

    def answer(self, head: Head, body: IO[bytes] | bytes) -> Answer:
        self.may_answer.wait()
        return super().answer(head, body)


@contextmanager
def served(
    limits: HttpLimits = PATIENT, channel_limits: ChannelLimits | None = None
) -> Iterator[tuple[Served, Waiting]]:
    with contextlib.ExitStack() as stack:
        storage = Storage()
        stack.callback(storage.close)
        pool = DaemonPool(4, name="bounded")
        stack.callback(pool.shutdown)
        service = Service(storage)
        channels = WebChannels(Streams(service, Faults(), ListenPolicy()), pool.run, channel_limits)
        web = Waiting(service, channels, HostCheck())
        serving = HttpServing(web, pool, limits)
        gateway = Gateway("127.0.0.1", 0, ("127.0.0.1", 9), serving, channels.look, tick_s=0.01)
        stack.callback(gateway.close)
        stack.callback(channels.close)
        stack.callback(web.may_answer.set)
        yield Served(gateway, channels, storage), web


def connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=WITHIN_S)


def all_of(connection: socket.socket) -> bytes:
    """What is said until the connection is closed."""
    said = b""
    with contextlib.suppress(ConnectionError):
        while piece := connection.recv(65_536):
            said += piece
    return said


def told(said: bytes) -> tuple[int, str]:
    """The status of an answer that refuses, and the words of it."""
    head, _, body = said.partition(b"\r\n\r\n")
    status = int(head.split()[1])
    error = json.loads(body)["error"]
    assert error["code"] == status
    return status, error["message"]


def refusal_of(port: int, request: str, *, again: str = "") -> tuple[int, str]:
    """What is told to who sends this, and then something again and again until it is told."""
    with connected(port) as connection:
        connection.sendall(request.encode())
        with contextlib.suppress(ConnectionError):
            while again and not _is_answered(connection):
                connection.sendall(again.encode())
        return told(all_of(connection))


def _is_answered(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return bool(connection.recv(1, socket.MSG_PEEK))
    except BlockingIOError:
        return False
    finally:
        connection.settimeout(WITHIN_S)


TOO_MUCH = {
    "a body that is announced": (COMMIT + "Content-Length: 99999999\r\n\r\n", "", 413),
    "a body that does not end": (
        COMMIT + "Transfer-Encoding: chunked\r\n\r\n",
        f"{len(ENDLESS):x}\r\n{ENDLESS}\r\n",
        413,
    ),
    "headers that do not end": (COMMIT, f"X-More: {ENDLESS}\r\n", 431),
    "a line that does not end": ("GET /", ENDLESS, 431),
    "no length": (COMMIT + f"Content-Length: {'9' * 5000}\r\n\r\n", "", 400),
    "no HTTP": ("\0\1\2\3\r\n\r\n", "", 400),
    "no host": ("GET / HTTP/1.1\r\n\r\n", "", 400),
}


@pytest.mark.parametrize("sent", TOO_MUCH)
def test_what_is_too_large_is_refused(sent: str) -> None:
    request, again, status = TOO_MUCH[sent]
    with served() as (server, _):
        assert refusal_of(server.gateway.port, request, again=again)[0] == status


@pytest.mark.parametrize(
    "sent",
    ["GET / HTTP/1.1\r\nHost: local", COMMIT + "Content-Length: 100\r\n\r\n{"],
    ids=["headers", "body"],
)
def test_what_comes_too_slowly_is_refused(sent: str) -> None:
    with served(PATIENT._replace(headers_s=0.05, body_grace_s=0.05)) as (server, _):
        assert refusal_of(server.gateway.port, sent) == (408, "The request came too slowly")


def test_who_says_nothing_is_closed() -> None:
    limits = PATIENT._replace(idle_s=0.05)
    with served(limits) as (server, _), connected(server.gateway.port) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert all_of(connection).endswith(b"Ok\n")


def test_who_does_not_read_is_closed() -> None:
    with served(PATIENT._replace(unread_s=0.05, connections=1)) as (server, _):
        put(server.storage, "c/a", text="x" * 900_000)
        port = server.gateway.port
        with connected(port) as slow:
            # Far more than the system keeps for who does not read.
            slow.sendall(b"GET /emulator/v1/export HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100)
            assert slow.recv(12) == b"HTTP/1.1 200"
            while (status := _status(port, GET)) != 200:
                assert status == 503
            assert len(all_of(slow)) < 100 * 900_000


def test_connections_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    limits = PATIENT._replace(connections=3)
    with served(limits) as (server, _), contextlib.ExitStack() as stack:
        port = server.gateway.port
        held = [stack.enter_context(connected(port)) for _ in range(3)]
        for connection in held:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert connection.recv(65_536).endswith(b"Ok\n")
        for _ in range(3):
            status, message = refusal_of(port, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert (status, "no room for more connections" in message) == (503, True)
        held[0].shutdown(socket.SHUT_WR)
        assert all_of(held[0]) == b""
        with connected(port) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert connection.recv(65_536).startswith(b"HTTP/1.1 200")
    assert [r.levelno for r in caplog.records] == [logging.WARNING]


def test_who_has_closed_makes_room_at_once() -> None:
    with served(PATIENT._replace(connections=3)) as (server, _):
        for _ in range(20):
            assert _status(server.gateway.port, GET) == 200


def test_who_comes_at_the_end_is_closed() -> None:
    with served() as (server, _), contextlib.ExitStack() as stack:
        gateway: Any = server.gateway

        def come() -> None:
            stack.enter_context(connected(gateway.port))
            gateway._end()

        gateway._loop.call_soon_threadsafe(come)
        gateway.close()
        # What nobody closes is told when it is collected, which is an error.
        assert [one for one in gateway._sockets if one.fileno() >= 0] == []


LOCAL = "Host: localhost\r\nConnection: close\r\n"
ODD = {
    "no address": ("GET //[ HTTP/1.1", LOCAL, 404),
    "no address to post to": ("POST //[ HTTP/1.1", LOCAL, 404),
    "no address of a host": ("GET http://[::x]/ HTTP/1.1", LOCAL, 403),
    "another host": ("GET http://evil.example/ HTTP/1.1", LOCAL, 403),
    "another host with a name": ("GET http://localhost@evil.example/ HTTP/1.1", LOCAL, 403),
    "a host of one's own": (
        "GET http://localhost/ HTTP/1.1",
        "Host: evil.example\r\n" + CLOSE,
        200,
    ),
    "an origin in letters": ("GET / HTTP/1.1", f"{LOCAL}Origin: http://\xe9.localhost\r\n", 200),
    "a wish in letters": (
        "OPTIONS / HTTP/1.1",
        f"{LOCAL}Origin: http://localhost\r\nAccess-Control-Request-Headers: \xe9\r\n",
        200,
    ),
    "a host in letters": ("GET / HTTP/1.1", f"Host: \xe9.localhost\r\n{CLOSE}", 403),
    "two hosts": ("GET / HTTP/1.1", f"{LOCAL}Host: localhost\r\n", 400),
    "no host is needed": ("GET / HTTP/1.0", "", 403),
    "a head alone": ("HEAD / HTTP/1.1", LOCAL, 200),
    "a head of nothing": ("HEAD /nothing HTTP/1.1", LOCAL, 404),
    "a head of all data": ("HEAD /emulator/v1/export HTTP/1.1", LOCAL, 501),
    "a tunnel": ("CONNECT evil.example:443 HTTP/1.1", LOCAL, 404),
    "a tunnel of a page": (f"CONNECT {CHANNEL}?SID=x&TYPE=terminate HTTP/1.1", LOCAL, 501),
    "another protocol": (
        "GET / HTTP/1.1",
        "Host: localhost\r\nConnection: Upgrade, close\r\nUpgrade: h2c\r\n",
        200,
    ),
    "too much asked": (
        f"GET /v1/{WORLD}/documents/c?{'&'.join(['a=1'] * 1001)} HTTP/1.1",
        LOCAL,
        400,
    ),
}


@pytest.mark.parametrize("sent", ODD)
def test_what_is_odd_is_answered_and_leaves_nothing(
    sent: str, caplog: pytest.LogCaptureFixture
) -> None:
    line, headers, status = ODD[sent]
    with served(PATIENT._replace(connections=2, calls=1)) as (server, _):
        for _ in range(3):
            assert _status(server.gateway.port, f"{line}\r\n{headers}\r\n") == status
    assert [record for record in caplog.records if record.levelno > logging.WARNING] == []


class Broken(Source):
    """What cannot be read."""

    def __init__(self, closed: list[bool]) -> None:
        self._closed = closed

    def open(self, wake: Callable[[], None]) -> None:
        pass

    def take(self) -> bytes | None:
        raise OSError("it is broken")

    def close(self) -> None:
        self._closed.append(True)


@pytest.mark.filterwarnings("error")
def test_an_answer_that_goes_wrong_leaves_nobody_waiting(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    closed: list[bool] = []
    answers: dict[str, Callable[[], Answer]] = {
        "": lambda: Answer(content=b"Ok\n"),
        "raised": lambda: Answer(length=1 // len(answers[""]().headers)),
        "content": lambda: Answer(source=Broken(closed), length=3),
        "headers": lambda: Answer(headers=[("X", "\n")], source=Broken(closed)),
    }
    with served(PATIENT._replace(connections=2, calls=1)) as (server, web):
        monkeypatch.setattr(web, "answer", lambda head, body: answers[head.path[1:]]())
        for _ in range(3):
            for wrong in ("raised", "content", "headers"):
                with connected(server.gateway.port) as connection:
                    connection.sendall(f"GET /{wrong} HTTP/1.1\r\n{LOCAL}\r\n".encode())
                    said = all_of(connection)
                if wrong == "raised":
                    assert told(said)[0] == 500
        assert _status(server.gateway.port, GET) == 200
    assert closed == [True] * 6
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 9


def test_requests_that_wait_are_counted() -> None:
    with served(PATIENT._replace(calls=2)) as (server, web), contextlib.ExitStack() as stack:
        web.may_answer.clear()
        port = server.gateway.port
        held = [stack.enter_context(connected(port)) for _ in range(4)]
        for connection in held:
            connection.sendall(GET.encode())
        answered: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        for connection in held:
            threading.Thread(target=lambda c=connection: answered.put(all_of(c))).start()
        assert [told(answered.get(timeout=WITHIN_S))[0] for _ in range(2)] == [503, 503]
        web.may_answer.set()
        others = [answered.get(timeout=WITHIN_S) for _ in range(2)]
        assert [said.endswith(b"Ok\n") for said in others] == [True, True]


def test_bodies_are_bounded_together() -> None:
    with served(PATIENT._replace(bodies_bytes=100_000)) as (server, _):
        port = server.gateway.port
        with connected(port) as holding:
            holding.sendall((COMMIT + f"Content-Length: 90000\r\n\r\n{'x' * 80_000}").encode())
            large = f"{COMMIT}{CLOSE}Content-Length: 80000\r\n\r\n{'x' * 80_000}"
            # The other may not have been read yet; then this one is taken, and has no type.
            while (refused := _status(port, large)) != 503:
                assert refused == 400
        # When the other has gone, there is room again.
        while (refused := _status(port, large)) != 400:
            assert refused == 503


class Counting(HttpServing):
    """Counts how many parts of bodies come in one turn of the loop."""

    turn = 0
    parts: Counter[int]

    def hold(self, count: int) -> bool:
        if count > 0:
            self.parts[self.turn] += 1
        return super().hold(count)


def test_a_body_in_many_small_pieces_lets_others_have_their_turn() -> None:
    pieces = 10_000
    body = b"2\r\nxy\r\n" * pieces + b"0\r\n\r\n"

    async def answered() -> bytes:
        loop = asyncio.get_running_loop()

        def turn() -> None:
            serving.turn += 1
            loop.call_soon(turn)

        turn()
        near, far = socket.socketpair()
        near.setblocking(False)
        far.sendall(f"{COMMIT}{CLOSE}Transfer-Encoding: chunked\r\n\r\n".encode() + body)
        await loop.connect_accepted_socket(lambda: serving.connection(loop), near)
        with far:
            return await loop.run_in_executor(None, all_of, far)

    with closing(Storage()) as storage, ThreadPoolExecutor(1) as pool:
        service = Service(storage)
        channels = WebChannels(Streams(service, Faults(), ListenPolicy()), lambda call: None)
        serving = Counting(Web(service, channels, HostCheck()), pool)
        serving.parts = Counter()
        # It has no type.
        assert told(asyncio.run(answered()))[0] == 400
    assert serving.parts.total() == pieces
    assert max(serving.parts.values()) <= 100


def test_sessions_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    with served(channel_limits=ChannelLimits(sessions=3)) as (server, _):
        statuses = [_status(server.gateway.port, _handshake()) for _ in range(6)]
        assert statuses == [200] * 3 + [429] * 3
    assert len(caplog.records) == 1


def _handshake(count: object = 1, text: str | None = None) -> str:
    said = json.dumps({"database": WORLD}) if text is None else text
    body = urlencode({"count": count, "ofs": 0, "req0___data__": said})
    return (
        f"POST {CHANNEL}?VER=8&RID=1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    )


def _status(port: int, request: str) -> HTTPStatus:
    with connected(port) as connection:
        connection.sendall(request.encode("latin-1"))
        return HTTPStatus(int(all_of(connection).split()[1]))


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (99_999_999, None),
        (1001, None),
        ("9" * 5000, None),
        ("x", None),
        ("-1", None),
        (1, "[" * 100_000),
        (1, '{"a":' * 100_000),
        (1, "9" * 10_000),
    ],
    ids=range(8),
)
def test_a_handshake_of_too_much_is_refused(count: object, text: str | None) -> None:
    with served() as (server, _):
        assert _status(server.gateway.port, _handshake(count, text)) == 400
        assert _status(server.gateway.port, _handshake()) == 200


def test_half_a_request_and_a_session_have_no_thread() -> None:
    with EmbeddedFirestore() as server, contextlib.ExitStack() as stack:
        port = int(server.host.rpartition(":")[2])
        before = set(threading.enumerate())
        for number in range(200):
            half = stack.enter_context(connected(port))
            half.sendall(
                [b"P", b"GET /", (COMMIT + "Content-Length: 9\r\n\r\n").encode()][number % 3]
            )
        for _ in range(60):
            assert _status(port, _handshake()) == 200
        made = [thread.name for thread in threading.enumerate() if thread not in before]
        # Those of the two pools, which have eight and four at most.
        assert [name for name in made if not name.startswith("embedded-web")] == []
        assert len(made) <= 12


def test_a_signal_is_obeyed_whatever_was_sent() -> None:
    command = [sys.executable, "-m", "flask_boiler.embedded"]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process,
        contextlib.ExitStack() as stack,
    ):
        assert process.stdout is not None
        port = int(process.stdout.readline().partition(",")[0].rpartition(":")[2])
        held = [stack.enter_context(connected(port)) for _ in range(100)]
        for connection in held[:50]:
            connection.sendall(_handshake(count=99_999_999).encode())
        for connection in held[50:]:
            connection.sendall(b"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Le")
        assert _status(port, _handshake()) == 200
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=WITHIN_S)
        assert process.returncode == 0
