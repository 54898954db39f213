"""The Listen stream of a process and database: all input and output is here.

::

             demand                       first message
    IDLE ───────────────► OPENING ──────────────────────► OPEN
     ▲ ▲                   ▲   │                           │ │
     │ └─ no demand for a ─┼───┼───────────────────────────┘ │
     │    while: cancelled │   │                             │
     │               delay │   │ it ended         it ended,  │
     │               is up │   ▼                  restarted  │
     └─────────────────── WAITING ◄──────────────────────────┘
        no demand          (not at all after an OPEN of 10 s)

    any of them ── stop ──► STOPPED

How a stream ended decides what follows:

===================================  ======================================================
end, CANCELLED, UNKNOWN, INTERNAL,   opened again; the wait grows until a message comes
UNAVAILABLE, DEADLINE_EXCEEDED, ...
RESOURCE_EXHAUSTED                   opened again after the longest wait
UNAUTHENTICATED                      new credentials, then opened again
PERMISSION_DENIED                    opened again, if we were let in before; but once it has lasted
                                     (as UNAUTHENTICATED may), as all others
all others                           the listener is told that it is refused; tried again after
                                     the longest wait
===================================  ======================================================

A stream that has been silent for long may be dead without anybody noticing: the listener
sends a probe, and if that is not answered either, the stream is cancelled and opened anew.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any, Protocol

import grpc

from flask_boiler.firestore.listen.backoff import Backoff, BackoffPolicy
from flask_boiler.ground.lifecycle import OwnThread, join
from flask_boiler.ground.values import Decoder, QueryTarget, Snapshot

__all__ = ["Connection", "Outbox", "Stream", "StreamListener", "StreamPolicy"]

_logger = logging.getLogger(__name__)

_RETRIED = frozenset(
    {
        grpc.StatusCode.OK,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.UNKNOWN,
    }
)
#: How a server says that it does not let us in, be it for now.
_REFUSALS = frozenset(
    {
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.UNAUTHENTICATED,
    }
)


class Connection(Protocol):
    """The part of a Firestore database that the Listen client uses."""

    @property
    def database(self) -> str:
        """The resource name, ``projects/P/databases/D``."""
        ...

    @property
    def decoder(self) -> Decoder:
        """The codec of the documents in this database."""
        ...

    def listen(self, requests: Iterator[Any]) -> Any:
        """Open a Listen stream: an iterable of raw responses with ``cancel()``."""
        ...

    def is_faultless(self, call: Any) -> bool:
        """Whether the server of an answered stream promises that it sends every change."""
        ...

    def refresh_credentials(self) -> None:
        """Get a new access token."""
        ...

    def get(self, paths: Iterable[str], *, mask: tuple[str, ...]) -> dict[str, Snapshot]:
        """Read documents, only the fields in ``mask``."""
        ...

    def run_query(self, target: QueryTarget) -> Iterator[Snapshot]:
        """Run a query."""
        ...


class StreamListener(Protocol):
    """The listener of a stream. Its methods run on the stream's thread, except for ``probe``."""

    def opening(self, outbox: Outbox) -> None:
        """Begin a new stream: put the requests that it sends first into the outbox."""
        ...

    def opened(self) -> None:
        """Have the stream checked from now on."""
        ...

    def greeted(self, *, faultless: bool) -> None:
        """Note the server's first answer, and what it says about itself.

        :param faultless: no commit is ever missed by a target, however they race.
        """
        ...

    def received(self, response: Any) -> None:
        """Take in a message of the server."""
        ...

    def closed(self) -> None:
        """Put nothing more into the outbox, because the stream has ended."""
        ...

    def refused(self, cause: str) -> None:
        """Note that the server refuses the stream altogether."""
        ...

    def broken(self, error: BaseException) -> None:
        """Note that a thread has ended by a mistake in the framework."""
        ...

    def probe(self) -> None:
        """Send something that the server must answer."""
        ...

    def awaits_answer(self) -> bool:
        """Whether the server has not answered everything that it was asked."""
        ...


