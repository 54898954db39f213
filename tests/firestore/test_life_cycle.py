"""Every kind of mediator is declared, runs and is stopped alike, in a Boiler and by itself."""

# mypy: disable-error-code="no-redef, union-attr"

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from flask_boiler import (
    Attr,
    Boiler,
    DocumentMediator,
    DomainModel,
    Mutation,
    QueryMediator,
    QueryTaskMediator,
    RestMediator,
    Store,
    ViewModel,
    WsMediator,
    attrs,
    reference,
)
from flask_boiler.errors import ConfigurationError


class Bell(DomainModel):
    pitch: Attr[int] = attrs.bproperty()

    class Meta:
        collection_name = "Bell"


class BellStore(Store):
    bell = reference(Bell)


class BellView(ViewModel):
    store: BellStore

    pitch: Attr[int] = attrs.bproperty()

    @pitch.getter
    def pitch(self) -> Any:
        return self.store.bell.pitch

    class Meta:
        path = "bellView/{bell.doc_id}"


class BellMutation(Mutation[BellView]):
    pass


def ring(task: Any, transaction: Any) -> None:
    Bell.new(doc_id=task.doc_id, pitch=task.pitch).save()


MEDIATORS: dict[str, Callable[[Flask], Any]] = {
    "query": lambda app: QueryMediator(BellView, query=Bell.get_query()),
    "document": lambda app: DocumentMediator(BellView, document="Bell/a"),
    "patches": lambda app: DocumentMediator(mutation_cls=BellMutation, patches="Bell_PATCH"),
    "tasks": lambda app: QueryTaskMediator(query=Bell.get_query(), on_task=ring, name="ring"),
    "rest": lambda app: RestMediator(BellView, BellMutation, app=app),
    "websocket": lambda app: WsMediator(BellView, BellMutation, namespace="/bells"),
}


@pytest.fixture
def app(boiler: Boiler) -> Flask:
    app = Flask("bells")
    boiler.init_app(app)
    return app


@pytest.mark.parametrize("make", MEDIATORS.values(), ids=MEDIATORS)
def test_by_itself(app: Flask, make: Callable[[Flask], Any]) -> None:
    mediator = make(app)
    states = [mediator.state.value]
    # Nothing has begun that could end.
    mediator.stop()
    for _ in range(2):
        with mediator:
            states.append(mediator.state.value)
            with pytest.raises(ConfigurationError, match="running already"):
                mediator.start()
        states.append(mediator.state.value)
    mediator.stop()
    again = ["running", "stopped"]
    assert states == ["declared", *again, *again]


def test_all_of_them_in_one_boiler(app: Flask, boiler: Boiler) -> None:
    mediators = [boiler.add(make(app)) for make in MEDIATORS.values()]
    assert not boiler.health.running
    for _ in range(2):
        with boiler:
            found = [boiler.health.running, {m.state.value for m in mediators}]
        assert found == [True, {"running"}]
        found = [boiler.health.running, {m.state.value for m in mediators}]
        assert found == [False, {"stopped"}]
    assert [inbox.name for inbox in boiler.inboxes] == ["Bell_PATCH", "ring"]
    assert list(boiler.health.tasks_done) == ["Bell_PATCH", "ring"]


@pytest.mark.parametrize("make", MEDIATORS.values(), ids=MEDIATORS)
def test_what_is_stopped_keeps_nothing_of_what_it_knew(
    app: Flask, boiler: Boiler, make: Callable[[Flask], Any]
) -> None:
    boiler.add(make(app))
    with boiler:
        engine = weakref.ref(boiler.engine)
        boiler.settle()
    gc.collect()
    assert engine() is None


def test_routes_are_served_whether_or_not_anything_was_started(app: Flask, boiler: Boiler) -> None:
    mediator = boiler.add(RestMediator(BellView, app=app))
    mediator.add_instance_get("/bells/<string:doc_id>")
    Bell.new(doc_id="a", pitch=3).save()
    client = app.test_client()
    shown = [client.get("/bells/a").json]
    with boiler:
        shown.append(client.get("/bells/a").json)
    shown.append(client.get("/bells/a").json)
    assert shown == [{"pitch": 3}] * 3


def test_routes_alone_are_nothing_to_wait_for(app: Flask, boiler: Boiler) -> None:
    boiler.add(RestMediator(BellView, app=app))
    assert not boiler.mediates
    boiler.add(WsMediator(BellView, namespace="/bells"))
    assert boiler.mediates
