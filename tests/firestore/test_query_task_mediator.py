"""Tasks on a real Firestore: applied once, marked, parked, retried, in order."""

from __future__ import annotations

import datetime
import threading
from typing import Any

import pytest

from flask_boiler import (
    CTX,
    Boiler,
    Ledger,
    QueryTaskMediator,
    Snapshot,
    Store,
    Transaction,
    ViewModel,
    attrs,
    reference,
)
from flask_boiler.engine.view_key import ViewKey
from flask_boiler.errors import ConfigurationError, UnavailableError
from flask_boiler.firestore.datastore import FirestoreDatastore
from flask_boiler.ground.values import Write
from flask_boiler.testing import Settle
from flask_boiler.view.inbox import setbacks
from flask_boiler.view.inbox.task_processor import TaskProcessor
from tests.firestore.ledgers import Transfer, account, open_accounts, order, transfers


def stored(path: str) -> dict[str, Any] | None:
    fields: dict[str, Any] | None = CTX.db.document(path).get().to_dict()
    return fields


def documents(collection: str) -> dict[str, Any]:
    return {snapshot.id: snapshot.to_dict() for snapshot in CTX.db.collection(collection).stream()}


def test_tasks_are_applied_once_and_deleted(boiler: Boiler, settle: Settle) -> None:
    open_accounts(ada=100, ben=0)
    order("t1", "ada", "ben", 30)
    mediator = boiler.add(transfers())
    with boiler:
        settle()
        order("t2", "ben", "ada", 10)
        settle()
    assert (account("ada").balance, account("ben").balance) == (80, 20)
    assert account("ben").history == ["t1", "t2"]
    assert documents("transfers") == {}
    assert documents("_boiler_tasks") == {}
    assert mediator.statistics.done == 2


def test_a_backlog_larger_than_the_window(boiler: Boiler, settle: Settle) -> None:
    open_accounts(ada=100, ben=0)
    for number in range(23):
        order(f"t{number}", "ada", "ben", 1)
    boiler.add(transfers(window=5, threads=3))
    with boiler:
        settle()
    assert account("ben").balance == 23
    assert sorted(account("ben").history) == sorted(f"t{n}" for n in range(23))


def test_a_task_that_takes_long_keeps_no_other_waiting(boiler: Boiler, settle: Settle) -> None:
    begun, others, end = threading.Event(), threading.Event(), threading.Event()

    def take_time(task: Transfer, transaction: Transaction) -> None:
        if task.doc_id == "long":
            begun.set()
            assert end.wait(60)
        else:
            others.set()

    boiler.add(QueryTaskMediator(query=Transfer.get_query(), on_task=take_time, threads=2))
    with boiler:
        order("long", "ada", "ben", 1)
        assert begun.wait(60)
        order("short", "ada", "ben", 1)
        came = others.wait(30)
        end.set()
        settle()
    assert came, "the other thread waited for the long task"


def test_a_poison_task_parks_and_a_retry_after_the_fix_restores(
    boiler: Boiler, settle: Settle
) -> None:
    open_accounts(ada=0, ben=0)
    boiler.add(transfers())
    with boiler:
        order("poor", "ada", "ben", 30)
        settle()
        [parked] = boiler.parked
        assert parked.key == ViewKey("transfers", "transfers/poor")
        assert "ada has only 0" in str(parked.error)
        assert stored("transfers/poor") is not None
        account("ada").update(balance=30)
        assert boiler.retry(parked.key)
        settle()
        assert boiler.parked == []
        assert account("ben").balance == 30
        assert documents("transfers") == documents("_boiler_tasks") == {}
        assert not boiler.retry(parked.key)


