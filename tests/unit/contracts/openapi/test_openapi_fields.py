"""What a document says of fields: valid OpenAPI, and the same as what is taken and shown."""

from __future__ import annotations

import datetime
import enum
import json
import math
import re
from typing import Any, Literal

import hypothesis
import marshmallow
import pytest
from flask import Flask
from hypothesis import strategies as st
from jsonschema import Draft7Validator
from marshmallow import fields, validate
from openapi_schema_validator import OAS30Validator
from openapi_spec_validator import validate as validate_document

from flask_boiler import attrs, view
from flask_boiler.contracts.asyncapi import _as_json_schema
from flask_boiler.contracts.documents import openapi_document
from flask_boiler.contracts.openapi.patterns import ecma_pattern
from flask_boiler.contracts.openapi.schemas import Schemas, json_only
from flask_boiler.errors import ValidationError
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.viewmodels.slots.reference import reference
from flask_boiler.viewmodels.store import Store
from flask_boiler.viewmodels.view_model import ViewModel

NAN, INF = math.nan, math.inf


class Tin(DomainModel):
    class Meta:
        collection_name = "tins"


class TinStore(Store):
    tin = reference(Tin)


class Spot(marshmallow.Schema):
    colour = fields.String(required=True, validate=validate.Regexp("[a-z]+"))


class Sort(enum.Enum):
    ODD = NAN
    FIRST = 1


def declare(declared: Any) -> type[ViewModel]:
    """A view with one attribute, ``x``."""
    body = {
        "x": declared,
        "store": None,
        "__annotations__": {"store": TinStore},
        "__module__": __name__,
    }
    return type("TinView", (ViewModel,), body)


def described(declared: Any) -> tuple[dict[str, Any], type[ViewModel]]:
    """The schema of the attribute in a document that is valid, JSON, and can be asked for."""
    view_cls = declare(declared)
    app = Flask("tins")
    mediator = view.RestMediator(view_cls, app=app)
    mediator.add_instance_get("/tins/<doc_id>")
    mediator.add_list_get("/tins")
    document = openapi_document(app)
    text = json.dumps(document, allow_nan=False)
    validate_document(json.loads(text))
    found: dict[str, Any] = document["components"]["schemas"]["TinView"]["properties"]["x"]
    return found, view_cls


def x(declared: Any) -> dict[str, Any]:
    said, _ = described(declared)
    return said


def typed(type: Any, *validators: Any, **options: Any) -> Any:
    return attrs.bproperty(type, validate=list(validators) or None, **options)


# -- each by itself


def test_choices_that_are_lists_are_an_enumeration() -> None:
    assert x(typed(list[int], validate.Equal([1, 2])))["enum"] == [[1, 2]]
    assert x(typed(list[str], validate.OneOf([["a"], ["b"]])))["enum"] == [["a"], ["b"]]
    assert x(typed(dict[str, int], validate.Equal({"a": 1})))["enum"] == [{"a": 1}]
    both = typed(list[str], validate.OneOf([["a"], ["b"]]), validate.OneOf([["b"], ["c"]]))
    assert x(both)["enum"] == [["b"]]


def test_a_list_of_schemas_of_the_applications_own_is_described() -> None:
    said, _ = described(attrs.bproperty(fields.List(fields.Nested(Spot))))
    assert said["items"] == {"$ref": "#/components/schemas/Spot"}
    with_only = attrs.bproperty(fields.List(fields.Nested(Spot(only=("colour",), partial=True))))
    assert x(with_only)["items"]["$ref"].startswith("#/components/schemas/Spot")


def test_what_a_list_contains_is_said_of_its_items() -> None:
    said = x(typed(list[str], validate.ContainsOnly(["a", "b"])))
    assert said["items"] == {"type": "string", "enum": ["a", "b"]}
    assert "enum" not in said
    assert x(typed(list[int], validate.ContainsNoneOf([1])))["items"]["not"] == {"enum": [1]}
    assert x(typed(list[str], validate.ContainsOnly([])))["maxItems"] == 0


