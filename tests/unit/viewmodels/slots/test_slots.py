"""Slots of stores: what each kind holds, what it takes, and what is refused at declaration."""

from __future__ import annotations

import datetime
import enum
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import pytest

from flask_boiler import attrs
from flask_boiler.attrs.attribute import Attr
from flask_boiler.errors import (
    DeclarationError,
    DocumentNotFoundError,
    MaterializationError,
    UnknownModelError,
    ValidationError,
)
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.models.query.query import Query
from flask_boiler.operate.testing.memory_datastore import MemoryDatastore
from flask_boiler.viewmodels.slots.each import each
from flask_boiler.viewmodels.slots.param import param
from flask_boiler.viewmodels.slots.reference import reference
from flask_boiler.viewmodels.slots.root import root
from flask_boiler.viewmodels.slots.slot import MemberWanted
from flask_boiler.viewmodels.store import Store
from flask_boiler.viewmodels.view_model import ViewModel


class Person(DomainModel):
    name: Attr[str]


class Guest(Person):
    pass


class Room(DomainModel):
    title: Attr[str]
    members = attrs.relation(Person, many=True)
    doors = attrs.bproperty()

    @property
    def broken(self) -> Any:
        return self.title.no_such_thing  # type: ignore[attr-defined]


class Message(DomainModel):
    room_id: Attr[str]
    text: Attr[str]


class Opinion(DomainModel):
    stars: Attr[int]

    class Meta:
        collection_name = "reviews"
        parent = Room


class Season(enum.Enum):
    SUMMER = "summer"
    WINTER = "winter"


class RoomStore(Store):
    room = root(Room)
    season = param(Season)

    @each(Person)
    def reader(self) -> Any:
        return self.room.members

    @reference(Message, many=True)
    def messages(self) -> Query[Message]:
        return Message.where(room_id=self.room.doc_id)

    @reference(Message)
    def newest(self) -> Query[Message]:
        return Message.where(room_id=self.room.doc_id)

    @property
    def heading(self) -> str:
        return f"{self.room.title} in {self.season.value}, for {self.reader.name}"


class RoomView(ViewModel):
    store: RoomStore

    heading: Attr[str] = attrs.bproperty()

    @heading.getter
    def _heading(self) -> str:
        return self.store.heading

    @heading.setter
    def _set_heading(self, value: str) -> None:
        self.store.room.title = value
        self.store.reader.name = value


@pytest.fixture(autouse=True)
def datastore(memory: MemoryDatastore) -> Iterator[MemoryDatastore]:
    memory.put("Person/ann", obj_type="Person", name="Ann")
    memory.put("Person/bob", obj_type="Person", name="Bob")
    memory.put("Person/guy", obj_type="Guest", name="Guy")
    memory.put("Message/m1", obj_type="Message", roomId="r1", text="hello")
    memory.put("Message/m2", obj_type="Message", roomId="r2", text="elsewhere")
    Room.new(doc_id="r1", title="Lobby", members=["ann", "bob"]).save()
    yield memory


# --- what each kind holds ------------------------------------------------------------------


def test_a_store_says_what_a_view_is_of_in_an_order_of_its_own() -> None:
    class Mixed(Store):
        reader = each(str, source=lambda store: [])
        season = param(str)
        rooms = reference(Room, many=True, source=lambda store: [])
        day = param(datetime.date)
        room = root(Room)
        person = reference(Person)

    assert list(Mixed.declared_slots()) == ["reader", "season", "rooms", "day", "room", "person"]
    assert [slot.name for slot in Mixed.subject_slots()] == [
        *("room", "person", "season", "day", "reader")
    ]
    assert Mixed.roots() == ["room", "person"]
    assert list(Mixed.references()) == ["reader", "rooms", "room", "person"]
    assert repr(Mixed.season) == "Mixed.season"


def test_a_store_without_any_is_of_nothing() -> None:
    class Total(Store):
        rooms = reference(Room, many=True, source=lambda store: Room.get_query())

    assert Total.subject_slots() == ()
    assert Total.each_slot() is None
    assert list(Total().rooms) == ["r1"]


