"""The protocol: field paths, fields and the orders of queries, as read from messages; gRPC."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from pytest_mock import MockerFixture

from flask_boiler.errors import ConfigurationError
from flask_boiler.firestore import protocol
from flask_boiler.firestore.codec import Codec
from flask_boiler.firestore.protocol import (
    Criterion,
    effective_orders,
    field_names,
    field_value,
    hook_grpc,
)
from flask_boiler.ground.lifecycle import greenlets_instead_of_threads

CODEC = Codec(None, "projects/p/databases/(default)")
QUERY = protocol.StructuredQuery


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("a", ("a",)),
        ("a.b", ("a", "b")),
        ("a.`b.c`.d", ("a", "b.c", "d")),
        ("`it\\`s`.`back\\\\slash`", ("it`s", "back\\slash")),
    ],
)
def test_field_paths_are_taken_apart(path: str, names: tuple[str, ...]) -> None:
    assert field_names(path) == names


def test_a_field_is_found_inside_maps() -> None:
    document = CODEC.encode({"a": {"b.c": {"d": 7}}, "flat": 1})

    found = field_value(document, "a.`b.c`.d")
    assert found is not None
    assert found.integer_value == 7
    assert field_value(document, "a.missing.d") is None
    assert field_value(document, "flat.d") is None
    assert "missing" not in document.fields


def structured_query(*orders: tuple[str, bool], unequal: tuple[str, ...] = ()) -> Any:
    query = QUERY()
    query.from_.add(collection_id="City")
    for field, descending in orders:
        direction = QUERY.DESCENDING if descending else QUERY.ASCENDING
        query.order_by.add(direction=direction).field.field_path = field
    if unequal:
        both = query.where.composite_filter
        both.op = QUERY.CompositeFilter.AND
        for field in unequal:
            part = both.filters.add().field_filter
            part.field.field_path = field
            part.op = QUERY.FieldFilter.GREATER_THAN
            part.value.integer_value = 0
    return query


def test_the_name_comes_last_in_the_direction_of_the_last_order() -> None:
    assert effective_orders(structured_query()) == [Criterion("__name__", False)]
    assert effective_orders(structured_query(("a", False), ("b", True))) == [
        Criterion("a", False),
        Criterion("b", True),
        Criterion("__name__", True),
    ]


def test_the_name_is_not_added_twice() -> None:
    assert effective_orders(structured_query(("__name__", True))) == [Criterion("__name__", True)]


def test_fields_compared_by_inequality_are_added_in_their_own_order() -> None:
    assert effective_orders(structured_query(("b", True), unequal=("c", "b", "a"))) == [
        Criterion("b", True),
        Criterion("a", True),
        Criterion("c", True),
        Criterion("__name__", True),
    ]


def test_equality_adds_no_order() -> None:
    query = structured_query(unequal=("a",))
    query.where.composite_filter.filters[0].field_filter.op = QUERY.FieldFilter.EQUAL

    assert effective_orders(query) == [Criterion("__name__", False)]


@pytest.mark.parametrize(("name", "counts"), [("IS_NOT_NULL", True), ("IS_NULL", False)])
def test_unary_inequalities_count(name: str, counts: bool) -> None:
    query = structured_query()
    query.where.unary_filter.op = QUERY.UnaryFilter.Operator.Value(name)
    query.where.unary_filter.field.field_path = "a"

    assert (Criterion("a", False) in effective_orders(query)) is counts


def test_threads_are_threads_unless_a_library_has_replaced_them(mocker: MockerFixture) -> None:
    assert greenlets_instead_of_threads() is None
    library = mocker.Mock(**{"is_monkey_patched.return_value": True})
    mocker.patch.dict(sys.modules, {"eventlet.patcher": library})
    assert greenlets_instead_of_threads() == "eventlet"
    with pytest.raises(ConfigurationError, match="use threads"):
        hook_grpc()
