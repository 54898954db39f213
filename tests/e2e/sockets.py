"""A client that speaks WebSocket without any manners, and waiting for what nothing announces."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import pytest
import websocket

__all__ = ["CLOSED_FROM_BOTH_SIDES", "TIMEOUT_S", "RawClient", "eventually"]

#: For tests that serve Socket.IO in their own process. Engine.IO's thread that writes to a
#: connection raises, as it ends, when the other side was the first to close it.
CLOSED_FROM_BOTH_SIDES = pytest.mark.filterwarnings(
    r"ignore:Exception in thread Thread-\d+ \(writer\):pytest.PytestUnhandledThreadExceptionWarning"
)

TIMEOUT_S = 60.0
_LOOK_EVERY_S = 0.01


def eventually(condition: Callable[[], Any], otherwise: Callable[[], Any] = lambda: "") -> None:
    """Wait until a condition holds that nothing announces."""
    never = threading.Event()
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"it did not come to be within {TIMEOUT_S} s: {otherwise()}")
        never.wait(_LOOK_EVERY_S)


class RawClient:
    """A client that reads and answers only when it is told to."""

    def __init__(self, address: str, namespace: str, *, receive_buffer: int | None = None) -> None:
        options = (
            []
            if receive_buffer is None
            else [(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)]
        )
        self._namespace = namespace
        self._socket = websocket.create_connection(
            f"ws://{urlsplit(address).netloc}/socket.io/?EIO=4&transport=websocket",
            timeout=TIMEOUT_S,
            sockopt=options,
        )
        try:
            self.receive("0")
            self._socket.send(f"40{namespace},")
            self.sid = json.loads(self.receive(f"40{namespace},"))["sid"]
        except BaseException:
            self.close()
            raise

    def emit(self, *event: Any) -> Any:
        """What the server answers to an event."""
        self._socket.send(f"42{self._namespace},7{json.dumps(event)}")
        return json.loads(self.receive(f"43{self._namespace},7"))[0]

    def send(self, text: str) -> None:
        """Send any text as it is."""
        self._socket.send(text)

    def receive(self, prefix: str) -> str:
        """The rest of the next message that begins so; what comes before it is passed over."""
        while True:
            text = str(self._socket.recv())
            if not text:
                raise websocket.WebSocketConnectionClosedException("the connection was closed")
            if text == "2":
                # A ping: who waits for something is there, however long it takes.
                self._socket.send("3")
            if text.startswith(prefix):
                return text.removeprefix(prefix)

    def updated(self) -> list[Any]:
        """The arguments of the next ``updated``."""
        text = self.receive(f'42{self._namespace},["updated",')
        return list(json.loads(f"[{text}"))

    def close(self) -> None:
        """End the connection, without a word."""
        connection: Any = self._socket
        connection.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
