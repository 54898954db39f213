"""Holds a view as an application would: subscribes, applies patches, resumes.

::

    python holder.py ADDRESS NAMESPACE ARGUMENTS OPTIONS

Says and is told what `holder.cjs` is, with python-socketio as its client. It does two things that
the library does not do for it; `docs/websocket.md` says why:

- each connection has a client of its own, for the library may give up coming back;
- messages are handled as they come, and not each on a thread of its own, so what is said here is
  what was sent, in that order.
"""

from __future__ import annotations

import copy
import json
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, NoReturn

import engineio
import jsonpatch
import socketio

#: Before connecting again.
_PAUSE_S = 0.01


class InOrder(engineio.Client):  # type: ignore[misc]
    """Handles messages on the thread that reads them; what handles them must not wait for more."""

    def start_background_task(self, target: Callable[..., Any], *args: Any, **options: Any) -> Any:
        if target is self.handlers["message"]:
            return target(*args)
        return super().start_background_task(target, *args, **options)


class Client(socketio.Client):  # type: ignore[misc]
    def _engineio_client_class(self) -> type[engineio.Client]:
        return InOrder


class Holder:
    """The view, as far as it was told."""

    def __init__(self, address: str, namespace: str, arguments: str, options: str) -> None:
        self._address = address
        self._namespace = namespace
        self._arguments = json.loads(arguments)
        self._options = json.loads(options)
        self._value: Any = None
        self._version = 0
        self._client = self._new_client()

    def follow(self) -> NoReturn:
        """Hold the view through one connection after the other."""
        never = threading.Event()
        while True:
            with suppress(socketio.exceptions.ConnectionError):
                self._client.connect(
                    self._address,
                    namespaces=[self._namespace],
                    transports=["websocket"],
                    wait=False,
                )
                # Until it is lost, and all that came over it was handled.
                self._client.eio.wait()
            never.wait(_PAUSE_S)
            self._client = self._new_client()

    def obey(self, command: dict[str, Any]) -> None:
        """Do what a line says."""
        if "emit" in command:
            event, *data = command["emit"]
            self._emit(self._client, event, *data, then=lambda answer: self._say(answer=answer))
        if "drop" in command:
            with suppress(OSError, AttributeError):
                self._client.eio.ws.sock.shutdown(socket.SHUT_RDWR)

    def _new_client(self) -> Client:
        client = Client(reconnection=False, request_timeout=60)
        for event, handler in [
            ("connect", partial(self._subscribe, client)),
            ("updated", self._take),
            ("error", lambda problem: self._say(problem=problem)),
        ]:
            client.on(event, handler, namespace=self._namespace)
        return client

    def _subscribe(self, client: Client) -> None:
        held = {"version": self._version} if self._version else {}
        options = {**self._options, **held}
        self._emit(client, "subscribe_view_model", self._arguments, options, then=self._take_first)

    def _take_first(self, answer: dict[str, Any]) -> None:
        if "error" in answer:
            self._say(problem=answer["error"])
            return
        self._say(connected=True, resumed=answer["updates"])
        self._take(answer["value"], answer)

    def _take(self, value: Any, meta: dict[str, Any]) -> None:
        if meta["updates"] == "json-patch":
            if meta["previous_version"] != self._version:
                self._say(gap=meta, held=self._version)
                return
            value = jsonpatch.apply_patch(copy.deepcopy(self._value), value)
        if meta["updates"] != "none":
            self._value, self._version = value, meta["version"]
        self._say(told=meta, value=self._value)

    def _emit(self, client: Client, event: str, *data: Any, then: Callable[[Any], None]) -> None:
        client.emit(event, data, namespace=self._namespace, callback=then)

    def _say(self, **what: Any) -> None:
        print(json.dumps(what), flush=True)


if __name__ == "__main__":
    holder = Holder(*sys.argv[1:])
    threading.Thread(target=holder.follow, daemon=True).start()
    for line in sys.stdin:
        holder.obey(json.loads(line))
