"""The plan of a publication: the writes for what differs from what is stored."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from flask_boiler.engine.publishing.ledger import RecordChange
from flask_boiler.engine.publishing.place import Place, digest
from flask_boiler.engine.view_key import ViewKey
from flask_boiler.firestore.codec import encoded_fields
from flask_boiler.ground.values import Write

__all__ = ["Plan"]


@dataclass(slots=True)
class Plan:
    """The writes that put what was computed at the places of a view.

    :param contents: by written place, the digest it will have; ``None`` where it is given up.
    :param written_at: by place, which of the writes is that of its document.
    :param recorded_at: by place, which of the writes is that of its record or tombstone.
    :param left: the places that are given up with the document that is there.
    """

    writes: list[Write | RecordChange] = field(default_factory=list)
    contents: dict[str, bytes | None] = field(default_factory=dict)
    written_at: dict[str, int] = field(default_factory=dict)
    recorded_at: dict[str, int] = field(default_factory=dict)
    left: set[str] = field(default_factory=set)
    size_bytes: int = 0

    @property
    def freed(self) -> frozenset[str]:
        """The places that are given up."""
        return frozenset(place for place, content in self.contents.items() if content is None)

    def put(self, place: str, document: Any, seen: Place, key: ViewKey, *, keep: bool) -> None:
        """Plan that a document is at a place; one that is there already is not written.

        :param seen: the place as it is now.
        :param key: whose document it is.
        :param keep: whether the view keeps the place, and so owns it.
        """
        encoded = encoded_fields(document)
        content = digest(encoded)
        self.contents[place] = content if keep else None
        if seen.content != content:
            self._set_document(place, document, len(encoded), seen)
        if keep and seen.owner != key:
            self._set_record(place, key, seen, owned=True)

    def give_up(self, place: str, seen: Place, key: ViewKey) -> None:
        """Plan that a view's document at a place is deleted, and the place free."""
        self.contents[place] = None
        # Where there is nothing to delete, this refuses to leave without a record what has come.
        self.writes.append(Write("delete", place, precondition=seen.precondition))
        self._set_record(place, key, seen, owned=False)

    def leave_behind(self, place: str, seen: Place, key: ViewKey) -> None:
        """Plan that a view's document stays at a place that is the view's no more."""
        self.contents[place] = None
        self.left.add(place)
        if seen.owner == key:
            self._set_record(place, key, seen, owned=False, left=True)

    def _set_document(self, place: str, document: Any, size_bytes: int, seen: Place) -> None:
        self.written_at[place] = len(self.writes)
        self.writes.append(Write("set", place, document, precondition=seen.precondition))
        self.size_bytes += size_bytes

    def _set_record(
        self, place: str, key: ViewKey, seen: Place, *, owned: bool, left: bool = False
    ) -> None:
        self.recorded_at[place] = len(self.writes)
        self.writes.append(RecordChange(place, key, owned, left, seen.record_time_ns))
