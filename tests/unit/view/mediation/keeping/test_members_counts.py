"""How much is computed and written for views of members, and what one of them costs the others."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import grpc
import pytest

from flask_boiler import attrs
from flask_boiler.attrs.attribute import Attr
from flask_boiler.context.config import Config
from flask_boiler.context.context import ApplicationContext
from flask_boiler.firestore.listen.cut import ListenCut
from flask_boiler.ground.values import Write
from flask_boiler.local.embedded.listening.faults import Faults
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.models.query.query import Query
from flask_boiler.operate.extension import Boiler
from flask_boiler.operate.testing.memory_datastore import MemoryDatastore
from flask_boiler.view.query_mediator import QueryMediator
from flask_boiler.viewmodels.slots.each import each
from flask_boiler.viewmodels.slots.param import param
from flask_boiler.viewmodels.slots.reference import reference
from flask_boiler.viewmodels.slots.root import root
from flask_boiler.viewmodels.store import Store
from flask_boiler.viewmodels.view_model import ViewModel

TIMEOUT_S = 120.0
POISON = "poison"
#: How many members a large room has, in each tier.
SIZES = [1_000, pytest.param(10_000, marks=pytest.mark.long)]


class Room(DomainModel):
    title: Attr[str]
    members: Attr[list[str]]
    note = attrs.bproperty()

    class Meta:
        collection_name = "rooms"


class Member(DomainModel):
    name: Attr[str]
    room = attrs.bproperty()
    friend = attrs.bproperty()

    class Meta:
        collection_name = "members"


#: How often which getter ran, and for whom.
calls: Counter[str] = Counter()


class IdStore(Store):
    """Members that are ids, of which there may be many."""

    room = root(Room)
    reader = each(str, source=lambda store: store.room.members)


class IdCopy(ViewModel):
    store: IdStore

    class Meta:
        path = "rooms/{room.doc_id}/copies/{reader}"

    @attrs.computed
    def title(self) -> str:
        calls["title"] += 1
        return self.store.room.title

    @attrs.computed
    def size(self) -> str:
        calls["size"] += 1
        return "large" if len(self.store.room.title) > 3 else "small"

    @attrs.computed
    def reader(self) -> str:
        calls[self.store.reader] += 1
        if self.store.reader == POISON:
            raise ValueError("poison")
        return self.store.reader


class MemberStore(Store):
    """Members that have documents, and perhaps friends."""

    room = root(Room)

    @each(Member)
    def reader(self) -> Sequence[str]:
        if self.room.note == "broken":
            raise ValueError("the source is broken")
        return self.room.members

    @reference(Member)
    def friend(self) -> str | None:
        named: str | None = self.reader.friend
        return named


class MemberCopy(ViewModel):
    store: MemberStore

    class Meta:
        path = "rooms/{room.doc_id}/copies/{reader.doc_id}"

    @attrs.computed
    def title(self) -> str:
        calls["title"] += 1
        return self.store.room.title

    @attrs.computed
    def name(self) -> str:
        calls[self.store.reader.doc_id] += 1
        if self.store.reader.name == POISON:
            raise ValueError("poison")
        return self.store.reader.name

    @attrs.computed
    def friend(self) -> str | None:
        return self.store.friend.name if self.store.friend else None


class FoundStore(MemberStore):
    """Members that a query finds."""

    @each(Member)
    def reader(self) -> Query[Member]:
        return Member.where(Member.room == self.room.doc_id)


class FoundCopy(MemberCopy):
    store: FoundStore


class House:
    """A mediator at work on a database in memory."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.datastore = MemoryDatastore(faults=self.faults)
        config = Config(project="memory", testing=True)
        self.boiler = Boiler(config=config)
        self.boiler._context = ApplicationContext(config, datastore=self.datastore)

    def keep(self, view_cls: type[ViewModel], query: Any = None) -> None:
        """Begin to keep views, of all rooms if nothing else is said."""
        self.boiler.add(QueryMediator(view_cls, query=query or Room.get_query()))
        self.boiler.start()
        self.settle()

    def put(self, path: str, /, **fields: Any) -> None:
        obj_type = {"rooms": "Room", "members": "Member"}[path.partition("/")[0]]
        self.datastore.put(path, obj_type=obj_type, **fields)

    def change(self, path: str, /, **fields: Any) -> None:
        """Write a document anew, and have everything forgotten that was counted before."""
        calls.clear()
        self.datastore.commits.clear()
        self.put(path, **fields)
        self.settle()

    def settle(self) -> None:
        self.boiler.settle(timeout_s=TIMEOUT_S)

    @property
    def copies(self) -> set[str]:
        """Whose copies there are: ``ROOM/MEMBER``."""
        return {_copy(path) for path in self.datastore.documents if _is_copy(path)}

    @property
    def written(self) -> list[str]:
        """Whose copies were written, in order; with a ``-`` before those that were deleted."""
        return [
            ("-" if write.kind == "delete" else "") + _copy(write.path)
            for write in self.datastore.writes
            if _is_copy(write.path)
        ]

    @property
    def parked(self) -> list[tuple[str, str]]:
        """The subjects of what is parked, with the messages."""
        return [(parked.key.subject, str(parked.error)) for parked in self.boiler.parked]


