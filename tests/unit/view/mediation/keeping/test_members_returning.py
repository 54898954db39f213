"""Who is away for so short a time that their roster does not notice."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from flask_boiler import attrs
from flask_boiler.attrs.attribute import Attr
from flask_boiler.engine import cut_memo
from flask_boiler.ground.values import Write
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.models.query.query import Query
from flask_boiler.viewmodels.slots.param import param
from flask_boiler.viewmodels.slots.reference import reference
from flask_boiler.viewmodels.store import Store
from flask_boiler.viewmodels.view_model import ViewModel
from tests.unit.view.mediation.keeping.test_members_counts import (
    TIMEOUT_S,
    House,
    MemberStore,
)


class Gate:
    """Holds up one computation."""

    def __init__(self) -> None:
        self.armed = False
        self.entered = threading.Event()
        self.opened = threading.Event()

    def pass_through(self) -> None:
        if self.armed:
            self.armed = False
            self.entered.set()
            self.opened.wait(TIMEOUT_S)

    def hold_up(self) -> None:
        self.armed = True


gate = Gate()


class Slow(ViewModel):
    """What all show of it may take long."""

    store: MemberStore

    class Meta:
        path = "rooms/{room.doc_id}/copies/{reader.doc_id}"

    @attrs.computed
    def size(self) -> str:
        if self.store.room.title:
            gate.pass_through()
        return "large"

    @attrs.computed
    def name(self) -> str:
        return self.store.reader.name


class Game(DomainModel):
    stored: Attr[str | None]

    class Meta:
        collection_name = "games"

    @attrs.computed
    def season(self) -> str | None:
        gate.pass_through()
        return self.stored


class SeasonStore(Store):
    season = param(str)

    @reference(Game, many=True)
    def games(self) -> Query[Game]:
        return Game.where(Game.stored == self.season)


class Season(ViewModel):
    store: SeasonStore

    class Meta:
        path = "rooms/games/copies/{season}"

    @attrs.computed
    def games(self) -> int:
        return len(self.store.games)


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    # Nobody waits for who is held up.
    monkeypatch.setattr(cut_memo, "_PATIENCE_S", 0.0)
    gate.__init__()  # type: ignore[misc]
    house = House()
    with house.boiler.context.activated():
        yield house
    gate.opened.set()
    house.boiler.close()


def hear(house: House, *writes: Write) -> None:
    """Commit, and wait until that is heard."""
    house.datastore.commit(writes)
    assert house.boiler.engine.await_cut(house.datastore.now_ns(), timeout_s=TIMEOUT_S)


def await_no(house: House, copy: str) -> None:
    while copy in house.copies:
        assert not gate.opened.wait(0.005)


def room(title: str, *members: str) -> Write:
    return Write("set", "rooms/a", {"obj_type": "Room", "title": title, "members": list(members)})


def test_a_member_who_left_and_is_back(house: House) -> None:
    house.put("members/ann", name="Ann")
    house.put("members/bob", name="Bob")
    house.put("rooms/a", title="A", members=["ann", "bob"])
    house.keep(Slow)
    gate.hold_up()
    hear(house, room("B", "ann", "bob"))
    assert gate.entered.wait(TIMEOUT_S)
    hear(
        house,
        room("C", "ann"),
        Write("set", "members/bob", {"obj_type": "Member", "name": "Bobby"}),
    )
    await_no(house, "a/bob")
    hear(house, room("D", "ann", "bob"))
    gate.opened.set()
    house.settle()
    assert house.copies == {"a/ann", "a/bob"}


def test_a_value_that_no_document_had_for_a_moment(house: House) -> None:
    house.datastore.put("games/a", obj_type="Game", stored="2024")
    house.keep(Season, Game.get_query())
    assert house.copies == {"games/2024"}
    gate.hold_up()
    hear(house, Write("set", "games/b", {"obj_type": "Game", "stored": "2025"}))
    assert gate.entered.wait(TIMEOUT_S)
    hear(house, Write("set", "games/a", {"obj_type": "Game", "stored": None}))
    await_no(house, "games/2024")
    hear(house, Write("set", "games/a", {"obj_type": "Game", "stored": "2024"}))
    gate.opened.set()
    house.settle()
    assert house.copies == {"games/2024", "games/2025"}
