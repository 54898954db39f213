"""The OpenAPI document of REST mediators, and flasgger's page of it."""

# mypy: disable-error-code="no-redef, union-attr"

from __future__ import annotations

import enum
import json
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any, Literal

import marshmallow
import pytest
from flasgger import Swagger, SwaggerView
from flask import Blueprint, Flask
from flask.testing import FlaskClient
from flask.views import MethodView, View
from openapi_spec_validator import validate

from flask_boiler import ListGet, attrs, view
from flask_boiler.attrs.attribute import Attr
from flask_boiler.contracts.documents import openapi_document
from flask_boiler.errors import ConfigurationError
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.models.model import Model
from flask_boiler.viewmodels.mutation import Mutation
from flask_boiler.viewmodels.slots.reference import reference
from flask_boiler.viewmodels.store import Store
from flask_boiler.viewmodels.view_model import ViewModel


class Finish(enum.StrEnum):
    GLOSS = "gloss"
    MATT = "matt"


class Spot(Model):
    colour: Attr[str]
    size: Attr[int] = attrs.bproperty(default=1)


class WideSpot(Spot):
    width: Attr[float] = attrs.bproperty(default=2.0)


class Vase(DomainModel):
    label: Attr[str]
    price: Attr[int] = attrs.bproperty(default=0)
    sold: Attr[bool] = attrs.bproperty(default=False)
    spot = attrs.embed(Spot)
    secret: Attr[str] = attrs.bproperty(default="")


class VaseStore(Store):
    vase = reference(Vase)


class VaseView(ViewModel):
    """A vase as customers see it.

    Further remarks are for those who read the code.
    """

    store: VaseStore

    label: Attr[str] = attrs.through(
        "vase.label", doc="What it is called.", validate=marshmallow.validate.Length(max=20)
    )
    price: Attr[int] = attrs.through(
        "vase.price", import_enabled=False, validate=marshmallow.validate.Range(min=0)
    )
    sold: Attr[bool] = attrs.through(
        "vase.sold", import_enabled=False, doc="Whether somebody has bought it."
    )
    spot = attrs.through("vase.spot")
    finish: Attr[Finish] = attrs.bproperty(default=Finish.MATT)
    stand: Attr[Literal["oak", "ash"] | None] = attrs.bproperty(default=None)
    size: Attr[int | str] = attrs.bproperty(default=1)
    anything = attrs.bproperty(default=None)
    smash: Attr[bool] = attrs.bproperty(export_enabled=False)


class VaseMutation(Mutation[VaseView]):
    pass


ONE = "/vases/<string:doc_id>"
KINDS = (
    *("list_get", "list_post", "instance_get"),
    *("instance_put", "instance_patch", "instance_delete"),
)


def mount(app: Flask | Blueprint, prefix: str = "") -> view.RestMediator:
    mediator = view.RestMediator(VaseView, VaseMutation, app=app)
    for kind in KINDS:
        rule = f"{prefix}/vases" if kind.startswith("list") else f"{prefix}{ONE}"
        getattr(mediator, f"add_{kind}")(rule)
    return mediator


@pytest.fixture
def app() -> Flask:
    app = Flask("shop")
    mount(app)
    return app


def document_of(app: Flask) -> dict[str, Any]:
    document = openapi_document(app)
    validate(document)
    return document


def schema_of(app: Flask, name: str) -> dict[str, Any]:
    found: dict[str, Any] = document_of(app)["components"]["schemas"][name]
    return found


# -- operations