def test_a_task_that_alone_cannot_be_committed_is_parked_and_holds_up_no_other(
    boiler: Boiler, settle: Settle, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_accounts(ada=100, ben=0, cy=0)
    monkeypatch.setattr(setbacks, "_FIRST_PAUSE_S", 0.001)
    real = FirestoreDatastore.commit

    def commit(datastore: Any, writes: Any, **options: Any) -> Any:
        if any(write.path.endswith("/cy") for write in writes):
            raise UnavailableError("it failed internally", outcome_unknown=True)
        return real(datastore, writes, **options)

    boiler.add(transfers())
    with boiler:
        with monkeypatch.context() as failing:
            failing.setattr(FirestoreDatastore, "commit", commit)
            order("poison", "ada", "cy", 1)
            order("other", "ada", "ben", 1)
            settle()
            [parked] = boiler.parked
            assert "it failed internally" in str(parked.error)
            assert (parked.key.subject, account("ben").balance) == ("transfers/poison", 1)
        assert boiler.retry(parked.key)
        settle()
        assert account("cy").balance == 1
        assert boiler.parked == []


def test_parked_tasks_do_not_fill_the_window(boiler: Boiler, settle: Settle) -> None:
    open_accounts(ada=100, ben=0, poor=0)
    for number in range(12):
        order(f"a{number:02}", "poor", "ben", 5)
    for number in range(12):
        order(f"b{number:02}", "ada", "ben", 1)
    boiler.add(transfers(window=4))
    with boiler:
        settle()
        assert account("ben").balance == 12
        assert len(boiler.parked) == 12
        account("poor").update(balance=60)
        for parked in boiler.parked:
            assert boiler.retry(parked.key)
        settle()
        assert account("ben").balance == 72
        assert boiler.parked == []


def test_a_parked_task_that_is_written_anew_is_a_new_one(boiler: Boiler, settle: Settle) -> None:
    open_accounts(ada=10, ben=0)
    boiler.add(transfers())
    with boiler:
        task = order("t", "ada", "ben", 30)
        settle()
        assert len(boiler.parked) == 1
        task.update(amount=3)
        settle()
        assert boiler.parked == []
    assert account("ben").balance == 3
    assert documents("_boiler_tasks") == {}


def test_a_parked_task_that_is_deleted_is_parked_no_more(boiler: Boiler, settle: Settle) -> None:
    open_accounts(ada=10, ben=0)
    boiler.add(transfers())
    with boiler:
        task = order("t", "ada", "ben", 30)
        settle()
        task.delete()
        settle()
        assert boiler.parked == []
        # Or workers would look at what is not there for ever.
        assert documents("_boiler_tasks") == {}
        order("t", "ada", "ben", 30)
        settle()
        assert len(boiler.parked) == 1


def test_a_dropped_task_has_no_effect(boiler: Boiler, settle: Settle) -> None:
    open_accounts(ada=10, ben=0)
    mediator = boiler.add(transfers())
    with boiler:
        order("t", "ada", "ben", 30)
        settle()
        assert mediator.drop("transfers/t")
        settle()
        assert boiler.parked == []
        assert not mediator.drop("transfers/t")
    assert documents("transfers") == documents("_boiler_tasks") == {}
    assert account("ben").balance == 0


def test_a_task_of_the_wrong_shape_is_parked(boiler: Boiler, settle: Settle) -> None:
    open_accounts(ada=10, ben=0)
    CTX.db.document("transfers/odd").set({"source": "ada", "target": "ben", "amount": "much"})
    CTX.db.document("transfers/odder").set({"obj_type": "Elephant"})
    boiler.add(transfers())
    with boiler:
        order("t", "ada", "ben", 3)
        settle()
        errors = {parked.key.subject: str(parked.error) for parked in boiler.parked}
    assert "amount" in errors["transfers/odd"]
    assert "transfers/odder" in errors
    assert account("ben").balance == 3


@pytest.mark.parametrize("ending", [SystemExit("a secret"), KeyboardInterrupt()])
def test_a_task_that_ends_the_program_ends_no_thread(
    boiler: Boiler, settle: Settle, ending: BaseException
) -> None:
    done: list[str] = []

    def leave(task: Transfer, transaction: Transaction) -> None:
        if task.amount == 0:
            raise ending
        done.append(task.doc_id)

    boiler.add(QueryTaskMediator(query=Transfer.get_query(), on_task=leave, name="leaving"))
    with boiler:
        order("exit", "ada", "ben", 0)
        order("t", "ada", "ben", 1)
        settle()
        order("later", "ada", "ben", 1)
        settle()
        [parked] = boiler.parked
    assert sorted(done) == ["later", "t"]
    assert type(ending).__name__ in str(parked.error)


def test_what_is_read_may_be_locked(boiler: Boiler, settle: Settle) -> None:
    open_accounts(ada=10, ben=0)
    order("t1", "ada", "ben", 1)
    order("t2", "ada", "ben", 100)
    mediator = boiler.add(transfers(locking=True))
    with boiler:
        settle()
        assert [parked.key.subject for parked in boiler.parked] == ["transfers/t2"]
    assert mediator.apply("transfers/t1").state.value == "gone"
    assert account("ben").balance == 1


class TestOrder:
    def test_tasks_of_one_key_are_applied_in_the_order_of_their_creation(
        self, boiler: Boiler, settle: Settle
    ) -> None:
        open_accounts(ada=100, ben=0, cy=100)
        # In the order of paths, and so of the window, the last one comes first.
        created = [f"t{number:02}" for number in reversed(range(15))]
        for doc_id in created:
            order(doc_id, "ada", "ben", 1)
            order(f"other-{doc_id}", "cy", "ben", 1)
        boiler.add(transfers(key="source", window=6, threads=2))
        with boiler:
            settle()
        assert account("ada").history == created
        assert account("cy").history == [f"other-{doc_id}" for doc_id in created]

    def test_tasks_of_a_key_that_no_query_can_be_asked_for_keep_their_order(
        self, boiler: Boiler, settle: Settle
    ) -> None:
        applied: list[str] = []

        def note(task: Transfer, transaction: Transaction) -> None:
            applied.append(task.doc_id)

        for doc_id in ("c", "a", "b"):
            order(doc_id, "x" * 1_600, "ben", 1)
        boiler.add(QueryTaskMediator(query=Transfer.get_query(), on_task=note, key="source"))
        with boiler:
            settle()
            assert boiler.parked == []
        assert applied == ["c", "a", "b"]

    def test_a_parked_task_holds_back_the_later_ones_of_its_key_alone(
        self, boiler: Boiler, settle: Settle
    ) -> None:
        open_accounts(ada=10, ben=0, cy=10)
        for doc_id, source, amount in (
            ("early", "ada", 4),
            ("poison", "ada", 40),
            ("later", "ada", 1),
            ("a-later", "ada", 1),
            ("other", "cy", 1),
        ):
            order(doc_id, source, "ben", amount)
        boiler.add(transfers(key=Transfer.source))
        with boiler:
            settle()
            assert account("ada").history == ["early"]
            assert account("cy").history == ["other"]
            [parked] = boiler.parked
            account("ada").update(balance=50)
            assert boiler.retry(parked.key)
            settle()
            assert account("ada").history == ["early", "poison", "later", "a-later"]
            assert boiler.parked == []

    def test_the_key_may_be_the_beginning_of_the_path(self, boiler: Boiler, settle: Settle) -> None:
        done: list[str] = []

        def note(task: Snapshot, transaction: Transaction) -> None:
            if task.get("poison"):
                raise ValueError("poison")
            done.append(task.path)

        for path, poison in (
            ("users/ada/chores/z", False),
            ("users/ada/chores/p", True),
            ("users/ada/chores/a", False),
            ("users/ben/chores/a", False),
        ):
            CTX.db.document(path).set({"poison": poison})
        query = CTX.db.collection_group("chores")
        boiler.add(QueryTaskMediator(query=query, on_task=note, key="users/{uid}"))
        with boiler:
            settle()
            assert sorted(done) == ["users/ada/chores/z", "users/ben/chores/a"]
            assert [p.key.subject for p in boiler.parked] == ["users/ada/chores/p"]


class TestMarks:
    def test_a_field(self, boiler: Boiler, settle: Settle) -> None:
        open_accounts(ada=100, ben=0)
        query = Transfer.where(state="open")
        boiler.add(transfers(query=query, mark={"state": "done"}))
        with boiler:
            for number in range(7):
                order(f"t{number}", "ada", "ben", 1).update(state="open")
            settle()
        assert account("ben").balance == 7
        assert {task["state"] for task in documents("transfers").values()} == {"done"}

    def test_a_field_that_the_query_does_not_mind(self, boiler: Boiler, settle: Settle) -> None:
        open_accounts(ada=100, ben=0)
        boiler.add(transfers(mark={"state": "done"}, window=3))
        with boiler:
            for number in range(7):
                order(f"t{number}", "ada", "ben", 1)
            settle()
        assert account("ben").balance == 7

    def test_the_ledger(self, boiler: Boiler, settle: Settle) -> None:
        open_accounts(ada=100, ben=0)
        task = order("t", "ada", "ben", 1)
        day = datetime.timedelta(days=1)
        boiler.add(transfers(mark=Ledger(keep_for=day), window=2))
        with boiler:
            settle()
            assert account("ben").balance == 1
            task.update(amount=5)
            settle()
            assert account("ben").balance == 6
        [entry] = CTX.db.collection("_boiler_tasks").stream()
        # Firestore's clock counts, and the emulator's runs ahead.
        assert entry.create_time <= entry.get("expires_at") - day <= entry.update_time
        with boiler:
            settle()
        assert account("ben").balance == 6

    @pytest.mark.parametrize("mark", ["delete", "ledger"])
    def test_two_who_retry_a_parked_task_at_once_apply_it_once(
        self, boiler: Boiler, monkeypatch: pytest.MonkeyPatch, mark: Any
    ) -> None:
        open_accounts(ada=0, ben=0)
        order("t", "ada", "ben", 30)
        one, other = boiler.add(transfers(mark=mark)), boiler.add(transfers(mark=mark))
        assert one.apply("transfers/t").state.value == "parked"
        account("ada").update(balance=100)
        found = TaskProcessor._of_key

        def found_and_overtaken(processor: TaskProcessor, task: Snapshot) -> Any:
            monkeypatch.setattr(TaskProcessor, "_of_key", found)
            assert other.retry("transfers/t")
            return found(processor, task)

        # After it was looked whether the task is parked, and before it is tried.
        monkeypatch.setattr(TaskProcessor, "_of_key", found_and_overtaken)
        one.retry("transfers/t")
        assert one.apply("transfers/t").state.value == "gone"
        assert account("ben").balance == 30

    def test_a_retry_that_cannot_reach_firestore_leaves_the_task_parked(
        self, boiler: Boiler, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        open_accounts(ada=0, ben=0)
        order("t", "ada", "ben", 30)
        mediator = boiler.add(transfers())
        mediator.apply("transfers/t")
        account("ada").update(balance=100)
        real = FirestoreDatastore.commit

        def unreachable(datastore: Any, writes: Any, **options: Any) -> Any:
            if len(writes) > 1:
                raise UnavailableError("nobody answers")
            return real(datastore, writes, **options)

        with monkeypatch.context() as patch:
            patch.setattr(FirestoreDatastore, "commit", unreachable)
            with pytest.raises(UnavailableError):
                mediator.retry("transfers/t")
        assert [task.path for task in mediator.parked_tasks] == ["transfers/t"]
        assert mediator.retry("transfers/t")
        assert account("ben").balance == 30
        assert mediator.parked_tasks == []

    @pytest.mark.parametrize("mark", ["delete", "ledger", {"state": "done"}])
    def test_a_task_that_is_created_anew_at_the_path_of_one_that_is_done(
        self, boiler: Boiler, settle: Settle, mark: Any
    ) -> None:
        open_accounts(ada=100, ben=0)
        boiler.add(transfers(mark=mark, key="source"))
        with boiler:
            for amount in (5, 7):
                order("t", "ada", "ben", amount)
                settle()
                CTX.db.document("transfers/t").delete()
                settle()
        assert account("ben").balance == 12

    def test_a_task_that_its_effect_writes_to(self, boiler: Boiler, settle: Settle) -> None:
        def note(task: Transfer, transaction: Transaction) -> None:
            task.update(amount=task.amount + 1)

        order("t", "ada", "ben", 1)
        boiler.add(QueryTaskMediator(query=Transfer.get_query(), on_task=note, mark="ledger"))
        with boiler:
            settle()
            settle()
        assert documents("transfers")["t"]["amount"] == 2

    def test_a_task_that_its_effect_deletes(self, boiler: Boiler, settle: Settle) -> None:
        def remove(task: Transfer, transaction: Transaction) -> None:
            task.delete()

        order("t", "ada", "ben", 1)
        query = Transfer.get_query()
        boiler.add(QueryTaskMediator(query=query, on_task=remove, mark={"state": "done"}))
        with boiler:
            settle()
            assert boiler.parked == []
        assert documents("transfers") == {}


class ReceiptStore(Store):
    transfer = reference(Transfer)


class ReceiptView(ViewModel):
    store: ReceiptStore

    class Meta:
        path = "receipts/{transfer.doc_id}"

    @attrs.computed
    def text(self) -> str:
        return f"{self.store.transfer.source} paid {self.store.transfer.amount}"  # type: ignore[union-attr]


def test_a_view_is_built_from_the_task_and_stored(boiler: Boiler, settle: Settle) -> None:
    boiler.add(QueryTaskMediator(ReceiptView, query=Transfer.get_query()))
    with boiler:
        order("t1", "ada", "ben", 7)
        settle()
    assert documents("transfers") == {}
    assert documents("receipts")["t1"]["text"] == "ada paid 7"


def test_a_task_over_the_limits_of_a_commit_is_parked(boiler: Boiler, settle: Settle) -> None:
    def swell(task: Transfer, transaction: Transaction) -> None:
        transaction.write(Write("set", "swollen/s", {"text": "x" * 2_000_000}))

    order("t", "ada", "ben", 1)
    boiler.add(QueryTaskMediator(query=Transfer.get_query(), on_task=swell))
    with boiler:
        settle()
        assert [parked.key.subject for parked in boiler.parked] == ["transfers/t"]
    assert documents("swollen") == {}
    assert "t" in documents("transfers")


def test_a_task_that_leaves_the_query_meanwhile_is_not_applied(boiler: Boiler) -> None:
    open_accounts(ada=100, ben=0)
    mediator = transfers(query=Transfer.where(state="open"))
    order("t", "ada", "ben", 1).update(state="withdrawn")
    for path in ("transfers/t", "transfers/none", "elsewhere/t"):
        assert mediator.apply(path).state.value == "gone"
    assert account("ben").balance == 0


def refuse(task: object, transaction: Transaction) -> None:
    raise AssertionError("is never called")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "needs view_model_cls or on_task"),
        ({"view_model_cls": ReceiptView, "on_task": refuse}, "not both"),
        ({"on_task": refuse, "mark": "burn"}, "'burn'"),
        ({"on_task": refuse, "mark": {}}, "marks nothing"),
        ({"on_task": refuse, "mark": {"at": datetime.datetime(2026, 1, 1)}}, "'at'"),
        ({"on_task": refuse, "mark": {"a": {"b": [float("nan")]}}}, "'a'"),
        ({"on_task": refuse, "mark": {"a": ("done",)}}, "'a'"),
        ({"on_task": refuse, "mark": Ledger(datetime.timedelta(0))}, "keeps nothing"),
        ({"on_task": refuse, "mark": Ledger(datetime.timedelta.max)}, "longer than timestamps"),
        ({"on_task": refuse, "key": "users/{uid}/things"}, "names collections"),
        ({"on_task": refuse, "key": 7}, "key=7"),
        ({"on_task": refuse, "window": 0}, "window=0"),
    ],
)
def test_what_makes_no_mediator_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        QueryTaskMediator(query=Transfer.get_query(), **options)


