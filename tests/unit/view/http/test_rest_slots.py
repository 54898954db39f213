"""Routes of views that are of something else than one root: parameters, members, several, none."""

# mypy: disable-error-code="index, operator, union-attr"

from __future__ import annotations

import datetime
import enum
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from flask import Blueprint, Flask, Response
from flask.testing import FlaskClient
from werkzeug.routing import BaseConverter

from flask_boiler import InstanceGet, ListGet, attrs, view
from flask_boiler.attrs.attribute import Attr
from flask_boiler.errors import ConfigurationError
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.operate.testing.memory_datastore import MemoryDatastore
from flask_boiler.view.exposure import mount
from flask_boiler.viewmodels.mutation import Mutation
from flask_boiler.viewmodels.slots.each import each
from flask_boiler.viewmodels.slots.param import param
from flask_boiler.viewmodels.slots.reference import reference
from flask_boiler.viewmodels.slots.root import root
from flask_boiler.viewmodels.store import Store
from flask_boiler.viewmodels.view_model import ViewModel
from tests.unit.memory import memory_context


class Team(DomainModel):
    name: Attr[str]
    division: Attr[str] = attrs.bproperty(default="a")


class Result(DomainModel):
    team: Attr[str]
    season: Attr[str]
    points: Attr[int]


class User(DomainModel):
    name: Attr[str]


class Room(DomainModel):
    title: Attr[str]
    members: Attr[list[str]]


class Essay(DomainModel):
    text: Attr[str]
    readers: Attr[list[str]]

    class Meta:
        parent = Team
        collection_name = "reviews"


class TableStore(Store):
    team = root(Team)
    season = param(str)
    results = reference(
        Result,
        many=True,
        source=lambda store: Result.where(team=store.team.doc_id, season=store.season),
    )


class TableView(ViewModel):
    store: TableStore

    class Meta:
        path = "tables/{season}/teams/{team.doc_id}"

    name: Attr[str] = attrs.through("team.name")

    @attrs.computed
    def season(self) -> str:
        return self.store.season

    @attrs.computed
    def points(self) -> int:
        return sum(result.points for result in self.store.results.values())


class TableMutation(Mutation[TableView]):
    pass


class RoomStore(Store):
    room = root(Room)
    reader = each(User, source=lambda store: store.room.members)


class RoomView(ViewModel):
    store: RoomStore

    title: Attr[str] = attrs.through("room.title")

    @attrs.computed
    def reader(self) -> str:
        return self.store.reader.name


class RoomMutation(Mutation[RoomView]):
    @classmethod
    def mutate_create(cls, doc_id: str | None = None, data: Any = None) -> RoomView:
        parts = cls.parts_of(doc_id or "")

        def join() -> RoomView:
            room = Room.get_or_raise(parts["room"])
            room.members = [*room.members, parts["reader"]]
            room.save()
            return RoomView.new(**parts)

        return cls.atomically(join)

    @classmethod
    def mutate_delete(cls, doc_id: str) -> None:
        parts = cls.parts_of(doc_id)

        def leave() -> None:
            room = Room.get_or_raise(parts["room"])
            room.members = [member for member in room.members if member != parts["reader"]]
            room.save()

        cls.atomically(leave)


class Totals(ViewModel):
    store: Store

    @attrs.computed
    def teams(self) -> int:
        return Team.get_query().count()


class EssayStore(Store):
    essay = root(Essay)
    reader = each(str, source=lambda store: store.essay.readers)


class EssayView(ViewModel):
    store: EssayStore

    text: Attr[str] = attrs.through("essay.text")

    @attrs.computed
    def reader(self) -> str:
        return self.store.reader


