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
from flask_boiler.firestore.ordering import ResultSorter, name_key, value_key
from flask_boiler.ground.values import QueryTarget, Snapshot
from tests.unit.firestore.test_protocol import structured_query

CODEC = Codec(None, "projects/p/databases/(default)")
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


def _snapshots(**fields: dict[str, Any]) -> list[Snapshot]:
    return [Snapshot(f"City/{i}", CODEC.encode(content), CODEC) for i, content in fields.items()]


def _sorted(query: Any, snapshots: list[Snapshot], **options: Any) -> list[str]:
    target = QueryTarget("", query.SerializeToString(), **options)
    return [snapshot.id for snapshot in ResultSorter(target).sort(snapshots)]


def test_results_are_sorted_by_all_criteria() -> None:
    cities = _snapshots(
        A={"n": 1, "m": 1}, B={"n": 2, "m": 1}, C={"n": 2, "m": 2}, D={"n": 1, "m": 2}
    )

    assert _sorted(structured_query(("n", True), ("m", False)), cities) == ["B", "C", "A", "D"]
    assert _sorted(structured_query(("n", False), ("m", True)), cities) == ["D", "A", "C", "B"]
    assert _sorted(structured_query(("n", True)), cities) == ["C", "B", "D", "A"]
    assert _sorted(structured_query(), cities) == ["A", "B", "C", "D"]


def test_limit_to_last_turns_the_servers_order_round() -> None:
    cities = _snapshots(A={"n": 1}, B={"n": 2})

    assert _sorted(structured_query(("n", True)), cities, limit_to_last=True) == ["A", "B"]


def test_numeric_ids_come_first_and_by_number() -> None:
    names = ["City/a", "City/__id9__", "City/__id10__", "City/__idx__", "City/__id-1__"]

    assert sorted(names, key=name_key) == [
        "City/__id-1__",
        "City/__id9__",
        "City/__id10__",
        "City/__idx__",
        "City/a",
    ]
