"""A client in Python: it prints a rainbow as JSON, one line for each change, until Ctrl-C.

::

    python -m examples.palette.client http://127.0.0.1:5000 dawn
"""

import json
import sys
import threading
import time
from contextlib import suppress
from typing import Any

import socketio
from socketio.exceptions import ConnectionError

NAMESPACE = "/palette"


class Follower:
    """A client that prints a rainbow and its changes; it reconnects by itself."""

    def __init__(self, address: str, rainbow: str) -> None:
        self._address = address
        self._rainbow = rainbow
        self._version = 0
        # The library hands over each message on a thread of its own.
        self._printing = threading.Lock()

    def follow(self) -> None:
        """Connect, print, and return a second after the connection was lost or refused."""
        # Its own reconnection may end for good when connections are lost one soon after another.
        client = socketio.Client(reconnection=False)

        def subscribe() -> None:
            wanted = {"doc_id": self._rainbow}
            client.emit("subscribe_view_model", wanted, NAMESPACE, callback=self._take)

        client.on("connect", subscribe, namespace=NAMESPACE)
        client.on("updated", self._show, namespace=NAMESPACE)
        try:
            client.connect(self._address, namespaces=[NAMESPACE], wait=False)
        except ConnectionError:
            time.sleep(1)
        else:
            client.wait()

    def _take(self, answer: dict[str, Any]) -> None:
        if "error" in answer:
            print(json.dumps(answer), flush=True)
        else:
            self._show(answer["value"], answer)

    def _show(self, value: Any, meta: dict[str, Any]) -> None:
        with self._printing:
            if meta["version"] > self._version:
                self._version = meta["version"]
                print(json.dumps(value), flush=True)


def main() -> int:
    """Follow a rainbow until Ctrl-C, and return the exit status."""
    address, rainbow = sys.argv[1:]
    follower = Follower(address, rainbow)
    with suppress(KeyboardInterrupt):
        while True:
            follower.follow()
    return 0


if __name__ == "__main__":
    sys.exit(main())
