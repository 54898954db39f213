"""Members while what their views have in common cannot be read, or not yet."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import pytest

from flask_boiler import attrs
from flask_boiler.models.query.query import Query
from flask_boiler.viewmodels.slots.each import each
from flask_boiler.viewmodels.slots.reference import reference
from flask_boiler.viewmodels.slots.root import root
from flask_boiler.viewmodels.store import Store
from flask_boiler.viewmodels.view_model import ViewModel
from tests.unit.view.mediation.keeping.test_members_counts import House, Member, Room, calls


class BoardStore(Store):
    room = root(Room)
    reader = each(str, source=lambda store: store.room.members)

    @reference(Member, many=True)
    def staff(self) -> Query[Member]:
        return Member.get_query()


#: What cannot be reached just now.
away: set[str] = set()


class RollStore(Store):
    room = root(Room)
    reader = each(str, source=lambda store: store.room.members)

    @reference(Member, many=True)
    def staff(self) -> Query[Member]:
        if away:
            raise RuntimeError("away")
        return Member.get_query()


class Board(ViewModel):
    """Shows to all what a query finds."""

    store: BoardStore

    class Meta:
        path = "rooms/{room.doc_id}/copies/{reader}"

    @attrs.computed
    def staff(self) -> list[str]:
        calls["staff"] += 1
        return sorted(self.store.staff)

    @attrs.computed
    def reader(self) -> str:
        return self.store.reader


@pytest.fixture
def house() -> Iterator[House]:
    away.clear()
    house = House()
    house.put("members/ann", name="Ann")
    house.put("rooms/a", title="A", members=["bob", "cy"])
    with house.boiler.context.activated():
        yield house
    house.boiler.close()


def test_who_leaves_loses_the_copy_also_while_what_all_show_is_refused(house: House) -> None:
    house.keep(Board)
    house.faults.reject("members", grpc.StatusCode.PERMISSION_DENIED)
    house.change("rooms/a", title="A", members=["cy", "dan"])
    assert [subject for subject, _ in house.parked] == ["rooms/a"]
    assert house.copies == {"a/cy"}
    house.faults.accept("members")
    house.faults.drop_streams()
    house.settle()
    assert house.parked == []
    assert house.copies == {"a/cy", "a/dan"}


def test_a_start_evaluates_what_all_show_once_for_what_it_has_and_once_for_all(
    house: House,
) -> None:
    house.put("rooms/a", title="A", members=[f"u{number}" for number in range(50)])
    house.keep(Board)
    house.boiler.stop()
    calls.clear()
    house.boiler.start()
    house.settle()
    # Once to find out what it reads, and once when that is there.
    assert calls["staff"] <= 3
    assert house.boiler.engine.statistics.published == 0


class Roll(ViewModel):
    """Shows to each what a query finds, which a source may fail to name."""

    store: RollStore

    class Meta:
        path = "rooms/{room.doc_id}/copies/{reader}"

    @attrs.computed
    def staff(self) -> list[str]:
        return [self.store.reader, *sorted(self.store.staff)]


def test_the_retry_of_a_member_tries_anew_what_others_read_too(house: House) -> None:
    away.add("staff")
    house.keep(Roll)
    assert {subject for subject, _ in house.parked} == {"rooms/a//bob", "rooms/a//cy"}
    away.clear()
    for parked in house.boiler.parked:
        assert house.boiler.retry(parked.key)
    house.settle()
    assert house.parked == []
    assert house.copies == {"a/bob", "a/cy"}
