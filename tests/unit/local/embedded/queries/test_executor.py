"""Queries answered from the index give what looking at every document gives."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from flask_boiler.firestore import protocol
from flask_boiler.local.embedded.queries import planner
from flask_boiler.local.embedded.queries.aggregates import aggregations
from flask_boiler.local.embedded.queries.executor import aggregate, run
from flask_boiler.local.embedded.queries.matching import Query
from flask_boiler.local.embedded.queries.validation import check_query
from flask_boiler.local.embedded.storage.document import StoredDocument
from flask_boiler.local.embedded.storage.reading import Reading
from flask_boiler.local.embedded.storage.refusal import Refusal
from flask_boiler.local.embedded.storage.storage import Storage
from tests.unit.local.embedded.worlds import WORLD, delete, document, name_of, put_all, value

QUERY = protocol.StructuredQuery
FIELD = QUERY.FieldFilter
ROUNDS = 1500

SCALARS: list[Any] = [None, False, True, float("nan"), -1, 0, 0.5, 1, 1.0, 2, "", "a", "b", b"x"]
VALUES: list[Any] = [*SCALARS, [], [1], [1, 2], ["a", None], {}, {"x": 1}, {"x": 2, "y": 0}]
COLLECTIONS = ["t", "t/p/t", "t/q/t", "u/p/t", "u"]
IDS = ["a", "b", "c", "p", "q", "é", "Z", "1", "aa"]


def _random_documents(rng: random.Random) -> dict[str, dict[str, Any]]:
    return {
        f"{rng.choice(COLLECTIONS)}/{rng.choice(IDS)}": {
            name: rng.choice(VALUES) for name in "xy" if rng.random() < 0.9
        }
        for _ in range(12)
    }


@pytest.fixture(scope="module")
def history() -> Iterator[tuple[Storage, list[tuple[int, dict[str, Any]]]]]:
    """A storage, and what was in it at some times, the last of which is the newest."""
    storage = Storage()
    rng = random.Random(3)
    present: dict[str, Any] = {}
    states = []
    for _ in range(8):
        made = _random_documents(rng)
        put_all(storage, made)
        present |= {name_of(path): document(path, **fields) for path, fields in made.items()}
        for name in rng.sample(sorted(present), 3):
            delete(storage, name.removeprefix(name_of("")))
            del present[name]
        states.append((storage.read_time(), dict(present)))
    yield storage, states
    storage.close()


def _random_query(rng: random.Random) -> tuple[str, Any]:
    query = QUERY()
    source = query.from_.add(all_descendants=rng.random() < 0.4)
    if rng.random() < 0.93:
        source.collection_id = rng.choice("ttu")
    parent = rng.choice(["", "", "", "t/p", "u/p"])
    parts = [_random_filter(rng) for _ in range(rng.choice([0, 1, 1, 2, 3]))]
    if len(parts) > 1:
        composite = query.where.composite_filter
        composite.op = rng.choice([QUERY.CompositeFilter.AND, QUERY.CompositeFilter.OR])
        composite.filters.extend(parts)
    elif parts:
        query.where.CopyFrom(parts[0])
    for name in rng.sample(["x", "y", "__name__"], rng.randint(0, 3)):
        order = query.order_by.add(direction=rng.choice([QUERY.ASCENDING, QUERY.DESCENDING]))
        order.field.field_path = name
        if name == "__name__":
            break
    for cursor in (query.start_at, query.end_at):
        if query.order_by and rng.random() < 0.3:
            _fill_cursor(rng, query, cursor)
    if rng.random() < 0.3:
        query.limit.value = rng.randint(0, 5)
    if rng.random() < 0.2:
        query.offset = rng.randint(0, 4)
    return name_of(parent) if parent else f"{WORLD}/documents", query


def _fill_cursor(rng: random.Random, query: Any, cursor: Any) -> None:
    cursor.before = rng.random() < 0.5
    for order in query.order_by[: rng.randint(1, 3)]:
        if order.field.field_path == "__name__":
            cursor.values.add().reference_value = _random_name(rng)
        else:
            cursor.values.append(value(rng.choice(VALUES)))


def _random_name(rng: random.Random) -> str:
    return name_of(f"{rng.choice([*COLLECTIONS, 'a', 'z'])}/{rng.choice(IDS)}")


def _random_filter(rng: random.Random) -> Any:
    made = QUERY.Filter()
    if rng.random() < 0.15:
        made.unary_filter.op = rng.choice([2, 3, 4, 5])
        made.unary_filter.field.field_path = rng.choice("xy")
        return made
    part = made.field_filter
    part.field.field_path = rng.choice(["x", "x", "y", "y", "x.x", "__name__"])
    part.op = rng.choice(FIELD.Operator.values()[1:])
    many = part.op in (FIELD.IN, FIELD.NOT_IN, FIELD.ARRAY_CONTAINS_ANY)
    for _ in range(rng.randint(1, 3) if many else 1):
        operand = part.value.array_value.values.add() if many else part.value
        if part.field.field_path == "__name__":
            operand.reference_value = _random_name(rng)
        else:
            operand.CopyFrom(value(rng.choice(SCALARS if many else VALUES)))
    return made


def _by_looking_at_all(query: Query, present: dict[str, Any]) -> list[str]:
    found = sorted(filter(query.matches_message, present.values()), key=query.sort_key)
    end = None if query.limit is None else query.offset + query.limit
    return [message.name for message in found[query.offset : end]]


@pytest.mark.parametrize("few", [planner.FEW, 0])
def test_any_query_at_any_time_finds_what_there_was(
    history: tuple[Storage, list[tuple[int, dict[str, Any]]]],
    few: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whether an equality finds few documents, and they are sorted, or many, and they are not."""
    monkeypatch.setattr(planner, "FEW", few)
    storage, states = history
    rng = random.Random(9)
    valid = found = 0
    while valid < ROUNDS:
        parent, structured = _random_query(rng)
        try:
            check_query(structured)
        except Refusal:
            continue
        valid += 1
        query = Query(parent, structured)
        at, present = rng.choice([*states, (None, states[-1][1])])
        with storage.reading(at) as reading:
            names = [stored.name for stored in run(reading, query)]
        assert names == _by_looking_at_all(query, present), (parent, structured, at)
        found += len(names)
    assert found > ROUNDS


