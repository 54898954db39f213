"""The embedded server for clients in its own process: its calls without a connection."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import grpc

from flask_boiler.local.embedded.listening.faults import Faults
from flask_boiler.local.embedded.listening.listen_stream import ListenPolicy
from flask_boiler.local.embedded.serving.duplex import with_threads
from flask_boiler.local.embedded.serving.server import handlers_of
from flask_boiler.local.embedded.serving.service import Service
from flask_boiler.local.embedded.serving.streams import GREETING, Streams
from flask_boiler.local.embedded.storage.refusal import Refusal
from flask_boiler.local.embedded.storage.storage import Storage

__all__ = ["InProcessChannel"]

Serialize = Callable[[Any], bytes]
Deserialize = Callable[[bytes], Any]


class InProcessChannel:
    """A server with an empty storage in memory, and the gRPC channel to it.

    It has as much of a channel as :class:`~flask_boiler.firestore.datastore.FirestoreDatastore`
    uses. Calls are done on the caller's thread. What is refused is raised as gRPC raises it.

    :param faults: what is to go wrong with calls and streams.
    """

    def __init__(self, *, faults: Faults | None = None) -> None:
        self.storage = Storage()
        self._policy = ListenPolicy()
        service = Service(self.storage)
        self._streams = Streams(service, faults or Faults(), self._policy)
        answering = service if faults is None else faults.on_calls_of(service)
        self._handlers = handlers_of(answering, self._streams)

    def unary_unary(
        self, method: str, request_serializer: Serialize, response_deserializer: Deserialize
    ) -> _UnaryCalls:
        """A call with one answer."""
        return _UnaryCalls(self._handler(method), request_serializer, response_deserializer)

    def unary_stream(
        self, method: str, request_serializer: Serialize, response_deserializer: Deserialize
    ) -> Callable[..., _Answers]:
        """A call with many answers."""
        handler = self._handler(method)

        def call(request: Any, **options: Any) -> _Answers:
            message = handler.request_deserializer(request_serializer(request))
            answers = handler.unary_stream(message, _CONTEXT)
            return _Answers(response_deserializer(handler.response_serializer(a)) for a in answers)

        return call

    def stream_stream(
        self, method: str, request_serializer: Serialize, response_deserializer: Deserialize
    ) -> Callable[..., _ListenCall]:
        """The Listen call; there is no other one of its kind here."""

        def call(requests: Iterator[Any], **options: Any) -> _ListenCall:
            return _ListenCall(
                self._streams, requests, response_deserializer, beat_s=self._policy.heartbeat_s
            )

        return call

    def close(self) -> None:
        """Let go of the storage; all calls are over."""
        self._streams.stop()
        self.storage.close()

    def _handler(self, method: str) -> Any:
        return self._handlers[method.rpartition("/")[2]]


class _Status(grpc.RpcError):
    """The status of a call that was refused."""

    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        super().__init__(f"{code.name}: {details}")
        self._code, self._details = code, details

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return self._details


class _Context:
    """The context of a call, for its handler."""

    @staticmethod
    def abort(code: grpc.StatusCode, details: str) -> None:
        raise _Status(code, details)


_CONTEXT = _Context()


class _UnaryCalls:
    """Makes calls of one method."""

    def __init__(self, handler: Any, serialize: Serialize, deserialize: Deserialize) -> None:
        self._handler = handler
        self._serialize = serialize
        self._deserialize = deserialize

    def future(self, request: Any, **options: Any) -> _Answer:
        """A call that is done when its answer is asked for."""
        return _Answer(lambda: self._call(request))

    def _call(self, request: Any) -> Any:
        handler = self._handler
        message = handler.request_deserializer(self._serialize(request))
        answer = handler.unary_unary(message, _CONTEXT)
        return self._deserialize(handler.response_serializer(answer))


class _Answer:
    """The answer to a call."""

    def __init__(self, ask: Callable[[], Any]) -> None:
        self._ask = ask

    def result(self) -> Any:
        """The message; raises the status."""
        return self._ask()

    def cancel(self) -> None:
        """Nobody waits: it is done at once."""


class _Answers:
    """The answers to a call, one by one."""

    def __init__(self, answers: Iterator[Any]) -> None:
        self._answers = answers

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return next(self._answers)

    def cancel(self) -> None:
        """Nobody waits: they are there at once."""


class _ListenCall:
    """One Listen stream: the client's call and the server's context at once."""

    def __init__(
        self, streams: Streams, requests: Iterator[Any], deserialize: Deserialize, *, beat_s: float
    ) -> None:
        self._streams = streams
        self._requests = requests
        self._deserialize = deserialize
        self._beat_s = beat_s
        self._lock = threading.Lock()
        self._is_cancelled = False
        self._callbacks: list[Callable[[], None]] = []

    def __iter__(self) -> Iterator[Any]:
        handler = self._streams.listen_stream()
        try:
            for said in with_threads(handler, self._requests, self, beat_s=self._beat_s):
                yield self._deserialize(said)
        except Refusal as refusal:
            raise _Status(refusal.code, refusal.details) from refusal

    def initial_metadata(self) -> Any:
        """The metadata that the server sends about itself."""
        return GREETING

    def add_callback(self, callback: Callable[[], None]) -> bool:
        """Call this at the end; whether that is yet to come."""
        with self._lock:
            if not self._is_cancelled:
                self._callbacks.append(callback)
            return not self._is_cancelled

    def cancel(self) -> None:
        """End the stream, from any thread."""
        with self._lock:
            self._is_cancelled = True
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()
