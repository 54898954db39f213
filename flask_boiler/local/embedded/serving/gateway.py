"""One port for gRPC and for browsers.

Google's gRPC server cannot share its port: who speaks HTTP/1.1 to it is disconnected. So it has a
port of its own, and this stands in front of both: the first bytes of a connection say which of
them is meant. What is HTTP/2 is passed on as it comes, without being looked at.

One thread does all of it, on an event loop, however many connections there are.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import weakref
from collections.abc import Callable
from typing import Any, cast

from flask_boiler.errors import ConfigurationError
from flask_boiler.ground.lifecycle import OwnThread
from flask_boiler.local.embedded.serving.http_connection import HttpServing

__all__ = ["Gateway"]

_log = logging.getLogger("flask_boiler.embedded")

#: How every HTTP/2 connection begins, and no request of HTTP/1.1.
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_BUFFER = 256 * 1024
_BACKLOG = 512
_PORTS = range(2**16)
#: Of both kinds together; a system seldom lets one process have as many.
_MOST_CONNECTIONS = 4096
#: Within which a connection has to say what it is.
_SILENT_S = 60.0
#: Before it is tried again to accept, where that is impossible for now.
_PAUSE_S = 0.5


class Gateway:
    """Accepts connections as soon as it is made.

    :param address: where; :param port: 0 for a free one.
    :param grpc_address: where the gRPC server is.
    :param http: serves connections of HTTP/1.1.
    :param tick: is called on the loop's thread every ``tick_s`` seconds; must return at once.
    :raises ConfigurationError: the port is taken, or the address is not one of this machine.
    """

    def __init__(
        self,
        address: str,
        port: int,
        grpc_address: tuple[str, int],
        http: HttpServing,
        tick: Callable[[], None] = lambda: None,
        *,
        tick_s: float = 1.0,
    ) -> None:
        self._grpc_address = grpc_address
        self._http = http
        self._tick = tick
        self._tick_s = tick_s
        self._is_closing = False
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._transports: weakref.WeakSet[asyncio.BaseTransport] = weakref.WeakSet()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_full = False
        try:
            self._listening = _listening_socket(address.strip("[]"), port)
        except (OSError, UnicodeError) as error:
            raise ConfigurationError(
                f"the embedded Firestore cannot listen at {address}:{port}: {error}. "
                "Stop what listens there, or choose another port"
            ) from error
        #: The one it has got.
        self.port: int = self._listening.getsockname()[1]
        _open.add(self)
        # Other kinds of loops cannot wait for sockets that are made elsewhere.
        self._loop = asyncio.SelectorEventLoop()
        self._loop.set_exception_handler(_tell_of)
        self._thread = OwnThread(
            self._run,
            name="embedded-gateway",
            stops="the embedded Firestore takes no connections any more",
        )
        self._thread.start()

    def close(self) -> None:
        """End all connections; returns when the thread is gone."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._end)
        self._thread.join()
        self._listening.close()

    def abandon(self) -> None:
        """Let go of the port in a forked child: nobody would ever accept there.

        And of the connections, which would not end, otherwise, before the child does.
        """
        self._listening.close()
        for connection in list(self._sockets):
            connection.close()

    # On the loop's thread.

    def _run(self) -> None:
        try:
            self._await_connections()
            self._loop.call_soon(self._ticking)
            self._loop.run_forever()
            self._loop.run_until_complete(self._finish())
        finally:
            self._loop.close()

    async def _finish(self) -> None:
        """End what is under way, and close what was accepted when all others had been ended."""
        under_way = list(self._tasks)
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        for transport in list(self._transports):
            cast(asyncio.Transport, transport).abort()
        # What is aborted is closed in the next turn.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        for connection in list(self._sockets):
            connection.close()

    def _end(self) -> None:
        self._is_closing = True
        self._loop.remove_reader(self._listening)
        for connection in list(self._sockets):
            # A forked child may have it, too.
            _shut(connection)
        for transport in list(self._transports):
            cast(asyncio.Transport, transport).abort()
        # When all that was called thereby is done.
        self._loop.call_soon(self._loop.call_soon, self._loop.stop)

    def _ticking(self) -> None:
        self._loop.call_later(self._tick_s, self._ticking)
        self._tick()

    def _start(self, work: Any) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _await_connections(self) -> None:
        # Not by a task: a connection that it is handed as it is cancelled belongs to nobody.
        if not self._is_closing:
            self._loop.add_reader(self._listening, self._accept)

    def _accept(self) -> None:
        try:
            connection, _ = self._listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError as error:
            # As a rule, too many files are open: others have to go first.
            _log.error(
                "the embedded Firestore cannot take a connection: %s. Those that wait are "
                "taken when others have ended",
                error,
            )
            self._loop.remove_reader(self._listening)
            self._loop.call_later(_PAUSE_S, self._await_connections)
            return
        connection.setblocking(False)
        if len(self._sockets) < _MOST_CONNECTIONS:
            self._sockets.add(connection)
            self._start(self._serve(connection))
        else:
            connection.close()
            self._say_that_it_is_full()

    def _say_that_it_is_full(self) -> None:
        if not self._is_full:
            self._is_full = True
            _log.error("the embedded Firestore takes %s connections at most", _MOST_CONNECTIONS)

    async def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            _hurry(connection)
            await self._loop.connect_accepted_socket(lambda: _Arrival(self), connection)

    def attend(self, transport: asyncio.BaseTransport) -> None:
        """Know a connection that has come, or one to the gRPC server, to end it with all others."""
        self._transports.add(transport)

    def serve_http(self, transport: asyncio.Transport, begin: bytes) -> None:
        """Serve a connection of HTTP/1.1."""
        protocol = self._http.connection(self._loop)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        protocol.data_received(begin)

    def pass_on(self, transport: asyncio.Transport, begin: bytes) -> None:
        """Pass on a connection of HTTP/2."""
        transport.pause_reading()
        self._start(self._connect(transport, begin))

    async def _connect(self, front: asyncio.Transport, begin: bytes) -> None:
        try:
            back, protocol = await self._connected()
        except OSError as error:
            # It is being stopped, or no more files can be opened.
            if not self._is_closing:
                _log.error("the embedded Firestore cannot pass on a connection: %s", error)
            front.abort()
            return
        self.attend(back)
        other = _Passing()
        protocol.to(front)
        other.to(back)
        other.connection_made(front)
        front.set_protocol(other)
        if front.is_closing():
            back.abort()
            return
        back.write(begin)
        front.resume_reading()

    async def _connected(self) -> tuple[asyncio.Transport, _Passing]:
        inside = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._sockets.add(inside)
        try:
            inside.setblocking(False)
            _hurry(inside)
            await self._loop.sock_connect(inside, self._grpc_address)
            return await self._loop.create_connection(_Passing, sock=inside)
        except BaseException:
            inside.close()
            raise


