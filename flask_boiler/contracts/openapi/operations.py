"""Operations: what each kind of route takes and answers."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from apispec.yaml_utils import load_yaml_from_docstring
from werkzeug.routing import Rule

from flask_boiler.contracts.openapi.responses import (
    REQUEST_HEADERS,
    problem_schema,
    problems,
    response,
)
from flask_boiler.contracts.openapi.schemas import JsonSchema, Schemas, keys_in_words
from flask_boiler.contracts.openapi.url_paths import path_parameters
from flask_boiler.errors import ConfigurationError
from flask_boiler.models.schema.json_fields import RelatedField
from flask_boiler.view.http.list_routes import ListGet
from flask_boiler.view.http.listed_views import ListedViews
from flask_boiler.view.http.listing import DEFAULT_LIMIT, MAX_LIMIT, is_textual, takes_null
from flask_boiler.view.http.mounting import Route
from flask_boiler.view.http.routes import RestView
from flask_boiler.viewmodels.view_subject import ViewSubject

if TYPE_CHECKING:
    from flask_boiler.attrs.attribute import Attr
    from flask_boiler.viewmodels.view_model import ViewModel

__all__ = ["Operations"]


class Operations:
    """Describes routes for one document.

    :param schemas: takes the schemas that are referred to.
    :param secured: whether the document demands credentials.
    """

    def __init__(self, schemas: Schemas, *, secured: bool) -> None:
        self._schemas = schemas
        self._secured = secured

    def of(self, rule: Rule, route: Route) -> JsonSchema:
        """The operation of a route that is mounted under a rule.

        What the view class says itself, as YAML after ``---`` in a docstring, wins.
        """
        view_name = route.mediator.view_model_cls.__name__
        described: JsonSchema = {
            "operationId": re.sub(r"\W+", "_", rule.endpoint, flags=re.ASCII),
            "tags": [view_name],
            "parameters": path_parameters(rule, self._schemas, route),
        }
        if issubclass(route.view, RestView):
            default = (
                _list_get(self._schemas, route, rule.arguments)
                if route.kind == "list_get"
                else _KINDS[route.kind](self._schemas, route)
            )
            described["parameters"] += default.pop("parameters", [])
            described |= default
        else:
            # Of a view that builds on none of ours, only its path is known.
            said = f"Whatever {route.view.__name__} answers."
            described["responses"] = {"default": {"description": said}}
        described |= _own_words(route.view, route.method)
        if self._secured or described.get("security"):
            described["responses"] = {**problems(401, 403), **described["responses"]}
        if not described["parameters"]:
            del described["parameters"]
        return described


def _list_get(schemas: Schemas, route: Route, arguments: Collection[str]) -> JsonSchema:
    view_cls = route.mediator.view_model_cls
    listed = _listed(route, arguments)
    slot = None if listed is None else listed.slot
    fields = {} if listed is None else listed.filterable
    page = schemas.page(view_cls, slot, problem=problem_schema(schemas))
    # A document that the rule names may be missing, and then there is no list.
    missing = () if ViewSubject(view_cls).is_document else (404,)
    return {
        "summary": f"A page of {view_cls.__name__} views",
        "parameters": [*_filters(schemas, view_cls, slot, fields), *_paging(fields)],
        "responses": {
            "200": response(
                f"The views, by {keys_in_words(view_cls, slot)}.", "CacheControl", schema=page
            ),
            **problems(400, *missing, 500, 503),
        },
    }


def _listed(route: Route, arguments: Collection[str]) -> ListedViews | None:
    """The views that a list shows; ``None`` if it does that in a way of its own."""
    if not isinstance(route.instance, ListGet):
        return None
    try:
        return route.instance.listed(arguments)
    except ConfigurationError:
        if not route.instance.answers_in_its_own_way:
            raise
        return None


def _list_post(schemas: Schemas, route: Route) -> JsonSchema:
    view_cls = route.mediator.view_model_cls
    subject = ViewSubject(view_cls)
    return {
        "summary": f"A new {view_cls.__name__}",
        "requestBody": _body(schemas.new(view_cls, subject.model if subject.is_document else None)),
        "responses": {
            "201": response(
                "The new view.", *_OF_A_WRITE, "Location", schema=schemas.view(view_cls)
            ),
            **problems(400, 409, 413, 415, 422, 500, 503),
        },
    }


def _instance_get(schemas: Schemas, route: Route) -> JsonSchema:
    view_cls = route.mediator.view_model_cls
    return {
        "summary": f"One {view_cls.__name__}",
        "parameters": _headers("IfMatch", "IfNoneMatch", "IfModifiedSince", "ReadTime"),
        "responses": {
            "200": response("The view.", *_OF_A_VIEW, schema=schemas.view(view_cls)),
            "304": response("What the client has is still valid.", *_OF_A_VIEW),
            **problems(400, 404, 412, 500, 503),
        },
    }


def _instance_put(schemas: Schemas, route: Route) -> JsonSchema:
    view_cls = route.mediator.view_model_cls
    summary = f"Set all writable fields of a {view_cls.__name__}"
    if not route.mediator.require_mutation().can_create_by_put():
        return _change(schemas, route, summary, schemas.view(view_cls))
    change = _change(schemas, route, f"{summary}, or make a new one", schemas.view(view_cls))
    made = response("The new view.", *_OF_A_WRITE, "Location", schema=schemas.view(view_cls))
    change["responses"] = {"201": made, **change["responses"]}
    return change


def _instance_patch(schemas: Schemas, route: Route) -> JsonSchema:
    view_cls = route.mediator.view_model_cls
    summary = f"Change a {view_cls.__name__}"
    return _change(schemas, route, summary, schemas.patch(view_cls))


def _change(schemas: Schemas, route: Route, summary: str, body: JsonSchema) -> JsonSchema:
    shown = schemas.view(route.mediator.view_model_cls)
    return {
        "summary": summary,
        "parameters": _headers("IfMatch", "IfNoneMatch"),
        "requestBody": _body(body),
        "responses": {
            "200": response("The view as it is now.", *_OF_A_WRITE, schema=shown),
            **problems(400, 404, 409, 412, 413, 415, 422, 500, 503),
        },
    }


def _instance_delete(schemas: Schemas, route: Route) -> JsonSchema:
    return {
        "summary": f"Delete the root of a {route.mediator.view_model_cls.__name__}",
        "parameters": _headers("IfMatch", "IfNoneMatch"),
        "responses": {
            "204": response("It is gone.", "ReadTime"),
            **problems(404, 409, 412, 500, 503),
        },
    }


_KINDS: dict[str, Callable[[Schemas, Route], JsonSchema]] = {
    "list_post": _list_post,
    "instance_get": _instance_get,
    "instance_put": _instance_put,
    "instance_patch": _instance_patch,
    "instance_delete": _instance_delete,
}

_OF_A_VIEW = ("ETag", "LastModified", "CacheControl")
_OF_A_WRITE = (*_OF_A_VIEW, "ReadTime")


def _headers(*names: str) -> list[JsonSchema]:
    assert REQUEST_HEADERS.keys() >= set(names)
    return [{"$ref": f"#/components/parameters/{name}"} for name in names]


def _body(schema: JsonSchema) -> JsonSchema:
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def _filters(
    schemas: Schemas,
    view_cls: type[ViewModel],
    slot: str | None,
    filterable: Mapping[str, Attr[Any]],
) -> Iterable[JsonSchema]:
    if slot is None or not filterable:
        return
    fields = ViewSubject(view_cls).models[slot].schema().fields
    for name, attribute in filterable.items():
        field = fields[attribute.attribute_name]
        if isinstance(field, RelatedField):
            field = field.reference
        if is_textual(field):
            yield _filter(name, schemas.of_field(field), null=takes_null(field))


def _filter(name: str, schema: JsonSchema, *, null: bool) -> JsonSchema:
    said = f"Only views whose {name} is this."
    if not schema.keys() & {"type", "anyOf"}:
        schema = {**schema, "type": "string"}
        said += " A JSON number, true, false, null or a quoted text is read as JSON."
    # What these say is of values that are stored, and not of what is looked for.
    left_out = ("nullable", "readOnly", "writeOnly", "default", "description")
    looked_for = {key: value for key, value in schema.items() if key not in left_out}
    if null:
        looked_for = {"anyOf": [looked_for, {"type": "string", "enum": ["null"]}]}
    return {"name": name, "in": "query", "description": said, "schema": looked_for}


def _paging(fields: Mapping[str, Attr[Any]]) -> list[JsonSchema]:
    parameters = [
        (
            "limit",
            "The largest number of views on a page.",
            {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
        ),
        ("page_token", "The next_page_token of the page before.", {"type": "string"}),
    ]
    if fields:
        one = f"-?({'|'.join(map(re.escape, fields))})"
        said = "Fields to sort by, separated by commas; a - before a field means descending order."
        by = {"type": "string", "pattern": f"^{one}(,{one})*$"}
        parameters.append(("order_by", said, by))
    return [
        {"name": name, "in": "query", "description": said, "schema": schema}
        for name, said, schema in parameters
    ]


def _own_words(view: type, method: str) -> JsonSchema:
    """The description of an operation in the docstring of the class or of its method."""
    found: JsonSchema = {}
    for said in (view, *(getattr(view, name, None) for name in _SPEAKERS), _method(view, method)):
        text = inspect.getdoc(said) if said is not None else None
        if text and "---" in text:
            own = load_yaml_from_docstring(text)
            if not isinstance(own, dict):
                raise ConfigurationError(
                    f"{view.__name__}: what follows --- in its docstring is no YAML mapping"
                )
            found |= own
    if "responses" in found:
        found["responses"] = {str(status): said for status, said in found["responses"].items()}
    return found


_SPEAKERS = ("dispatch_request", "answer")


def _method(view: type, method: str) -> Any:
    return getattr(view, method.lower(), None)
