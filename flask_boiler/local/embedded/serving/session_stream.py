"""Streams that a WebChannel asks for what they have to say now, without waiting for more."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import grpc

from flask_boiler.firestore import protocol
from flask_boiler.local.embedded.listening import announcements
from flask_boiler.local.embedded.listening.listen_stream import ListenStream
from flask_boiler.local.embedded.serving.proto_json import message_of, plain_of
from flask_boiler.local.embedded.serving.streams import Streams
from flask_boiler.local.embedded.serving.write_stream import WriteStream
from flask_boiler.local.embedded.storage.refusal import Refusal

__all__ = ["SessionStream", "listen_stream", "write_stream"]

#: How many targets one stream of a browser may have.
_MOST_TARGETS = 1000
#: How much a client may have asked for, or written, that is not done yet.
_MOST_ASKED = 5000
_MOST_WAITING = 1000
_MOST_WAITING_BYTES = 32 * 1024 * 1024


class SessionStream(Protocol):
    """A stream. ``news`` and ``finish`` are called by one thread at a time."""

    def attend(self, wake: Callable[[], None]) -> None:
        """Call this, on any thread, when there may be something to say."""
        ...

    def hear(self, texts: Sequence[str]) -> None:
        """The client says these messages.

        :raises Refusal: INVALID_ARGUMENT, or RESOURCE_EXHAUSTED: none of them is heard.
        """
        ...

    def news(self) -> Iterator[dict[str, Any]]:
        """The messages that are due now.

        :raises Refusal: the stream ends with a code.
        """
        ...

    @property
    def is_closed(self) -> bool:
        """Whether it has ended without an error."""
        ...

    def beat(self) -> None:
        """Say that it is alive, where it is used to."""
        ...

    def finish(self) -> None:
        """Let go of everything."""
        ...


def listen_stream(streams: Streams) -> SessionStream:
    """A new Listen stream."""
    return _ListenEnd(streams.listen_stream())


def write_stream(streams: Streams) -> SessionStream:
    """A new Write stream."""
    return _WriteEnd(streams.write_stream())


class _ListenEnd:
    def __init__(self, listen_stream: ListenStream) -> None:
        self._listen_stream = listen_stream
        self._lock = threading.Lock()
        self._targets: set[int] = set()
        self._refused: deque[bytes] = deque()
        self._wake: Callable[[], None] = lambda: None
        self.beat = listen_stream.beat

    @property
    def is_closed(self) -> bool:
        return self._listen_stream.is_over

    def attend(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._listen_stream.attend(wake)

    def hear(self, texts: Sequence[str]) -> None:
        requests = [message_of(text, protocol.ListenRequest) for text in texts]
        count, size = self._listen_stream.waiting
        if (
            count + len(self._refused) + len(requests) > _MOST_ASKED
            or size + sum(map(len, texts)) > _MOST_WAITING_BYTES
        ):
            raise _too_much("requests")
        for request in requests:
            if self._has_room_for(request):
                self._listen_stream.hear(request)
            else:
                self._refused.append(_refusal_of(request))
                self._wake()

    def _has_room_for(self, request: Any) -> bool:
        with self._lock:
            match request.WhichOneof("target_change"):
                case "remove_target":
                    self._targets.discard(request.remove_target)
                case "add_target":
                    if len(self._targets) >= _MOST_TARGETS:
                        return False
                    self._targets.add(request.add_target.target_id)
        return True

    def news(self) -> Iterator[dict[str, Any]]:
        while self._refused:
            yield _plain(self._refused.popleft())
        for response in self._listen_stream.speak():
            plain = _plain(response)
            change = plain.get("targetChange", {})
            if change.get("targetChangeType") == "REMOVE":
                with self._lock:
                    self._targets.difference_update(change.get("targetIds", []))
            yield plain

    def finish(self) -> None:
        self._listen_stream.end(None)
        self._listen_stream.leave()


class _WriteEnd:
    is_closed = False

    def __init__(self, stream: WriteStream) -> None:
        self._stream = stream
        self.attend = stream.attend
        self.beat = stream.beat

    def hear(self, texts: Sequence[str]) -> None:
        requests = [message_of(text, protocol.WriteRequest) for text in texts]
        count, size = self._stream.waiting
        if (
            count + len(requests) > _MOST_WAITING
            or size + sum(map(len, texts)) > _MOST_WAITING_BYTES
        ):
            raise _too_much("writes")
        for request in requests:
            self._stream.hear(request)

    def news(self) -> Iterator[dict[str, Any]]:
        for response in self._stream.speak():
            yield plain_of(protocol.WriteResponse.FromString(response))

    def finish(self) -> None:
        self._stream.hang_up()
        self._stream.leave()


def _plain(response: bytes) -> dict[str, Any]:
    return plain_of(protocol.ListenResponse.FromString(response))


def _too_much(what: str) -> Refusal:
    return Refusal(
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        f"Too many {what} of this stream wait to be done; send them again later",
    )


def _refusal_of(request: Any) -> bytes:
    return announcements.removed(
        request.add_target.target_id,
        Refusal(
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            f"A stream listens to {_MOST_TARGETS} targets at most; stop listening to others",
        ),
    )
