"""One Firestore database over google's channel: strong reads, commits, the Listen call."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import google.auth.exceptions

from flask_boiler.errors import UnavailableError
from flask_boiler.firestore import protocol
from flask_boiler.firestore.calls import ListenCall, answered, streamed
from flask_boiler.firestore.codec import Codec, encode_write
from flask_boiler.firestore.failures import translated
from flask_boiler.firestore.patience import DEFAULT_PATIENCE_S, current_patience
from flask_boiler.firestore.reachability import Reachability
from flask_boiler.ground.values import CommitResult, QueryTarget, Snapshot, Write

__all__ = ["FirestoreDatastore"]

#: Documents in one BatchGetDocuments request; the limit is on the answer's size, not on these.
_GET_BATCH = 1000

#: The last of several attempts is given a chance.
_SHORTEST_TIMEOUT_S = 0.1

#: Between attempts at a read.
_FIRST_PAUSE_S = 0.1
_PAUSE_FACTOR = 1.5
_LONGEST_PAUSE_S = 5.0

_T = TypeVar("_T")


class FirestoreDatastore:
    """A :class:`~flask_boiler.ground.ports.Datastore` on one of Google's clients.

    Shares the client's channel, so that a process has one connection. Reads are repeated while
    Firestore is unavailable, for at most a minute, or as long as
    :func:`~flask_boiler.firestore.patience.waiting_at_most` says; commits never are. All of them,
    and the streams, end at once with UnavailableError when :attr:`reachability` gives up.

    :param client: ``google.cloud.firestore.Client``.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self.database: str = client._database_string
        self.codec = Codec(client, self.database)
        #: Whether the server is a local one rather than Google's cloud.
        self.is_emulator: bool = client._emulator_host is not None
        self.reachability = Reachability(_where(client), client._emulator_host)
        self._metadata = tuple(client._rpc_metadata)
        channel = client._firestore_api.transport.grpc_channel
        one, many = (partial(kind, self.reachability, channel) for kind in (_unary, _unary_stream))
        self._get = many("BatchGetDocuments", protocol.BatchGetDocumentsResponse)
        self._query = many("RunQuery", protocol.RunQueryResponse)
        self._aggregate = many("RunAggregationQuery", protocol.RunAggregationQueryResponse)
        self._commit = one("Commit", protocol.CommitResponse)
        self._begin = one("BeginTransaction", protocol.BeginTransactionResponse)
        self._rollback = one("Rollback", None)
        self._listen = channel.stream_stream(
            protocol.SERVICE + "Listen",
            request_serializer=_serialize,
            response_deserializer=protocol.ListenResponse.FromString,
        )

    @property
    def decoder(self) -> Codec:
        """The codec of the documents in this database."""
        return self.codec

    @property
    def client(self) -> Any:
        """Google's client, whose connection this uses."""
        return self._client

    def close(self) -> None:
        """End the reachability's thread; the connection belongs to the client, and stays open."""
        self.reachability.close()

    def _repeated(self, read: Callable[[float], _T], most_s: float | None = None) -> _T:
        """Repeat a read while Firestore is unavailable; at last, raise the last error.

        :param read: is told how many seconds it may take.
        """
        return current_patience().ask(partial(self._repeat_for, read), most_s)

    def _repeat_for(self, read: Callable[[float], _T], patience_s: float) -> _T:
        ends_s = time.monotonic() + patience_s
        pause_s = _FIRST_PAUSE_S
        while True:
            left_s = max(_SHORTEST_TIMEOUT_S, ends_s - time.monotonic())
            try:
                return read(min(left_s, DEFAULT_PATIENCE_S))
            except UnavailableError:
                wait_s = pause_s * random.uniform(0.5, 1.5)
                if time.monotonic() + wait_s > ends_s:
                    raise
                self.reachability.pause(wait_s)
            pause_s = min(pause_s * _PAUSE_FACTOR, _LONGEST_PAUSE_S)

    def get(
        self,
        paths: Iterable[str],
        *,
        transaction: bytes | None = None,
        read_time_ns: int | None = None,
        mask: Sequence[str] | None = None,
        patience_s: float | None = None,
    ) -> dict[str, Snapshot]:
        """The snapshots by path, also of documents that do not exist.

        One request for up to 1,000 documents; more are split. Without ``transaction`` or
        ``read_time_ns``, each request reads at its own time.

        :param patience_s: how long each request is repeated at most while Firestore is unavailable.
        :raises UnavailableError: it still was then.
        """
        wanted = list(dict.fromkeys(paths))
        found: dict[str, Snapshot] = {}
        for start in range(0, len(wanted), _GET_BATCH):
            batch = wanted[start : start + _GET_BATCH]
            request = self._get_request(batch, transaction, read_time_ns, mask)
            found.update(self._repeated(partial(self._get_batch, request), patience_s))
        return found

    def _get_request(
        self,
        paths: Sequence[str],
        transaction: bytes | None,
        read_time_ns: int | None,
        mask: Sequence[str] | None,
    ) -> Any:
        request = protocol.BatchGetDocumentsRequest(
            database=self.database, documents=[self.codec.name(path) for path in paths]
        )
        if mask is not None:
            request.mask.field_paths.extend(mask)
            request.mask.SetInParent()
        _set_consistency(request, transaction, read_time_ns)
        return request

    def _get_batch(self, request: Any, timeout_s: float) -> dict[str, Snapshot]:
        found = {}
        with translated(f"reading {len(request.documents)} document(s)"):
            for response in self._get(request, metadata=self._metadata, timeout=timeout_s):
                at_ns = protocol.nanoseconds(response.read_time)
                if response.HasField("found"):
                    snapshot = self.codec.snapshot(response.found, read_time_ns=at_ns)
                    found[snapshot.path] = snapshot
                elif response.missing:
                    path = self.codec.path(response.missing)
                    found[path] = self.codec.missing(path, read_time_ns=at_ns)
        return found

    def run_query(
        self,
        target: QueryTarget,
        *,
        transaction: bytes | None = None,
        read_time_ns: int | None = None,
    ) -> Iterator[Snapshot]:
        """The documents of the result in its order, as they arrive.

        ``limit_to_last`` needs the whole result before its first document.

        :raises QueryError: Firestore cannot answer it, :class:`MissingIndexError` among them.
        :raises UnavailableError: it still was unavailable after some time, or is amid the result.
        """
        request = protocol.RunQueryRequest(parent=self._parent(target))
        request.structured_query.MergeFromString(target.structured)
        _set_consistency(request, transaction, read_time_ns)
        stream = self._stream_query(target, request)
        return reversed(list(stream)) if target.limit_to_last else stream

    def _stream_query(self, target: QueryTarget, request: Any) -> Iterator[Snapshot]:
        # Once something has arrived, a repetition would give it twice.
        first, others = self._repeated(partial(self._open_query, target, request))
        with translated(f"running {target}"):
            for response in itertools.chain(first, others):
                if response.HasField("document"):
                    at_ns = protocol.nanoseconds(response.read_time)
                    yield self.codec.snapshot(response.document, read_time_ns=at_ns)

    def _open_query(
        self, target: QueryTarget, request: Any, timeout_s: float
    ) -> tuple[list[Any], Iterator[Any]]:
        """The first response, if there is one, and an iterator of the others."""
        with translated(f"running {target}"):
            responses = iter(self._query(request, metadata=self._metadata, timeout=timeout_s))
            return list(itertools.islice(responses, 1)), responses

    def aggregate(
        self,
        target: QueryTarget,
        aggregations: Mapping[str, tuple[str, str | None]],
        *,
        transaction: bytes | None = None,
        read_time_ns: int | None = None,
    ) -> dict[str, Any]:
        """The results of aggregations by alias, each ``("count"|"sum"|"avg", field)``."""
        request = protocol.RunAggregationQueryRequest(parent=self._parent(target))
        query = request.structured_aggregation_query
        query.structured_query.MergeFromString(target.structured)
        for alias, (function, field) in aggregations.items():
            aggregation = query.aggregations.add(alias=alias)
            chosen = getattr(aggregation, function)
            chosen.SetInParent()
            if field is not None:
                chosen.field.field_path = field
        _set_consistency(request, transaction, read_time_ns)
        return self._repeated(partial(self._run_aggregation, target, request))

    def _run_aggregation(
        self, target: QueryTarget, request: Any, timeout_s: float
    ) -> dict[str, Any]:
        values: dict[str, Any] = {}
        with translated(f"aggregating {target}"):
            for response in self._aggregate(request, metadata=self._metadata, timeout=timeout_s):
                for alias, value in response.result.aggregate_fields.items():
                    values[alias] = self.codec.decode_value(value)
        return values

    def commit(self, writes: Sequence[Write], *, transaction: bytes | None = None) -> CommitResult:
        """Apply all writes, or none, once: if the answer is lost, that is reported.

        :raises ConflictError: a precondition does not hold, or the transaction lost.
        :raises DocumentNotFoundError: a document that must exist does not.
        :raises ValidationError: Firestore cannot store one of the documents.
        :raises UnavailableError: with ``outcome_unknown`` if it may have been applied.
        """
        request = protocol.CommitRequest(database=self.database)
        for write in writes:
            encode_write(self.codec, write, request.writes.add())
        if transaction is not None:
            request.transaction = transaction

        def commit(timeout_s: float) -> Any:
            with translated(f"committing {len(writes)} write(s)", writing=True):
                return self._commit(request, metadata=self._metadata, timeout=timeout_s)

        response = current_patience().ask_to_commit(commit)
        return CommitResult(
            protocol.nanoseconds(response.commit_time),
            tuple(protocol.nanoseconds(r.update_time) for r in response.write_results),
        )

    def begin(self, *, read_only: bool = False, read_time_ns: int | None = None) -> bytes:
        """The token of a new transaction; a ``read_only`` one may be of a past time."""
        request = protocol.BeginTransactionRequest(database=self.database)
        if read_only:
            request.options.read_only.SetInParent()
            if read_time_ns is not None:
                protocol.set_timestamp(request.options.read_only.read_time, read_time_ns)
        else:
            request.options.read_write.SetInParent()

        def begin(timeout_s: float) -> Any:
            with translated("beginning a transaction"):
                return self._begin(request, metadata=self._metadata, timeout=timeout_s)

        return bytes(current_patience().ask(begin).transaction)

    def rollback(self, transaction: bytes) -> None:
        """End a transaction without a commit, and release its locks."""
        request = protocol.RollbackRequest(database=self.database, transaction=transaction)

        def roll_back(timeout_s: float) -> None:
            with translated("rolling a transaction back"):
                self._rollback(request, metadata=self._metadata, timeout=timeout_s)

        current_patience().ask(roll_back)

    def listen(self, requests: Iterator[Any]) -> Any:
        """Open a Listen stream: an iterable of responses with ``cancel()``."""
        return ListenCall(self._listen(requests, metadata=self._metadata), self.reachability)

    def is_faultless(self, call: Any) -> bool:
        """Whether the server of an answered stream promises that it sends every change."""
        return any(name == protocol.FAULTLESS for name, _ in call.initial_metadata() or ())

    def refresh_credentials(self) -> None:
        """Get a new access token now, if tokens are used.

        :raises UnavailableError: the token could not be fetched.
        """
        # Brings the `requests` library, which nothing else here needs.
        from google.auth.transport.requests import Request

        credentials = self._client._credentials
        if not hasattr(credentials, "token"):
            return
        try:
            credentials.refresh(Request())
        except google.auth.exceptions.InvalidOperation:
            return
        except google.auth.exceptions.GoogleAuthError as error:
            raise UnavailableError(f"fetching a new access token: {error}") from error

    def _parent(self, target: QueryTarget) -> str:
        documents = f"{self.database}/documents"
        return f"{documents}/{target.parent}" if target.parent else documents


def _serialize(message: Any) -> bytes:
    return bytes(message.SerializeToString())


def _where(client: Any) -> str:
    """The address and project of a Firestore, for messages."""
    address = client._emulator_host or "firestore.googleapis.com"
    database = "" if client._database == "(default)" else f", database {client._database}"
    return f"{address} (project {client.project}{database})"


def _unary(reachability: Reachability, channel: Any, method: str, response: Any) -> Any:
    call = channel.unary_unary(
        protocol.SERVICE + method,
        request_serializer=_serialize,
        response_deserializer=response.FromString if response else bytes,
    )
    return partial(answered, reachability, call)


def _unary_stream(reachability: Reachability, channel: Any, method: str, response: Any) -> Any:
    call = channel.unary_stream(
        protocol.SERVICE + method,
        request_serializer=_serialize,
        response_deserializer=response.FromString,
    )
    return partial(streamed, reachability, call)


def _set_consistency(request: Any, transaction: bytes | None, read_time_ns: int | None) -> None:
    if transaction is not None:
        request.transaction = transaction
    elif read_time_ns is not None:
        protocol.set_timestamp(request.read_time, read_time_ns)
