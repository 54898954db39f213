"""Transactions end by themselves, and know what they have read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from flask_boiler.firestore import protocol
from flask_boiler.local.embedded.queries.executor import run
from flask_boiler.local.embedded.queries.matching import Query
from flask_boiler.local.embedded.storage.document import StoredDocument
from flask_boiler.local.embedded.storage.refusal import Refusal
from flask_boiler.local.embedded.storage.staging import Staging
from flask_boiler.local.embedded.storage.storage import Storage
from flask_boiler.local.embedded.writes.open_transactions import Transaction, Transactions
from tests.unit.local.embedded.worlds import WORLD, name_of, put

OPTIONS = protocol.TransactionOptions()
READ_ONLY = protocol.TransactionOptions(read_only={})


class Clock:
    """Seconds that a test lets pass."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def storage() -> Iterator[Storage]:
    made = Storage()
    yield made
    made.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def transactions(storage: Storage, clock: Clock) -> Transactions:
    return Transactions(storage, lifetime_s=270.0, idle_s=60.0, clock_s=clock)


def _read(storage: Storage, transaction: Transaction, path: str) -> StoredDocument | None:
    with storage.reading() as reading:
        transaction.validate(reading, storage.changed_at(WORLD))
        found = reading.document(name_of(path))
        transaction.note_document(reading, name_of(path), found)
    return found


def _ask(storage: Storage, transaction: Transaction, limit: int = 0) -> list[StoredDocument]:
    structured = protocol.StructuredQuery()
    structured.from_.add(collection_id="a")
    if limit:
        structured.limit.value = limit
    query = Query(f"{WORLD}/documents", structured)
    with storage.reading() as reading:
        found = list(run(reading, query))
        transaction.note_query(reading, query, found)
    return found


def _commit(storage: Storage, transaction: Transaction) -> None:
    def work(staging: Staging) -> None:
        transaction.validate(staging.reading(), storage.changed_at(WORLD))

    storage.commit(WORLD, work)


def _is_closed(transactions: Transactions, token: bytes) -> bool:
    with pytest.raises(Refusal, match="invalid or closed") as refused:
        transactions.use(WORLD, token)
    return refused.value.code is grpc.StatusCode.INVALID_ARGUMENT


def test_one_that_does_nothing_for_a_minute_ends(transactions: Transactions, clock: Clock) -> None:
    token = transactions.begin(WORLD, OPTIONS).token
    for _ in range(3):
        clock.now_s += 59
        transactions.use(WORLD, token)
    clock.now_s += 61
    assert _is_closed(transactions, token)


def test_one_ends_when_its_time_is_over_however_busy_it_is(
    transactions: Transactions, clock: Clock
) -> None:
    token = transactions.begin(WORLD, OPTIONS).token
    for _ in range(5):
        clock.now_s += 50
        transactions.use(WORLD, token)
    clock.now_s += 50
    assert _is_closed(transactions, token)


def test_ending_twice_is_no_error_but_ending_what_never_was_is(transactions: Transactions) -> None:
    token = transactions.begin(WORLD, OPTIONS).token
    transactions.end(token)
    transactions.end(token)
    assert _is_closed(transactions, token)
    with pytest.raises(Refusal, match=r"Invalid transaction\."):
        transactions.end(b"nothing")


def test_one_belongs_to_its_database(transactions: Transactions) -> None:
    token = transactions.begin(WORLD, OPTIONS).token
    with pytest.raises(Refusal, match="another database"):
        transactions.use("projects/p/databases/other", token)


def test_a_read_only_one_cannot_be_retried(transactions: Transactions) -> None:
    token = transactions.begin(WORLD, READ_ONLY).token
    transactions.end(token)
    retry = protocol.TransactionOptions(read_write={"retry_transaction": token})
    with pytest.raises(Refusal, match="Cannot retry a read-only transaction"):
        transactions.begin(WORLD, retry)


@pytest.mark.parametrize("change", ["a/read", "a/read again"])
def test_what_was_read_must_still_be_so(
    storage: Storage, transactions: Transactions, change: str
) -> None:
    put(storage, "a/read", n=1)
    transaction = transactions.begin(WORLD, OPTIONS)
    _read(storage, transaction, "a/read")
    _read(storage, transaction, "a/read again")
    put(storage, "b/other", n=1)
    _commit(storage, transaction)
    put(storage, change, n=2)
    with pytest.raises(Refusal, match=change) as refused:
        _commit(storage, transaction)
    assert refused.value.code is grpc.StatusCode.ABORTED


def test_a_read_that_would_not_fit_the_earlier_ones_is_refused(
    storage: Storage, transactions: Transactions
) -> None:
    transaction = transactions.begin(WORLD, OPTIONS)
    _read(storage, transaction, "a/x")
    put(storage, "a/x", n=1)
    with pytest.raises(Refusal, match="a/x was changed"):
        _read(storage, transaction, "a/y")


@pytest.mark.parametrize(
    ("limit", "change", "is_conflict"),
    [(0, "a/m", True), (0, "b/m", False), (1, "a/a", True), (1, "a/z", False)],
)
def test_the_result_of_a_query_must_still_be_so(
    storage: Storage, transactions: Transactions, limit: int, change: str, is_conflict: bool
) -> None:
    put(storage, "a/k", n=1)
    transaction = transactions.begin(WORLD, OPTIONS)
    assert len(_ask(storage, transaction, limit)) == 1
    put(storage, change, n=1)
    if is_conflict:
        with pytest.raises(Refusal, match="the result of a query"):
            _commit(storage, transaction)
    else:
        _commit(storage, transaction)


def test_two_that_wait_together_are_checked_against_each_other(
    storage: Storage, transactions: Transactions
) -> None:
    """Also when both are committed by one synchronization of the disk."""
    both = [transactions.begin(WORLD, OPTIONS) for _ in range(2)]
    for transaction in both:
        _read(storage, transaction, "a/x")
    outcomes: list[Any] = []

    def work(staging: Staging, transaction: Transaction) -> None:
        transaction.validate(staging.reading(), storage.changed_at(WORLD))
        made = protocol.Document(name=name_of("a/x"))
        made.fields["n"].integer_value = len(outcomes)
        staging.put(made)

    for transaction in both:
        try:
            storage.commit(WORLD, lambda staging, t=transaction: work(staging, t))  # type: ignore[misc]
            outcomes.append("committed")
        except Refusal as refusal:
            outcomes.append(refusal.code)
    assert outcomes == ["committed", grpc.StatusCode.ABORTED]