def test_every_kind_is_read_when_it_is_asked_for() -> None:
    store = RoomStore(room="r1", reader="ann", season="winter")
    assert store.room.title == "Lobby"
    assert store.reader.name == "Ann"
    assert store.season is Season.WINTER
    assert list(store.messages) == ["m1"]
    assert store.newest is not None
    assert store.newest.text == "hello"
    assert store.heading == "Lobby in winter, for Ann"


HANDED_IN: dict[str, Callable[[MemoryDatastore], Any]] = {
    "id": lambda memory: "r1",
    "path": lambda memory: "Room/r1",
    "reference": lambda memory: Room.get_or_raise("r1").doc_ref,
    "snapshot": lambda memory: memory.get(["Room/r1"])["Room/r1"],
    "model": lambda memory: Room.get("r1"),
}


@pytest.mark.parametrize("how", HANDED_IN)
def test_a_root_is_handed_in_in_any_way(how: str, datastore: MemoryDatastore) -> None:
    store = RoomStore(room=HANDED_IN[how](datastore))
    assert store.room.title == "Lobby"
    assert RoomStore.room.part_of(HANDED_IN[how](datastore)) == "Room/r1"


def test_a_root_is_never_missing(datastore: MemoryDatastore) -> None:
    with pytest.raises(DocumentNotFoundError, match="Room/none"):
        _ = RoomStore(room="none").room
    with pytest.raises(DocumentNotFoundError, match="Room/none"):
        _ = RoomStore(room=datastore.get(["Room/none"])["Room/none"]).room


@pytest.mark.parametrize("odd", [None, 5, [], object()])
def test_a_root_is_a_document(odd: Any) -> None:
    with pytest.raises(DeclarationError, match=r"RoomStore\.room cannot be .*expected a document"):
        _ = RoomStore(room=odd).room


def test_a_model_of_another_class_is_no_root_and_no_member() -> None:
    with pytest.raises(
        DeclarationError, match=r"RoomStore\.room cannot be a Person: expected a Room"
    ):
        _ = RoomStore(room=Person.get("ann")).room
    with pytest.raises(DeclarationError, match=r"RoomStore\.reader cannot be a Room"):
        _ = RoomStore(room="r1", reader=Room.get("r1")).reader


def test_a_class_below_the_declared_one_is_taken() -> None:
    assert isinstance(RoomStore(room="r1", reader=Person.get("guy")).reader, Guest)


def test_a_reference_without_a_source_stays_a_root_that_may_be_missing() -> None:
    class OldStore(Store):
        room = reference(Room)

    assert OldStore.roots() == ["room"]
    assert OldStore(room="none").room is None
    assert OldStore(room=None).room is None


def test_a_root_is_named_if_its_model_is_declared_later() -> None:
    class LateStore(Store):
        late = root("LateRoom")
        guest = each("LateGuest", source=lambda store: [])

    with pytest.raises(UnknownModelError, match="LateRoom"):
        _ = LateStore(late="x").late

    class LateRoom(DomainModel):
        pass

    class LateGuest(DomainModel):
        pass

    assert LateStore.late.model is LateRoom
    assert LateStore.guest.model is LateGuest


def test_a_value_is_checked() -> None:
    with pytest.raises(ValidationError) as refused:
        _ = RoomStore(season="autumn").season
    assert refused.value.messages == {
        "season": ["Expected one of summer, winter, and not 'autumn'."]
    }
    assert RoomStore(season=Season.SUMMER).season is Season.SUMMER


def test_what_was_not_handed_in_is_said() -> None:
    store = RoomStore()
    said = {
        "room": r"room has no document yet: pass it to new\(\) or add_snapshot\(\), or give",
        "reader": r"reader has no document yet: pass it to new\(\) or add_snapshot\(\)$",
        "season": r"season has no value yet: pass it to new\(\)$",
    }
    for name, words in said.items():
        with pytest.raises(DeclarationError, match=rf"RoomStore\.{words}"):
            getattr(store, name)


def test_a_misspelt_slot_tells_the_nearest() -> None:
    store: Any = RoomStore(room="r1")
    with pytest.raises(
        AttributeError,
        match=r"no slot 'raeder'; did you mean 'reader'\? \(it has: room, season, reader, mess",
    ):
        _ = store.raeder
    with pytest.raises(DeclarationError, match=r"no slot 'sesson'; did you mean 'season'\?"):
        RoomStore(sesson="summer")
    with pytest.raises(DeclarationError, match=r"no slot 'rom'; did you mean 'room'\?"):
        store.add_snapshot("rom", snapshot=None)