@pytest.fixture
def datastore() -> Iterator[MemoryDatastore]:
    context, datastore = memory_context()
    with context.activated():
        for doc_id in ("t1", "t2", "t3"):
            datastore.put(f"Team/{doc_id}", obj_type="Team", name=doc_id.upper(), division="a")
        for n, (team, season) in enumerate([("t1", "2023"), ("t1", "2024"), ("t2", "2024")], 1):
            fields = {"team": team, "season": season, "points": 10**n}
            datastore.put(f"Result/r{n}", obj_type="Result", **fields)
        for doc_id in ("ann", "bob", "cem", "zoe"):
            datastore.put(f"User/{doc_id}", obj_type="User", name=doc_id.title())
        members = ["bob", "ann", "bob", "gone"]
        datastore.put("Room/lobby", obj_type="Room", title="Lobby", members=members)
        datastore.put("Room/attic", obj_type="Room", title="Attic", members=["cem"])
        essay = {"text": "Good", "readers": ["ann", "bob"]}
        datastore.put("Team/t1/reviews/v1", obj_type="Essay", **essay)
        yield datastore


@pytest.fixture
def app() -> Flask:
    app = Flask("league")
    app.config["SECRET_KEY"] = "s"
    tables = view.RestMediator(TableView, TableMutation, app=app)
    tables.add_list_get("/tables/<season>")
    tables.add_instance_get("/tables/<season>/<team_id>")
    tables.add_instance_patch("/tables/<season>/<team_id>")
    tables.add_instance_put("/tables/<season>/<team_id>")
    rooms = view.RestMediator(RoomView, RoomMutation, app=app)
    rooms.add_list_get("/rooms/<room_id>/views")
    rooms.add_list_get("/readers/<reader_id>/rooms")
    rooms.add_instance_get("/rooms/<room_id>/views/<reader_id>")
    rooms.add_instance_put("/rooms/<room_id>/views/<reader_id>")
    rooms.add_instance_patch("/rooms/<room_id>/views/<reader_id>")
    rooms.add_instance_delete("/rooms/<room_id>/views/<reader_id>")
    view.RestMediator(Totals, app=app).add_instance_get("/totals")
    reviews = view.RestMediator(EssayView, app=app)
    reviews.add_instance_get("/reviews/<essay_id>/<reader>")
    reviews.add_list_get("/readers-of/<essay_id>")
    return app


@pytest.fixture
def client(app: Flask, datastore: MemoryDatastore) -> FlaskClient:
    return app.test_client()


def refused(answer: Any, status: int) -> str:
    assert (answer.status_code, answer.mimetype) == (status, "application/problem+json")
    detail: str = answer.json["detail"]
    return detail


# -- one view


def test_a_rule_names_each_slot(client: FlaskClient) -> None:
    table = {"name": "T1", "season": "2024", "points": 100}
    assert client.get("/tables/2024/t1").json == table
    assert client.get("/tables/2023/t1").json["points"] == 10
    assert client.get("/rooms/lobby/views/ann").json == {"title": "Lobby", "reader": "Ann"}
    assert client.get("/totals").json == {"teams": 3}


def test_of_one_root_alone_a_rule_may_name_the_slot_as_well(
    app: Flask, client: FlaskClient
) -> None:
    class PlainStore(Store):
        team = root(Team)

    class Plain(ViewModel):
        store: PlainStore

        name: Attr[str] = attrs.through("team.name")

    mediator = view.RestMediator(Plain, app=app)
    names = ("doc_id", "team_id", "team")
    for name in names:
        mediator.add_instance_get(f"/{name}/<{name}>")
    for name in names:
        assert client.get(f"/{name}/t1").json == {"name": "T1"}
        assert "no document Team/t9" in refused(client.get(f"/{name}/t9"), 404)
        assert "no such document" in refused(client.get(f"/{name}/__x__"), 404)


def test_what_is_named_by_a_path_may_be_one_of_the_slots(client: FlaskClient) -> None:
    for path in ("Team/t1/reviews/v1", "Team%2Ft1%2Freviews%2Fv1"):
        assert client.get(f"/reviews/{path}/ann").json == {"text": "Good", "reader": "ann"}
        assert list(client.get(f"/readers-of/{path}").json["results"]) == ["ann", "bob"]
    refused(client.get("/reviews/Team/t1/reviews/v1/cem"), 404)
    refused(client.get("/reviews/Team/t1/reviews/v2/ann"), 404)
    assert "no such view" in refused(client.get("/reviews/Team/t1/others/v1/ann"), 404)


