"""Whether Firestore answers: what is told of it, when, and what ends all waiting."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from flask_boiler.errors import UnavailableError
from flask_boiler.firestore.calls import ListenCall, answered, streamed
from flask_boiler.firestore.reachability import Reachability


class Failed(grpc.RpcError):
    def __init__(self, code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE) -> None:
        self._code = code

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return "Socket closed"


class Watched:
    """A Reachability on a scripted clock, looked at when the test says so, and what it told."""

    def __init__(self, seen: str | None = "nothing listens there") -> None:
        self.now_s = 1000.0
        self.told: list[str] = []
        self.reachability = Reachability(
            "h:1 (project p)",
            "h:1",
            clock=lambda: self.now_s,
            tell=self.told.append,
            look=lambda host: seen,
        )
        # The test looks, and no thread.
        self.reachability._closed.set()

    def after(self, seconds: float) -> bool:
        self.now_s += seconds
        return self.reachability.check()


@pytest.fixture
def watched() -> Watched:
    return Watched()


def nothing() -> None:
    """Cancel nothing."""


def test_a_call_without_an_answer_is_told_of_within_a_second_and_then_now_and_then(
    watched: Watched,
) -> None:
    watched.reachability.begin(nothing)
    watched.after(0.5)
    assert watched.told == []
    watched.after(0.3)
    assert watched.told == [
        "Firestore does not answer at h:1 (project p): nothing listens there. Waiting for it"
    ]
    for _ in range(3000):
        watched.after(0.2)
    # In ten minutes: after 10 s, 30 s, and then each minute.
    assert len(watched.told) == 12
    assert "has not answered for 11 s" in watched.told[1]


def test_refused_calls_are_told_of_as_well_though_nobody_waits_at_the_time(
    watched: Watched,
) -> None:
    for _ in range(4):
        number = watched.reachability.begin(nothing)
        watched.reachability.end(number, Failed())
        watched.after(0.2)
    assert len(watched.told) == 1
    assert watched.reachability.is_silent


def test_that_it_is_back_is_told_once(watched: Watched) -> None:
    number = watched.reachability.begin(nothing)
    watched.after(12.0)
    watched.reachability.end(number)
    watched.after(0.2)
    watched.after(0.2)
    assert watched.told[1:] == ["Firestore answers again at h:1 (project p), after 12 s"]
    assert not watched.reachability.is_silent


def test_one_that_has_answered_before_answers_no_more(watched: Watched) -> None:
    watched.reachability.end(watched.reachability.begin(nothing))
    watched.after(100.0)
    watched.reachability.failed("the stream was broken off")
    watched.after(1.0)
    assert watched.told[0].startswith("Firestore answers no more at h:1 (project p)")


def test_of_googles_the_cause_is_told_as_nobody_knocks_there() -> None:
    watched = Watched(seen=None)
    watched.reachability.failed("DNS resolution failed")
    watched.after(1.0)
    assert "project p): DNS resolution failed. Waiting" in watched.told[0]


@pytest.mark.parametrize(
    "code", [grpc.StatusCode.ABORTED, grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.INTERNAL]
)
def test_what_it_refuses_is_an_answer(watched: Watched, code: grpc.StatusCode) -> None:
    watched.reachability.end(watched.reachability.begin(nothing), Failed(code))
    watched.after(5.0)
    assert watched.told == [] and watched.reachability.has_answered


def test_one_call_that_takes_long_is_no_silence_while_others_are_answered(
    watched: Watched,
) -> None:
    watched.reachability.begin(nothing)
    for _ in range(20):
        watched.reachability.end(watched.reachability.begin(nothing))
        watched.after(0.5)
    assert watched.told == []


def test_nobody_looks_where_nobody_waits(watched: Watched) -> None:
    number = watched.reachability.begin(nothing)
    assert watched.after(3.0)
    watched.reachability.end(number, Failed())
    assert watched.after(0.2)
    assert not watched.after(5.0)


def test_giving_up_cancels_what_waits_and_lets_nothing_begin_until_it_is_taken_back(
    watched: Watched,
) -> None:
    cancelled: list[str] = []
    watched.reachability.begin(lambda: cancelled.append("a"))
    watched.reachability.begin(lambda: cancelled.append("b"))
    watched.reachability.give_up()
    assert cancelled == ["a", "b"]
    for ask in (lambda: watched.reachability.begin(nothing), lambda: watched.reachability.pause(9)):
        with pytest.raises(UnavailableError, match="the wait for Firestore at"):
            ask()
    watched.reachability.resume()
    watched.reachability.begin(nothing)


def test_who_ends_gives_up_a_silent_firestore_soon_and_an_answering_one_late(
    watched: Watched,
) -> None:
    cancelled: list[str] = []
    with watched.reachability.ending(30.0):
        number = watched.reachability.begin(lambda: cancelled.append("silent"))
        watched.after(1.0)
        assert cancelled == []
        watched.after(1.5)
        assert cancelled == ["silent"]
        watched.reachability.end(number, Failed(grpc.StatusCode.CANCELLED))
    with watched.reachability.ending(5.0):
        for _ in range(4):
            watched.reachability.end(watched.reachability.begin(nothing))
            watched.after(0.9)
        watched.reachability.begin(lambda: cancelled.append("late"))
        watched.after(0.5)
    assert cancelled == ["silent", "late"]


def test_a_silence_that_was_there_before_the_end_is_not_waited_for_again(watched: Watched) -> None:
    cancelled: list[str] = []
    watched.reachability.begin(lambda: cancelled.append("it"))
    watched.after(60.0)
    with watched.reachability.ending(30.0):
        watched.after(0.0)
        assert cancelled == ["it"]


def test_what_is_cancelled_by_us_says_nothing_of_firestore(watched: Watched) -> None:
    number = watched.reachability.begin(nothing)
    watched.reachability.give_up()
    watched.reachability.end(number, Failed(grpc.StatusCode.CANCELLED))
    watched.reachability.resume()
    watched.after(5.0)
    assert watched.told == []


class Call:
    """A call of gRPC's, as scripted."""

    def __init__(self, *answers: Any) -> None:
        self._answers = iter(answers)
        self.cancelled = 0

    def future(self, request: Any, **options: Any) -> Call:
        self.options = options
        return self

    def __call__(self, request: Any, **options: Any) -> Call:
        return self.future(request, **options)

    def result(self) -> Any:
        return next(self)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        answer = next(self._answers)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def cancel(self) -> None:
        self.cancelled += 1


