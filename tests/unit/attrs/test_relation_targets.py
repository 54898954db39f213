"""Where a relation may lead: to documents of its model, wherever the reference comes from."""

# mypy: disable-error-code="no-redef, union-attr"

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import flask
import pytest

from flask_boiler import attrs
from flask_boiler.attrs.attribute import Attr
from flask_boiler.attrs.kinds.relation_kind import google_reference
from flask_boiler.errors import ConflictError, QueryError, ValidationError
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.models.model import Model
from flask_boiler.operate.testing.memory_datastore import MemoryDatastore
from flask_boiler.transactions import running
from flask_boiler.transactions.running import transaction
from flask_boiler.view.rest_mediator import RestMediator
from flask_boiler.viewmodels.mutation import Mutation
from flask_boiler.viewmodels.slots.reference import reference
from flask_boiler.viewmodels.store import Store
from flask_boiler.viewmodels.view_model import ViewModel
from tests.unit.memory import memory_context


class Team(DomainModel):
    name: Attr[str] = attrs.bproperty(default="")


class Player(DomainModel):
    name: Attr[str] = attrs.bproperty(default="")


class Keeper(Player):
    pass


class Veteran(Player):
    class Meta:
        collection_name = "halls/fame/veterans"


class Season(DomainModel):
    class Meta:
        collection_name = "seasons"
        parent = "Team"


class Pair(Model):
    first = attrs.relation(Player)
    sure = attrs.relation(Player, must_exist=True)


class Match(DomainModel):
    title: Attr[str] = attrs.bproperty(default="")
    best = attrs.relation(Player)
    squad = attrs.relation(Player, many=True)
    guest = attrs.relation(Player, nested=True)
    guests = attrs.relation(Player, many=True, nested=True)
    pair = attrs.embed(Pair)
    season = attrs.relation(Season)
    whatever = attrs.reference()
    sure = attrs.relation(Player, must_exist=True)
    all_sure = attrs.relation(Player, many=True, must_exist=True)
    guest_sure = attrs.relation(Player, nested=True, must_exist=True)


@pytest.fixture(autouse=True)
def datastore(monkeypatch: pytest.MonkeyPatch) -> Iterator[MemoryDatastore]:
    monkeypatch.setattr(running, "_pause", lambda seconds: None)
    context, datastore = memory_context()
    with context.activated():
        datastore.put("Team/reds", obj_type="Team", name="Reds")
        datastore.put("Player/ann", obj_type="Player", name="Ann")
        datastore.put("Match/m", obj_type="Match", title="Final")
        datastore.reads.clear()
        yield datastore


WRONG = "Team/reds"
PLACES: dict[str, Callable[[Any], Any]] = {
    "best": lambda link: link,
    "squad.0": lambda link: [link],
    "squad.x": lambda link: {"x": link},
    "guest": lambda link: link,
    "guests.1": lambda link: ["ann", link],
    "pair.first": lambda link: {"first": link},
}


def raw(place: str, link: Any) -> dict[str, Any]:
    given = PLACES[place](link)
    if place == "guests.1":
        given = [google_reference("Player/ann"), link]
    return {place.partition(".")[0]: given}


@pytest.mark.parametrize("place", PLACES)
class TestFromOutside:
    def test_json(self, place: str, datastore: MemoryDatastore) -> None:
        given = {place.partition(".")[0]: PLACES[place](WRONG)}
        with pytest.raises(ValidationError) as refused:
            Match.schema(partial=True).load(given)
        assert refused.value.messages == {place: ["Team/reds is no Player."]}
        assert datastore.reads == []

    def test_values_of_attributes(self, place: str, datastore: MemoryDatastore) -> None:
        given = {place.partition(".")[0]: PLACES[place](WRONG)}
        with pytest.raises(ValidationError) as refused:
            Match.new("n").update_vals(with_dict=given)
        assert refused.value.messages == {place: ["Team/reds is no Player."]}
        assert datastore.reads == []

    def test_documents_that_front_ends_write(self, place: str, datastore: MemoryDatastore) -> None:
        given = raw(place, google_reference(WRONG))
        for take in (Match.understood, lambda fields: Match.new("n").update_vals(with_raw=fields)):
            with pytest.raises(ValidationError) as refused:
                take(given)
            assert refused.value.messages == {place: ["Team/reds is no Player."]}
        assert datastore.reads == []

    def test_what_is_assigned(self, place: str, datastore: MemoryDatastore) -> None:
        link = google_reference(WRONG)
        given = PLACES[place](link)
        match = Match.get_or_raise("m")
        name = place.partition(".")[0]
        setattr(match, name, Pair(first=link) if name == "pair" else given)
        with pytest.raises(ValidationError, match=r"Team/reds is no Player"):
            match.save()
        assert datastore.commits == []


