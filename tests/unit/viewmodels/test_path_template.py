"""``Meta.path`` over slots: what it may name, and that it tells views apart."""

from __future__ import annotations

import datetime
import enum
from typing import Any

import pytest

from flask_boiler import attrs
from flask_boiler.attrs.attribute import Attr
from flask_boiler.errors import DeclarationError
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.operate.testing.memory_datastore import MemoryDatastore
from flask_boiler.view.query_mediator import QueryMediator
from flask_boiler.viewmodels.path_template import PathTemplate
from flask_boiler.viewmodels.slots.each import each
from flask_boiler.viewmodels.slots.param import param
from flask_boiler.viewmodels.slots.reference import reference
from flask_boiler.viewmodels.slots.root import root
from flask_boiler.viewmodels.store import Store
from flask_boiler.viewmodels.view_model import ViewModel


class Team(DomainModel):
    name: Attr[str] = attrs.bproperty(default="")
    fans = attrs.relation("Fan", many=True)


class Fan(DomainModel):
    team_id: Attr[str] = attrs.bproperty(default="")


class Division(enum.Enum):
    FIRST = "1st"
    SECOND = "2nd"


class TableStore(Store):
    team = root(Team)
    division = param(Division)
    day = param(datetime.date)
    fan = each(Fan, source=lambda store: store.team.fans)
    captain = reference(Fan, source=lambda store: "cap")

    @property
    def place(self) -> str:
        return f"{self.team.doc_id}-{self.day}"


class NameStore(Store):
    member = each(str, source=lambda store: ["ann"])


class TeamStore(Store):
    team = root(Team)


class PairStore(Store):
    home = root(Team)
    guest = root(Team)


class NoStore(Store):
    fans = reference(Fan, many=True, source=lambda store: Fan.get_query())


class EmptyStore(Store):
    pass


def view_of(store_cls: type[Store] | None, path: str, **members: Any) -> type[ViewModel]:
    annotations = {} if store_cls is None else {"store": store_cls}
    given = {"__annotations__": annotations, "Meta": type("Meta", (), {"path": path}), **members}
    return type("TableView", (ViewModel,), {**given, "__module__": __name__})


def test_values_stand_in_a_path_as_their_texts(memory: MemoryDatastore) -> None:
    Team.new(doc_id="t1", fans=["ann"]).save()
    Fan.new(doc_id="ann").save()
    path = "tables/{division}/of/{team.doc_id}/on/{day}/for/{fan.doc_id}"
    view = view_of(TableStore, path).new(
        team="t1", division=Division.SECOND, day=datetime.date(2024, 2, 29), fan="ann"
    )
    assert view.places() == ["tables/2nd/of/t1/on/2024-02-29/for/ann"]
    assert view_of(NameStore, "names/{member}").new(member="ann").places() == ["names/ann"]


@pytest.mark.parametrize(
    ("store_cls", "path", "why"),
    [
        (TableStore, "t/{divison}", r"has no slot 'divison'; did you mean 'division'\?"),
        (TableStore, "t/{division.value}", r"TableStore\.division is a value: write {division}"),
        (NameStore, "t/{member.doc_id}", r"NameStore\.member is a value: write {member}"),
        (TableStore, "t/{fan}", r"that is a whole document: .* as in {fan\.doc_id}"),
        (TableStore, "t/{fan.teem_id}", r"Fan has no 'teem_id'; did you mean 'team_id'\?"),
        (NoStore, "totals/{team.doc_id}", "NoStore has no slot 'team'"),
        (TeamStore, "t/{team.doc_id}/x/{season}", "TeamStore has no slot 'season'"),
    ],
)
def test_a_path_that_names_what_is_not_there_is_refused_at_declaration(
    store_cls: type[Store], path: str, why: str
) -> None:
    with pytest.raises(DeclarationError, match=why):
        view_of(store_cls, path)


@pytest.mark.parametrize(
    ("store_cls", "path", "left_out"),
    [
        (TableStore, "t/{team.doc_id}", "division, day, fan"),
        (TableStore, "t/{team.doc_id}/{division}/{day}", "fan"),
        (TableStore, "{division}/{day}", "team, fan"),
        (PairStore, "t/{home.doc_id}", "guest"),
        (PairStore, "t/main", "home, guest"),
        (NameStore, "t/main", "member"),
    ],
)
def test_views_that_would_meet_at_one_place_are_refused(
    store_cls: type[Store], path: str, left_out: str
) -> None:
    view_cls = view_of(store_cls, path)
    with pytest.raises(
        DeclarationError,
        match=rf"TableView\.Meta\.path is '{path}', which does not name {left_out}: all views that",
    ):
        view_cls.require_place()


@pytest.mark.parametrize(
    ("store_cls", "path"),
    [
        (TableStore, "t/{team.doc_id}-{division}-{day}-{fan.doc_id}"),
        (TableStore, "t/{place}"),
        (TableStore, "t/{captain.doc_id}"),
        (PairStore, "t/{home.doc_id}-{guest.doc_id}"),
        (NameStore, "t/{member}"),
        (TeamStore, "t/main"),
        (NoStore, "t/main"),
        (None, "t/main"),
    ],
)
def test_views_whose_places_may_differ_are_not(store_cls: type[Store] | None, path: str) -> None:
    view_of(store_cls, path).require_place()


@pytest.mark.parametrize("store_cls", [None, EmptyStore])
def test_a_rootless_view_has_no_root_to_name(store_cls: type[Store] | None) -> None:
    view_cls = view_of(store_cls, "totals/{team.doc_id}")
    name = "Store" if store_cls is None else "EmptyStore"
    with pytest.raises(
        DeclarationError,
        match=rf"TableView\.Meta\.path has {{team\.doc_id}}: {name} has no slot 'team' \(it has n",
    ):
        view_cls.require_place()


def test_a_store_that_is_fed_by_hand_may_have_any() -> None:
    def new(cls: Any, snapshot: Any) -> Any: ...

    for store_cls, path in ((None, "totals/{team.doc_id}"), (PairStore, "t/{home.doc_id}")):
        view_cls = view_of(store_cls, path, new=classmethod(new))
        view_cls.require_place()
        QueryMediator(view_cls, query=Team.get_query())


def test_mediators_refuse_them_when_they_are_made() -> None:
    class FanStore(Store):
        team = root(Team)
        fan = each(str, source=lambda store: [])

    with pytest.raises(DeclarationError, match="which does not name fan"):
        QueryMediator(view_of(FanStore, "t/{team.doc_id}"), query=Team.get_query())
    with pytest.raises(DeclarationError, match=r"EmptyStore has no slot 'team' \(it has none\)"):
        QueryMediator(view_of(EmptyStore, "t/{team.doc_id}"))


def test_an_id_that_was_handed_in_is_known_without_reading(memory: MemoryDatastore) -> None:
    template = PathTemplate("t/{home.doc_id}/x/{guest.doc_id}", "Meta.path")
    reads = len(memory.reads)
    assert template.filled(PairStore(home="none", guest="Team/nobody")) == "t/none/x/nobody"
    assert len(memory.reads) == reads
    store = PairStore(home="none")
    assert store.id_handed_in("home") == "none"
    assert store.id_handed_in("guest") is None
    assert TableStore(division="1st", fan="ann").without_member().id_handed_in("fan") is None
    assert TableStore(division="1st").id_handed_in("division") is None
