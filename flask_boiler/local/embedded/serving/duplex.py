"""gRPC calls in both directions that take a thread only while something is said.

gRPC's server for Python gives each such call a thread for as long as it is open, and one more to
hear the client while it speaks: a thousand listeners were two thousand threads. But all that its
threads do is to wait for the events of a core that needs none. So a call is attached to these
events itself: what the client says comes in on the server's one thread; what is to be said to it is
worked out on a few threads that all calls share, and sent on when what went before is gone.

For that there is no public way, apart from ``grpc.aio``, which needs an event loop of its own for
everything, and so every other call costs more; it knows neither forks nor gevent. What is used of
the inside of gRPC is named in one place. A release of gRPC in which it is not there is served with
threads (:func:`is_possible`).
"""

from __future__ import annotations

import importlib
import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Protocol

import grpc

from flask_boiler.ground.lifecycle import DaemonPool, OwnThread
from flask_boiler.local.embedded.storage.refusal import Refusal

__all__ = ["Duplex", "StreamHandler", "is_possible", "with_threads"]

_log = logging.getLogger("flask_boiler.embedded")

_inside: Any = importlib.import_module("grpc._server")
_core: Any = importlib.import_module("grpc._cython.cygrpc")

_NEEDED = (
    "_get_initial_metadata_operation",
    "_is_rpc_state_active",
    "_receive_message",
    "_send_message",
    "_status",
    "_RECEIVE_MESSAGE_TOKEN",
    "_SEND_INITIAL_METADATA_AND_SEND_MESSAGE_TOKEN",
    "_SEND_MESSAGE_TOKEN",
)
_NO_FLAGS = 0
#: Of what is worked out and not sent yet, in messages and bytes.
_MOST_AHEAD = 256
_MOST_BYTES_AHEAD = 256 * 1024


def is_possible() -> bool:
    """Whether this release of gRPC has what is needed."""
    return all(hasattr(_inside, name) for name in _NEEDED)


class StreamHandler(Protocol):
    """The stream that a client speaks with. All but ``speak`` and ``leave`` return at once."""

    @property
    def has_room(self) -> bool:
        """Whether it takes another request already."""
        ...

    def beat(self) -> None:
        """Note that it has said nothing for long."""
        ...

    def attend(self, wake: Callable[[], None]) -> None:
        """Call this from now on whenever there may be something to say."""
        ...

    def hear(self, request: Any) -> None:
        """The client said this."""
        ...

    def hear_all(self) -> None:
        """Note that the client will say nothing more."""
        ...

    def hang_up(self) -> None:
        """The client is gone."""
        ...

    @property
    def is_over(self) -> bool:
        """Whether nothing more will be said, apart from why."""
        ...

    def speak(self) -> Iterator[bytes]:
        """The messages that are due now, serialized; never waits for the client.

        :raises Refusal: the stream ends with a code.
        """
        ...

    def leave(self) -> None:
        """End, however it came about; nothing is said meanwhile."""
        ...


