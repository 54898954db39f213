"""Holds a view as an application would: subscribes, applies patches, resumes.

::

    python holder.py ADDRESS NAMESPACE ARGUMENTS OPTIONS

Says and is told what `holder.cjs` is, with python-socketio as its client.
"""

from __future__ import annotations

import copy
import json
import socket
import sys
import threading
from contextlib import suppress
from typing import Any

import jsonpatch
import socketio


class Holder:
    """The view, as far as it was told."""

    def __init__(self, address: str, namespace: str, arguments: str, options: str) -> None:
        self._namespace = namespace
        self._arguments = json.loads(arguments)
        self._options = json.loads(options)
        self._lock = threading.RLock()
        self._value: Any = None
        self._version = 0
        self._client = socketio.Client(
            reconnection_delay=0.01,
            reconnection_delay_max=0.02,
            randomization_factor=0,
            request_timeout=60,
        )
        for event, handler in [
            ("connect", self._subscribe),
            ("updated", self._take),
            ("error", lambda problem: self._say(problem=problem)),
        ]:
            self._client.on(event, handler, namespace=namespace)
        self._client.connect(
            address, namespaces=[namespace], transports=["websocket"], wait_timeout=60
        )

    def obey(self, command: dict[str, Any]) -> None:
        """Do what a line says."""
        if "emit" in command:
            self._say(answer=self._call(*command["emit"]))
        if "drop" in command:
            with suppress(OSError, AttributeError):
                self._client.eio.ws.sock.shutdown(socket.SHUT_RDWR)

    def _subscribe(self) -> None:
        held = {"version": self._version} if self._version else {}
        options = {**self._options, **held}
        try:
            answer = self._call("subscribe_view_model", self._arguments, options)
        except (socketio.exceptions.SocketIOError, OSError) as error:
            self._say(lost=str(error))
            return
        if "error" in answer:
            self._say(problem=answer["error"])
            return
        with self._lock:
            self._say(connected=True, resumed=answer["updates"])
            self._take(answer["value"], answer)

    def _take(self, value: Any, meta: dict[str, Any]) -> None:
        with self._lock:
            if meta["updates"] == "json-patch":
                if meta["previous_version"] != self._version:
                    self._say(gap=meta, held=self._version)
                    return
                value = jsonpatch.apply_patch(copy.deepcopy(self._value), value)
            if meta["updates"] != "none":
                self._value, self._version = value, meta["version"]
            self._say(told=meta, value=self._value)

    def _call(self, event: str, *data: Any) -> Any:
        return self._client.call(event, data, namespace=self._namespace, timeout=60)

    def _say(self, **what: Any) -> None:
        with self._lock:
            print(json.dumps(what), flush=True)


if __name__ == "__main__":
    holder = Holder(*sys.argv[1:])
    for line in sys.stdin:
        holder.obey(json.loads(line))