def test_counting_agrees_with_reading(
    history: tuple[Storage, list[tuple[int, dict[str, Any]]]],
) -> None:
    storage, states = history
    rng = random.Random(10)
    valid = 0
    while valid < ROUNDS // 3:
        parent, structured = _random_query(rng)
        try:
            check_query(structured)
        except Refusal:
            continue
        valid += 1
        query = Query(parent, structured)
        up_to = rng.choice([None, 0, 2])
        asked = protocol.StructuredAggregationQuery.Aggregation()
        asked.count.SetInParent()
        if up_to is not None:
            asked.count.up_to.value = up_to
        with storage.reading(rng.choice([None, states[-1][0]])) as reading:
            (counted,) = aggregate(reading, query, aggregations([asked]))
        expected = len(_by_looking_at_all(query, states[-1][1]))
        assert counted.integer_value == (expected if up_to is None else min(up_to, expected)), (
            structured
        )


# The plan: what a query costs, in steps of SQLite's machine, is bounded by what it returns.

MANY = 20_000
#: Reading an entry and its document takes some 30 steps.
AFFORDABLE_STEPS = 3000
#: Choosing between two ways counts up to a thousand entries of each.
CHOOSING_STEPS = 20_000


@pytest.fixture(scope="module")
def large() -> Iterator[Storage]:
    storage = Storage()
    for start in range(0, MANY, 5000):
        put_all(
            storage,
            {
                f"many/{n:06}": {"n": n, "even": n % 2 == 0, "third": n % 3, "tags": [n % 5]}
                for n in range(start, start + 5000)
            },
        )
    put_all(storage, {f"many/{n:06}/many/x": {"n": n} for n in range(100)})
    yield storage
    storage.close()


class Steps:
    """Counts steps of SQLite's machine while a query runs."""

    def __init__(self, reading: Reading) -> None:
        self._connection = reading.connection
        self.count = 0

    def __enter__(self) -> Steps:
        self._connection.set_progress_handler(self._add, 10)
        return self

    def _add(self) -> int:
        self.count += 10
        return 0

    def __exit__(self, *_: object) -> None:
        self._connection.set_progress_handler(None, 10)


def _field(name: str, op: int, plain: Any) -> Any:
    made = QUERY.Filter()
    made.field_filter.op = op
    made.field_filter.field.field_path = name
    made.field_filter.value.CopyFrom(value(plain))
    return made


