"""Applying tasks against a database that loses answers, and people who interfere."""

from __future__ import annotations

import datetime
import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
from google.cloud.firestore import DELETE_FIELD, GeoPoint
from google.cloud.firestore import SERVER_TIMESTAMP as SERVER

from flask_boiler.context.context import ApplicationContext
from flask_boiler.errors import UnavailableError, ValidationError
from flask_boiler.ground.lifecycle import DaemonPool
from flask_boiler.ground.values import CommitResult, QuerySpec, QueryTarget, Snapshot, Write
from flask_boiler.operate.testing.memory_datastore import MemoryDatastore, answer_lost, request_lost
from flask_boiler.transactions import running
from flask_boiler.transactions.transaction import Transaction
from flask_boiler.view.inbox.effects import Effect
from flask_boiler.view.inbox.handling import Commands, Handling
from flask_boiler.view.inbox.marks import Ledger, MarkOption, mark_of
from flask_boiler.view.inbox.queue import TaskQueue, key_of
from flask_boiler.view.inbox.records import TaskRecords, parked_tasks_in
from flask_boiler.view.inbox.setbacks import PATIENCE
from flask_boiler.view.inbox.task_processor import TaskProcessor
from flask_boiler.view.mediation.inbox import TaskState
from tests.unit.memory import memory_context


class Jobs:
    """What a mediator takes for a query of its own."""

    collections: Sequence[str] = ("jobs",)

    def targets(self, codec: Any) -> list[QueryTarget]:
        from flask_boiler.firestore.query_compiler import compile_query

        return [compile_query(QuerySpec(name), codec) for name in self.collections]


@pytest.fixture
def context() -> Iterator[ApplicationContext]:
    made, _ = memory_context()
    with made.activated():
        yield made


@pytest.fixture
def datastore(context: ApplicationContext) -> MemoryDatastore:
    found: Any = context.datastore
    assert isinstance(found, MemoryDatastore)
    found.put("sums/all", total=0)
    found.put("jobs/j", add=1)
    return found


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "_pause", lambda seconds: None)


@pytest.mark.parametrize(
    "mark", [{"open": DELETE_FIELD}, {"open": None}, {"a.b": 1}, {"state": "done", "at": SERVER}]
)
def test_a_mark_of_any_fields_marks_what_is_processed_and_nothing_else(
    context: ApplicationContext, datastore: MemoryDatastore, mark: MarkOption
) -> None:
    datastore.put("jobs/j", add=1, open=True)
    states = [processor(context, mark=mark).apply("jobs/j").state for _ in range(2)]
    assert states == [TaskState.DONE, TaskState.GONE]
    assert datastore.fields("sums/all") == {"total": 1}


def test_a_task_without_the_field_is_not_marked_with_none(
    context: ApplicationContext, datastore: MemoryDatastore
) -> None:
    states = [processor(context, mark={"done": None}).apply("jobs/j").state for _ in range(2)]
    assert states == [TaskState.DONE, TaskState.GONE]


@pytest.mark.parametrize(
    ("stored", "marked"),
    [(1, True), (1.0, True), (True, False), ("1", False), (None, False), (1.5, False)],
)
def test_a_task_is_marked_by_what_a_query_for_the_mark_finds(
    context: ApplicationContext, datastore: MemoryDatastore, stored: Any, marked: bool
) -> None:
    datastore.put("jobs/j", add=1, state=stored, deep={"list": [stored]})
    mark = {"state": 1, "deep": {"list": [1]}}
    applied = processor(context, mark=mark).apply("jobs/j").state
    assert applied is (TaskState.GONE if marked else TaskState.DONE)


def add(task: Snapshot, transaction: Transaction) -> None:
    total = transaction.reader.documents(["sums/all"])["sums/all"].get("total")
    transaction.write(Write("set", "sums/all", {"total": total + task.get("add")}))


def processor(
    context: ApplicationContext,
    effect: Effect = add,
    *,
    mark: MarkOption = "delete",
    max_retries: int = 3,
    key: str | None = None,
) -> TaskProcessor:
    commands = Commands(
        lambda codec: TaskQueue(Jobs(), key_of(key, None), codec),
        effect,
        mark_of(mark),
        max_attempts=max_retries + 1,
    )
    return TaskProcessor(context, Handling(commands, "adding", context.datastore.codec))