class Duplex:
    """A call in both directions. Its handler speaks on the threads of a pool, a turn at a time.

    :param context: gRPC's, of a behaviour that is called without blocking.
    :param parse: makes a request of its bytes.
    :param translate: what a handler's error amounts to.
    :param done: called once when all is over.
    :param greeting: what the client is told before everything else: metadata.
    """

    def __init__(
        self,
        context: Any,
        handler: StreamHandler,
        threads: DaemonPool,
        *,
        parse: Callable[[bytes], Any],
        translate: Callable[[Exception], Refusal],
        done: Callable[[Duplex], None],
        greeting: tuple[tuple[str, str], ...] | None = None,
    ) -> None:
        self._context = context
        self._state = context._state
        self._call = context._rpc_event.call
        self._handler = handler
        self._threads = threads
        self._parse = parse
        self._translate = translate
        self._done = done
        self._greeting = greeting
        self._lock = threading.Lock()
        #: Whether a thread of the pool is at it, or will be, or gRPC is sending.
        self._is_busy = False
        #: Woken meanwhile.
        self._again = False
        self._is_gone = False
        self._is_receiving = False
        self._has_heard_all = False
        # The turn's own.
        self._saying: Iterator[bytes] | None = None
        self._ahead: deque[bytes] = deque()
        self._ending: Refusal | None = None
        self._is_finished = False
        self._spoke_at_s = time.monotonic()
        self._sending_since_s = math.inf

    def begin(self) -> None:
        """Hear the client from now on, and have the handler speak."""
        self._handler.attend(self.wake)
        if not self._context.add_callback(self._hung_up):
            self._hung_up()
            return
        self._receive()
        self.wake()

    def wake(self) -> None:
        """There may be something to say; returns at once."""
        with self._lock:
            if self._is_busy:
                self._again = True
                return
            self._is_busy = True
        self._submit()

    def refuse(self, refusal: Refusal) -> None:
        """End it before it has begun."""
        self._finish(refusal)

    def look_after(self, *, beat_s: float, stuck_s: float) -> None:
        """Have it say that it is there, or give the client up."""
        now_s = time.monotonic()
        if now_s - self._sending_since_s > stuck_s:
            # It takes nothing, so not even this is told it in order.
            details = f"the client has taken nothing of what it was told for {stuck_s:g} s"
            self._call.cancel(grpc.StatusCode.UNAVAILABLE.value[0], details)
        elif now_s - self._spoke_at_s > beat_s and not self._is_busy:
            self._handler.beat()

    def _submit(self) -> None:
        try:
            self._threads.submit(self._take_turn)
        except RuntimeError:
            # The server has stopped meanwhile, and with it all calls.
            self._finish()

    # Hearing, on gRPC's thread.

    def _receive(self) -> None:
        state = self._state
        with state.condition:
            if not _inside._is_rpc_state_active(state) or self._is_receiving:
                return
            self._is_receiving = True
            received = _inside._receive_message(state, self._call, self._parse)
            operation = _core.ReceiveMessageOperation(_NO_FLAGS)
            self._call.start_server_batch((operation,), lambda event: self._hear(received, event))
            state.due.add(_inside._RECEIVE_MESSAGE_TOKEN)

    def _hear(self, received: Callable[[Any], Any], event: Any) -> Any:
        finished = received(event)
        state = self._state
        with state.condition:
            request, state.request = state.request, None
            self._is_receiving = False
        if request is None:
            self._has_heard_all = True
            self._handler.hear_all()
        else:
            self._handler.hear(request)
            if self._handler.has_room:
                self._receive()
        return finished

    def _hung_up(self) -> None:
        self._is_gone = True
        self._handler.hang_up()
        self.wake()

    # Speaking, on a thread of the pool, until gRPC has something to send.

    def _take_turn(self) -> None:
        while True:
            with self._lock:
                self._again = False
            if self._is_finished:
                return
            # Asked for before: why it is over is said when it speaks.
            is_over = self._handler.is_over
            try:
                self._work_out()
            except Exception as error:
                # What was said before is told first.
                self._ending, self._saying = self._translate(error), None
            if self._handler.has_room and not self._has_heard_all:
                self._receive()
            if self._ahead and self._send():
                return
            if self._is_gone or self._ending or (is_over and self._saying is None):
                self._finish(self._ending)
                return
            if self._may_rest():
                return

    def _work_out(self) -> None:
        """Have the handler send a part of its messages."""
        if self._is_gone:
            self._ahead.clear()
        if self._is_gone or self._ending:
            return
        if self._saying is None:
            self._saying = self._handler.speak()
        size = 0
        while len(self._ahead) < _MOST_AHEAD and size < _MOST_BYTES_AHEAD:
            message = next(self._saying, None)
            if message is None:
                self._saying = None
                break
            self._ahead.append(message)
            size += len(message)
        self._spoke_at_s = time.monotonic()

    def _finish(self, refusal: Refusal | None = None) -> None:
        if self._is_finished:
            return
        self._is_finished = True
        self._saying = None
        self._ahead.clear()
        self._handler.leave()
        if refusal is not None:
            self._context.set_code(refusal.code)
            self._context.set_details(refusal.details)
        if not self._is_gone:
            _inside._status(self._context._rpc_event, self._state, None)
        self._done(self)

    # Sending, on gRPC's thread from the second message on.

    def _send(self) -> bool:
        """Begin to send what is next; whether that is possible."""
        state = self._state
        with state.condition:
            if not _inside._is_rpc_state_active(state):
                self._is_gone = True
                return False
            operation = _core.SendMessageOperation(self._ahead.popleft(), _NO_FLAGS)
            operations: tuple[Any, ...] = (operation,)
            token = _inside._SEND_MESSAGE_TOKEN
            if state.initial_metadata_allowed:
                beginning = _inside._get_initial_metadata_operation(state, self._greeting)
                operations = (beginning, operation)
                state.initial_metadata_allowed = False
                token = _inside._SEND_INITIAL_METADATA_AND_SEND_MESSAGE_TOKEN
            sent = _inside._send_message(state, token)
            self._sending_since_s = time.monotonic()
            self._call.start_server_batch(operations, lambda event: self._sent(sent, event))
            state.due.add(token)
        return True

    def _sent(self, sent: Callable[[Any], Any], event: Any) -> Any:
        finished = sent(event)
        self._sending_since_s = math.inf
        if self._ahead and self._send():
            return finished
        if not self._may_rest():
            self._submit()
        return finished

    def _may_rest(self) -> bool:
        """Whether nothing is to be done until it is woken."""
        with self._lock:
            is_ending = self._is_gone or self._ending or self._handler.is_over
            if self._again or self._saying is not None or is_ending:
                return False
            self._is_busy = False
            return True


def with_threads(
    handler: StreamHandler, requests: Iterator[Any], context: Any, *, beat_s: float
) -> Iterator[bytes]:
    """The messages of a handler, on the call's thread and one more, which hears the client.

    This is how a release of gRPC is served in which a :class:`Duplex` is not possible.

    :raises Refusal: the stream ends with a code.
    """
    woken = threading.Event()
    handler.attend(woken.set)
    if not context.add_callback(handler.hang_up):
        return
    hearing = OwnThread(
        partial(_hear_all, requests, handler),
        name="embedded-firestore-hears",
        stops="a stream hears its client no more",
        on_failure=lambda error: handler.hang_up(),
    )
    hearing.start()
    try:
        while not handler.is_over:
            woken.clear()
            yield from handler.speak()
            if not handler.is_over and not woken.wait(beat_s):
                handler.beat()
        yield from handler.speak()
    finally:
        handler.leave()


def _hear_all(requests: Iterator[Any], handler: StreamHandler) -> None:
    try:
        for request in requests:
            handler.hear(request)
        handler.hear_all()
    # The call is over, however it ended; its context tells so, too.
    except Exception:
        handler.hang_up()
