"""One connection of HTTP/1.1 on an event loop, and what bounds all of them together.

What comes from outside is bounded in size, count and time, whoever sends it: headers, bodies,
connections, requests that wait, how slowly something may be sent, how slowly it may be read. The
loop's thread parses and writes, and a pool of threads answers; there are no others.
"""

from __future__ import annotations

import asyncio
import logging
import re
import tempfile
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from typing import IO, Any, NamedTuple, Protocol, cast

import grpc
import h11

from flask_boiler.local.embedded.storage.refusal import Refusal

__all__ = ["Answer", "FileSource", "Head", "HttpHandler", "HttpLimits", "HttpServing", "Source"]

_log = logging.getLogger("flask_boiler.embedded")

_MIB = 1024 * 1024
_PIECE = 256 * 1024
#: How many parts of a request are looked at before others have their turn.
_PARTS_A_TURN = 100
#: How a target begins that names the host, too.
_ABSOLUTE = re.compile(r"[a-z][a-z0-9+.-]*://([^/?#]*)", re.IGNORECASE)


class HttpLimits(NamedTuple):
    """The bounds of what may come from outside.

    :param connections: how many are open.
    :param calls: how many requests are being answered, or wait for it.
    :param header_bytes: how long a request is without its body.
    :param bodies_bytes: how much of bodies is held in memory, of all requests together.
    :param idle_s: how long a connection is kept without a request.
    :param headers_s: how long a request may take to come, without its body.
    :param body_grace_s: how long its body may take, beside a second for ``body_bytes_per_s``.
    :param unread_s: how long an answer waits for somebody who does not read it.
    :param linger_s: how long is waited for who still sends what is not read any more.
    """

    connections: int = 512
    calls: int = 256
    header_bytes: int = 64 * 1024
    bodies_bytes: int = 256 * _MIB
    idle_s: float = 60.0
    headers_s: float = 10.0
    body_grace_s: float = 20.0
    body_bytes_per_s: int = 64 * 1024
    unread_s: float = 30.0
    linger_s: float = 2.0


class Source(Protocol):
    """An answer that is not known at once; used on the loop's thread."""

    def open(self, wake: Callable[[], None]) -> None:
        """Call this, on any thread, when there is more after there was nothing."""
        ...

    def take(self) -> bytes | None:
        """The next piece; ``None``: nothing yet; empty: it is over."""
        ...

    def close(self) -> None:
        """End the source, whether or not all of it was taken."""
        ...


class FileSource:
    """The content of a file from its present position; closes it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def open(self, wake: Callable[[], None]) -> None:
        """There is always more, or the end."""

    def take(self) -> bytes | None:
        """The next piece."""
        return self._file.read(_PIECE)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


@dataclass(slots=True)
class Head:
    """A request without its body."""

    method: str
    #: As it came; what is escaped in it still is.
    path: str
    query: str
    headers: dict[str, str]
    #: The handler has looked whose it is, and serves it.
    is_admitted: bool = False


@dataclass(slots=True)
class Answer:
    """The answer to a request: its content, or a source of it."""

    status: HTTPStatus = HTTPStatus.OK
    content: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    headers: list[tuple[str, str]] = field(default_factory=list)
    source: Source | None = None
    #: Of what the source gives; ``None``: that is not known.
    length: int | None = None


class HttpHandler(Protocol):
    """A handler of requests: what is served."""

    def expect(self, head: Head) -> tuple[int, bool]:
        """The largest size of the body, and whether a file keeps it; on the loop's thread.

        :raises Refusal: it is not served; the body is not read.
        """
        ...

    def answer(self, head: Head, body: IO[bytes] | bytes) -> Answer:
        """The answer, of one of the pool's threads."""
        ...

    def refused(self, head: Head | None, refusal: Refusal, status: HTTPStatus | None) -> Answer:
        """The answer that tells a refusal.

        :param head: ``None``: what came is no request.
        :param status: ``None``: it follows from the refusal.
        """
        ...


