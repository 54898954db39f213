"""One Write stream: commits, one after the other, each acknowledged with a token."""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from flask_boiler.firestore import protocol
from flask_boiler.local.embedded.listening.faults import Faults
from flask_boiler.local.embedded.serving.service import Service
from flask_boiler.local.embedded.storage.name_rules import check_world
from flask_boiler.local.embedded.storage.refusal import Refusal, invalid

__all__ = ["WriteStream"]

#: Of those that were not answered yet.
_MOST_REQUESTS = 100
_MOST_BYTES = 64 * 1024 * 1024


class WriteStream:
    """Answers ``WriteRequest`` messages in order.

    The first names the database and carries no writes. What follows may come before the answers
    to what went before. When one fails the stream ends, and nothing that follows it is done.
    """

    def __init__(self, service: Service, faults: Faults) -> None:
        self._service = service
        self._faults = faults
        self._wake: Callable[[], None] = lambda: None
        self._requests: deque[Any] = deque()
        # Each is counted by one thread alone.
        self._heard_bytes = 0
        self._answered_bytes = 0
        self._has_heard_all = False
        self._is_gone = False
        self._world = ""
        self._id = secrets.token_urlsafe(12)
        self._count = 0

    # Without a thread of its own; see ``duplex.StreamHandler``.

    def attend(self, wake: Callable[[], None]) -> None:
        """Call this from now on when there is something to do."""
        self._wake = wake

    @property
    def has_room(self) -> bool:
        """Whether it takes another request before it has answered those that it has."""
        count, size = self.waiting
        return count < _MOST_REQUESTS and size < _MOST_BYTES

    @property
    def waiting(self) -> tuple[int, int]:
        """The requests that were heard and are not answered yet: their number, and their bytes."""
        return len(self._requests), self._heard_bytes - self._answered_bytes

    def hear(self, request: Any) -> None:
        """Take a request of the client."""
        self._heard_bytes += request.ByteSize()
        self._requests.append(request)
        self._wake()

    def hear_all(self) -> None:
        """The client wants nothing more."""
        self._has_heard_all = True
        self._wake()

    def hang_up(self) -> None:
        """Note that the client is gone: requests that have not begun are dropped."""
        self._is_gone = True
        self._wake()

    def beat(self) -> None:
        """A client that asks for nothing is told nothing."""

    @property
    def is_over(self) -> bool:
        """Whether all is answered."""
        return self._is_gone or (self._has_heard_all and not self._requests)

    def speak(self) -> Iterator[bytes]:
        """The answers to what was heard, serialized.

        :raises Refusal: the stream ends with a code.
        """
        while self._requests and not self._is_gone:
            request = self._requests.popleft()
            self._answered_bytes += request.ByteSize()
            yield bytes(self.answer(request).SerializeToString())

    def leave(self) -> None:
        """Drop what is left undone: it is over."""
        self._requests.clear()

    def answer(self, request: Any) -> Any:
        """Do what a request asks for; the ``WriteResponse``.

        :raises Refusal: the stream ends with a code.
        """
        if not self._world:
            self._open(request)
            return self._response(stream_id=self._id)
        if request.database and request.database != self._world:
            raise invalid(f'The stream is of the database "{self._world}".')
        self._check_token(request.stream_token)
        if not request.writes:
            return self._response()
        self._faults.wait("Write")
        failure = self._faults.failure("Write")
        if failure is not None and not failure.applied:
            raise Refusal(failure.code, failure.details)
        done = self._service.commit(
            protocol.CommitRequest(database=self._world, writes=request.writes)
        )
        if failure is not None:
            raise Refusal(failure.code, failure.details)
        return self._response(write_results=done.write_results, commit_time=done.commit_time)

    def _open(self, request: Any) -> None:
        world = check_world(request.database)
        if request.stream_id:
            raise invalid(
                "A Write stream cannot be resumed: leave stream_id out to open a new one."
            )
        if request.writes:
            raise invalid("The first request of a Write stream must not contain writes.")
        self._world = world

    def _check_token(self, token: bytes) -> None:
        stream, _, count = token.rpartition(b":")
        if stream != self._id.encode() or not count.isdigit() or int(count) > self._count:
            raise invalid("The stream token is not one of this stream.")

    def _response(self, **fields: Any) -> Any:
        self._count += 1
        return protocol.WriteResponse(stream_token=f"{self._id}:{self._count}".encode(), **fields)
