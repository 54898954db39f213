"""Numbers that JSON has not, in what is told over HTTP and WebSocket: null, or one view's error."""

# mypy: disable-error-code="no-redef, union-attr"

from __future__ import annotations

import json
import math
import threading
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from flask_boiler import Attr, Boiler, DomainModel, Mutation, Store, ViewModel, attrs, reference
from flask_boiler.testing import Settle

TIMEOUT_S = 60.0


class Gauge(DomainModel):
    class Meta:
        collection_name = "gauges"

    level: Attr[float] = attrs.bproperty(default=0.0)
    trend: Attr[float | None] = attrs.bproperty(default=None)
    notes = attrs.bproperty(default=None)
    total: Attr[int] = attrs.bproperty(default=0)


class GaugeStore(Store):
    gauge = reference(Gauge)


class GaugeView(ViewModel):
    store: GaugeStore

    level: Attr[float] = attrs.bproperty()
    trend: Attr[float | None] = attrs.bproperty()
    notes = attrs.bproperty()
    total: Attr[int] = attrs.bproperty(as_string=True)

    @level.getter
    def level(self) -> Any:
        return self.store.gauge.level

    @level.setter
    def level(self, value: float) -> None:
        self.store.gauge.level = value

    @trend.getter
    def trend(self) -> Any:
        return self.store.gauge.trend

    @notes.getter
    def notes(self) -> Any:
        return self.store.gauge.notes

    @notes.setter
    def notes(self, value: Any) -> None:
        self.store.gauge.notes = value

    @total.getter
    def total(self) -> Any:
        return self.store.gauge.total

    @total.setter
    def total(self, value: int) -> None:
        self.store.gauge.total = value


class GaugeMutation(Mutation[GaugeView]):
    pass


@pytest.fixture
def app(boiler: Boiler) -> Flask:
    app = Flask("gauges")
    boiler.init_app(app)
    boiler.expose(GaugeView, GaugeMutation, rule="/gauges", namespace="/gauges")
    Gauge.new(doc_id="ok", level=1.0, trend=math.nan, notes=[{"a": -math.inf}]).save()
    Gauge.new(doc_id="off", level=math.inf).save()
    return app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def strict(text: str) -> Any:
    return json.loads(text, parse_constant=pytest.fail)


def test_a_page_is_json_and_has_one_views_error(client: FlaskClient) -> None:
    page = strict(client.get("/gauges").text)
    assert page["results"] == {
        "ok": {"level": 1.0, "trend": None, "notes": [{"a": None}], "total": "0"}
    }
    assert page["errors"]["off"]["status"] == 500
    assert "inf" not in json.dumps(page["errors"])


def test_one_is_shown_or_is_an_error_and_can_be_mended(
    client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    assert strict(client.get("/gauges/ok").text)["trend"] is None
    broken = client.get("/gauges/off")
    assert (broken.status_code, broken.mimetype) == (500, "application/problem+json")
    assert "level: JSON has no inf" in caplog.text
    assert client.patch("/gauges/off", json={"level": 2.5}).get_json()["level"] == 2.5
    assert client.get("/gauges/off").get_json()["level"] == 2.5


def test_tags_stay_the_same(client: FlaskClient) -> None:
    tags = {client.get("/gauges/ok").headers["ETag"] for _ in range(2)}
    assert len(tags) == 1
    [tag] = tags
    assert client.get("/gauges/ok", headers={"If-None-Match": tag}).status_code == 304


def test_integers_as_strings_go_both_ways(client: FlaskClient) -> None:
    large = str(2**63 - 1)
    answer = client.patch("/gauges/ok", json={"total": large})
    assert answer.get_json()["total"] == large
    assert Gauge.get_or_raise("ok").total == 2**63 - 1
    refused = client.patch("/gauges/ok", json={"total": 5})
    assert refused.status_code == 422
    assert list(refused.get_json()["errors"]) == ["total"]


def test_over_websocket_it_is_the_same(boiler: Boiler, app: Flask, settle: Settle) -> None:
    io: Any = boiler.io
    client = io.test_client(app, namespace="/gauges")

    def call(event: str, *given: Any) -> Any:
        return client.emit(event, *given, callback=True, namespace="/gauges")

    assert call("subscribe_view_model", {"doc_id": "ok"})["value"]["trend"] is None
    patched = call("subscribe_view_model", {"doc_id": "ok"}, {"updates": "json-patch"})
    assert patched["value"]["notes"] == [{"a": None}]
    gauge = Gauge.get_or_raise("ok")
    gauge.update(notes=[{"a": 1}, math.nan], trend=2.0)
    settle()
    told = [event["args"] for event in client.get_received("/gauges")]
    assert [value["notes"] for value, meta in told if meta["updates"] == "full"]
    for value, _ in told:
        strict(json.dumps(value))
    gauge.update(level=math.nan)
    errors = await_errors(client, 2)
    assert [error["status"] for error in errors] == [500, 500]
    assert call("subscribe_view_model", {"doc_id": "off"})["error"]["status"] == 500
    command = {"operation": "patch", "doc_id": "ok", "data": {"notes": math.nan}}
    assert call("mutate", command)["error"]["status"] == 422
    boiler.stop()


def await_errors(client: Any, count: int) -> list[Any]:
    """Wait until so many are told; a thread of the mediator's does so after the view is parked."""
    errors: list[Any] = []
    pause = threading.Event()
    for _ in range(int(TIMEOUT_S * 100)):
        got = client.get_received("/gauges")
        errors += [event["args"][0] for event in got if event["name"] == "error"]
        if len(errors) >= count:
            return errors
        pause.wait(0.01)
    raise AssertionError(f"told were {errors}")


def test_a_number_beyond_all_doubles_is_refused(client: FlaskClient) -> None:
    answer = client.patch("/gauges/ok", data='{"notes": [1e400]}', content_type="application/json")
    assert answer.status_code == 422
    assert Gauge.get_or_raise("ok").notes == [{"a": -math.inf}]
