"""What goes wrong while a store reads is told with the slot's name, and keeps its cause."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from flask_boiler import attrs
from flask_boiler.attrs.attribute import Attr
from flask_boiler.errors import DeclarationError, MaterializationError, QueryError
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.operate.testing.memory_datastore import MemoryDatastore
from flask_boiler.viewmodels.slots.reference import reference
from flask_boiler.viewmodels.store import Store
from flask_boiler.viewmodels.stored_view import StoredView
from flask_boiler.viewmodels.view_model import ViewModel
from tests.unit.memory import memory_context


class Person(DomainModel):
    name: Attr[str]
    exists = attrs.bproperty()


class Home(DomainModel):
    owner: Attr[str]

    @property
    def broken(self) -> Any:
        return self.owner.no_such_thing  # type: ignore[attr-defined]


class BrokenPlace:
    @property
    def doc_ref(self) -> Any:
        raise AttributeError("in doc_ref")


class HomeStore(Store):
    home: Any = reference(Home)
    mates = reference(Person, many=True, source=lambda store: store.home.owners)
    owner = reference(Person, source=lambda store: store.home.broken)
    typo = reference(Person, source=lambda store: store.hme.owner)
    query = reference(Person, many=True, source=lambda store: Person.where(nme="x"))
    number = reference(Person, source=lambda store: 1 / 0)
    beside = reference(Person, source=lambda store: store.mates["x"])
    placed = reference(Person, source=lambda store: BrokenPlace())
    nowhere = reference(Person, source=lambda store: object())

    @property
    def computed(self) -> Any:
        return self.home.no_such_attribute


class OtherStore(HomeStore):
    pass


class HomeView(ViewModel):
    store: HomeStore

    class Meta:
        path = "homes/{computed}"

    @attrs.computed
    def count(self) -> int:
        return len(self.store.mates)


@pytest.fixture(autouse=True)
def datastore() -> Iterator[MemoryDatastore]:
    context, made = memory_context()
    made.put("Home/h", obj_type="Home", owner="x")
    made.put("Person/p", obj_type="Person", name="p", exists=False)
    with context.activated():
        yield made


@pytest.mark.parametrize(
    ("slot", "said", "cause"),
    [
        (
            "mates",
            "HomeStore.mates: its source raised AttributeError: 'Home' object has no attribute "
            "'owners'",
            AttributeError,
        ),
        ("owner", "HomeStore.owner: its source raised AttributeError: 'str'", AttributeError),
        ("typo", "no slot 'hme'; did you mean 'home'?", AttributeError),
        ("query", "HomeStore.query: its source raised QueryError: Person has no", QueryError),
        ("number", "HomeStore.number: its source raised ZeroDivisionError", ZeroDivisionError),
        ("beside", "HomeStore.mates: its source raised AttributeError", AttributeError),
        (
            "placed",
            "HomeStore.placed: reading it raised AttributeError: in doc_ref",
            AttributeError,
        ),
    ],
)
def test_a_source_that_raises(slot: str, said: str, cause: type[Exception]) -> None:
    store = HomeStore(home="h")
    with pytest.raises(MaterializationError) as raised:
        getattr(store, slot)
    assert said in str(raised.value)
    assert isinstance(raised.value.__cause__, cause)
    assert raised.value.attribute == ("mates" if slot == "beside" else slot)


def test_it_is_the_store_s_that_is_read() -> None:
    with pytest.raises(MaterializationError, match=r"^OtherStore\.mates: its source"):
        _ = OtherStore(home="h").mates


def test_what_points_nowhere_is_told_as_before() -> None:
    with pytest.raises(DeclarationError, match="nowhere cannot be"):
        _ = HomeStore(home="h").nowhere


def test_a_getter_tells_of_the_slot() -> None:
    view = HomeView.new("h")
    with pytest.raises(
        MaterializationError, match=r"HomeStore\.mates: its source raised"
    ) as raised:
        view.to_document()
    assert isinstance(raised.value.__cause__, AttributeError)


def test_a_property_of_a_store_that_raises() -> None:
    with pytest.raises(AttributeError, match="'Home' object has no attribute 'no_such_attribute'"):
        _ = HomeStore(home="h").computed
    with pytest.raises(MaterializationError, match=r"Meta\.path raised AttributeError: 'Home'"):
        HomeView.new("h").places()


def test_a_slot_that_does_not_exist() -> None:
    store: Any = HomeStore(home="h")
    with pytest.raises(AttributeError, match=r"HomeStore has no slot 'mtes'; did you mean 'mates'"):
        _ = store.mtes
    assert not hasattr(store, "__deepcopy__")


def test_a_view_that_tells_its_place_wrongly() -> None:
    class ByRef(ViewModel):
        store: HomeStore

        @property
        def doc_ref(self) -> Any:
            return self.store.home.nowhere

    class ByRefs(ViewModel):
        store: HomeStore

        @property
        def doc_refs(self) -> Any:
            return [self.store.home.nowhere]

    for view_cls, name in ((ByRef, "doc_ref"), (ByRefs, "doc_refs")):
        with pytest.raises(MaterializationError, match=rf"{name} raised AttributeError") as raised:
            view_cls.new("h").places()
        assert isinstance(raised.value.__cause__, AttributeError)


def test_a_stored_view(datastore: MemoryDatastore) -> None:
    datastore.put("homes/h", count=3)
    stored: Any = StoredView(HomeView, datastore.get(["homes/h"])["homes/h"])
    assert stored.count == 3
    with pytest.raises(AttributeError, match=r"no attribute 'cuont'; did you mean 'count'\?"):
        _ = stored.cuont
    broken: Any = StoredView(HomeView, None)  # type: ignore[arg-type]
    with pytest.raises(AttributeError, match="'NoneType' object has no attribute 'id'"):
        _ = broken.doc_id


def test_a_part_of_an_attribute_that_does_not_exist() -> None:
    class Odd(DomainModel):
        text: Attr[str]

    with pytest.raises(AttributeError, match=r"no attribute 'contians'; did you mean 'contains'"):
        _ = Odd.text.contians  # type: ignore[attr-defined]


def test_a_parent_whose_reference_raises() -> None:
    with pytest.raises(AttributeError, match="in doc_ref"):
        Person.all().below(BrokenPlace())


def test_a_model_with_an_attribute_called_exists_is_no_snapshot() -> None:
    class People(Store):
        people = reference(Person, many=True, source=lambda store: [Person.get_or_raise("p")])

    assert list(People().people) == ["p"]