# --- members -------------------------------------------------------------------------------


def members_of(store: Store) -> dict[str, Any]:
    """The members of a store whose source names nothing else."""
    found, fault = store.members_and_fault()
    if fault is not None:
        raise fault
    return found


def store_of(pointed: Any, kind: Any = Person) -> Store:
    class GivenStore(Store):
        member = each(kind, source=lambda store: pointed)

    return GivenStore()


def yielded() -> Iterator[Any]:
    yield "ann"
    yield None
    yield "Person/bob"


def snapshots(memory: MemoryDatastore) -> list[Any]:
    return list(memory.get(["Person/ann", "Person/bob"]).values())


ANN, BOB, GUY = "Person/ann", "Person/bob", "Person/guy"

NAMED: dict[str, tuple[Callable[[MemoryDatastore], Any], list[str]]] = {
    "nothing": (lambda memory: None, []),
    "no list": (lambda memory: [], []),
    "ids": (lambda memory: ["bob", "ann"], [BOB, ANN]),
    "a tuple of paths": (lambda memory: (ANN, "Person/none"), [ANN, "Person/none"]),
    "references": (lambda memory: [Person.get_or_raise("ann").doc_ref], [ANN]),
    "models": (lambda memory: [Person.get("ann"), Person.get("guy")], [ANN, GUY]),
    "snapshots": (snapshots, [ANN, BOB]),
    "a dict": (lambda memory: {"first": "ann", "last": Person.get("bob")}, [ANN, BOB]),
    "the values of a dict": (lambda memory: {"x": "ann"}.values(), [ANN]),
    "a generator": (lambda memory: yielded(), [ANN, BOB]),
    "a query": (lambda memory: Person.get_query(), [ANN, BOB, GUY]),
    "a query of a class below": (lambda memory: Guest.get_query(), [GUY]),
    "some twice": (lambda memory: ["ann", ANN, Person.get("ann"), "bob", "ann"], [ANN, BOB]),
    "some that are none": (lambda memory: [None, "ann", None], [ANN]),
    "a dict with none": (lambda memory: {"x": None, "y": "ann"}, [ANN]),
    "the value of a relation": (lambda memory: Room.get_or_raise("r1").members, [ANN, BOB]),
}


@pytest.mark.parametrize(("pointed", "members"), NAMED.values(), ids=NAMED)
def test_members_are_named_in_any_way(
    pointed: Callable[[MemoryDatastore], Any], members: list[str], datastore: MemoryDatastore
) -> None:
    assert list(members_of(store_of(pointed(datastore)))) == members


IDS: dict[str, tuple[Any, list[str]]] = {
    "nothing": (None, []),
    "a list": (["b", "a", "b", None], ["b", "a"]),
    "a dict by its keys": ({"a": True, "b": 0}, ["a", "b"]),
    "a set": ({"a"}, ["a"]),
    "a generator": ((text for text in ("a", "b")), ["a", "b"]),
    "a mapping's keys": ({"a": 1}.keys(), ["a"]),
}


@pytest.mark.parametrize(("pointed", "members"), IDS.values(), ids=IDS)
def test_members_that_are_ids(pointed: Any, members: list[str]) -> None:
    store = store_of(pointed, str)
    assert members_of(store) == {member: member for member in members}


def test_a_source_of_members_may_yield() -> None:
    class YieldStore(Store):
        @each(Person)
        def member(self) -> Iterator[str]:
            yield "ann"
            yield "bob"

    assert list(members_of(YieldStore())) == [ANN, BOB]


def test_what_a_generator_raises_is_its_source_s() -> None:
    class YieldStore(Store):
        room = root(Room)

        @each(Person)
        def member(self) -> Iterator[str]:
            yield "ann"
            yield self.room.broken

        @reference(Person, many=True)
        def others(self) -> Iterator[str]:
            yield self.room.broken

    store = YieldStore(room="r1")
    for name, read in (("member", partial(members_of, store)), ("others", lambda: store.others)):
        with pytest.raises(
            MaterializationError, match=rf"^YieldStore\.{name}: its source raised AttributeError"
        ) as raised:
            read()
        assert isinstance(raised.value.__cause__, AttributeError)