def test_who_is_no_member_and_who_is_not_there_are_told_the_same(client: FlaskClient) -> None:
    said = {
        name: refused(client.get(f"/rooms/lobby/views/{name}"), 404).replace(name, "…")
        # One is somebody, one is nobody, one is named and is nobody.
        for name in ("cem", "nil", "gone")
    }
    assert len(set(said.values())) == 1
    assert "no document Room/none" in refused(client.get("/rooms/none/views/ann"), 404)


def test_whoever_leaves_has_no_view_any_more(client: FlaskClient) -> None:
    assert client.get("/rooms/lobby/views/ann").status_code == 200
    assert client.delete("/rooms/lobby/views/ann").status_code == 204
    refused(client.get("/rooms/lobby/views/ann"), 404)
    new = client.put("/rooms/lobby/views/ann", json={}, headers={"If-None-Match": "*"})
    assert (new.status_code, new.headers["Location"]) == (201, "/rooms/lobby/views/ann")
    again = client.put("/rooms/lobby/views/ann", json={}, headers={"If-None-Match": "*"})
    refused(again, 412)
    assert client.get("/rooms/lobby/views/ann").status_code == 200


def test_what_is_kept_of_who_has_left_is_not_shown(
    app: Flask, client: FlaskClient, datastore: MemoryDatastore
) -> None:
    class Kept(RoomView):
        class Meta:
            path = "kept/{room.doc_id}/views/{reader.doc_id}"
            on_delete = "keep"

    class Fleeting(RoomView):
        class Meta:
            path = "fleeting/{room.doc_id}/views/{reader.doc_id}"

    for cls, name in ((Kept, "kept"), (Fleeting, "fleeting")):
        view.RestMediator(cls, app=app).add_instance_get(f"/{name}/<room>/<reader>")
        fields = {"title": "Old", "reader": "Cem"}
        datastore.put(f"{name}/lobby/views/cem", obj_type=cls.__name__, **fields)
    refused(client.get("/kept/lobby/cem"), 404)
    # Its mediator is about to delete it.
    assert client.get("/fleeting/lobby/cem").json["title"] == "Old"


@pytest.mark.parametrize(
    "path",
    [
        *("/tables/2024/..", "/tables/../t1", "/tables/./t1", "/tables/2024/__x__"),
        *("/tables/2024/%2E%2E", "/tables/2024%2F%2Ft2/t1", "/tables/2024//t1", "/tables//t1"),
        *("/tables/2024/t1%2F", "/tables/2024/%2Ft1", "/tables/20%2F24/t1", "/tables/2024/t1/"),
        *("/tables/2024/Team%2Ft1", "/tables/2024//Team/t1", "/tables/2024/" + "t" * 1501),
        *("/tables/" + "é" * 751 + "/t1", "/tables/2024/%FF", "/tables/%C3/t1"),
        *("/rooms/lobby/views/User%2Fann", "/rooms/lobby%2Fviews/ann/views/ann"),
        *("/rooms/lobby/views/ann%2F%2Fbob", "/rooms/lobby/views/%00", "/rooms/lobby/views/.."),
    ],
)
def test_a_path_names_the_view_that_it_says_or_none(client: FlaskClient, path: str) -> None:
    refused(client.get(path), 404)


@pytest.mark.parametrize("doc_id", ["%2F", "a%b", "ü~é", "a b", "t?1#x", "'\"<x>", "\ufffd", "+"])
def test_odd_ids_are_taken_as_they_are(
    client: FlaskClient, datastore: MemoryDatastore, doc_id: str
) -> None:
    datastore.put(f"Team/{doc_id}", obj_type="Team", name="odd")
    shown = client.get(f"/tables/{quote(doc_id, safe='')}/{quote(doc_id, safe='')}").json
    assert shown == {"name": "odd", "season": doc_id, "points": 0}
    assert client.get("/tables/2024").json["results"][doc_id]["name"] == "odd"


