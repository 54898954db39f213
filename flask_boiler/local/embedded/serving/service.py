"""The calls of ``google.firestore.v1.Firestore``, except Listen and Write.

Methods are named after the calls. They take the request and give the response, as a message or
as its bytes; for calls that stream, an iterator of them. What they refuse is a ``Refusal``.
"""

from __future__ import annotations

import secrets
import string
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from google.protobuf.empty_pb2 import Empty

from flask_boiler.firestore import protocol
from flask_boiler.local.embedded.queries.aggregates import aggregations
from flask_boiler.local.embedded.queries.document_listing import collection_ids, list_documents
from flask_boiler.local.embedded.queries.executor import aggregate, run
from flask_boiler.local.embedded.queries.matching import Query, masked
from flask_boiler.local.embedded.queries.nearest import nearest
from flask_boiler.local.embedded.queries.partition import partition_cursors
from flask_boiler.local.embedded.queries.validation import check_query
from flask_boiler.local.embedded.storage.clock import microseconds
from flask_boiler.local.embedded.storage.document import StoredDocument, document_name
from flask_boiler.local.embedded.storage.name_rules import (
    check_collection_id,
    check_document,
    check_field_path,
    check_parent,
    check_world,
)
from flask_boiler.local.embedded.storage.reading import Reading
from flask_boiler.local.embedded.storage.refusal import Refusal, invalid, not_found, unimplemented
from flask_boiler.local.embedded.storage.staging import Staging
from flask_boiler.local.embedded.storage.storage import Storage
from flask_boiler.local.embedded.storage.wire_format import (
    QUERY_DONE,
    batch_get_found,
    query_document,
    timestamp,
    timestamp_bytes,
)
from flask_boiler.local.embedded.writes.open_transactions import Transaction, Transactions
from flask_boiler.local.embedded.writes.writes import apply_all, operations

__all__ = ["Service"]

_ID_LETTERS = string.ascii_letters + string.digits
_ID_LENGTH = 20
#: Bytes, as in production; Google's emulator takes 4 MiB of any request.
_LARGEST_COMMIT = 10 * 1024 * 1024


class _View(NamedTuple):
    """The state that a request reads, and the transaction that it reads it for."""

    reading: Reading
    transaction: Transaction | None
    #: A transaction that the request began; the first response names it.
    begun: bytes


