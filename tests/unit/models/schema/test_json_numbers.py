"""What JSON has not: NaN and infinity, and integers that a browser reads as other ones."""

# mypy: disable-error-code="no-redef, union-attr"

from __future__ import annotations

import enum
import json
import math
from typing import Any

import marshmallow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_boiler import attrs
from flask_boiler.attrs.attribute import Attr
from flask_boiler.errors import DeclarationError, StoredDataError, ValidationError
from flask_boiler.firestore.native import GeoPoint, Vector
from flask_boiler.ground.json_text import canonical_json, json_text
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.models.model import Model

NAN, INF = math.nan, math.inf


class Odd(enum.Enum):
    NONE = NAN
    ONE = 1.0


class Part(Model):
    width: Attr[float] = attrs.bproperty(required=False)
    depth: Attr[float | None] = attrs.bproperty(default=None)


class AnyNumber(marshmallow.fields.Float):
    def __init__(self, **options: Any) -> None:
        super().__init__(allow_nan=True, **options)


def field(declared: Any) -> type[Model]:
    """A model with one attribute, ``x``."""
    body: dict[str, Any] = {"x": declared, "__module__": __name__}
    return type("Holder", (Model,), body)


def shown(declared: Any, value: Any) -> Any:
    text = json_text(field(declared).schema().dump({"x": value}))
    return json.loads(text, parse_constant=pytest.fail)["x"]


@pytest.mark.parametrize(
    ("declared", "value", "expected"),
    [
        (attrs.bproperty(float | None), NAN, None),
        (attrs.bproperty(list[float | None]), [1.0, -INF], [1.0, None]),
        (attrs.bproperty(dict[str, float | None]), {"a": INF}, {"a": None}),
        (attrs.bproperty(float | str | None), NAN, None),
        (attrs.bproperty(), NAN, None),
        (attrs.bproperty(), {"a": [1, {"b": INF}]}, {"a": [1, {"b": None}]}),
        (attrs.bproperty(list), [NAN, 2], [None, 2]),
        (attrs.bdict(), {"a": NAN}, {"a": None}),
        (attrs.embed(Part), Part.new(width=1.0, depth=NAN), {"width": 1.0, "depth": None}),
        (
            attrs.embed(Part, many=True),
            [Part.new(width=1.0, depth=INF)],
            [{"width": 1.0, "depth": None}],
        ),
        (attrs.bproperty(Odd | None), Odd.NONE, None),
        (attrs.vector(), Vector([NAN, 1.0]), None),
        (attrs.bproperty(), Vector([NAN, 1.0]), [None, 1.0]),
        (attrs.bproperty(AnyNumber(allow_none=True)), NAN, None),
    ],
)
def test_a_number_that_json_has_not_is_null_where_null_is_of_the_type(
    declared: Any, value: Any, expected: Any
) -> None:
    assert shown(declared, value) == expected


@pytest.mark.parametrize(
    ("declared", "value"),
    [
        (attrs.bproperty(float), NAN),
        (attrs.bproperty(float), -INF),
        (attrs.bproperty(list[float]), [1.0, NAN]),
        (attrs.bproperty(dict[str, float]), {"a": INF}),
        (attrs.bproperty(dict[str, list[float]]), {"a": [NAN]}),
        (attrs.bproperty(float | str), NAN),
        (attrs.bproperty(Odd), Odd.NONE),
        (attrs.bproperty(GeoPoint), GeoPoint(NAN, 1.0)),
        (attrs.bproperty(Vector), Vector([NAN])),
        (attrs.bproperty(AnyNumber()), NAN),
        (attrs.bproperty(list[AnyNumber()]), [NAN]),  # type: ignore[misc]
        (attrs.bproperty(marshmallow.fields.Decimal()), "1.5"),
    ],
)
def test_where_the_type_promises_a_number_the_attribute_is_named(declared: Any, value: Any) -> None:
    with pytest.raises(StoredDataError, match=r"Holder: x: "):
        shown(declared, value)


def test_what_is_embedded_tells_its_own_error() -> None:
    with pytest.raises(StoredDataError, match=r"Part: width: JSON has no nan"):
        shown(attrs.embed(Part), Part.new(width=NAN))


@settings(derandomize=True)
@given(
    st.recursive(
        st.floats() | st.integers() | st.none(),
        lambda s: st.lists(s) | st.dictionaries(st.text(), s),
    )
)
def test_whatever_an_untyped_attribute_holds_is_json(value: Any) -> None:
    shown(attrs.bproperty(), value)


@pytest.mark.parametrize("value", [NAN, INF, {"a": [-INF]}])
def test_the_encoder_refuses_what_json_has_not(value: Any) -> None:
    for encode in (json_text, canonical_json):
        with pytest.raises(ValueError, match="JSON"):
            encode(value)


@pytest.mark.parametrize("text", ["1e400", "-1e400", '{"a": [1e999]}'])
def test_a_number_too_large_for_a_double_is_refused_as_input(text: str) -> None:
    with pytest.raises(ValidationError, match="no such number"):
        field(attrs.bproperty()).schema().load({"x": json.loads(text)})


class Counter(DomainModel):
    class Meta:
        collection_name = "tallies"

    total: Attr[int] = attrs.bproperty(as_string=True)
    least: Attr[int | None] = attrs.bproperty(as_string=True, default=None)
    history: Attr[list[int]] = attrs.bproperty(as_string=True, default_factory=list)
    each: Attr[dict[str, int]] = attrs.bproperty(as_string=True, default_factory=dict)


def test_integers_may_be_strings_in_json_and_are_integers_in_documents() -> None:
    large = 2**63 - 1
    counter = Counter.new(doc_id="c", total=large, history=[1, -large], each={"a": 2**53 + 1})
    said = Counter.schema().dump(counter)
    assert said == {
        "total": "9223372036854775807",
        "least": None,
        "history": ["1", "-9223372036854775807"],
        "each": {"a": "9007199254740993"},
    }
    assert Counter.schema().load(said) == {
        "total": large,
        "least": None,
        "history": [1, -large],
        "each": {"a": 2**53 + 1},
    }
    assert counter.to_dict()["total"] == large


@pytest.mark.parametrize(
    "given", [1, 1.0, "1.0", "01", "+1", "-0", "", " 1", "1\n", "٣", "1e3", str(2**63), True, None]
)
def test_only_digits_of_64_bits_are_taken_for_an_integer_as_a_string(given: Any) -> None:
    with pytest.raises(ValidationError, match="total"):
        Counter.schema(partial=True).load({"total": given})


@pytest.mark.parametrize("declared", [str, float, bool, int | str, Part, None])
def test_as_string_is_for_integers(declared: Any) -> None:
    options = {} if declared is None else {"type": declared}
    with pytest.raises(DeclarationError, match="as_string"):
        field(attrs.bproperty(as_string=True, **options)).schema()
