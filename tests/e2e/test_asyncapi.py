"""The AsyncAPI document, against AsyncAPI's own schema, and what is really sent against it."""

# mypy: disable-error-code="no-redef, union-attr"

from __future__ import annotations

import json
from typing import Any

import flask_socketio
import pytest
from flask import Flask
from jsonschema import Draft7Validator, ValidationError

from flask_boiler import Attr, Boiler, Store, ViewModel, WsMediator, attrs
from flask_boiler.openapi import asyncapi_document
from flask_boiler.testing import Settle
from tests.e2e.node import node_packages
from tests.firestore.test_websocket_slots import ClubMutation, ClubView, LeagueTable, Total
from tests.firestore.towns import Town, TownMutation, TownView, save_a_town


class Fair(ViewModel):
    """A view whose arguments are those of its own ``new``."""

    stalls: Attr[list[str]] = attrs.bproperty()
    note: Attr[str | None] = attrs.bproperty(default=None)

    @classmethod
    def new(cls, stalls: list[str], limit: int = 3) -> Fair:
        fair = cls(store=Store())
        fair.stalls = stalls[:limit]
        return fair


@pytest.fixture
def app(boiler: Boiler) -> Flask:
    app = Flask("towns")
    boiler.init_app(app)
    io = flask_socketio.SocketIO(app, async_mode="threading")
    io.on_namespace(boiler.add(WsMediator(TownView, TownMutation, namespace="/towns")))
    io.on_namespace(boiler.add(WsMediator(Fair, namespace="/fairs")))
    return app


def agrees(document: dict[str, Any], channel: str, message: str, value: Any) -> None:
    """Check a payload against what the document says of it."""
    payload = document["channels"][channel]["messages"][message]["payload"]
    Draft7Validator({**payload, "components": document["components"]}).validate(value)


def test_the_document_is_valid(app: Flask) -> None:
    document = asyncapi_document(app, title="Towns", version="1.0")
    json.dumps(document)
    schema = node_packages() / "@asyncapi" / "specs" / "schemas" / "3.0.0-without-$id.json"
    Draft7Validator(json.loads(schema.read_text(encoding="utf-8"))).validate(document)
    assert document["info"] == {"title": "Towns", "version": "1.0"}
    assert document["channels"].keys() == {"towns", "fairs"}
    assert "towns_mutate" in document["operations"]
    assert "fairs_mutate" not in document["operations"]
    for schema in document["components"]["schemas"].values():
        Draft7Validator.check_schema(schema)
        assert "nullable" not in json.dumps(schema)


def test_the_document_of_views_of_anything_is_valid(boiler: Boiler) -> None:
    app = Flask("clubs")
    boiler.init_app(app)
    io = flask_socketio.SocketIO(app, async_mode="threading")
    io.on_namespace(WsMediator(ClubView, ClubMutation, namespace="/clubs"))
    io.on_namespace(WsMediator(LeagueTable, namespace="/tables"))
    io.on_namespace(WsMediator(Total, namespace="/totals"))
    document = asyncapi_document(app)
    schema = node_packages() / "@asyncapi" / "specs" / "schemas" / "3.0.0-without-$id.json"
    Draft7Validator(json.loads(schema.read_text(encoding="utf-8"))).validate(document)
    agrees(document, "tables", "subscribe_view_model", [{"season": 2024}])
    agrees(document, "totals", "subscribe_view_model", [])
    named = {"operation": "patch", "arguments": {"club": "c", "reader": "ann"}, "data": {}}
    agrees(document, "clubs", "mutate", [named])
    for channel, wrong in (("tables", {"season": "2024"}), ("clubs", {"club": "c"})):
        with pytest.raises(ValidationError):
            agrees(document, channel, "subscribe_view_model", [wrong])