@pytest.mark.parametrize("bound", [-INF, INF, NAN])
def test_no_bound_is_infinite(bound: float) -> None:
    said = x(typed(float, validate.Range(min=bound, max=bound)))
    assert not said.keys() & {"minimum", "maximum"}


def test_what_json_has_not_is_neither_default_nor_choice() -> None:
    assert "default" not in x(attrs.bproperty(float, default=NAN))
    assert x(typed(float, validate.OneOf([NAN, 1.0])))["enum"] == [1.0]
    assert x(typed(float, validate.OneOf([INF])))["not"] == {}
    assert x(typed(float | None, validate.OneOf([INF])))["enum"] == [None]
    assert x(attrs.bproperty(Sort))["enum"] == [1]
    assert "default" not in x(attrs.bproperty(list[float], default=[1.0, -INF]))
    assert json_only({"a": NAN, "b": [INF, 1], "c": {"d": datetime.date(2026, 1, 2)}}) == {
        "b": [1],
        "c": {"d": "2026-01-02"},
    }


def test_a_default_without_a_zone_is_of_utc() -> None:
    said = x(attrs.bproperty(datetime.datetime, default=datetime.datetime(2026, 1, 2)))
    assert said["default"] == "2026-01-02T00:00:00+00:00"
    local = x(attrs.local_time(timezone="Europe/Berlin", default=datetime.datetime(2026, 1, 2)))
    assert local["default"] == "2026-01-02T00:00:00"


def test_bounds_that_are_not_of_the_range_are_exclusive() -> None:
    said = x(typed(float, validate.Range(min=0, min_inclusive=False, max=9, max_inclusive=False)))
    assert (said["minimum"], said["exclusiveMinimum"]) == (0, True)
    assert (said["maximum"], said["exclusiveMaximum"]) == (9, True)
    whole = x(typed(int, validate.Range(min=0, min_inclusive=False), validate.Range(min=-5)))
    assert (whole["minimum"], whole["exclusiveMinimum"]) == (0, True)
    tighter = x(typed(int, validate.Range(min=0, min_inclusive=False), validate.Range(min=3)))
    assert tighter["minimum"] == 3
    assert "exclusiveMinimum" not in tighter
    assert x(typed(int, validate.Range(min=0.5)))["minimum"] == 0.5
    assert x(typed(int, validate.Range(max=2**70)))["maximum"] == 2**63 - 1


def test_literals_are_told_apart_as_json_does() -> None:
    said, _ = described(attrs.bproperty(Literal[1, True]))
    assert [(type(v), v) for v in said["enum"]] == [(int, 1), (bool, True)]
    only_one = declare(attrs.bproperty(Literal[1, "a"])).schema(partial=True)
    assert only_one.load({"x": 1}) == only_one.load({"x": 1.0}) == {"x": 1}
    with pytest.raises(ValidationError, match="Must be one of: 1, a"):
        only_one.load({"x": True})
    assert x(attrs.bproperty(Literal[1, None]))["enum"] == [1, None]


def test_numbers_as_strings_are_strings() -> None:
    said = x(attrs.bproperty(fields.Decimal(as_string=True)))
    assert said["type"] == "string"
    assert re.search(said["pattern"], "-12.50") and not re.search(said["pattern"], "NaN")
    large = x(attrs.bproperty(int, as_string=True))
    assert (large["type"], large["format"]) == ("string", "int64")


def test_integers_that_no_browser_reads_are_said_to_be_such() -> None:
    assert "2^53" in x(attrs.bproperty(int))["description"]
    small = x(typed(int, validate.Range(min=0, max=100), doc="How many."))
    assert small["description"] == "How many."


def test_lengths_are_counted_in_what_they_are_of() -> None:
    three = validate.Length(max=3)
    assert x(typed(dict[str, int], three))["maxProperties"] == 3
    assert x(typed(list[int], three, validate.Length(min=1, max=2)))["maxItems"] == 2
    assert x(typed(str, validate.Length(equal=2), three))["minLength"] == 2
    assert "at most 3" in x(typed(bytes, three))["description"]


