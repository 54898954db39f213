"""Encoded values sort as Firestore's values do, whatever they are."""

from __future__ import annotations

import datetime
import math
from typing import Any

import pytest
from google.cloud.firestore import GeoPoint
from google.cloud.firestore_v1.vector import Vector
from hypothesis import given
from hypothesis import strategies as st

from flask_boiler.firestore.ordering import name_key, value_key
from flask_boiler.local.embedded.storage.encoding import (
    descending,
    encode_name,
    encode_value,
    index_suffixes,
    successor,
)
from tests.unit.local.embedded.worlds import document, value

_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.sampled_from([2**53, 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63), 0]),
    st.floats(),
    st.datetimes(timezones=st.just(datetime.UTC), min_value=datetime.datetime(1, 1, 2)),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.binary(),
    st.builds(GeoPoint, st.floats(-90, 90), st.floats(-180, 180)),
    st.builds(Vector, st.lists(st.floats(allow_nan=False, width=16), min_size=1, max_size=3)),
)
_NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=3)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner.filter(lambda v: not isinstance(v, list)), max_size=3)
        | st.dictionaries(_NAMES.filter(lambda name: not name.startswith("__")), inner, max_size=3)
    ),
    max_leaves=6,
)


def _sign(left: Any, right: Any) -> int:
    return int(left > right) - int(left < right)


@given(_VALUES, _VALUES)
def test_encodings_sort_as_the_values_do(left: Any, right: Any) -> None:
    a, b = value(left), value(right)
    expected = _sign(value_key(a), value_key(b))
    assert _sign(encode_value(a), encode_value(b)) == expected
    assert _sign(descending(encode_value(a)), descending(encode_value(b))) == -expected


@given(_VALUES, _VALUES)
def test_no_encoding_is_the_beginning_of_another(left: Any, right: Any) -> None:
    a, b = encode_value(value(left)), encode_value(value(right))
    assert a == b or not (a.startswith(b) or b.startswith(a))


_SEGMENTS = st.lists(
    st.sampled_from(["a", "b", "aa", "Z", "é", "__id7__", "__id10__", "__id-3__", "__id__", "1"]),
    min_size=1,
    max_size=4,
)


@given(_SEGMENTS, _SEGMENTS)
def test_names_sort_segment_by_segment(left: list[str], right: list[str]) -> None:
    a, b = "/".join(left), "/".join(right)
    assert _sign(encode_name(a), encode_name(b)) == _sign(name_key(a), name_key(b))


@pytest.mark.parametrize(("one", "other"), [(1, 1.0), (0.0, -0.0), (2**60, float(2**60))])
def test_equal_numbers_have_one_encoding(one: Any, other: Any) -> None:
    assert encode_value(value(one)) == encode_value(value(other))


def test_every_field_and_every_element_has_an_entry() -> None:
    made = document("a/b", x=1, tags=["p", "q", "p"], m={"inner": {"deep": None}}, v=Vector([1.0]))
    # x; tags and its two elements; m, m.inner and m.inner.deep; v, whose parts are not fields.
    assert len(index_suffixes(made)) == 8


def test_an_infinite_number_is_the_greatest_and_not_a_number_the_least() -> None:
    numbers = [math.nan, -math.inf, -(2**63), -0.5, 0, 5e-324, 2**63 - 1, 2.0**63, math.inf]
    encoded = [encode_value(value(number)) for number in numbers]
    assert encoded == sorted(encoded)
    assert len(set(encoded)) == len(numbers)


@given(st.binary(max_size=3), st.binary(max_size=4))
def test_a_successor_is_greater_than_all_that_begins_so(prefix: bytes, rest: bytes) -> None:
    assert successor(prefix) > prefix + rest or set(prefix) <= {255}
