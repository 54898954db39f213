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

from flask_boiler.contracts.openapi.schemas import JsonSchema

__all__ = ["path_of", "path_parameters"]

_ARGUMENT = re.compile(r"<(?:[^<>:]*:)?([^<>]*)>")

#: How long an id may be, in bytes; so never longer in characters.
_MAX_ID_LENGTH = 1500


def path_of(rule: Rule) -> str:
    """The path template: ``/cities/<string:doc_id>`` is ``/cities/{doc_id}``."""
    return _ARGUMENT.sub(r"{\1}", rule.rule)


def path_parameters(rule: Rule) -> list[JsonSchema]:
    """The parameters in the path, in its order."""
    return [_parameter(rule, name) for name in _ARGUMENT.findall(rule.rule)]


def _parameter(rule: Rule, name: str) -> JsonSchema:
    # There is no public way to a rule's converters.
    described: JsonSchema = {
        "name": name,
        "in": "path",
        "required": True,
        "schema": _schema_of(rule._converters[name]),
    }
    if name == "doc_id" and isinstance(rule._converters[name], PathConverter):
        described["description"] = (
            "The path of the document that the view is about, as lists name it; its slashes are "
            "percent-encoded, or stand as they are."
        )
    elif name == "doc_id":
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
