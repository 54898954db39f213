"""Another client, with Google's own library, which only sees documents."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Self

from flask_boiler import ApplicationContext, Config

__all__ = ["Kind", "Observer", "Sighting", "listed"]

Kind = Literal["added", "changed", "removed"]

_KINDS: dict[str, Kind] = {"ADDED": "added", "MODIFIED": "changed", "REMOVED": "removed"}
_SIGNS: dict[Kind, str] = {"added": "+", "changed": "~", "removed": "-"}
_FIRST_SNAPSHOT_TIMEOUT_S = 15.0
#: What the framework adds to every document.
_OWN_FIELDS = frozenset({"obj_type", "doc_id", "doc_ref"})


@dataclass(frozen=True, slots=True)
class Sighting:
    """A change of a document that the observer saw.

    :param before: the fields as they were seen last; empty for a new document.
    :param at_s: when it was seen, by ``time.perf_counter``.
    """

    kind: Kind
    path: str
    fields: dict[str, Any]
    before: dict[str, Any]
    at_s: float

    @property
    def sign(self) -> str:
        """The kind of change as one character."""
        return _SIGNS[self.kind]

    @property
    def summary(self) -> str:
        """The fields that have changed, without those of the framework."""
        if self.kind == "changed":
            return ", ".join(
                f"{name}: {self.before.get(name)} → {value}"
                for name, value in self.fields.items()
                if self.before.get(name) != value
            )
        return listed(self.fields)


def listed(fields: dict[str, Any]) -> str:
    """The application's fields, in one line."""
    shown = {name: value for name, value in fields.items() if name not in _OWN_FIELDS}
    return ", ".join(f"{name}: {value}" for name, value in sorted(shown.items()))


class Observer:
    """A client of a local Firestore that listens to one collection with Google's own listener.

    :param host: ``HOST:PORT``.
    :param group: whether to watch all collections of that name, wherever they lie.
    """

    def __init__(self, *, host: str, project: str, collection: str, group: bool = False) -> None:
        self._context = ApplicationContext(Config(emulator_host=host, project=project))
        self._client = self._context.db
        self._collection = collection
        self._query = (
            self._client.collection_group(collection)
            if group
            else self._client.collection(collection)
        )
        self._sightings: queue.SimpleQueue[Sighting] = queue.SimpleQueue()
        self._seen: dict[str, dict[str, Any]] = {}
        self._watching = threading.Event()
        self._watch: Any = None

    def next(self, *, timeout_s: float | None = None) -> Sighting | None:
        """The next change that was seen, in order; ``None`` if none comes in time."""
        try:
            return self._sightings.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def create(self, path: str, fields: dict[str, Any]) -> None:
        """Create a document, as a front end does."""
        self._client.document(path).create(fields)

    def read(self, path: str) -> dict[str, Any] | None:
        """The document as it is now."""
        fields: dict[str, Any] | None = self._client.document(path).get().to_dict()
        return fields

    def version(self, path: str) -> Any:
        """The time when a document was last written; ``None`` if it does not exist."""
        return self._client.document(path).get().update_time

    def __enter__(self) -> Self:
        self._watch = self._query.on_snapshot(self._on_snapshot)
        if not self._watching.wait(_FIRST_SNAPSHOT_TIMEOUT_S):
            raise TimeoutError(f"google's listener on {self._collection} gave no first snapshot")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._watch.unsubscribe()
        self._context.close()

    def _on_snapshot(self, documents: Any, changes: Sequence[Any], read_time: Any) -> None:
        at_s = time.perf_counter()
        for change in changes:
            self._see(_KINDS[change.type.name], change.document, at_s)
        self._watching.set()

    def _see(self, kind: Kind, document: Any, at_s: float) -> None:
        path: str = document.reference.path
        before = self._seen.pop(path, {})
        fields: dict[str, Any] = {}
        if kind != "removed":
            fields = self._seen[path] = document.to_dict()
        self._sightings.put(Sighting(kind, path, fields, before, at_s))