@pytest.mark.parametrize(
    "path",
    [
        "Team/x/Player/p",
        "x/y/Player/p",
        "Players/p",
        "veterans/p",
        "Player/p/Player/q",
        "halls/fame",
    ],
)
def test_a_collection_is_known_by_its_whole_path(path: str) -> None:
    with pytest.raises(ValidationError, match=f"{path} is no Player"):
        Match.schema(partial=True).load({"best": path})
    with pytest.raises(QueryError, match=f"{path} is no Player"):
        Match.where(best=path)


def test_what_is_of_the_model_is_taken() -> None:
    taken = ["p", "Player/p", "halls/fame/veterans/v"]
    for path in taken:
        assert Match.schema(partial=True).load({"best": path}) == {"best": path}
    match = Match.new("n", squad=taken, season="Team/reds/seasons/s", whatever="x/y")
    match.best = Keeper.new("k")
    match.save()
    assert [link.path for link in match.squad] == ["Player/p", *taken[1:]]
    with pytest.raises(ValidationError, match="is no Season"):
        Match.new("n", season="Team/reds/matches/s").save()
    with pytest.raises(ValidationError, match="expected Player, not"):
        Match.new("n", best=Team.new("t")).save()


def test_the_schema_says_where_it_may_lead() -> None:
    import re

    field: Any = Match.schema().fields["best"]
    for path, taken in {
        "p": True, "Player/p": True, "halls/fame/veterans/v": True, "Team/reds": False,
        "Player/p/q/r": False, "Player/": False, "Player/..": False,
    }.items():  # fmt: skip
        assert bool(re.search(field.pattern, path)) is taken
    season: Any = Match.schema().fields["season"]
    assert re.search(season.pattern, "Team/a/seasons/b")
    assert not re.search(season.pattern, "Team/a/b/seasons/c")


class MatchStore(Store):
    match = reference(Match)
    best = reference(Player, source=lambda store: store.match.best)


class MatchView(ViewModel):
    store: MatchStore

    @attrs.computed
    def best_name(self) -> str | None:
        return None if self.store.best is None else self.store.best.name

    best = attrs.relation(Player)

    @best.getter
    def best(self) -> Any:
        return self.store.match.best

    @best.setter
    def best(self, value: Any) -> None:
        self.store.match.best = value


class MatchMutation(Mutation[MatchView]):
    view_model_cls = MatchView


class TestWhatIsStored:
    """A wrong reference that is stored already concerns whoever looks at it."""

    @pytest.fixture(autouse=True)
    def wrong(self, datastore: MemoryDatastore) -> None:
        link = google_reference(WRONG)
        datastore.put("Match/w", obj_type="Match", title="Semi", best=link, squad=[link])

    def test_it_is_read_and_left_alone(self, datastore: MemoryDatastore) -> None:
        match = Match.get_or_raise("w")
        assert (match.best.path, match.squad[0].path) == (WRONG, WRONG)
        match.save()
        assert datastore.commits == []
        match.title = "Final"
        match.save()
        match.update(best="ann")
        assert (datastore.fields("Match/w") or {})["best"].path == "Player/ann"

    def test_its_view_fails_and_says_why(self) -> None:
        with pytest.raises(Exception, match=r"Team/reds has the obj_type 'Team'.*Player"):
            MatchView.new("w").to_document()
        assert MatchView.new("m").to_document() == {"bestName": None, "best": None}

    def test_a_command_makes_it_right(self, datastore: MemoryDatastore) -> None:
        MatchMutation.mutate_patch("w", {"best": "ann"})
        assert (datastore.fields("Match/w") or {})["best"].path == "Player/ann"
        with pytest.raises(ValidationError) as refused:
            MatchMutation.mutate_patch("w", {"best": WRONG})
        assert refused.value.messages == {"best": ["Team/reds is no Player."]}


