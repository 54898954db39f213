"""Types of parameters: which there are, and that texts and values say the same."""

from __future__ import annotations

import datetime
import enum
import typing
import uuid
from typing import Any

import marshmallow
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_boiler.errors import DeclarationError
from flask_boiler.models.schema.param_type import ParamType, refusal_of


class League(enum.Enum):
    FIRST = "first"
    SECOND = "2nd"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Colour(str, enum.Enum):  # noqa: UP042 - its members write themselves in another way
    RED = "red"


class Rights(enum.Flag):
    READ = 1
    WRITE = 2


class Alike(enum.Enum):
    TEXT = "1"
    NUMBER = 1


class Slashed(enum.Enum):
    BOTH = "a/b"


class Halves(enum.Enum):
    HALF = 0.5


class Truths(enum.Enum):
    YES = True


class Nobody(enum.Enum):
    pass


DAY = datetime.date(2024, 2, 29)
UID = uuid.UUID("12345678-1234-5678-1234-567812345678")

WRITTEN: list[tuple[type[Any], Any, str]] = [
    (str, "2024", "2024"),
    (str, "été 1", "été 1"),
    (int, -7, "-7"),
    (bool, True, "true"),
    (bool, False, "false"),
    (datetime.date, DAY, "2024-02-29"),
    (uuid.UUID, UID, str(UID)),
    (League, League.SECOND, "2nd"),
    (Level, Level.HIGH, "2"),
    (Colour, Colour.RED, "red"),
]


@pytest.mark.parametrize(("type_", "value", "text"), WRITTEN)
def test_a_value_has_one_text(type_: type[Any], value: Any, text: str) -> None:
    param = ParamType(type_)
    assert param.text_of(value) == text
    found = param.value_of(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "type_",
    [
        *(float, datetime.datetime, bytes, dict, list, object, None, "str", [str]),
        *(list[str], int | None, str | None, typing.Any, typing.Literal["a"]),
    ],
    ids=repr,
)
def test_what_no_path_can_hold_is_refused(type_: Any) -> None:
    with pytest.raises(DeclarationError) as refused:
        ParamType(type_)
    name = type_.__name__ if isinstance(type_, type) else repr(type_)
    assert f"cannot be {name}, which no path can hold: expected str, int, bool, date, UUID" in str(
        refused.value
    )


@pytest.mark.parametrize(
    ("type_", "why"),
    [
        (Rights, "a parameter of Rights cannot be part of a path: its members can be combined"),
        (Alike, "two of its members would be '1' there"),
        (Slashed, "'a/b' is not a document id"),
        (Halves, "the values of its members are not all str or int"),
        (Truths, "the values of its members are not all str or int"),
        (Nobody, "it has no members"),
    ],
)
def test_an_enum_whose_members_are_no_texts_is_refused(type_: Any, why: str) -> None:
    with pytest.raises(DeclarationError, match=why):
        ParamType(type_)