MARKS: list[MarkOption] = ["delete", "ledger", {"state": "done"}]


@pytest.mark.parametrize("mark", MARKS)
def test_it_is_applied_once_however_often_it_is_delivered(
    context: ApplicationContext, datastore: MemoryDatastore, mark: MarkOption
) -> None:
    applying = processor(context, mark=mark)
    states = [applying.apply_in_order("jobs/j").state for _ in range(3)]
    assert states == [TaskState.DONE, TaskState.GONE, TaskState.GONE]
    assert datastore.fields("sums/all") == {"total": 1}
    assert len(datastore.commits) == 1, "what is done already costs no commit"


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("lost", [answer_lost, request_lost])
def test_a_commit_of_unknown_outcome_is_looked_up(
    context: ApplicationContext, datastore: MemoryDatastore, mark: MarkOption, lost: Any
) -> None:
    datastore.mishaps = [lost]
    applying = processor(context, mark=mark)
    assert applying.apply("jobs/j").state is TaskState.DONE
    assert applying.apply("jobs/j").state is TaskState.GONE
    assert datastore.fields("sums/all") == {"total": 1}


def test_an_outcome_that_stays_unknown_is_found_out_by_trying_again(
    context: ApplicationContext, datastore: MemoryDatastore
) -> None:
    def applied_and_silent(act: Any) -> Any:
        act()
        # Somebody else's write hides what the commit left, in every document that could tell.
        datastore.put("sums/all", total=100)
        datastore.put("jobs/j", add=5)
        raise UnavailableError("the connection was lost", outcome_unknown=True)

    datastore.mishaps = [applied_and_silent]
    applying = processor(context)
    with pytest.raises(UnavailableError):
        applying.apply("jobs/j")
    assert applying.apply("jobs/j").state is TaskState.DONE
    assert datastore.fields("sums/all") == {"total": 105}, "the new task, and it alone"


def test_whoever_loses_applies_the_newest(
    context: ApplicationContext, datastore: MemoryDatastore
) -> None:
    interferences = iter([lambda: datastore.put("jobs/j", add=7)])

    def add_amid_interference(task: Snapshot, transaction: Transaction) -> None:
        add(task, transaction)
        next(interferences, lambda: None)()

    applying = processor(context, add_amid_interference)
    assert applying.apply("jobs/j").state is TaskState.DONE
    assert applying._commands.statistics.attempts == 2
    assert datastore.fields("sums/all") == {"total": 7}


def test_what_somebody_else_did_meanwhile_is_not_done_again(
    context: ApplicationContext, datastore: MemoryDatastore
) -> None:
    other = processor(context)

    def add_as_another_does(task: Snapshot, transaction: Transaction) -> None:
        add(task, transaction)
        if task.exists and datastore.fields("jobs/j"):
            datastore.drop("jobs/j")
            datastore.put("sums/all", total=1)

    applying = processor(context, add_as_another_does)
    assert applying.apply("jobs/j").state is TaskState.GONE
    assert datastore.fields("sums/all") == {"total": 1}
    assert other.apply("jobs/j").state is TaskState.GONE


def test_whoever_always_loses_parks(
    context: ApplicationContext, datastore: MemoryDatastore
) -> None:
    def add_in_a_crowd(task: Snapshot, transaction: Transaction) -> None:
        add(task, transaction)
        datastore.put("sums/all", total=datastore.fields("sums/all")["total"] + 1)

    applying = processor(context, add_in_a_crowd, max_retries=3)
    result = applying.apply("jobs/j")
    assert (result.state, applying._commands.statistics.attempts) == (TaskState.PARKED, 4)
    assert datastore.fields("sums/all") == {"total": 4}
    assert applying.apply("jobs/j").state is TaskState.PARKED
    assert applying._commands.statistics.attempts == 5


def fail(task: Snapshot, transaction: Transaction) -> None:
    add(task, transaction)
    raise ZeroDivisionError("division by zero")


@pytest.mark.parametrize("mark", MARKS)
def test_nothing_of_a_task_that_raises_is_written_but_why(
    context: ApplicationContext, datastore: MemoryDatastore, mark: MarkOption
) -> None:
    applying = processor(context, fail, mark=mark)
    result = applying.apply("jobs/j")
    assert result.state is TaskState.PARKED
    assert isinstance(result.error, ZeroDivisionError)
    assert datastore.fields("sums/all") == {"total": 0}
    [parked] = parked_tasks_in(datastore, "adding")
    assert (parked.path, parked.attempts) == ("jobs/j", 1)
    assert parked.error == "ZeroDivisionError: division by zero"