@pytest.mark.parametrize(
    ("pointed", "kind", "why"),
    [
        (5, Person, "must return a list or a dict of references, or a query, not 5"),
        ("ann", Person, "must return a list or a dict of references, or a query, not 'ann'"),
        ([5], Person, r"GivenStore\.member cannot be 5: expected a document id"),
        ([["ann"]], Person, r"cannot be \['ann'\]: expected a document id"),
        (["Room/r1"], Person, r"member cannot be Room/r1, which is no Person"),
        (["Room/r1/Person/ann"], Person, "which is no Person"),
        ("ann", str, "must return a list or a dict of ids, not 'ann'"),
        ([5], str, "member cannot be 5: expected an id, which is a str"),
        (["a/b"], str, "member cannot be 'a/b': 'a/b' is not a document id"),
        ([""], str, "member cannot be '': '' is not a document id"),
        (["__x__"], str, "reserved by Firestore"),
    ],
)
def test_what_is_neither_an_id_nor_a_document_is_no_member(
    pointed: Any, kind: Any, why: str
) -> None:
    with pytest.raises(DeclarationError, match=why):
        members_of(store_of(pointed, kind))


def test_a_document_of_another_model_is_no_member() -> None:
    for pointed in ([Room.get("r1")], Room.get_query(), [Room.get_or_raise("r1").doc_ref]):
        with pytest.raises(DeclarationError, match="cannot be Room/r1, which is no Person"):
            members_of(store_of(pointed))
    with pytest.raises(DeclarationError, match="must return a list or a dict of references"):
        members_of(store_of(Room.get("r1")))


def test_a_query_names_no_ids() -> None:
    with pytest.raises(DeclarationError, match="must return a list or a dict of ids, not"):
        members_of(store_of(Person.get_query(), str))


def test_members_below_other_documents_are_told_apart_by_their_paths() -> None:
    class ReviewStore(Store):
        review = each(Opinion, source=lambda store: ["Room/r1/reviews/x", "Room/r2/reviews/x"])

    assert list(members_of(ReviewStore())) == ["Room/r1/reviews/x", "Room/r2/reviews/x"]
    with pytest.raises(DeclarationError, match="does not know the collection of 'x'"):
        ReviewStore.review.part_of("x")


@pytest.mark.parametrize(
    "read", [lambda store: [store.reader], lambda store: [p for p in store.near.values()]]
)
def test_the_source_of_members_cannot_read_the_member(read: Callable[[Any], Any]) -> None:
    class NearStore(Store):
        reader = each(Person, source=read)
        near = reference(Person, many=True, source=lambda store: [store.reader])

    store = NearStore(reader="ann")
    assert store.reader.name == "Ann"
    assert list(store.near) == ["ann"]
    for _ in range(2):
        with pytest.raises(
            DeclarationError,
            match=r"NearStore\.reader: its source says who the members are, and so cannot read",
        ):
            members_of(store)
    assert store.reader.name == "Ann"


def test_what_all_members_have_in_common_is_read_without_one() -> None:
    store = RoomStore(room="r1", season="summer").without_member()
    assert list(members_of(store)) == [ANN, BOB]
    assert list(store.messages) == ["m1"]
    with pytest.raises(MemberWanted):
        _ = store.reader
    with pytest.raises(MemberWanted):
        _ = store.heading
    assert list(members_of(store)) == [ANN, BOB]


def test_a_store_without_members_names_none() -> None:
    class PlainStore(Store):
        room = root(Room)

    PlainStore(room="r1").require_member()
    with pytest.raises(DeclarationError, match=r"PlainStore has no each\(\)"):
        members_of(PlainStore(room="r1"))


# --- views of slots ------------------------------------------------------------------------


def test_a_view_is_made_of_all_slots_by_their_names() -> None:
    of: dict[str, Any] = {"room": "r1", "reader": "ann", "season": "winter"}
    assert RoomView.new(**of).heading == "Lobby in winter, for Ann"
    assert RoomView.get(**of).heading == "Lobby in winter, for Ann"
    models = {"room": Room.get("r1"), "reader": Person.get("bob"), "season": Season.SUMMER}
    assert RoomView.new(**models).heading == "Lobby in summer, for Bob"


