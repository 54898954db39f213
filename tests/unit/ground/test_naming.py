"""The conversion between attribute names and field names is exact in both directions."""

from __future__ import annotations

import itertools
import keyword

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_boiler.ground.naming import attribute_name_of, field_name_of, is_reserved_field

# Dense in what the conversion treats specially, so that collisions would be found.
tricky = st.from_regex(r"[a-cA-C_$é][a-cA-C_1é]{0,6}", fullmatch=True).filter(str.isidentifier)
any_identifier = st.text(min_size=1, max_size=12).filter(
    lambda s: s.isidentifier() and not keyword.iskeyword(s)
)
names = st.one_of(tricky, any_identifier)


@given(names)
def test_the_way_back_leads_to_the_attribute(name: str) -> None:
    assert attribute_name_of(field_name_of(name)) == name


@given(st.lists(tricky, unique=True, min_size=2, max_size=40))
def test_different_attributes_have_different_fields(several: list[str]) -> None:
    assert len({field_name_of(name) for name in several}) == len(several)


def test_every_short_name_has_a_field_of_its_own() -> None:
    words = (
        "".join(letters) for n in range(1, 7) for letters in itertools.product("aB_1", repeat=n)
    )
    fields = {word: field_name_of(word) for word in words if word.isidentifier()}
    assert len(set(fields.values())) == len(fields) > 1_000


@given(names)
def test_no_field_is_reserved_or_empty(name: str) -> None:
    field = field_name_of(name)
    assert field
    assert not is_reserved_field(field)


@pytest.mark.parametrize(
    ("attribute", "field"),
    [
        ("name", "name"),
        ("first_name", "firstName"),
        ("a_b_c", "aBC"),
        ("a1_b2", "a1B2"),
        ("address_1", "address_1"),
        ("address_1_street", "address_1Street"),
        ("_leading", "_leading"),
        ("_leading_part", "_leadingPart"),
        ("trailing_", "trailing_"),
        ("double__underscore", "double__underscore"),
        ("URLs", "URLs"),
        ("maxURL", "max_U_R_L"),
        ("fooBar", "foo_Bar"),
        ("foo_Bar", "foo__Bar"),
        ("__init__", "$__init__"),
        ("____", "$____"),
        ("größe_in_m", "größeInM"),
    ],
)
def test_names_look_as_documented(attribute: str, field: str) -> None:
    assert field_name_of(attribute) == field
    assert attribute_name_of(field) == attribute
