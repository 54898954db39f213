"""The AsyncAPI document of an application: what its WebSocket mediators take and tell.

A channel is a namespace, an operation is an event, and a reply is what acknowledges it. Schemas are
those of the OpenAPI document, said as JSON Schema.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import marshmallow

from flask_boiler.contracts.openapi.responses import problem_responses
from flask_boiler.contracts.openapi.schemas import (
    JsonSchema,
    Schemas,
    closed_object,
    free_name,
    json_only,
)
from flask_boiler.view.socketio.slot_arguments import SlotArguments
from flask_boiler.view.ws_mediator import WsMediator
from flask_boiler.viewmodels.mutation import Mutation
from flask_boiler.viewmodels.view_subject import ViewSubject

__all__ = ["build_asyncapi_document"]

VERSION = "3.0.0"

_TEXT: JsonSchema = {"type": "string"}
_VERSION: JsonSchema = {
    "type": "integer",
    "minimum": 0,
    "description": "The time at which the view has this value, in microseconds.",
}
_FORMS = ["full", "json-patch", "merge-patch"]

_META: dict[str, JsonSchema] = {
    "subscription_id": _TEXT,
    "version": _VERSION,
    "read_time": {"type": "string", "format": "date-time"},
}
_UPDATES = (
    "The kind of value: the whole value, a patch of the value at previous_version, or nothing, "
    "because the client has it."
)

#: What RFC 6902 calls a JSON Patch document, of the operations that there are here.
_JSON_PATCH: JsonSchema = {
    "type": "array",
    "items": {
        "oneOf": [
            closed_object(
                {"op": {"type": "string", "enum": ["add", "replace"]}, "path": _TEXT, "value": {}},
                required=["op", "path", "value"],
            ),
            closed_object(
                {"op": {"type": "string", "enum": ["remove"]}, "path": _TEXT},
                required=["op", "path"],
            ),
        ]
    },
}
_MERGE_PATCH: JsonSchema = {"type": "object"}

_OPTIONS = closed_object(
    {
        "updates": {"type": "string", "enum": _FORMS, "default": "full"},
        "min_interval_s": {"type": "number", "minimum": 0, "maximum": 3600, "default": 0},
        "version": _VERSION,
    },
    required=[],
)


def build_asyncapi_document(
    mediators: Iterable[WsMediator], info: Mapping[str, Any]
) -> dict[str, Any]:
    """The document, for ``json.dumps``."""
    schemas = Schemas()
    problem_responses(schemas)
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    for mediator in mediators:
        wanted = re.sub(r"\W+", "_", mediator.namespace.strip("/"), flags=re.ASCII) or "default"
        name = free_name(wanted, channels)
        channels[name] = _channel(mediator, schemas)
        operations |= _operations(name, mediator)
    document: dict[str, Any] = {
        "asyncapi": VERSION,
        "info": dict(info),
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {"schemas": {n: _as_json_schema(s) for n, s in schemas.named.items()}},
    }
    made: dict[str, Any] = json_only(document)
    return made


def _channel(mediator: WsMediator, schemas: Schemas) -> JsonSchema:
    view = schemas.view(mediator.view_model_cls)
    problem = {"$ref": "#/components/schemas/Problem"}
    arguments = _naming(mediator.arguments.fields, schemas)
    identified = closed_object({"subscription_id": _TEXT}, required=["subscription_id"])
    warned: JsonSchema = {
        "type": "object",
        "description": "A problem, and the event or the subscription that it is about.",
        "properties": {
            **schemas.named["Problem"]["properties"],
            "event": _TEXT,
            "subscription_id": _TEXT,
        },
        "required": schemas.named["Problem"]["required"],
        "oneOf": [{"required": ["event"]}, {"required": ["subscription_id"]}],
        "additionalProperties": False,
    }
    messages = {
        "subscribe_view_model": _event(
            arguments, _OPTIONS, least=1 if arguments["required"] else 0
        ),
        "subscribed": _answer(_subscribed(view)),
        "unsubscribe_view_model": _event({"anyOf": [_TEXT, identified]}),
        "unsubscribed": _answer(identified),
        "updated": _updated(view),
        "error": _event(warned),
        "refused": _answer(closed_object({"error": problem}, required=["error"])),
    }
    if mediator.mutation_cls is not None:
        mutated = closed_object(
            {"doc_id": _TEXT, "value": {"anyOf": [view, {"type": "null"}]}},
            required=["doc_id", "value"],
        )
        messages["mutate"] = _event({"oneOf": _commands(mediator, mediator.mutation_cls, schemas)})
        messages["mutated"] = _answer(mutated)
    return {
        "address": mediator.namespace,
        "title": mediator.view_model_cls.__name__,
        "description": "A Socket.IO namespace. The payload of an event is the array of its "
        "arguments, and a reply is what acknowledges it.",
        "messages": {name: {"name": name, **message} for name, message in messages.items()},
    }


def _naming(fields: Mapping[str, marshmallow.fields.Field[Any]], schemas: Schemas) -> JsonSchema:
    """The arguments that name a view."""
    return closed_object(
        {name: schemas.of_field(field) for name, field in fields.items()},
        required=[name for name, field in fields.items() if field.required],
    )


def _forms(view: JsonSchema) -> dict[str, JsonSchema]:
    """The values that there may be, by what ``updates`` says."""
    return {"full": view, "json-patch": _JSON_PATCH, "merge-patch": _MERGE_PATCH}


def _meta(updates: str) -> dict[str, JsonSchema]:
    """The properties that are said of a value; each of them always."""
    form: JsonSchema = {"type": "string", "enum": [updates], "description": _UPDATES}
    based = {"previous_version": _VERSION} if updates.endswith("patch") else {}
    return {**_META, "updates": form, **based}


def _subscribed(view: JsonSchema) -> JsonSchema:
    forms = {**_forms(view), "none": {"type": "null"}}
    members = [{**_meta(updates), "value": value} for updates, value in forms.items()]
    return {"oneOf": [closed_object(member, required=list(member)) for member in members]}


def _updated(view: JsonSchema) -> JsonSchema:
    payloads = [
        _arguments(value, closed_object(_meta(updates), required=list(_meta(updates))))
        for updates, value in _forms(view).items()
    ]
    return {"payload": {"oneOf": payloads}}


def _commands(
    mediator: WsMediator, mutation_cls: type[Mutation[Any]], schemas: Schemas
) -> list[JsonSchema]:
    """The commands that ``mutate`` takes, by operation."""
    view_cls = mediator.view_model_cls
    subject: ViewSubject[Any] = ViewSubject(view_cls)
    patch = schemas.patch(view_cls)
    whole = [
        attribute.data_key
        for attribute in view_cls.attributes().values()
        if not (attribute.read_only or attribute.says_omit) and attribute.options.export_enabled
    ]
    named = SlotArguments(subject)
    key = _key(named)
    arguments = _naming(named.fields, schemas)
    commands = []
    if mutation_cls.can("create"):
        created = schemas.new(view_cls, subject.model if subject.is_document else None)
        commands.append(_command("create", key, arguments, {"data": created}))
    put: JsonSchema = {"allOf": [patch, {"required": whole}]}
    commands.append(_command("put", key, arguments, {"data": put}))
    commands.append(_command("patch", key, arguments, {"data": patch}))
    if mutation_cls.can("delete"):
        commands.append(_command("delete", key, arguments, {}))
    return commands


def _key(named: SlotArguments) -> JsonSchema:
    """What names a view in one text."""
    if "doc_id" in named.fields:
        return _TEXT
    said = " // ".join(named.fields) or "nothing"
    return {**_TEXT, "description": f"The text of {said}, without the blanks."}


def _command(
    operation: str, key: JsonSchema, arguments: JsonSchema, data: Mapping[str, JsonSchema]
) -> JsonSchema:
    properties: dict[str, JsonSchema] = {
        "operation": {"type": "string", "const": operation},
        "doc_id": key,
        "arguments": arguments,
        **data,
    }
    creates = operation == "create"
    made = closed_object(properties, required=["operation", *([] if creates else data)])
    if creates or not arguments["required"]:
        return {**made, "not": {"required": ["doc_id", "arguments"]}}
    return {**made, "oneOf": [{"required": ["doc_id"]}, {"required": ["arguments"]}]}


def _operations(channel: str, mediator: WsMediator) -> dict[str, JsonSchema]:
    asked = {"subscribe_view_model": "subscribed", "unsubscribe_view_model": "unsubscribed"}
    if mediator.mutation_cls is not None:
        asked["mutate"] = "mutated"
    operations: dict[str, JsonSchema] = {}
    for event, answer in asked.items():
        operations[f"{channel}_{event}"] = {
            **_operation("receive", channel, event),
            "reply": {
                "channel": {"$ref": f"#/channels/{channel}"},
                "messages": [_message(channel, answer), _message(channel, "refused")],
            },
        }
    for event in ("updated", "error"):
        operations[f"{channel}_{event}"] = _operation("send", channel, event)
    return operations


def _operation(action: str, channel: str, event: str) -> JsonSchema:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": [_message(channel, event)],
    }


def _message(channel: str, name: str) -> JsonSchema:
    return {"$ref": f"#/channels/{channel}/messages/{name}"}


def _event(*arguments: JsonSchema, least: int | None = None) -> JsonSchema:
    """A message that is an event of these arguments."""
    return {"payload": _arguments(*arguments, least=least)}


def _arguments(*arguments: JsonSchema, least: int | None = None) -> JsonSchema:
    """The array of an event's arguments; as JSON Schema, draft 7, has it."""
    return {
        "type": "array",
        "items": [_as_json_schema(argument) for argument in arguments],
        "minItems": len(arguments) if least is None else least,
        "maxItems": len(arguments),
    }


def _answer(schema: JsonSchema) -> JsonSchema:
    """A message that is the acknowledgement of an event."""
    return {"payload": _as_json_schema(schema)}


def _as_json_schema(schema: Any) -> Any:
    """An OpenAPI 3.0 schema as JSON Schema, draft 7, has it."""
    if isinstance(schema, list):
        return [_as_json_schema(item) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    made = {
        key: {name: _as_json_schema(inner) for name, inner in value.items()}
        if key == "properties"
        else value
        if key in ("enum", "default", "example", "const")
        else _as_json_schema(value)
        for key, value in schema.items()
    }
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if isinstance(made.get(exclusive), bool) and made.pop(exclusive):
            made[exclusive] = made.pop(bound)
    return {"anyOf": [made, {"type": "null"}]} if made.pop("nullable", False) else made
