"""Our own order and matching of documents, compared with a real server's."""

from __future__ import annotations

import datetime
import random
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from google.cloud.firestore import GeoPoint

from flask_boiler.context.clients import local_client
from flask_boiler.errors import QueryError
from flask_boiler.firestore import protocol
from flask_boiler.firestore.datastore import FirestoreDatastore
from flask_boiler.firestore.ordering import ResultSorter
from flask_boiler.ground.ports import LocalFirestore
from flask_boiler.ground.values import QueryTarget, Write
from flask_boiler.testing import MemoryDatastore

QUERY = protocol.StructuredQuery
FIELDS = QUERY.FieldFilter
ROUNDS = 100
DAY = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)

VALUES: list[Any] = [
    None, False, True, float("nan"), -1, 0, 0.5, 1, 1.0, 2, float("inf"), 2**53, 2**53 + 1,
    DAY, DAY + datetime.timedelta(seconds=1), "", "a", "b", "ä", "\uffee", "\U0001f600",
    b"", b"a", b"\xff", GeoPoint(1, 2), GeoPoint(1, 3), [], [1], [1, 2], ["a"], [None],
    {}, {"x": 1}, {"x": 2}, {"y": 0},
]  # fmt: skip
_SCALARS = [value for value in VALUES if not isinstance(value, list)]


@pytest.fixture(scope="module")
def memory() -> MemoryDatastore:
    return MemoryDatastore()


@pytest.fixture(scope="module")
def datastore(
    google_emulator: LocalFirestore, memory: MemoryDatastore
) -> Iterator[FirestoreDatastore]:
    project = f"ordering-{uuid.uuid4().hex[:16]}"
    client = local_client(google_emulator.host, project=project, database="(default)")
    made = FirestoreDatastore(client)
    rng = random.Random(11)
    writes = []
    for number in range(120):
        fields = {name: rng.choice(VALUES) for name in "ab" if rng.random() < 0.9}
        identity = rng.choice([f"d{number}", f"{number}", f"é{number}", f"Z{number}"])
        writes.append(Write("set", f"things/{identity}", fields))
    made.commit(writes)
    memory.commit(writes)
    yield made
    client.close()


def _random_query(rng: random.Random, datastore: FirestoreDatastore) -> Any:
    query = QUERY()
    query.from_.add(collection_id="things", all_descendants=rng.random() < 0.1)
    if rng.random() < 0.7:
        parts = [_random_filter(rng, datastore) for _ in range(rng.randint(1, 2))]
        if len(parts) == 1:
            query.where.CopyFrom(parts[0])
        else:
            query.where.composite_filter.op = rng.choice(
                [QUERY.CompositeFilter.AND, QUERY.CompositeFilter.OR]
            )
            query.where.composite_filter.filters.extend(parts)
    for field in rng.sample(["a", "b", "__name__"], rng.randint(0, 2)):
        query.order_by.add(
            direction=rng.choice([QUERY.ASCENDING, QUERY.DESCENDING])
        ).field.field_path = field
        if field == "__name__":
            break
    if rng.random() < 0.2:
        query.limit.value = rng.randint(1, 20)
        query.offset = rng.randint(0, 3)
    if query.order_by and query.order_by[0].field.field_path != "__name__" and rng.random() < 0.3:
        cursor = rng.choice([query.start_at, query.end_at])
        cursor.values.append(datastore.codec.encode_value(rng.choice(_SCALARS)))
        cursor.before = rng.random() < 0.5
    return query


def _random_filter(rng: random.Random, datastore: FirestoreDatastore) -> Any:
    found = QUERY.Filter()
    if rng.random() < 0.15:
        found.unary_filter.op = rng.choice([2, 3, 4, 5])
        found.unary_filter.field.field_path = rng.choice("ab")
        return found
    part = found.field_filter
    part.field.field_path = rng.choice("ab")
    part.op = rng.choice(list(FIELDS.Operator.values())[1:])
    if part.op in (FIELDS.IN, FIELDS.NOT_IN, FIELDS.ARRAY_CONTAINS_ANY):
        operand: Any = rng.sample(_SCALARS, 3)
    else:
        operand = rng.choice(VALUES)
    part.value.CopyFrom(datastore.codec.encode_value(operand))
    return found


def _is_plain(query: Any) -> bool:
    """Leave out what the client never sends: null and NaN are compared by unary filters."""
    text = str(query.where)
    return "null_value" not in text and "nan" not in text


def test_results_and_their_order_agree_with_the_emulators(
    datastore: FirestoreDatastore, memory: MemoryDatastore
) -> None:
    rng = random.Random(5)
    compared = found = 0
    while compared < ROUNDS:
        query = _random_query(rng, datastore)
        target = _target(query)
        try:
            theirs = [snapshot.path for snapshot in datastore.run_query(target)]
        except QueryError:
            continue
        if not _is_plain(query):
            continue
        compared += 1
        found += len(theirs)
        assert [snapshot.path for snapshot in memory.run_query(target)] == theirs, query
        shuffled = list(datastore.run_query(target))
        rng.shuffle(shuffled)
        assert [s.path for s in ResultSorter(target).sort(shuffled)] == theirs, query
    assert found > 10 * ROUNDS


def _target(query: Any) -> QueryTarget:
    return QueryTarget("", query.SerializeToString())
