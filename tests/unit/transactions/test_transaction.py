"""Transactions: what they verify, what they write, and what they do when things go wrong."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from google.cloud.firestore import DELETE_FIELD, Increment

from flask_boiler.context.context import ApplicationContext, current_context
from flask_boiler.errors import (
    ConflictError,
    DatastoreError,
    DocumentNotFoundError,
    QueryError,
    UnavailableError,
)
from flask_boiler.firestore.query_compiler import compile_query
from flask_boiler.ground.readers import current_reader
from flask_boiler.ground.values import (
    CommitResult,
    FieldFilter,
    Precondition,
    QuerySpec,
    QueryTarget,
    Snapshot,
    Write,
)
from flask_boiler.operate.testing.memory_datastore import MemoryDatastore, answer_lost, request_lost
from flask_boiler.transactions import running
from flask_boiler.transactions.pending import ServerComputedError
from flask_boiler.transactions.running import (
    current_transaction,
    execute_transaction,
    joined_transaction,
    run_transaction,
    transaction,
)
from flask_boiler.transactions.transaction import Transaction
from tests.unit.memory import memory_context


@pytest.fixture
def context() -> Iterator[ApplicationContext]:
    made, _ = memory_context()
    with made.activated():
        yield made


@pytest.fixture
def datastore(context: ApplicationContext) -> MemoryDatastore:
    found: Any = context.datastore
    assert isinstance(found, MemoryDatastore)
    return found


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    pauses: list[float] = []
    monkeypatch.setattr(running, "_pause", pauses.append)
    return pauses


def read(tx: Transaction, path: str) -> Snapshot:
    return tx.reader.documents([path])[path]


def put(tx: Transaction, path: str, **fields: Any) -> None:
    tx.write(Write("set", path, fields))


def change(tx: Transaction, path: str, **fields: Any) -> None:
    tx.write(Write("update", path, fields, tuple(fields)))


def query(datastore: MemoryDatastore, collection: str = "a", **parts: Any) -> QueryTarget:
    return compile_query(QuerySpec(collection, **parts), datastore.codec)


class TestCommit:
    def test_everything_is_one_commit(self, datastore: MemoryDatastore) -> None:
        with transaction() as tx:
            put(tx, "a/x", v=1)
            put(tx, "b/y", v=2)
            assert datastore.commits == []
        assert len(datastore.commits) == 1
        assert datastore.fields("a/x") == {"v": 1}
        assert datastore.fields("b/y") == {"v": 2}

    def test_what_was_read_is_held_to_its_version(self, datastore: MemoryDatastore) -> None:
        version = datastore.put("a/x", v=1).update_time_ns
        with transaction() as tx:
            value = read(tx, "a/x").get("v")
            read(tx, "a/missing")
            read(tx, "a/only-read-and-missing")
            put(tx, "a/x", v=value + 1)
            put(tx, "a/missing", v=0)
            put(tx, "a/blind", v=0)
        assert {write.path: (write.kind, write.precondition) for write in datastore.commits[0]} == {
            "a/x": ("set", Precondition(update_time_ns=version)),
            "a/missing": ("set", Precondition(exists=False)),
            "a/blind": ("set", None),
            "a/only-read-and-missing": ("verify", Precondition(exists=False)),
        }

    def test_what_was_only_read_is_verified(self, datastore: MemoryDatastore) -> None:
        datastore.put("a/rate", v=1)
        with pytest.raises(ConflictError), transaction() as tx:
            rate = read(tx, "a/rate").get("v")
            datastore.put("a/rate", v=2)
            put(tx, "a/price", v=rate * 100)
        assert not datastore.exists("a/price")

    def test_what_a_query_found_is_verified(self, datastore: MemoryDatastore) -> None:
        datastore.put("a/x", v=1)
        datastore.put("a/y", v=2)
        with pytest.raises(ConflictError), transaction() as tx:
            total = sum(found.get("v") for found in tx.reader.query(query(datastore)))
            datastore.put("a/y", v=3)
            put(tx, "b/total", v=total)

    def test_a_document_that_is_gone_is_a_conflict(self, datastore: MemoryDatastore) -> None:
        datastore.put("a/x", v=1)
        with pytest.raises(ConflictError), transaction() as tx:
            read(tx, "a/x")
            datastore.drop("a/x")
            change(tx, "a/x", v=2)

    def test_nothing_written_is_nothing_sent(self, datastore: MemoryDatastore) -> None:
        datastore.put("a/x", v=1)
        with transaction() as tx:
            read(tx, "a/x")
        with transaction():
            pass
        assert datastore.commits == []
        assert len(datastore.begun) == 1, "only what reads begins a transaction"

    def test_an_exception_writes_nothing(self, datastore: MemoryDatastore) -> None:
        with pytest.raises(KeyError), transaction() as tx:
            put(tx, "a/x", v=1)
            raise KeyError
        assert datastore.commits == []

    def test_callbacks_get_the_update_times(self, datastore: MemoryDatastore) -> None:
        told: list[tuple[str, int]] = []
        datastore.put("a/z", v=1)
        with transaction() as tx:
            read(tx, "a/z")
            tx.write(Write("set", "a/x", {"v": 1}), lambda time_ns: told.append(("x", time_ns)))
            change(tx, "a/y", v=Increment(1))
            change(tx, "a/y", v=Increment(1))
            tx.on_commit("a/y", lambda time_ns: told.append(("y", time_ns)))
            tx.on_commit("a/z", lambda time_ns: told.append(("z", time_ns)))
            assert told == []
        now = datastore.get(["a/x", "a/y"])
        assert told == [("x", now["a/x"].update_time_ns), ("y", now["a/y"].update_time_ns)]

    def test_no_callback_without_a_commit(self, datastore: MemoryDatastore) -> None:
        datastore.put("a/x", v=1)
        with pytest.raises(ConflictError), transaction() as tx:
            read(tx, "a/x")
            datastore.put("a/x", v=2)
            tx.write(Write("delete", "a/x"), lambda _: pytest.fail("not committed"))

    def test_it_cannot_be_used_afterwards(self, datastore: MemoryDatastore) -> None:
        with transaction() as tx:
            pass
        for use in (
            lambda: read(tx, "a/x"),
            lambda: put(tx, "a/x"),
            lambda: tx.on_commit("a/x", print),
            tx.commit,
        ):
            with pytest.raises(DatastoreError, match="this transaction was committed"):
                use()
        with pytest.raises(KeyError), transaction() as tx:
            raise KeyError
        with pytest.raises(DatastoreError, match="was given up"):
            put(tx, "a/x")


class TestReading:
    def test_all_reads_are_of_one_time(self, datastore: MemoryDatastore) -> None:
        datastore.put("a/x", v=1)
        datastore.put("a/y", v=1)
        with transaction() as tx:
            assert read(tx, "a/x").get("v") == 1
            datastore.put("a/x", v=2)
            datastore.put("a/y", v=2)
            datastore.put("a/z", v=2)
            assert read(tx, "a/y").get("v") == 1
            assert [found.get("v") for found in tx.reader.query(query(datastore))] == [1, 1]
            assert read(tx, "a/x").get("v") == 1
            counted = tx.reader.aggregate(query(datastore), {"n": ("count", None)})
            assert counted == {"n": 2}
        assert len(datastore.begun) == 1

    def test_a_document_is_read_once(self, datastore: MemoryDatastore) -> None:
        datastore.put("a/x", v=1)
        with transaction() as tx:
            tx.reader.query(query(datastore))
            read(tx, "a/x")
            tx.reader.documents(["a/x", "a/y"])
            tx.reader.documents(["a/y", "a/x"])
        assert datastore.reads == ["a/y"]

    def test_what_was_written_is_seen(self, datastore: MemoryDatastore) -> None:
        version = datastore.put("a/x", v=1, kept={"deep": 1, "gone": 2}).update_time_ns
        datastore.put("a/z", v=1)
        with transaction() as tx:
            change(tx, "a/x", v=2)
            tx.write(Write("update", "a/x", {"kept": {"deep": 3}}, ("kept.deep", "kept.gone")))
            put(tx, "a/new", v=5)
            tx.write(Write("delete", "a/z"))
            seen = tx.reader.documents(["a/x", "a/new", "a/z"])
            assert seen["a/x"].fields == {"v": 2, "kept": {"deep": 3}}
            assert seen["a/x"].update_time_ns == version
            assert seen["a/new"].fields == {"v": 5}
            assert not seen["a/z"].exists
        assert datastore.reads == ["a/x"], "nothing is read that will not be left of"
        assert datastore.fields("a/x") == {"v": 2, "kept": {"deep": 3}}

    def test_what_the_server_computes_cannot_be_seen(self, datastore: MemoryDatastore) -> None:
        with transaction() as tx:
            change(tx, "a/x", v=Increment(1))
            with pytest.raises(ServerComputedError, match="a/x: v is computed by the server"):
                read(tx, "a/x")
            put(tx, "a/x", v=3)
            assert read(tx, "a/x").get("v") == 3

    def test_a_query_cannot_follow_a_write_that_it_may_find(
        self, datastore: MemoryDatastore
    ) -> None:
        with transaction() as tx:
            put(tx, "users/u/a/x", v=1)
            tx.reader.query(query(datastore))
            tx.reader.query(query(datastore, parent="users/w"))
            tx.reader.query(query(datastore, parent="users/w", all_descendants=True))
            for blind in (
                query(datastore, parent="users/u", where=FieldFilter("v", "==", 7)),
                query(datastore, all_descendants=True),
                query(datastore, parent="users/u", all_descendants=True),
            ):
                with pytest.raises(QueryError, match="after users/u/a/x was written"):
                    tx.reader.query(blind)
                with pytest.raises(QueryError, match="after users/u/a/x was written"):
                    tx.reader.aggregate(blind, {"n": ("count", None)})


class TestPreconditions:
    def test_the_writes_own_hold(self, datastore: MemoryDatastore) -> None:
        version = datastore.put("a/x", v=1).update_time_ns
        with transaction() as tx:
            held = Precondition(update_time_ns=version)
            tx.write(Write("update", "a/x", {"v": 2}, ("v",), held))
        datastore.put("a/x", v=3)
        with pytest.raises(ConflictError), transaction() as tx:
            tx.write(Write("update", "a/x", {"v": 4}, ("v",), held))
        assert datastore.fields("a/x") == {"v": 3}

    def test_one_that_cannot_hold_is_refused_at_once(self, datastore: MemoryDatastore) -> None:
        datastore.put("a/x", v=1)
        with transaction() as tx:
            tx.reader.documents(["a/x", "a/none"])
            with pytest.raises(ConflictError, match="load it inside the transaction"):
                tx.write(Write("delete", "a/x", precondition=Precondition(update_time_ns=5000)))
            with pytest.raises(ConflictError, match="must not exist yet"):
                tx.write(Write("set", "a/x", {}, precondition=Precondition(exists=False)))
            with pytest.raises(DocumentNotFoundError, match="a/none"):
                tx.write(Write("delete", "a/none", precondition=Precondition(exists=True)))

    def test_what_was_written_before_counts(self, datastore: MemoryDatastore) -> None:
        must_be, must_not_be = Precondition(exists=True), Precondition(exists=False)
        with transaction() as tx:
            tx.write(Write("set", "a/x", {"v": 1}, precondition=must_not_be))
            tx.write(Write("update", "a/x", {"w": 2}, ("w",), must_be))
            with pytest.raises(ConflictError):
                tx.write(Write("set", "a/x", {}, precondition=must_not_be))
            tx.write(Write("delete", "a/y"))
            with pytest.raises(DocumentNotFoundError):
                tx.write(Write("update", "a/y", {"v": 1}, ("v",), must_be))
            tx.write(Write("set", "a/y", {"v": 3}, precondition=must_not_be))
        assert datastore.fields("a/x") == {"v": 1, "w": 2}
        assert datastore.fields("a/y") == {"v": 3}
        assert datastore.commits[0][0].precondition == must_not_be

    def test_a_second_write_of_a_loaded_document(self, datastore: MemoryDatastore) -> None:
        held = Precondition(update_time_ns=datastore.put("a/x", v=1).update_time_ns)
        with transaction() as tx:
            tx.write(Write("update", "a/x", {"v": 2}, ("v",), held))
            tx.write(Write("update", "a/x", {"v": 3}, ("v",), held))
        (written,) = datastore.commits[0]
        assert written.precondition == held
        assert datastore.fields("a/x") == {"v": 3}

    def test_a_document_seen_only_as_written_can_be_written_again(
        self, datastore: MemoryDatastore
    ) -> None:
        datastore.put("a/x", v=1)
        with transaction() as tx:
            put(tx, "a/x", v=2)
            seen = Precondition(update_time_ns=read(tx, "a/x").update_time_ns)
            tx.write(Write("update", "a/x", {"w": 3}, ("w",), seen))
        assert datastore.fields("a/x") == {"v": 2, "w": 3}

    def test_a_missing_document_that_nobody_read_is_named(self, datastore: MemoryDatastore) -> None:
        datastore.put("a/x", v=1)
        with pytest.raises(DocumentNotFoundError) as caught, transaction() as tx:
            must_be = Precondition(exists=True)
            tx.write(Write("update", "a/x", {"v": 2}, ("v",), must_be))
            tx.write(Write("update", "a/gone", {"v": 2}, ("v",), must_be))
        assert caught.value.path == "a/gone"

    def test_something_may_be_verified_by_hand(self, datastore: MemoryDatastore) -> None:
        held = Precondition(update_time_ns=datastore.put("a/x", v=1).update_time_ns)
        with transaction() as tx:
            tx.write(Write("verify", "a/x", precondition=held))
            put(tx, "a/y", v=1)
        datastore.put("a/x", v=2)
        with pytest.raises(ConflictError), transaction() as tx:
            tx.write(Write("verify", "a/x", precondition=held))
            tx.write(Write("update", "a/x", {"w": 1}, ("w",)))
        with pytest.raises(ValueError, match="give a precondition"), transaction() as tx:
            tx.write(Write("verify", "a/x"))


JOINS: dict[str, tuple[list[Write], int, dict[str, Any] | None]] = {
    "set, set": ([Write("set", "a/x", {"p": 1}), Write("set", "a/x", {"q": 2})], 1, {"q": 2}),
    "set, update": (
        [Write("set", "a/x", {"p": 1, "q": 1}), Write("update", "a/x", {"q": 2}, ("q", "p"))],
        1,
        {"q": 2},
    ),
    "update, update": (
        [
            Write("update", "a/x", {"p": 1, "q": 1}, ("p", "q")),
            Write("update", "a/x", {"r": 3}, ("r", "q")),
        ],
        1,
        {"old": 0, "p": 1, "r": 3},
    ),
    "update, set": (
        [Write("update", "a/x", {"p": 1}, ("p",)), Write("set", "a/x", {"q": 2})],
        1,
        {"q": 2},
    ),
    "set, delete": ([Write("set", "a/x", {"p": 1}), Write("delete", "a/x")], 1, None),
    "delete, set": ([Write("delete", "a/x"), Write("set", "a/x", {"p": 1})], 1, {"p": 1}),
    "delete, update": (
        [Write("delete", "a/x"), Write("update", "a/x", {"p": 1}, ("p",))],
        1,
        {"p": 1},
    ),
    "transforms are added up": (
        [
            Write("update", "a/x", {"old": Increment(1)}, ("old",)),
            Write("update", "a/x", {"old": Increment(2)}, ("old",)),
        ],
        2,
        {"old": 3},
    ),
    "a field is deleted": (
        [
            Write("update", "a/x", {"p": 1}, ("p",)),
            Write("update", "a/x", {"old": DELETE_FIELD}, ("old",)),
        ],
        2,
        {"p": 1},
    ),
    "nested fields": (
        [
            Write("set", "a/x", {"m": {"p": 1, "q": 1}}),
            Write("update", "a/x", {"m": {"p": 2}}, ("m.p",)),
        ],
        2,
        {"m": {"p": 2, "q": 1}},
    ),
}


@pytest.mark.parametrize("case", JOINS)
def test_writes_of_one_document_join(case: str, datastore: MemoryDatastore) -> None:
    writes, expected_count, expected = JOINS[case]
    held = Precondition(update_time_ns=datastore.put("a/x", old=0).update_time_ns)
    with transaction() as tx:
        read(tx, "a/x")
        for write in writes:
            tx.write(write)
        with contextlib.suppress(ServerComputedError):
            seen = read(tx, "a/x")
            assert (dict(seen.fields) if seen.exists else None) == expected
    stored = datastore.documents.get("a/x")
    assert (None if stored is None else stored.to_dict()) == expected
    assert [write.precondition for write in datastore.commits[0]] == [
        held,
        *[None] * (expected_count - 1),
    ]


def test_joining_leaves_the_callers_values_alone(datastore: MemoryDatastore) -> None:
    fields = {"p": [1]}
    with transaction() as tx:
        tx.write(Write("set", "a/x", fields))
        change(tx, "a/x", q=2)
    assert fields == {"p": [1]}


class TestRetries:
    def test_a_conflict_runs_the_function_again(
        self, datastore: MemoryDatastore, no_pause: list[float]
    ) -> None:
        datastore.put("a/x", v=0)
        rivals = iter([True, True, False])

        @run_transaction
        def increment(tx: Transaction) -> int:
            value: int = read(tx, "a/x").get("v")
            if next(rivals):
                datastore.put("a/x", v=value + 10)
            put(tx, "a/x", v=value + 1)
            return value + 1

        assert increment() == 21
        assert datastore.fields("a/x") == {"v": 21}
        assert len(no_pause) == 2

    def test_after_so_many_attempts_the_conflict_is_raised(
        self, datastore: MemoryDatastore, no_pause: list[float]
    ) -> None:
        datastore.put("a/x", v=0)
        attempts = []

        @run_transaction(max_attempts=3)
        def lose(tx: Transaction) -> None:
            attempts.append(read(tx, "a/x").get("v"))
            datastore.put("a/x", v=attempts[-1] + 1)
            put(tx, "a/x", v=-1)

        with pytest.raises(ConflictError):
            lose()
        assert attempts == [0, 1, 2]
        assert len(no_pause) == 2

    def test_pauses_grow_and_differ(self, datastore: MemoryDatastore) -> None:
        def lose() -> None:
            raise ConflictError("again")

        pauses: list[float] = []
        with pytest.raises(ConflictError):
            execute_transaction(
                lose, max_attempts=12, sleep=pauses.append, rng=random.Random(1).random
            )
        assert pauses[0] <= 0.04
        assert all(1 <= pause <= 2 for pause in pauses[-3:])
        assert len(set(pauses)) == len(pauses) == 11

    def test_other_errors_are_raised_at_once(self, datastore: MemoryDatastore) -> None:
        calls = []

        @run_transaction
        def fail() -> None:
            calls.append(1)
            raise UnavailableError("no network")

        with pytest.raises(UnavailableError):
            fail()
        assert calls == [1]

    def test_no_attempt_is_none(self, datastore: MemoryDatastore) -> None:
        with pytest.raises(ValueError, match="at least one attempt"):
            execute_transaction(lambda: None, max_attempts=0)


class TestCalling:
    @pytest.mark.parametrize(
        "function",
        [
            lambda tx: tx,
            lambda transaction: transaction,
            lambda anything: anything,
            lambda x=1, *, tx: tx,
            current_transaction,
            lambda unused=None: current_transaction(),
        ],
    )
    def test_the_function_may_take_the_transaction(
        self, function: Callable[..., Any], datastore: MemoryDatastore
    ) -> None:
        assert isinstance(execute_transaction(function), Transaction)

    def test_a_decorated_function_keeps_its_arguments(self, datastore: MemoryDatastore) -> None:
        @run_transaction
        def add(one: int, transaction: Transaction, *, two: int = 2) -> tuple[int, Any]:
            """Add."""
            return one + two, transaction

        total, given = add(1, two=5)
        assert total == 6
        assert isinstance(given, Transaction)
        assert (add.__name__, add.__doc__) == ("add", "Add.")

    def test_a_decorated_method(self, datastore: MemoryDatastore) -> None:
        class Counter:
            @run_transaction(max_attempts=2)
            def count(self, tx: Transaction, by: int) -> tuple[Any, int]:
                return tx, by

        given, by = Counter().count(by=3)
        assert isinstance(given, Transaction)
        assert by == 3

    def test_a_builtin_function(self, datastore: MemoryDatastore) -> None:
        assert execute_transaction(dict) == {}


class TestForce:
    def test_inside_everything_goes_through_it(self, context: ApplicationContext) -> None:
        assert current_transaction() is None
        with transaction() as tx:
            assert current_transaction() is tx
            assert current_reader() is tx.reader
            assert current_context() is context
        assert current_transaction() is None
        assert current_reader() is None

    def test_nothing_leaks_after_an_exception(self, datastore: MemoryDatastore) -> None:
        with pytest.raises(KeyError), transaction():
            raise KeyError
        assert (current_transaction(), current_reader()) == (None, None)
        datastore.put("a/x", v=1)
        with pytest.raises(ConflictError), transaction() as tx:
            read(tx, "a/x")
            datastore.drop("a/x")
            put(tx, "a/x", v=1)
        assert (current_transaction(), current_reader()) == (None, None)

    def test_callbacks_run_outside(self, datastore: MemoryDatastore) -> None:
        seen: list[Any] = []
        with transaction() as tx:
            tx.write(Write("set", "a/x", {}), lambda _: seen.append(current_transaction()))
        assert seen == [None]

    def test_another_context_may_be_given(self) -> None:
        other, datastore = memory_context()
        with transaction(context=other) as tx:
            assert current_context() is other
            put(tx, "a/x", v=1)
        assert datastore.fields("a/x") == {"v": 1}

        @run_transaction(context=other)
        def put_two(tx: Transaction) -> None:
            put(tx, "a/x", v=2)

        put_two()
        assert datastore.fields("a/x") == {"v": 2}

    def test_there_are_no_nested_ones(self, datastore: MemoryDatastore) -> None:
        with transaction():
            with (
                pytest.raises(DatastoreError, match="joined_transaction"),
                transaction(),
            ):
                pass
            with pytest.raises(DatastoreError, match="already a transaction here"):
                execute_transaction(lambda: None)

    def test_one_may_be_joined(self, datastore: MemoryDatastore) -> None:
        with transaction() as outer:
            with joined_transaction() as tx:
                assert tx is outer
                put(tx, "a/x", v=1)
            assert datastore.commits == []
        assert datastore.fields("a/x") == {"v": 1}
        with joined_transaction() as tx:
            put(tx, "a/x", v=2)
        assert datastore.fields("a/x") == {"v": 2}


class TestLocking:
    def test_reads_and_the_commit_share_the_servers_transaction(
        self, datastore: MemoryDatastore
    ) -> None:
        datastore.put("a/x", v=1)
        with transaction(locking=True) as tx:
            value = read(tx, "a/x").get("v")
            read(tx, "a/only-read")
            put(tx, "a/x", v=value + 1)
        assert datastore.commits[0] == [Write("set", "a/x", {"v": 2})]
        with pytest.raises(ConflictError, match="was changed"), transaction(locking=True) as tx:
            read(tx, "a/x")
            datastore.put("a/x", v=9)
            put(tx, "a/y", v=1)

    def test_what_a_query_would_newly_find_is_a_conflict(self, datastore: MemoryDatastore) -> None:
        with pytest.raises(ConflictError), transaction(locking=True) as tx:
            tx.reader.query(query(datastore))
            datastore.put("a/new", v=1)
            put(tx, "b/x", v=1)
        with transaction() as tx:
            tx.reader.query(query(datastore))
            datastore.put("a/newer", v=1)
            put(tx, "b/x", v=1)
        assert datastore.fields("b/x") == {"v": 1}, "the optimistic form does not notice that"

    def test_locks_are_released(self, datastore: MemoryDatastore) -> None:
        with transaction(locking=True) as tx:
            read(tx, "a/x")
        with pytest.raises(KeyError), transaction(locking=True) as tx:
            read(tx, "a/x")
            raise KeyError
        assert datastore.rolled_back == datastore.begun
        with pytest.raises(KeyError), transaction() as tx:
            read(tx, "a/x")
            raise KeyError
        assert len(datastore.rolled_back) == 2, "a read-only one holds no locks"

    def test_a_failing_release_hides_nothing(
        self, datastore: MemoryDatastore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(token: bytes) -> None:
            raise UnavailableError("no network")

        monkeypatch.setattr(datastore, "rollback", fail)
        with pytest.raises(KeyError), transaction(locking=True) as tx:
            read(tx, "a/x")
            raise KeyError


class TestLostAnswers:
    """The connection breaks while a commit is on its way."""

    def increment(self, *, locking: bool = False) -> int:
        calls = []

        @run_transaction(locking=locking)
        def increment(tx: Transaction) -> int:
            calls.append(1)
            value: int = read(tx, "a/x").get("v")
            put(tx, "a/x", v=value + 1)
            return value + 1

        result = increment()
        assert len(calls) == 1, "the function itself ran once"
        return result

    @pytest.mark.parametrize("locking", [False, True])
    def test_it_was_applied(self, locking: bool, datastore: MemoryDatastore) -> None:
        datastore.put("a/x", v=1)
        datastore.mishaps = [answer_lost]
        assert self.increment(locking=locking) == 2
        assert datastore.fields("a/x") == {"v": 2}
        assert len(datastore.commits) == 1

    @pytest.mark.parametrize("locking", [False, True])
    def test_it_was_not_applied(self, locking: bool, datastore: MemoryDatastore) -> None:
        datastore.put("a/x", v=1)
        datastore.mishaps = [request_lost]
        assert self.increment(locking=locking) == 2
        assert datastore.fields("a/x") == {"v": 2}
        assert len(datastore.attempts) == 2

    @pytest.mark.parametrize("locking", [False, True])
    def test_it_arrives_late(self, locking: bool, datastore: MemoryDatastore) -> None:
        """After the look, and before the second sending, which then loses to it."""
        datastore.put("a/x", v=1)
        late: list[Callable[[], CommitResult]] = []

        def delayed(act: Callable[[], CommitResult]) -> CommitResult:
            late.append(act)
            raise UnavailableError("lost", outcome_unknown=True)

        def overtaken(act: Callable[[], CommitResult]) -> CommitResult:
            late.pop()()
            return act()

        datastore.mishaps = [delayed, overtaken]
        assert self.increment(locking=locking) == 2
        assert datastore.fields("a/x") == {"v": 2}

    def test_a_second_sending_that_loses_for_good_is_a_conflict(
        self, datastore: MemoryDatastore
    ) -> None:
        datastore.put("a/x", v=1)
        datastore.put("a/rate", v=1)

        def overtaken(act: Callable[[], CommitResult]) -> CommitResult:
            datastore.put("a/rate", v=2)
            return act()

        datastore.mishaps = [request_lost, overtaken]
        with pytest.raises(ConflictError), transaction() as tx:
            tx.reader.documents(["a/x", "a/rate"])
            put(tx, "a/x", v=2)
        assert datastore.fields("a/x") == {"v": 1}

    def test_it_was_not_applied_and_somebody_else_was_quicker(
        self, datastore: MemoryDatastore
    ) -> None:
        """Nothing tells whether ours came before theirs, so neither is claimed."""
        datastore.put("a/x", v=1)

        def lost_to_another(act: Callable[[], CommitResult]) -> CommitResult:
            datastore.put("a/x", v=50)
            return request_lost(act)

        datastore.mishaps = [lost_to_another]
        with pytest.raises(UnavailableError) as caught:
            self.increment()
        assert caught.value.outcome_unknown
        assert datastore.fields("a/x") == {"v": 50}

    def test_it_may_arrive_still_when_the_second_sending_is_refused_for_the_moment(
        self, datastore: MemoryDatastore
    ) -> None:
        """So nobody is told that a repetition does no harm."""
        datastore.put("a/x", v=1)
        late: list[Callable[[], CommitResult]] = []

        def delayed(act: Callable[[], CommitResult]) -> CommitResult:
            late.append(act)
            raise UnavailableError("lost", outcome_unknown=True)

        def refused(act: Callable[[], CommitResult]) -> CommitResult:
            raise UnavailableError("quota")

        datastore.mishaps = [delayed, refused]
        with pytest.raises(UnavailableError) as caught:
            self.increment()
        late[0]()
        assert datastore.fields("a/x") == {"v": 2}
        assert caught.value.outcome_unknown

    def test_another_document_of_the_commit_may_tell(self, datastore: MemoryDatastore) -> None:
        datastore.put("a/x", v=1)

        def overwritten_afterwards(act: Callable[[], CommitResult]) -> CommitResult:
            act()
            datastore.put("a/x", v=50)
            raise UnavailableError("lost", outcome_unknown=True)

        datastore.mishaps = [overwritten_afterwards]
        with transaction() as tx:
            tx.reader.documents(["a/x", "a/own"])
            put(tx, "a/x", v=2)
            put(tx, "a/own", v=2)
        assert datastore.fields("a/x") == {"v": 50}
        assert len(datastore.commits) == 1

    def test_a_deletion_that_was_applied(self, datastore: MemoryDatastore) -> None:
        datastore.put("a/x", v=1)
        datastore.mishaps = [answer_lost]
        told: list[int] = []
        with transaction() as tx:
            read(tx, "a/x")
            tx.write(Write("delete", "a/x"), told.append)
        assert not datastore.exists("a/x")
        assert told == [0]
        assert len(datastore.commits) == 1

    def test_an_update_that_was_applied(self, datastore: MemoryDatastore) -> None:
        datastore.put("a/x", v=1, kept=True)
        datastore.mishaps = [answer_lost]
        told: list[int] = []
        with transaction() as tx:
            read(tx, "a/x")
            tx.write(Write("update", "a/x", {"v": 2}, ("v",)), told.append)
        assert datastore.fields("a/x") == {"v": 2, "kept": True}
        assert told == [datastore.get(["a/x"])["a/x"].update_time_ns]

    def test_a_write_that_changes_nothing_tells_nothing(self, datastore: MemoryDatastore) -> None:
        datastore.put("a/x", v=1)
        datastore.mishaps = [answer_lost]
        with pytest.raises(UnavailableError), transaction() as tx:
            read(tx, "a/x")
            put(tx, "a/x", v=1)
        assert len(datastore.commits) == 1

    def test_a_write_that_nobody_read_tells_nothing(self, datastore: MemoryDatastore) -> None:
        datastore.mishaps = [answer_lost]
        with pytest.raises(UnavailableError) as caught, transaction() as tx:
            change(tx, "a/x", v=Increment(1))
        assert caught.value.outcome_unknown
        assert datastore.fields("a/x") == {"v": 1}

    def test_a_created_document_tells(self, datastore: MemoryDatastore) -> None:
        for mishap, commits in ((answer_lost, 1), (request_lost, 2)):
            datastore.attempts.clear()
            datastore.drop("a/x")
            datastore.mishaps = [mishap]
            with transaction() as tx:
                tx.write(Write("set", "a/x", {"v": 1}, precondition=Precondition(exists=False)))
            assert datastore.fields("a/x") == {"v": 1}
            assert len(datastore.attempts) == commits

    def test_a_document_held_to_a_version_tells_if_it_was_replaced(
        self, datastore: MemoryDatastore
    ) -> None:
        held = Precondition(update_time_ns=datastore.put("a/x", v=1).update_time_ns)
        datastore.mishaps = [answer_lost]
        with transaction() as tx:
            tx.write(Write("set", "a/x", {"v": 2}, precondition=held))
        held = Precondition(update_time_ns=datastore.put("a/x", v=1).update_time_ns)
        datastore.mishaps = [answer_lost]
        with pytest.raises(UnavailableError), transaction() as tx:
            tx.write(Write("update", "a/x", {"v": 2}, ("v",), held))

    def test_it_is_given_up_in_the_end(self, datastore: MemoryDatastore) -> None:
        datastore.put("a/x", v=1)
        datastore.mishaps = [request_lost] * 9
        with pytest.raises(UnavailableError):
            self.increment()
        assert len(datastore.attempts) == 3

    def test_it_may_be_impossible_to_look(
        self, datastore: MemoryDatastore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        datastore.put("a/x", v=1)

        def gone(act: Callable[[], CommitResult]) -> CommitResult:
            monkeypatch.setattr(datastore, "get", unreachable)
            return answer_lost(act)

        def unreachable(*args: Any, **options: Any) -> Any:
            raise UnavailableError("still no network")

        datastore.mishaps = [gone]
        with pytest.raises(UnavailableError, match="the connection was lost") as caught:
            self.increment()
        assert caught.value.outcome_unknown

    def test_a_refusal_is_no_lost_answer(self, datastore: MemoryDatastore) -> None:
        def refuse(act: Callable[[], CommitResult]) -> CommitResult:
            raise UnavailableError("too many writes")

        datastore.mishaps = [refuse]
        datastore.put("a/x", v=1)
        with pytest.raises(UnavailableError, match="too many"):
            self.increment()
        assert len(datastore.attempts) == 1


class TestAbandoningWrites:
    def test_nothing_of_them_is_written(self, datastore: MemoryDatastore) -> None:
        datastore.put("seats/a", free=1)
        with transaction() as tx:
            assert read(tx, "seats/a").exists
            change(tx, "seats/a", free=0)
            put(tx, "bookings/b", seat="a")
            tx.abandon_writes()
            put(tx, "refusals/b", why="no more seats")
        assert datastore.fields("seats/a") == {"free": 1}
        assert not datastore.exists("bookings/b")
        assert datastore.fields("refusals/b") == {"why": "no more seats"}

    def test_what_was_read_is_verified_all_the_same(self, datastore: MemoryDatastore) -> None:
        datastore.put("seats/a", free=0)
        with pytest.raises(ConflictError), transaction() as tx:
            assert read(tx, "seats/a").get("free") == 0
            tx.abandon_writes()
            put(tx, "refusals/b", why="no more seats")
            datastore.put("seats/a", free=1)
        assert not datastore.exists("refusals/b")
