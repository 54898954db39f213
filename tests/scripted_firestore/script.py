"""A Listen server that says what a test tells it to."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Any

import grpc

from flask_boiler.local.embedded.storage.refusal import Refusal
from tests.scripted_firestore.grpc_server import GrpcServer, listening

_PATIENCE_S = 10.0


class ScriptedStream:
    """One Listen stream, from the server's side."""

    def __init__(self) -> None:
        self._requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._responses: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._cancelled = threading.Event()

    def receive(self) -> Any:
        """The next request of the client."""
        return self._requests.get(timeout=_PATIENCE_S)

    def receive_addition(self) -> Any:
        """The target of the next request, which must add one."""
        request = self.receive()
        assert request.WhichOneof("target_change") == "add_target", request
        return request.add_target

    def receive_removal(self) -> int:
        """The target id of the next request, which must remove one."""
        request = self.receive()
        assert request.WhichOneof("target_change") == "remove_target", request
        return int(request.remove_target)

    def has_request(self) -> bool:
        """Whether the client said something that was not received yet."""
        return not self._requests.empty()

    def send(self, *responses: Any) -> None:
        """Say this."""
        for response in responses:
            self._responses.put(response)

    def end(self, code: grpc.StatusCode | None = None, details: str = "ended by the test") -> None:
        """End the stream, with a code or without an error."""
        self._responses.put(None if code is None else Refusal(code, details))

    def wait_cancelled(self) -> None:
        """Wait until the call is over."""
        assert self._cancelled.wait(_PATIENCE_S), "the client did not end the stream"

    def serve(self, requests: Iterator[Any], context: Any) -> Iterator[Any]:
        if not context.add_callback(self._finish):
            self._finish()
        threading.Thread(target=self._hear_all, args=(requests,), daemon=True).start()
        while (response := self._responses.get()) is not None:
            if isinstance(response, Refusal):
                raise response
            yield response

    def _finish(self) -> None:
        self._cancelled.set()
        self._responses.put(None)

    def _hear_all(self, requests: Iterator[Any]) -> None:
        try:
            for request in requests:
                self._requests.put(request)
        # The call is over, however it ended; the context's callback has told so.
        except Exception:
            self._finish()


class ScriptServer:
    """Hands each Listen stream that a client opens to the test."""

    def __init__(self) -> None:
        self._streams: queue.SimpleQueue[ScriptedStream] = queue.SimpleQueue()
        self._server = GrpcServer({"Listen": listening(self._listen)})
        self.address = self._server.address

    def __enter__(self) -> ScriptServer:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.stop()

    def accept(self) -> ScriptedStream:
        """The next stream that the client opens."""
        return self._streams.get(timeout=_PATIENCE_S)

    def has_stream(self) -> bool:
        """Whether the client opened a stream that was not accepted yet."""
        return not self._streams.empty()

    def _listen(self, requests: Iterator[Any], context: Any) -> Iterator[Any]:
        stream = ScriptedStream()
        self._streams.put(stream)
        return stream.serve(requests, context)
