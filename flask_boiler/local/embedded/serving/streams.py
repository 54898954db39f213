"""The Listen and Write calls, which are streams in both directions."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator
from typing import Any

import grpc

from flask_boiler.firestore import protocol
from flask_boiler.ground.lifecycle import DaemonPool, OwnThread
from flask_boiler.local.embedded.listening.faults import Faults
from flask_boiler.local.embedded.listening.listen_stream import ListenPolicy, ListenStream
from flask_boiler.local.embedded.listening.switchboard import Switchboard
from flask_boiler.local.embedded.listening.token_issuer import TokenIssuer
from flask_boiler.local.embedded.serving.duplex import (
    Duplex,
    StreamHandler,
    is_possible,
    with_threads,
)
from flask_boiler.local.embedded.serving.service import Service
from flask_boiler.local.embedded.serving.write_stream import WriteStream
from flask_boiler.local.embedded.storage.database import refusal_of
from flask_boiler.local.embedded.storage.refusal import Refusal

__all__ = ["GREETING", "Streams"]

_log = logging.getLogger("flask_boiler.embedded")

#: Those that all streams share: to work out what is said, and to do what is written.
_THREADS = 8
#: How often it is looked who has said nothing for long.
_LOOKS_A_BEAT = 4


class Streams:
    """All streams on one storage. May be used by any thread.

    However many there are, they share a few threads, which are started as they are needed.
    """

    def __init__(self, service: Service, faults: Faults, policy: ListenPolicy) -> None:
        self._service = service
        self._faults = faults
        self._policy = policy
        self._switchboard = Switchboard(service.storage.feed)
        self._tokens = TokenIssuer(service.storage)
        faults.expire_tokens = self._tokens.expire
        self._threads = DaemonPool(_THREADS, name="embedded-firestore-stream")
        self._lock = threading.Lock()
        self._open: set[Duplex] = set()
        self._stopping = threading.Event()
        self._heart: threading.Thread | None = None

    def listen_stream(self) -> ListenStream:
        """A Listen stream."""
        return ListenStream(
            self._service.storage, self._switchboard, self._tokens, self._faults, self._policy
        )

    def write_stream(self) -> WriteStream:
        """A Write stream."""
        return WriteStream(self._service, self._faults)

    def handlers(self) -> dict[str, grpc.RpcMethodHandler[Any, Any]]:
        """The handlers that gRPC calls, by the names of the calls."""
        if is_possible():
            return {
                "Listen": _conversing(self._begin_to_listen),
                "Write": _conversing(self._begin_to_write),
            }
        return {
            "Listen": grpc.stream_stream_rpc_method_handler(
                self._listen_with_threads, protocol.ListenRequest.FromString
            ),
            "Write": grpc.stream_stream_rpc_method_handler(
                self._write_with_threads, protocol.WriteRequest.FromString
            ),
        }

    def _begin_to_listen(self, context: Any) -> None:
        self._begin(self.listen_stream(), context, protocol.ListenRequest, GREETING)

    def _begin_to_write(self, context: Any) -> None:
        self._begin(self.write_stream(), context, protocol.WriteRequest)

    def _listen_with_threads(self, requests: Iterator[Any], context: Any) -> Iterator[bytes]:
        context.send_initial_metadata(GREETING)
        yield from self._with_threads(self.listen_stream(), requests, context)

    def _write_with_threads(self, requests: Iterator[Any], context: Any) -> Iterator[bytes]:
        yield from self._with_threads(self.write_stream(), requests, context)

    def _with_threads(
        self, handler: StreamHandler, requests: Iterator[Any], context: Any
    ) -> Iterator[bytes]:
        try:
            yield from with_threads(handler, requests, context, beat_s=self._policy.heartbeat_s)
        except Exception as error:
            refusal = self._refusal_of(error)
            context.abort(refusal.code, refusal.details)

    def stop(self) -> None:
        """Return when the threads are gone; all calls have ended before."""
        self._stopping.set()
        with self._lock:
            heart, self._heart = self._heart, None
        if heart is not None:
            heart.join()
        self._threads.shutdown()

    def _begin(
        self, handler: StreamHandler, context: Any, request: Any, greeting: Any = None
    ) -> None:
        call = Duplex(
            context,
            handler,
            self._threads,
            parse=request.FromString,
            translate=self._refusal_of,
            done=self._forget,
            greeting=greeting,
        )
        with self._lock:
            has_room = len(self._open) < self._policy.most_streams
            if has_room:
                self._open.add(call)
                self._start_heart()
        if has_room:
            call.begin()
        else:
            call.refuse(
                Refusal(
                    grpc.StatusCode.RESOURCE_EXHAUSTED,
                    f"This server has {self._policy.most_streams} Listen and Write streams open, "
                    "which is all that it carries: close some, or listen to several targets on one",
                )
            )

    def _forget(self, call: Duplex) -> None:
        with self._lock:
            self._open.discard(call)

    def _refusal_of(self, error: Exception) -> Refusal:
        if isinstance(error, Refusal):
            return error
        if isinstance(error, sqlite3.Error):
            return refusal_of(error, self._service.storage.path)
        _log.error("a stream of the embedded Firestore failed", exc_info=error)
        return Refusal(grpc.StatusCode.UNKNOWN, f"{type(error).__name__}: {error}")

    # Who says nothing for long, or takes nothing.

    def _start_heart(self) -> None:
        if self._heart is None and not self._stopping.is_set():
            self._heart = OwnThread(
                self._look_after_all,
                name="embedded-firestore-heart",
                stops="streams of the embedded Firestore that say nothing are not looked after",
            )
            self._heart.start()

    def _look_after_all(self) -> None:
        beat_s = self._policy.heartbeat_s
        while not self._stopping.wait(beat_s / _LOOKS_A_BEAT):
            with self._lock:
                calls = list(self._open)
            for call in calls:
                call.look_after(beat_s=beat_s, stuck_s=self._policy.stuck_s)


def _conversing(begin: Callable[[Any], None]) -> grpc.RpcMethodHandler[Any, Any]:
    """A call that is begun, and then takes no thread."""

    def handle(requests: Iterator[Any], context: Any, send: Callable[[Any], None]) -> None:
        begin(context)

    # gRPC's word for a behaviour that returns before its call is over.
    handle.experimental_non_blocking = True  # type: ignore[attr-defined]
    return grpc.stream_stream_rpc_method_handler(handle)


#: What clients of our own need not verify; see ``protocol.FAULTLESS``.
GREETING = ((protocol.FAULTLESS, "1"),)