@pytest.mark.parametrize(
    ("type_", "value", "why"),
    [
        (str, 2024, "expected a value of type str, and not 2024"),
        (str, None, "expected a value of type str, and not None"),
        (str, "", "not a document id.*part of a path"),
        (str, "a/b", "contains no slash; it is part of a path"),
        (str, "..", "not '.' or '..'"),
        (str, "__x__", "reserved by Firestore"),
        (str, "x" * 1501, "longer than 1500 bytes"),
        (str, "\ud800", "not a Unicode text"),
        (int, "5", "expected a value of type int, and not '5'"),
        (int, True, "expected a value of type int, and not True"),
        (int, 5.0, "expected a value of type int"),
        (bool, 1, "expected a value of type bool, and not 1"),
        (
            datetime.date,
            datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC),
            "expected a value of type date",
        ),
        (datetime.date, "2024-01-01", "expected a value of type date"),
        (uuid.UUID, str(UID), "expected a value of type UUID"),
        (League, "third", "expected one of first, 2nd, and not 'third'"),
        (League, [], r"expected one of first, 2nd, and not \[\]"),
        (Level, "1", "expected one of 1, 2, and not '1'"),
    ],
)
def test_other_values_are_refused(type_: type[Any], value: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        ParamType(type_).text_of(value)


def test_a_number_that_is_too_long_to_write_is_refused() -> None:
    with pytest.raises(ValueError, match="Exceeds the limit"):
        ParamType(int).text_of(10**5000)


def test_the_value_of_a_member_is_taken_for_it() -> None:
    assert ParamType(League).checked("first") is League.FIRST
    assert ParamType(Level).checked(2) is Level.HIGH


def test_a_member_of_an_enum_is_a_text_where_texts_are_wanted() -> None:
    param = ParamType(str)
    assert param.text_of(Colour.RED) == "red"
    assert type(param.checked(Colour.RED)) is str


@pytest.mark.parametrize(
    ("type_", "text", "why"),
    [
        (int, "05", "expected '5', and not '05'"),
        (int, "+5", "expected '5'"),
        (int, " 5", "expected '5'"),
        (int, "1_0", "expected '10'"),
        (int, "\u0665", "expected '5'"),
        (int, "-0", "expected '0'"),
        (int, "five", "expected a whole number, and not 'five'"),
        (int, "9" * 5000, "expected a whole number"),
        (int, 5, "expected a text, and not 5"),
        (bool, "True", "expected true or false, and not 'True'"),
        (bool, "1", "expected true or false"),
        (datetime.date, "20240229", "expected '2024-02-29'"),
        (datetime.date, "2023-02-29", "expected a date, as in 2024-02-29, and not '2023-02-29'"),
        (datetime.date, 5, "expected a text"),
        (uuid.UUID, UID.hex, f"expected '{UID}'"),
        (uuid.UUID, str(UID).upper().replace("1", "A"), "expected 'a"),
        (uuid.UUID, "x", "expected a UUID"),
        (uuid.UUID, None, "expected a text"),
        (League, "FIRST", "expected one of first, 2nd"),
        (Level, "3", "expected one of 1, 2"),
        (Level, "1.0", "expected one of 1, 2"),
        (str, "a/b", "contains no slash"),
        (str, [], "expected a text"),
    ],
)
def test_no_other_text_says_a_value(type_: type[Any], text: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        ParamType(type_).value_of(text)


VALUES: dict[type[Any], st.SearchStrategy[Any]] = {
    str: st.text(max_size=20),
    int: st.integers(),
    bool: st.booleans(),
    datetime.date: st.dates(),
    uuid.UUID: st.uuids(),
    League: st.sampled_from(League),
    Level: st.sampled_from(Level),
}


@given(st.sampled_from(list(VALUES)).flatmap(lambda t: st.tuples(st.just(t), VALUES[t], VALUES[t])))
def test_different_values_have_different_texts(drawn: tuple[type[Any], Any, Any]) -> None:
    type_, one, other = drawn
    param = ParamType(type_)
    try:
        texts = [param.text_of(one), param.text_of(other)]
    except ValueError:
        return
    assert [param.value_of(text) for text in texts] == [one, other]
    assert (texts[0] == texts[1]) is (one == other)


@given(st.sampled_from(list(VALUES)), st.text(max_size=12))
def test_a_text_that_says_a_value_is_its_text(type_: type[Any], text: str) -> None:
    param = ParamType(type_)
    try:
        value = param.value_of(text)
    except ValueError:
        return
    assert param.text_of(value) == text


@pytest.mark.parametrize(("type_", "value", "text"), WRITTEN)
def test_in_json_it_is_what_json_has_for_it(type_: type[Any], value: Any, text: str) -> None:
    sent = {"5": 5}.get(text, value if isinstance(value, bool | int) else text)
    if isinstance(value, enum.Enum):
        sent = value.value
    assert ParamType(type_).field().deserialize(sent) == value


@pytest.mark.parametrize(
    ("type_", "sent", "why"),
    [
        (str, "a/b", "contains no slash; it is part of a path."),
        (str, 5, "tring"),
        (int, "5", "nteger"),
        (int, True, "nteger"),
        (bool, "maybe", "oolean"),
        (datetime.date, "yesterday", "date"),
        (uuid.UUID, "x", "UUID"),
        (League, "third", "first"),
    ],
)
def test_in_json_nothing_else_is_taken(type_: type[Any], sent: Any, why: str) -> None:
    with pytest.raises(marshmallow.ValidationError, match=why):
        ParamType(type_).field().deserialize(sent)


def test_checks_of_the_caller_come_besides() -> None:
    field = ParamType(str).field(validate=[marshmallow.validate.Length(max=2)], required=True)
    assert field.required
    with pytest.raises(marshmallow.ValidationError, match="Longer than maximum length 2"):
        field.deserialize("abc")


def test_a_refusal_names_the_slot() -> None:
    refused = refusal_of("season", ValueError("expected a text"))
    assert refused.messages == {"season": ["Expected a text."]}