def test_calls_and_streams_tell_what_they_hear(watched: Watched) -> None:
    call = Call("answer")
    assert answered(watched.reachability, call, "?", metadata=(), timeout=600.0) == "answer"
    assert call.options["timeout"] == 60.0
    stream = streamed(watched.reachability, Call("a", "b"), "?", metadata=(), timeout=1.0)
    assert list(stream) == ["a", "b"]
    assert watched.reachability.has_answered
    for broken in (
        lambda: answered(watched.reachability, Call(Failed()), "?", metadata=(), timeout=1.0),
        lambda: list(streamed(watched.reachability, Call(Failed()), "?", metadata=(), timeout=1.0)),
        lambda: list(ListenCall(Call(Failed()), watched.reachability)),
    ):
        with pytest.raises(grpc.RpcError):
            broken()
    watched.after(0.7)
    assert len(watched.told) == 1


def test_whoever_stops_listening_to_a_result_leaves_nothing_waited_for(watched: Watched) -> None:
    call = Call("a", "b")
    stream: Any = streamed(watched.reachability, call, "?", metadata=(), timeout=1.0)
    assert next(stream) == "a"
    watched.after(60.0)
    assert watched.told == []
    stream.close()
    assert call.cancelled


def test_a_stream_that_says_nothing_at_first_is_silent_and_later_it_is_not(
    watched: Watched,
) -> None:
    messages: Any = iter(ListenCall(Call("caught up", Failed()), watched.reachability))
    assert next(messages) == "caught up"
    watched.after(30.0)
    assert watched.reachability.stream_silent_s == 30.0
    assert watched.told == []
    with pytest.raises(Failed):
        next(messages)
    watched.after(1.0)
    assert not watched.reachability.stream_silent_s
    assert watched.told[0].startswith("Firestore answers no more")


def test_a_stream_is_not_opened_while_nobody_is_to_wait(watched: Watched) -> None:
    watched.reachability.give_up()
    call = Call("caught up")
    with pytest.raises(grpc.RpcError) as caught:
        list(ListenCall(call, watched.reachability))
    assert caught.value.code() is grpc.StatusCode.CANCELLED
    assert call.cancelled == 1