class Service:
    """The calls, on one storage. May be used by any thread."""

    def __init__(self, storage: Storage, transactions: Transactions | None = None) -> None:
        self.storage = storage
        self.transactions = transactions or Transactions(storage)

    # Single documents.

    def get_document(self, request: Any) -> Any:
        """GetDocument."""
        world = _world_of(request.name)
        with self._view(world, request) as view:
            found = self._read(view, request.name)
        if found is None:
            raise not_found(f'Document "{request.name}" not found.')
        return _shown(found, request)

    def create_document(self, request: Any) -> Any:
        """CreateDocument."""
        world, path = check_parent(request.parent)
        check_collection_id(request.collection_id)
        if request.document.name:
            raise invalid("document.name must not be set")
        identity = request.document_id or _new_id()
        if "/" in identity:
            raise invalid(f'Resource id "{identity}" is invalid because it contains "/".')
        collection = f"{path}/{request.collection_id}" if path else request.collection_id
        write = protocol.Write(update=request.document)
        write.update.name = document_name(world, f"{collection}/{identity}")
        write.current_document.exists = False
        return self._write_one(world, write, request)

    def update_document(self, request: Any) -> Any:
        """UpdateDocument."""
        write = protocol.Write(update=request.document)
        for part in ("update_mask", "current_document"):
            if request.HasField(part):
                getattr(write, part).CopyFrom(getattr(request, part))
        return self._write_one(_world_of(request.document.name), write, request)

    def delete_document(self, request: Any) -> Any:
        """DeleteDocument."""
        write = protocol.Write(delete=request.name)
        if request.HasField("current_document"):
            write.current_document.CopyFrom(request.current_document)
        world = _world_of(request.name)
        found = operations(world, [write])
        self.storage.commit(world, lambda staging: apply_all(found, staging))
        return Empty()

    def _write_one(self, world: str, write: Any, request: Any) -> Any:
        _check_mask(request.mask)
        (operation,) = operations(world, [write])

        def work(staging: Staging) -> StoredDocument | None:
            operation.apply(staging)
            return staging.document(operation.name)

        written = self.storage.commit(world, work)[1]
        assert written is not None  # a write that does not delete leaves a document
        return _shown(written, request)

    # Several documents.

    def batch_get_documents(self, request: Any) -> Iterator[Any]:
        """BatchGetDocuments."""
        world = check_world(request.database)
        names = list(dict.fromkeys(request.documents))
        for name in names:
            check_document(name)
        _check_mask(request.mask)
        answers: list[Any] = []
        # In no order that is promised; but production tells of these last.
        missing: list[Any] = []
        with self._view(world, request) as view:
            if view.begun:
                answers.append(protocol.BatchGetDocumentsResponse(transaction=view.begun))
            read_time = timestamp_bytes(view.reading.time)
            for name in names:
                found = self._read(view, name)
                if found is None:
                    missing.append(
                        protocol.BatchGetDocumentsResponse(
                            missing=name, read_time=timestamp(view.reading.time)
                        )
                    )
                elif request.HasField("mask"):
                    shown = _shown(found, request)
                    answers.append(batch_get_found(shown.SerializeToString(), read_time))
                else:
                    answers.append(batch_get_found(found.data, read_time))
        return iter(answers + missing)

    def list_documents(self, request: Any) -> Any:
        """ListDocuments."""
        world, path = check_parent(request.parent)
        _check_mask(request.mask)
        with self._view(world, request) as view:
            page, token = list_documents(view.reading, world, path, request)
            if view.transaction is not None:
                self._note_page(view.transaction, view.reading, page)
        response = protocol.ListDocumentsResponse(next_page_token=token)
        for found in page:
            if isinstance(found, StoredDocument):
                response.documents.append(_shown(found, request))
            else:
                response.documents.add().name = found
        return response

    @staticmethod
    def _note_page(
        transaction: Transaction, reading: Reading, page: Sequence[StoredDocument | str]
    ) -> None:
        for found in page:
            transaction.note_document(
                reading,
                found.name if isinstance(found, StoredDocument) else found,
                found if isinstance(found, StoredDocument) else None,
            )

    def list_collection_ids(self, request: Any) -> Any:
        """ListCollectionIds."""
        world, path = check_parent(request.parent)
        with self._view(world, request) as view:
            found, token = collection_ids(view.reading, world, path, request)
        return protocol.ListCollectionIdsResponse(collection_ids=found, next_page_token=token)

    # Queries.

    def execute_pipeline(self, request: Any) -> Iterator[Any]:
        """ExecutePipeline, which this edition has not.

        :raises Refusal: UNIMPLEMENTED.
        """
        raise unimplemented(
            "Pipelines are of Firestore's Enterprise edition; the embedded Firestore is one of the "
            "Standard edition. Ask by a query"
        )

    def run_query(self, request: Any) -> Iterator[Any]:
        """RunQuery."""
        _refuse_explaining(request)
        world, path = check_parent(request.parent)
        check_query(request.structured_query, may_search=True, is_below_document=bool(path))
        query = Query(request.parent, request.structured_query)
        answers: list[Any] = []
        with self._view(world, request) as view:
            if view.begun:
                answers.append(protocol.RunQueryResponse(transaction=view.begun))
            time = view.reading.time
            read_time = timestamp_bytes(time)
            # All of it at once: a client that takes its time must not hold up anybody.
            found = list(run(view.reading, query))
            if view.transaction is not None:
                view.transaction.note_query(view.reading, query, found)
            shown = _result(query, found)
            answers += [query_document(data, read_time) for data in shown]
        if shown:
            answers[-1] += QUERY_DONE
        else:
            answers.append(protocol.RunQueryResponse(read_time=timestamp(time), done=True))
        return iter(answers)

    def run_aggregation_query(self, request: Any) -> Iterator[Any]:
        """RunAggregationQuery."""
        _refuse_explaining(request)
        world, path = check_parent(request.parent)
        asked = request.structured_aggregation_query
        found = aggregations(asked.aggregations)
        required = [aggregation.names for aggregation in found if aggregation.names]
        check_query(asked.structured_query, required, is_below_document=bool(path))
        query = Query(request.parent, asked.structured_query, required)
        with self._view(world, request) as view:
            if view.begun:
                yield protocol.RunAggregationQueryResponse(transaction=view.begun)
            values = aggregate(view.reading, query, found)
            if view.transaction is not None and not view.transaction.is_read_only:
                view.transaction.note_query(view.reading, query, run(view.reading, query))
            read_time = timestamp(view.reading.time)
        response = protocol.RunAggregationQueryResponse(read_time=read_time)
        for aggregation, value in zip(found, values, strict=True):
            response.result.aggregate_fields[aggregation.alias].CopyFrom(value)
        yield response

    def partition_query(self, request: Any) -> Any:
        """PartitionQuery."""
        world, path = check_parent(request.parent)
        check_query(request.structured_query, is_below_document=bool(path))
        query = Query(request.parent, request.structured_query)
        with self._view(world, request) as view:
            cursors, token = partition_cursors(view.reading, query, request)
        return protocol.PartitionQueryResponse(partitions=cursors, next_page_token=token)

    # Writes.

    def commit(self, request: Any) -> Any:
        """Commit."""
        if request.ByteSize() > _LARGEST_COMMIT:
            raise invalid("Transaction too big. Decrease transaction size.")
        world = check_world(request.database)
        found = operations(world, request.writes)
        if not request.transaction:
            return self._committed(*self.storage.commit(world, lambda s: apply_all(found, s)))
        transaction = self.transactions.use(world, request.transaction)
        if transaction.is_read_only:
            if found:
                raise invalid("Cannot modify entities in a read-only transaction.")
            self.transactions.end(transaction.token)
            return protocol.CommitResponse(commit_time=timestamp(self.storage.read_time()))

        def work(staging: Staging) -> list[Any]:
            transaction.validate(staging.reading(), self.storage.changed_at(world))
            return apply_all(found, staging)

        try:
            return self._committed(*self.storage.commit(world, work))
        finally:
            self.transactions.end(transaction.token)

    @staticmethod
    def _committed(time: int, results: Sequence[Any]) -> Any:
        return protocol.CommitResponse(write_results=results, commit_time=timestamp(time))

    def batch_write(self, request: Any) -> Any:
        """BatchWrite: each write is a commit of its own."""
        world = check_world(request.database)
        found = operations(world, request.writes)
        if len({operation.name for operation in found}) < len(found):
            raise invalid("the same document cannot be written more than once in a single request")
        response = protocol.BatchWriteResponse()
        for operation in found:
            result, status = response.write_results.add(), response.status.add()
            try:
                result.CopyFrom(self.storage.commit(world, operation.apply)[1])
            except Refusal as refusal:
                status.code, status.message = refusal.code.value[0], refusal.details
        return response

    # Transactions.

    def begin_transaction(self, request: Any) -> Any:
        """BeginTransaction."""
        world = check_world(request.database)
        transaction = self.transactions.begin(world, request.options)
        return protocol.BeginTransactionResponse(transaction=transaction.token)

    def rollback(self, request: Any) -> Any:
        """Rollback."""
        check_world(request.database)
        self.transactions.end(request.transaction)
        return Empty()

    # What a request reads.

    @contextmanager
    def _view(self, world: str, request: Any) -> Iterator[_View]:
        """The state that the request's consistency selector asks for."""
        match request.WhichOneof("consistency_selector"):
            case "read_time":
                with self.storage.reading(_read_time(request.read_time)) as reading:
                    yield _View(reading, None, b"")
            case "transaction":
                transaction = self.transactions.use(world, request.transaction)
                with self._reading_for(transaction) as reading:
                    yield _View(reading, transaction, b"")
            case "new_transaction":
                transaction = self.transactions.begin(world, request.new_transaction)
                with self._reading_for(transaction) as reading:
                    yield _View(reading, transaction, transaction.token)
            case _:
                with self.storage.reading() as reading:
                    yield _View(reading, None, b"")

    @contextmanager
    def _reading_for(self, transaction: Transaction) -> Iterator[Reading]:
        with self.storage.reading(transaction.read_time) as reading:
            if not transaction.is_read_only:
                self._validate(transaction, reading)
            yield reading

    def _validate(self, transaction: Transaction, reading: Reading) -> None:
        try:
            transaction.validate(reading, self.storage.changed_at(transaction.world))
        except Refusal:
            self.transactions.end(transaction.token)
            raise

    @staticmethod
    def _read(view: _View, name: str) -> StoredDocument | None:
        found = view.reading.document(name)
        if view.transaction is not None:
            view.transaction.note_document(view.reading, name, found)
        return found


