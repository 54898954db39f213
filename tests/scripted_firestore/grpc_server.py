"""A gRPC server for ``google.firestore.v1.Firestore`` on raw protobufs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

import grpc

from flask_boiler.firestore import protocol
from flask_boiler.local.embedded.storage.refusal import Refusal

_SERVICE = protocol.SERVICE.strip("/")
#: Each open stream occupies one.
_THREADS = 24

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Listening = Callable[[Iterator[Any], Any], Iterator[Any]]


class GrpcServer:
    """Serves some methods on a port of this machine; by default, on one that is free."""

    def __init__(self, handlers: dict[str, Handler], *, port: int = 0) -> None:
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="scripted-firestore")
        # Without its own port nobody else's: two servers could share one.
        self._server = grpc.server(self._pool, options=[("grpc.so_reuseport", 0)])
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(_SERVICE, handlers),)
        )
        self.port = self._server.add_insecure_port(f"127.0.0.1:{port}")
        #: What FIRESTORE_EMULATOR_HOST wants to be.
        self.address = f"127.0.0.1:{self.port}"
        self._server.start()

    def stop(self) -> None:
        """End all calls; returns when their threads are gone."""
        self._server.stop(grace=None).wait()
        self._pool.shutdown()


def listening(answer: Listening) -> Handler:
    """The Listen method."""

    def handle(requests: Iterator[Any], context: Any) -> Iterator[Any]:
        try:
            yield from answer(requests, context)
        except Refusal as refusal:
            context.abort(refusal.code, refusal.details)

    return grpc.stream_stream_rpc_method_handler(
        handle, protocol.ListenRequest.FromString, _serialize
    )


def _serialize(message: Any) -> bytes:
    return bytes(message.SerializeToString())
