"""Vectors: which are taken, and that nothing is written into them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.cloud.firestore_v1.vector import Vector

from flask_boiler.firestore import protocol
from flask_boiler.local.embedded.queries.matching import masked, value_at
from flask_boiler.local.embedded.storage.refusal import Refusal
from flask_boiler.local.embedded.storage.storage import Storage
from flask_boiler.local.embedded.storage.value_rules import check_value, settle_fields
from flask_boiler.local.embedded.writes.writes import apply_all, operations
from tests.unit.local.embedded.worlds import CODEC, WORLD, document, name_of, put

TYPE = {"string_value": "__vector__"}
ONE = {"double_value": 1.0}


@pytest.fixture
def storage() -> Iterator[Storage]:
    made = Storage()
    yield made
    made.close()


def _vector(**fields: Any) -> Any:
    value = protocol.Value()
    for name, each in {"__type__": TYPE, **fields}.items():
        value.map_value.fields[name].CopyFrom(protocol.Value(**each))
    return value


def _array(*values: Any) -> dict[str, Any]:
    return {"array_value": {"values": values}}


def _stored(value: Any) -> Any:
    document = protocol.Document(name=name_of("v/a"), fields={"v": value})
    settle_fields(document)
    return document.fields["v"]


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        (_vector(), "missing key 'value'"),
        (_vector(value=_array(ONE), more=ONE), "extraneous"),
        (_vector(value=ONE), "must be an array"),
        (_vector(value=_array()), "zero length"),
        (_vector(value=_array({"integer_value": 1})), "'double'"),
        (_vector(value=_array(*[ONE] * 2049)), "2048"),
    ],
)
def test_a_vector_is_so_many_doubles_and_nothing_else(value: Any, complaint: str) -> None:
    for check in (_stored, check_value):
        with pytest.raises(Refusal, match=complaint) as refused:
            check(value)
        assert refused.value.code == grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        (_vector(value=_array({"double_value": math.nan})), "NaN"),
        (protocol.Value(array_value={"values": [_vector(value=_array(ONE))]}), "in an array"),
    ],
)
def test_what_cannot_be_stored_can_still_be_asked_for(value: Any, complaint: str) -> None:
    check_value(value)
    with pytest.raises(Refusal, match=complaint):
        _stored(value)


@pytest.mark.parametrize("size", [1, 2048])
def test_a_vector_may_be_in_a_map(size: int) -> None:
    vector = _vector(value=_array(*[{"double_value": math.inf}] * size))
    assert _stored(vector) == vector
    in_map = protocol.Value(map_value={"fields": {"m": vector}})
    assert _stored(in_map) == in_map


@pytest.mark.parametrize("is_transform", [False, True])
def test_a_field_below_a_vector_takes_its_place(storage: Storage, is_transform: bool) -> None:
    put(storage, "v/a", x=Vector([1.0]))
    write = protocol.Write(update=document("v/a"))
    write.update_mask.SetInParent()
    if is_transform:
        write.update_transforms.add(field_path="x.value").increment.integer_value = 3
    else:
        write.update.fields["x"].map_value.fields["value"].integer_value = 3
        write.update_mask.field_paths.append("x.value")
    found = operations(WORLD, [write])
    storage.commit(WORLD, lambda staging: apply_all(found, staging))
    assert _read(storage, "v/a") == {"x": {"value": 3}}


def test_nothing_is_removed_from_a_vector(storage: Storage) -> None:
    put(storage, "v/a", x=Vector([1.0]))
    write = protocol.Write(update=document("v/a"))
    write.update_mask.field_paths.append("x.value")
    found = operations(WORLD, [write])
    storage.commit(WORLD, lambda staging: apply_all(found, staging))
    assert _read(storage, "v/a") == {"x": Vector([1.0])}


def test_a_vector_has_no_fields(storage: Storage) -> None:
    put(storage, "v/a", x=Vector([1.0]), m={"x": Vector([2.0])})
    with storage.reading() as reading:
        stored = reading.document(name_of("v/a"))
    assert stored is not None
    assert value_at(stored.message, ("x", "value")) is None
    assert value_at(stored.message, ("m", "x", "value")) is None
    assert CODEC.decode_value(value_at(stored.message, ("m", "x"))) == Vector([2.0])
    assert masked(stored.message, ["x.value"]).fields == {}


def _read(storage: Storage, path: str) -> dict[str, Any]:
    with storage.reading() as reading:
        stored = reading.document(name_of(path))
    assert stored is not None
    return {name: CODEC.decode_value(value) for name, value in stored.message.fields.items()}