def test_every_route_is_described_with_all_that_it_can_answer(app: Flask) -> None:
    document = document_of(app)
    assert document["openapi"] == "3.0.3"
    statuses = {
        (path, method): set(operation["responses"])
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    assert statuses == {
        ("/vases", "get"): {"200", "400", "500", "503"},
        ("/vases", "post"): {"201", "400", "409", "413", "415", "422", "500", "503"},
        ("/vases/{doc_id}", "get"): {"200", "304", "400", "404", "412", "500", "503"},
        ("/vases/{doc_id}", "delete"): {"204", "404", "409", "412", "500", "503"},
        **{
            ("/vases/{doc_id}", method): {
                *("200", "400", "404", "409", "412"),
                *("413", "415", "422", "500", "503"),
                *made,
            }
            for method, made in (("put", ["201"]), ("patch", []))
        },
    }


def test_the_headers_of_requests_and_answers_are_described(app: Flask) -> None:
    document = document_of(app)
    of_one = document["paths"]["/vases/{doc_id}"]

    def sent(method: str) -> set[str]:
        names = (p["$ref"].rpartition("/")[2] for p in of_one[method]["parameters"] if "$ref" in p)
        return {document["components"]["parameters"][name]["name"] for name in names}

    assert sent("get") == {
        *("If-Match", "If-None-Match", "If-Modified-Since", "Boiler-Read-Time"),
    }
    on_condition = {"If-Match", "If-None-Match"}
    assert sent("put") == sent("patch") == sent("delete") == on_condition
    answered = {
        method: set(of_one[method]["responses"][status]["headers"])
        for method, status in (("get", "200"), ("get", "304"), ("patch", "200"), ("delete", "204"))
    }
    assert answered == {
        "get": {"ETag", "Last-Modified", "Cache-Control"},
        "patch": {"ETag", "Last-Modified", "Cache-Control", "Boiler-Read-Time"},
        "delete": {"Boiler-Read-Time"},
    }
    created = document["paths"]["/vases"]["post"]["responses"]["201"]["headers"]
    assert {"Location", "ETag", "Boiler-Read-Time"} <= created.keys()
    assert "Retry-After" in document["components"]["responses"]["ServiceUnavailable"]["headers"]


def test_answers_say_how_they_are_used_in_the_next_request(app: Flask) -> None:
    of_one = document_of(app)["paths"]["/vases/{doc_id}"]
    read = of_one["get"]["responses"]["200"]["links"]
    assert set(read) == {
        *("VaseView_instance_put", "VaseView_instance_patch", "VaseView_instance_delete"),
    }
    assert read["VaseView_instance_patch"] == {
        "operationId": "VaseView_instance_patch",
        "parameters": {
            "path.doc_id": "$request.path.doc_id",
            "header.If-Match": "$response.header.ETag",
        },
    }
    written = of_one["patch"]["responses"]["200"]["links"]["VaseView_instance_get"]
    token = "$response.header.Boiler-Read-Time"
    assert written["parameters"]["header.Boiler-Read-Time"] == token


def test_problems_are_problem_documents(app: Flask) -> None:
    responses = document_of(app)["components"]["responses"]
    assert {next(iter(said["content"])) for said in responses.values()} == {
        "application/problem+json"
    }


def test_a_list_takes_filters_of_their_types_pages_and_an_order(app: Flask) -> None:
    listed = document_of(app)["paths"]["/vases"]["get"]["parameters"]
    schemas = {parameter["name"]: parameter["schema"] for parameter in listed}
    # An embedded model cannot be said in a parameter, and what the view does not show is secret.
    assert set(schemas) == {"label", "price", "sold", "limit", "page_token", "order_by"}
    assert {name: schemas[name]["type"] for name in ("label", "price", "sold")} == {
        "label": "string",
        "price": "integer",
        "sold": "boolean",
    }
    assert (schemas["limit"]["minimum"], schemas["limit"]["maximum"]) == (1, 500)
    order = re.compile(schemas["order_by"]["pattern"])
    assert order.match("-price,label")
    # An embedded document may have more inside than is shown.
    assert not order.match("spot")
    assert not order.match("secret") and not order.match("price,") and not order.match("")


def test_a_page_may_have_the_problems_of_views_that_fail(app: Flask) -> None:
    page = schema_of(app, "VaseViewPage")
    problem = {"$ref": "#/components/schemas/Problem"}
    assert page["properties"]["errors"]["additionalProperties"] == problem
    assert page["required"] == ["results", "next_page_token"]


def test_filters_that_a_view_class_names_are_parameters_too(app: Flask) -> None:
    class Curious(ListGet):
        filters = ("secret",)

    view.RestMediator(VaseView, app=app).add_list_get("/all", list_get_view=Curious)
    names = {p["name"] for p in document_of(app)["paths"]["/all"]["get"]["parameters"]}
    assert "secret" in names


# -- schemas


def test_a_view_says_what_is_read_and_what_is_written(app: Flask) -> None:
    shown = schema_of(app, "VaseView")
    assert shown["description"] == "A vase as customers see it."
    assert shown["additionalProperties"] is False
    properties = shown["properties"]
    assert {name for name, said in properties.items() if said.get("readOnly")} == {"price", "sold"}
    assert {name for name, said in properties.items() if said.get("writeOnly")} == {"smash"}
    # All that is shown is always there; of what is only written, nothing has to be given.
    assert set(shown["required"]) == properties.keys() - {"smash"}


def test_types_validators_and_descriptions_are_told(app: Flask) -> None:
    properties = schema_of(app, "VaseView")["properties"]
    assert properties["label"] == {
        "type": "string",
        "maxLength": 20,
        "description": "What it is called.",
    }
    assert properties["sold"]["description"] == "Whether somebody has bought it."
    assert (properties["price"]["type"], properties["price"]["minimum"]) == ("integer", 0)
    assert properties["price"]["maximum"] == 2**63 - 1
    assert properties["finish"]["enum"] == ["gloss", "matt"]
    assert properties["stand"]["enum"] == ["oak", "ash", None]
    assert properties["stand"]["nullable"] is True
    assert [member["type"] for member in properties["size"]["anyOf"]] == ["integer", "string"]
    assert not properties["anything"].keys() & {"type", "nullable"}


def test_an_embedded_model_may_be_of_a_class_below(app: Flask) -> None:
    document = document_of(app)
    members = document["components"]["schemas"]["VaseView"]["properties"]["spot"]["anyOf"]
    assert [member.get("$ref", "").rpartition("/")[2] for member in members] == [
        *("Spot", "WideSpot"),
        "",
    ]
    wide = document["components"]["schemas"]["WideSpot"]
    assert (set(wide["properties"]), wide["required"]) == (
        {"colour", "size", "width", "obj_type"},
        # Without its name it would be taken for the class that was declared.
        ["colour", "obj_type"],
    )
    assert document["components"]["schemas"]["Spot"]["required"] == ["colour"]


def test_a_patch_needs_nothing_and_a_new_view_what_its_root_needs(app: Flask) -> None:
    patch, new = schema_of(app, "VaseViewPatch"), schema_of(app, "VaseViewNew")
    writable = {"label", "spot", "finish", "stand", "size", "anything", "smash"}
    assert patch["properties"].keys() == new["properties"].keys() == writable
    assert "required" not in patch
    # `label` is required in the domain model; `smash` by its own declaration.
    assert set(new["required"]) == {"label", "smash"}
    assert not any("default" in said for said in patch["properties"].values())


def test_two_views_of_one_name_have_two_schemas(app: Flask) -> None:
    def declare() -> type[ViewModel]:
        class VaseView(ViewModel):
            store: VaseStore

            colour: Attr[str | None] = attrs.bproperty(default=None)

        return VaseView

    view.RestMediator(declare(), app=app).add_instance_get("/other/<doc_id>")
    schemas = document_of(app)["components"]["schemas"]
    assert "label" in schemas["VaseView"]["properties"]
    assert list(schemas["VaseView2"]["properties"]) == ["colour"]


def test_views_named_like_other_schemas_have_schemas_of_their_own(app: Flask) -> None:
    class Base(ViewModel):
        store: VaseStore

        colour: Attr[str | None] = attrs.bproperty(default=None)

    for name in ("Problem", "VaseViewPage", "VaseViewPatch"):
        named = type(name, (Base,), {})
        view.RestMediator(named, app=app).add_instance_get(f"/{name}/<doc_id>")
    document = document_of(app)
    schemas = document["components"]["schemas"]
    assert schemas["Problem"]["required"] == ["type", "title", "status", "detail"]
    assert list(schemas["Problem2"]["properties"]) == ["colour"]

    def answered(path: str) -> str:
        answer = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]
        return str(answer["schema"]["$ref"]).rpartition("/")[2]

    assert answered("/Problem/{doc_id}") == "Problem2"
    for path in ("/VaseViewPage/{doc_id}", "/VaseViewPatch/{doc_id}"):
        assert list(schemas[answered(path)]["properties"]) == ["colour"]
    assert "results" in schemas[answered("/vases")]["properties"]