def test_what_no_schema_can_say_is_said_in_words() -> None:
    said = x(typed(str, validate.Regexp(r"(?i)\w+"), doc="A word."))
    assert "pattern" not in said
    assert said["description"] == (
        r"A word. Matches Python's regular expression (?i)\w+ (IGNORECASE)."
    )
    moment = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)
    late = x(typed(datetime.datetime, validate.Range(min=moment)))
    assert late["description"] == "Not less than 2026-01-02T00:00:00+00:00."


def test_several_patterns_are_all_demanded() -> None:
    said = x(typed(str, validate.Regexp("^a"), validate.Regexp("b$|c$")))
    assert said["pattern"] == "^a"
    assert said["allOf"] == [{"pattern": "^(?:b$|c$)"}]


# -- regular expressions


@pytest.mark.parametrize(
    ("python", "ecma"),
    [
        ("^[a-z]+$", "^[a-z]+$"),
        ("a+", "^(?:a+)"),
        ("^a|b", "^(?:^a|b)"),
        ("^(a|b)$", "^(a|b)$"),
        ("^(?P<year>[0-9]{4})$", "^([0-9]{4})$"),
        (r"\A[0-9]{,3}\Z", "^[0-9]{0,3}$"),
        ("^.$", r"^[^\n]$"),
        (r"^a\-b\ \#$", "^a-b #$"),
        ("^[]a]$", r"^[\]a]$"),
        ("^{x}$", r"^\{x\}$"),
        ("^a{1,2}?(?=b)$", "^a{1,2}?(?=b)$"),
        (re.compile(r"^\d\w$", re.ASCII), r"^\d\w$"),
        *((no, None) for no in (r"^\d$", r"^\w$", r"^\s$", r"\bx", "(?i)a", r"(a)\1", "(?>a)")),
        *((no, None) for no in ("a++", r"\U0001F600", r"\a", "(?#no)a", "(?s:.)", "(a)?(?(1)b|c)")),
        (re.compile("a b", re.VERBOSE), None),
        (re.compile(r"^\s$", re.ASCII), None),
        (re.compile("^a$", re.MULTILINE), None),
    ],
)
def test_a_pattern_is_shown_if_it_means_the_same(python: Any, ecma: str | None) -> None:
    assert ecma_pattern(re.compile(python)) == ecma


@hypothesis.settings(max_examples=150, derandomize=True, deadline=None)
@hypothesis.given(st.data())
def test_a_pattern_matches_what_the_expression_does(data: Any) -> None:
    parts = st.sampled_from(
        [
            "a",
            "b",
            ".",
            "[ab]",
            "[^a]",
            "(?:",
            "(",
            ")",
            "|",
            "*",
            "+",
            "?",
            "{2}",
            "^",
            "$",
            r"\.",
            "]",
        ]
    )
    text = "".join(data.draw(st.lists(parts, max_size=8)))
    try:
        regex = re.compile(text)
    except re.error:
        hypothesis.assume(False)
    pattern = ecma_pattern(regex)
    if pattern is not None:
        subject = data.draw(st.text("ab.]", max_size=6))
        assert bool(regex.match(subject)) == bool(re.search(pattern, subject))


# -- what is said, compared with what is taken

_TEXTS = st.text("ab1 é", max_size=4)
# Of 1.0, which JSON has as 1, the validator for OpenAPI says that it is no integer.
_FLOATS = st.floats(-5, 5).filter(lambda number: not number.is_integer())
_NUMBERS = st.integers(-5, 5) | _FLOATS | st.sampled_from([2**53, 2**63, -(2**63), 0.5])
_JSON = st.recursive(
    st.none() | st.booleans() | _NUMBERS | _TEXTS,
    # An array directly inside an array, and a key that is empty, are Firestore's to refuse.
    lambda inner: (
        st.lists(inner.filter(lambda item: not isinstance(item, list)), max_size=3)
        | st.dictionaries(_TEXTS.filter(bool), inner, max_size=3)
    ),
    max_leaves=4,
)