def _is_copy(path: str) -> bool:
    return path.startswith("rooms/") and "/copies/" in path


def _copy(path: str) -> str:
    return path.removeprefix("rooms/").replace("/copies/", "/")


@pytest.fixture
def house() -> Iterator[House]:
    calls.clear()
    house = House()
    with house.boiler.context.activated():
        yield house
    house.boiler.close()


@pytest.fixture
def salon(house: House) -> House:
    """A room of members with documents: ann, whose friend is bob, bob, and cy."""
    house.put("members/ann", name="Ann", friend="bob")
    house.put("members/bob", name="Bob")
    house.put("members/cy", name="Cy")
    house.put("rooms/a", title="A", members=["ann", "bob", "cy"])
    house.keep(MemberCopy)
    return house


# --- what a change costs ----------------------------------------------------------------------


def test_a_change_of_a_members_document_computes_that_members_view_alone(salon: House) -> None:
    salon.change("members/cy", name="Cyrus")
    assert calls == {"cy": 1}
    assert salon.written == ["a/cy"]


def test_and_those_that_read_it(salon: House) -> None:
    salon.change("members/bob", name="Robert")
    assert calls == {"bob": 1, "ann": 1}
    assert sorted(salon.written) == ["a/ann", "a/bob"]
    assert salon.datastore.fields("rooms/a/copies/ann")["friend"] == "Robert"


def test_a_change_that_nobody_sees_writes_nothing(salon: House) -> None:
    salon.change("rooms/a", title="A", members=["ann", "bob", "cy"], note="new")
    assert salon.written == []
    assert calls["title"] <= 1


def test_who_joins_has_a_view_computed_and_nobody_else(salon: House) -> None:
    salon.put("members/dan", name="Dan")
    salon.change("rooms/a", title="A", members=["dan", "ann", "bob", "cy"])
    assert calls - Counter(title=1) == {"dan": 1}
    assert salon.written == ["a/dan"]


def test_who_leaves_loses_the_copy_and_nobody_is_computed(salon: House) -> None:
    salon.change("rooms/a", title="A", members=["ann", "cy"])
    assert calls - Counter(title=1) == {}
    assert salon.written == ["-a/bob"]
    assert salon.copies == {"a/ann", "a/cy"}


def test_no_copy_shows_that_somebody_left_while_the_leaver_has_one(house: House) -> None:
    members = [f"u{n}" for n in range(1_000)]
    house.put("rooms/a", title="A", members=members)
    house.keep(IdCopy)
    house.change("rooms/a", title="B", members=members[:500])
    writes = [write for write in house.datastore.writes if _is_copy(write.path)]
    # Several commits, each of several copies.
    assert [write.kind for write in writes] == ["delete"] * 500 + ["set"] * 500


