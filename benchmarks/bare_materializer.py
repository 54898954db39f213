"""The peer: the same views kept by hand on the bare protocol, with no framework.

One Listen stream over the source collection, plain protobuf messages, one thread that reads the
stream and one that commits whatever is ready, at most 500 writes at a time. Chosen fields are
copied from source to view without ever becoming Python values. It keeps no record of what it
owns, puts no precondition on a write, never compares, and does not survive its stream: this is
what the protocol costs on this machine, and no more than that.

It imports nothing of flask_boiler.
"""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Iterator
from typing import Any

import grpc
from google.cloud.firestore_v1.types import document as _document
from google.cloud.firestore_v1.types import firestore as _firestore
from google.cloud.firestore_v1.types import write as _write

# google-cloud-firestore wraps each message in an object of its own; these are the ones inside.
Document: Any = _document.Document.pb()
Write: Any = _write.Write.pb()
CommitRequest: Any = _firestore.CommitRequest.pb()
CommitResponse: Any = _firestore.CommitResponse.pb()
ListenRequest: Any = _firestore.ListenRequest.pb()
ListenResponse: Any = _firestore.ListenResponse.pb()
CURRENT = _firestore.TargetChange.pb().CURRENT

SERVICE = "/google.firestore.v1.Firestore/"
MOST_WRITES = 500
#: Stored name in the view, by stored name in the source.
COPIED = {
    "name": "cityName",
    "country": "country",
    "capital": "capital",
    "population": "population",
}


class Wire:
    """One channel to one database: commit, and listen."""

    def __init__(self, host: str, project: str) -> None:
        self.database = f"projects/{project}/databases/(default)"
        self.documents = f"{self.database}/documents"
        self._metadata = (
            ("authorization", "Bearer owner"),
            ("google-cloud-resource-prefix", self.database),
        )
        self._channel = grpc.insecure_channel(
            host, options=[("grpc.max_receive_message_length", -1)]
        )
        self._commit: Any = self._channel.unary_unary(
            SERVICE + "Commit",
            request_serializer=CommitRequest.SerializeToString,
            response_deserializer=CommitResponse.FromString,
        )
        self._listen: Any = self._channel.stream_stream(
            SERVICE + "Listen",
            request_serializer=ListenRequest.SerializeToString,
            response_deserializer=ListenResponse.FromString,
        )

    def commit(self, writes: list[Any]) -> None:
        request = CommitRequest(database=self.database, writes=writes)
        self._commit(request, metadata=self._metadata, timeout=60)

    def listen(self, requests: Iterator[Any]) -> Any:
        return self._listen(requests, metadata=self._metadata)

    def close(self) -> None:
        self._channel.close()


class Materializer:
    def __init__(self, wire: Wire, collection: str, view_collection: str) -> None:
        self._wire = wire
        self._collection = collection
        self._view_collection = view_collection
        self._requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._writes: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._update_times: dict[str, tuple[int, int]] = {}
        self.current = threading.Event()

    def start(self) -> None:
        request = ListenRequest(database=self._wire.database)
        request.add_target.target_id = 2
        request.add_target.query.parent = self._wire.documents
        request.add_target.query.structured_query.from_.add(collection_id=self._collection)
        self._requests.put(request)
        threading.Thread(target=self._read, daemon=True).start()
        threading.Thread(target=self._publish, daemon=True).start()

    def _read(self) -> None:
        for response in self._wire.listen(iter(self._requests.get, None)):
            kind = response.WhichOneof("response_type")
            if kind == "document_change":
                self._take(response.document_change.document)
            elif kind == "document_delete":
                self._drop(response.document_delete.document)
            elif kind == "document_remove":
                self._drop(response.document_remove.document)
            elif response.target_change.target_change_type == CURRENT:
                self.current.set()

    def _take(self, source: Any) -> None:
        # Whatever else is in the collection may be sent again with it.
        update_time = (source.update_time.seconds, source.update_time.nanos)
        if self._update_times.get(source.name) != update_time:
            self._update_times[source.name] = update_time
            self._writes.put(self._view_of(source))

    def _view_of(self, source: Any) -> Any:
        write = Write()
        write.update.name = self._place(source.name)
        fields = write.update.fields
        for name, stored in COPIED.items():
            fields[name].CopyFrom(source.fields[stored])
        fields["obj_type"].string_value = "CityView"
        fields["doc_ref"].string_value = write.update.name[len(self._wire.documents) + 1 :]
        return write

    def _drop(self, name: str) -> None:
        self._update_times.pop(name, None)
        self._writes.put(Write(delete=self._place(name)))

    def _place(self, source_name: str) -> str:
        return f"{self._wire.documents}/{self._view_collection}/{source_name.rpartition('/')[2]}"

    def _publish(self) -> None:
        while True:
            writes = {}
            write = self._writes.get()
            # The last one for a document wins: a commit may name it once.
            writes[write.update.name or write.delete] = write
            while len(writes) < MOST_WRITES and not self._writes.empty():
                write = self._writes.get()
                writes[write.update.name or write.delete] = write
            self._wire.commit(list(writes.values()))


def main() -> None:
    """``python -m benchmarks.bare_materializer HOST PROJECT``; ends when its input does."""
    host, project = sys.argv[1:3]
    materializer = Materializer(Wire(host, project), "City", "cityView")
    materializer.start()
    if not materializer.current.wait(30):
        sys.exit("the source collection did not become current within 30 s")
    print("ready", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
