"""Parts of a query's result."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from flask_boiler.errors import QueryError
from flask_boiler.firestore import narrowing
from flask_boiler.firestore.query_compiler import compile_query
from flask_boiler.ground.values import Cursor, FieldFilter, Order, QuerySpec, QueryTarget
from flask_boiler.operate.testing.memory_datastore import MemoryDatastore


@pytest.fixture
def datastore() -> MemoryDatastore:
    made = MemoryDatastore()
    for number in range(4):
        made.put(f"jobs/j{number}", account=f"a{number % 2}", open=number != 3)
        made.put(f"users/u{number % 2}/jobs/j{number}", account="a0", open=True)
    return made


def target(datastore: MemoryDatastore, **spec: object) -> QueryTarget:
    return compile_query(QuerySpec("jobs").but(**spec), datastore.codec)


def paths(datastore: MemoryDatastore, asked: QueryTarget) -> Sequence[str]:
    return [snapshot.path for snapshot in datastore.run_query(asked)]


def test_a_bounded_result_is_its_beginning(datastore: MemoryDatastore) -> None:
    whole = target(datastore, orders=(Order("account"),))
    assert paths(datastore, narrowing.bounded(whole, 2)) == ["jobs/j0", "jobs/j2"]


OPEN = FieldFilter("open", "==", True)


def test_one_document_is_found_if_it_fulfils_the_conditions(datastore: MemoryDatastore) -> None:
    whole = target(datastore, where=OPEN)
    found = [narrowing.with_document(whole, f"jobs/j{n}", datastore.codec) for n in (1, 3, 7)]
    assert [paths(datastore, asked) for asked in found] == [["jobs/j1"], [], []]


def test_documents_of_a_value(datastore: MemoryDatastore) -> None:
    for where, expected in ((None, ["jobs/j1", "jobs/j3"]), (OPEN, ["jobs/j1"])):
        asked = narrowing.with_value(
            target(datastore, where=where), "account", "a1", datastore.codec
        )
        assert paths(datastore, asked) == expected


def test_documents_below_one(datastore: MemoryDatastore) -> None:
    group = target(datastore, all_descendants=True)
    assert paths(datastore, narrowing.below(group, "users/u1")) == [
        "users/u1/jobs/j1",
        "users/u1/jobs/j3",
    ]
    single = target(datastore, parent="users/u0")
    assert paths(datastore, narrowing.below(single, "users/u0")) == [
        "users/u0/jobs/j0",
        "users/u0/jobs/j2",
    ]


@pytest.mark.parametrize(
    ("spec", "found"),
    [
        ({}, {"jobs/x"}),
        ({"all_descendants": True}, {"jobs/x", "users/u/jobs/x"}),
        ({"parent": "users/u"}, {"users/u/jobs/x"}),
        ({"parent": "users/w", "all_descendants": True}, set()),
    ],
)
def test_where_a_query_may_find(
    datastore: MemoryDatastore, spec: dict[str, object], found: set[str]
) -> None:
    asked = target(datastore, **spec)
    candidates = ("jobs/x", "users/u/jobs/x", "others/x", "jobs/x/jobs2/y")
    assert {path for path in candidates if narrowing.may_find(asked, path)} == found


@pytest.mark.parametrize(
    ("spec", "named"),
    [
        ({"limit": 3}, "limit"),
        ({"offset": 3}, "offset"),
        ({"orders": (Order("account"),), "start": Cursor(("a",), before=True)}, "start_at"),
    ],
)
def test_a_bound_is_refused_by_name(
    datastore: MemoryDatastore, spec: dict[str, object], named: str
) -> None:
    narrowing.require_unbounded(target(datastore))
    with pytest.raises(QueryError, match=named):
        narrowing.require_unbounded(target(datastore, **spec))
