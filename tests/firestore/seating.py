"""A hall whose views move: a badge at the seat that a guest has, notes with staff and guests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask_boiler import (
    CTX,
    Attr,
    DomainModel,
    QueryMediator,
    Store,
    ViewModel,
    attrs,
    reference,
    transaction,
)


class Guest(DomainModel):
    seat: Attr[str]
    #: How many bytes the badge has besides.
    weight: Attr[int] = attrs.bproperty(default=0)

    class Meta:
        collection_name = "guests"


class Room(DomainModel):
    staff: Attr[list[str]]
    visitors: Attr[list[str]]

    class Meta:
        collection_name = "rooms"


class GuestStore(Store):
    guest = reference(Guest)


class RoomStore(Store):
    room = reference(Room)


class Badge(ViewModel):
    store: GuestStore

    class Meta:
        path = "seats/{guest.seat}"

    @attrs.computed
    def who(self) -> str:
        return self.store.guest.doc_id  # type: ignore[union-attr]

    @attrs.computed
    def text(self) -> str:
        return "x" * self.store.guest.weight  # type: ignore[union-attr]


class StaffNote(ViewModel):
    store: RoomStore

    @attrs.computed
    def note(self) -> str:
        return "for staff only"

    @property
    def doc_refs(self) -> list[str]:
        room = self.store.room
        assert room is not None
        return [f"users/{uid}/rooms/{room.doc_id}" for uid in room.staff]


class VisitorNote(ViewModel):
    store: RoomStore

    @attrs.computed
    def note(self) -> str:
        return "welcome"

    @property
    def doc_refs(self) -> list[str]:
        room = self.store.room
        assert room is not None
        return [f"users/{uid}/rooms/{room.doc_id}" for uid in room.visitors]


def badges() -> QueryMediator:
    return QueryMediator(Badge, query=Guest.get_query())


def notes() -> list[QueryMediator]:
    return [QueryMediator(cls, query=Room.get_query()) for cls in (StaffNote, VisitorNote)]


def seat(seats: Mapping[str, str], *, weight: int = 0) -> None:
    """One commit that says where guests sit."""
    with transaction() as tx:
        for who, where in seats.items():
            Guest.new(who, seat=where, weight=weight).save(transaction=tx)


def seated() -> dict[str, Any]:
    """Whose badge lies at each seat."""
    return {s.id: s.get("who") for s in CTX.db.collection("seats").stream()}


def told() -> dict[str, Any]:
    """Which note each user has."""
    found = CTX.db.collection_group("rooms").stream()
    return {
        s.reference.path.split("/")[1]: s.get("note") for s in found if "users/" in s.reference.path
    }