class HttpServing:
    """Serves all connections of one server, on one loop.

    :param pool: where requests are answered.
    """

    def __init__(
        self, handler: HttpHandler, pool: Executor, limits: HttpLimits | None = None
    ) -> None:
        self.handler = handler
        self.limits = limits or HttpLimits()
        self._pool = pool
        self._loop: asyncio.AbstractEventLoop | None = None
        # The loop's thread's.
        self._connections = 0
        self._calls = 0
        self._bodies_bytes = 0
        self._warned: set[str] = set()

    def connection(self, loop: asyncio.AbstractEventLoop) -> asyncio.Protocol:
        """The protocol that serves a new connection."""
        self._loop = loop
        return _Connection(self, loop)

    def enter(self) -> bool:
        """Count a connection; whether there is room for it."""
        if self._connections >= self.limits.connections:
            return False
        self._connections += 1
        return True

    def leave(self) -> None:
        """Count one connection less: it has ended."""
        self._connections -= 1

    def hold(self, count: int) -> bool:
        """Hold so much more of bodies (or, below zero, less); whether there is room for it."""
        if count > 0 and self._bodies_bytes + count > self.limits.bodies_bytes:
            return False
        self._bodies_bytes += count
        return True

    def full(self, what: str) -> Refusal:
        """The refusal of what there is no room for; it is logged the first time."""
        message = f"The embedded Firestore has no room for more {what}; try again later"
        if what not in self._warned:
            self._warned.add(what)
            _log.warning("%s. It is said once", message)
        return Refusal(grpc.StatusCode.UNAVAILABLE, message)

    def submit(self, head: Head, body: IO[bytes] | bytes, tell: Callable[[Answer], None]) -> bool:
        """Answer on the pool, and tell it on the loop; whether there is room for it."""
        if self._calls >= self.limits.calls:
            return False
        self._calls += 1

        def told(answer: Answer) -> None:
            self._calls -= 1
            tell(answer)

        def run() -> None:
            answer = self._answer(head, body)
            if not self.soon(lambda: told(answer)) and answer.source is not None:
                answer.source.close()

        try:
            self._pool.submit(run)
        except RuntimeError:
            # It is being stopped.
            self._calls -= 1
            return False
        return True

    def _answer(self, head: Head, body: IO[bytes] | bytes) -> Answer:
        try:
            return self.handler.answer(head, body)
        # Whoever waits for an answer gets one, and its place is given back.
        except Exception:
            _log.exception("%s %s went wrong", head.method, head.path)
            told = "The request went wrong; see the log of the embedded Firestore"
            return self.handler.refused(head, Refusal(grpc.StatusCode.INTERNAL, told), None)

    def soon(self, call: Callable[[], None]) -> bool:
        """Have something done on the loop's thread; whether there is one still."""
        try:
            cast(Any, self._loop).call_soon_threadsafe(call)
        except RuntimeError:
            return False
        return True