def test_not_even_the_copy_of_who_changes_in_the_same_commit(salon: House) -> None:
    salon.datastore.commits.clear()
    with salon.boiler.transaction() as transaction:
        for path, fields in {
            "members/ann": {"obj_type": "Member", "name": "Anna"},
            "rooms/a": {"obj_type": "Room", "title": "New", "members": ["ann", "cy"]},
        }.items():
            transaction.write(Write("set", path, fields))
    salon.settle()
    assert salon.written[0] == "-a/bob"
    assert sorted(salon.written[1:]) == ["a/ann", "a/cy"]


def test_who_comes_back_has_one_again(salon: House) -> None:
    salon.change("rooms/a", title="A", members=["ann", "cy"])
    salon.change("rooms/a", title="A", members=["ann", "bob", "cy"])
    assert calls - Counter(title=1) == {"bob": 1}
    assert salon.written == ["a/bob"]


def test_whose_document_goes_loses_the_copy_and_has_it_back_with_it(salon: House) -> None:
    salon.datastore.drop("members/cy")
    salon.settle()
    assert salon.copies == {"a/ann", "a/bob"}
    assert salon.parked == []
    salon.change("members/cy", name="Cy again")
    assert calls == {"cy": 1}
    assert salon.copies == {"a/ann", "a/bob", "a/cy"}


def test_a_member_that_is_named_twice_has_one_view(salon: House) -> None:
    salon.change("rooms/a", title="A", members=["ann", "ann", "bob", "cy", "bob"])
    assert salon.written == []
    salon.change("rooms/a", title="A", members=["ann", "cy", "ann"])
    assert salon.written == ["-a/bob"]


@pytest.mark.parametrize("size", SIZES)
def test_what_no_reader_is_asked_for_is_evaluated_once_for_a_room(house: House, size: int) -> None:
    members = [f"u{n}" for n in range(size)]
    house.put("rooms/a", title="A", members=members)
    house.keep(IdCopy)
    assert house.copies == {f"a/{member}" for member in members}
    assert calls["title"] == calls["size"] == 1
    house.change("rooms/a", title="B", members=members)
    assert calls["title"] == calls["size"] == 1
    assert sorted(house.written) == sorted(f"a/{member}" for member in members)
    house.change("rooms/a", title="B", members=members[1:])
    assert house.written == ["-a/u0"]
    assert all(calls[member] == 0 for member in members)


# --- what one costs the others ---------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
def test_one_member_whose_getter_fails_is_parked_alone(house: House, size: int) -> None:
    members = [f"u{n}" for n in range(size)]
    house.put("rooms/a", title="A", members=[POISON, *members])
    house.keep(IdCopy)
    [(parked, why)] = house.parked
    assert parked == f"rooms/a//{POISON}"
    assert "poison" in why
    assert house.copies == {f"a/{member}" for member in members}


def test_a_source_that_raises_parks_its_room_alone_and_what_is_published_stands(
    salon: House,
) -> None:
    salon.put("rooms/b", title="B", members=["cy"])
    salon.settle()
    salon.change("rooms/a", title="New", members=["ann"], note="broken")
    [(parked, why)] = salon.parked
    assert parked == "rooms/a"
    assert "MemberStore.reader" in why
    assert "the source is broken" in why
    assert salon.written == []
    # The other room goes on, and so does the first one when it can.
    salon.change("rooms/b", title="B", members=["ann"])
    assert sorted(salon.written) == ["-b/cy", "b/ann"]
    salon.change("rooms/a", title="New", members=["ann"])
    assert salon.parked == []
    assert sorted(salon.written) == ["-a/bob", "-a/cy", "a/ann"]


