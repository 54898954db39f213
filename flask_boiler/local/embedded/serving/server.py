"""The gRPC server, and the embedded Firestore as a whole."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeAlias, cast

import grpc
from google.protobuf.empty_pb2 import Empty

from flask_boiler.errors import ConfigurationError
from flask_boiler.firestore import protocol
from flask_boiler.firestore.protocol import hook_grpc
from flask_boiler.ground.addresses import is_loopback
from flask_boiler.ground.lifecycle import DaemonPool, Startable
from flask_boiler.local.embedded.listening.faults import Faults
from flask_boiler.local.embedded.listening.listen_stream import ListenPolicy
from flask_boiler.local.embedded.serving.gateway import Gateway
from flask_boiler.local.embedded.serving.host_check import HostCheck
from flask_boiler.local.embedded.serving.http_connection import HttpServing
from flask_boiler.local.embedded.serving.service import Service
from flask_boiler.local.embedded.serving.streams import Streams
from flask_boiler.local.embedded.serving.web import Web
from flask_boiler.local.embedded.serving.webchannel import WebChannels
from flask_boiler.local.embedded.storage.database import MEMORY, refusal_of
from flask_boiler.local.embedded.storage.refusal import Refusal
from flask_boiler.local.embedded.storage.storage import RETENTION_S, Storage

__all__ = ["EmbeddedFirestore", "Handler", "handlers_of", "streaming", "unary"]

_log = logging.getLogger("flask_boiler.embedded")

_SERVICE = protocol.SERVICE.strip("/")
#: Calls that run at once, apart from streams in both directions.
_THREADS = 128
#: Threads that answer requests of HTTP, and that ask the streams of browsers; there are no more.
_WEB_CALLS = 8
_WEB_STREAMS = 4
#: Where gRPC is behind the gateway.
_INSIDE = "127.0.0.1"
_OPTIONS = [
    # Two servers could share a port, otherwise.
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
    ("grpc.max_send_message_length", -1),
    # More than there can be: whoever asks for another one waits for ever, without a word. How many
    # there can be is said in words, by ``Streams``.
    ("grpc.max_concurrent_streams", 65_536),
]

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


def unary(answer: Callable[[Any], Any], request: Any, path: str = "") -> Handler:
    """A call with one response; what is refused becomes its status."""

    def handle(message: Any, context: Any) -> Any:
        try:
            return answer(message)
        except (Refusal, sqlite3.Error) as error:
            _abort(context, error, path)

    return grpc.unary_unary_rpc_method_handler(handle, request.FromString, _bytes_of)


def streaming(answer: Callable[[Any], Iterator[Any]], request: Any, path: str = "") -> Handler:
    """A call with many responses."""

    def handle(message: Any, context: Any) -> Iterator[Any]:
        try:
            yield from answer(message)
        except (Refusal, sqlite3.Error) as error:
            _abort(context, error, path)

    return grpc.unary_stream_rpc_method_handler(handle, request.FromString, _bytes_of)


def _abort(context: Any, error: Exception, path: str) -> None:
    refusal = error if isinstance(error, Refusal) else refusal_of(error, path)  # type: ignore[arg-type]
    context.abort(refusal.code, refusal.details)


def _bytes_of(message: Any) -> bytes:
    return message if isinstance(message, bytes) else bytes(message.SerializeToString())


def handlers_of(service: Service, streams: Streams) -> dict[str, Handler]:
    """The handlers of calls, by the names of the calls."""
    path = service.storage.path
    one = {
        "GetDocument": (service.get_document, protocol.GetDocumentRequest),
        "CreateDocument": (service.create_document, protocol.CreateDocumentRequest),
        "UpdateDocument": (service.update_document, protocol.UpdateDocumentRequest),
        "DeleteDocument": (service.delete_document, protocol.DeleteDocumentRequest),
        "ListDocuments": (service.list_documents, protocol.ListDocumentsRequest),
        "ListCollectionIds": (service.list_collection_ids, protocol.ListCollectionIdsRequest),
        "Commit": (service.commit, protocol.CommitRequest),
        "BatchWrite": (service.batch_write, protocol.BatchWriteRequest),
        "BeginTransaction": (service.begin_transaction, protocol.BeginTransactionRequest),
        "Rollback": (service.rollback, protocol.RollbackRequest),
        "PartitionQuery": (service.partition_query, protocol.PartitionQueryRequest),
    }
    many = {
        "BatchGetDocuments": (service.batch_get_documents, protocol.BatchGetDocumentsRequest),
        "RunQuery": (service.run_query, protocol.RunQueryRequest),
        "RunAggregationQuery": (
            service.run_aggregation_query,
            protocol.RunAggregationQueryRequest,
        ),
    }
    handlers = {name: unary(answer, request, path) for name, (answer, request) in one.items()}
    for name, (answers, request) in many.items():
        handlers[name] = streaming(answers, request, path)
    # Whatever is asked, its answer is the same.
    handlers["ExecutePipeline"] = streaming(service.execute_pipeline, Empty, path)
    return {**handlers, **streams.handlers()}


class _Running(NamedTuple):
    """The parts of a server that runs, from the inside to the outside."""

    server: grpc.Server
    pool: DaemonPool
    streams: Streams
    gateway: Gateway
    channels: WebChannels
    web_pools: tuple[DaemonPool, ...]

    def stop(self, faults: Faults | None) -> None:
        # Connections end before gRPC says farewell on them: clients that are told GOAWAY at the
        # wrong moment may wait for ever.
        self.channels.close()
        self.gateway.close()
        stopped = self.server.stop(grace=None)
        if faults is not None:
            faults.hurry()
        stopped.wait()
        self.streams.stop()
        for pool in (self.pool, *self.web_pools):
            pool.shutdown()


class EmbeddedFirestore(Startable):
    """A Firestore in this process, at :attr:`host`; a context manager that stops it at the end.

    It speaks gRPC, and WebChannel with browsers, on one port.

    It checks no security rules: whoever reaches its port may read and write everything.

    :param path: the file that it keeps its data in, which is created; ``:memory:`` for none.
    :param address: where it listens.
    :param port: 0 for a free one.
    :param retention_s: for how long the past can be read.
    :param allow_remote: whether the address may be one that other machines can reach.
    :param trusted_hosts: names and addresses, besides those of this machine, under which browsers
        may ask it by HTTP, and whose pages may; ``.example.com`` means all names below.
    :param faults: what is to go wrong, in tests.
    :param listen_policy: how Listen streams are served.
    :raises ConfigurationError: the address is not this machine's own, or a trusted host no name.
    """

    def __init__(
        self,
        path: str | Path = MEMORY,
        *,
        address: str = "127.0.0.1",
        port: int = 0,
        retention_s: float = RETENTION_S,
        allow_remote: bool = False,
        trusted_hosts: Iterable[str] = (),
        faults: Faults | None = None,
        listen_policy: ListenPolicy | None = None,
    ) -> None:
        if not allow_remote and not is_loopback(address):
            raise ConfigurationError(
                f"the embedded Firestore checks no security rules, so it does not listen at "
                f"{address}, which other machines may reach. Leave the address out, or allow it "
                "by allow_remote=True"
            )
        self._path = path
        bare = address.strip("[]")
        #: As it stands before a port: else nobody knows where an address of IPv6 ends.
        self._address = f"[{bare}]" if ":" in bare else bare
        self._port = port
        self._host_check = HostCheck([*trusted_hosts, bare] if allow_remote else trusted_hosts)
        self._retention_s = retention_s
        self._faults = faults
        self._listen_policy = listen_policy or ListenPolicy()
        self._lock = threading.Lock()
        self._storage: Storage | None = None
        self._running: _Running | None = None
        self._grpc_port = 0

    @property
    def host(self) -> str:
        """``HOST:PORT``, as ``FIRESTORE_EMULATOR_HOST`` wants it; the same after a restart.

        :raises ConfigurationError: it was never started.
        """
        if self._port == 0:
            raise ConfigurationError("the embedded Firestore was not started; call start() first")
        return f"{self._address}:{self._port}"

    @property
    def grpc_host(self) -> str:
        """``HOST:PORT`` of gRPC alone, without a detour; another one after each restart.

        :raises ConfigurationError: it is not running.
        """
        if self._running is None:
            raise ConfigurationError("the embedded Firestore is not running; call start() first")
        return f"{_INSIDE}:{self._grpc_port}"

    @property
    def kept_in(self) -> str:
        """The place of the data, for people: the file's path, or ``memory``."""
        return "memory" if str(self._path) == MEMORY else str(self._path)

    @property
    def faults(self) -> Faults:
        """The faults of this server, for tests.

        :raises ConfigurationError: it was made without.
        """
        if self._faults is None:
            raise ConfigurationError(
                "this embedded Firestore cannot be disturbed; make it with faults=Faults()"
            )
        return self._faults

    @property
    def storage(self) -> Storage:
        """The storage that it serves.

        :raises ConfigurationError: it is not running.
        """
        if self._storage is None:
            raise ConfigurationError("the embedded Firestore is not running; call start() first")
        return self._storage

    def start(self) -> Self:
        """Answer calls from now on; nothing happens if it does already.

        :raises StorageFailure: the file is damaged, in use, or not one of ours.
        :raises ConfigurationError: the port is taken.
        """
        hook_grpc()
        with self._lock:
            if self._running is None:
                self._storage = Storage(self._path, retention_s=self._retention_s)
                try:
                    self._serve(self._storage)
                except BaseException:
                    self._storage.close()
                    self._storage = None
                    raise
                _log.warning(
                    "embedded Firestore at %s, data in %s; it checks no security rules",
                    self.host,
                    self.kept_in,
                )
        return self

    def _serve(self, storage: Storage) -> None:
        pool = DaemonPool(_THREADS, name="embedded-firestore")
        # Any executor will do, whatever the annotation says.
        server = grpc.server(cast(Any, pool), options=_OPTIONS)
        service = Service(storage)
        streams = Streams(service, self._faults or Faults(), self._listen_policy)
        # Streams have faults of their own.
        answering = service if self._faults is None else self._faults.on_calls_of(service)
        handlers = handlers_of(answering, streams)
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_SERVICE, handlers),))
        # Behind the gateway, and for clients in this process that want the shorter way.
        grpc_port = server.add_insecure_port(f"{_INSIDE}:0")
        server.start()
        calls = DaemonPool(_WEB_CALLS, name="embedded-web-calls")
        turns = DaemonPool(_WEB_STREAMS, name="embedded-web-streams")
        channels = WebChannels(streams, turns.run, path=storage.path)
        http = HttpServing(Web(answering, channels, self._host_check), calls)
        try:
            gateway = Gateway(self._address, self._port, (_INSIDE, grpc_port), http, channels.look)
        except BaseException:
            server.stop(grace=None).wait()
            streams.stop()
            pool.shutdown()
            raise
        self._port = gateway.port
        self._grpc_port = grpc_port
        storage.announce(self.host)
        self._running = _Running(server, pool, streams, gateway, channels, (calls, turns))

    def stop(self) -> None:
        """End all calls and close the file; what was acknowledged is in it."""
        with self._lock:
            running, self._running = self._running, None
            storage, self._storage = self._storage, None
        if running is not None:
            running.stop(self._faults)
        if storage is not None:
            storage.close()

    def __repr__(self) -> str:
        where = f"{self._address}:{self._port}" if self._running else "not running"
        return f"EmbeddedFirestore({str(self._path)!r}, {where})"