@pytest.mark.parametrize("method", ["patch", "put", "post"])
def test_a_request_is_refused_before_anything_is_read(
    method: str, datastore: MemoryDatastore
) -> None:
    app = flask.Flask("matches")
    mediator = RestMediator(MatchView, MatchMutation, app=app)
    mediator.add_list_post("/matches")
    mediator.add_instance_patch("/matches/<doc_id>")
    mediator.add_instance_put("/matches/<doc_id>")
    url = "/matches" if method == "post" else "/matches/m"
    answer = app.test_client().open(url, method=method, json={"best": WRONG})
    assert answer.status_code == 422
    assert answer.get_json()["errors"] == {"best": ["Team/reds is no Player."]}
    assert (datastore.reads, datastore.commits) == ([], [])


class TestMustExist:
    GIVEN: ClassVar[dict[str, Any]] = {
        "sure": ("nobody", "sure"),
        "all_sure": (["ann", "nobody"], "all_sure.1"),
        "guest_sure": ("nobody", "guest_sure"),
        "pair": ({"sure": "nobody"}, "pair.sure"),
    }

    @pytest.mark.parametrize("name", GIVEN)
    def test_from_outside(self, name: str, datastore: MemoryDatastore) -> None:
        value, place = self.GIVEN[name]
        with pytest.raises(ValidationError) as refused:
            Match.new("n").update_vals(with_dict={name: value})
        assert refused.value.messages == {place: ["There is no document Player/nobody."]}

    @pytest.mark.parametrize("name", GIVEN)
    @pytest.mark.parametrize("write", ["new", "save", "update"])
    def test_when_it_is_saved(self, name: str, write: str, datastore: MemoryDatastore) -> None:
        value, place = self.GIVEN[name]
        value = Pair(sure="nobody") if name == "pair" else value
        match = Match.new("n") if write == "new" else Match.get_or_raise("m")
        with pytest.raises(ValidationError) as refused:
            if write == "update":
                fields: dict[str, Any] = {name: value}
                match.update(**fields)
            else:
                setattr(match, name, value)
                match.save()
        assert refused.value.messages == {place: ["There is no document Player/nobody."]}
        assert datastore.commits == []

    def test_what_is_there_is_taken_and_read_once(self, datastore: MemoryDatastore) -> None:
        match = Match.get_or_raise("m")
        match.sure, match.all_sure = "ann", {"a": "ann"}
        datastore.reads.clear()
        match.save()
        assert datastore.reads.count("Player/ann") == 2
        match.title = "x"
        datastore.reads.clear()
        match.save()
        assert datastore.reads == []

    def test_in_a_transaction_it_still_is_when_that_is_committed(
        self, datastore: MemoryDatastore
    ) -> None:
        with pytest.raises(ConflictError), transaction():
            match = Match.get_or_raise("m")
            match.sure = match.guest_sure = "ann"
            datastore.reads.clear()
            match.save()
            assert datastore.reads == ["Player/ann"]
            datastore.drop("Player/ann")
        assert "sure" not in (datastore.fields("Match/m") or {})

    def test_one_that_is_made_with_it_is_there(self, datastore: MemoryDatastore) -> None:
        with transaction():
            Player.new("new").save()
            match = Match.get_or_raise("m")
            match.sure, match.guest_sure = "new", Player.new("other")
            match.save()
        assert datastore.exists("Player/other")
        assert (datastore.fields("Match/m") or {})["sure"].path == "Player/new"

    def test_without_it_what_is_missing_may_come(self, datastore: MemoryDatastore) -> None:
        Match.new("n", best="nobody", guest="nobody").save()
        assert Match.get_or_raise("n").best.path == "Player/nobody"


def test_a_model_of_the_framework_s_own_leaves_it_open() -> None:
    class Note(DomainModel):
        about = attrs.relation(DomainModel)

    assert Note.schema().load({"about": "Team/reds"}) == {"about": "Team/reds"}


def test_an_id_names_nothing_that_is_no_document() -> None:
    class Album(DomainModel):
        pair = attrs.relation(Pair)

    with pytest.raises(
        ValidationError, match="Pair is not a model of documents, so an id is not enough"
    ):
        Album.new("a", pair="p").to_dict()
    assert Album.new("a", pair="pairs/p").pair.path == "pairs/p"
