"""Firestore's order of values, documents and results."""

from __future__ import annotations

import datetime
import random
from itertools import pairwise
from typing import Any

import pytest
from google.cloud.firestore import GeoPoint
from google.cloud.firestore_v1.vector import Vector

from flask_boiler.firestore import protocol
from flask_boiler.firestore.codec import Codec
from flask_boiler.firestore.ordering import name_key, sort_snapshots, value_key
from flask_boiler.firestore.protocol import Criterion, effective_orders, field_names, field_value
from flask_boiler.ground.values import QueryTarget, Snapshot

CODEC = Codec(None, "projects/p/databases/(default)")
QUERY = protocol.StructuredQuery
DAY = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def _reference(path: str) -> Any:
    return protocol.Value(reference_value=CODEC.name(path))


#: One line for each type, in Firestore's order; within a line from small to large.
ASCENDING: list[list[Any]] = [
    [None],
    [False, True],
    [float("nan"), float("-inf"), -(2**63), -1.5, 0, 0.5, 1, 2**53, 2**53 + 1, float("inf")],
    [DAY, DAY + datetime.timedelta(microseconds=1), DAY + datetime.timedelta(days=1)],
    ["", "A", "B", "a", "aa", "ä", "\uffff", "\U0001f600"],
    [b"", b"\x00", b"\x00\x00", b"\x01", b"\xff"],
    [
        _reference("a/__id-7__"),
        _reference("a/__id2__"),
        _reference("a/__id10__"),
        _reference("a/1"),
        _reference("a/b"),
        _reference("a/b/c/d"),
        _reference("aa/a"),
    ],
    [GeoPoint(-90, 0), GeoPoint(0, -1), GeoPoint(0, 1), GeoPoint(90, 0)],
    [[], [None], [1], [1, 1], [1, 2], ["a"]],
    [Vector([]), Vector([9.0]), Vector([1.0, 2.0]), Vector([1.0, 3.0])],
    [{}, {"a": 1}, {"a": 1, "b": 0}, {"a": 2}, {"a": "x"}, {"b": 0}],
]


def _stored(value: Any) -> Any:
    return value if isinstance(value, protocol.Value) else CODEC.encode_value(value)


def test_values_of_all_types_are_in_firestores_order() -> None:
    expected = [_stored(value) for line in ASCENDING for value in line]
    shuffled = list(expected)
    random.Random(3).shuffle(shuffled)

    assert sorted(shuffled, key=value_key) == expected


def test_every_value_differs_from_its_neighbour() -> None:
    values = [_stored(value) for line in ASCENDING for value in line]
    keys = [value_key(value) for value in values]

    assert all(first < second for first, second in pairwise(keys))


@pytest.mark.parametrize(("left", "right"), [(1, 1.0), (0.0, -0.0), ([1], [1.0])])
def test_numbers_of_both_kinds_compare_by_value(left: Any, right: Any) -> None:
    assert value_key(_stored(left)) == value_key(_stored(right))


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


def _query(*orders: tuple[str, bool], unequal: tuple[str, ...] = ()) -> Any:
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
    assert effective_orders(_query()) == [Criterion("__name__", False)]
    assert effective_orders(_query(("a", False), ("b", True))) == [
        Criterion("a", False),
        Criterion("b", True),
        Criterion("__name__", True),
    ]


def test_the_name_is_not_added_twice() -> None:
    assert effective_orders(_query(("__name__", True))) == [Criterion("__name__", True)]


def test_fields_compared_by_inequality_are_added_in_their_own_order() -> None:
    assert effective_orders(_query(("b", True), unequal=("c", "b", "a"))) == [
        Criterion("b", True),
        Criterion("a", True),
        Criterion("c", True),
        Criterion("__name__", True),
    ]


def test_equality_adds_no_order() -> None:
    query = _query(unequal=("a",))
    query.where.composite_filter.filters[0].field_filter.op = QUERY.FieldFilter.EQUAL

    assert effective_orders(query) == [Criterion("__name__", False)]


@pytest.mark.parametrize(("name", "counts"), [("IS_NOT_NULL", True), ("IS_NULL", False)])
def test_unary_inequalities_count(name: str, counts: bool) -> None:
    query = _query()
    query.where.unary_filter.op = QUERY.UnaryFilter.Operator.Value(name)
    query.where.unary_filter.field.field_path = "a"

    assert (Criterion("a", False) in effective_orders(query)) is counts


def _snapshots(**fields: dict[str, Any]) -> list[Snapshot]:
    return [Snapshot(f"City/{i}", CODEC.encode(content), CODEC) for i, content in fields.items()]


def _sorted(query: Any, snapshots: list[Snapshot], **options: Any) -> list[str]:
    target = QueryTarget("", query.SerializeToString(), **options)
    return [snapshot.id for snapshot in sort_snapshots(target, snapshots)]


def test_results_are_sorted_by_all_criteria() -> None:
    cities = _snapshots(
        A={"n": 1, "m": 1}, B={"n": 2, "m": 1}, C={"n": 2, "m": 2}, D={"n": 1, "m": 2}
    )

    assert _sorted(_query(("n", True), ("m", False)), cities) == ["B", "C", "A", "D"]
    assert _sorted(_query(("n", False), ("m", True)), cities) == ["D", "A", "C", "B"]
    assert _sorted(_query(("n", True)), cities) == ["C", "B", "D", "A"]
    assert _sorted(_query(), cities) == ["A", "B", "C", "D"]


def test_limit_to_last_turns_the_servers_order_round() -> None:
    cities = _snapshots(A={"n": 1}, B={"n": 2})

    assert _sorted(_query(("n", True)), cities, limit_to_last=True) == ["A", "B"]


def test_numeric_ids_come_first_and_by_number() -> None:
    names = ["City/a", "City/__id9__", "City/__id10__", "City/__idx__", "City/__id-1__"]

    assert sorted(names, key=name_key) == [
        "City/__id-1__",
        "City/__id9__",
        "City/__id10__",
        "City/__idx__",
        "City/a",
    ]