def test_what_is_sent_is_what_the_document_says(app: Flask, boiler: Boiler, settle: Settle) -> None:
    document = asyncapi_document(app)
    save_a_town()
    client = app.extensions["socketio"].test_client(app, namespace="/towns")

    def emit(event: str, *arguments: Any) -> Any:
        agrees(document, "towns", event, list(arguments))
        return client.emit(event, *arguments, callback=True, namespace="/towns")

    with boiler:
        first = emit("subscribe_view_model", {"doc_id": "ulm"}, {"updates": "json-patch"})
        agrees(document, "towns", "subscribed", first)
        data = {"place": {"latitude": 48.4, "longitude": 9.99}, "seal": "AAE=", "population": 7}
        command = {"operation": "patch", "doc_id": "ulm", "data": data}
        agrees(document, "towns", "mutated", emit("mutate", command))
        refused = emit("mutate", {**command, "doc_id": "none"})
        agrees(document, "towns", "refused", refused)
        settle()
        Town.get_or_raise("ulm").delete()
        settle()
        events = client.get_received("/towns")
        assert {event["name"] for event in events} == {"updated", "error"}
        for event in events:
            agrees(document, "towns", event["name"], event["args"])


def test_namespaces_of_like_names_have_a_channel_each(app: Flask, boiler: Boiler) -> None:
    for namespace in ("/to-wns", "/to_wns", "/", "/default"):
        app.extensions["socketio"].on_namespace(WsMediator(Fair, namespace=namespace))
    document = asyncapi_document(app)
    found = {name: channel["address"] for name, channel in document["channels"].items()}
    assert found == {
        "towns": "/towns",
        "fairs": "/fairs",
        "to_wns": "/to-wns",
        "to_wns2": "/to_wns",
        "default": "/",
        "default2": "/default",
    }
    assert {f"{name}_updated" for name in found} <= document["operations"].keys()


META = {"subscription_id": "s", "version": 2, "read_time": "2026-01-01T00:00:00Z"}
PATCH = [{"op": "replace", "path": "/stalls/0", "value": "bread"}]


@pytest.mark.parametrize(
    ("value", "meta"),
    [
        ({"stalls": ["tea"], "note": None}, {"updates": "full"}),
        (PATCH, {"updates": "json-patch", "previous_version": 1}),
        ({"stalls": ["tea"]}, {"updates": "merge-patch", "previous_version": 1}),
    ],
)
def test_what_an_update_is_depends_on_its_form(
    app: Flask, value: Any, meta: dict[str, Any]
) -> None:
    document = asyncapi_document(app)
    agrees(document, "fairs", "updated", [value, {**META, **meta}])
    agrees(document, "fairs", "subscribed", {**META, **meta, "value": value})


@pytest.mark.parametrize(
    ("channel", "message", "payload"),
    [
        ("towns", "subscribe_view_model", []),
        ("towns", "subscribe_view_model", [{"doc_id": 5}]),
        ("towns", "subscribe_view_model", [{"doc_id": "a"}, {"updates": "some"}]),
        ("towns", "mutate", [{"operation": "patch", "doc_id": "a"}]),
        ("towns", "mutate", [{"operation": "patch", "doc_id": "a", "data": {"population": "x"}}]),
        ("fairs", "subscribe_view_model", [{"stalls": "abc"}]),
        ("fairs", "subscribe_view_model", [{"stalls": [], "more": 1}]),
        ("fairs", "updated", [{}]),
        ("fairs", "updated", [{"stalls": 5, "note": None}, {**META, "updates": "full"}]),
        ("fairs", "updated", [None, {**META, "updates": "none"}]),
        ("fairs", "updated", [PATCH, {**META, "updates": "json-patch"}]),
        ("fairs", "subscribed", {**META, "updates": "json-patch", "value": {"stalls": []}}),
        ("fairs", "error", [{"type": "about:blank", "title": "x", "status": 404, "detail": "x"}]),
    ],
)
def test_what_is_refused_is_not_in_the_document(
    app: Flask, channel: str, message: str, payload: Any
) -> None:
    with pytest.raises(ValidationError):
        agrees(asyncapi_document(app), channel, message, payload)
