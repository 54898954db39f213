"""One view by every way at once: kept as documents, over HTTP, and live over Socket.IO."""

# mypy: disable-error-code="no-redef, union-attr"

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from flask_boiler import (
    CTX,
    Attr,
    Boiler,
    DomainModel,
    Mutation,
    Store,
    ViewModel,
    attrs,
    reference,
)
from flask_boiler.errors import ConfigurationError
from flask_boiler.testing import Settle


class Lamp(DomainModel):
    title: Attr[str] = attrs.bproperty()


class LampStore(Store):
    lamp = reference(Lamp)


class LampView(ViewModel):
    store: LampStore

    title: Attr[str] = attrs.bproperty()

    class Meta:
        path = "lampView/{lamp.doc_id}"

    @title.getter
    def title(self) -> Any:
        return self.store.lamp.title

    @title.setter
    def title(self, value: str) -> None:
        self.store.lamp.title = value


class LampMutation(Mutation[LampView]):
    pass


@pytest.fixture
def app(boiler: Boiler) -> Flask:
    app = Flask("lamps")
    boiler.init_app(app)
    return app


def test_all_ways_lead_to_the_same_view(app: Flask, boiler: Boiler, settle: Settle) -> None:
    exposed = boiler.expose(
        LampView, LampMutation, query=Lamp.get_query(), rule="/lamps", namespace="/lamps"
    )
    assert boiler.mediators == [exposed.query, exposed.websocket]
    assert len(exposed.rest.routes) == 6
    client = app.test_client()
    with boiler:
        created = client.post("/lamps", json={"title": "Red"})
        doc_id = created.headers["Location"].rpartition("/")[2]
        listening = boiler.io.test_client(app, namespace="/lamps")
        first = listening.emit(
            "subscribe_view_model", {"doc_id": doc_id}, callback=True, namespace="/lamps"
        )
        command = {"operation": "patch", "doc_id": doc_id, "data": {"title": "Blue"}}
        listening.emit("mutate", command, callback=True, namespace="/lamps")
        settle()
        [updated] = listening.get_received("/lamps")
        stored = CTX.db.document(f"lampView/{doc_id}").get().get("title")
        shown: Any = client.get(f"/lamps/{doc_id}").json
        assert first["value"] == {"title": "Red"}
        assert [updated["args"][0]["title"], stored, shown["title"]] == ["Blue"] * 3


def test_lists_take_further_filters(app: Flask, boiler: Boiler) -> None:
    for filters, said in [
        ("title", "is a text, and not a list"),
        (["titel"], "did you mean 'title'"),
    ]:
        with pytest.raises(ConfigurationError, match=said):
            boiler.expose(LampView, rule="/lamps", filters=filters)
    with pytest.raises(ConfigurationError, match="give a rule"):
        boiler.expose(LampView, query=Lamp.get_query(), filters=["title"])
    boiler.expose(LampView, rule="/lamps", filters=["title"])
    boiler.expose(LampView, rule="/all")
    for title in ("Red", "Blue"):
        Lamp.new(doc_id=title.lower(), title=title).save()
    client = app.test_client()
    assert list(client.get("/lamps?title=Red").get_json()["results"]) == ["red"]
    assert list(client.get("/lamps?order_by=-title").get_json()["results"]) == ["red", "blue"]
    assert client.get("/all?title=Red").status_code == 400


def test_what_is_not_asked_for_is_left_out(app: Flask, boiler: Boiler) -> None:
    exposed = boiler.expose(LampView, rule="/lamps/")
    assert (exposed.query, exposed.websocket) == (None, None)
    assert [(route.method, route.rule) for route in exposed.rest.routes] == [
        ("GET", "/lamps"),
        ("GET", "/lamps/<string:doc_id>"),
    ]
    assert boiler.mediators == []
    assert "socketio" not in app.extensions


def test_the_root_of_the_application_is_a_rule_too(app: Flask, boiler: Boiler) -> None:
    exposed = boiler.expose(LampView, rule="")
    assert [route.rule for route in exposed.rest.routes] == ["/", "/<string:doc_id>"]
    with pytest.raises(ConfigurationError, match="init_app"):
        Boiler(config=boiler.context.config).expose(LampView, rule="")


def test_a_namespace_serves_one_view(app: Flask, boiler: Boiler) -> None:
    first = boiler.expose(LampView, namespace="/lamps")
    with pytest.raises(ConfigurationError, match="/lamps is already served"):
        boiler.expose(LampView, namespace="/lamps")
    assert boiler.mediators == [first.websocket]
    assert boiler.io.server.namespace_handlers["/lamps"] is first.websocket
    with pytest.raises(ConfigurationError, match="begin with a slash"):
        boiler.expose(LampView, namespace="")


def test_the_applications_own_socket_io_is_used(app: Flask, boiler: Boiler) -> None:
    import flask_socketio

    io = flask_socketio.SocketIO(app, async_mode="threading")
    assert boiler.io is io
    assert Boiler(config=boiler.context.config, io=io).io is io


def test_nothing_cannot_be_exposed_nor_where_there_is_no_app(boiler: Boiler) -> None:
    with pytest.raises(ConfigurationError, match="at least one of query, rule and namespace"):
        boiler.expose(LampView)
    with pytest.raises(ConfigurationError, match="init_app"):
        boiler.expose(LampView, rule="/lamps")
    with pytest.raises(ConfigurationError, match="init_app"):
        boiler.expose(LampView, namespace="/lamps")
    boiler.expose(LampView, query=Lamp.get_query())
