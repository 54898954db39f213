"""The answers of routes: the headers and the problems that all of them share."""

from __future__ import annotations

from typing import Any

from flask_boiler.contracts.openapi.schemas import JsonSchema, Schemas, closed_object
from flask_boiler.view.http.requests import READ_TIME_HEADER
from flask_boiler.view.mediation.problems import PROBLEM_TYPE

__all__ = [
    "HEADERS",
    "REQUEST_HEADERS",
    "problem_responses",
    "problem_schema",
    "problems",
    "response",
]

_TOKEN = {"type": "string", "pattern": "^[0-9]{1,19}$"}
_TEXT = {"type": "string"}

#: The headers of answers, by component name.
HEADERS: dict[str, JsonSchema] = {
    "ETag": {
        "description": "The tag of the view's content: equal content has an equal tag.",
        "required": True,
        "schema": {"type": "string", "pattern": '^"[0-9a-f]+"$'},
    },
    "LastModified": {
        "description": "The time when the view last changed; left out if it is not known.",
        "schema": _TEXT,
    },
    "CacheControl": {
        "description": "A client may keep the view, but must ask each time whether it is valid.",
        "schema": {"type": "string", "enum": ["no-cache"]},
    },
    "ReadTime": {
        "description": f"A GET of the view with this as its {READ_TIME_HEADER} "
        "never shows an older one.",
        "required": True,
        "schema": _TOKEN,
    },
    "Location": {
        "description": "The address of the new view.",
        "required": True,
        "schema": {"type": "string", "format": "uri-reference"},
    },
    "RetryAfter": {
        "description": (
            "The number of seconds after which to try again; left out if a change may have been "
            "made."
        ),
        "schema": {"type": "integer", "minimum": 0},
    },
}

#: The headers of requests, by component name.
REQUEST_HEADERS: dict[str, JsonSchema] = {
    "ReadTime": {
        "name": READ_TIME_HEADER,
        "in": "header",
        "description": f"What the answer to a write gave as {READ_TIME_HEADER}: "
        "the view that is shown is not older.",
        "schema": _TOKEN,
    },
    "IfNoneMatch": {
        "name": "If-None-Match",
        "in": "header",
        "description": "The tags that the client has: one that still holds is answered with 304, "
        "and with a write by 412. * stands for any: a PUT with it makes a new view.",
        "schema": _TEXT,
    },
    "IfModifiedSince": {
        "name": "If-Modified-Since",
        "in": "header",
        "description": "A view that has not changed since is answered with 304.",
        "schema": _TEXT,
    },
    "IfMatch": {
        "name": "If-Match",
        "in": "header",
        "description": "The tag that the request is about: if the view has another by now, "
        "nothing is shown, and nothing is written.",
        "schema": _TEXT,
    },
}

# By status: the component's name, and when.
_PROBLEMS: dict[int, tuple[str, str]] = {
    400: ("BadRequest", "A parameter or header is not valid, or the body is not JSON."),
    401: ("Unauthorized", "The client is not known."),
    403: ("Forbidden", "The client may not do this."),
    404: ("NotFound", "There is no such document."),
    409: (
        "Conflict",
        "It exists already; the present state does not allow it; or every attempt to commit lost "
        "a race.",
    ),
    412: ("PreconditionFailed", "The view is not as If-Match or If-None-Match says."),
    413: ("ContentTooLarge", "The body is too large."),
    415: ("UnsupportedMediaType", "The body has a wrong content type."),
    422: ("UnprocessableContent", "The input is not valid; the fields are named."),
    500: ("InternalServerError", "The server failed to answer."),
    503: ("ServiceUnavailable", "Firestore does not answer at the moment."),
}


def problems(*statuses: int) -> dict[str, JsonSchema]:
    """The references to the answers of these statuses."""
    return {
        str(status): {"$ref": f"#/components/responses/{_PROBLEMS[status][0]}"}
        for status in statuses
    }


def problem_schema(schemas: Schemas) -> JsonSchema:
    """The reference to the schema of a problem."""
    return schemas.add("Problem", _problem())


def problem_responses(schemas: Schemas) -> dict[str, JsonSchema]:
    """The answers that are referred to, by component name."""
    schema = problem_schema(schemas)
    responses: dict[str, JsonSchema] = {}
    for status, (name, when) in _PROBLEMS.items():
        responses[name] = {"description": when, "content": {PROBLEM_TYPE: {"schema": schema}}}
        if status == 503:
            responses[name]["headers"] = _shown("RetryAfter")
    return responses


def response(description: str, *headers: str, schema: JsonSchema | None = None) -> JsonSchema:
    """An answer that is no problem.

    :param headers: names in :data:`HEADERS`.
    """
    described: JsonSchema = {"description": description}
    if headers:
        described["headers"] = _shown(*headers)
    if schema is not None:
        described["content"] = {"application/json": {"schema": schema}}
    return described


_HEADER_NAMES = {
    "LastModified": "Last-Modified",
    "CacheControl": "Cache-Control",
    "ReadTime": READ_TIME_HEADER,
    "RetryAfter": "Retry-After",
}


def _shown(*names: str) -> JsonSchema:
    """The references to headers, by the names that they have in answers."""
    return {
        _HEADER_NAMES.get(name, name): {"$ref": f"#/components/headers/{name}"} for name in names
    }


def _problem() -> JsonSchema:
    messages: dict[str, Any] = {"type": "array", "items": {"type": "string"}}
    properties: dict[str, JsonSchema] = {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string"},
        "errors": {
            "type": "object",
            "description": "What is wrong, by the parameter or field concerned.",
            "additionalProperties": messages,
        },
    }
    made = closed_object(properties, required=["type", "title", "status", "detail"])
    return {"description": "An error, as in RFC 9457.", **made}
