"""What is known of the places that views are kept at: the writer's side of law 3."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flask_boiler.engine.keys import ViewKey
from flask_boiler.engine.ledger import ledger_path, owner_of, record_of, tombstone_of
from flask_boiler.engine.live_view import Rendering
from flask_boiler.errors import MaterializationError
from flask_boiler.firestore.codec import encoded_fields
from flask_boiler.values import Precondition, Snapshot, Write

__all__ = ["Place", "Places", "Plan"]


@dataclass(frozen=True, slots=True)
class Place:
    """A place as it was last seen.

    :param update_time_ns: of the document there; 0 if there is none.
    :param content: digest of the document; ``None`` if there is none.
    :param recorded: whether the ledger says that it is its view's.
    :param record_time_ns: the update time of what the ledger has for it, be it a record or a
        tombstone; 0 if it has nothing.
    """

    update_time_ns: int = 0
    content: bytes | None = None
    recorded: bool = False
    record_time_ns: int = 0

    @property
    def precondition(self) -> Precondition:
        """That the document is still as it was seen."""
        if self.content is None:
            return Precondition(exists=False)
        return Precondition(update_time_ns=self.update_time_ns)

    @property
    def record_precondition(self) -> Precondition:
        """That the ledger is still as it was seen."""
        if not self.record_time_ns:
            return Precondition(exists=False)
        return Precondition(update_time_ns=self.record_time_ns)

    @property
    def newest_ns(self) -> int:
        """When it was last written, claimed or given up."""
        return max(self.update_time_ns, self.record_time_ns)


_UNSEEN = Place()


@dataclass(slots=True)
class Plan:
    """The writes that make the places of one view what a rendering says.

    :param contents: by written place, the digest it will have; ``None`` where it is given up.
    :param written_at: by place, which of the writes is that of its document.
    :param recorded_at: by place, which of the writes is that of its record or tombstone.
    """

    writes: list[Write] = field(default_factory=list)
    contents: dict[str, bytes | None] = field(default_factory=dict)
    written_at: dict[str, int] = field(default_factory=dict)
    recorded_at: dict[str, int] = field(default_factory=dict)
    size_bytes: int = 0

    @property
    def freed(self) -> frozenset[str]:
        """The places that are given up."""
        return frozenset(place for place, content in self.contents.items() if content is None)

    def set_document(self, place: str, document: Any, size_bytes: int, seen: Place) -> None:
        """Replace the document at a place."""
        self.written_at[place] = len(self.writes)
        self.writes.append(Write("set", place, document, precondition=seen.precondition))
        self.size_bytes += size_bytes

    def set_record(self, place: str, record: Mapping[str, Any], seen: Place) -> None:
        """Replace what the ledger has for a place."""
        self.recorded_at[place] = len(self.writes)
        path = ledger_path(place)
        self.writes.append(Write("set", path, record, precondition=seen.record_precondition))


class Places:
    """Which view is at which place, and what is known to be stored there."""

    def __init__(self) -> None:
        self._seen: dict[str, Place] = {}
        self._owners: dict[str, ViewKey] = {}
        self._owned: dict[ViewKey, set[str]] = {}

    def owned(self, key: ViewKey) -> frozenset[str]:
        """The places of a view."""
        return frozenset(self._owned.get(key, ()))

    def owner(self, place: str) -> ViewKey | None:
        """The view that has a place."""
        return self._owners.get(place)

    def recall(self, key: ViewKey, place: str, stored: Snapshot, record: Snapshot) -> None:
        """Take up a place that the ledger says is the view's."""
        self._take(key, place)
        self._seen[place] = _seen(stored, record, recorded=True)

    def forget(self, key: ViewKey) -> None:
        """Drop what is known of a view; its documents stay as they are."""
        for place in self._owned.pop(key, set()):
            self._owners.pop(place, None)
            self._seen.pop(place, None)

    def see(self, key: ViewKey, place: str, stored: Snapshot, record: Snapshot) -> bool:
        """Note what is stored at a place; whether that is news.

        :raises MaterializationError: the ledger says that it is another view's.
        """
        owner = owner_of(record)
        if owner not in (None, key):
            self._leave(key, place)
            raise _taken(key, place, owner)
        before = self._seen.get(place, _UNSEEN)
        self._seen[place] = after = _seen(stored, record, recorded=owner is not None)
        return before != after

    def plan(self, key: ViewKey, rendering: Rendering) -> Plan:
        """What to write so that the view's places are what the rendering says.

        Claims the places that are new.

        :raises MaterializationError: one of them is another view's.
        """
        plan = Plan()
        for place in rendering.documents:
            owner = self._owners.get(place)
            if owner not in (None, key):
                raise _taken(key, place, owner)
        for place, document in rendering.documents.items():
            if document is not None:
                self._plan_document(plan, key, place, document, keep=not rendering.gone)
        for place in self.owned(key) - rendering.documents.keys():
            self._plan_removal(plan, key, place)
        if rendering.gone:
            self._plan_farewell(plan, key, rendering)
        return plan

    def applied(self, key: ViewKey, plan: Plan, times_ns: Sequence[int]) -> dict[str, int]:
        """Note that a plan was committed.

        :param times_ns: the update time that each of its writes gave.
        :returns: the tombstones among them: by place, when it was written.
        """
        tombstones = {}
        for place, content in plan.contents.items():
            before = self._seen.get(place, _UNSEEN)
            index = plan.recorded_at.get(place)
            record_time_ns = before.record_time_ns if index is None else times_ns[index]
            if content is not None:
                written = plan.written_at.get(place)
                time_ns = before.update_time_ns if written is None else times_ns[written]
                self._seen[place] = Place(time_ns, content, True, record_time_ns)
                continue
            self._leave(key, place)
            if index is not None:
                tombstones[place] = record_time_ns
                # Whoever claims it next replaces the tombstone.
                self._seen[place] = Place(record_time_ns=record_time_ns)
        return tombstones

    def pruned(self, place: str, written_ns: int) -> None:
        """Note that a tombstone is gone."""
        if self._seen.get(place) == Place(record_time_ns=written_ns):
            del self._seen[place]

    def abandon(self, key: ViewKey) -> None:
        """Give up claims of a failed publication that were never written."""
        for place in self.owned(key):
            if not self._seen.get(place, _UNSEEN).recorded:
                self._leave(key, place)

    def newest_ns(self, places: Iterable[str]) -> int:
        """When any of these places was last written, claimed or given up."""
        return max((self._seen.get(place, _UNSEEN).newest_ns for place in places), default=0)

    def _plan_document(
        self, plan: Plan, key: ViewKey, place: str, document: Any, *, keep: bool
    ) -> None:
        self._take(key, place)
        seen = self._seen.get(place, _UNSEEN)
        encoded = encoded_fields(document)
        content = _digest(encoded)
        plan.contents[place] = content if keep else None
        if seen.content != content:
            plan.set_document(place, document, len(encoded), seen)
        if keep and not seen.recorded:
            plan.set_record(place, record_of(key, place), seen)

    def _plan_removal(self, plan: Plan, key: ViewKey, place: str) -> None:
        seen = self._seen.get(place, _UNSEEN)
        plan.contents[place] = None
        if not seen.recorded:
            # A claim that was never written: what is there is somebody else's.
            return
        # Where there is nothing to delete, this refuses to leave without a record what has come.
        plan.writes.append(Write("delete", place, precondition=seen.precondition))
        plan.set_record(place, tombstone_of(key, place), seen)

    def _plan_farewell(self, plan: Plan, key: ViewKey, rendering: Rendering) -> None:
        for place in rendering.documents:
            plan.contents[place] = None
            seen = self._seen.get(place, _UNSEEN)
            if seen.recorded:
                plan.set_record(place, tombstone_of(key, place), seen)

    def _take(self, key: ViewKey, place: str) -> None:
        self._owners[place] = key
        self._owned.setdefault(key, set()).add(place)

    def _leave(self, key: ViewKey, place: str) -> None:
        self._seen.pop(place, None)
        if self._owners.get(place) == key:
            del self._owners[place]
        owned = self._owned.get(key)
        if owned is not None:
            owned.discard(place)
            if not owned:
                del self._owned[key]


def _taken(key: ViewKey, place: str, owner: ViewKey | None) -> MaterializationError:
    advice = "give one of them another place, or delete the other's root"
    named = [view.root.rpartition("/")[2] for view in (key, owner) if view is not None]
    if owner is not None and owner.keeper == key.keeper and len(set(named)) == 1:
        advice = (
            "two roots in different collections have the same id, so let Meta.path name more than "
            'that, as "{root.doc_path}/views/main" does'
        )
    return MaterializationError(
        f"{key} cannot be kept at {place}: {owner} is kept there already; {advice}",
        key=key,
    )


def _seen(stored: Snapshot, record: Snapshot, *, recorded: bool) -> Place:
    content = _digest(encoded_fields(stored.raw)) if stored.exists else None
    return Place(stored.update_time_ns, content, recorded, record.update_time_ns)


def _digest(encoded: bytes) -> bytes:
    return hashlib.blake2b(encoded, digest_size=16).digest()