@pytest.mark.parametrize("make", [RoomView.new, RoomView.get])
def test_who_is_no_member_has_no_view(make: Callable[..., RoomView]) -> None:
    with pytest.raises(DocumentNotFoundError, match="there is no reader Person/guy"):
        make(room="r1", reader="guy", season="winter")
    with pytest.raises(DocumentNotFoundError, match="Person/none"):
        make(room="r1", reader="none", season="winter")
    with pytest.raises(DocumentNotFoundError, match="Room/none"):
        make(room="none", reader="ann", season="winter")


def test_a_member_whose_document_is_missing_has_no_view(datastore: MemoryDatastore) -> None:
    datastore.drop("Person/bob")
    assert list(members_of(RoomStore(room="r1"))) == [ANN, BOB]
    with pytest.raises(DocumentNotFoundError, match="Person/bob"):
        RoomView.new(room="r1", reader="bob", season="winter")


@pytest.mark.parametrize(
    ("subject", "why"),
    [
        ({}, r"RoomView\.new needs room, season, reader$"),
        ({"room": "r1"}, "needs season, reader$"),
        ({"room": "r1", "readr": "ann"}, "needs season, reader, and was given readr$"),
        (
            {"doc_id": "r1"},
            r"takes a doc_id only if its view is of one root alone; RoomStore has 3: .*"
            r"Write RoomView\.new\(room=…, season=…, reader=…\)",
        ),
    ],
)
def test_a_part_that_is_missing_is_said(subject: dict[str, Any], why: str) -> None:
    with pytest.raises(DeclarationError, match=why):
        RoomView.new(**subject)


def test_a_part_that_is_too_much_is_said() -> None:
    with pytest.raises(DeclarationError, match=r"no slot 'sesson'; did you mean 'season'"):
        RoomView.new(room="r1", reader="ann", season="winter", sesson="x")


def test_a_value_of_another_type_makes_no_view() -> None:
    with pytest.raises(ValidationError, match="Expected one of summer, winter"):
        RoomView.new(room="r1", reader="ann", season=5)


class MemberStore(Store):
    room = root(Room)
    member = each(str, source=lambda store: {"ann": 1, "x y": 2})


class MemberView(ViewModel):
    store: MemberStore

    @attrs.computed
    def told(self) -> str:
        return f"{self.store.room.title} {self.store.member}"


def test_members_that_are_ids_are_read_as_ids() -> None:
    assert MemberView.get(room="r1", member="x y").told == "Lobby x y"
    with pytest.raises(DocumentNotFoundError, match="there is no member bob"):
        MemberView.new(room="r1", member="bob")
    with pytest.raises(DeclarationError, match="cannot be 5: expected an id, which is a str"):
        MemberView.new(room="r1", member=5)


class TotalView(ViewModel):
    @attrs.computed
    def rooms(self) -> int:
        return Room.get_query().count()


def test_a_view_of_nothing_is_made_of_nothing() -> None:
    assert TotalView.new().rooms == TotalView.get().rooms == 1
    with pytest.raises(DeclarationError, match=r"takes a doc_id only if .* Store has none"):
        TotalView.new("r1")
    with pytest.raises(DeclarationError, match="Store has no slot 'room'"):
        TotalView.new(room="r1")


class YearStore(Store):
    year = param(int)


class YearView(ViewModel):
    store: YearStore

    @attrs.computed
    def next(self) -> int:
        return self.store.year + 1


def test_a_view_of_a_value_alone() -> None:
    assert YearView.get(year=2024).next == 2025
    with pytest.raises(DeclarationError, match="one root alone; YearStore has 1: year"):
        YearView.new("2024")
    with pytest.raises(ValidationError, match="Expected a value of type int, and not '2024'"):
        YearView.new(year="2024")


def test_values_and_ids_are_no_models_of_a_store() -> None:
    store = RoomStore(room="r1", reader="ann", season="winter")
    assert store.models() == []
    assert store.season is Season.WINTER
    assert store.reader.name == "Ann"
    assert list(store.messages) == ["m1"]
    assert [type(model) for model in store.models()] == [Person, Room, Message]
    ids = MemberStore(room="r1", member="ann")
    assert (ids.member, ids.room.title) == ("ann", "Lobby")
    assert ids.models() == [ids.room]