class Speechless(Exception):
    def __str__(self) -> str:
        raise Speechless


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("of \ud800 and " + "x" * 9_000), "ValueError: of ? and x"),
        (Speechless(), "Speechless: (its message could not be read: Speechless)"),
    ],
)
def test_a_task_is_parked_whatever_its_error_says(
    context: ApplicationContext,
    datastore: MemoryDatastore,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    said: str,
) -> None:
    # The words of the error cannot be reported by the process that runs the tests.
    monkeypatch.setattr(logging.getLogger(TaskProcessor.__module__), "disabled", True)

    def fail_so(task: Snapshot, transaction: Transaction) -> None:
        raise error

    assert processor(context, fail_so).apply("jobs/j").state is TaskState.PARKED
    [parked] = parked_tasks_in(context.datastore)
    assert parked.error.startswith(said)


class WrongClock(datetime.datetime):
    """That of a machine that has just been switched on."""

    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> WrongClock:
        return cls(1970, 1, 1, tzinfo=tz)


def test_a_wrong_clock_neither_ends_what_is_remembered_nor_misdates_it(
    context: ApplicationContext, datastore: MemoryDatastore, monkeypatch: pytest.MonkeyPatch
) -> None:
    created = datastore.put("jobs/k", add="poison").update_time_ns
    monkeypatch.setattr(datetime, "datetime", WrongClock)
    ledger = Ledger(keep_for=datetime.timedelta(days=7))
    applying = processor(context, mark=ledger)
    applying.apply("jobs/j")
    applying.apply("jobs/k")
    records = TaskRecords("adding", datastore.codec)
    [parked] = parked_tasks_in(datastore, "adding")
    done = datastore.fields(records.path_of("jobs/j"))
    assert done is not None
    assert parked.since.timestamp() >= created // 10**9
    assert done["expires_at"].timestamp() >= created // 10**9 + 7 * 86_400


@pytest.mark.parametrize("mark", MARKS)
def test_a_task_that_ends_the_program_is_parked_like_one_that_raises(
    context: ApplicationContext, datastore: MemoryDatastore, mark: MarkOption
) -> None:
    def leave(task: Snapshot, transaction: Transaction) -> None:
        add(task, transaction)
        raise SystemExit("enough")

    # As a worker does; in another thread, such as a request's, it is meant for who owns that.
    worker = DaemonPool(1, name="worker")
    result = worker.submit(processor(context, leave, mark=mark).apply, "jobs/j").result()
    worker.shutdown()
    assert result.state is TaskState.PARKED
    assert datastore.fields("sums/all") == {"total": 0}
    [parked] = parked_tasks_in(datastore, "adding")
    assert parked.error == "RuntimeError: jobs/j was ended by SystemExit('enough')"


@pytest.mark.parametrize("ending", [SystemExit(1), KeyboardInterrupt()])
def test_a_signal_to_the_process_is_not_the_tasks_fault(
    context: ApplicationContext, datastore: MemoryDatastore, ending: BaseException
) -> None:
    def interrupted(task: Snapshot, transaction: Transaction) -> None:
        add(task, transaction)
        raise ending

    with pytest.raises(type(ending)):
        processor(context, interrupted).apply("jobs/j")
    # As an event that is delivered to a web server.
    with ThreadPoolExecutor(1) as request, pytest.raises(type(ending)):
        request.submit(processor(context, interrupted).apply, "jobs/j").result()
    assert datastore.commits == []


def test_a_task_is_not_parked_for_a_state_that_was_over(
    context: ApplicationContext, datastore: MemoryDatastore
) -> None:
    def fail_on_zero(task: Snapshot, transaction: Transaction) -> None:
        add(task, transaction)
        if transaction.reader.documents(["sums/all"])["sums/all"].get("total") == 1:
            datastore.put("sums/all", total=10)
            raise ZeroDivisionError("on a sum that has changed since")

    applying = processor(context, fail_on_zero)
    assert applying.apply("jobs/j").state is TaskState.DONE
    assert datastore.fields("sums/all") == {"total": 11}


