"""A small Firestore in memory, on a real port."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any

import grpc

from flask_boiler.firestore import protocol
from tests.scripted_firestore.conversation import Conversation
from tests.scripted_firestore.faults import Faults
from tests.scripted_firestore.grpc_server import GrpcServer, listening, streaming, unary
from tests.scripted_firestore.matching import Query, masked
from tests.scripted_firestore.storage import Refusal, Storage
from tests.scripted_firestore.tokens import Tokens


class ScriptedFirestore:
    """Keeps what the protocol promises: atomic commits, exact past reads, consistent cuts.

    Serves any number of projects. ``google.cloud.firestore.Client`` works against it with
    ``FIRESTORE_EMULATOR_HOST`` set to ``address``, for commits, transactions, batch gets and
    queries; Listen does incremental changes, resume tokens that resume, existence filters with
    bloom filters, and markers at which all targets of a stream are consistent.
    """

    def __init__(self, *, port: int = 0) -> None:
        self.storage = Storage()
        self._faults = Faults()
        self._tokens = Tokens()
        self._lock = threading.Lock()
        self._conversations: set[Conversation] = set()
        #: How many Listen streams were opened.
        self.streams_opened = 0
        #: How many commits were applied.
        self.commits = 0
        self._server = GrpcServer(
            {
                "BatchGetDocuments": streaming(self._get, protocol.BatchGetDocumentsRequest),
                "RunQuery": streaming(self._run_query, protocol.RunQueryRequest),
                "Commit": unary(self._commit, protocol.CommitRequest),
                "BeginTransaction": unary(self._begin, protocol.BeginTransactionRequest),
                "Rollback": unary(self._rollback, protocol.RollbackRequest),
                "Listen": listening(self._listen),
            },
            port=port,
        )
        self.address = self._server.address

    def __enter__(self) -> ScriptedFirestore:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End everything."""
        for conversation in self._all_conversations():
            conversation.end(grpc.StatusCode.UNAVAILABLE, "the server stops")
        self._server.stop()

    # Faults.

    def drop_streams(
        self, code: grpc.StatusCode | None = grpc.StatusCode.UNAVAILABLE, details: str = "dropped"
    ) -> int:
        """End all Listen streams with a code, or (``None``) without an error; how many."""
        conversations = self._all_conversations()
        for conversation in conversations:
            conversation.end(code, details)
        return len(conversations)

    def refuse_streams(self, code: grpc.StatusCode | None, details: str = "refused") -> None:
        """End every new stream at once with this code; ``None`` accepts them again."""
        self._faults.refuse_streams(code, details)

    def reject(
        self,
        target: str,
        code: grpc.StatusCode = grpc.StatusCode.PERMISSION_DENIED,
        message: str = "Missing or insufficient permissions.",
    ) -> None:
        """Refuse a target from now on, also one that is listened to.

        :param target: a document's path, or a collection's id for all queries on it.
        """
        self._faults.reject(target, code, message)
        self._order("recheck")

    def accept(self, target: str) -> None:
        """Refuse it no more."""
        self._faults.accept(target)

    def expire_tokens(self) -> None:
        """Forget all resume tokens that were issued up to now."""
        self._tokens.expire()

    def reset_queries(self) -> None:
        """Send every query RESET, and its whole result again."""
        self._order("reset")

    def beat(self) -> None:
        """Send a marker on every stream."""
        self._order("beat")

    def holding(self) -> AbstractContextManager[None]:
        """Let no stream say anything in the block; afterwards they say it all at once."""
        return self._faults.holding()

    def be_dumb(self, dumb: bool) -> None:
        """Take everything in on Listen streams and say nothing."""
        self._faults.dumb = dumb

    def fail_commits(self, code: grpc.StatusCode, *, times: int = 1, applied: bool = False) -> None:
        """Answer the next commits with this code, before or after applying them."""
        self._faults.fail_commits(code, times=times, applied=applied)

    def _order(self, order: str) -> None:
        for conversation in self._all_conversations():
            conversation.order(order)

    def _all_conversations(self) -> list[Conversation]:
        with self._lock:
            return list(self._conversations)

    # Methods of the service.

    def _listen(self, requests: Iterator[Any], context: Any) -> Iterator[Any]:
        self._faults.check_stream()
        conversation = Conversation(self.storage, self._faults, self._tokens)
        if not context.add_callback(lambda: conversation.end(None)):
            return
        with self._lock:
            self.streams_opened += 1
            self._conversations.add(conversation)
        self.storage.watch(conversation.notice_commit)
        threading.Thread(target=_hear_all, args=(requests, conversation), daemon=True).start()
        try:
            yield from conversation.responses()
        finally:
            self.storage.unwatch(conversation.notice_commit)
            with self._lock:
                self._conversations.discard(conversation)

    def _get(self, request: Any) -> Iterator[Any]:
        at_ns = self._read_time_ns(request)
        if request.transaction:
            self.storage.transaction(request.transaction).names.update(request.documents)
        for name in request.documents:
            response = protocol.BatchGetDocumentsResponse()
            protocol.set_timestamp(response.read_time, at_ns)
            document = self.storage.document(name, at_ns)
            if document is None:
                response.missing = name
            elif request.HasField("mask"):
                paths = [path for path in request.mask.field_paths if path != "__name__"]
                response.found.CopyFrom(masked(document, paths))
            else:
                response.found.CopyFrom(document)
            yield response

    def _run_query(self, request: Any) -> Iterator[Any]:
        at_ns = self._read_time_ns(request)
        query = Query(request.parent, request.structured_query)
        if request.transaction:
            self.storage.transaction(request.transaction).queries.append(query)
        for document in self.storage.run(query, at_ns):
            response = protocol.RunQueryResponse(document=document)
            protocol.set_timestamp(response.read_time, at_ns)
            yield response
        last = protocol.RunQueryResponse()
        protocol.set_timestamp(last.read_time, at_ns)
        yield last

    def _read_time_ns(self, request: Any) -> int:
        if request.transaction:
            return self.storage.transaction(request.transaction).read_time_ns
        return protocol.nanoseconds(request.read_time) or self.storage.now_ns()

    def _commit(self, request: Any) -> Any:
        failure = self._faults.take_commit_failure()
        if failure is not None and not failure[1]:
            raise Refusal(failure[0], "the commit was not applied")
        commit_time_ns, update_times_ns = self.storage.commit(
            request.writes, bytes(request.transaction)
        )
        self.commits += 1
        if failure is not None:
            raise Refusal(failure[0], "the commit was applied")
        response = protocol.CommitResponse()
        protocol.set_timestamp(response.commit_time, commit_time_ns)
        for update_time_ns in update_times_ns:
            protocol.set_timestamp(response.write_results.add().update_time, update_time_ns)
        return response

    def _begin(self, request: Any) -> Any:
        token = self.storage.begin(request.options)
        return protocol.BeginTransactionResponse(transaction=token)

    def _rollback(self, request: Any) -> Any:
        self.storage.end(bytes(request.transaction))
        return _Empty()


class _Empty:
    """``google.protobuf.Empty``."""

    def SerializeToString(self) -> bytes:
        return b""


def _hear_all(requests: Iterator[Any], conversation: Conversation) -> None:
    try:
        for request in requests:
            conversation.hear(request)
    # The call is over, however it ended: the conversation is told by the context.
    except Exception:
        conversation.end(None)
