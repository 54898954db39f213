"""How long an embedded Firestore takes to start in a process that needs one.

``python -m benchmarks.embedded_start`` prints as JSON, in seconds: ``import``, of the package and
all that it needs (a client needs most of it as well), and ``start``, from ``start()`` to the first
answer over a connection that is new, too.
"""

from __future__ import annotations

import json
import logging
import time


def main() -> None:
    began_s = time.perf_counter()
    from flask_boiler.embedded import EmbeddedFirestore

    imported_s = time.perf_counter()
    logging.getLogger("flask_boiler").setLevel(logging.ERROR)
    with EmbeddedFirestore() as server:
        await_first_answer(server.host)
        answered_s = time.perf_counter()
    print(json.dumps({"import": imported_s - began_s, "start": answered_s - imported_s}))


def await_first_answer(host: str) -> None:
    """Ask a Firestore that listens already for a document that it does not have."""
    import grpc

    from flask_boiler.firestore import protocol

    request = protocol.GetDocumentRequest(
        name="projects/first-answer/databases/(default)/documents/a/b"
    )
    with grpc.insecure_channel(host, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        get = channel.unary_unary(
            f"{protocol.SERVICE}GetDocument",
            request_serializer=type(request).SerializeToString,
            response_deserializer=bytes,
        )
        try:
            get(request, metadata=(("authorization", "Bearer owner"),), timeout=30)
        except grpc.RpcError as answer:
            if answer.code() is not grpc.StatusCode.NOT_FOUND:
                raise


if __name__ == "__main__":
    main()
