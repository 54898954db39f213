"""What a start makes good of views of members and values, and that it writes nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from flask_boiler import attrs
from flask_boiler.view.query_mediator import QueryMediator
from flask_boiler.viewmodels.slots.each import each
from flask_boiler.viewmodels.slots.param import param
from flask_boiler.viewmodels.slots.root import root
from flask_boiler.viewmodels.store import Store
from flask_boiler.viewmodels.view_model import ViewModel
from tests.unit.view.mediation.keeping.test_members_counts import House, IdCopy, Page, Room


class SeasonStore(Store):
    room = root(Room)
    season = param(str)
    reader = each(str, source=lambda store: store.room.members)


class SeasonCopy(ViewModel):
    """What a member sees of a room in a season."""

    store: SeasonStore

    class Meta:
        path = "rooms/{room.doc_id}/copies/{reader}-{season}"

    @attrs.computed
    def title(self) -> str:
        return f"{self.store.room.title} in {self.store.season}"


@pytest.fixture
def house() -> Iterator[House]:
    house = House()
    house.put("rooms/a", title="A", members=["ann", "bob"])
    house.put("rooms/b", title="B", members=["cy"])
    with house.boiler.context.activated():
        yield house
    house.boiler.close()


def restart(house: House) -> None:
    """Start again, and forget what was written until then."""
    house.datastore.commits.clear()
    house.boiler.start()
    house.settle()


SEASONS = ("2024", "2025")


def queries(view_cls: type[ViewModel]) -> Any:
    rooms = Room.get_query()
    return rooms if view_cls is IdCopy else {"room": rooms, "season": list(SEASONS)}


def copies_of(view_cls: type[ViewModel], *copies: str) -> set[str]:
    if view_cls is IdCopy:
        return set(copies)
    return {f"{copy}-{season}" for copy in copies for season in SEASONS}


@pytest.mark.parametrize("view_cls", [IdCopy, SeasonCopy])
def test_a_start_writes_nothing_that_is_true_already(
    house: House, view_cls: type[ViewModel]
) -> None:
    house.keep(view_cls, queries(view_cls))
    assert house.copies == copies_of(view_cls, "a/ann", "a/bob", "b/cy")
    house.boiler.stop()
    restart(house)
    assert house.written == []
    assert house.boiler.engine.statistics.published == 0


@pytest.mark.parametrize("view_cls", [IdCopy, SeasonCopy])
def test_a_room_that_goes_while_nothing_runs_takes_its_copies_along(
    house: House, view_cls: type[ViewModel]
) -> None:
    house.keep(view_cls, queries(view_cls))
    house.boiler.stop()
    house.datastore.drop("rooms/a")
    restart(house)
    assert house.copies == copies_of(view_cls, "b/cy")
    assert set(house.written) == {f"-{copy}" for copy in copies_of(view_cls, "a/ann", "a/bob")}
    assert house.parked == []


@pytest.mark.parametrize("view_cls", [IdCopy, SeasonCopy])
def test_who_leaves_and_comes_while_nothing_runs(house: House, view_cls: type[ViewModel]) -> None:
    house.keep(view_cls, queries(view_cls))
    house.boiler.stop()
    house.put("rooms/a", title="A", members=["bob", "dan"])
    restart(house)
    assert house.copies == copies_of(view_cls, "a/bob", "a/dan", "b/cy")
    gone = {f"-{copy}" for copy in copies_of(view_cls, "a/ann")}
    assert set(house.written) == gone | copies_of(view_cls, "a/dan")


def test_values_that_are_named_no_more_have_no_view_after_the_next_start(house: House) -> None:
    house.keep(Page, {"number": [1, 2, 3]})
    house.boiler.stop()
    shorter = QueryMediator(Page, query={"number": [2, 4]})
    shorter.belong_to(lambda: house.boiler.context)
    shorter.start()
    house.settle()
    pages = {path for path in house.datastore.documents if path.startswith("pages/")}
    assert pages == {"pages/2", "pages/4"}
    shorter.stop()