def test_a_query_with_a_limit_is_refused(boiler: Boiler) -> None:
    boiler.add(transfers(query=Transfer.get_query().limit(3)))
    with pytest.raises(ConfigurationError, match="window="):
        boiler.start()


def test_two_of_one_name_are_refused(boiler: Boiler) -> None:
    boiler.add(transfers())
    boiler.add(transfers())
    with pytest.raises(ConfigurationError, match="name="):
        boiler.start()


def test_a_load_that_does_not_end_is_published_now_and_then(boiler: Boiler, settle: Settle) -> None:
    last = 130
    seen = [threading.Event() for _ in range(last + 1)]
    published: list[int] = []

    def hear(change: Any) -> None:
        for path in {path for paths in change.queries.values() for path in paths}:
            if path.startswith("transfers/"):
                seen[int(path.rpartition("/t")[2])].set()

    def beget(task: Transfer, transaction: Transaction) -> None:
        # The next one is known before this one is done, so that the queue is never empty.
        if task.amount < last:
            following = f"transfers/t{task.amount + 1}"
            CTX.datastore.commit([Write("set", following, {"amount": task.amount + 1})])
            assert seen[task.amount + 1].wait(60)
        else:
            published.append(boiler.engine.statistics.published)

    boiler.add(QueryTaskMediator(query=Transfer.get_query(), on_task=beget, max_retries=100))
    subscription = boiler.engine.feed.subscribe(hear)
    try:
        with boiler:
            CTX.db.document("transfers/t0").set({"amount": 0})
            settle(60.0)
    finally:
        subscription.close()
    assert documents("transfers") == {}
    assert published[0] >= 2
