"""The places of views, and what this process knows to be stored there, for the sake of law 3."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from flask_boiler.engine.publishing.ledger import PlaceRecord
from flask_boiler.engine.publishing.moves import Move
from flask_boiler.engine.publishing.place import Place, digest, seen_place
from flask_boiler.engine.publishing.plan import Plan
from flask_boiler.engine.sink import Documents
from flask_boiler.engine.view_key import ViewKey
from flask_boiler.firestore.codec import encoded_fields, stored_type
from flask_boiler.ground.values import Snapshot

__all__ = ["Places"]

_UNSEEN = Place()


class Places:
    """The record of which view is at which place, and of what is known to be stored there.

    A place is a view's when the ledger says so, as last seen, and not before: what a view claims
    in a commit that is not answered yet is :mod:`~flask_boiler.engine.publishing.moves`'s matter.
    """

    def __init__(self) -> None:
        self._seen: dict[str, Place] = {}
        self._owned: dict[ViewKey, set[str]] = {}

    def owned(self, key: ViewKey) -> frozenset[str]:
        """The places of a view."""
        return frozenset(self._owned.get(key, ()))

    def owner(self, place: str) -> ViewKey | None:
        """The view that has a place."""
        return self._known(place).owner

    def recall(self, place: str, stored: Snapshot, record: PlaceRecord) -> None:
        """Take up a place that the ledger says is a view's."""
        if record.update_time_ns >= self._known(place).record_time_ns:
            self._note(place, seen_place(stored, record))

    def forget(self, key: ViewKey) -> None:
        """Drop what is known of a view; its documents stay as they are."""
        for place in self._owned.pop(key, set()):
            self._seen.pop(place, None)

    def see(self, place: str, stored: Snapshot, record: PlaceRecord) -> bool:
        """Note what is stored at a place; whether that is news."""
        before = self._known(place)
        after = seen_place(stored, record)
        if before != after:
            self._note(place, after)
        return before != after

    def move(self, key: ViewKey, documents: Documents, *, gone: bool) -> Move:
        """The places that a view claims to be kept in these documents, and those it leaves."""
        wanted = documents.by_place
        owned = self.owned(key)
        gains = () if gone else (p for p, d in wanted.items() if d is not None)
        return Move(key, frozenset(gains) - owned, owned - wanted.keys())

    def departure(self, key: ViewKey, documents: Documents) -> Move:
        """The places that a view leaves of which nothing else is published."""
        return Move(key, leaves=self.owned(key) - documents.by_place.keys())

    def is_strange(self, key: ViewKey, place: str, document: Any) -> bool:
        """Whether there is a document that nothing says is the view's.

        :param document: what the view would write there.
        """
        seen = self._known(place)
        if seen.owner is not None or seen.content is None or seen.left_by == key:
            return False
        return seen.obj_type is None or seen.obj_type != stored_type(document)

    def differs(self, key: ViewKey, place: str, document: Any) -> bool:
        """Whether a view has no such document at a place, as it was last seen."""
        seen = self._known(place)
        return seen.owner != key or seen.content != digest(encoded_fields(document))

    def plan(
        self,
        key: ViewKey,
        documents: Documents,
        *,
        gone: bool = False,
        passed: Collection[str] = (),
        leave_only: bool = False,
    ) -> Plan:
        """The writes that keep a view in these documents, and nowhere else.

        :param gone: the view ends with that, and leaves them behind.
        :param passed: places that it gives up and that others take over in the same commit.
        :param leave_only: nothing is written but what gives places up.
        """
        plan = Plan()
        if not leave_only:
            for place, document in documents.by_place.items():
                if document is not None:
                    plan.put(place, document, self._known(place), key, keep=not gone)
        for place in self.owned(key) - documents.by_place.keys() - set(passed):
            plan.give_up(place, self._known(place), key)
        if gone and not leave_only:
            for place in documents.by_place:
                plan.leave_behind(place, self._known(place), key)
        return plan

    def applied(self, key: ViewKey, plan: Plan, times_ns: Sequence[int]) -> dict[str, int]:
        """Note that a plan was committed.

        :param times_ns: the update time that each of its writes gave.
        :returns: the tombstones among them that are pruned: by place, when it was written.
        """
        tombstones = {}
        for place, content in plan.contents.items():
            before = self._known(place)
            index = plan.recorded_at.get(place)
            record_time_ns = before.record_time_ns if index is None else times_ns[index]
            if content is not None:
                written = plan.written_at.get(place)
                time_ns = before.update_time_ns if written is None else times_ns[written]
                self._note(place, Place(time_ns, content, key, record_time_ns, written_here=True))
                continue
            self._forget_place(place)
            if index is not None and place not in plan.left:
                tombstones[place] = record_time_ns
                # Whoever claims it next replaces the tombstone.
                self._seen[place] = Place(record_time_ns=record_time_ns, written_here=True)
        return tombstones

    def pruned(self, place: str, written_ns: int) -> None:
        """Note that a tombstone is gone."""
        if self._seen.get(place) == Place(record_time_ns=written_ns):
            del self._seen[place]

    def newest_ns(self, places: Iterable[str]) -> int:
        """The time at which any of these places was last written, claimed or given up."""
        return max((self._known(place).newest_ns for place in places), default=0)

    def newest_elsewhere_ns(self, places: Iterable[str]) -> int:
        """The time when another process last wrote, claimed or gave up any of these places."""
        return self.newest_ns(place for place in places if not self._known(place).written_here)

    def _known(self, place: str) -> Place:
        return self._seen.get(place, _UNSEEN)

    def _note(self, place: str, seen: Place) -> None:
        self._forget_place(place)
        self._seen[place] = seen
        if seen.owner is not None:
            self._owned.setdefault(seen.owner, set()).add(place)

    def _forget_place(self, place: str) -> None:
        owner = self._seen.pop(place, _UNSEEN).owner
        owned = self._owned.get(owner) if owner is not None else None
        if owner is not None and owned is not None:
            owned.discard(place)
            if not owned:
                del self._owned[owner]