# -- mounting


def test_arguments_of_every_converter_are_parameters() -> None:
    app = Flask("shop")
    mediator = view.RestMediator(VaseView, app=app)
    mediator.add_instance_get(
        "/<any(a, b):branch>/<int(min=2, signed=True):floor>/<float:x>/<uuid:u>/<path:way>/<doc_id>"
    )
    [(path, methods)] = document_of(app)["paths"].items()
    assert path == "/{branch}/{floor}/{x}/{u}/{way}/{doc_id}"
    parameters = [p for p in methods["get"]["parameters"] if p.get("in") == "path"]
    assert {p["name"]: p["schema"] for p in parameters} == {
        "branch": {"type": "string", "enum": ["a", "b"]},
        "floor": {"type": "integer", "minimum": 2},
        "x": {"type": "number", "minimum": 0},
        "u": {"type": "string", "format": "uuid"},
        "way": {"type": "string", "minLength": 1},
        "doc_id": {"type": "string", "pattern": "^[^/]{1,}$", "minLength": 1, "maxLength": 1500},
    }


def test_blueprints_are_described_where_they_are_registered() -> None:
    inner, outer = Blueprint("inner", __name__), Blueprint("outer", __name__, url_prefix="/api")
    mount(inner)
    outer.register_blueprint(inner, url_prefix="/v1/<tenant>")
    app = Flask("shop")
    app.register_blueprint(outer)
    document = document_of(app)
    assert set(document["paths"]) == {"/api/v1/{tenant}/vases", "/api/v1/{tenant}/vases/{doc_id}"}
    listed = document["paths"]["/api/v1/{tenant}/vases"]["get"]
    assert listed["operationId"] == "outer_inner_VaseView_list_get"
    assert listed["parameters"][0]["name"] == "tenant"


