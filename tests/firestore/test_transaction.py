"""Transactions on a real Firestore: exact under contention, in both forms."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from flask_boiler import (
    Attr,
    Boiler,
    DomainModel,
    Transaction,
    current_context,
    execute_transaction,
    run_transaction,
    transaction,
)
from flask_boiler.errors import ConflictError, DocumentNotFoundError
from flask_boiler.ground.values import Precondition, Write
from flask_boiler.transactions.running import current_transaction

pytestmark = pytest.mark.usefixtures("boiler")


class Account(DomainModel):
    owner: Attr[str]
    balance: Attr[int]

    class Meta:
        collection_name = "accounts"


def open_accounts(*balances: int) -> None:
    for number, balance in enumerate(balances):
        Account.new(doc_id=f"a{number}", owner=f"o{number}", balance=balance).save()


def balances() -> list[int]:
    return [account.balance for account in Account.all()]


def rival(act: Callable[[], object]) -> None:
    """Do it outside of the transaction that is in force here."""
    failures: list[BaseException] = []
    context = current_context()

    def run() -> None:
        try:
            with context.activated():
                act()
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]


def in_threads(count: int, act: Callable[[int], object]) -> None:
    failures: list[BaseException] = []
    context = current_context()

    def run(number: int) -> None:
        try:
            with context.activated():
                act(number)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def set_balance(doc_id: str, balance: int) -> None:
    account = Account.get_or_raise(doc_id)
    account.balance = balance
    account.save()


def test_a_transfer() -> None:
    open_accounts(100, 0)

    @run_transaction
    def transfer(source: str, target: str, amount: int) -> Account:
        one, other = Account.get_or_raise(source), Account.get_or_raise(target)
        one.balance -= amount
        other.balance += amount
        one.save()
        other.save()
        assert Account.get_or_raise(source).balance == one.balance, "its own write is seen"
        return one

    moved = transfer("a0", "a1", 30)
    assert balances() == [70, 30]
    moved.balance += 1
    moved.save()
    assert balances() == [71, 30], "the model knows its new update time"


def test_nothing_is_written_if_the_block_raises() -> None:
    open_accounts(1)
    with pytest.raises(KeyError), transaction():
        set_balance("a0", 2)
        raise KeyError
    assert balances() == [1]
    assert current_transaction() is None


def test_a_document_that_was_only_read_is_verified() -> None:
    open_accounts(1, 2)
    with pytest.raises(ConflictError), transaction():
        read = Account.get_or_raise("a0").balance
        rival(lambda: set_balance("a0", 10))
        set_balance("a1", read)
    assert balances() == [10, 2]


def test_a_document_that_was_missing_is_verified() -> None:
    open_accounts(1)
    with pytest.raises(ConflictError), transaction():
        assert Account.get("a9") is None
        rival(lambda: Account.new(doc_id="a9", owner="x", balance=9).save())
        set_balance("a0", 5)
    assert balances() == [1, 9]


def test_a_document_that_was_deleted_is_a_conflict() -> None:
    open_accounts(1)
    with pytest.raises(ConflictError), transaction():
        account = Account.get_or_raise("a0")
        rival(lambda: Account.get_or_raise("a0").delete())
        account.balance = 3
        account.save()
    assert balances() == []


def test_what_a_query_found_is_verified() -> None:
    open_accounts(1, 2, 3)
    with pytest.raises(ConflictError), transaction():
        total = sum(account.balance for account in Account.where(Account.balance > 1))
        rival(lambda: set_balance("a2", 9))
        Account.new(doc_id="total", owner="bank", balance=total).save()
    assert Account.get("total") is None


def test_reads_are_of_one_time() -> None:
    open_accounts(1, 1)
    with transaction():
        assert Account.get_or_raise("a0").balance == 1
        rival(lambda: set_balance("a0", 2))
        rival(lambda: set_balance("a1", 2))
        assert Account.get_or_raise("a1").balance == 1
        assert balances() == [1, 1]
        assert Account.all().sum("balance") == 2
    assert balances() == [2, 2]


def test_create_and_update_and_delete() -> None:
    open_accounts(1, 2)
    with transaction() as tx:
        Account.new(doc_id="a3", owner="n", balance=3).save(create=True)
        Account.get_or_raise("a0").update(balance=7)
        Account.get_or_raise("a1").delete()
        assert isinstance(tx, Transaction)
    assert balances() == [7, 3]
    with pytest.raises(ConflictError), transaction():
        Account.new(doc_id="a3", owner="n", balance=4).save(create=True)
    with pytest.raises(DocumentNotFoundError) as caught, transaction() as tx:
        tx.write(
            Write(
                "update", "accounts/none", {"balance": 1}, ("balance",), Precondition(exists=True)
            )
        )
    assert caught.value.path == "accounts/none"


@pytest.mark.parametrize("locking", [False, True])
def test_a_counter_is_exact(locking: bool) -> None:
    open_accounts(0)
    threads, times = (4, 10) if not locking else (2, 2)

    @run_transaction(max_attempts=100, locking=locking)
    def increment() -> None:
        account = Account.get_or_raise("a0")
        account.balance += 1
        account.save()

    def count(number: int) -> None:
        for _ in range(times):
            increment()

    in_threads(threads, count)
    assert balances() == [threads * times]


def test_transfers_keep_the_sum() -> None:
    open_accounts(*[100] * 6)
    torn: list[int] = []

    @run_transaction(max_attempts=100)
    def transfer(one: int, other: int) -> None:
        source, target = Account.get_or_raise(f"a{one}"), Account.get_or_raise(f"a{other}")
        source.balance -= 1
        target.balance += 1
        source.save()
        target.save()

    @run_transaction(max_attempts=100)
    def audit() -> None:
        total = sum(balances())
        Account.new(doc_id="audit", owner="bank", balance=0).save()
        current = current_transaction()
        assert current is not None
        current.on_commit("accounts/audit", lambda _: torn.append(total - 600))

    def work(number: int) -> None:
        for step in range(8):
            if number == 0:
                audit()
            else:
                transfer((number + step) % 6, (number * 2 + step + 1) % 6)

    in_threads(4, work)
    assert sum(balances()) == 600
    assert torn == [0] * 8


def test_a_locking_transaction_notices_what_a_query_would_newly_find(boiler: Boiler) -> None:
    """Google's emulator lets the writer wait instead, so the sum is right either way."""
    open_accounts(1, 2)
    begun, writing = threading.Event(), threading.Event()

    def summarize() -> None:
        @run_transaction(locking=True, max_attempts=10)
        def total() -> None:
            found = balances()
            begun.set()
            writing.wait(timeout=60)
            Account.new(doc_id="total", owner="bank", balance=sum(found)).save()

        total()

    def add() -> None:
        begun.wait(timeout=60)
        writing.set()
        Account.new(doc_id="a2", owner="x", balance=4).save()
        Account.get_or_raise("a2")

    in_threads(2, lambda number: (summarize, add)[number]())
    assert balances() in ([1, 2, 4, 3], [1, 2, 4, 7])


