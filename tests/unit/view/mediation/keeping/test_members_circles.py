"""Members whose copies are read by what has their views kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from flask_boiler import attrs
from flask_boiler.viewmodels.slots.each import each
from flask_boiler.viewmodels.slots.reference import reference
from flask_boiler.viewmodels.slots.root import root
from flask_boiler.viewmodels.store import Store
from flask_boiler.viewmodels.view_model import ViewModel
from tests.unit.view.mediation.keeping.test_members_counts import House, Room, calls


class CopyStore(Store):
    room = root(Room)


class Copy(ViewModel):
    """The copies, as somebody reads them who does not say whose they are."""

    store: CopyStore

    class Meta:
        path = "reflections/{room.doc_id}"

    @attrs.computed
    def number(self) -> int:
        return 0


class MirrorStore(Store):
    room = root(Room)
    reader = each(str, source=lambda store: store.room.members)

    @reference(Copy)
    def bob(self) -> str | None:
        return None if self.room.note == "apart" else f"rooms/{self.room.doc_id}/copies/bob"


class Mirror(ViewModel):
    """Shows to all one more than bob is shown."""

    store: MirrorStore

    class Meta:
        path = "rooms/{room.doc_id}/copies/{reader}"

    @attrs.computed
    def number(self) -> int:
        calls["number"] += 1
        return self.store.bob.number + 1 if self.store.bob else 1

    @attrs.computed
    def reader(self) -> str:
        return self.store.reader


class InvitedStore(Store):
    room = root(Room)

    @reference(Copy, many=True)
    def copies(self) -> list[str]:
        return [f"rooms/{self.room.doc_id}/copies/{name}" for name in self.room.members]

    @each(str)
    def reader(self) -> Sequence[str]:
        return [*self.room.members, *(f"guest {copy.number}" for copy in self.copies.values())]


class Invitation(ViewModel):
    """A copy of it makes another one a member."""

    store: InvitedStore

    class Meta:
        path = "rooms/{room.doc_id}/copies/{reader}"

    @attrs.computed
    def number(self) -> int:
        calls["number"] += 1
        return 7

    @attrs.computed
    def reader(self) -> str:
        return self.store.reader


@pytest.fixture
def house() -> Iterator[House]:
    calls.clear()
    house = House()
    house.put("rooms/a", title="A", members=["ann", "bob"])
    with house.boiler.context.activated():
        yield house
    house.boiler.close()


def test_a_copy_that_feeds_what_all_show_is_a_circle(house: House) -> None:
    house.keep(Mirror)
    [(parked, why)] = house.parked
    assert parked == "rooms/a//bob"
    assert "Mirror:rooms/a//bob reads Mirror:rooms/a reads Mirror:rooms/a//bob" in why
    assert calls["number"] <= 3
    assert "a/ann" in house.copies


def test_it_ends_when_the_copy_is_read_no_more(house: House) -> None:
    house.keep(Mirror)
    house.change("rooms/a", title="A", members=["ann", "bob"], note="apart")
    assert house.parked == []
    assert house.copies == {"a/ann", "a/bob"}


def test_a_copy_that_says_who_is_a_member_is_a_circle(house: House) -> None:
    house.keep(Invitation)
    assert {parked for parked, _ in house.parked} == {"rooms/a//ann", "rooms/a//bob"}
    assert calls["number"] == 1