def test_mediators_of_one_class_do_not_collide(app: Flask) -> None:
    mount(app, prefix="/again")
    document = document_of(app)
    ids = [
        operation["operationId"]
        for methods in document["paths"].values()
        for operation in methods.values()
    ]
    assert len(ids) == len(set(ids)) == 12


def test_an_application_without_mediators_has_an_empty_document() -> None:
    assert document_of(Flask("empty"))["paths"] == {}


# -- what the application says itself


def test_settings_are_taken_over_and_win(app: Flask) -> None:
    bearer = {"type": "http", "scheme": "bearer"}
    app.config["SWAGGER"] = {
        "title": "The shop",
        "version": "2.1",
        "servers": [{"url": "https://shop.example"}],
        "components": {"securitySchemes": {"token": bearer}},
        "paths": {"/vases": {"get": {"responses": {"200": {"description": "Mine."}}}}},
    }
    document = document_of(app)
    assert document["info"] == {"title": "The shop", "version": "2.1"}
    assert document["servers"] == [{"url": "https://shop.example"}]
    assert document["components"]["securitySchemes"] == {"token": bearer}
    assert document["paths"]["/vases"]["get"]["responses"] == {"200": {"description": "Mine."}}
    assert "post" in document["paths"]["/vases"]


def test_where_credentials_are_demanded_their_want_is_described(app: Flask) -> None:
    of_one = document_of(app)["paths"]["/vases/{doc_id}"]["get"]["responses"]
    assert not of_one.keys() & {"401", "403"}
    app.config["SWAGGER"] = {
        "security": [{"token": []}],
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    }
    document = document_of(app)
    assert document["security"] == [{"token": []}]
    of_one = document["paths"]["/vases/{doc_id}"]["get"]["responses"]
    assert of_one.keys() >= {"401", "403"}


def test_the_docstring_of_a_view_class_wins(app: Flask) -> None:
    class Described(ListGet):
        def answer(self, **arguments: Any) -> Any:
            """Those that are on sale.

            ---
            summary: What is on sale
            responses:
              200:
                description: The bargains.
            """
            return super().answer(**arguments)

    view.RestMediator(VaseView, app=app).add_list_get("/sale", list_get_view=Described)
    described = document_of(app)["paths"]["/sale"]["get"]
    assert described["summary"] == "What is on sale"
    assert described["responses"] == {"200": {"description": "The bargains."}}
    assert described["operationId"] == "VaseView_list_get_2"