class _Arrival(asyncio.Protocol):
    """A connection of which it is not known yet what it speaks."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._begin = b""
        self._transport: asyncio.Transport = cast(Any, None)
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._gateway.attend(transport)
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(_SILENT_S, self._transport.abort)

    def data_received(self, data: bytes) -> None:
        self._begin += data
        if self._begin.startswith(_PREFACE):
            self._stop_waiting()
            self._gateway.pass_on(self._transport, self._begin)
        elif not _PREFACE.startswith(self._begin):
            self._stop_waiting()
            self._gateway.serve_http(self._transport, self._begin)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _Passing(asyncio.Protocol):
    """A connection that passes its bytes on to another one; both end together."""

    def __init__(self) -> None:
        self._other: asyncio.Transport | None = None

    def to(self, other: asyncio.Transport) -> None:
        """The connection to which its bytes go."""
        self._other = other

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).set_write_buffer_limits(high=_BUFFER)

    def data_received(self, data: bytes) -> None:
        if self._other is not None:
            self._other.write(data)

    # Who is not read for now is not written to, either.

    def pause_writing(self) -> None:
        if self._other is not None:
            self._other.pause_reading()

    def resume_writing(self) -> None:
        if self._other is not None:
            self._other.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._other is not None:
            self._other.close()


_open: weakref.WeakSet[Gateway] = weakref.WeakSet()


def _abandon_all() -> None:
    for gateway in list(_open):
        gateway.abandon()


os.register_at_fork(after_in_child=_abandon_all)


def _tell_of(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    _log.error(
        "the embedded Firestore's gateway went wrong: %s",
        context.get("message"),
        exc_info=context.get("exception"),
    )


def _listening_socket(address: str, port: int) -> socket.socket:
    if port not in _PORTS:
        # The system would take another one, without a word.
        raise OSError("a port is a number from 0 to 65535")
    family, _, _, _, found = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]
    made = socket.create_server(found[:2], family=family, backlog=_BACKLOG)
    made.setblocking(False)
    return made


def _hurry(connection: socket.socket) -> None:
    # The loop does so only for those that know their protocol's number, which these do not.
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
