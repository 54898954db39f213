"""A plain Python client: prints a rainbow as JSON, a line for each change, until Ctrl-C.

::

    python -m examples.palette.client http://127.0.0.1:5000 dawn
"""

import json
import sys
from typing import Any

import socketio

NAMESPACE = "/palette"


def main() -> int:
    """Follow a rainbow; the exit status."""
    address, rainbow = sys.argv[1:]
    client = socketio.Client()

    @client.on("connect", namespace=NAMESPACE)  # type: ignore[untyped-decorator]
    def subscribe() -> None:
        answer = client.call("subscribe_view_model", {"doc_id": rainbow}, namespace=NAMESPACE)
        show(answer.get("value", answer))

    @client.on("updated", namespace=NAMESPACE)  # type: ignore[untyped-decorator]
    def show(value: Any, meta: Any = None) -> None:
        print(json.dumps(value), flush=True)

    client.connect(address, namespaces=[NAMESPACE])
    try:
        client.wait()
    except KeyboardInterrupt:
        client.shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
