"""Flask's rules as OpenAPI's paths: templates, and the parameters in them."""

from __future__ import annotations

import re
from typing import Any

from werkzeug.routing import (
    AnyConverter,
    BaseConverter,
    FloatConverter,
    IntegerConverter,
    PathConverter,
    Rule,
    UnicodeConverter,
    UUIDConverter,
)

from flask_boiler.contracts.openapi.schemas import JsonSchema, Schemas
from flask_boiler.models.schema.param_type import ParamType
from flask_boiler.view.http.mounting import Route
from flask_boiler.viewmodels.slots.param import Param
from flask_boiler.viewmodels.view_subject import ViewSubject

__all__ = ["path_of", "path_parameters"]

_ARGUMENT = re.compile(r"<(?:[^<>:]*:)?([^<>]*)>")

#: How long an id may be, in bytes; so never longer in characters.
_MAX_ID_LENGTH = 1500


def path_of(rule: Rule) -> str:
    """The path template: ``/cities/<string:doc_id>`` is ``/cities/{doc_id}``."""
    return _ARGUMENT.sub(r"{\1}", rule.rule)


def path_parameters(rule: Rule, schemas: Schemas, route: Route) -> list[JsonSchema]:
    """The parameters in the path, in its order."""
    names = _ARGUMENT.findall(rule.rule)
    subject = None if route.instance is None else route.instance.subject
    slots = {} if subject is None else subject.names_from_outside()
    if subject is None or subject.is_document:
        return [_parameter(rule, name, is_id=name == "doc_id" or name in slots) for name in names]
    return [
        _of_slot(rule, name, schemas, subject, slots[name])
        if name in slots
        else _parameter(rule, name)
        for name in names
    ]


def _of_slot(
    rule: Rule, name: str, schemas: Schemas, subject: ViewSubject[Any], slot: str
) -> JsonSchema:
    """A parameter that names a slot of the view's store."""
    described = _parameter(rule, name)
    declared = subject.slots[slot]
    if isinstance(declared, Param):
        described["description"] = f"The view's {slot}."
        if type(rule._converters[name]) is UnicodeConverter:
            described["schema"] = _schema_of_param(schemas, declared.type)
    elif slot in subject.models and subject.models[slot].keyed_by_path():
        described["description"] = (
            f"The path of the view's {slot}; its slashes are percent-encoded, or stand as they are."
        )
    else:
        described["description"] = f"The id of the view's {slot}."
    schema = described["schema"]
    if schema.get("type") == "string" and not schema.keys() & {"format", "enum"}:
        schema.setdefault("maxLength", _MAX_ID_LENGTH)
    return described


def _schema_of_param(schemas: Schemas, of: ParamType[Any]) -> JsonSchema:
    """The schema of a parameter's text in a path."""
    if of.texts is not None:
        return {"type": "string", "enum": of.texts}
    described = schemas.of_field(of.field())
    if described == {"type": "string"}:
        return {"type": "string", "pattern": f"^{UnicodeConverter.regex}$", "minLength": 1}
    return described


def _parameter(rule: Rule, name: str, *, is_id: bool = False) -> JsonSchema:
    # There is no public way to a rule's converters.
    described: JsonSchema = {
        "name": name,
        "in": "path",
        "required": True,
        "schema": _schema_of(rule._converters[name]),
    }
    if is_id and isinstance(rule._converters[name], PathConverter):
        described["description"] = (
            "The path of the document that the view is about, as lists name it; its slashes are "
            "percent-encoded, or stand as they are."
        )
    elif is_id:
        described["description"] = "The id of the document that the view is about."
        if described["schema"].get("type") == "string":
            described["schema"].setdefault("maxLength", _MAX_ID_LENGTH)
    return described


def _schema_of(converter: BaseConverter) -> JsonSchema:
    match converter:
        case AnyConverter():
            return {"type": "string", "enum": sorted(converter.items)}
        case UUIDConverter():
            return {"type": "string", "format": "uuid"}
        case IntegerConverter():
            return {"type": "integer", **_bounds(converter)}
        case FloatConverter():
            return {"type": "number", **_bounds(converter)}
        case PathConverter():
            return {"type": "string", "minLength": 1}
        case UnicodeConverter():
            return {"type": "string", "pattern": f"^{converter.regex}$", "minLength": 1}
    # Of a converter of the application's own only the text is known.
    return {"type": "string", "minLength": 1}


def _bounds(converter: Any) -> JsonSchema:
    least = converter.min
    if least is None and not converter.signed:
        least = 0
    bounds = {"minimum": least, "maximum": converter.max}
    return {name: bound for name, bound in bounds.items() if bound is not None}
