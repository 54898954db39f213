"""Applying patches against a database that loses answers, and people who interfere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import grpc
import pytest
from werkzeug.exceptions import NotFound

from flask_boiler.context.context import ApplicationContext
from flask_boiler.errors import (
    ConflictError,
    DocumentNotFoundError,
    PermissionDeniedError,
    RefusedError,
    UnavailableError,
    ValidationError,
)
from flask_boiler.ground.values import CommitResult
from flask_boiler.operate.testing.memory_datastore import MemoryDatastore, answer_lost, request_lost
from flask_boiler.transactions import running
from flask_boiler.view.inbox.handling import Handling
from flask_boiler.view.inbox.patches import (
    Authorize,
    Patch,
    PatchCollection,
    Patches,
    patch_commands,
)
from flask_boiler.view.inbox.records import TaskRecords
from flask_boiler.view.inbox.task_processor import TaskProcessor
from flask_boiler.view.mediation.inbox import Result, TaskState
from flask_boiler.viewmodels.view_subject import ViewSubject
from tests.firestore.salons import PATTERN, SalonMutation, SalonView, is_member
from tests.unit.memory import memory_context

PATH = "users/ada/SalonView_PATCH/p1"

Act = Callable[[], CommitResult]


@pytest.fixture
def context(monkeypatch: pytest.MonkeyPatch) -> Iterator[ApplicationContext]:
    monkeypatch.setattr(running, "_pause", lambda seconds: None)
    made, _ = memory_context()
    with made.activated():
        yield made


@pytest.fixture
def datastore(context: ApplicationContext) -> MemoryDatastore:
    found: Any = context.datastore
    assert isinstance(found, MemoryDatastore)
    found.put("salons/s1", title="Blue", isOpen=False, guests=0, members=["ada"])
    return found


class Applying:
    """A processor of patches, as a worker has one."""

    def __init__(self, processor: TaskProcessor) -> None:
        self.processor = processor

    def result(self, path: str) -> Result:
        return self.processor.apply(path, consult=False)

    def apply(self, path: str) -> bool:
        """Apply the patch at a path, or mark it as refused; whether either was done."""
        return self.result(path).state is TaskState.DONE


def processor(
    context: ApplicationContext,
    patches: Patches | None = None,
    authorize: Authorize = is_member,
    mutation_cls: type[SalonMutation] = SalonMutation,
) -> Applying:
    subject = ViewSubject(SalonView)
    collection = PatchCollection(patches or Patches(PATTERN), subject)
    commands = patch_commands(collection, subject, mutation_cls, authorize)
    return Applying(TaskProcessor(context, Handling(commands, "patches", context.datastore.codec)))


def propose(datastore: MemoryDatastore, **fields: Any) -> None:
    datastore.put(PATH, **{"target_salon_id": "s1", **fields})


def mark(datastore: MemoryDatastore) -> Any:
    fields = datastore.fields(PATH)
    assert fields is not None
    return fields.get("error") or fields["result"]["status"]


def salon(datastore: MemoryDatastore) -> dict[str, Any]:
    fields = datastore.fields("salons/s1")
    assert fields is not None
    return fields


def test_the_effect_and_the_mark_are_one_commit(
    context: ApplicationContext, datastore: MemoryDatastore
) -> None:
    propose(datastore, addGuests=2, title="Red")
    assert processor(context).apply(PATH)
    assert (salon(datastore)["guests"], salon(datastore)["title"]) == (2, "Red")
    assert mark(datastore) == "applied"
    [commit] = datastore.commits
    assert {write.path for write in commit} == {"salons/s1", PATH}
    assert all(write.precondition is not None for write in commit)


def test_what_is_marked_is_not_applied_again(
    context: ApplicationContext, datastore: MemoryDatastore
) -> None:
    propose(datastore, addGuests=2)
    assert [processor(context).apply(PATH) for _ in range(3)] == [True, False, False]
    assert salon(datastore)["guests"] == 2
    assert len(datastore.commits) == 1


@pytest.mark.parametrize("mark", ["update", "delete"])
@pytest.mark.parametrize("mishap", [answer_lost, request_lost])
def test_a_commit_whose_answer_is_lost_has_its_effect_once(
    context: ApplicationContext, datastore: MemoryDatastore, mishap: Any, mark: Any
) -> None:
    propose(datastore, addGuests=2)
    datastore.mishaps.append(mishap)
    assert processor(context, Patches(PATTERN, mark=mark)).apply(PATH)
    assert salon(datastore)["guests"] == 2


def test_a_patch_that_is_deleted_meanwhile_has_no_effect(
    context: ApplicationContext, datastore: MemoryDatastore
) -> None:
    propose(datastore, addGuests=2)

    def drop_first(act: Act) -> CommitResult:
        datastore.drop(PATH)
        return act()

    datastore.mishaps.append(drop_first)
    assert not processor(context).apply(PATH)
    assert salon(datastore)["guests"] == 0
    assert not datastore.exists(PATH)


def test_a_patch_that_is_changed_meanwhile_is_applied_as_it_is_then(
    context: ApplicationContext, datastore: MemoryDatastore
) -> None:
    propose(datastore, addGuests=2)

    def change_first(act: Act) -> CommitResult:
        propose(datastore, addGuests=3)
        return act()

    datastore.mishaps.append(change_first)
    assert processor(context).apply(PATH)
    assert salon(datastore)["guests"] == 3


def test_a_patch_that_another_worker_applied_meanwhile_is_left_alone(
    context: ApplicationContext, datastore: MemoryDatastore
) -> None:
    propose(datastore, addGuests=2)
    other = processor(context)

    def other_first(act: Act) -> CommitResult:
        assert other.apply(PATH)
        return act()

    datastore.mishaps.append(other_first)
    assert not processor(context).apply(PATH)
    assert salon(datastore)["guests"] == 2


def test_somebody_who_leaves_meanwhile_is_refused(
    context: ApplicationContext, datastore: MemoryDatastore
) -> None:
    propose(datastore, addGuests=2)

    def remove_first(act: Act) -> CommitResult:
        datastore.put("salons/s1", title="Blue", isOpen=False, guests=0, members=[])
        return act()

    datastore.mishaps.append(remove_first)
    assert processor(context).apply(PATH)
    assert salon(datastore)["guests"] == 0
    assert mark(datastore)["status"] == 404


def test_a_refusal_is_as_of_one_time_with_what_it_is_about(
    context: ApplicationContext, datastore: MemoryDatastore
) -> None:
    propose(datastore, isOpen=False)

    def open_first(act: Act) -> CommitResult:
        datastore.put("salons/s1", title="Blue", isOpen=True, guests=0, members=["ada"])
        return act()

    datastore.mishaps.append(open_first)
    assert processor(context).apply(PATH)
    assert mark(datastore) == "applied"
    assert salon(datastore)["isOpen"] is False


def test_who_loses_every_time_is_told_so_and_not_what_the_server_says(
    context: ApplicationContext, datastore: MemoryDatastore
) -> None:
    propose(datastore, addGuests=2)

    def lose(act: Act) -> CommitResult:
        raise ConflictError("projects/secret/databases/(default) changed")

    datastore.mishaps.extend([lose] * SalonMutation.max_attempts)
    assert processor(context).apply(PATH)
    assert salon(datastore)["guests"] == 0
    problem = mark(datastore)
    assert problem["status"] == 409
    assert "secret" not in str(problem)


def test_what_cannot_be_stored_is_marked(
    context: ApplicationContext, datastore: MemoryDatastore
) -> None:
    propose(datastore, addGuests=2)

    def refuse(act: Act) -> CommitResult:
        raise ValidationError({"document": ["projects/secret is too large"]})

    datastore.mishaps.append(refuse)
    assert processor(context).apply(PATH)
    problem = mark(datastore)
    assert problem["status"] == 422
    assert "secret" not in str(problem)
    assert datastore.exists(PATH)
    assert datastore.fields(PATH)["addGuests"] == 2


def test_what_has_no_room_for_a_mark_gives_way_to_it(
    context: ApplicationContext, datastore: MemoryDatastore
) -> None:
    propose(datastore, addGuests=2)

    def refuse(act: Act) -> CommitResult:
        raise ValidationError({"document": ["too large"]})

    datastore.mishaps.extend([refuse, refuse])
    assert processor(context).apply(PATH)
    fields = datastore.fields(PATH)
    assert fields is not None
    assert list(fields) == ["error"]
    assert not processor(context).apply(PATH)


def test_where_there_is_no_room_the_reason_is_told_all_the_same(
    context: ApplicationContext, datastore: MemoryDatastore
) -> None:
    def refuse(act: Act) -> CommitResult:
        raise ValidationError({"document": ["too large"]})

    propose(datastore, motto="Oro")
    datastore.mishaps.extend([refuse, refuse])
    assert processor(context).apply(PATH)
    assert list(mark(datastore)["errors"]) == ["motto"]
    assert list(datastore.fields(PATH) or ()) == ["error"]


def test_who_may_have_been_right_is_not_refused_for_what_was_not_verified(
    context: ApplicationContext, datastore: MemoryDatastore
) -> None:
    def lose(act: Act) -> CommitResult:
        raise ConflictError("changed")

    propose(datastore, isOpen=False)
    datastore.mishaps.extend([lose] * SalonMutation.max_attempts)
    assert processor(context).apply(PATH)
    assert "somebody else changed the same data" in mark(datastore)["detail"]


def test_what_was_changed_after_it_failed_is_not_marked_for_that(
    context: ApplicationContext, datastore: MemoryDatastore
) -> None:
    propose(datastore, addGuests=2)

    def refuse(act: Act) -> CommitResult:
        propose(datastore, addGuests=3)
        raise ValidationError({"document": ["too large"]})

    datastore.mishaps.append(refuse)
    with pytest.raises(UnavailableError, match="written again"):
        processor(context).apply(PATH)
    assert "error" not in datastore.fields(PATH)
    assert processor(context).apply(PATH)
    assert salon(datastore)["guests"] == 3


def test_a_database_that_cannot_be_reached_leaves_the_patch_alone(
    context: ApplicationContext, datastore: MemoryDatastore
) -> None:
    propose(datastore, addGuests=2)

    def unavailable(act: Act) -> CommitResult:
        raise UnavailableError("nobody is there")

    datastore.mishaps.append(unavailable)
    with pytest.raises(UnavailableError):
        processor(context).apply(PATH)
    assert processor(context).apply(PATH)
    assert salon(datastore)["guests"] == 2


def test_what_firestore_does_not_allow_the_process_is_not_told(
    context: ApplicationContext, datastore: MemoryDatastore
) -> None:
    propose(datastore, addGuests=2)

    def refuse(act: Act) -> CommitResult:
        raise PermissionDeniedError("check the service account") from grpc.RpcError()

    datastore.mishaps.append(refuse)
    assert processor(context).result(PATH).state is TaskState.PARKED
    assert "error" not in datastore.fields(PATH)


@pytest.mark.parametrize("answer", [False, None, 0])
def test_whoever_is_not_said_to_be_allowed_is_not(
    context: ApplicationContext, datastore: MemoryDatastore, answer: Any
) -> None:
    propose(datastore, addGuests=2)
    assert processor(context, authorize=lambda patch, view: answer).apply(PATH)
    assert mark(datastore)["status"] == 404
    assert salon(datastore)["guests"] == 0


def test_a_reason_is_told(context: ApplicationContext, datastore: MemoryDatastore) -> None:
    def authorize(patch: Patch, view: SalonView) -> bool:
        raise PermissionDeniedError("Ask the host.")

    propose(datastore, addGuests=2)
    assert processor(context, authorize=authorize).apply(PATH)
    assert mark(datastore) == {
        "type": "about:blank",
        "title": "Forbidden",
        "status": 403,
        "detail": "Ask the host.",
    }


def test_a_reason_that_is_no_unicode_is_told_as_far_as_it_is(
    context: ApplicationContext, datastore: MemoryDatastore
) -> None:
    def authorize(patch: Patch, view: SalonView) -> bool:
        raise PermissionDeniedError("only \ud800 may")

    propose(datastore, addGuests=2)
    assert processor(context, authorize=authorize).apply(PATH)
    assert mark(datastore)["detail"] == "only ? may"


def test_who_decides_sees_the_patch_and_the_view(
    context: ApplicationContext, datastore: MemoryDatastore
) -> None:
    seen: list[Patch] = []

    def authorize(patch: Patch, view: SalonView) -> bool:
        seen.append(patch)
        return view.title == "Blue"

    propose(datastore, addGuests=2)
    assert processor(context, authorize=authorize).apply(PATH)
    [patch] = seen
    assert (patch.path, patch.placeholders, patch.target_id) == (PATH, {"uid": "ada"}, "s1")
    assert patch.data == {"add_guests": 2}
    assert mark(datastore) == "applied"


def test_of_a_patch_that_is_refused_late_nothing_is_written(
    context: ApplicationContext, datastore: MemoryDatastore
) -> None:
    class Hesitant(SalonMutation):
        @classmethod
        def mutate_patch(cls, doc_id: str, data: Mapping[str, Any]) -> SalonView:
            super().mutate_patch(doc_id, data)
            raise RefusedError("On second thoughts, no.")

    propose(datastore, addGuests=2)
    assert processor(context, mutation_cls=Hesitant).apply(PATH)
    assert mark(datastore)["detail"] == "On second thoughts, no."
    assert salon(datastore)["guests"] == 0
    # What the refusal is about is verified all the same.
    [commit] = datastore.commits
    assert {(w.kind, w.path) for w in commit} == {("update", PATH), ("verify", "salons/s1")}


def test_a_bug_is_not_told_and_nothing_is_written(
    context: ApplicationContext, datastore: MemoryDatastore
) -> None:
    propose(datastore, title="explode")
    before = datastore.fields(PATH)
    result = processor(context).result(PATH)
    assert isinstance(result.error, ZeroDivisionError)
    assert datastore.fields(PATH) == before
    # That it is parked is known to all, and only if what it is about was so.
    [commit] = datastore.commits
    record = TaskRecords("patches", datastore.codec).path_of(PATH)
    assert {(w.kind, w.path) for w in commit} == {
        ("set", record),
        ("verify", PATH),
        ("verify", "salons/s1"),
    }


def test_every_wrong_field_is_named_as_the_front_end_knows_it(
    context: ApplicationContext, datastore: MemoryDatastore
) -> None:
    propose(datastore, isOpen="yes", is_open=True, guests=3, motto="Oro")
    assert processor(context).apply(PATH)
    problem = mark(datastore)
    assert problem["status"] == 422
    assert sorted(problem["errors"]) == ["guests", "isOpen", "is_open", "motto"]
    assert "Read-only" in problem["errors"]["guests"][0]
    assert salon(datastore) == {
        "title": "Blue",
        "isOpen": False,
        "guests": 0,
        "members": ["ada"],
    }


def test_a_flood_of_wrong_fields_makes_a_mark_of_bounded_size(
    context: ApplicationContext, datastore: MemoryDatastore
) -> None:
    propose(datastore, **{f"field {n} {'x' * 400}": n for n in range(200)})
    assert processor(context).apply(PATH)
    errors = mark(datastore)["errors"]
    assert len(errors) == 20
    assert all(len(name) <= 300 for name in errors)


def test_a_missing_target_is_not_found(
    context: ApplicationContext, datastore: MemoryDatastore
) -> None:
    propose(datastore, target_salon_id="nowhere", isOpen=True)
    assert processor(context).apply(PATH)
    assert mark(datastore)["status"] == 404


@pytest.mark.parametrize(
    "fields",
    [{"addGuests": 2}, {"addGuests": "two"}, {"guests": 5, "motto": "Oro"}, {"title": None}, {}],
)
def test_a_stranger_is_not_told_whether_there_is_a_view(
    context: ApplicationContext, datastore: MemoryDatastore, fields: dict[str, Any]
) -> None:
    told = []
    for target in ("s1", "nowhere"):
        propose(datastore, target_salon_id=target, **fields)
        assert processor(context, authorize=lambda patch, view: False).apply(PATH)
        told.append(mark(datastore))
    assert told[0] == told[1]
    assert "s1" not in str(told[0])


def test_a_stranger_is_not_told_either_that_others_change_it(
    context: ApplicationContext, datastore: MemoryDatastore
) -> None:
    def lose(act: Act) -> CommitResult:
        raise ConflictError("projects/secret/databases/(default) changed")

    told = []
    for target, losses in (("s1", SalonMutation.max_attempts), ("nowhere", 0)):
        propose(datastore, target_salon_id=target, addGuests=2)
        datastore.mishaps.extend([lose] * losses)
        assert processor(context, authorize=lambda patch, view: False).apply(PATH)
        told.append(mark(datastore))
    assert told[0] == told[1]


def test_what_authorize_does_not_find_is_no_hint_either(
    context: ApplicationContext, datastore: MemoryDatastore
) -> None:
    def authorize(patch: Patch, view: SalonView) -> bool:
        raise DocumentNotFoundError("members/bob")

    propose(datastore, addGuests=2)
    assert processor(context, authorize=authorize).apply(PATH)
    assert mark(datastore)["status"] == 404
    assert "bob" not in str(mark(datastore))


def test_who_hides_a_view_by_abort_404_tells_no_more(
    context: ApplicationContext, datastore: MemoryDatastore
) -> None:
    def authorize(patch: Patch, view: SalonView) -> bool:
        raise NotFound

    told = []
    for target in ("s1", "nowhere"):
        propose(datastore, target_salon_id=target, addGuests=2)
        assert processor(context, authorize=authorize).apply(PATH)
        told.append(mark(datastore))
    assert told[0] == told[1]
