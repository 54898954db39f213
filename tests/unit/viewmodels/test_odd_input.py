"""Input of types that its validators were not made for: refused, and no internal error."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from marshmallow import fields, validate

from flask_boiler import attrs, view
from flask_boiler.attrs.attribute import Attr
from flask_boiler.errors import ConfigurationError, UnavailableError, ValidationError
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.models.model import Model
from flask_boiler.operate.testing.memory_datastore import MemoryDatastore
from flask_boiler.view.socketio.mutate_event import apply_command
from flask_boiler.viewmodels.mutation import Mutation
from flask_boiler.viewmodels.slots.reference import reference
from flask_boiler.viewmodels.store import Store
from flask_boiler.viewmodels.view_model import ViewModel
from tests.unit.memory import memory_context

ODD = [5, 1.5, "x", True, [], {}, [1], ["b"], [{}], [None], {"a": 1}]
#: Validators by name, each with what of the above it takes.
VALIDATORS: dict[str, tuple[Any, list[Any]]] = {
    "length": (validate.Length(min=1, max=3), ["x", [1], ["b"], [{}], [None], {"a": 1}]),
    "range": (validate.Range(min=0, max=9), [5, 1.5, True]),
    "regexp": (validate.Regexp("x"), ["x"]),
    "one_of": (validate.OneOf(["x"]), ["x"]),
    "contains_only": (validate.ContainsOnly(["b", "a", "x"]), ["x", [], {}, ["b"], {"a": 1}]),
    "contains_none": (
        validate.ContainsNoneOf(["b"]),
        ["x", [], {}, [1], [{}], [None], {"a": 1}],
    ),
    "email": (validate.Email(), []),
    "url": (validate.URL(), []),
    "predicate": (validate.Predicate("isalpha"), ["x"]),
    "positive": (lambda value: _require(value > 0), [5, 1.5, True]),
    "kind": (lambda value: _require(value["a"] == 1), [{"a": 1}]),
    "several": (validate.And(validate.Length(max=1), validate.Regexp("x")), ["x"]),
}


def _require(holds: bool) -> None:
    if not holds:
        raise ValidationError({"": ["Not so."]})


def _unavailable(value: object) -> None:
    raise UnavailableError("away")


@pytest.mark.parametrize("name", VALIDATORS)
@pytest.mark.parametrize("value", ODD, ids=repr)
def test_what_a_validator_cannot_look_at_is_not_valid(name: str, value: Any) -> None:
    validator, taken = VALIDATORS[name]

    class Untyped(Model):
        any_value = attrs.bproperty(validate=validator)
        field = attrs.bproperty(required=False, type=fields.Raw(validate=validator))

    is_taken = any(type(value) is type(each) and value == each for each in taken)
    for attribute in ("any_value", "field"):
        key = Untyped.attributes()[attribute].data_key
        if is_taken:
            assert Untyped.schema(partial=True).load({key: value}) == {attribute: value}
            assert Untyped(**{attribute: value}).to_dict()[key] == value
            continue
        with pytest.raises(ValidationError):
            Untyped.schema(partial=True).load({key: value})
        with pytest.raises(ValidationError):
            Untyped(**{attribute: value}).to_dict()


def test_what_keeps_a_validator_from_looking_at_all_is_no_fault_of_the_value() -> None:
    class Looked(Model):
        any_value = attrs.bproperty(validate=_unavailable)

    with pytest.raises(UnavailableError):
        Looked.schema().load({"anyValue": 1})


class Parcel(DomainModel):
    label: Attr[int | str | None] = attrs.bproperty(validate=validate.Range(min=0))
    note = attrs.bproperty(validate=validate.Length(max=3))


class ParcelStore(Store):
    parcel = reference(Parcel)


class ParcelView(ViewModel):
    store: ParcelStore

    label: Attr[int | str | None] = attrs.through("parcel.label")
    note = attrs.through("parcel.note")


class ParcelMutation(Mutation[ParcelView]):
    pass


@pytest.fixture
def datastore() -> Iterator[MemoryDatastore]:
    context, datastore = memory_context()
    with context.activated():
        datastore.put("Parcel/p", obj_type="Parcel", label=1, note="n")
        yield datastore


def create_client(mutation: type[Mutation[Any]]) -> FlaskClient:
    app = Flask("parcels")
    app.config["SECRET_KEY"] = "s"
    mediator = view.RestMediator(ParcelView, mutation, app=app)
    mediator.add_list_get("/parcels")
    mediator.add_list_post("/parcels")
    mediator.add_instance_put("/parcels/<doc_id>")
    mediator.add_instance_patch("/parcels/<doc_id>")
    mediator.add_instance_delete("/parcels/<doc_id>")
    return app.test_client()


@pytest.mark.parametrize("wrong", [{"note": 5}, {"label": "x"}])
def test_a_body_is_told_which_field_is_wrong(datastore: MemoryDatastore, wrong: Any) -> None:
    client = create_client(ParcelMutation)
    answer = client.patch("/parcels/p", json=wrong)
    assert answer.status_code == 422
    assert answer.get_json()["errors"] == {name: ["Invalid value."] for name in wrong}


def test_a_filter_is_told_that_it_is_wrong(datastore: MemoryDatastore) -> None:
    answer = create_client(ParcelMutation).get("/parcels?label=x")
    assert answer.status_code == 400
    assert answer.get_json()["errors"] == {"label": ["Invalid value."]}


def _hidden(command: Any) -> Any:
    """A coroutine function that does not look like one."""

    async def run(*given: Any, **named: Any) -> Any:
        return command(*given, **named)

    @functools.wraps(run)
    def decorated(*given: Any, **named: Any) -> Any:
        return run(*given, **named)

    return decorated


class HiddenMutation(Mutation[ParcelView]):
    mutate_create: Any = classmethod(_hidden(Mutation.mutate_create))
    mutate_put: Any = classmethod(_hidden(Mutation.mutate_put))
    mutate_patch: Any = classmethod(_hidden(Mutation.mutate_patch))
    mutate_delete: Any = classmethod(_hidden(Mutation.mutate_delete))


BODY = {"label": 2, "note": "m"}
CHANGES: list[tuple[str, str, dict[str, Any] | None, dict[str, str]]] = [
    ("POST", "/parcels", BODY, {}),
    ("PUT", "/parcels/q", BODY, {"If-None-Match": "*"}),
    *[
        (method, "/parcels/p", body, headers)
        for method, body in [("PUT", BODY), ("PATCH", BODY), ("DELETE", None)]
        for headers in [{}, {"If-Match": "*"}]
    ],
]


@pytest.mark.parametrize(("method", "path", "body", "headers"), CHANGES)
def test_a_hidden_coroutine_is_not_answered_with_success(
    datastore: MemoryDatastore, method: str, path: str, body: Any, headers: dict[str, str]
) -> None:
    answer = create_client(HiddenMutation).open(path, method=method, json=body, headers=headers)
    assert answer.status_code == 500
    assert not datastore.commits


@pytest.mark.parametrize("operation", ["create", "put", "patch", "delete"])
def test_nor_is_it_over_websocket(datastore: MemoryDatastore, operation: str) -> None:
    with pytest.raises(ConfigurationError, match=f"HiddenMutation.mutate_{operation} is .* awaits"):
        apply_command(ParcelView, HiddenMutation, operation, "p", BODY)