def test_a_refused_commit_parks_its_task(
    context: ApplicationContext, datastore: MemoryDatastore
) -> None:
    def require_what_is_not_there(task: Snapshot, transaction: Transaction) -> None:
        from flask_boiler.ground.values import Precondition

        write = Write("update", "no/thing", {"a": 1}, ("a",), Precondition(exists=True))
        transaction.write(write)

    applying = processor(context, require_what_is_not_there)
    assert applying.apply("jobs/j").state is TaskState.PARKED


def test_a_success_removes_what_said_that_it_is_parked(
    context: ApplicationContext, datastore: MemoryDatastore
) -> None:
    processor(context, fail).apply("jobs/j")
    datastore.put("jobs/j", add=2)
    assert processor(context).apply("jobs/j").state is TaskState.DONE
    record = TaskRecords("adding", datastore.codec).path_of("jobs/j")
    assert not datastore.exists(record)


@pytest.mark.parametrize("mark", ["delete", {"state": "done"}])
def test_whoever_knew_of_no_record_leaves_one_that_is_forgotten_when_it_is_seen(
    context: ApplicationContext, datastore: MemoryDatastore, mark: MarkOption
) -> None:
    processor(context, fail, mark=mark).apply("jobs/j")
    applying = processor(context, mark=mark)
    record = TaskRecords("adding", datastore.codec).path_of("jobs/j")
    assert applying.apply("jobs/j", consult=False).state is TaskState.DONE
    assert datastore.exists(record)
    assert applying.apply("jobs/j").state is TaskState.GONE
    assert not datastore.exists(record)


@pytest.mark.parametrize("mark", MARKS)
def test_only_what_is_parked_is_released(
    context: ApplicationContext, datastore: MemoryDatastore, mark: MarkOption
) -> None:
    processor(context, fail, mark=mark).apply("jobs/j")
    applying = processor(context, mark=mark)
    assert applying.release("jobs/j")
    assert applying.apply("jobs/j").state is TaskState.DONE
    assert not applying.release("jobs/j")
    assert not applying.retry("jobs/j")
    assert applying.apply("jobs/j").state is TaskState.GONE
    assert datastore.fields("sums/all") == {"total": 1}