def _ranges(number: Any) -> st.SearchStrategy[Any]:
    bounds = st.none() | number
    return st.builds(
        lambda least, most, low, high: validate.Range(
            min=least, max=most, min_inclusive=low, max_inclusive=high
        ),
        *(bounds, bounds, st.booleans(), st.booleans()),
    )


def _lengths() -> st.SearchStrategy[Any]:
    some = st.integers(0, 3)
    return st.builds(lambda n: validate.Length(equal=n), some) | st.builds(
        lambda a, b: validate.Length(min=min(a, b), max=max(a, b)), some, some
    )


def _choices(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    some = st.lists(values, min_size=1, max_size=3)
    return (
        st.builds(validate.OneOf, some)
        | st.builds(validate.NoneOf, some)
        | st.builds(validate.Equal, values)
    )


_PATTERNS = st.sampled_from(["^a", "a+", "a|b", "^[ab]*$", ".", r"\d", "^(?P<x>a)b?"])
_BY_TYPE: dict[Any, tuple[st.SearchStrategy[Any], st.SearchStrategy[Any]]] = {
    str: (_TEXTS, _choices(_TEXTS) | _lengths() | st.builds(validate.Regexp, _PATTERNS)),
    int: (
        st.integers(-5, 5),
        _choices(st.integers(-5, 5)) | _ranges(st.integers(-5, 5) | st.floats(-5, 5)),
    ),
    float: (st.floats(-5, 5), _choices(st.floats(-5, 5)) | _ranges(st.floats())),
    bool: (st.booleans(), _choices(st.booleans())),
}


@st.composite
def _declarations(draw: Any) -> Any:
    base: Any = draw(st.sampled_from(list(_BY_TYPE)))
    values, validators = _BY_TYPE[base]
    shape = draw(st.sampled_from(["plain", "none", "list", "dict", "literal", "any"]))
    said = draw(st.lists(validators, max_size=2))
    if shape == "list":
        lists = st.lists(values, max_size=2)
        some = _lengths() | _choices(lists) | st.builds(validate.ContainsOnly, lists)
        said = draw(st.lists(some | st.builds(validate.ContainsNoneOf, lists), max_size=2))
        return typed(list.__class_getitem__(base), *said)
    if shape == "dict":
        maps = st.dictionaries(_TEXTS, values, max_size=2)
        return typed(
            dict.__class_getitem__((str, base)),
            *draw(st.lists(_lengths() | _choices(maps), max_size=2)),
        )
    if shape == "literal":
        known = draw(st.lists(st.sampled_from([1, 0, True, False, "a", "b"]), min_size=1))
        return attrs.bproperty(Literal[tuple(known)])
    if shape == "any":
        return attrs.bproperty(validate=draw(st.lists(_choices(_JSON), max_size=1)) or None)
    return typed(base | None if shape == "none" else base, *said)


def _beyond_64_bits(value: Any) -> bool:
    if isinstance(value, dict | list):
        return any(map(_beyond_64_bits, value.values() if isinstance(value, dict) else value))
    return isinstance(value, int) and not -(2**63) <= value < 2**63


@hypothesis.settings(
    max_examples=150,
    derandomize=True,
    deadline=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)
@hypothesis.given(_declarations(), st.lists(_JSON, min_size=3, max_size=8))
def test_what_the_schema_takes_is_what_loading_takes(declared: Any, inputs: list[Any]) -> None:
    view_cls = declare(declared)
    schemas = Schemas()
    said = json_only(schemas.of_field(view_cls.schema().fields["x"]))
    in_words = "regular expression" in said.get("description", "")
    for value in inputs:
        try:
            view_cls.schema(partial=True).load({"x": value})
            taken = True
        except ValidationError:
            taken = False
        openapi = OAS30Validator(said).is_valid(value)
        draft7 = Draft7Validator(_as_json_schema(said)).is_valid(value)
        if "type" not in said and _beyond_64_bits(value):
            # Without a type, it is Firestore that does not store it.
            continue
        assert taken == openapi == draft7 or (in_words and not taken), (said, value)