def test_bytes_that_are_no_text_name_nobody(
    client: FlaskClient, datastore: MemoryDatastore
) -> None:
    datastore.put("Team/\ufffd", obj_type="Team", name="odd")
    assert client.get("/tables/2024/%EF%BF%BD").json["name"] == "odd"
    assert "UTF-8" in refused(client.get("/tables/2024/%FF"), 404)


def test_what_is_stored_is_shown_for_the_view_that_it_is_of_alone(
    app: Flask, client: FlaskClient, datastore: MemoryDatastore
) -> None:
    class Joined(TableView):
        class Meta:
            path = "joined/{season}-{team.doc_id}"

    datastore.put("joined/a-b-c", obj_type="Joined", name="of a-b", season="a-b", points=7)
    datastore.put("Team/b-c", obj_type="Team", name="B-C")
    view.RestMediator(Joined, app=app).add_instance_get("/joined/<season>/<team>")

    class OneStore(Store):
        team = root(Team)

    class Only(ViewModel):
        store: OneStore

        name: Attr[str] = attrs.through("team.name")

        class Meta:
            path = "only/one"

    datastore.put("only/one", obj_type="Only", name="of t1")
    view.RestMediator(Only, app=app).add_instance_get("/only/<team>")

    fields = {"name": "kept", "season": "2024", "points": 7}
    datastore.put("tables/2024/teams/t1", obj_type="TableView", **fields)
    assert client.get("/tables/2024/t1").json["points"] == 7
    assert client.get("/joined/a/b-c").json["name"] == "B-C"
    assert client.get("/only/t2").json["name"] == "T2"


def test_the_tag_and_the_read_time_are_of_one_view(client: FlaskClient) -> None:
    first, second = (client.get(f"/tables/{year}/t3") for year in ("2023", "2024"))
    assert first.headers["ETag"] != second.headers["ETag"]
    held = {"If-None-Match": first.headers["ETag"]}
    assert client.get("/tables/2023/t3", headers=held).status_code == 304
    assert client.get("/tables/2024/t3", headers=held).status_code == 200
    change = {"If-Match": first.headers["ETag"]}
    refused(client.patch("/tables/2024/t3", json={"name": "x"}, headers=change), 412)
    changed = client.patch("/tables/2023/t3", json={"name": "x"}, headers=change)
    assert changed.json["name"] == "x"
    token = {"Boiler-Read-Time": changed.headers["Boiler-Read-Time"]}
    assert client.get("/tables/2024/t3", headers=token).json["name"] == "x"
    put = client.put("/tables/2024/t3", json={"name": "y"})
    assert put.json == {"name": "y", "season": "2024", "points": 0}


def test_last_modified_is_that_of_the_newest_document(
    client: FlaskClient, app: Flask, datastore: MemoryDatastore
) -> None:
    shown = client.get("/rooms/lobby/views/ann")
    assert "Last-Modified" in shown.headers
    asked = {"If-Modified-Since": shown.headers["Last-Modified"]}
    assert client.get("/rooms/lobby/views/ann", headers=asked).status_code == 304


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class TypedStore(Store):
    year = param(int)
    day = param(datetime.date)
    live = param(bool)
    colour = param(Colour)


class TypedView(ViewModel):
    store: TypedStore

    @attrs.computed
    def said(self) -> list[Any]:
        store = self.store
        return [store.year, store.day.isoformat(), store.live, store.colour.value]


