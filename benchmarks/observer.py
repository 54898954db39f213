"""The other client: writes the sources, and sees the views arrive.

It has a channel of its own and listens to each view document by itself, as a front end that
shows one does. (The emulator sends a listened query's whole result again on every write, which
would measure the observer.)
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterable, Mapping
from typing import Any

from benchmarks.bare_materializer import CURRENT, ListenRequest, Wire, Write

__all__ = ["Observer", "source_write"]

#: What a source write changes, and a view shows: its number tells one write from the next.
NUMBER = "population"


def source_write(wire: Wire, doc_id: str, number: int) -> Any:
    """A ``City`` as the framework's domain model would store it."""
    write = Write()
    path = f"City/{doc_id}"
    write.update.name = f"{wire.documents}/{path}"
    fields = write.update.fields
    fields["obj_type"].string_value = "City"
    fields["doc_id"].string_value = doc_id
    fields["doc_ref"].string_value = path
    fields["cityName"].string_value = f"The city of {doc_id}"
    fields["country"].string_value = "USA"
    fields["state"].string_value = "CA"
    fields["capital"].boolean_value = False
    fields[NUMBER].integer_value = number
    for region in ("west_coast", "norcal"):
        fields["regions"].array_value.values.add(string_value=region)
    return write


class Observer:
    """Listens to view documents, and tells when each shows the number it is waited for with."""

    def __init__(self, wire: Wire, view_ids: Iterable[str]) -> None:
        self._wire = wire
        self._ids = list(view_ids)
        self._requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._awaited: dict[str, int] = {}
        self._all_seen = threading.Event()
        self._seen_ns = 0
        self._uncertain = len(self._ids)
        self._all_current = threading.Event()
        self._call: Any = None

    def __enter__(self) -> Observer:
        for number, view_id in enumerate(self._ids):
            request = ListenRequest(database=self._wire.database)
            # Ids of explicitly numbered targets are even, by the protocol's custom.
            request.add_target.target_id = 2 * number + 2
            request.add_target.documents.documents.append(self._name(view_id))
            self._requests.put(request)
        self._call = self._wire.listen(iter(self._requests.get, None))
        threading.Thread(target=self._read, daemon=True).start()
        if not self._all_current.wait(60):
            raise TimeoutError(f"{self._uncertain} view documents could not be listened to in 60 s")
        return self

    def __exit__(self, *_: object) -> None:
        self._requests.put(None)
        self._call.cancel()

    def await_numbers(self, numbers: Mapping[str, int]) -> None:
        """Wait for these views to show these numbers from now on; see :meth:`seen_ns`."""
        with self._lock:
            self._awaited = {self._name(view_id): number for view_id, number in numbers.items()}
            self._all_seen.clear()

    def seen_ns(self, timeout_s: float) -> int:
        """When the last of the awaited views was seen, by the monotonic clock.

        :raises TimeoutError: saying how many were not.
        """
        if not self._all_seen.wait(timeout_s):
            with self._lock:
                late = len(self._awaited)
            raise TimeoutError(f"{late} views did not show what was waited for in {timeout_s} s")
        return self._seen_ns

    def _name(self, view_id: str) -> str:
        return f"{self._wire.documents}/cityView/{view_id}"

    def _read(self) -> None:
        try:
            for response in self._call:
                if response.HasField("document_change"):
                    self._see(response.document_change.document)
                elif response.target_change.target_change_type == CURRENT:
                    self._count_current(len(response.target_change.target_ids))
        except Exception:
            if not self._call.cancelled():
                raise

    def _see(self, document: Any) -> None:
        now_ns = time.monotonic_ns()
        with self._lock:
            awaited = self._awaited.get(document.name)
            if awaited is None or document.fields[NUMBER].integer_value != awaited:
                return
            del self._awaited[document.name]
            if not self._awaited:
                self._seen_ns = now_ns
                self._all_seen.set()

    def _count_current(self, targets: int) -> None:
        self._uncertain -= targets
        if self._uncertain <= 0:
            self._all_current.set()
