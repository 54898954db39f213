"""Which views ``query=`` names: of parameters, of several roots, and of nothing."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from typing import Any

import pytest

from flask_boiler import attrs
from flask_boiler.attrs.attribute import Attr
from flask_boiler.context.config import Config
from flask_boiler.context.context import ApplicationContext
from flask_boiler.errors import ConfigurationError, DeclarationError
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.models.query.query import Query
from flask_boiler.operate.extension import Boiler
from flask_boiler.operate.testing.memory_datastore import MemoryDatastore
from flask_boiler.view.document_mediator import DocumentMediator
from flask_boiler.view.query_mediator import QueryMediator
from flask_boiler.viewmodels.slots.each import each
from flask_boiler.viewmodels.slots.param import param
from flask_boiler.viewmodels.slots.reference import reference
from flask_boiler.viewmodels.slots.root import root
from flask_boiler.viewmodels.store import Store
from flask_boiler.viewmodels.view_model import ViewModel


class Half(enum.Enum):
    FIRST = "first"
    SECOND = "second"


class Team(DomainModel):
    name: Attr[str]
    season = attrs.bproperty()
    members: Attr[list[str]] = attrs.bproperty(default_factory=list)

    class Meta:
        collection_name = "teams"


class Match(DomainModel):
    season = attrs.bproperty()
    half = attrs.bproperty()
    home: Attr[str] = attrs.bproperty(default="")

    class Meta:
        collection_name = "matches"


class TableStore(Store):
    season = param(str)

    @reference(Match, many=True)
    def matches(self) -> Query[Match]:
        return Match.where(season=self.season)


class Table(ViewModel):
    store: TableStore

    class Meta:
        path = "tables/{season}"

    @attrs.computed
    def matches(self) -> list[str]:
        return sorted(self.store.matches)


class TeamTableStore(Store):
    team = root(Team)
    season = param(str)

    @reference(Match, many=True)
    def matches(self) -> Query[Match]:
        return Match.where(season=self.season, home=self.team.doc_id)


class TeamTable(ViewModel):
    store: TeamTableStore

    class Meta:
        path = "tables/{season}/teams/{team.doc_id}"

    @attrs.computed
    def name(self) -> str:
        return self.store.team.name

    @attrs.computed
    def matches(self) -> list[str]:
        return sorted(self.store.matches)


class TotalsStore(Store):
    @reference(Match, many=True)
    def matches(self) -> Query[Match]:
        return Match.get_query()


class Totals(ViewModel):
    store: TotalsStore

    class Meta:
        path = "home/totals"

    @attrs.computed
    def matches(self) -> int:
        return len(self.store.matches)


class House:
    """Mediators at work on a database in memory."""

    def __init__(self) -> None:
        self.datastore = MemoryDatastore()
        self.boiler = self._new_boiler()

    def _new_boiler(self) -> Boiler:
        config = Config(project="memory", testing=True)
        boiler = Boiler(config=config)
        boiler._context = ApplicationContext(config, datastore=self.datastore)
        return boiler

    def run(self, *mediators: Any) -> None:
        """Begin to mediate; what ran before has ended."""
        self.boiler.stop()
        self.boiler = self._new_boiler()
        for mediator in mediators:
            self.boiler.add(mediator)
        self.boiler.start()
        self.boiler.settle()

    def put(self, path: str, **fields: Any) -> None:
        kind = {"teams": "Team", "matches": "Match"}[path.partition("/")[0]]
        self.datastore.put(path, obj_type=kind, **fields)

    def settle(self) -> None:
        self.boiler.settle()

    def shown(self, field: str = "matches") -> dict[str, Any]:
        """The views by their places, as far as one field of them tells."""
        return {
            path: snapshot.fields[field]
            for path, snapshot in self.datastore.documents.items()
            if path.startswith(("tables/", "home/", "walls/"))
        }

    @property
    def parked(self) -> dict[str, str]:
        return {parked.key.subject: str(parked.error) for parked in self.boiler.parked}


@pytest.fixture
def house() -> Iterator[House]:
    house = House()
    yield house
    house.boiler.close()


def test_there_is_a_view_for_each_value_that_a_document_has(house: House) -> None:
    house.put("matches/a", season="2023")
    house.put("matches/b", season="2024")
    house.put("matches/none")
    house.run(QueryMediator(Table, query=Match.get_query()))
    assert house.shown() == {"tables/2023": ["a"], "tables/2024": ["b"]}
    house.put("matches/c", season="2024")
    house.put("matches/a", season="2025")
    house.settle()
    assert house.shown() == {"tables/2024": ["b", "c"], "tables/2025": ["a"]}


def test_there_is_a_view_for_each_value_of_a_list(house: House) -> None:
    house.put("matches/a", season="2023")
    house.run(QueryMediator(Table, query={"season": ["2023", "2024", "2023"]}))
    assert house.shown() == {"tables/2023": ["a"], "tables/2024": []}


def test_a_parameter_is_the_id_where_the_class_has_no_such_attribute(house: House) -> None:
    class Season(DomainModel):
        class Meta:
            collection_name = "seasons"

    house.run(QueryMediator(Table, query={"season": Season.get_query()}))
    assert house.shown() == {}
    house.datastore.put("seasons/2024", obj_type="Season")
    house.settle()
    assert house.shown() == {"tables/2024": []}


def test_several_slots_have_a_view_for_each_combination(house: House) -> None:
    house.put("teams/red", name="Red")
    house.put("teams/blue", name="Blue")
    house.put("matches/a", season="2024", home="red")
    query = {"team": Team.get_query(), "season": ["2023", "2024"]}
    house.run(QueryMediator(TeamTable, query=query))
    assert house.shown() == {
        "tables/2023/teams/blue": [],
        "tables/2023/teams/red": [],
        "tables/2024/teams/blue": [],
        "tables/2024/teams/red": ["a"],
    }
    house.put("teams/red", name="Reds")
    house.datastore.drop("teams/blue")
    house.settle()
    assert house.shown("name") == dict.fromkeys(
        ["tables/2023/teams/red", "tables/2024/teams/red"], "Reds"
    )


def test_a_document_is_the_root_and_has_the_parameter(house: House) -> None:
    house.put("teams/red", name="Red", season="2024")
    house.put("teams/new", name="New")
    house.run(QueryMediator(TeamTable, query=Team.get_query()))
    assert house.shown("name") == {"tables/2024/teams/red": "Red"}
    house.put("teams/red", name="Reds", season="2025")
    house.settle()
    assert house.shown("name") == {"tables/2025/teams/red": "Reds"}


def test_a_listed_root_has_a_view_as_long_as_it_exists(house: House) -> None:
    query = {"team": ["red", "teams/blue"], "season": ["2024"]}
    house.put("teams/blue", name="Blue")
    house.run(QueryMediator(TeamTable, query=query))
    assert set(house.shown("name")) == {"tables/2024/teams/blue"}
    house.put("teams/red", name="Red")
    house.datastore.drop("teams/blue")
    house.settle()
    assert house.shown("name") == {"tables/2024/teams/red": "Red"}


@pytest.mark.parametrize("make", [QueryMediator, DocumentMediator])
def test_of_nothing_there_is_one_view(house: House, make: Any) -> None:
    house.run(make(Totals))
    assert house.shown() == {"home/totals": 0}
    house.put("matches/a", season="2024")
    house.settle()
    assert house.shown() == {"home/totals": 1}


def test_members_beside_a_parameter(house: House) -> None:
    class WallStore(Store):
        season = param(str)

        @each(str)
        def fan(self) -> list[str]:
            return sorted({match.home for match in Match.where(season=self.season)})

    class Wall(ViewModel):
        store: WallStore

        class Meta:
            path = "walls/{season}/of/{fan}"

        @attrs.computed
        def fan(self) -> str:
            return self.store.fan

    house.put("matches/a", season="2024", home="red")
    house.put("matches/b", season="2024", home="blue")
    house.run(QueryMediator(Wall, query=Match.get_query()))
    assert set(house.shown("fan")) == {"walls/2024/of/red", "walls/2024/of/blue"}
    house.datastore.drop("matches/b")
    house.put("matches/c", season="2025", home="red")
    house.settle()
    assert set(house.shown("fan")) == {"walls/2024/of/red", "walls/2025/of/red"}


def test_members_of_everything_have_a_view_each(house: House) -> None:
    class FanStore(Store):
        @each(Team)
        def team(self) -> Query[Team]:
            return Team.get_query()

    class Fan(ViewModel):
        store: FanStore

        class Meta:
            path = "walls/{team.doc_id}"

        @attrs.computed
        def name(self) -> str:
            return self.store.team.name

    house.put("teams/red", name="Red")
    house.run(DocumentMediator(Fan))
    assert house.shown("name") == {"walls/red": "Red"}
    house.put("teams/red", name="Reds")
    house.put("teams/blue", name="Blue")
    house.settle()
    assert house.shown("name") == {"walls/red": "Reds", "walls/blue": "Blue"}
    house.datastore.drop("teams/red")
    house.settle()
    assert house.shown("name") == {"walls/blue": "Blue"}


def test_a_document_that_names_nothing_sensible_is_alone(house: House) -> None:
    house.put("matches/good", season="2024")
    house.put("matches/bad", season="a/b")
    house.put("matches/odd", season=7)
    house.run(QueryMediator(Table, query=Match.get_query()))
    assert house.shown() == {"tables/2024": ["good"]}
    [(key, said)] = house.parked.items()
    assert key == "//population"
    assert "names no season" in said
    house.datastore.drop("matches/bad")
    house.put("matches/odd", season="2025")
    house.settle()
    assert house.shown() == {"tables/2024": ["good"], "tables/2025": ["odd"]}
    assert house.parked == {}


def test_a_value_of_an_enum_names_a_view(house: House) -> None:
    class HalfStore(Store):
        half = param(Half)

    class HalfView(ViewModel):
        store: HalfStore

        class Meta:
            path = "tables/{half}"

        @attrs.computed
        def matches(self) -> str:
            return self.store.half.name

    house.put("matches/a", half="second")
    house.run(QueryMediator(HalfView, query=Match.get_query()))
    assert house.shown() == {"tables/second": "SECOND"}


def test_a_restart_writes_nothing_and_removes_what_is_named_no_more(house: House) -> None:
    house.put("matches/a", season="2023")
    house.put("matches/b", season="2024")
    house.run(QueryMediator(Table, query=Match.get_query()))
    house.boiler.stop()
    house.datastore.commits.clear()
    house.run(QueryMediator(Table, query=Match.get_query()))
    assert [write.path for write in house.datastore.writes if "tables" in write.path] == []
    house.boiler.stop()
    house.datastore.drop("matches/a")
    house.run(QueryMediator(Table, query=Match.get_query()))
    assert house.shown() == {"tables/2024": ["b"]}


def test_what_another_declaration_of_a_view_has_left_is_removed(house: House) -> None:
    house.put("matches/a", season="2023")
    house.put("teams/red", name="Red")
    house.run(QueryMediator(Table, query=Match.get_query(), name="tables"))
    query = {"team": Team.get_query(), "season": ["2023"]}
    house.run(QueryMediator(TeamTable, query=query, name="tables"))
    assert set(house.shown("name")) == {"tables/2023/teams/red"}
    house.run(DocumentMediator(Totals, name="tables"))
    assert house.shown() == {"home/totals": 1}


class TestRefusedWhenTheyAreMade:
    @pytest.mark.parametrize(
        ("view_cls", "query", "said"),
        [
            (Totals, Match.get_query(), "0 roots and no parameters"),
            (Table, None, "say by query= which there are, as in query={'season': …}"),
            (Table, Team.where(name="x"), None),
            (Table, ["2023"], "is not a query"),
            (Table, {"season": "2023"}, "expected a query or a list"),
            (Table, {"season": [2023]}, "Expected a value of type str"),
            (Table, {"season": ["a/b"]}, "contains no slash"),
            (Table, {"saison": ["2023"]}, "of which season there are views; did you mean 'season'"),
            (Table, {}, "does not say which season"),
            (TeamTable, {"season": ["2023"]}, "does not say which team"),
            (TeamTable, {"season": ["2023"], "team": Match.get_query()}, "is the view of a Team"),
            (TeamTable, {"season": ["2023"], "team": [7]}, "cannot be 7"),
            (TeamTable, Match.get_query(), "is the view of a Team"),
        ],
    )
    def test_by_a_query_mediator(
        self, view_cls: type[ViewModel], query: Any, said: str | None
    ) -> None:
        if said is None:
            QueryMediator(view_cls, query=query)
            return
        with pytest.raises(ConfigurationError, match=said):
            QueryMediator(view_cls, query=query)

    def test_a_query_that_names_members(self) -> None:
        class CrowdStore(Store):
            season = param(str)
            fan = each(str, source=lambda store: [])

        class Crowd(ViewModel):
            store: CrowdStore

        with pytest.raises(ConfigurationError, match=r"the source of CrowdStore\.fan names: leave"):
            QueryMediator(Crowd, query={"season": ["2024"], "fan": ["ann"]})

    def test_a_model_without_the_parameter(self) -> None:
        class Stadium(DomainModel):
            saison = attrs.bproperty()

        with pytest.raises(ConfigurationError, match="no attribute 'season'; did you mean 'saison"):
            QueryMediator(Table, query=Stadium.get_query())

    def test_googles_query_does_not_say_what_its_documents_have(self) -> None:
        with pytest.raises(ConfigurationError, match="Google's query does not say"):
            QueryMediator(Table, query=object())

    @pytest.mark.parametrize(
        ("view_cls", "document", "said"),
        [
            (Totals, "a/b", "has no root, so document= has nothing to say"),
            (Table, "a/b", "is of season, which one document does not say"),
            (TeamTable, "teams/red", "is of team, season, which one document does not say"),
            (Table, None, "needs document= or patches="),
        ],
    )
    def test_by_a_document_mediator(
        self, view_cls: type[ViewModel], document: str | None, said: str
    ) -> None:
        with pytest.raises(ConfigurationError, match=said):
            DocumentMediator(view_cls, document=document)

    def test_a_path_that_does_not_tell_them_apart(self) -> None:
        class Mixed(ViewModel):
            store: TeamTableStore

            class Meta:
                path = "tables/{team.doc_id}"

        with pytest.raises((ConfigurationError, DeclarationError), match="season"):
            QueryMediator(Mixed, query={"team": Team.get_query(), "season": ["2023"]})