def _query(
    *filters: Any, orders: tuple[str, ...] = (), limit: int = 10, group: bool = False, **rest: Any
) -> Any:
    query = QUERY(**rest)
    query.from_.add(collection_id="many", all_descendants=group)
    if len(filters) > 1:
        query.where.composite_filter.op = QUERY.CompositeFilter.AND
        query.where.composite_filter.filters.extend(filters)
    elif filters:
        query.where.CopyFrom(filters[0])
    for order in orders:
        direction = QUERY.DESCENDING if order.startswith("-") else QUERY.ASCENDING
        query.order_by.add(direction=direction).field.field_path = order.lstrip("-")
    if limit:
        query.limit.value = limit
    return query


_AFTER = protocol.Cursor(values=[value(15_000)], before=False)
_NAME_AFTER = protocol.Cursor(
    values=[protocol.Value(reference_value=name_of("many/015000"))], before=False
)

CHEAP = {
    "the first by name": _query(),
    "the last by name": _query(orders=("-__name__",)),
    "equal": _query(_field("n", FIELD.EQUAL, 7)),
    "equal to many": _query(_field("third", FIELD.EQUAL, 1)),
    "one of several": _query(_field("n", FIELD.IN, [3, 19_000, 5])),
    "greater": _query(_field("n", FIELD.GREATER_THAN, 15_000)),
    "greater, without a limit": _query(_field("n", FIELD.GREATER_THAN, MANY - 8), limit=0),
    "unequal": _query(_field("n", FIELD.NOT_EQUAL, 0)),
    "unequal to most": _query(_field("third", FIELD.NOT_EQUAL, 0), orders=("-third",)),
    "none of these": _query(_field("n", FIELD.NOT_IN, [0, 1, 2])),
    "the greatest": _query(orders=("-n",)),
    "a page in the middle": _query(orders=("n",), start_at=_AFTER),
    "a page in the middle, backwards": _query(orders=("-n",), start_at=_AFTER),
    "a page by name": _query(orders=("__name__",), start_at=_NAME_AFTER),
    "an element": _query(_field("tags", FIELD.ARRAY_CONTAINS, 3)),
    "any of some elements": _query(_field("tags", FIELD.ARRAY_CONTAINS_ANY, [3, 4])),
    "two equalities": _query(_field("even", FIELD.EQUAL, True), _field("third", FIELD.EQUAL, 0)),
    "an equality, in another order": _query(_field("even", FIELD.EQUAL, True), orders=("-n",)),
    "an equality and a range": _query(
        _field("even", FIELD.EQUAL, True), _field("n", FIELD.GREATER_THAN, 15_000)
    ),
    "a rare equality, in another order": _query(_field("n", FIELD.EQUAL, 7), orders=("-third",)),
    "two criteria": _query(orders=("n", "-third")),
    "a group by name": _query(group=True),
    "a group": _query(_field("n", FIELD.LESS_THAN, 3), group=True),
    "a group in order": _query(orders=("-n",), group=True),
    "a group below a document": _query(group=True),
}


#: Where there are two ways.
CHOICES = {
    "two equalities",
    "an equality, in another order",
    "an equality and a range",
    "a rare equality, in another order",
}


@pytest.mark.parametrize("which", CHEAP)
def test_a_query_costs_what_it_returns(large: Storage, which: str) -> None:
    below = name_of("many/000007") if which.endswith("below a document") else f"{WORLD}/documents"
    query = Query(below, CHEAP[which])
    with large.reading() as reading, Steps(reading) as steps:
        found = list(run(reading, query))
    assert 0 < len(found) <= 10
    affordable = AFFORDABLE_STEPS + (CHOOSING_STEPS if which in CHOICES else 0)
    assert steps.count < affordable, which


def test_counting_reads_no_documents(large: Storage) -> None:
    asked = protocol.StructuredAggregationQuery.Aggregation()
    asked.count.SetInParent()
    query = Query(f"{WORLD}/documents", _query(_field("third", FIELD.EQUAL, 1), limit=0))
    with large.reading() as reading, Steps(reading) as steps:
        (counted,) = aggregate(reading, query, aggregations([asked]))
    assert counted.integer_value == len(range(1, MANY, 3))
    assert steps.count < 10 * counted.integer_value


@pytest.mark.parametrize("which", ["the greatest", "an equality, in another order"])
def test_a_result_is_not_decoded(large: Storage, which: str) -> None:
    query = Query(f"{WORLD}/documents", CHEAP[which])
    with large.reading() as reading:
        found = list(run(reading, query))
    assert all(stored._message is None for stored in found)
    assert isinstance(found[0], StoredDocument)
