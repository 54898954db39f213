"""What the AsyncAPI document says of arguments and commands, beside what a mediator takes."""

from __future__ import annotations

from typing import Any

import flask_socketio
import pytest
from flask import Flask
from jsonschema import Draft7Validator

from flask_boiler.contracts.documents import asyncapi_document
from flask_boiler.errors import ValidationError
from flask_boiler.view.socketio.mutate_event import parts_of
from flask_boiler.view.socketio.slot_arguments import SlotArguments
from flask_boiler.view.ws_mediator import WsMediator
from flask_boiler.viewmodels.mutation import Mutation
from flask_boiler.viewmodels.view_model import ViewModel
from flask_boiler.viewmodels.view_subject import ViewSubject
from tests.unit.view.socketio.test_mutate_event import (
    CourseByHand,
    CourseMutation,
    CourseView,
    KitchenMutation,
    KitchenView,
    TableMutation,
    TableView,
)
from tests.unit.view.socketio.test_slot_arguments import EVENING, EveningView

MUTATIONS: dict[type[ViewModel], type[Mutation[Any]]] = {
    CourseView: CourseMutation,
    KitchenView: KitchenMutation,
    TableView: TableMutation,
}
COURSE = {"table": "t", "course": 2, "diner": "ann"}


def described(
    view_cls: type[ViewModel], mutation_cls: type[Mutation[Any]] | None = None
) -> dict[str, Any]:
    app = Flask("halls")
    io = flask_socketio.SocketIO(app, async_mode="threading")
    io.on_namespace(WsMediator(view_cls, mutation_cls, namespace="/views"))
    return asyncapi_document(app)


def agrees(document: dict[str, Any], message: str, value: Any) -> bool:
    payload = document["channels"]["views"]["messages"][message]["payload"]
    Draft7Validator.check_schema(payload)
    validator = Draft7Validator({**payload, "components": document["components"]})
    return bool(validator.is_valid(value))


def test_arguments_have_types_and_formats() -> None:
    document = described(EveningView)
    message = document["channels"]["views"]["messages"]["subscribe_view_model"]
    [arguments, _] = message["payload"]["items"]
    assert arguments["required"] == list(EVENING)
    said = {
        name: {key: each[key] for key in ("type", "format", "enum") if key in each}
        for name, each in arguments["properties"].items()
    }
    assert said == {
        "hall": {"type": "string"},
        "other_hall": {"type": "string"},
        "day": {"type": "string", "format": "date"},
        "seat": {"type": "integer", "format": "int64"},
        "late": {"type": "boolean"},
        "ticket": {"type": "string", "format": "uuid"},
        "stage": {"enum": [1, 2]},
        "guest_name": {"type": "string"},
    }
    assert arguments["properties"]["hall"]["description"] == "The id of the Parlour."


@pytest.mark.parametrize(
    ("given", "valid"),
    [
        (EVENING, True),
        ({**EVENING, "seat": "7"}, False),
        ({**EVENING, "stage": 3}, False),
        ({**EVENING, "late": 1}, False),
        ({**EVENING, "more": 1}, False),
        ({"hall": "h"}, False),
    ],
)
def test_what_is_subscribed_to_is_what_is_described(given: dict[str, Any], valid: bool) -> None:
    assert agrees(described(EveningView), "subscribe_view_model", [given]) is valid


def test_a_view_that_there_is_one_of_takes_no_arguments() -> None:
    document = described(KitchenView)
    assert agrees(document, "subscribe_view_model", [])
    assert agrees(document, "subscribe_view_model", [{}])
    assert not agrees(document, "subscribe_view_model", [{"doc_id": "x"}])


PATCH: dict[str, Any] = {"operation": "patch", "data": {}}


@pytest.mark.parametrize(
    ("view_cls", "command"),
    [
        (CourseView, {**PATCH, "doc_id": "t//2//ann"}),
        (CourseView, {**PATCH, "arguments": COURSE}),
        (CourseView, {**PATCH, "arguments": COURSE, "doc_id": "t//2//ann"}),
        (CourseView, {**PATCH, "arguments": {**COURSE, "course": "2"}}),
        (CourseView, {**PATCH, "arguments": {"table": "t"}}),
        (CourseView, PATCH),
        (CourseView, {"operation": "patch", "arguments": COURSE}),
        (KitchenView, PATCH),
        (KitchenView, {**PATCH, "arguments": {}}),
        (KitchenView, {**PATCH, "arguments": {"table": "t"}}),
        (KitchenView, {"operation": "patch"}),
        (TableView, {**PATCH, "doc_id": "t"}),
        (TableView, {**PATCH, "arguments": {"doc_id": "t"}}),
        (TableView, PATCH),
        (TableView, {"operation": "create"}),
        (TableView, {"operation": "create", "doc_id": "t", "arguments": {"doc_id": "t"}}),
        (TableView, {"operation": "delete", "arguments": {"doc_id": "t"}}),
        (TableView, {"operation": "delete"}),
    ],
)
def test_a_command_is_taken_as_it_is_described(
    view_cls: type[ViewModel], command: dict[str, Any]
) -> None:
    try:
        parts_of(command, SlotArguments(ViewSubject(view_cls)))
    except ValidationError:
        taken = False
    else:
        taken = True
    assert agrees(described(view_cls, MUTATIONS[view_cls]), "mutate", [command]) is taken


def test_only_what_can_be_made_and_deleted_is_described_so() -> None:
    for mutation_cls, possible in ((CourseMutation, False), (CourseByHand, True)):
        document = described(CourseView, mutation_cls)
        assert agrees(document, "mutate", [{"operation": "create"}]) is possible
        delete = {"operation": "delete", "doc_id": "t//2//ann"}
        assert agrees(document, "mutate", [delete]) is possible


def test_the_key_is_explained() -> None:
    text = str(described(CourseView, CourseMutation))
    assert "The text of table // course // diner, without the blanks." in text