def test_the_boiler_offers_the_same(boiler: Boiler) -> None:
    open_accounts(1)
    with boiler.transaction() as tx:
        assert current_transaction() is tx
        set_balance("a0", 2)
    assert balances() == [2]
    assert execute_transaction(lambda: Account.all().count(), context=boiler.context) == 1


def test_writes_of_one_document_in_one_commit() -> None:
    datastore = current_context().datastore
    from google.cloud.firestore import Increment

    cases: list[tuple[list[Write], dict[str, Any] | None]] = [
        (
            [
                Write("update", "x/y", {"p": 1}, ("p",)),
                Write("update", "x/y", {"n": Increment(1)}, ("n",)),
                Write("update", "x/y", {"n": Increment(2), "q": 3}, ("n", "q")),
            ],
            {"n": 3, "p": 1, "q": 3},
        ),
        ([Write("delete", "x/y"), Write("update", "x/y", {"p": 1}, ("p",))], {"p": 1}),
        (
            [
                Write("set", "x/y", {"m": {"a": 1, "b": 1}}),
                Write("update", "x/y", {"m": {"a": 2}}, ("m.a",)),
            ],
            {"m": {"a": 2, "b": 1}},
        ),
        ([Write("set", "x/y", {"p": 1}), Write("delete", "x/y")], None),
    ]
    for writes, expected in cases:
        datastore.commit([Write("set", "x/y", {"n": 0})])
        told: list[int] = []
        with transaction() as tx:
            tx.reader.documents(["x/y"])
            for write in writes:
                tx.write(write)
            tx.on_commit("x/y", told.append)
        now = datastore.get(["x/y"])["x/y"]
        assert (now.to_dict() if now.exists else None) == expected
        assert told == [now.update_time_ns]


def test_one_document_is_one_object_however_it_is_reached() -> None:
    open_accounts(1)

    @run_transaction
    def deposit_twice() -> None:
        one = Account.get_or_raise("a0")
        [other] = Account.where(owner="o0")
        assert other is one
        one.balance += 1
        one.save()
        other.balance += 1
        other.save()

    deposit_twice()
    assert balances() == [3]
    outside = Account.get_or_raise("a0")
    written = "accounts/a0 was written in this transaction"
    with pytest.raises(ConflictError, match=written), transaction():
        Account.get_or_raise("a0").update(balance=7)
        outside.balance += 1
        outside.save()
    assert balances() == [3]