def test_a_change_is_saved_of_root_and_member(datastore: MemoryDatastore) -> None:
    view = RoomView.new(room="r1", reader="ann", season="winter")
    view.update_vals(with_raw={"heading": "Hall"})
    view.propagate_change()
    assert datastore.fields("Room/r1")["title"] == datastore.fields(ANN)["name"] == "Hall"


def test_a_change_of_a_view_of_values_saves_nothing(datastore: MemoryDatastore) -> None:
    commits = len(datastore.commits)
    YearView.get(year=2024).propagate_change()
    assert len(datastore.commits) == commits


# --- inheritance ---------------------------------------------------------------------------


def test_a_slot_is_replaced_by_another_slot_in_its_position() -> None:
    class GuestStore(RoomStore):
        season = param(str)  # type: ignore[assignment]
        room = reference(Room, source=lambda store: "r1")  # type: ignore[assignment]

    assert list(GuestStore.declared_slots()) == list(RoomStore.declared_slots())
    assert [slot.name for slot in GuestStore.subject_slots()] == ["season", "reader"]
    store = GuestStore(season="any", reader="ann")
    assert store.room is not None
    assert store.season == "any"
    assert list(members_of(store)) == [ANN, BOB]
    assert repr(GuestStore.season) == "GuestStore.season"


@pytest.mark.parametrize("kind", ["property", "method", "value"])
def test_a_slot_is_replaced_by_what_is_none(kind: str) -> None:
    members: dict[str, Any] = {
        "property": property(lambda store: Season.SUMMER),
        "method": lambda store: Season.SUMMER,
        "value": Season.SUMMER,
    }
    store_cls: Any = type("SummerStore", (RoomStore,), {"season": members[kind]})
    assert [slot.name for slot in store_cls.subject_slots()] == ["room", "reader"]
    store = store_cls(room="r1", reader="ann")
    found = store.season() if kind == "method" else store.season
    assert found is Season.SUMMER
    with pytest.raises(DeclarationError, match="no slot 'season'"):
        store_cls(season="summer")


def test_the_parent_stays_as_it_is() -> None:
    class SummerStore(RoomStore):
        season = None  # type: ignore[assignment]

    class AgainStore(SummerStore):
        season = param(int)  # type: ignore[assignment]

    assert "season" in RoomStore.declared_slots()
    assert [slot.name for slot in AgainStore.subject_slots()] == ["room", "season", "reader"]


def test_slots_of_all_bases_are_the_store_s() -> None:
    class YearMixin:
        year = param(int)

    class PersonStore(Store):
        person = root(Person)
        notes = reference(Message, many=True, source=lambda store: [])

    class BothStore(YearMixin, RoomStore, PersonStore):
        pass

    assert [slot.name for slot in BothStore.subject_slots()] == [
        *("person", "room", "season", "year", "reader")
    ]
    assert BothStore(year=3).year == 3
    assert "notes" in BothStore.declared_slots()


# --- what is refused at declaration --------------------------------------------------------


def declared(**members: Any) -> type[Store]:
    return type("OddStore", (Store,), members)


# What type checkers refuse is refused at declaration, too.
any_root: Any = root
any_each: Any = each
any_reference: Any = reference
any_param: Any = param


def users(store: Any) -> Any: ...