def test_a_query_of_members_that_is_refused_parks_its_room_and_what_is_published_stands(
    house: House,
) -> None:
    house.put("members/ann", name="Ann", room="a")
    house.put("members/bob", name="Bob", room="a")
    house.put("rooms/a", title="A")
    house.keep(FoundCopy)
    assert house.copies == {"a/ann", "a/bob"}
    house.faults.reject("members", grpc.StatusCode.PERMISSION_DENIED)
    house.change("rooms/a", title="New")
    [(parked, why)] = house.parked
    assert parked == "rooms/a"
    assert "Missing or insufficient permissions" in why
    assert house.copies == {"a/ann", "a/bob"}
    house.faults.accept("members")
    house.datastore.drop("members/bob")
    # On a new stream what was refused is asked for once more.
    house.faults.drop_streams()
    house.settle()
    assert house.parked == []
    assert house.copies == {"a/ann"}
    assert house.datastore.fields("rooms/a/copies/ann")["title"] == "New"


def test_who_leaves_while_parked_is_parked_no_more(salon: House) -> None:
    salon.change("members/bob", name=POISON)
    [(parked, _)] = salon.parked
    assert parked == "rooms/a//members/bob"
    salon.change("rooms/a", title="A", members=["ann", "cy"])
    assert salon.parked == []
    assert salon.copies == {"a/ann", "a/cy"}
    # And comes back to be parked.
    salon.change("rooms/a", title="A", members=["ann", "bob"])
    assert [subject for subject, _ in salon.parked] == [parked]
    salon.change("members/bob", name="Bob")
    assert salon.parked == []
    assert salon.copies == {"a/ann", "a/bob"}


def test_others_come_and_go_while_one_is_parked(salon: House) -> None:
    salon.change("members/bob", name=POISON)
    salon.put("members/dan", name="Dan")
    salon.change("rooms/a", title="New", members=["bob", "cy", "dan"])
    assert [subject for subject, _ in salon.parked] == ["rooms/a//members/bob"]
    # What bob had is what was true last.
    assert salon.copies == {"a/bob", "a/cy", "a/dan"}
    salon.datastore.drop("rooms/a")
    salon.settle()
    assert salon.parked == []
    assert salon.copies == set()
    assert salon.boiler.engine.views == 0


def test_a_room_that_goes_while_its_source_raises_leaves_nothing(salon: House) -> None:
    salon.change("rooms/a", title="A", members=["ann"], note="broken")
    assert [subject for subject, _ in salon.parked] == ["rooms/a"]
    salon.datastore.drop("rooms/a")
    salon.settle()
    assert salon.parked == []
    assert salon.copies == set()
    assert salon.boiler.engine.views == 0


# --- values ----------------------------------------------------------------------------------


class PageStore(Store):
    number = param(int)


class Page(ViewModel):
    store: PageStore

    class Meta:
        path = "pages/{number}"

    @attrs.computed
    def number(self) -> int:
        calls[f"page {self.store.number}"] += 1
        return self.store.number


def test_a_thousand_values_have_a_view_each(house: House) -> None:
    numbers = list(range(1_000))
    house.keep(Page, {"number": [*numbers, *numbers]})
    pages = {path for path in house.datastore.documents if path.startswith("pages/")}
    assert pages == {f"pages/{number}" for number in numbers}
    assert calls == {f"page {number}": 1 for number in numbers}
    assert house.boiler.engine.statistics.published == 1_000


# --- what is kept -----------------------------------------------------------------------------


def cuts(since_ns: int) -> set[int]:
    """The times of the cuts that are held, but for those that earlier tests have left."""
    gc.collect()
    held = [each.read_time_ns for each in gc.get_objects() if isinstance(each, ListenCut)]
    return {time_ns for time_ns in held if time_ns >= since_ns}


@pytest.mark.parametrize("broken", ["member", "source", "nothing"])
def test_what_is_parked_or_remembered_keeps_no_cut(salon: House, broken: str) -> None:
    begun_ns = salon.datastore.now_ns()
    salon.change("members/cy", name=POISON if broken == "member" else "Cyd")
    note = "broken" if broken == "source" else "fine"
    salon.change("rooms/a", title="A", members=["ann", "bob", "cy"], note=note)
    assert len(salon.parked) == (broken != "nothing")
    before = cuts(begun_ns)
    for number in range(5):
        salon.change("members/bob", name=f"Bob {number}")
    assert before
    assert not before & cuts(begun_ns)
