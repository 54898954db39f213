"""One port for gRPC and for browsers.

Google's gRPC server cannot share its port: who speaks HTTP/1.1 to it is disconnected. So it has a
port of its own, and this stands in front of both: the first bytes of a connection say which of
them is meant. What is HTTP/2 is passed on as it comes, without being looked at.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
import weakref
from collections.abc import Callable

from flask_boiler.errors import ConfigurationError

__all__ = ["Gateway"]

_log = logging.getLogger(__name__)

#: How every HTTP/2 connection begins, and no request of HTTP/1.1.
_PREFACE = b"PRI"
_BUFFER = 256 * 1024
_BACKLOG = 512
_PORTS = range(2**16)
#: Before it is tried again to accept, where that is impossible for now.
_PAUSE_S = 0.5

#: Serves a connection of HTTP/1.1 until it ends.
ServeHttp = Callable[[socket.socket, tuple[str, int]], None]


class Gateway:
    """Accepts connections as soon as it is made.

    :param address: where; :param port: 0 for a free one.
    :param grpc_address: where the gRPC server is.
    :raises ConfigurationError: the port is taken, or the address is not one of this machine.
    """

    def __init__(
        self, address: str, port: int, grpc_address: tuple[str, int], serve_http: ServeHttp
    ) -> None:
        self._grpc_address = grpc_address
        self._serve_http = serve_http
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._sockets: set[socket.socket] = set()
        self._threads: set[threading.Thread] = set()
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
        self._start(self._accept, "accepts")

    def close(self) -> None:
        """End all connections; returns when their threads are gone."""
        with self._lock:
            self._closing.set()
            sockets = [*self._sockets, self._listening]
        for one in sockets:
            _shut(one)
        for thread in self._open_threads():
            thread.join()
        self._listening.close()

    def abandon(self) -> None:
        """Let go of the port in a forked child: nobody would ever accept there."""
        self._listening.close()

    def _open_threads(self) -> list[threading.Thread]:
        with self._lock:
            return list(self._threads)

    def _start(self, work: Callable[[], None], name: str) -> None:
        def run() -> None:
            try:
                work()
            finally:
                with self._lock:
                    self._threads.discard(threading.current_thread())

        thread = threading.Thread(target=run, name=f"embedded-gateway-{name}", daemon=True)
        with self._lock:
            self._threads.add(thread)
        try:
            thread.start()
        except RuntimeError:
            with self._lock:
                self._threads.discard(thread)
            raise

    def _accept(self) -> None:
        while True:
            try:
                connection, peer = self._listening.accept()
            except OSError as error:
                if self._closing.is_set():
                    return
                # As a rule, too many files are open: others have to go first.
                self._pause(error)
                continue
            if not self._keep(connection):
                return
            try:
                self._start(lambda c=connection, p=peer: self._serve(c, p), "serves")  # type: ignore[misc]
            except RuntimeError as error:
                # The system gives this process no more threads.
                self._forget(connection)
                self._pause(error)

    def _pause(self, error: Exception) -> None:
        _log.error(
            "the embedded Firestore cannot take a connection: %s. Those that wait are taken when "
            "others have ended",
            error,
        )
        self._closing.wait(_PAUSE_S)

    def _keep(self, connection: socket.socket) -> bool:
        """Remember a connection, so that it can be ended; whether there is still time for it."""
        with self._lock:
            if not self._closing.is_set():
                self._sockets.add(connection)
                return True
        connection.close()
        return False

    def _forget(self, connection: socket.socket) -> None:
        with self._lock:
            self._sockets.discard(connection)
        connection.close()

    def _serve(self, connection: socket.socket, peer: tuple[str, int]) -> None:
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            begin = connection.recv(len(_PREFACE), socket.MSG_PEEK | socket.MSG_WAITALL)
            if begin == _PREFACE:
                self._pass_on(connection)
            elif begin:
                self._serve_http(connection, peer[:2])
        except OSError:
            # The connection is gone, and with it who could be told.
            pass
        finally:
            self._forget(connection)

    def _pass_on(self, connection: socket.socket) -> None:
        with socket.create_connection(self._grpc_address) as server:
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            back = threading.Thread(
                target=_copy, args=(server, connection), name="embedded-gateway-back", daemon=True
            )
            back.start()
            _copy(connection, server)
            back.join()


_open: weakref.WeakSet[Gateway] = weakref.WeakSet()


def _abandon_all() -> None:
    for gateway in list(_open):
        gateway.abandon()


os.register_at_fork(after_in_child=_abandon_all)


def _listening_socket(address: str, port: int) -> socket.socket:
    if port not in _PORTS:
        # The system would take another one, without a word.
        raise OSError("a port is a number from 0 to 65535")
    family, _, _, _, found = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]
    return socket.create_server(found[:2], family=family, backlog=_BACKLOG)


def _copy(source: socket.socket, destination: socket.socket) -> None:
    """Pass bytes on until one of the two ends, then end both."""
    buffer = memoryview(bytearray(_BUFFER))
    with contextlib.suppress(OSError):
        while count := source.recv_into(buffer):
            destination.sendall(buffer[:count])
    _shut(source)
    _shut(destination)


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