def no_source(store: Any, other: Any) -> Any: ...
async def awaited(store: Any) -> Any: ...
def one_yielded(store: Any) -> Any:
    yield "ann"


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "a root of no model": (lambda: root(str), r"a root needs a domain model or its name"),
    "a root of a view": (lambda: root(RoomView), "a root needs a domain model"),
    "a root of a value": (lambda: any_root(5), "a root needs .*and not 5"),
    "members of a number": (lambda: each(int), r"each\(int\) is neither of documents nor of ids"),
    "members of a view": (lambda: each(RoomView), r"each\(RoomView\) is neither of documents"),
    "members of nothing": (lambda: any_each(None), r"each\(None\) is neither of documents nor of"),
    "a reference to a value": (lambda: any_reference(5), "a reference needs a model"),
    "a parameter of a float": (lambda: param(float), "cannot be float, which no path can hold"),
    "no source of members": (
        lambda: declared(member=each(str)),
        r"OddStore\.member does not say who the members are: write each\(…, source=",
    ),
    "a source that takes more": (
        lambda: declared(member=any_each(str, source=no_source)),
        r"OddStore\.member: its source no_source\(.*is called with \(store\)",
    ),
    "a source that is none": (
        lambda: declared(member=any_each(str, source=5)),
        r"OddStore\.member: its source 5 is not a function",
    ),
    "an awaited source": (
        lambda: each(str, source=awaited),
        r"the source of a slot is a coroutine function",
    ),
    "an awaited method": (lambda: any_each(str)(awaited), "is a coroutine function"),
    "one reference of several": (lambda: reference(Person)(one_yielded), "has a yield"),
    "two sources": (
        lambda: each(str, source=lambda store: [])(one_yielded),
        "one_yielded would be the second source of one slot",
    ),
    "two sources of a reference": (
        lambda: reference(Person, many=True, source=lambda store: [])(one_yielded),
        "would be the second source of one slot",
    ),
    "a reference to the method below it": (
        lambda: any_reference(users),
        r"reference was given the function users as its model: .* as in reference\(City\)",
    ),
    "members of the method below it": (
        lambda: any_each(users),
        r"each was given the function users as its model",
    ),
    "a root of the method below it": (lambda: any_root(users), "root was given the function users"),
    "a root that has a source": (
        lambda: any_root(Room, source=users),
        r"a root is handed in by .* and has no source: write reference\(Room, source=…\)",
    ),
    "a root by a method": (
        lambda: any_root(Room)(users),
        r"users cannot be computed by a method: .* Write @reference\(…\) above",
    ),
    "a value by a method": (lambda: any_param(str)(users), "users cannot be computed by a method"),
    "a root that is not called": (
        lambda: declared(room=root),
        r"OddStore\.room is root itself: call it, as in room = root\(City\)",
    ),
    "a value that is not called": (
        lambda: declared(season=param),
        r"OddStore\.season is param itself: call it, as in season = param\(str\)",
    ),
    "two of each": (
        lambda: declared(
            a=each(str, source=lambda store: []), b=each(str, source=lambda store: [])
        ),
        r"OddStore has two of each\(\), a and b: have one source name the pairs",
    ),
    "a root and a value": (
        lambda: declared(room=root(Room), room_id=param(str)),
        "OddStore: 'room_id' in a path or a route could be room or room_id; give one of them",
    ),
    "a member and a root": (
        lambda: declared(x_id=root(Person), x=each(Room, source=lambda store: [])),
        "'x_id' in a path or a route could be x_id or x",
    ),
    "a reference and a value": (
        lambda: declared(room=reference(Room), room_id=param(str)),
        "'room_id' in a path or a route could be room or room_id",
    ),
    "a name of a store": (lambda: declared(feed=root(Room)), "a Store has 'feed' already"),
    "a name in a store": (lambda: declared(_held=param(str)), "a Store has '_held' already"),
    "a name that get needs": (
        lambda: declared(once=param(bool)),
        r"OddStore\.once: 'once' has another meaning where a view is asked for",
    ),
    "a name that new needs": (lambda: declared(doc_id=root(Room)), "'doc_id' has another meaning"),
    "a name of Python's": (lambda: declared(cls=param(str)), "'cls' has another meaning"),
}


@pytest.mark.parametrize(("declare", "why"), REFUSED.values(), ids=REFUSED)
def test_it_is_refused_at_declaration(declare: Callable[[], Any], why: str) -> None:
    with pytest.raises(DeclarationError, match=why):
        declare()


def test_one_slot_has_one_name() -> None:
    slot = param(str)
    with pytest.raises(
        DeclarationError, match=r"OddStore\.a is OddStore\.b: declare a slot for each name"
    ):
        declared(a=slot, b=slot)


def test_two_of_each_are_refused_below_one_that_has_one() -> None:
    with pytest.raises(DeclarationError, match=r"has two of each\(\), reader and member"):
        type("OddStore", (RoomStore,), {"member": each(str, source=lambda store: [])})


