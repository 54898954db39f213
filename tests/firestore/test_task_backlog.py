"""A long backlog of one key: what it costs to keep it in order, on the wire."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from flask_boiler import CTX, Boiler, QueryTaskMediator, Transaction
from flask_boiler.ground.values import Write
from flask_boiler.testing import Settle
from tests.firestore.ledgers import Transfer
from tests.firestore.wire import Wire

TASKS = 120
#: Of each task: what tells that it is there, its key's reading, and in its transaction itself and
#: its record. To read the whole key for each of them would be half of ``TASKS``.
READS_PER_TASK = 4


@pytest.fixture
def done() -> list[str]:
    return []


@pytest.fixture
def mediator(boiler: Boiler, done: list[str]) -> QueryTaskMediator:
    def note(task: Transfer, transaction: Transaction) -> None:
        done.append(task.doc_id)

    query = Transfer.get_query()
    return boiler.add(QueryTaskMediator(query=query, on_task=note, key="source", window=10))


@pytest.fixture
def wire(boiler: Boiler) -> Wire:
    return Wire(boiler)


def create(doc_ids: list[str]) -> None:
    """Some at the same time, as an importer does: then the path decides."""
    for start in range(0, len(doc_ids), 10):
        tasks = [
            Transfer.new(doc_id=doc_id, source="ada", target="ben", amount=1)
            for doc_id in sorted(doc_ids[start : start + 10])
        ]
        CTX.datastore.commit([Write("set", task.doc_path, task.to_dict()) for task in tasks])


def in_creation_order(doc_ids: list[str]) -> list[str]:
    tens = [sorted(doc_ids[start : start + 10]) for start in range(0, len(doc_ids), 10)]
    return [doc_id for ten in tens for doc_id in ten]


def shuffled(doc_ids: list[str]) -> list[str]:
    return random.Random(7).sample(doc_ids, len(doc_ids))


@pytest.mark.parametrize("deliver_in", [in_creation_order, shuffled, sorted])
def test_deliveries_read_each_task_a_few_times_however_many_there_are(
    wire: Wire, mediator: QueryTaskMediator, done: list[str], deliver_in: object
) -> None:
    doc_ids = shuffled([f"t{number:03}" for number in range(TASKS)])
    create(doc_ids)
    delivered = deliver_in(doc_ids)  # type: ignore[operator]
    wire.clear()
    for doc_id in delivered:
        mediator.apply(f"transfers/{doc_id}")
    assert done == in_creation_order(doc_ids)
    assert wire.documents <= READS_PER_TASK * TASKS


def test_a_worker_does_too(
    boiler: Boiler, settle: Settle, wire: Wire, mediator: QueryTaskMediator, done: list[str]
) -> None:
    # The window shows the first by path: the worst case, in which it never leads far.
    doc_ids = [f"t{number:03}" for number in range(TASKS)]
    create(doc_ids)
    wire.clear()
    with boiler:
        settle()
        assert done == doc_ids
        assert wire.documents <= READS_PER_TASK * TASKS


def test_deliveries_at_the_same_time_do_not_all_try_the_same_task(
    wire: Wire, mediator: QueryTaskMediator, done: list[str]
) -> None:
    doc_ids = [f"t{number:03}" for number in range(TASKS)]
    create(doc_ids)
    wire.clear()
    with ThreadPoolExecutor(8) as deliverers:
        list(deliverers.map(mediator.apply, [f"transfers/{doc_id}" for doc_id in doc_ids * 2]))
    assert done == doc_ids
    # A few that the server aborts are tried again; all at one would be 8 times as many.
    assert TASKS <= mediator.statistics.attempts < 1.5 * TASKS
    # Each is delivered twice, and looked for once more by whoever waited for others.
    assert wire.documents <= (READS_PER_TASK + 4) * TASKS