def test_a_view_of_another_family_is_described_by_itself_or_by_its_path(app: Flask) -> None:
    class Silent(View):
        def dispatch_request(self, doc_id: str) -> str:  # type: ignore[override]
            return doc_id

    class Telling(MethodView):
        def get(self, doc_id: str) -> str:
            """One vase.

            ---
            responses:
              200:
                description: Its name.
            """
            return doc_id

    mediator = view.RestMediator(VaseView, app=app)
    mediator.add_instance_get("/silent/<doc_id>", instance_get_view=Silent)
    mediator.add_instance_get("/telling/<doc_id>", instance_get_view=Telling)
    paths = document_of(app)["paths"]
    silent, telling = paths["/silent/{doc_id}"]["get"], paths["/telling/{doc_id}"]["get"]
    assert list(silent["responses"]) == ["default"]
    assert telling["responses"] == {"200": {"description": "Its name."}}
    assert [p["name"] for p in silent["parameters"]] == ["doc_id"]


def test_a_docstring_that_is_not_understood_is_named(app: Flask) -> None:
    class Odd(ListGet):
        """Odd.

        ---
        nothing but a text
        """

    view.RestMediator(VaseView, app=app).add_list_get("/odd", list_get_view=Odd)
    with pytest.raises(ConfigurationError, match="Odd"):
        openapi_document(app)


# -- flasgger


def served(app: Flask) -> dict[str, Any]:
    answer = app.test_client().get("/apispec_1.json")
    assert answer.status_code == 200
    document: dict[str, Any] = json.loads(answer.data)
    validate(document)
    return document


@pytest.mark.parametrize("order", [("swagger", "routes"), ("routes", "swagger")])
def test_swagger_shows_the_document_whenever_it_is_called(order: tuple[str, str]) -> None:
    app = Flask("shop")
    steps: dict[str, Callable[[], Any]] = {
        "swagger": lambda: Swagger(app),
        "routes": lambda: mount(app),
    }
    for step in order:
        steps[step]()
    assert served(app) == openapi_document(app)
    # It is made once; asked for again it is the same.
    assert served(app) == openapi_document(app)


def test_swagger_shows_blueprints() -> None:
    app = Flask("shop")
    Swagger(app)
    blueprint = Blueprint("api", __name__, url_prefix="/api")
    mount(blueprint)
    app.register_blueprint(blueprint)
    assert set(served(app)["paths"]) == {"/api/vases", "/api/vases/{doc_id}"}


def test_a_template_and_settings_given_to_swagger_are_merged(app: Flask) -> None:
    app.config["SWAGGER"] = {"title": "The shop", "uiversion": 3}
    bearer = {"type": "http", "scheme": "bearer"}
    template = {
        "components": {"securitySchemes": {"token": bearer}},
        "security": [{"token": []}],
    }
    Swagger(app, template=template)
    document = served(app)
    assert document["info"]["title"] == "The shop"
    assert document["components"]["securitySchemes"] == {"token": bearer}
    assert "VaseView" in document["components"]["schemas"]
    assert document["security"] == [{"token": []}]
    assert "401" in document["paths"]["/vases"]["get"]["responses"]


def test_views_of_flasggers_own_are_merged(app: Flask) -> None:
    class Own(SwaggerView):  # type: ignore[misc]
        responses = {"200": {"description": "By flasgger."}}  # noqa: RUF012

        def get(self) -> str:
            return "mine"

    class Elsewhere(MethodView):
        def get(self) -> str:
            """Not a mediator's.

            ---
            responses:
              200:
                description: Elsewhere.
            """
            return "elsewhere"

    view.RestMediator(VaseView, app=app).add_list_get("/own", list_get_view=Own)
    app.add_url_rule("/elsewhere", view_func=Elsewhere.as_view("elsewhere"))
    Swagger(app)
    paths = served(app)["paths"]
    assert paths["/own"]["get"]["responses"] == {"200": {"description": "By flasgger."}}
    assert paths["/elsewhere"]["get"]["responses"] == {"200": {"description": "Elsewhere."}}


_LOADED = re.compile(
    rb"""<(?!a\b)[^>]*\b(?:src|href)=["']([^"']*)|url\(\s*["']?([^"')]*)|@import"""
)