@pytest.mark.usefixtures("datastore")
def test_parameters_have_types() -> None:
    class Day(BaseConverter):
        def to_python(self, value: str) -> datetime.date:
            return datetime.date.fromisoformat(value)

    class Truth(BaseConverter):
        def to_python(self, value: str) -> bool:
            return value == "true"

    class Paint(BaseConverter):
        def to_python(self, value: str) -> Colour:
            return Colour(value)

    app = Flask("typed")
    app.url_map.converters |= {"day": Day, "truth": Truth, "paint": Paint}
    mediator = view.RestMediator(TypedView, app=app)
    mediator.add_instance_get("/texts/<year>/<day>/<live>/<colour>")
    mediator.add_instance_get("/values/<int:year>/<day:day>/<truth:live>/<paint:colour>")
    client = app.test_client()
    for kind in ("texts", "values"):
        shown = client.get(f"/{kind}/2024/2024-02-29/true/red").json
        assert shown == {"said": [2024, "2024-02-29", True, "red"]}
    said = refused(client.get("/texts/x/2024-02-30/True/green"), 404)
    assert all(f"{name}: Expected" in said for name in ("year", "day", "live", "colour"))
    for year in ("0x7", "+7", "07", " 7", "7_0", "\u0667"):
        assert "year: " in refused(client.get(f"/texts/{year}/2024-02-29/true/red"), 404)


# -- lists


def test_a_list_is_of_all_roots_for_what_the_rule_names(client: FlaskClient) -> None:
    page = client.get("/tables/2024").json
    assert {key: shown["points"] for key, shown in page["results"].items()} == {
        "t1": 100,
        "t2": 1000,
        "t3": 0,
    }
    assert list(client.get("/tables/2024?name=T2").json["results"]) == ["t2"]
    assert list(json.loads(client.get("/tables/2024?order_by=-name").data)["results"]) == [
        "t3",
        "t2",
        "t1",
    ]
    refused(client.get("/tables/2024?season=2023"), 400)
    refused(client.get("/tables/.."), 404)


def test_a_list_is_of_all_members(client: FlaskClient) -> None:
    page = client.get("/rooms/lobby/views").json
    # Each of them once, in order, and who is named and has no document has no view.
    assert list(page["results"]) == ["ann", "bob"]
    assert page["results"]["bob"] == {"title": "Lobby", "reader": "Bob"}
    assert "errors" not in page
    assert "no document Room/none" in refused(client.get("/rooms/none/views"), 404)
    assert "known are: limit, page_token" in str(client.get("/rooms/lobby/views?title=x").json)
    assert client.get("/rooms/lobby/views?order_by=title").status_code == 400


def test_members_come_page_by_page(client: FlaskClient, datastore: MemoryDatastore) -> None:
    names = [f"m{n:03}" for n in range(7)]
    for name in names:
        datastore.put(f"User/{name}", obj_type="User", name=name)
    datastore.put("Room/hall", obj_type="Room", title="Hall", members=list(reversed(names)))
    seen: list[str] = []
    token = None
    for expected in (3, 3, 1):
        following = f"&page_token={token}" if token else ""
        page = client.get(f"/rooms/hall/views?limit=3{following}").json
        assert len(page["results"]) == expected
        seen += page["results"]
        if token is None:
            # Who leaves meanwhile loses nobody else.
            members = [name for name in names if name != "m002"]
            datastore.put("Room/hall", obj_type="Room", title="Hall", members=members)
        token = page["next_page_token"]
    assert (seen, token) == (names, None)


def test_a_token_is_of_one_list(client: FlaskClient) -> None:
    token = client.get("/rooms/lobby/views?limit=1").json["next_page_token"]
    assert client.get(f"/rooms/lobby/views?limit=1&page_token={token}").status_code == 200
    for path in ("/rooms/attic/views", "/tables/2024", "/readers/ann/rooms"):
        assert "not a page token" in refused(client.get(f"{path}?page_token={token}"), 400)
    other = client.get("/tables/2024?limit=1").json["next_page_token"]
    for text in (other, token[:-4], "é", "", "A", "*"):
        answer = client.get("/rooms/lobby/views", query_string={"page_token": text})
        assert "not a page token" in refused(answer, 400)


