"""Stores that inherit from stores, one of which has an ``each``."""

from __future__ import annotations

from flask_boiler.models.domain_model import DomainModel
from flask_boiler.viewmodels.slots.each import each
from flask_boiler.viewmodels.slots.param import param
from flask_boiler.viewmodels.slots.root import root
from flask_boiler.viewmodels.store import Store


class Room(DomainModel):
    pass


class RoomStore(Store):
    room = root(Room)
    reader = each(str, source=lambda store: ["ann"])


def test_a_store_inherits_the_each_of_another_one() -> None:
    class SeasonStore(RoomStore):
        season = param(str)

    assert [slot.name for slot in SeasonStore.subject_slots()] == ["room", "season", "reader"]
    assert SeasonStore.each_slot() is RoomStore.reader


def test_and_may_say_otherwise_who_the_members_are() -> None:
    class OtherStore(RoomStore):
        reader = each(str, source=lambda store: ["bob"])

    assert OtherStore.each_slot() is OtherStore.reader
    assert OtherStore(room="r1").members_and_fault() == ({"bob": "bob"}, None)


def test_or_have_none() -> None:
    class PlainStore(RoomStore):
        reader = "nobody"

    assert PlainStore.each_slot() is None
    assert [slot.name for slot in PlainStore.subject_slots()] == ["room"]
