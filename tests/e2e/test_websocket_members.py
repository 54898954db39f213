"""Views of a season and of a member over real WebSockets, whose clients say what they want."""

from __future__ import annotations

import json
from collections.abc import Iterator

import flask_socketio
import pytest
from flask import Flask

from flask_boiler import Boiler, WsMediator
from tests.e2e.sockets import CLOSED_FROM_BOTH_SIDES, RawClient
from tests.e2e.test_websocket_clients import serving
from tests.firestore.test_websocket_slots import (
    Club,
    Clubber,
    ClubMutation,
    ClubView,
    Derby,
    LeagueTable,
)

pytestmark = CLOSED_FROM_BOTH_SIDES


@pytest.fixture
def address(boiler: Boiler) -> Iterator[str]:
    app = Flask("clubs")
    boiler.init_app(app)
    io = flask_socketio.SocketIO(app, async_mode="threading")
    io.on_namespace(boiler.add(WsMediator(LeagueTable, namespace="/tables")))
    io.on_namespace(boiler.add(WsMediator(ClubView, ClubMutation, namespace="/clubs")))
    with boiler.context.activated(), serving(app) as address, boiler:
        yield address


def test_a_table_of_each_season_is_live(address: str) -> None:
    Derby.new(season=2023, winner="ulm").save()
    with RawClient(address, "/tables") as old, RawClient(address, "/tables") as new:
        assert old.emit("subscribe_view_model", {"season": 2023})["value"]["points"] == {"ulm": 3}
        assert new.emit("subscribe_view_model", {"season": 2024})["value"]["points"] == {}
        Derby.new(season=2024, winner="jena").save()
        value, _ = new.updated()
        assert value == {"season": 2024, "points": {"jena": 3}}
        # The first that the other one is told is of its own season.
        Derby.new(season=2023, winner="ulm").save()
        value, _ = old.updated()
        assert value == {"season": 2023, "points": {"ulm": 6}}


def test_a_member_leaves_and_comes_back(address: str) -> None:
    for name in ("ann", "bob"):
        Clubber.new(doc_id=name, nickname=name).save()
    Club.new(doc_id="c", topic="chess", members=["ann", "bob"]).save()
    with RawClient(address, "/clubs") as client:
        bob = {"club": "c", "reader": "bob"}
        first = client.emit("subscribe_view_model", bob)
        named = {"operation": "patch", "arguments": bob, "data": {"pinned": "rules"}}
        assert client.emit("mutate", named)["doc_id"] == "c//bob"
        Club.get_or_raise("c").update(members=["ann"])
        told = client.receive('42/clubs,["error",')
        [problem] = json.loads(f"[{told}")
        assert problem["status"] == 404
        assert problem["subscription_id"] == first["subscription_id"]
        refused = client.emit("mutate", named)
        assert refused["error"]["status"] == 404
        Club.get_or_raise("c").update(members=["bob"], topic="go")
        value, _ = client.updated()
        while value["topic"] != "go":
            value, _ = client.updated()
        assert value == {"topic": "go", "pinned": "rules"}