class _Connection(asyncio.Protocol):
    """Requests one after the other. All of it runs on the loop's thread."""

    def __init__(self, serving: HttpServing, loop: asyncio.AbstractEventLoop) -> None:
        self._serving = serving
        self._limits = serving.limits
        self._loop = loop
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=self._limits.header_bytes)
        self._transport: asyncio.Transport = cast(Any, None)
        self._timer: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        self._is_gone = False
        #: Nothing comes after the present request.
        self._is_last = False
        #: Nothing that comes is looked at any more.
        self._is_lingering = False
        self._is_counted = False
        self._is_blocked = False
        self._source: Source | None = None
        # Of the present request.
        self._head: Head | None = None
        self._is_coming = False
        self._is_answering = False
        self._most = 0
        self._received = 0
        self._since_s = 0.0
        # Not a list: pieces of a body may be as small as it pleases who sends it.
        self._body = bytearray()
        self._file: IO[bytes] | None = None

    # What asyncio tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=_PIECE)
        self._is_counted = self._serving.enter()
        if self._is_counted:
            self._wait(self._limits.idle_s, self._close)
        else:
            self._refuse(self._serving.full("connections"))

    def data_received(self, data: bytes) -> None:
        if self._is_lingering:
            return
        if self._head is None and not self._is_coming:
            self._is_coming = True
            self._wait(self._limits.headers_s, self._too_slow)
        self._http.receive_data(data)
        if self._is_answering:
            # Requests that come before the last is answered wait, but not without end.
            if len(self._http.trailing_data[0]) > self._limits.header_bytes:
                self._transport.pause_reading()
            return
        self._advance()

    def eof_received(self) -> bool:
        # Who only ends to send may still wait for the answer; to a stream, nobody listens.
        self._is_last = True
        return self._is_answering and self._source is None and not self._is_lingering

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_gone = True
        self._stop_waiting()
        self._heed_unread(None)
        self._drop_body()
        self._close_source()
        if self._is_counted:
            self._serving.leave()

    def pause_writing(self) -> None:
        self._is_blocked = True
        self._heed_unread(self._loop.call_later(self._limits.unread_s, self._transport.abort))

    def resume_writing(self) -> None:
        self._is_blocked = False
        self._heed_unread(None)
        self._pump()

    # A request.

    def _advance(self) -> None:
        for _ in range(_PARTS_A_TURN):
            if self._is_answering or self._is_lingering or self._is_gone:
                return
            try:
                event = self._http.next_event()
                if isinstance(event, h11.Request):
                    self._hear_head(event)
                elif isinstance(event, h11.Data):
                    self._hear_body(bytes(event.data))
                elif isinstance(event, h11.EndOfMessage):
                    self._hear_end()
                elif isinstance(event, h11.ConnectionClosed):
                    self._close()
                else:
                    return
            except h11.RemoteProtocolError as error:
                status = HTTPStatus(error.error_status_hint)
                self._refuse(_malformed(str(error)), status)
            except _TooLarge as refusal:
                self._refuse(refusal, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            except Refusal as refusal:
                self._refuse(refusal)
        self._transport.pause_reading()
        self._loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        if not self._is_gone:
            self._transport.resume_reading()
            self._advance()

    def _hear_head(self, event: h11.Request) -> None:
        headers: dict[str, str] = {}
        for name, value in event.headers:
            key, text = name.decode("ascii"), value.decode("latin-1")
            headers[key] = f"{headers[key]}, {text}" if key in headers else text
        self._head = _head_of(event.method.decode("ascii"), event.target.decode("latin-1"), headers)
        self._most, in_file = self._serving.handler.expect(self._head)
        length = headers.get("content-length", "0")
        if int(length) > self._most:
            raise _TooLarge(self._most)
        if in_file:
            self._file = _temporary_file()
        if self._http.they_are_waiting_for_100_continue:
            self._send(h11.InformationalResponse(status_code=100, headers=[]))
        self._since_s = self._loop.time()
        self._wait(self._limits.body_grace_s, self._see_whether_it_comes)

    def _hear_body(self, data: bytes) -> None:
        self._received += len(data)
        if self._received > self._most:
            raise _TooLarge(self._most)
        if self._file is not None:
            _write(self._file, data)
        elif self._serving.hold(len(data)):
            self._body += data
        else:
            self._received -= len(data)
            raise self._serving.full("bodies of requests")

    def _see_whether_it_comes(self) -> None:
        expected = (self._loop.time() - self._since_s - self._limits.body_grace_s) * (
            self._limits.body_bytes_per_s
        )
        if self._received <= expected:
            self._too_slow()
        else:
            self._wait(self._limits.body_grace_s / 2, self._see_whether_it_comes)

    def _too_slow(self) -> None:
        self._refuse(_malformed("The request came too slowly"), HTTPStatus.REQUEST_TIMEOUT)

    def _hear_end(self) -> None:
        head, file = cast(Head, self._head), self._file
        if file is not None:
            file.seek(0)
        body = bytes(self._body) if file is None else file
        self._is_answering = True
        self._stop_waiting()
        if not self._serving.submit(head, body, self._tell):
            self._tell(self._serving.handler.refused(head, self._serving.full("requests"), None))

    def _drop_body(self) -> None:
        if self._file is not None:
            self._file.close()
        else:
            self._serving.hold(-self._received)
        self._received, self._body, self._file = 0, bytearray(), None

    # Its answer.

    def _refuse(self, refusal: Refusal, status: HTTPStatus | None = None) -> None:
        """Answer before the request is read to its end, and end the connection."""
        self._is_lingering = True
        if self._http.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self._close()
            return
        answer = self._serving.handler.refused(self._head, refusal, status)
        answer.headers.append(("Connection", "close"))
        self._tell(answer)

    def _tell(self, answer: Answer) -> None:
        self._source = answer.source
        if self._is_gone:
            self._close_source()
            return
        self._drop_body()
        self._do_or_abort(lambda: self._begin_answer(answer))

    def _do_or_abort(self, step: Callable[[], None]) -> None:
        try:
            step()
        # The loop would only log it, and the client wait for ever.
        except Exception:
            _log.exception("an answer could not be told")
            self._transport.abort()

    def _begin_answer(self, answer: Answer) -> None:
        headers = [
            *answer.headers,
            ("Date", formatdate(usegmt=True)),
            ("Content-Type", answer.content_type),
        ]
        length = answer.length if answer.source is not None else len(answer.content)
        if length is not None:
            headers.append(("Content-Length", str(length)))
        begin = h11.Response(
            status_code=answer.status,
            # Some tell what came, in which there may be any byte.
            headers=[(name.encode(), value.encode("latin-1")) for name, value in headers],
            reason=answer.status.phrase.encode(),
        )
        if self._head is not None and self._head.method == "HEAD":
            self._close_source()
            self._finish_answer(begin)
        elif self._source is None:
            self._finish_answer(begin, h11.Data(data=answer.content))
        else:
            self._send(begin)
            self._source.open(self._wake)
            self._pump()

    def _wake(self) -> None:
        self._serving.soon(self._pump)

    def _pump(self) -> None:
        """Write what the source gives, as fast as it is read."""
        self._do_or_abort(self._write_pieces)

    def _write_pieces(self) -> None:
        while self._source is not None and not (self._is_blocked or self._is_gone):
            piece = self._source.take()
            if piece is None:
                return
            if piece:
                self._send(h11.Data(data=piece))
            else:
                self._close_source()
                self._finish_answer()

    def _close_source(self) -> None:
        source, self._source = self._source, None
        if source is not None:
            source.close()

    def _finish_answer(self, *events: Any) -> None:
        self._send(*events, h11.EndOfMessage())
        self._end_answer()

    def _end_answer(self) -> None:
        if self._is_last:
            self._close()
        elif self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
            self._head, self._is_answering = None, False
            self._is_coming = bool(self._http.trailing_data[0])
            self._transport.resume_reading()
            self._wait(self._limits.idle_s, self._close)
            self._advance()
        else:
            self._linger()

    def _linger(self) -> None:
        """Close when the other has: who still sends would not be told, otherwise."""
        self._is_lingering = True
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self._wait(self._limits.linger_s, self._close)

    def _send(self, *events: Any) -> None:
        if data := b"".join(self._http.send(event) or b"" for event in events):
            self._transport.write(data)

    def _close(self) -> None:
        self._is_lingering = True
        self._transport.close()

    # Time.

    def _wait(self, seconds: float, then: Callable[[], None]) -> None:
        self._stop_waiting()
        self._timer = self._loop.call_later(seconds, then)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _heed_unread(self, timer: asyncio.TimerHandle | None) -> None:
        if self._unread is not None:
            self._unread.cancel()
        self._unread = timer


class _TooLarge(Refusal):
    """A body is larger than it may be."""

    def __init__(self, most: int) -> None:
        super().__init__(
            grpc.StatusCode.INVALID_ARGUMENT,
            f"The body of the request is larger than {most} bytes",
        )


def _head_of(method: str, target: str, headers: dict[str, str]) -> Head:
    """A request's head; the host that its target names is the one that counts."""
    if absolute := _ABSOLUTE.match(target):
        headers["host"] = absolute[1]
        target = target[absolute.end() :]
    path, _, query = target.partition("?")
    return Head(method, path or "/", query, headers)


def _malformed(message: str) -> Refusal:
    return Refusal(grpc.StatusCode.INVALID_ARGUMENT, message)


def _temporary_file() -> IO[bytes]:
    try:
        return tempfile.TemporaryFile()
    except OSError as error:
        raise _unkept(error) from error


def _write(file: IO[bytes], data: bytes) -> None:
    try:
        file.write(data)
    except OSError as error:
        raise _unkept(error) from error


def _unkept(error: OSError) -> Refusal:
    return Refusal(
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        f"What was sent cannot be kept in {tempfile.gettempdir()}: {error}. Make room and send it "
        "again",
    )