def loaded_by(client: FlaskClient, path: str) -> set[str]:
    """What a page or a style sheet loads, with all that those load."""
    with client.get(path) as answer:
        assert answer.status_code == 200, path
        read = answer.mimetype in ("text/html", "text/css")
        parts = _LOADED.findall(answer.data if read else b"")
    found = {(of_tag or of_style).decode() for of_tag, of_style in parts}
    inner = {name for name in found if name.startswith("/")}
    return found.union(*(loaded_by(client, name) for name in inner))


@pytest.mark.parametrize("first", [True, False])
def test_the_page_loads_nothing_from_elsewhere(first: bool) -> None:
    app = Flask("shop")
    if first:
        Swagger(app)
    mount(app)
    if not first:
        Swagger(app)
    loaded = loaded_by(app.test_client(), "/apidocs/")
    assert any(name.endswith("swagger-ui-bundle.js") for name in loaded)
    assert any(name.endswith("swagger-ui.css") for name in loaded)
    assert {name for name in loaded if not name.startswith(("/", "data:"))} == set()
    assert "auth_config = {}" in app.test_client().get("/apidocs/").text


# -- without the extra

_WITHOUT = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"flasgger", "apispec"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
from flask import Flask
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.errors import MissingExtraError
from flask_boiler.contracts.documents import openapi_document
from flask_boiler.viewmodels.slots.reference import reference
from flask_boiler.viewmodels.store import Store
from flask_boiler.view.rest_mediator import RestMediator
from flask_boiler.viewmodels.view_model import ViewModel

class Thing(DomainModel):
    pass

class ThingStore(Store):
    thing = reference(Thing)

class ThingView(ViewModel):
    store: ThingStore

app = Flask("bare")
RestMediator(ThingView, app=app).add_instance_get("/things/<doc_id>")
print(app.test_client().delete("/things/x").status_code)
try:
    openapi_document(app)
except MissingExtraError as error:
    print(error)
"""


def test_without_the_extra_the_routes_work_and_the_document_says_what_to_install() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT], check=True, text=True, stdout=subprocess.PIPE
    )
    status, said = done.stdout.splitlines()
    assert status == "405"
    assert "pip install 'flask-boiler[openapi]'" in said


# -- what a browser may do


def test_the_page_runs_and_loads_only_its_own_and_stands_in_no_frame(app: Flask) -> None:
    Swagger(app)
    client = app.test_client()
    page = client.get("/apidocs/")
    policy = dict(
        directive.split(" ", 1) for directive in page.headers["Content-Security-Policy"].split("; ")
    )
    assert policy["default-src"] == "'none'"
    assert re.fullmatch("'self'( 'sha256-[A-Za-z0-9+/=]{44}')+", policy["script-src"])
    assert policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    for path in ("/apidocs/", "/apispec_1.json", "/flasgger_static/swagger-ui.css"):
        with client.get(path) as answer:
            headers = answer.headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Referrer-Policy"] == "no-referrer"


def test_what_the_application_names_is_allowed_and_its_own_policy_stays(app: Flask) -> None:
    flow = {"tokenUrl": "https://id.example/token", "scopes": {}}
    app.config["SWAGGER"] = {
        "openapi": "3.0.3",
        "servers": [{"url": "https://shop.example/api"}, {"url": "/here"}, {"url": "x; y"}],
        "components": {
            "securitySchemes": {"o": {"type": "oauth2", "flows": {"clientCredentials": flow}}}
        },
        "swagger_ui_bundle_js": "https://cdn.example/bundle.js",
    }
    Swagger(app)
    policy = app.test_client().get("/apidocs/").headers["Content-Security-Policy"]
    assert "connect-src 'self' https://shop.example https://id.example;" in policy
    assert re.search("script-src [^;]*https://cdn.example", policy)


def test_a_policy_of_the_applications_own_stays(app: Flask) -> None:
    Swagger(app)

    @app.after_request
    def own(response: Any) -> Any:
        response.headers["Content-Security-Policy"] = "default-src 'self'"
        return response

    page = app.test_client().get("/apidocs/")
    assert page.headers["Content-Security-Policy"] == "default-src 'self'"


def test_no_answer_in_json_is_taken_for_anything_else(app: Flask) -> None:
    client = app.test_client()
    for answer in (client.get("/vases/a/b"), client.put("/vases"), client.get("/vases?x=1")):
        assert answer.mimetype == "application/problem+json"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