@dataclass(frozen=True, slots=True)
class StreamPolicy:
    """The times after which a stream is opened, closed and probed.

    :param healthy_after_s: a stream that was open for this long is opened again at once.
    :param idle_after_s: how long a stream that nobody needs is kept.
    :param silent_after_s: how long the server may say nothing before it is probed.
    :param owing_after_s: the same while it has yet to say what it was asked.
    :param answer_within_s: how long it may take to respond to the probe.
    :param catch_up_within_s: how long a target that has not caught up again, after a reconnect
        or a reset, may keep all others waiting.
    :param join_within_s: how long a new target waits at the most for those that came before it.
    :param refused_after_s: how long a server that lets us in no more is asked again before the
        listener is told that it refuses.
    """

    backoff: BackoffPolicy = field(default_factory=BackoffPolicy)
    healthy_after_s: float = 10.0
    idle_after_s: float = 60.0
    silent_after_s: float = 60.0
    owing_after_s: float = 5.0
    answer_within_s: float = 10.0
    catch_up_within_s: float = 60.0
    join_within_s: float = 2.0
    refused_after_s: float = 600.0


class Outbox:
    """The requests that a stream has yet to send; iterating waits for more until it is closed."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[Any] = SimpleQueue()

    def put(self, requests: Iterable[Any]) -> None:
        """Add a request, after those that were added before."""
        for request in requests:
            self._queue.put(request)

    def close(self) -> None:
        """Say that no more requests will come."""
        self._queue.put(None)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._queue.get, None)


class Stream:
    """A Listen stream that stays open while it is needed, and is opened again when it breaks."""

    def __init__(
        self,
        connection: Connection,
        listener: StreamListener,
        policy: StreamPolicy,
        *,
        clock: Callable[[], float],
        rng: Callable[[], float],
    ) -> None:
        self._connection = connection
        self._listener = listener
        self._policy = policy
        self._clock = clock
        self._backoff = Backoff(policy.backoff, rng)
        self._condition = threading.Condition()
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._demanded = False
        self._idle_since = 0.0
        self._call: Any = None
        self._heard_at = 0.0
        self._probed_at: float | None = None
        self._was_let_in = False
        self._refused_since: float | None = None
        #: Since when the server has been seen to owe an answer.
        self._owing_since: float | None = None

    @property
    def refused_s(self) -> float:
        """The time in seconds since the server refuses the stream; 0 while it does not."""
        since = self._refused_since
        return 0.0 if since is None else self._clock() - since

    def start(self) -> None:
        """Open a stream as soon as one is needed."""
        self._thread = OwnThread(
            self._run,
            name="flask-boiler-listen",
            stops="no change arrives any more",
            on_failure=self._listener.broken,
        )
        self._thread.start()

    def stop(self) -> None:
        """End the stream, and return when its thread has ended, unless this is it."""
        with self._condition:
            self._stopping = True
            self._cancel()
            self._condition.notify_all()
        if self._thread is not None:
            join(self._thread)

    def demand(self, demanded: bool) -> None:
        """Say whether anybody needs the stream."""
        with self._condition:
            if self._demanded and not demanded:
                self._idle_since = self._clock()
            self._demanded = demanded
            self._condition.notify_all()

    def restart(self) -> None:
        """Replace the present stream by a new one."""
        with self._condition:
            self._cancel()

    def check(self, now: float) -> float:
        """Close the stream if it is idle; probe or restart it if it is silent.

        :returns: when to check again.
        """
        # Asked before anything is locked here: the listener has a lock, and calls this stream.
        owing = self._listener.awaits_answer()
        with self._condition:
            if self._call is None:
                return math.inf
            self._owing_since = (self._owing_since or now) if owing else None
            idle_at = math.inf if self._demanded else self._idle_since + self._policy.idle_after_s
            if now >= idle_at:
                self._cancel()
                return math.inf
            due = self._check_silence(now)
        if due is None:
            self._listener.probe()
            due = now + self._policy.answer_within_s
        return min(idle_at, due)

    def _check_silence(self, now: float) -> float | None:
        """The time of the next check; ``None`` if a probe is due."""
        if self._probed_at is not None and self._heard_at > self._probed_at:
            self._probed_at = None
        if self._probed_at is None:
            silent_at = self._silent_at()
            if now < silent_at:
                return silent_at
            self._probed_at = now
            return None
        dead_at = self._probed_at + self._policy.answer_within_s
        if now < dead_at:
            return dead_at
        _logger.warning("the Listen stream did not answer a probe; a new one is opened")
        self._cancel()
        return math.inf

    def _silent_at(self) -> float:
        """The time at which the silence will have lasted too long."""
        silent_at = self._heard_at + self._policy.silent_after_s
        if self._owing_since is None:
            return silent_at
        return min(silent_at, max(self._heard_at, self._owing_since) + self._policy.owing_after_s)

    def _cancel(self) -> None:
        if self._call is not None:
            self._call.cancel()

    def _run(self) -> None:
        while self._await_demand():
            opened_at = self._clock()
            error = self._converse()
            if self._stopping or not self._demanded:
                continue
            self._prepare_retry(error)
            was_healthy = self._clock() - opened_at >= self._policy.healthy_after_s
            if error.is_final or not was_healthy:
                self._wait(self._backoff.next_delay_s())

    def _await_demand(self) -> bool:
        with self._condition:
            self._condition.wait_for(lambda: self._stopping or self._demanded)
            return not self._stopping

    def _wait(self, delay_s: float) -> None:
        until = self._clock() + delay_s
        with self._condition:
            while not self._stopping and (left_s := until - self._clock()) > 0:
                self._condition.wait(left_s)

    def _converse(self) -> _Ending:
        """Open a stream, and listen to it until it ends."""
        outbox = Outbox()
        try:
            self._listener.opening(outbox)
            call = self._connection.listen(iter(outbox))
            if self._open(call):
                self._listener.opened()
                self._read(call)
            return _Ending(grpc.StatusCode.OK, "the server closed the stream")
        except grpc.RpcError as error:
            return _Ending.of(error)
        except BaseException as error:
            # Credentials, for one, are made by an application's code.
            _logger.exception("the Listen stream failed; a new one is opened")
            return _Ending(grpc.StatusCode.UNKNOWN, str(error))
        finally:
            self._close(outbox)

    def _open(self, call: Any) -> bool:
        with self._condition:
            self._call = call
            self._heard_at = self._clock()
            self._probed_at = None
            if self._stopping:
                call.cancel()
            return not self._stopping

    def _read(self, call: Any) -> None:
        clock, received = self._clock, self._listener.received
        first = True
        for response in call:
            self._heard_at = clock()
            if first:
                self._backoff.reset()
                self._was_let_in, self._refused_since = True, None
                self._listener.greeted(faultless=self._connection.is_faultless(call))
                first = False
            received(response)

    def _close(self, outbox: Outbox) -> None:
        with self._condition:
            self._cancel()
            self._call = None
        outbox.close()
        self._listener.closed()

    def _prepare_retry(self, ending: _Ending) -> None:
        if ending.code in _REFUSALS and self._refused_since is None:
            self._refused_since = self._clock()
        if ending.code == grpc.StatusCode.UNAUTHENTICATED:
            self._refresh_credentials()
        if ending.code == grpc.StatusCode.RESOURCE_EXHAUSTED:
            self._backoff.exhaust()
        elif ending.code in _REFUSALS and not self._is_refused_for_good(ending):
            _logger.error("the server refuses the Listen stream, and is asked again: %s", ending)
        elif ending.is_final or ending.code in _REFUSALS:
            _logger.error("the server refuses the Listen stream: %s", ending)
            self._backoff.exhaust()
            self._listener.refused(str(ending))
        else:
            _logger.info("the Listen stream ended and is opened again: %s", ending)

    def _is_refused_for_good(self, ending: _Ending) -> bool:
        """Whether the listener must be told, because waiting will not help."""
        lasts = self.refused_s >= self._policy.refused_after_s
        # Who was never let in may be set up wrongly.
        return lasts or (ending.is_final and not self._was_let_in)

    def _refresh_credentials(self) -> None:
        try:
            self._connection.refresh_credentials()
        except BaseException:
            # The stream will be refused again, and this tried again after a longer wait.
            _logger.exception("could not get new credentials for the Listen stream")


@dataclass(frozen=True, slots=True)
class _Ending:
    """The reason why a stream ended."""

    code: grpc.StatusCode
    details: str

    @classmethod
    def of(cls, error: Any) -> _Ending:
        return cls(error.code(), error.details() or "")

    @property
    def is_final(self) -> bool:
        """Whether another attempt soon would be useless."""
        return self.code not in _RETRIED

    def __str__(self) -> str:
        return f"{self.code.name}: {self.details}"