def test_a_list_of_the_rooms_of_one_member_has_those_alone(client: FlaskClient) -> None:
    assert list(client.get("/readers/ann/rooms").json["results"]) == ["lobby"]
    assert list(client.get("/readers/cem/rooms").json["results"]) == ["attic"]
    # Nobody learns here who there is.
    for name in ("zoe", "nobody"):
        assert client.get(f"/readers/{name}/rooms").json["results"] == {}


def test_a_view_of_a_list_that_fails_keeps_no_other_from_it(
    app: Flask, client: FlaskClient, datastore: MemoryDatastore
) -> None:
    datastore.put("User/bob", obj_type="User", name=7)
    page = client.get("/rooms/lobby/views").json
    assert list(page["results"]) == ["ann"]
    assert page["errors"]["bob"]["status"] == 500
    datastore.put("Room/lobby", obj_type="Room", title="Lobby", members=["ann", "a/b/c"])
    page = client.get("/rooms/lobby/views").json
    assert (list(page["results"]), page.get("errors")) == (["ann"], None)


def test_what_the_members_share_is_read_once(
    client: FlaskClient, datastore: MemoryDatastore
) -> None:
    names = [f"m{n:03}" for n in range(40)]
    for name in names:
        datastore.put(f"User/{name}", obj_type="User", name=name)
    datastore.put("Room/hall", obj_type="Room", title="Hall", members=names)
    before = len(datastore.reads)
    assert len(client.get("/rooms/hall/views").json["results"]) == 40
    users = [f"User/{name}" for name in names]
    assert sorted(datastore.reads[before:]) == ["Room/hall", *users]


# -- what is refused


def refusal(mediator: view.RestMediator, kind: str, rule: str, own: Any = None) -> str:
    with pytest.raises(ConfigurationError) as caught:
        getattr(mediator, f"add_{kind}")(rule, own)
    assert mediator.routes == []
    return str(caught.value)


@pytest.mark.parametrize(
    ("cls", "rule", "said"),
    [
        (TableView, "/t/<team_id>", "no <season>"),
        (TableView, "/t/<seasn>/<team_id>", "it has <seasn> instead"),
        (TableView, "/t/<season>/<team_id>/<team>", "names 'team' 2 times, as <team_id>, <team>"),
        (TableView, "/t/<season>/<season>/<team>", "names 'season' 2 times"),
        (TableView, "/t/<season>/<doc_id>", "no <team_id>"),
        (TableView, "/t/<season>/<team_id>/<page>", "has <page>"),
        (TableView, "/t/<season>/<team_id>/<seasn>", "has <seasn>.*did you mean 'season'"),
        (Totals, "/totals/<doc_id>", "has <doc_id>"),
        (Totals, "/totals/<year>", "has <year>"),
        (RoomView, "/rooms/<doc_id>", "no <room_id>, <reader_id>"),
        (EssayView, "/reviews/<int:essay_id>/<reader>", "write <path:essay_id>"),
        (EssayView, "/reviews/<essay>/<reader_id>", "no <reader>.*it has <reader_id> instead"),
    ],
)
def test_a_rule_that_does_not_fit_is_refused(cls: type[ViewModel], rule: str, said: str) -> None:
    mediator = view.RestMediator(cls, app=Flask("refusing"))
    assert re.search(said, refusal(mediator, "instance_get", rule))
    # Of a blueprint, when it is registered.
    prefix, _, rest = rule[1:].partition("/")
    blueprint = Blueprint("b", __name__, url_prefix=f"/{prefix}")
    if "int:" not in rule:
        view.RestMediator(cls, app=blueprint).add_instance_get(f"/{rest}")
        with pytest.raises(ConfigurationError, match=said):
            Flask("refusing").register_blueprint(blueprint)


