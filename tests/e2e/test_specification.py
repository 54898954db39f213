"""The specification's own samples, run as they stand."""

from __future__ import annotations

import sys
import types
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openapi_spec_validator
import pytest
from pytest_mock import MockerFixture

from examples.meeting_room.story import save_a_meeting
from flask_boiler import CTX, Boiler, QueryMediator
from flask_boiler.testing import Settle
from tests.docs.snippets import snippets

SAVE_DATA, DECLARE_VIEW_MODEL, WEBSOCKET_VIEW, CREATE_FLASK_VIEW = snippets(
    Path(__file__).with_name("specification.md")
)

LEFT_OUT = """
from flask_boiler import CTX
from flask_boiler import Store, reference
from flask_boiler import ViewModel

class CityStore(Store):
    city = reference(City)
"""


@pytest.fixture
def sample(boiler: Boiler, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """The namespace of the samples, after "Save data"."""
    module = types.ModuleType(f"specification_{uuid.uuid4().hex}")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(SAVE_DATA.code, "Save data", "exec"), vars(module))
    yield vars(module)


def stored(path: str) -> dict[str, Any] | None:
    fields: dict[str, Any] | None = CTX.db.document(path).get().to_dict()
    return fields


def test_save_data(sample: dict[str, Any]) -> None:
    assert stored("City/SF") == {
        # What is declared is stored under camelCase names ...
        "country": "USA",
        "capital": False,
        # ... and what is not, verbatim.
        "name": "San Francisco",
        "state": "CA",
        "populations": 860000,
        "regions": ["west_coast", "norcal"],
        "obj_type": "City",
        "doc_id": "SF",
        "doc_ref": "City/SF",
    }


def test_declare_view_model(sample: dict[str, Any], boiler: Boiler, settle: Settle) -> None:
    exec(LEFT_OUT, sample)
    exec(compile(DECLARE_VIEW_MODEL.code, "Declare View Model", "exec"), sample)
    City, CityView = sample["City"], sample["CityView"]
    boiler.add(QueryMediator(CityView, query=City.get_query()))
    boiler.start()
    settle()
    # The sample saves `name`, and the view reads `city_name`, which it does not have.
    assert stored("cityView/SF") == {
        "name": None,
        "country": "USA",
        "obj_type": "CityView",
        "doc_ref": "cityView/SF",
    }
    City.get("SF").update(city_name="San Francisco")
    settle()
    assert (stored("cityView/SF") or {})["name"] == "San Francisco"
    City.get("SF").delete()
    settle()
    assert stored("cityView/SF") is None


LEFT_OUT_OF_WEBSOCKET_VIEW = """
import flask_socketio
from flask import Flask
from flask_boiler import attrs
from flask_boiler import Store, reference
from flask_boiler import WsMediator
from flask_boiler import ViewModel

class ColorStore(Store):
    city = reference(City)

class rainbow_vm(ViewModel):
    store: ColorStore

    @attrs.computed
    def rainbow_name(self):
        return self.store.city.country

app = Flask(__name__)
"""


def test_websocket_view(sample: dict[str, Any], boiler: Boiler, settle: Settle) -> None:
    exec(LEFT_OUT_OF_WEBSOCKET_VIEW, sample)
    boiler.init_app(sample["app"])
    exec(compile(WEBSOCKET_VIEW.code, "WebSocket View", "exec"), sample)
    mediator = boiler.add(sample["mediator"])
    assert type(mediator).__name__ == "Demo"
    client = sample["io"].test_client(sample["app"], namespace="/palette")
    arguments = {"doc_id": "SF"}
    acknowledged = client.emit(
        "subscribe_view_model", arguments, callback=True, namespace="/palette"
    )
    assert acknowledged["value"] == {"rainbowName": "USA"}
    sample["City"].get("SF").update(country="Red")
    settle()
    [updated] = client.get_received("/palette")
    value, meta = updated["args"]
    assert (updated["name"], value) == ("updated", {"rainbowName": "Red"})
    assert meta["version"] > acknowledged["version"]
    boiler.start()
    boiler.stop()
    assert not client.is_connected("/palette")


LEFT_OUT_OF_FLASK_VIEW = """
import types
from flasgger import Swagger, SwaggerView
from flask import Flask
from examples.meeting_room.view_models import MeetingSession, MeetingSessionMutation, UserView
from flask_boiler import view
from flask_boiler import ListGet
"""

OPERATIONS = {
    "one that builds on the default": """
class Operation(ListGet):
    filters = ("status",)
""",
    "one of flasgger's": """
class Operation(SwaggerView):
    responses = {"200": {"description": "The ids of all meetings."}}

    def get(self):
        return {"results": {"planning": {}}}
""",
}


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_create_flask_view(
    operation: str, sample: dict[str, Any], boiler: Boiler, mocker: MockerFixture
) -> None:
    served = mocker.patch("flask.Flask.run")
    exec(LEFT_OUT_OF_FLASK_VIEW + operation, sample)
    sample["meeting_session_ops"] = types.SimpleNamespace(ListGet=sample["Operation"])
    exec(compile(CREATE_FLASK_VIEW.code, "Create Flask View", "exec"), sample)
    served.assert_called_once_with(debug=True)

    app = sample["app"]
    app.debug = True
    boiler.init_app(app)
    save_a_meeting()
    client = app.test_client()
    assert list(client.get("/meeting_sessions").json["results"]) == ["planning"]
    answer = client.patch("/meeting_sessions/planning", json={"inSession": False})
    assert (answer.status_code, answer.json["inSession"]) == (200, False)
    assert client.get("/meeting_sessions/planning").json["inSession"] is False
    assert client.get("/users/ada").json["lastName"] == "Lovelace"

    assert "swagger-ui" in client.get("/apidocs/").text
    # With debug=True flasgger makes the document anew each time.
    for _ in range(2):
        document = client.get("/apispec_1.json").json
        openapi_spec_validator.validate(document)
        assert {path: set(methods) for path, methods in document["paths"].items()} == {
            "/meeting_sessions": {"get"},
            "/meeting_sessions/{doc_id}": {"get", "patch"},
            "/users/{doc_id}": {"get"},
        }
