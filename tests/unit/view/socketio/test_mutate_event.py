"""What a client's ``mutate`` names, and what it does, for views of each kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from flask_boiler import attrs
from flask_boiler.attrs.attribute import Attr
from flask_boiler.errors import (
    DocumentNotFoundError,
    PermissionDeniedError,
    RefusedError,
    ValidationError,
)
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.operate.testing.memory_datastore import MemoryDatastore
from flask_boiler.view.socketio.mutate_event import ClientAccess, apply_command, parts_of
from flask_boiler.view.socketio.slot_arguments import SlotArguments
from flask_boiler.viewmodels.mutation import Mutation
from flask_boiler.viewmodels.slots.each import each
from flask_boiler.viewmodels.slots.param import param
from flask_boiler.viewmodels.slots.root import root
from flask_boiler.viewmodels.store import Store
from flask_boiler.viewmodels.view_model import ViewModel
from flask_boiler.viewmodels.view_subject import ViewSubject
from tests.unit.memory import memory_context


class Diner(DomainModel):
    wish: Attr[str] = attrs.bproperty(default="")


class Table(DomainModel):
    diners: Attr[list[str]] = attrs.bproperty(default_factory=list)
    plates: Attr[int] = attrs.bproperty(default=0)


class TableStore(Store):
    table = root(Table)


class TableView(ViewModel):
    store: TableStore

    plates: Attr[int] = attrs.through("table.plates")


class TableMutation(Mutation[TableView]):
    pass


class CourseStore(Store):
    table = root(Table)
    course = param(int)
    diner = each(Diner, source=lambda store: store.table.diners)


class CourseView(ViewModel):
    """What is served to a diner in one course."""

    store: CourseStore

    wish: Attr[str] = attrs.through("diner.wish")
    plates: Attr[int] = attrs.through("table.plates")

    @attrs.computed
    def course(self) -> int:
        return self.store.course


class CourseMutation(Mutation[CourseView]):
    pass


class CourseByHand(CourseMutation):
    """Makes and removes courses in a way of its own."""

    removed: list[str]

    @classmethod
    def mutate_create(
        cls, doc_id: str | None = None, data: Mapping[str, Any] | None = None
    ) -> CourseView:
        Diner.new(doc_id="new", **(data or {})).save()
        table = Table.get_or_raise("t")
        table.update(diners=[*table.diners, "new"])
        return CourseView.get(table="t", course=3, diner="new")

    @classmethod
    def mutate_delete(cls, doc_id: str) -> None:
        cls.removed.append(doc_id)


class KitchenStore(Store):
    pass


class KitchenView(ViewModel):
    """A view that there is one of."""

    store: KitchenStore

    orders: Attr[int] = attrs.bproperty(default=0)

    @orders.getter
    def _orders(self) -> int:
        return Table.get_or_raise("t").plates

    @orders.setter
    def _set_orders(self, value: int) -> None:
        Table.get_or_raise("t").update(plates=value)


class KitchenMutation(Mutation[KitchenView]):
    pass


@pytest.fixture
def datastore() -> Iterator[MemoryDatastore]:
    context, datastore = memory_context()
    with context.activated():
        datastore.put("Table/t", obj_type="Table", diners=["ann"], plates=1)
        datastore.put("Diner/ann", obj_type="Diner", wish="soup")
        datastore.put("Diner/eve", obj_type="Diner", wish="cake")
        yield datastore


def parts(view_cls: type[ViewModel], **command: Any) -> Any:
    return parts_of(command, SlotArguments(ViewSubject(view_cls)))


def wrong_parts(view_cls: type[ViewModel], **command: Any) -> set[str]:
    with pytest.raises(ValidationError) as refused:
        parts(view_cls, **command)
    return set(refused.value.messages)


PATCH: dict[str, Any] = {"operation": "patch", "data": {}}
COURSE = {"table": "t", "course": 2, "diner": "ann"}


def test_a_view_is_named_by_its_key_or_by_its_arguments() -> None:
    assert parts(CourseView, **PATCH, doc_id="t//2//ann") == ("patch", "t//2//ann", {})
    assert parts(CourseView, **PATCH, arguments=COURSE) == ("patch", "t//2//ann", {})
    further = {"table_id": "t", "course": 2, "diner_id": "ann"}
    assert parts(CourseView, **PATCH, arguments=further) == ("patch", "t//2//ann", {})
    assert parts(TableView, **PATCH, doc_id="t") == ("patch", "t", {})
    assert parts(TableView, **PATCH, arguments={"table": "t"}) == ("patch", "t", {})
    assert parts(TableView, operation="delete", arguments={"doc_id": "t"}) == ("delete", "t", None)


def test_a_view_that_there_is_one_of_needs_no_name() -> None:
    assert parts(KitchenView, **PATCH) == ("patch", "", {})
    assert parts(KitchenView, **PATCH, arguments={}) == ("patch", "", {})
    assert parts(KitchenView, **PATCH, doc_id="") == ("patch", "", {})


@pytest.mark.parametrize(
    ("view_cls", "naming", "wrong"),
    [
        (TableView, {}, {"doc_id"}),
        (TableView, {"doc_id": 5}, {"doc_id"}),
        (CourseView, {}, {"arguments"}),
        (CourseView, {"doc_id": "t", "arguments": COURSE}, {"arguments"}),
        (CourseView, {"arguments": ["t", 2, "ann"]}, {"arguments"}),
        (CourseView, {"arguments": {**COURSE, "course": "2"}}, {"arguments.course"}),
        (
            CourseView,
            {"arguments": {"table": "t", "courses": 2}},
            {"arguments.courses", "arguments.course", "arguments.diner"},
        ),
        (CourseView, {"arguments": {**COURSE, "table_id": "u"}}, {"arguments.table_id"}),
        (KitchenView, {"arguments": {"table": "t"}}, {"arguments.table"}),
    ],
)
def test_what_names_no_view_is_refused(
    view_cls: type[ViewModel], naming: dict[str, Any], wrong: set[str]
) -> None:
    assert wrong_parts(view_cls, **PATCH, **naming) == wrong


def test_all_parts_that_are_wrong_are_named() -> None:
    named = wrong_parts(TableView, operation="replace", doc_id=5, data=[], more=1)
    assert named == {"operation", "doc_id", "data", "more"}
    assert wrong_parts(CourseView, operation="put", arguments=COURSE) == {"data"}


def test_a_view_of_several_slots_is_changed(datastore: MemoryDatastore) -> None:
    done = apply_command(
        CourseView, CourseMutation, "patch", "t//2//ann", {"wish": "tea", "plates": 4}
    )
    assert done == {"doc_id": "t//2//ann", "value": {"wish": "tea", "plates": 4, "course": 2}}
    assert datastore.fields("Diner/ann")["wish"] == "tea"
    assert datastore.fields("Table/t")["plates"] == 4


def test_a_view_that_there_is_one_of_is_changed(datastore: MemoryDatastore) -> None:
    done = apply_command(KitchenView, KitchenMutation, "put", "", {"orders": 9})
    assert done == {"doc_id": "", "value": {"orders": 9}}


@pytest.mark.parametrize(("key", "path"), [("t//2//eve", "Diner/eve"), ("u//2//ann", "Table/u")])
def test_who_is_no_member_changes_nothing(datastore: MemoryDatastore, key: str, path: str) -> None:
    with pytest.raises(DocumentNotFoundError) as refused:
        apply_command(CourseView, CourseMutation, "patch", key, {"wish": "tea"})
    assert refused.value.path == path
    assert datastore.commits == []


@pytest.mark.parametrize("key", ["t//2", "t//two//ann", "t//02//ann", "t//2//", "Table/t//2//ann"])
def test_what_is_no_key_is_refused(datastore: MemoryDatastore, key: str) -> None:
    with pytest.raises(ValidationError):
        apply_command(CourseView, CourseMutation, "patch", key, {"wish": "tea"})
    assert datastore.reads == []


@pytest.mark.parametrize("operation", ["create", "delete"])
def test_a_view_that_is_no_document_s_is_neither_made_nor_deleted(
    datastore: MemoryDatastore, operation: str
) -> None:
    with pytest.raises(RefusedError, match=f"A CourseView cannot be {operation}d here"):
        apply_command(CourseView, CourseMutation, operation, "t//2//ann", {"wish": "tea"})
    assert datastore.reads == []
    assert datastore.commits == []


def test_a_mutation_may_say_how_it_is_made_and_deleted(datastore: MemoryDatastore) -> None:
    done = apply_command(CourseView, CourseByHand, "create", None, {"wish": "ice"})
    assert done["doc_id"] == "t//3//new"
    assert done["value"] == {"wish": "ice", "plates": 1, "course": 3}
    CourseByHand.removed = []
    done = apply_command(CourseView, CourseByHand, "delete", "t//3//new", None)
    assert done == {"doc_id": "t//3//new", "value": None}
    assert CourseByHand.removed == ["t//3//new"]


def test_who_leaves_by_its_own_change_is_told_that_it_is_made(datastore: MemoryDatastore) -> None:
    class LeavingView(CourseView):
        leave: Attr[bool] = attrs.bproperty(export_enabled=False)

        @leave.setter
        def _set_leave(self, value: bool) -> None:
            self.store.table.diners = []

    class LeavingMutation(Mutation[LeavingView]):
        pass

    done = apply_command(LeavingView, LeavingMutation, "patch", "t//2//ann", {"leave": True})
    assert done == {"doc_id": "t//2//ann", "value": None}
    assert datastore.fields("Table/t")["diners"] == []


def test_who_may_is_asked_with_the_key(datastore: MemoryDatastore) -> None:
    asked: list[Any] = []

    def authorize_mutation(*given: Any) -> None:
        asked.append(given)
        raise PermissionDeniedError("not you")

    access = ClientAccess(lambda arguments: None, authorize_mutation, {"wish": "tea"})
    operation, key, data = parts(
        CourseView, operation="patch", arguments=COURSE, data={"wish": "tea"}
    )
    with pytest.raises(PermissionDeniedError):
        apply_command(CourseView, CourseMutation, operation, key, data, access)
    assert asked == [("patch", "t//2//ann", {"wish": "tea"})]
    assert datastore.reads == []


def test_documents_are_made_and_deleted_by_any_of_their_names(datastore: MemoryDatastore) -> None:
    operation, key, data = parts(
        TableView, operation="create", arguments={"table_id": "u"}, data={"plates": 2}
    )
    done = apply_command(TableView, TableMutation, operation, key, data)
    assert done == {"doc_id": "u", "value": {"plates": 2}}
    assert parts(TableView, operation="create", data={"plates": 2}) == (
        "create",
        None,
        {"plates": 2},
    )
    operation, key, data = parts(TableView, operation="delete", arguments={"table": "u"})
    assert apply_command(TableView, TableMutation, operation, key, data)["value"] is None
    assert not datastore.exists("Table/u")