def test_the_prefix_of_a_blueprint_may_name_slots(datastore: MemoryDatastore) -> None:
    blueprint = Blueprint("league", __name__, url_prefix="/seasons/<season>")
    mediator = view.RestMediator(TableView, app=blueprint)
    mediator.add_list_get("/tables")
    mediator.add_instance_get("/tables/<team_id>")
    app = Flask("league")
    app.register_blueprint(blueprint)
    app.register_blueprint(blueprint, name="again", url_prefix="/again/<season>")
    with pytest.raises(ConfigurationError, match="names 'season' 2 times"):
        other = Blueprint("other", __name__, url_prefix="/<season>")
        view.RestMediator(TableView, app=other).add_list_get("/<season>")
        app.register_blueprint(other)
    client = app.test_client()
    for prefix in ("seasons", "again"):
        assert client.get(f"/{prefix}/2023/tables/t1").json["points"] == 10
        assert client.get(f"/{prefix}/2023/tables").json["results"]["t1"]["points"] == 10
    by_path = Blueprint("reviews", __name__, url_prefix="/<essay_id>")
    view.RestMediator(EssayView, app=by_path).add_instance_get("/<reader>")
    with pytest.raises(ConfigurationError, match="write <path:essay_id>"):
        Flask("reviews").register_blueprint(by_path)


class PairStore(Store):
    first = root(Essay)
    second = root(Essay)


class PairView(ViewModel):
    store: PairStore


def test_two_paths_in_one_rule_are_refused() -> None:
    mediator = view.RestMediator(PairView, app=Flask("refusing"))
    said = refusal(mediator, "instance_get", "/<first_id>/and/<second_id>")
    assert "does not tell where one of them ends" in said


@pytest.mark.parametrize(
    ("cls", "rule", "said"),
    [
        (Totals, "/totals", "as there is one: serve it by add_instance_get"),
        (TableView, "/tables", "of which season: name it in the rule, as in /<season>"),
        (TableView, "/tables/<season>/<team_id>", "nothing to list"),
        (TableView, "/tables/<team_id>", "need all values of season, which nobody knows"),
        (RoomView, "/rooms", "of which room and reader: name all but one in the rule"),
        (TypedView, "/days/<year>", "all values of day and live and colour"),
    ],
)
def test_what_cannot_be_listed_is_refused(cls: type[ViewModel], rule: str, said: str) -> None:
    assert said in refusal(view.RestMediator(cls, app=Flask("refusing")), "list_get", rule)


def test_filters_are_of_roots() -> None:
    mediator = view.RestMediator(RoomView, app=Flask("refusing"))
    with pytest.raises(ConfigurationError, match="of the members of one"):
        mediator.add_list_get("/rooms/<room_id>", filters=["title"])
    with pytest.raises(ConfigurationError, match="Room has no attribute 'titel'"):
        mediator.add_list_get("/readers/<reader_id>", filters=["titel"])


def test_roots_are_made_and_deleted_by_views_of_them_alone() -> None:
    tables = view.RestMediator(TableView, TableMutation, app=Flask("refusing"))
    said = "mutate_create is for views of one root alone, and TableView is of team, season"
    assert said in refusal(tables, "list_post", "/tables")
    assert "mutate_delete is for" in refusal(tables, "instance_delete", "/t/<season>/<team_id>")
    rooms = view.RestMediator(RoomView, RoomMutation, app=Flask("refusing"))
    said = refusal(rooms, "list_post", "/rooms/<room_id>/views")
    assert "names room, which mutate_create is not told" in said
    rooms.add_list_post("/views")


# -- views of the application's own


