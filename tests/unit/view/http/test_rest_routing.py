"""What is answered where the mediators' routes end: paths and methods that none of them has."""

# mypy: disable-error-code="index"

from __future__ import annotations

from typing import Any

import pytest
from flask import Blueprint, Flask, Response, abort, got_request_exception

from flask_boiler import ListGet, view
from flask_boiler.attrs.attribute import Attr
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.viewmodels.mutation import Mutation
from flask_boiler.viewmodels.slots.reference import reference
from flask_boiler.viewmodels.store import Store
from flask_boiler.viewmodels.view_model import ViewModel


class Bell(DomainModel):
    tone: Attr[str]


class BellStore(Store):
    bell = reference(Bell)


class BellView(ViewModel):
    store: BellStore


class BellMutation(Mutation[BellView]):
    pass


@pytest.fixture
def app() -> Flask:
    app = Flask(__name__)
    mediator = view.RestMediator(BellView, BellMutation, app=app)
    mediator.add_list_get("/bells")
    mediator.add_instance_delete("/bells/<string:doc_id>")
    blueprint = Blueprint("api", __name__, url_prefix="/api/<tenant>")
    view.RestMediator(BellView, app=blueprint).add_instance_get("/chimes/<int:doc_id>")
    app.register_blueprint(blueprint)

    @app.get("/bells/of/the/house")
    @app.get("/own")
    @app.get("/own/house")
    def own() -> str:
        return "own"

    return app


def test_a_method_that_no_route_has_is_refused_with_those_that_there_are(app: Flask) -> None:
    for method, path, allowed in (
        ("PUT", "/bells", {"GET", "HEAD", "OPTIONS"}),
        ("TRACE", "/bells", {"GET", "HEAD", "OPTIONS"}),
        ("GET", "/bells/b1", {"DELETE", "OPTIONS"}),
        ("POST", "/api/t/chimes/1", {"GET", "HEAD", "OPTIONS"}),
    ):
        answer = app.test_client().open(path, method=method)
        assert (answer.status_code, answer.mimetype) == (405, "application/problem+json")
        assert answer.json["status"] == 405
        assert {name.strip() for name in answer.headers["Allow"].split(",")} == allowed


@pytest.mark.parametrize(
    "path",
    [
        *("/bells/", "/bells/b1/more", "/bells/a%2Fb", "/bells/%2F", "/bells//b1", "/bells/%2Fb1"),
        *("/api/t/chimes/", "/api/t/chimes/first", "/api/t/chimes/1/2"),
    ],
)
def test_a_path_below_a_route_that_none_has_is_a_problem(app: Flask, path: str) -> None:
    answer = app.test_client().get(path)
    assert (answer.status_code, answer.mimetype) == (404, "application/problem+json")
    assert answer.json["status"] == 404


def test_what_is_not_the_mediators_stays_as_it_is(app: Flask) -> None:
    client = app.test_client()
    for path in ("/", "/bellsX", "/bell", "/api/t/other", "/elsewhere"):
        assert (client.get(path).status_code, client.get(path).mimetype) == (404, "text/html")
    for path in ("/own", "/bells/of/the/house"):
        assert client.get(path).text == "own"
        refused = client.post(path)
        assert (refused.status_code, refused.mimetype) == (405, "text/html")
    assert client.get("/own//house").status_code == 308


def test_an_own_handler_of_the_application_keeps_its_part(app: Flask) -> None:
    @app.errorhandler(404)
    def not_found(error: Exception) -> Response:
        return Response("mine", status=404)

    client = app.test_client()
    assert client.get("/elsewhere").text == "mine"
    assert client.get("/bells/b1/more").mimetype == "application/problem+json"


def test_an_abort_before_a_request_is_a_problem_on_the_mediators_routes_alone(app: Flask) -> None:
    @app.before_request
    def demand_credentials() -> None:
        abort(Response("<p>who?</p>", status=401, headers={"WWW-Authenticate": "Bearer"}))

    client = app.test_client()
    refused = client.get("/bells")
    assert (refused.status_code, refused.mimetype) == (401, "application/problem+json")
    assert refused.json["title"] == "Unauthorized"
    assert refused.headers["WWW-Authenticate"] == "Bearer"
    assert client.get("/own").text == "<p>who?</p>"


def test_an_exception_that_nobody_catches_is_a_problem_that_tells_nothing(app: Flask) -> None:
    class Broken(ListGet):
        def answer(self, **arguments: Any) -> Response:
            raise ZeroDivisionError("with details")

    view.RestMediator(BellView, app=app).add_list_get("/broken", list_get_view=Broken)
    seen: list[BaseException] = []
    got_request_exception.connect(lambda _, exception: seen.append(exception), app, weak=False)
    answer = app.test_client().get("/broken")
    assert (answer.status_code, answer.mimetype) == (500, "application/problem+json")
    assert "details" not in answer.text
    # What watches an application for errors still sees it.
    assert isinstance(seen[0], ZeroDivisionError)


def test_options_tell_the_methods(app: Flask) -> None:
    answer = app.test_client().options("/bells")
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


def test_routes_at_the_root_of_an_application_do_not_claim_all_of_it() -> None:
    app = Flask(__name__)
    view.RestMediator(BellView, app=app).add_instance_get("/<doc_id>")
    client = app.test_client()
    assert client.get("/a/b").mimetype == "text/html"
    assert client.post("/a").mimetype == "application/problem+json"