def test_a_task_that_the_query_finds_no_more_is_parked_no_more_after_a_drop(
    context: ApplicationContext, datastore: MemoryDatastore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a release whose query is another: its document is left alone."""
    applying = processor(context, fail, mark={"state": "done"})
    assert applying.apply("jobs/j").state is TaskState.PARKED
    monkeypatch.setattr(Jobs, "collections", ("others",))
    applying = processor(context, fail, mark={"state": "done"})
    assert applying.drop("jobs/j") is not None
    assert list(parked_tasks_in(context.datastore)) == []
    assert datastore.fields("jobs/j") == {"add": 1}
    assert applying.drop("jobs/j") is None


def test_a_task_that_the_query_finds_no_more_is_parked_no_more_after_a_retry(
    context: ApplicationContext, datastore: MemoryDatastore, monkeypatch: pytest.MonkeyPatch
) -> None:
    processor(context, fail).apply("jobs/j")
    monkeypatch.setattr(TaskQueue, "find", lambda *args: None)
    assert processor(context).retry("jobs/j")
    assert list(parked_tasks_in(datastore, "adding")) == []
    assert datastore.exists("jobs/j")


def test_a_task_that_changes_while_it_is_set_aside_is_to_be_tried_again(
    context: ApplicationContext, datastore: MemoryDatastore
) -> None:
    def refused(act: Any) -> Any:
        datastore.put("jobs/j", add=7)
        raise ValidationError({"commit": ["too large"]})

    datastore.mishaps = [refused]
    applying = processor(context)
    with pytest.raises(UnavailableError, match="written again"):
        applying.apply("jobs/j")
    assert applying.apply("jobs/j").state is TaskState.DONE
    assert datastore.fields("sums/all") == {"total": 7}


class TestOrder:
    def test_a_later_task_brings_the_earlier_ones_about(
        self, context: ApplicationContext, datastore: MemoryDatastore
    ) -> None:
        done: list[str] = []

        def note(task: Snapshot, transaction: Transaction) -> None:
            done.append(task.id)

        datastore.drop("jobs/j")
        for name, who in (("z", "ada"), ("x", "ben"), ("y", "ada"), ("a", "ada")):
            datastore.put(f"jobs/{name}", who=who)
        applying = processor(context, note, key="who")
        assert applying.apply_in_order("jobs/y").state is TaskState.DONE
        assert done == ["z", "y"]

    @pytest.mark.parametrize(
        "one",
        [
            lambda codec: codec.reference("users/ada"),
            lambda codec: {"a": 1, "b": [codec.reference("users/ada")]},
            lambda codec: GeoPoint(1.5, 2),
            lambda codec: 7,
        ],
    )
    def test_whatever_can_be_stored_makes_a_key(
        self,
        context: ApplicationContext,
        datastore: MemoryDatastore,
        one: Any,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        # As in older releases of google-cloud-firestore.
        monkeypatch.setattr(GeoPoint, "__repr__", object.__repr__)
        done: list[str] = []
        datastore.drop("jobs/j")
        for name in ("z", "y"):
            datastore.put(f"jobs/{name}", who=one(datastore.codec))
        applying = processor(context, lambda task, _: done.append(task.id), key="who")
        applying.apply_in_order("jobs/y")
        assert done == ["z", "y"]

    def test_a_task_of_a_very_long_key_can_be_parked(
        self, context: ApplicationContext, datastore: MemoryDatastore
    ) -> None:
        datastore.put("jobs/j", add="poison", who="a" * 20_000)
        applying = processor(context, key="who")
        assert applying.apply_in_order("jobs/j").state is TaskState.PARKED
        [parked] = parked_tasks_in(datastore, "adding")
        assert len(parked.key) < 10_000

    def test_a_number_is_one_key_whether_it_is_a_double_or_an_integer(
        self, context: ApplicationContext, datastore: MemoryDatastore
    ) -> None:
        done: list[str] = []
        datastore.drop("jobs/j")
        for name, who in (("d", 3), ("c", 3.0), ("b", {"n": [3]}), ("a", {"n": [3.0]})):
            datastore.put(f"jobs/{name}", who=who)
        applying = processor(context, lambda task, _: done.append(task.id), key="who")
        applying.apply_in_order("jobs/c")
        applying.apply_in_order("jobs/a")
        assert done == ["d", "c", "b", "a"]

    def test_a_task_waits_for_a_parked_one(
        self, context: ApplicationContext, datastore: MemoryDatastore
    ) -> None:
        datastore.drop("jobs/j")
        datastore.put("jobs/z", who="ada", add="poison")
        datastore.put("jobs/a", who="ada", add=2)
        applying = processor(context, key="who")
        assert applying.apply_in_order("jobs/a").state is TaskState.HELD
        assert applying.apply_in_order("jobs/a").state is TaskState.HELD
        assert applying.drop("jobs/z") is not None
        assert applying.apply_in_order("jobs/a").state is TaskState.DONE
        assert datastore.fields("sums/all") == {"total": 2}


class TestBacklog:
    """What is known of a key's order from one task to the next, and what changes meanwhile."""

    @pytest.fixture
    def done(self) -> list[str]:
        return []

    @pytest.fixture
    def noting(self, context: ApplicationContext, done: list[str]) -> TaskProcessor:
        def note(task: Snapshot, transaction: Transaction) -> None:
            if task.get("poison"):
                raise ValueError("poison")
            done.append(task.id)

        return processor(context, note, key="who")

    @pytest.fixture(autouse=True)
    def four_of_ada(self, datastore: MemoryDatastore) -> None:
        datastore.drop("jobs/j")
        for name in ("d", "c", "b", "a"):
            datastore.put(f"jobs/{name}", who="ada")

    def asked_for_the_key(self, datastore: MemoryDatastore) -> int:
        return sum(str(target).startswith("who = ") for target in datastore.queries)

    def test_it_is_read_once_however_many_tasks_it_holds(
        self, datastore: MemoryDatastore, noting: TaskProcessor, done: list[str]
    ) -> None:
        for name in ("d", "b", "a", "c", "d"):
            noting.apply_in_order(f"jobs/{name}")
        assert done == ["d", "c", "b", "a"]
        assert self.asked_for_the_key(datastore) == 1

    def test_a_task_that_it_does_not_hold_comes_after_those_that_it_holds(
        self, datastore: MemoryDatastore, noting: TaskProcessor, done: list[str]
    ) -> None:
        noting.apply_in_order("jobs/d")
        datastore.put("jobs/D", who="ada")
        datastore.put("jobs/C", who="ada")
        noting.apply_in_order("jobs/C")
        assert done == ["d", "c", "b", "a", "D", "C"]
        assert self.asked_for_the_key(datastore) == 2

    def test_a_task_that_was_created_anew_has_a_new_place(
        self, datastore: MemoryDatastore, noting: TaskProcessor, done: list[str]
    ) -> None:
        noting.apply_in_order("jobs/d")
        datastore.drop("jobs/c")
        datastore.put("jobs/c", who="ada")
        noting.apply_in_order("jobs/a")
        assert done == ["d", "b", "a"]
        noting.apply_in_order("jobs/c")
        assert done == ["d", "b", "a", "c"]

    def test_a_task_that_is_created_anew_while_it_is_to_be_applied_comes_after_others(
        self,
        datastore: MemoryDatastore,
        noting: TaskProcessor,
        done: list[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        found = TaskQueue.find

        def found_and_replaced(queue: TaskQueue, path: str, ask: Any) -> Snapshot | None:
            monkeypatch.setattr(TaskQueue, "find", found)
            task = found(queue, path, ask)
            datastore.drop("jobs/d")
            datastore.put("jobs/d", who="ada")
            return task

        monkeypatch.setattr(TaskQueue, "find", found_and_replaced)
        assert noting.apply_in_order("jobs/d").state is TaskState.DONE
        assert done == ["c", "b", "a", "d"]

    def test_a_task_that_has_come_under_another_key_holds_nobody_back(
        self, datastore: MemoryDatastore, noting: TaskProcessor, done: list[str]
    ) -> None:
        noting.apply_in_order("jobs/d")
        datastore.put("jobs/0", who="ben")
        datastore.put("jobs/c", who="ben")
        noting.apply_in_order("jobs/a")
        assert done == ["d", "b", "a"]
        noting.apply_in_order("jobs/0")
        assert done == ["d", "b", "a", "c", "0"], "c was created before it"

    def test_a_parked_task_that_is_corrected_keeps_its_place(
        self, datastore: MemoryDatastore, noting: TaskProcessor, done: list[str]
    ) -> None:
        datastore.put("jobs/c", who="ada", poison=True)
        assert noting.apply_in_order("jobs/a").state is TaskState.HELD
        datastore.put("jobs/c", who="ada")
        assert noting.apply_in_order("jobs/a").state is TaskState.DONE
        assert done == ["d", "c", "b", "a"]

    def test_a_parked_task_that_is_deleted_holds_nobody_back(
        self, datastore: MemoryDatastore, noting: TaskProcessor, done: list[str]
    ) -> None:
        datastore.put("jobs/c", who="ada", poison=True)
        assert noting.apply_in_order("jobs/a").state is TaskState.HELD
        datastore.drop("jobs/c")
        assert noting.apply_in_order("jobs/a").state is TaskState.DONE
        assert done == ["d", "b", "a"]

    def test_what_several_queries_find_is_read_at_one_time(
        self,
        context: ApplicationContext,
        datastore: MemoryDatastore,
        noting: TaskProcessor,
        done: list[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        datastore.put("chores/e", who="ada")
        monkeypatch.setattr(Jobs, "collections", ("jobs", "chores"))
        ask = datastore.run_query

        def asked_and_added_to(target: QueryTarget, **options: Any) -> Iterator[Snapshot]:
            found = ask(target, **options)
            if str(target).startswith("who = ") and "jobs" in str(target):
                datastore.put("jobs/A", who="ada")
                datastore.put("chores/B", who="ada")
            return found

        monkeypatch.setattr(datastore, "run_query", asked_and_added_to)
        made = processor(context, noting._commands.effect, key="who")
        made.apply_in_order("chores/e")
        monkeypatch.setattr(datastore, "run_query", ask)
        made.apply_in_order("chores/B")
        assert done == ["d", "c", "b", "a", "e", "A", "B"]

    def test_who_is_to_stop_leaves_the_rest(self, noting: TaskProcessor, done: list[str]) -> None:
        result = noting.apply_in_order("jobs/a", stopped=lambda: len(done) >= 2)
        assert result.state is TaskState.HELD
        assert done == ["d", "c"]

    @pytest.mark.parametrize("mark", ["ledger", {"state": "done"}])
    def test_what_is_done_and_stays_is_not_tried_again(
        self, context: ApplicationContext, datastore: MemoryDatastore, mark: MarkOption
    ) -> None:
        applying = processor(context, lambda task, transaction: None, mark=mark, key="who")
        applying.apply_in_order("jobs/a")
        datastore.put("jobs/A", who="ada")
        assert applying.apply_in_order("jobs/A").state is TaskState.DONE
        assert applying._commands.statistics.attempts == 5


class CommitTrouble:
    """Has the server fail at each commit of a sum; or at any, while it is ``away``."""

    def __init__(self, datastore: MemoryDatastore, monkeypatch: pytest.MonkeyPatch) -> None:
        self.away = False
        self.comes_through_before_a_probe = False
        self._commit = datastore.commit
        self._lost: Callable[[], CommitResult] | None = None
        monkeypatch.setattr(datastore, "commit", self.commit)

    def commit(self, writes: Sequence[Write], **options: Any) -> CommitResult:
        if self.away or any(write.path == "sums/all" for write in writes):
            self._lost = partial(self._commit, writes, **options)
            raise UnavailableError("it failed internally", outcome_unknown=True)
        if self.comes_through_before_a_probe and self._lost is not None:
            self._lost()
            self._lost = None
        return self._commit(writes, **options)


def fails(applying: TaskProcessor, times: int) -> None:
    for _ in range(times):
        with pytest.raises(UnavailableError):
            applying.apply_in_order("jobs/j")


def test_a_task_that_alone_cannot_be_committed_is_parked(
    context: ApplicationContext, datastore: MemoryDatastore, monkeypatch: pytest.MonkeyPatch
) -> None:
    CommitTrouble(datastore, monkeypatch)
    applying = processor(context)
    fails(applying, PATIENCE - 1)
    result = applying.apply_in_order("jobs/j")
    assert result.state is TaskState.PARKED
    assert isinstance(result.error, UnavailableError)
    assert applying._commands.statistics.parked == 1
    monkeypatch.undo()
    assert applying.retry("jobs/j")
    assert datastore.fields("sums/all") == {"total": 1}


def test_it_is_the_earlier_one_of_its_key_that_is_parked_if_that_is_what_fails(
    context: ApplicationContext, datastore: MemoryDatastore, monkeypatch: pytest.MonkeyPatch
) -> None:
    datastore.put("jobs/k", add=1)
    CommitTrouble(datastore, monkeypatch)
    applying = processor(context, key="add")
    for _ in range(PATIENCE - 1):
        with pytest.raises(UnavailableError):
            applying.apply_in_order("jobs/k")
    assert applying.apply_in_order("jobs/k").state is TaskState.HELD
    assert applying.apply("jobs/j").state is TaskState.PARKED


def test_no_task_is_parked_while_firestore_takes_no_commits(
    context: ApplicationContext, datastore: MemoryDatastore, monkeypatch: pytest.MonkeyPatch
) -> None:
    trouble = CommitTrouble(datastore, monkeypatch)
    trouble.away = True
    applying = processor(context)
    fails(applying, 3 * PATIENCE)
    trouble.away = False
    fails(applying, PATIENCE - 1)
    monkeypatch.undo()
    assert applying.apply_in_order("jobs/j").state is TaskState.DONE
    assert datastore.fields("sums/all") == {"total": 1}


@pytest.mark.parametrize("mark", MARKS)
def test_a_task_is_not_parked_if_its_commit_has_taken_effect_late(
    context: ApplicationContext,
    datastore: MemoryDatastore,
    monkeypatch: pytest.MonkeyPatch,
    mark: MarkOption,
) -> None:
    trouble = CommitTrouble(datastore, monkeypatch)
    applying = processor(context, mark=mark)
    fails(applying, PATIENCE - 1)
    trouble.comes_through_before_a_probe = True
    with suppress(UnavailableError):
        assert applying.apply_in_order("jobs/j").state is TaskState.GONE
    assert applying.apply_in_order("jobs/j").state is TaskState.GONE
    assert datastore.fields("sums/all") == {"total": 1}
    assert applying._commands.statistics.parked == 0
