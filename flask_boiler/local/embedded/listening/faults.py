"""Faults of a server, which a test decides on.

Production does all of this, at times of its own choosing. What is set here holds until it is taken
back, unless it says otherwise. May be used by any thread, before the server starts and while it
runs; a restart changes nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeVar, cast

import grpc

from flask_boiler.firestore import protocol
from flask_boiler.local.embedded.storage.refusal import Refusal

__all__ = ["Faults", "Faulty"]

S = TypeVar("S")


class Faulty(Protocol):
    """An open Listen stream, from the point of view of who disturbs it."""

    def end(self, code: grpc.StatusCode | None, details: str = "") -> None:
        """End it, with a code or without an error."""
        ...

    def order(self, order: str) -> None:
        """Have it do something: ``beat``, ``reset``, ``recheck`` or ``miscount``."""
        ...

    def awake(self) -> None:
        """Have it look whether it may speak again."""
        ...


@dataclass(slots=True)
class _Failure:
    code: grpc.StatusCode
    details: str
    times: int
    applied: bool


class Faults:
    """The faults of one server: what is to go wrong with its streams and calls."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._hurried = threading.Condition(self._lock)
        self._refused_more = threading.Condition(self._lock)
        self._hurries = 0
        self._streams: dict[Faulty, None] = {}
        self._rejected: dict[str, Refusal] = {}
        self._refused: Refusal | None = None
        self._failures: dict[str, _Failure] = {}
        self._uncommitted: tuple[str, Refusal] | None = None
        #: How many commits were refused.
        self.commits_refused = 0
        self._delays_s: dict[str, float] = {}
        self._stalled = 0
        #: Set by the server: forgets all resume tokens that were issued up to now.
        self.expire_tokens: Callable[[], None] = lambda: None
        #: Whether Listen streams take everything in and say nothing.
        self.dumb = False
        #: How many Listen streams were opened.
        self.streams_opened = 0

    # Listen streams.

    def drop_streams(
        self, code: grpc.StatusCode | None = grpc.StatusCode.UNAVAILABLE, details: str = "dropped"
    ) -> int:
        """End all Listen streams with a code, or (``None``) without an error; how many."""
        streams = self._open_streams()
        for stream in streams:
            stream.end(code, details)
        return len(streams)

    def refuse_streams(self, code: grpc.StatusCode | None, details: str = "refused") -> None:
        """End every new Listen stream at once with this code; ``None`` accepts them again."""
        with self._lock:
            self._refused = None if code is None else Refusal(code, details)

    @contextmanager
    def holding(self) -> Iterator[None]:
        """Stall: no Listen stream says anything in the block; afterwards they say it all."""
        with self._lock:
            self._stalled += 1
        try:
            yield
        finally:
            with self._lock:
                self._stalled -= 1
            for stream in self._open_streams():
                stream.awake()

    def reject(
        self,
        target: str,
        code: grpc.StatusCode = grpc.StatusCode.PERMISSION_DENIED,
        message: str = "Missing or insufficient permissions.",
    ) -> None:
        """Refuse a target from now on, also one that is listened to.

        :param target: a document's path, or a collection's id for all queries on it.
        """
        with self._lock:
            self._rejected[target] = Refusal(code, message)
        self._order("recheck")

    def accept(self, target: str) -> None:
        """Refuse it no more."""
        with self._lock:
            self._rejected.pop(target, None)

    def reset_queries(self) -> None:
        """Send every query RESET, and its whole result again."""
        self._order("reset")

    def miscount(self) -> None:
        """Send every query an existence filter that is wrong: one document more than there are."""
        self._order("miscount")

    def beat(self) -> None:
        """Send a marker on every stream."""
        self._order("beat")

    # Calls.

    def fail(
        self,
        call: str,
        code: grpc.StatusCode,
        *,
        times: int = 1,
        applied: bool = False,
        details: str = "failed on purpose",
    ) -> None:
        """Answer the next calls of a kind with this code.

        :param call: ``Commit``, ``RunQuery``, ...
        :param times: how many calls, one after the other.
        :param applied: whether they are done all the same.
        """
        with self._lock:
            self._failures[call] = _Failure(code, details, times, applied)

    def refuse_commits(
        self,
        code: grpc.StatusCode | None,
        *,
        below: str = "",
        details: str = "Missing or insufficient permissions.",
    ) -> None:
        """Refuse commits from now on, each with this code; ``None`` takes them again.

        :param below: only those that write at this path, or below it.
        """
        with self._lock:
            self._uncommitted = None if code is None else (below, Refusal(code, details))

    def await_refusals(self, count: int, *, timeout_s: float) -> bool:
        """Wait until so many more commits were refused; whether they were in time."""
        with self._lock:
            wanted = self.commits_refused + count
            return self._refused_more.wait_for(lambda: self.commits_refused >= wanted, timeout_s)

    def delay(self, call: str, delay_s: float) -> None:
        """Answer calls of a kind so much later; ``Listen``: say all that is to be said later.

        0 ends it.
        """
        with self._lock:
            self._delays_s[call] = delay_s
        if not delay_s:
            self.hurry()

    def hurry(self) -> None:
        """Have what is being delayed wait no longer."""
        with self._lock:
            self._hurries += 1
            self._hurried.notify_all()

    # For the server.

    def register(self, stream: Faulty) -> None:
        """A Listen stream is opened.

        :raises Refusal: it is not to be.
        """
        with self._lock:
            if self._refused is not None:
                raise Refusal(self._refused.code, self._refused.details)
            self.streams_opened += 1
            self._streams[stream] = None

    def unregister(self, stream: Faulty) -> None:
        """A Listen stream is closed."""
        with self._lock:
            self._streams.pop(stream, None)

    @property
    def is_stalled(self) -> bool:
        """Whether Listen streams are to say nothing now."""
        return self._stalled > 0

    def rejection(self, known_as: list[str]) -> Refusal | None:
        """Why a target is refused, if it is."""
        if not self._rejected:
            return None
        with self._lock:
            return next((self._rejected[n] for n in known_as if n in self._rejected), None)

    def wait(self, call: str) -> None:
        """Take the time that a call has to take."""
        delay_s = self._delays_s.get(call, 0.0)
        if delay_s:
            with self._lock:
                before = self._hurries
                self._hurried.wait_for(lambda: self._hurries != before, delay_s)

    def failure(self, call: str) -> _Failure | None:
        """The failure of the next call of a kind, if it is to fail."""
        if not self._failures:
            return None
        with self._lock:
            failing = self._failures.get(call)
            if failing is None or failing.times <= 0:
                return None
            failing.times -= 1
            return failing

    def refusal_of(self, request: Any) -> Refusal | None:
        """Why a commit is refused, if it is."""
        wanted = self._uncommitted
        if wanted is None or not isinstance(request, protocol.CommitRequest):
            return None
        below, refusal = wanted
        if below and not any(_is_below(below, write) for write in request.writes):
            return None
        with self._lock:
            self.commits_refused += 1
            self._refused_more.notify_all()
        return refusal

    def on_calls_of(self, service: S) -> S:
        """The service as clients find it, whichever way they come: calls fail and are delayed."""
        return cast(S, _FaultyCalls(service, self))

    def _order(self, order: str) -> None:
        for stream in self._open_streams():
            stream.order(order)

    def _open_streams(self) -> list[Faulty]:
        with self._lock:
            return list(self._streams)


class _FaultyCalls:
    """The calls of a service, of which some fail and some are delayed."""

    def __init__(self, service: Any, faults: Faults) -> None:
        self._service = service
        self._faults = faults

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._service, name)
        return partial(self._answer, _named(name), found) if callable(found) else found

    def _answer(self, call: str, behaviour: Callable[[Any], Any], request: Any) -> Any:
        self._faults.wait(call)
        refusal = self._faults.refusal_of(request)
        if refusal is not None:
            raise Refusal(refusal.code, refusal.details)
        failure = self._faults.failure(call)
        if failure is None:
            return behaviour(request)
        if failure.applied:
            _finish(behaviour(request))
        raise Refusal(failure.code, failure.details)


def _named(method: str) -> str:
    """A call as the protocol names it: ``RunQuery`` for ``run_query``."""
    return "".join(word.capitalize() for word in method.split("_"))


def _is_below(path: str, write: Any) -> bool:
    name = write.update.name or write.delete or write.transform.document
    written = name.partition("/documents/")[2]
    return bool(written == path or written.startswith(f"{path}/"))


def _finish(answer: Any) -> None:
    """Have a call done to its end: one that streams is done while it is read."""
    if isinstance(answer, Iterator):
        for _ in answer:
            pass
