"""The stream on scripted calls: when it is opened, waited for, doubted and ended."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from flask_boiler.errors import UnavailableError
from flask_boiler.firestore.listen.backoff import BackoffPolicy
from flask_boiler.firestore.listen.stream import Outbox, Stream, StreamPolicy
from tests.unit.firestore.listen.stage import PATIENCE_S, Clock, StoredDocuments

POLICY = StreamPolicy(
    backoff=BackoffPolicy(initial_s=1, factor=2, maximum_s=60, jitter=0.5),
    healthy_after_s=10,
    idle_after_s=60,
    silent_after_s=30,
    owing_after_s=4,
    answer_within_s=5,
)


class Failure(grpc.RpcError):
    def __init__(self, code: grpc.StatusCode) -> None:
        self._code = code

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return "scripted"


class Call:
    """What the server says in one stream, as the spec decides."""

    def __init__(self, requests: Iterator[Any]) -> None:
        self.requests = requests
        self.cancelled = threading.Event()
        #: What its server says of itself.
        self.faultless = False
        self._responses: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def say(self, response: Any) -> None:
        self._responses.put(response)

    def fail(self, code: grpc.StatusCode) -> None:
        self._responses.put(Failure(code))

    def finish(self) -> None:
        self._responses.put(None)

    def cancel(self) -> None:
        self.cancelled.set()
        self._responses.put(Failure(grpc.StatusCode.CANCELLED))

    def __iter__(self) -> Iterator[Any]:
        while (response := self._responses.get()) is not None:
            if isinstance(response, grpc.RpcError):
                raise response
            yield response


class Connection(StoredDocuments):
    def __init__(self) -> None:
        super().__init__()
        self._calls: queue.SimpleQueue[Call] = queue.SimpleQueue()
        self.refreshed = 0
        self.refresh_fails = False

    def listen(self, requests: Iterator[Any]) -> Any:
        call = Call(requests)
        self._calls.put(call)
        return call

    def is_faultless(self, call: Any) -> bool:
        assert isinstance(call, Call)
        return call.faultless

    def next_call(self) -> Call:
        return self._calls.get(timeout=PATIENCE_S)

    def has_call(self) -> bool:
        return not self._calls.empty()

    def refresh_credentials(self) -> None:
        self.refreshed += 1
        if self.refresh_fails:
            raise UnavailableError("no token today")


class Talk:
    """A listener that notes what it is told."""

    def __init__(self) -> None:
        self.heard: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.refusals: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.outbox = Outbox()
        self.closes = 0
        self.open = threading.Semaphore(0)
        self._probes: list[bool] = []
        self.greetings: list[bool] = []
        self.owed = False

    def broken(self, error: BaseException) -> None:
        self.fault = error

    def opening(self, outbox: Outbox) -> None:
        self.outbox = outbox
        outbox.put(["hello"])

    def opened(self) -> None:
        self.open.release()

    def greeted(self, *, faultless: bool) -> None:
        self.greetings.append(faultless)

    def received(self, response: Any) -> None:
        if isinstance(response, Exception):
            raise response
        self.heard.put(response)

    def closed(self) -> None:
        self.closes += 1

    def refused(self, cause: str) -> None:
        self.refusals.put(cause)

    def probe(self) -> None:
        self._probes.append(True)

    def awaits_answer(self) -> bool:
        return self.owed

    def probes(self) -> int:
        return len(self._probes)


class ImpatientStream(Stream):
    """Notes how long it should wait, and does not."""

    delays: list[float]

    def _wait(self, delay_s: float) -> None:
        self.delays.append(delay_s)


class StreamSpec:
    def __init__(self) -> None:
        self.clock = Clock()
        self.connection = Connection()
        self.talk = Talk()
        self.stream = ImpatientStream(
            self.connection, self.talk, POLICY, clock=self.clock, rng=lambda: 0.5
        )
        self.delays: list[float] = []
        self.stream.delays = self.delays
        self.stream.start()

    def open(self) -> Call:
        self.stream.demand(True)
        return self.connection.next_call()

    def hear(self) -> Any:
        return self.talk.heard.get(timeout=PATIENCE_S)


@pytest.fixture
def spec() -> Iterator[StreamSpec]:
    made = StreamSpec()
    yield made
    made.stream.stop()


def test_a_stream_is_opened_on_demand_and_says_what_the_party_wants(spec: StreamSpec) -> None:
    call = spec.open()
    call.say("welcome")

    assert next(call.requests) == "hello"
    assert spec.hear() == "welcome"


def test_requests_end_with_the_stream(spec: StreamSpec) -> None:
    call = spec.open()
    assert next(call.requests) == "hello"
    call.finish()
    spec.connection.next_call()

    assert next(call.requests, "ended") == "ended"


@pytest.mark.parametrize(
    "code",
    [
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.ABORTED,
    ],
)
def test_a_lost_stream_is_opened_again(spec: StreamSpec, code: grpc.StatusCode) -> None:
    spec.open().fail(code)

    spec.connection.next_call()

    assert spec.delays == [1]
    assert spec.talk.refusals.empty()
    assert spec.talk.closes == 1


def test_a_stream_that_the_server_ended_is_opened_again(spec: StreamSpec) -> None:
    spec.open().finish()

    spec.connection.next_call()

    assert spec.talk.refusals.empty()
    assert spec.talk.closes == 1


def test_the_wait_grows_until_a_message_comes(spec: StreamSpec) -> None:
    spec.open().fail(grpc.StatusCode.UNAVAILABLE)
    for _ in range(2):
        spec.connection.next_call().fail(grpc.StatusCode.UNAVAILABLE)
    call = spec.connection.next_call()
    call.say("welcome")
    call.fail(grpc.StatusCode.UNAVAILABLE)
    spec.connection.next_call()

    assert spec.delays == [1, 2, 4, 1]


def test_a_stream_that_was_healthy_is_opened_again_at_once(spec: StreamSpec) -> None:
    call = spec.open()
    call.say("welcome")
    spec.hear()
    spec.clock.advance(11)
    call.fail(grpc.StatusCode.UNAVAILABLE)
    spec.connection.next_call().fail(grpc.StatusCode.UNAVAILABLE)
    spec.connection.next_call()

    assert spec.delays == [1]


def test_an_exhausted_server_is_given_the_longest_wait(spec: StreamSpec) -> None:
    call = spec.open()
    spec.clock.advance(11)
    call.fail(grpc.StatusCode.RESOURCE_EXHAUSTED)
    spec.connection.next_call()

    assert spec.delays == [60]
    assert spec.talk.refusals.empty()


def test_new_credentials_are_fetched_when_the_old_ones_are_refused(spec: StreamSpec) -> None:
    spec.open().fail(grpc.StatusCode.UNAUTHENTICATED)
    spec.connection.next_call()

    assert spec.connection.refreshed == 1
    assert spec.talk.refusals.empty()


def test_credentials_that_cannot_be_fetched_are_tried_again(
    spec: StreamSpec, caplog: pytest.LogCaptureFixture
) -> None:
    spec.connection.refresh_fails = True
    spec.open().fail(grpc.StatusCode.UNAUTHENTICATED)
    spec.connection.next_call().fail(grpc.StatusCode.UNAUTHENTICATED)
    spec.connection.next_call()

    assert spec.connection.refreshed == 2
    assert "no token today" in caplog.text


@pytest.mark.parametrize(
    "code",
    [
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.FAILED_PRECONDITION,
    ],
)
def test_a_refused_stream_is_told_and_tried_again_after_the_longest_wait(
    spec: StreamSpec, code: grpc.StatusCode
) -> None:
    call = spec.open()
    spec.clock.advance(11)
    call.fail(code)
    spec.connection.next_call()

    assert code.name in spec.talk.refusals.get(timeout=PATIENCE_S)
    assert spec.delays == [60]


@pytest.mark.parametrize(
    "code", [grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED]
)
def test_who_was_let_in_before_is_refused_only_if_that_lasts(
    spec: StreamSpec, code: grpc.StatusCode
) -> None:
    call = spec.open()
    call.say("welcome")
    spec.hear()
    call.fail(code)
    for _ in range(3):
        spec.connection.next_call().fail(code)
    call = spec.connection.next_call()
    assert spec.talk.refusals.empty()
    assert spec.delays == [1, 2, 4, 8]
    spec.clock.advance(POLICY.refused_after_s - 1)
    assert spec.stream.refused_s == POLICY.refused_after_s - 1
    call.fail(code)
    call = spec.connection.next_call()
    assert spec.talk.refusals.empty()
    spec.clock.advance(1)
    call.fail(code)
    call = spec.connection.next_call()
    assert code.name in spec.talk.refusals.get(timeout=PATIENCE_S)

    call.say("welcome again")
    spec.hear()
    assert spec.stream.refused_s == 0
    call.fail(code)
    spec.connection.next_call()
    assert spec.talk.refusals.empty()


def test_a_party_that_raises_gets_a_new_stream(
    spec: StreamSpec, caplog: pytest.LogCaptureFixture
) -> None:
    call = spec.open()
    call.say(RuntimeError("broken listener"))
    spec.connection.next_call()

    assert call.cancelled.is_set()
    assert "broken listener" in caplog.text


def test_an_idle_stream_is_closed_and_opened_again_on_demand(spec: StreamSpec) -> None:
    call = spec.open()
    call.say("welcome")
    spec.hear()
    spec.stream.demand(False)
    assert spec.stream.check(spec.clock.now + 59) <= spec.clock.now + 60
    assert not call.cancelled.is_set()

    spec.stream.check(spec.clock.now + 60)

    assert call.cancelled.wait(PATIENCE_S)
    spec.open()
    assert len(spec.delays) <= 1


def test_a_stream_in_demand_is_not_idle(spec: StreamSpec) -> None:
    call = spec.open()
    call.say("welcome")
    spec.hear()
    spec.stream.demand(False)
    spec.clock.advance(59)
    spec.stream.demand(True)
    spec.stream.check(spec.clock.now + 2)

    assert not call.cancelled.is_set()


def test_a_silent_server_is_probed_and_doubted_no_more_when_it_answers(
    spec: StreamSpec,
) -> None:
    call = spec.open()
    call.say("welcome")
    spec.hear()
    start = spec.clock.now
    assert spec.stream.check(start + 10) == start + 30
    assert not spec.talk.probes()

    spec.clock.advance(30)
    assert spec.stream.check(start + 30) == start + 35
    assert spec.talk.probes() == 1

    spec.clock.advance(1)
    call.say("still here")
    spec.hear()
    assert spec.stream.check(start + 35) == start + 61
    assert not call.cancelled.is_set()


def test_a_dead_stream_is_replaced(spec: StreamSpec) -> None:
    call = spec.open()
    call.say("welcome")
    spec.hear()
    spec.clock.advance(30)
    spec.stream.check(spec.clock.now)
    spec.clock.advance(5)

    spec.stream.check(spec.clock.now)

    assert call.cancelled.is_set()
    spec.connection.next_call()
    assert spec.delays == []


def test_a_server_that_owes_an_answer_is_probed_sooner(spec: StreamSpec) -> None:
    call = spec.open()
    call.say("welcome")
    spec.hear()
    spec.clock.advance(10)
    spec.talk.owed = True
    assert spec.stream.check(spec.clock.now) == spec.clock.now + 4
    assert not spec.talk.probes()

    spec.clock.advance(4)
    assert spec.stream.check(spec.clock.now) == spec.clock.now + 5
    assert spec.talk.probes() == 1

    spec.clock.advance(5)
    spec.stream.check(spec.clock.now)
    assert call.cancelled.is_set()


def test_a_server_that_has_answered_is_left_alone(spec: StreamSpec) -> None:
    call = spec.open()
    spec.talk.owed = True
    call.say("welcome")
    spec.hear()
    start = spec.clock.now
    spec.stream.check(start)
    spec.talk.owed = False
    spec.clock.advance(10)
    assert spec.stream.check(spec.clock.now) == start + 30
    assert not spec.talk.probes()


def test_a_server_that_never_says_anything_is_probed_too(spec: StreamSpec) -> None:
    spec.open()
    assert spec.talk.open.acquire(timeout=PATIENCE_S)
    spec.clock.advance(31)

    spec.stream.check(spec.clock.now)

    assert spec.talk.probes() == 1


def test_stop_ends_the_call_and_the_thread(spec: StreamSpec) -> None:
    call = spec.open()

    spec.stream.stop()

    assert call.cancelled.is_set()
    assert not spec.connection.has_call()
    assert "flask-boiler-listen" not in [thread.name for thread in threading.enumerate()]


def test_stop_does_not_wait_for_the_wait() -> None:
    connection, talk = Connection(), Talk()
    policy = StreamPolicy(backoff=BackoffPolicy(initial_s=3600, maximum_s=3600))
    stream = Stream(connection, talk, policy, clock=Clock(), rng=lambda: 0.5)
    stream.start()
    stream.demand(True)
    connection.next_call().fail(grpc.StatusCode.PERMISSION_DENIED)
    talk.refusals.get(timeout=PATIENCE_S)

    stream.stop()

    assert not connection.has_call()
