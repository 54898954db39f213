"""The OpenAPI document of views that are of something else than one root."""

from __future__ import annotations

import datetime
import enum
import uuid
from typing import Any

import pytest
from flask import Blueprint, Flask, Response
from openapi_spec_validator import validate

from flask_boiler import ListGet, attrs, view
from flask_boiler.attrs.attribute import Attr
from flask_boiler.contracts.documents import openapi_document
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.viewmodels.mutation import Mutation
from flask_boiler.viewmodels.slots.each import each
from flask_boiler.viewmodels.slots.param import param
from flask_boiler.viewmodels.slots.root import root
from flask_boiler.viewmodels.store import Store
from flask_boiler.viewmodels.view_model import ViewModel


class Suit(enum.Enum):
    HEARTS = "hearts"
    SPADES = "spades"


class Rank(enum.IntEnum):
    ACE = 1
    KING = 13


class Deck(DomainModel):
    name: Attr[str]
    players: Attr[list[str]]


class Sleeve(DomainModel):
    text: Attr[str]
    players: Attr[list[str]]

    class Meta:
        parent = Deck
        collection_name = "sleeves"


class DealStore(Store):
    deck = root(Deck)
    day = param(datetime.date)
    game = param(uuid.UUID)
    round_no = param(int)
    open_hand = param(bool)
    suit = param(Suit)
    rank = param(Rank)
    table = param(str)


class Deal(ViewModel):
    store: DealStore

    name: Attr[str] = attrs.through("deck.name")


class DealMutation(Mutation[Deal]):
    @classmethod
    def mutate_create(cls, doc_id: str | None = None, data: Any = None) -> Deal:
        raise NotImplementedError

    @classmethod
    def mutate_delete(cls, doc_id: str) -> None:
        raise NotImplementedError


class HandStore(Store):
    sleeve = root(Sleeve)
    player = each(str, source=lambda store: store.sleeve.players)


class Hand(ViewModel):
    store: HandStore

    text: Attr[str] = attrs.through("sleeve.text")


class Score(ViewModel):
    store: Store

    @attrs.computed
    def total(self) -> int:
        return 0


_ID = {"type": "string", "minLength": 1, "pattern": "^[^/]{1,}$", "maxLength": 1500}
_RULE = "/<day>/<game>/<round_no>/<open_hand>/<suit>/<rank>/<int:table>"


@pytest.fixture
def document() -> dict[str, Any]:
    app = Flask("cards")
    deals = view.RestMediator(Deal, DealMutation, app=app)
    one = f"/deals{_RULE}/<deck_id>"
    deals.add_list_get(f"/deals{_RULE}")
    deals.add_list_post("/deals")
    for kind in ("get", "put", "patch", "delete"):
        getattr(deals, f"add_instance_{kind}")(one)
    blueprint = Blueprint("b", __name__, url_prefix="/of/<path:sleeve_id>")
    hands = view.RestMediator(Hand, app=blueprint)
    hands.add_list_get("/hands")
    hands.add_instance_get("/hands/<player>")
    app.register_blueprint(blueprint)
    by_player = view.RestMediator(Hand, app=app)
    by_player.add_list_get("/players/<player>/hands")
    view.RestMediator(Score, app=app).add_instance_get("/score")
    made = openapi_document(app)
    validate(made)
    return made


def parameters(operation: dict[str, Any], where: str = "path") -> dict[str, Any]:
    return {p["name"]: p["schema"] for p in operation["parameters"] if p.get("in") == where}


def test_each_slot_is_a_parameter_of_its_type(document: dict[str, Any]) -> None:
    [path] = [path for path in document["paths"] if path.endswith("/{deck_id}")]
    shown = parameters(document["paths"][path]["get"])
    assert shown.pop("round_no")["type"] == "integer"
    assert shown == {
        "day": {"type": "string", "format": "date"},
        "game": {"type": "string", "format": "uuid"},
        "open_hand": {"type": "boolean"},
        "suit": {"type": "string", "enum": ["hearts", "spades"]},
        "rank": {"type": "string", "enum": ["1", "13"]},
        "table": {"type": "integer", "minimum": 0},
        "deck_id": _ID,
    }
    for method in ("put", "patch", "delete"):
        assert parameters(document["paths"][path][method]).keys() == {*shown, "round_no"}
    said = {
        p.get("name"): p.get("description") for p in document["paths"][path]["get"]["parameters"]
    }
    assert said["deck_id"] == "The id of the view's deck."
    assert said["day"] == "The view's day."


def test_a_path_is_told_from_an_id(document: dict[str, Any]) -> None:
    operation = document["paths"]["/of/{sleeve_id}/hands/{player}"]["get"]
    said = {p.get("name"): p.get("description") for p in operation["parameters"]}
    assert said["sleeve_id"].startswith("The path of the view's sleeve")
    assert parameters(operation)["player"] == _ID


def test_lists_say_what_their_results_are_by(document: dict[str, Any]) -> None:
    paths = document["paths"]
    listed = {
        path: paths[path]["get"]["responses"]["200"]["description"]
        for path in paths
        if path in ("/of/{sleeve_id}/hands", "/players/{player}/hands") or path.endswith("/{table}")
    }
    assert set(listed.values()) == {
        "The views, by the id of the deck.",
        "The views, by the player.",
        "The views, by the path of the sleeve.",
    }
    members = paths["/of/{sleeve_id}/hands"]["get"]
    assert parameters(members, "query").keys() == {"limit", "page_token"}
    assert "404" in members["responses"]
    assert "text" in parameters(paths["/players/{player}/hands"]["get"], "query")
    pages = [n for n in document["components"]["schemas"] if n.startswith("HandPage")]
    assert sorted(pages) == ["HandPageByPlayer", "HandPageBySleeve"]


def test_links_name_each_slot(document: dict[str, Any]) -> None:
    [path] = [path for path in document["paths"] if path.endswith("/{deck_id}")]
    links = document["paths"][path]["get"]["responses"]["200"]["links"]
    names = parameters(document["paths"][path]["get"])
    assert links.keys() == {"Deal_instance_put", "Deal_instance_patch", "Deal_instance_delete"}
    for link in links.values():
        said = {f"path.{name}": f"$request.path.{name}" for name in names}
        assert link["parameters"].items() >= said.items()


def test_a_view_of_nothing_has_no_parameter_in_its_path(document: dict[str, Any]) -> None:
    assert parameters(document["paths"]["/score"]["get"]) == {}


def test_a_list_in_a_way_of_its_own_is_described_as_far_as_it_is_known() -> None:
    class Own(ListGet):
        def answer(self, **arguments: Any) -> Response:
            return Response("{}")

    app = Flask("cards")
    view.RestMediator(Score, app=app).add_list_get("/scores/<year>", Own)
    document = openapi_document(app)
    validate(document)
    assert parameters(document["paths"]["/scores/{year}"]["get"]).keys() == {"year"}