def test_names_of_members_that_are_ids_and_values_stand_alone() -> None:
    store_cls: Any = declared(
        x=each(str, source=lambda store: []), x_id=param(str), self=param(int), room=root(Room)
    )
    assert [slot.name for slot in store_cls.subject_slots()] == ["room", "x_id", "self", "x"]
    assert store_cls(self=1).self == 1


# --- errors --------------------------------------------------------------------------------


class BrokenStore(Store):
    room = root(Room)

    @each(Person)
    def reader(self) -> Any:
        return self.room.broken

    @reference(Person)
    def owner(self) -> Any:
        return self.room.broken

    @reference(Person, many=True)
    def others(self) -> Any:
        return [self.owner]


@pytest.mark.parametrize(
    ("slot", "named"), [("reader", "reader"), ("owner", "owner"), ("others", "owner")]
)
def test_an_error_in_a_source_names_the_slot_and_keeps_its_cause(slot: str, named: str) -> None:
    store = BrokenStore(room="r1")
    with pytest.raises(
        MaterializationError,
        match=rf"^BrokenStore\.{named}: its source raised AttributeError: 'str' object",
    ) as raised:
        _ = members_of(store) if slot == "reader" else getattr(store, slot)
    assert isinstance(raised.value.__cause__, AttributeError)
    assert raised.value.attribute == named


def test_so_does_one_in_a_view() -> None:
    class BrokenView(ViewModel):
        store: BrokenStore

    with pytest.raises(MaterializationError, match=r"BrokenStore\.reader: its source raised"):
        BrokenView.new(room="r1", reader="ann")


def test_a_circle_of_sources_names_a_slot() -> None:
    class CircleStore(Store):
        one = reference(Person, source=lambda store: store.other)
        other = reference(Person, source=lambda store: store.one)

    with pytest.raises(MaterializationError, match=r"CircleStore\.\w+: its source raised Recurs"):
        _ = CircleStore().one


def test_one_reference_of_several_documents_is_told_of_many() -> None:
    class GroupStore(Store):
        @reference(Person)
        def people(self) -> Any:
            return ["ann", "bob"]

    with pytest.raises(DeclarationError, match=r"GroupStore\.people cannot be .* many=True"):
        _ = GroupStore().people


def test_a_source_that_gives_what_is_no_document_names_the_slot() -> None:
    class OddStore(Store):
        one = reference(Person, source=lambda store: 5)
        many = reference(Person, many=True, source=lambda store: "ann")

    with pytest.raises(DeclarationError, match=r"OddStore\.one cannot be 5"):
        _ = OddStore().one
    with pytest.raises(DeclarationError, match=r"OddStore\.many is a reference to many: its sour"):
        _ = OddStore().many


# --- fed by hand ---------------------------------------------------------------------------


def test_a_store_that_is_fed_by_hand_is_read_again_after_refresh(
    datastore: MemoryDatastore,
) -> None:
    store = RoomStore(season="winter", reader="ann")
    store.add_snapshot("room", dm_cls=Room, snapshot=datastore.get(["Room/r1"])["Room/r1"])
    store.refresh()
    assert store.heading == "Lobby in winter, for Ann"
    Room.new(doc_id="r2", title="Hall", members=[]).save()
    store.add_snapshot("room", snapshot=datastore.get(["Room/r2"])["Room/r2"])
    store.feed("season", Season.SUMMER)
    assert list(store.messages) == ["m2"]
    assert store.heading == "Hall in summer, for Ann"
    with pytest.raises(DocumentNotFoundError, match="there is no reader Person/ann"):
        store.require_member()


def test_a_store_that_declares_nothing_takes_any_name(datastore: MemoryDatastore) -> None:
    store: Any = Store()
    store.add_snapshot("room", dm_cls=Room, snapshot=datastore.get(["Room/r1"])["Room/r1"])
    store.refresh()
    assert store.room.title == "Lobby"
    assert store.models() == [store.room]


def test_references_keep_the_source_s_keys() -> None:
    class KeyedStore(Store):
        @reference(Person, many=True)
        def roles(self) -> Mapping[str, Any]:
            return {"host": "ann", "guest": None, "cook": "none"}

    assert [*KeyedStore().roles] == ["host"]