def _world_of(name: str) -> str:
    path = check_document(name)
    return name[: -len(path) - len("/documents/")]


def _read_time(stamp: Any) -> int:
    if stamp.nanos % 1000:
        raise invalid("timestamp cannot have more than microseconds precision")
    return microseconds(stamp)


def _check_mask(mask: Any) -> None:
    for path in mask.field_paths:
        check_field_path(path)


def _shown(document: StoredDocument, request: Any) -> Any:
    """The part of a document that the request's mask leaves."""
    if not request.HasField("mask"):
        return document.message
    _check_mask(request.mask)
    return masked(document.message, [p for p in request.mask.field_paths if p != "__name__"])


def _result(query: Query, found: Sequence[StoredDocument]) -> list[bytes]:
    """The serialized documents of a query's result."""
    if query.structured.HasField("find_nearest"):
        return [document.SerializeToString() for document in nearest(query, found)]
    if query.structured.HasField("select"):
        return [query.selected(document.message).SerializeToString() for document in found]
    return [document.data for document in found]


def _new_id() -> str:
    return "".join(secrets.choice(_ID_LETTERS) for _ in range(_ID_LENGTH))


def _refuse_explaining(request: Any) -> None:
    if request.HasField("explain_options"):
        raise unimplemented(
            "The embedded Firestore cannot explain queries: what is told is about the cloud's own "
            "indexes, and what they cost. Leave explain_options out"
        )
