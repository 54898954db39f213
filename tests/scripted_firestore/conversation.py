"""One Listen stream of the server in memory: what it says, and when."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

import grpc

from flask_boiler.firestore import protocol
from tests.scripted_firestore import messages
from tests.scripted_firestore.faults import Faults
from tests.scripted_firestore.matching import Query
from tests.scripted_firestore.storage import Refusal, Storage
from tests.scripted_firestore.tokens import Tokens


class _Served:
    """A target of the stream, and the documents that the client has of it.

    :param known_as: what a test rejects it by.
    """

    def __init__(
        self, target_id: int, names: list[str], query: Query | None, known_as: list[str]
    ) -> None:
        self.target_id = target_id
        self.known_as = known_as
        self.names = names
        self.query = query
        self.sent: dict[str, int] = {}

    def result(self, storage: Storage, at_ns: int) -> dict[str, Any]:
        """The documents that belong to the target at a time."""
        if self.query is not None:
            found = storage.run(self.query, at_ns)
        else:
            found = [storage.document(name, at_ns) for name in self.names]
        return {document.name: document for document in found if document is not None}

    def touched(self, storage: Storage, names: Iterable[str], at_ns: int) -> dict[str, Any]:
        """What has become of these documents; ``None`` for those that do not belong (any more)."""
        if self.query is not None and self.query.has_window:
            result = self.result(storage, at_ns)
            return {name: result.get(name) for name in result.keys() | self.sent.keys()}
        return {name: self._belonging(storage.document(name, at_ns)) for name in names}

    def _belonging(self, document: Any) -> Any:
        if document is None:
            return None
        if self.query is None:
            return document if document.name in self.names else None
        return self.query.selected(document) if self.query.matches(document) else None


class Conversation:
    """Takes requests in and gives responses out; everything on it is consistent at each marker."""

    def __init__(self, storage: Storage, faults: Faults, tokens: Tokens) -> None:
        self._storage = storage
        self._faults = faults
        self._tokens = tokens
        self._condition = threading.Condition()
        self._requests: deque[Any] = deque()
        self._orders: deque[str] = deque()
        self._ending: Refusal | None = None
        self._closed = False
        self._written = False
        self._at_ns = storage.now_ns()
        self._targets: dict[int, _Served] = {}

    # From any thread.

    def hear(self, request: Any) -> None:
        """The client said this."""
        with self._condition:
            self._requests.append(request)
            self._condition.notify()

    def notice_commit(self) -> None:
        """Something was written."""
        with self._condition:
            self._written = True
            self._condition.notify()

    def order(self, order: str) -> None:
        """``beat``: say something; ``reset``: send queries anew; ``recheck``: who may listen."""
        with self._condition:
            self._orders.append(order)
            self._condition.notify()

    def end(self, code: grpc.StatusCode | None, details: str = "") -> None:
        """End the stream, with a code or (``None``) without an error."""
        with self._condition:
            self._closed = True
            self._ending = None if code is None else Refusal(code, details)
            self._condition.notify()

    # On the stream's own thread.

    def responses(self) -> Iterator[Any]:
        """What the server says, until the stream ends.

        :raises Refusal: it ended with a code.
        """
        while self._await_news():
            self._faults.wait_while_held()
            yield from self._news()
        if self._ending is not None:
            raise self._ending

    def _await_news(self) -> bool:
        with self._condition:
            self._condition.wait_for(
                lambda: self._closed or self._written or self._requests or self._orders
            )
            return not self._closed

    def _news(self) -> Iterator[Any]:
        with self._condition:
            requests, self._requests = self._requests, deque()
            orders, self._orders = self._orders, deque()
            self._written = False
        if self._faults.dumb:
            return
        # Everything that is said now holds at this time, whatever is written meanwhile.
        until_ns = self._storage.now_ns()
        yield from self._advance(until_ns)
        for request in requests:
            yield from self._comply(request, until_ns)
        for order in orders:
            yield from self._follow(order, until_ns)
        yield messages.marker(until_ns, self._tokens.issue(until_ns))

    def _comply(self, request: Any, at_ns: int) -> Iterator[Any]:
        if request.WhichOneof("target_change") == "remove_target":
            if self._targets.pop(request.remove_target, None) is not None:
                yield messages.removed(request.remove_target)
            return
        addition = request.add_target
        if addition.target_id in self._targets:
            raise Refusal(
                grpc.StatusCode.INVALID_ARGUMENT, f"target id {addition.target_id} is in use"
            )
        yield from self._add(addition, at_ns)

    def _add(self, addition: Any, at_ns: int) -> Iterator[Any]:
        served = _served(addition)
        rejection = self._rejection(served)
        if rejection is not None:
            yield rejection
            return
        self._targets[served.target_id] = served
        yield messages.added(served.target_id)
        known_ns = self._tokens.time_ns(addition.resume_token)
        if addition.resume_token and known_ns is None:
            yield messages.reset(served.target_id)
        if known_ns is None:
            yield from self._send_all(served, at_ns)
        else:
            yield from self._resume(served, addition, known_ns, at_ns)
        yield messages.current(served.target_id, token=self._tokens.issue(at_ns))

    def _rejection(self, served: _Served) -> Any | None:
        for known_as in served.known_as:
            found = self._faults.rejection(known_as)
            if found is not None:
                code, message = found
                return messages.removed(served.target_id, code=code.value[0], message=message)
        return None

    def _send_all(self, served: _Served, at_ns: int) -> Iterator[Any]:
        result = served.result(self._storage, at_ns)
        served.sent = {name: _stamp(document) for name, document in result.items()}
        for document in result.values():
            yield messages.changed(document, served.target_id)
        for name in served.names:
            if name not in result:
                yield messages.deleted(name, served.target_id)

    def _resume(self, served: _Served, addition: Any, known_ns: int, at_ns: int) -> Iterator[Any]:
        """What is new since the token; what is gone can only be told from the count."""
        before = {n: _stamp(d) for n, d in served.result(self._storage, known_ns).items()}
        result = served.result(self._storage, at_ns)
        served.sent = {name: _stamp(document) for name, document in result.items()}
        fresh = [d for n, d in result.items() if before.get(n) != _stamp(d)]
        for document in fresh:
            yield messages.changed(document, served.target_id)
        known = addition.expected_count.value if addition.HasField("expected_count") else -1
        entered = sum(document.name not in before for document in fresh)
        if known + entered != len(result):
            unchanged = [name for name in result if before.get(name) == served.sent[name]]
            # The bloom filter is for what the client has; what was just sent is in it too.
            unchanged.extend(document.name for document in fresh)
            yield messages.existence_filter(served.target_id, len(result), unchanged)

    def _advance(self, until_ns: int) -> Iterator[Any]:
        """Tell every target what happened up to this time, one message for each document."""
        names = self._storage.written_since(self._at_ns, until_ns)
        self._at_ns = until_ns
        news: dict[str, list[tuple[_Served, Any]]] = {}
        for served in self._targets.values() if names else ():
            for name, document in served.touched(self._storage, names, until_ns).items():
                if document is not None or name in served.sent:
                    news.setdefault(name, []).append((served, document))
        for name in sorted(news):
            yield from self._tell(name, news[name], until_ns)

    def _tell(self, name: str, concerned: list[tuple[_Served, Any]], at_ns: int) -> Iterator[Any]:
        gone = [served.target_id for served, document in concerned if document is None]
        shown: dict[bytes, tuple[Any, list[int]]] = {}
        for served, document in concerned:
            if document is None:
                del served.sent[name]
            elif served.sent.get(name) != _stamp(document) or served.query is None:
                served.sent[name] = _stamp(document)
                content = document.SerializeToString(deterministic=True)
                shown.setdefault(content, (document, []))[1].append(served.target_id)
        for document, target_ids in shown.values():
            yield messages.changed(document, *target_ids, left=gone)
            gone = []
        if gone and self._storage.document(name, at_ns) is None:
            yield messages.deleted(name, *gone)
        elif gone:
            yield messages.left(name, *gone)

    def _follow(self, order: str, at_ns: int) -> Iterator[Any]:
        if order == "reset":
            for served in list(self._targets.values()):
                if served.query is not None:
                    yield messages.reset(served.target_id)
                    yield from self._send_all(served, at_ns)
                    yield messages.current(served.target_id, token=self._tokens.issue(at_ns))
        elif order == "recheck":
            yield from self._recheck()

    def _recheck(self) -> Iterator[Any]:
        for target_id, served in list(self._targets.items()):
            rejection = self._rejection(served)
            if rejection is not None:
                del self._targets[target_id]
                yield rejection


def _served(addition: Any) -> _Served:
    if addition.WhichOneof("target_type") == "documents":
        names = list(addition.documents.documents)
        paths = [name.split("/documents/", 1)[1] for name in names]
        return _Served(addition.target_id, names, None, paths)
    structured = addition.query.structured_query
    collections = [source.collection_id for source in structured.from_]
    return _Served(addition.target_id, [], Query(addition.query.parent, structured), collections)


def _stamp(document: Any) -> int:
    return protocol.nanoseconds(document.update_time)
