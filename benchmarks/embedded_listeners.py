"""One write, told to many listeners: the time from before its commit until the last has heard.

Streams are bare gRPC and messages are looked into only where they must be: google-cloud-firestore's
``on_snapshot`` costs so much for each listener that little else would be measured.
"""

from __future__ import annotations

import itertools
import queue
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import grpc

from benchmarks.embedded_load import Load
from flask_boiler.firestore import protocol

__all__ = ["FANOUTS", "HELD", "LISTENERS", "Fanout"]

LISTENERS = 100
#: Documents under the one query that has many.
HELD = 10_000
_STREAMS_A_CHANNEL = 25
_TIMEOUT_S = 30.0
# How a serialized ListenResponse begins; only one of its fields is set.
_TARGET_CHANGE = b"\x12"
_DOCUMENT_CHANGE = b"\x1a"

#: Makes the targets of each stream, given the database's documents.
Targets = Callable[[str], list[list[Any]]]


def _document_target(documents: str, number: int) -> Any:
    return protocol.ListenTarget(target_id=number, documents={"documents": [f"{documents}/few/a"]})


def _query_target(documents: str, number: int, collection: str) -> Any:
    target = protocol.ListenTarget(target_id=number, query={"parent": documents})
    query = target.query.structured_query
    query.from_.add(collection_id=collection)
    if collection == "few":
        # Each is another query, and all find the same.
        query.where.field_filter.field.field_path = "rank"
        query.where.field_filter.op = protocol.StructuredQuery.FieldFilter.GREATER_THAN
        query.where.field_filter.value.integer_value = -number
    return target


#: By name the targets of each stream, and the collection that is written.
FANOUTS: dict[str, tuple[Targets, str]] = {
    "document, 100 streams": (
        lambda documents: [[_document_target(documents, 1)] for _ in range(LISTENERS)],
        "few",
    ),
    "query, 100 streams": (
        lambda documents: [
            [_query_target(documents, number, "few")] for number in range(1, LISTENERS + 1)
        ],
        "few",
    ),
    "100 queries, 1 stream": (
        lambda documents: [
            [_query_target(documents, number, "few") for number in range(1, LISTENERS + 1)]
        ],
        "few",
    ),
    "query of 10,000 documents": (
        lambda documents: [[_query_target(documents, 1, "held")]],
        "held",
    ),
}


class Fanout:
    """Listeners of one kind; open from when it is made until it is closed."""

    def __init__(self, host: str, load: Load, name: str) -> None:
        targets, collection = FANOUTS[name]
        self._written = load.client.document(f"{collection}/a")
        self._written.set(_content(""))
        database = f"projects/{load.client.project}/databases/(default)"
        of_streams = targets(f"{database}/documents")
        self._channels = [
            grpc.insecure_channel(host, options=_OPTIONS)
            for _ in range(0, len(of_streams), _STREAMS_A_CHANNEL)
        ]
        self._awaited = _Awaited(len(of_streams))
        self._streams = [
            _Stream(self._channels[number // _STREAMS_A_CHANNEL], database, each, self._awaited)
            for number, each in enumerate(of_streams)
        ]
        self._awaited.wait()

    def measure_ms(self, writes: int) -> float:
        """The median of so many writes."""
        return statistics.median(self._write_ms() for _ in range(writes))

    def _write_ms(self) -> float:
        token = f"<{next(_numbers)}>"
        self._awaited.begin(token.encode())
        began_s = time.perf_counter()
        self._written.set(_content(token))
        return (self._awaited.wait() - began_s) * 1000

    def close(self) -> None:
        for stream in self._streams:
            stream.close()
        for channel in self._channels:
            channel.close()


_OPTIONS = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1)]
_numbers = itertools.count()


def _content(token: str) -> dict[str, Any]:
    return {"rank": 1, "token": token}


class _Awaited:
    """What all streams are to hear of next; at first, that they are current."""

    def __init__(self, streams: int) -> None:
        self._streams = streams
        self._lock = threading.Lock()
        self._all = threading.Event()
        self._left = streams
        self._last_s = 0.0
        self.token = b""

    def begin(self, token: bytes) -> None:
        self._all.clear()
        self._left = self._streams
        self.token = token

    def heard(self) -> None:
        with self._lock:
            self._left -= 1
            if not self._left:
                self._last_s = time.perf_counter()
                self._all.set()

    def wait(self) -> float:
        """When the last of them heard of it."""
        if not self._all.wait(_TIMEOUT_S):
            raise TimeoutError(f"{self._left} of {self._streams} streams were told nothing")
        return self._last_s


class _Stream:
    """A Listen stream. Hears of a write when all its targets were told, and then a marker."""

    def __init__(
        self, channel: grpc.Channel, database: str, targets: Sequence[Any], awaited: _Awaited
    ) -> None:
        self._targets = {target.target_id for target in targets}
        self._awaited = awaited
        self._requests: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        for target in targets:
            request = protocol.ListenRequest(database=database, add_target=target)
            self._requests.put(request.SerializeToString())
        listen = channel.stream_stream(
            f"{protocol.SERVICE}Listen", request_serializer=bytes, response_deserializer=bytes
        )
        metadata = (
            ("authorization", "Bearer owner"),
            ("google-cloud-resource-prefix", database),
        )
        self._call: Any = listen(iter(self._requests.get, None), metadata=metadata)
        self._thread = threading.Thread(target=self._hear, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._call.cancel()
        self._requests.put(None)
        self._thread.join()

    def _hear(self) -> None:
        missing, token, is_told = set(self._targets), b"", False
        try:
            for response in self._call:
                if token != self._awaited.token:
                    missing, token, is_told = set(self._targets), self._awaited.token, False
                missing -= _told_by(response, token)
                if not is_told and not missing and _is_marker(response):
                    is_told = True
                    self._awaited.heard()
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.CANCELLED:
                raise


def _told_by(response: bytes, token: bytes) -> set[int]:
    """The targets that are told of the write by this; at the beginning, that they are current."""
    if token and response.startswith(_DOCUMENT_CHANGE) and token in response:
        change = protocol.ListenResponse.FromString(response).document_change
        return set(change.target_ids)
    if not token and response.startswith(_TARGET_CHANGE):
        change = protocol.ListenResponse.FromString(response).target_change
        is_current = change.target_change_type == protocol.TargetChange.CURRENT
        return set(change.target_ids) if is_current else set()
    return set()


def _is_marker(response: bytes) -> bool:
    """Whether clients show what they were told when they hear this."""
    if not response.startswith(_TARGET_CHANGE):
        return False
    change = protocol.ListenResponse.FromString(response).target_change
    is_neutral = change.target_change_type == protocol.TargetChange.NO_CHANGE
    return is_neutral and not change.target_ids and change.HasField("read_time")