def test_a_view_of_ones_own_gets_the_key_or_the_arguments(app: Flask, client: FlaskClient) -> None:
    class Keyed(InstanceGet):
        def answer(self, *, doc_id: str, **arguments: Any) -> Response:
            return Response(f"{doc_id} {arguments}")

    class Mine(InstanceGet):
        def answer(self, **arguments: Any) -> Response:
            return super().answer(doc_id=self.subject.key({**arguments, "reader": "bob"}))

    class Few(ListGet):
        def answer(self, **arguments: Any) -> Response:
            return Response(str(arguments))

    mediator = view.RestMediator(RoomView, app=app)
    mediator.add_instance_get("/<lang>/keyed/<room_id>/<reader>", Keyed)
    mediator.add_instance_get("/rooms/<room_id>/mine", Mine)
    mediator.add_list_get("/few/<int:room>/<lang>", Few)
    assert client.get("/en/keyed/lobby/ann").text == "lobby//ann {'lang': 'en'}"
    assert client.get("/rooms/lobby/mine").json["reader"] == "Bob"
    refused(client.get("/rooms/../mine"), 404)
    assert client.get("/few/7/en").text == "{'room': '7', 'lang': 'en'}"


def test_mutations_take_their_keys_apart(datastore: MemoryDatastore) -> None:
    class Typed(Mutation[TypedView]):
        pass

    assert TableMutation.parts_of("t1//2024") == {"team": "t1", "season": "2024"}
    assert RoomMutation.parts_of("lobby//ann") == {"room": "lobby", "reader": "ann"}
    day = datetime.date(2024, 2, 29)
    parts = {"year": 7, "day": day, "live": False, "colour": Colour.RED}
    assert Typed.parts_of("7//2024-02-29//false//red") == parts
    assert TableMutation.mutate_patch("t1//2024", {"name": "New"}).points == 100


# -- all routes at once


@pytest.mark.parametrize(
    ("cls", "mutation", "rule", "expected"),
    [
        (
            TableView,
            TableMutation,
            "/tables/<season>",
            {
                "/tables/<season>": "GET",
                "/tables/<season>/<team_id>": "GET PATCH PUT",
            },
        ),
        (TableView, None, "/tables/", {"/tables/<team_id>/<season>": "GET"}),
        (
            RoomView,
            RoomMutation,
            "/rooms/<room_id>/views",
            {
                "/rooms/<room_id>/views": "GET",
                "/rooms/<room_id>/views/<reader_id>": "DELETE GET PATCH PUT",
            },
        ),
        (
            RoomView,
            RoomMutation,
            "/views",
            {"/views": "POST", "/views/<room_id>/<reader_id>": "DELETE GET PATCH PUT"},
        ),
        (Totals, None, "/totals", {"/totals": "GET"}),
        (
            EssayView,
            None,
            "/essays/<essay_id>",
            {"/essays/<path:essay_id>": "GET", "/essays/<path:essay_id>/<reader>": "GET"},
        ),
    ],
)
def test_a_rule_is_exposed_with_what_applies(
    cls: type[ViewModel],
    mutation: type[Mutation[Any]] | None,
    rule: str,
    expected: dict[str, str],
) -> None:
    app = Flask("exposed")
    exposed = mount(cls, mutation, app=app, io=None, query=None, rule=rule, namespace=None)
    assert exposed.rest is not None
    found: dict[str, list[str]] = {}
    for route in exposed.rest.routes:
        found.setdefault(route.rule, []).append(route.method)
    assert {path: " ".join(sorted(methods)) for path, methods in found.items()} == expected


def test_filters_are_exposed_where_there_is_a_list() -> None:
    app = Flask("exposed")
    mount(
        TableView,
        None,
        app=app,
        io=None,
        query=None,
        rule="/tables/<season>",
        namespace=None,
        filters=["division"],
    )
    with pytest.raises(ConfigurationError, match="as there is one"):
        mount(
            Totals,
            None,
            app=app,
            io=None,
            query=None,
            rule="/totals",
            namespace=None,
            filters=["x"],
        )


def test_a_view_that_there_is_one_of_is_kept_by_an_empty_mapping() -> None:
    class KeptTotals(Totals):
        class Meta:
            path = "totals/all"

    names: dict[str, Any] = {"app": Flask("x"), "io": None, "rule": None, "namespace": None}
    exposed = mount(KeptTotals, None, query={}, **names)
    assert exposed.query is not None
    with pytest.raises(ConfigurationError, match="team"):
        mount(TableView, None, query={}, **names)
