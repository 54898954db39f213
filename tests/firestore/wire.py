"""What goes over a client's connection: every call, as gRPC is handed it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import grpc

from flask_boiler import Boiler


@dataclass(frozen=True)
class Call:
    """One request.

    :param method: ``BatchGetDocuments``, ``RunQuery``, ``Commit`` …
    :param size: the documents that are read, or the writes of a commit.
    :param dated: whether it is as of a given time, or of a transaction.
    """

    method: str
    size: int
    dated: bool


class Wire(
    grpc.UnaryUnaryClientInterceptor,
    grpc.UnaryStreamClientInterceptor,
    grpc.StreamStreamClientInterceptor,
):
    """Counts the calls of a boiler's datastore, below everything of ours.

    The boiler must not have been used before.
    """

    def __init__(self, boiler: Boiler) -> None:
        self._lock = threading.Lock()
        self._calls: list[Call] = []
        self._documents = 0
        transport: Any = boiler.context.db._firestore_api.transport
        transport._grpc_channel = grpc.intercept_channel(transport._grpc_channel, self)
        assert boiler.context._connections.datastore is None, "it was used before"

    def clear(self) -> None:
        """Forget the calls so far."""
        with self._lock:
            self._calls.clear()
            self._documents = 0

    @property
    def calls(self) -> list[Call]:
        """The calls, in order."""
        with self._lock:
            return list(self._calls)

    @property
    def methods(self) -> Counter[str]:
        """How many calls there were of each method."""
        return Counter(call.method for call in self.calls)

    @property
    def reads(self) -> list[int]:
        """How many documents each ``BatchGetDocuments`` asked for."""
        return [call.size for call in self.calls if call.method == "BatchGetDocuments"]

    @property
    def documents(self) -> int:
        """How many documents were read, apart from listening; a missing one counts, too."""
        with self._lock:
            return self._documents

    def intercept_unary_unary(
        self, continuation: Callable[..., Any], details: Any, request: Any
    ) -> Any:
        """Note a call, and let it pass."""
        self._note(details, request)
        return continuation(details, request)

    def intercept_unary_stream(
        self, continuation: Callable[..., Any], details: Any, request: Any
    ) -> Any:
        """Note a call, and let it pass."""
        self._note(details, request)
        return _CountedCall(continuation(details, request), self.count)

    def intercept_stream_stream(
        self, continuation: Callable[..., Any], details: Any, requests: Any
    ) -> Any:
        """Note a call, and let it pass."""
        self._note(details, None)
        return continuation(details, requests)

    def count(self, response: Any) -> None:
        """Note an answer."""
        with self._lock:
            self._documents += any(
                field.name in ("document", "found", "missing") for field, _ in response.ListFields()
            )

    def _note(self, details: Any, request: Any) -> None:
        size = len(getattr(request, "documents", ())) or len(getattr(request, "writes", ()))
        dated = bool(getattr(request, "transaction", b"")) or _has_read_time(request)
        with self._lock:
            self._calls.append(Call(details.method.rpartition("/")[2], size, dated))


class _CountedCall:
    """A call whose answers are noted; else it is the call."""

    def __init__(self, call: Any, note: Callable[[Any], None]) -> None:
        self._call = call
        self._note = note

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        response = next(self._call)
        self._note(response)
        return response

    def __getattr__(self, name: str) -> Any:
        return getattr(self._call, name)


def _has_read_time(request: Any) -> bool:
    return "read_time" in {field.name for field, _ in request.ListFields()} if request else False
