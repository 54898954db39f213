from __future__ import annotations

import datetime
import enum
import math
from typing import Any

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import firestore
from google.cloud.firestore_v1 import _helpers
from google.cloud.firestore_v1.vector import Vector
from hypothesis import given
from hypothesis import strategies as st

from flask_boiler.errors import ValidationError
from flask_boiler.firestore.codec import Codec, encoded_fields

CLIENT = firestore.Client(project="p", credentials=AnonymousCredentials())
CODEC = Codec(CLIENT, "projects/p/databases/(default)")

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(min_value=-(2**63), max_value=2**63 - 1),
    st.floats(allow_nan=False),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.binary(),
    st.datetimes(timezones=st.just(datetime.UTC)),
    st.builds(firestore.GeoPoint, st.floats(-90, 90, allow_nan=False), st.floats(-180, 180)),
    st.sampled_from(["City/SF", "a/b/c/d"]).map(CLIENT.document),
    st.lists(st.floats(allow_nan=False), min_size=1).map(Vector),
)
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
maps = st.recursive(
    st.dictionaries(names, scalars, max_size=3),
    lambda inner: st.dictionaries(
        names, st.one_of(scalars, inner, st.lists(st.one_of(scalars, inner))), max_size=3
    ),
    max_leaves=10,
)


@given(maps)
def test_what_is_encoded_decodes_to_itself(fields: dict[str, Any]) -> None:
    assert CODEC.decode(CODEC.encode(fields)) == fields


@given(maps)
def test_documents_are_what_google_s_own_encoder_makes(fields: dict[str, Any]) -> None:
    document = CODEC.encode(fields)
    for name, value in _helpers.encode_dict(fields).items():
        assert document.fields[name] == value._pb


@given(maps)
def test_equal_documents_give_equal_bytes(fields: dict[str, Any]) -> None:
    one = CODEC.encode(fields)
    other = CODEC.encode(dict(reversed(fields.items())))
    other.name = "somewhere else"
    other.update_time.seconds = 5
    assert encoded_fields(one) == encoded_fields(other)


def test_values_that_are_stored_differently_give_different_bytes() -> None:
    values: list[Any] = [1, 1.0, True, "1", None, [], {}]
    kinds = [{}, *({"a": value} for value in values)]
    assert len({encoded_fields(CODEC.encode(fields)) for fields in kinds}) == len(kinds)


def test_nan_survives() -> None:
    assert math.isnan(CODEC.decode(CODEC.encode({"a": math.nan}))["a"])


def test_naive_datetimes_are_utc() -> None:
    naive = datetime.datetime(2026, 1, 2, 3, 4, 5)
    assert CODEC.decode(CODEC.encode({"a": naive}))["a"] == naive.replace(tzinfo=datetime.UTC)


def test_kin_of_known_types_are_stored_as_those() -> None:
    class Colour(enum.StrEnum):
        RED = "red"

    class Count(int):
        pass

    assert CODEC.decode(CODEC.encode({"a": Colour.RED, "b": Count(3), "c": (1, 2)})) == {
        "a": "red",
        "b": 3,
        "c": [1, 2],
    }


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (object(), "cannot store a object"),
        (2**63, "64 bits"),
        ([[1]], "array is directly inside another array"),
        ({"": 1}, "not empty"),
        ({1: 1}, "must be a string"),
        ("\ud800", "not a Unicode text"),
        ({"\ud800": 1}, "a field name must be a Unicode text"),
        (CLIENT.document("City/\ud800"), "not a Unicode path"),
        (firestore.SERVER_TIMESTAMP, "in a write"),
    ],
)
def test_what_cannot_be_stored_is_refused_by_name(value: Any, reason: str) -> None:
    with pytest.raises(ValidationError, match=reason) as caught:
        CODEC.encode({"outer": {"inner": value}}, where="City/SF")
    [name] = caught.value.messages
    assert name.startswith("outer.inner")
    assert str(caught.value).startswith("City/SF: outer.inner")


def test_a_snapshot_is_decoded_once_and_copied_on_request() -> None:
    document = CODEC.encode({"a": {"b": [1]}})
    document.name = CODEC.name("City/SF")
    document.update_time.seconds = 7
    snapshot = CODEC.snapshot(document)
    assert (snapshot.path, snapshot.id, snapshot.exists) == ("City/SF", "SF", True)
    assert snapshot.fields is snapshot.fields
    assert snapshot.to_dict() is not snapshot.to_dict()
    assert snapshot.get("a.b") == [1]
    assert snapshot.get("a.c") is None
    assert snapshot.update_time_ns == 7_000_000_000
    assert snapshot.update_time == datetime.datetime(1970, 1, 1, 0, 0, 7, tzinfo=datetime.UTC)
    assert snapshot.reference == CLIENT.document("City/SF")


def test_a_missing_document_has_a_snapshot() -> None:
    missing = CODEC.missing("City/SF")
    assert not missing.exists
    assert missing.to_dict() == {}
    assert "missing" in repr(missing)
