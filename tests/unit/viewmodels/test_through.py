"""Attributes that pass through: what they are, what they take, and what is refused at once."""

# mypy: disable-error-code="no-redef, union-attr"

from __future__ import annotations

from typing import Any, Literal

import marshmallow
import pytest

from flask_boiler import attrs
from flask_boiler.attrs.attribute import Attr
from flask_boiler.errors import DeclarationError, RefusedError, ValidationError
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.models.model import Model
from flask_boiler.operate.testing.memory_datastore import MemoryDatastore
from flask_boiler.viewmodels.slots.each import each
from flask_boiler.viewmodels.slots.param import param
from flask_boiler.viewmodels.slots.reference import reference
from flask_boiler.viewmodels.slots.root import root
from flask_boiler.viewmodels.store import Store
from flask_boiler.viewmodels.view_model import ViewModel


class Harbour(DomainModel):
    name: Attr[str] = attrs.bproperty(doc="What sailors call it.")
    depth: Attr[int] = attrs.bproperty(default=1, validate=marshmallow.validate.Range(min=1))
    note = attrs.bproperty()
    owner: Attr[str] = attrs.bproperty(default="", import_enabled=False)

    @attrs.computed
    def label(self) -> str:
        return self.name.upper()


class Ship(DomainModel):
    title: Attr[str]
    harbour = attrs.relation(Harbour)


class Sailor(DomainModel):
    name: Attr[str]


class ShipStore(Store):
    ship = reference(Ship)
    harbour = reference(Harbour, source=lambda store: store.ship.harbour)
    late = reference("LateHarbour", source=lambda store: None)
    fleet = reference(Ship, many=True, source=lambda store: [])
    anything = reference(source=lambda store: None)


class ShipView(ViewModel):
    store: ShipStore

    name: Attr[str] = attrs.through("ship.title")
    port = attrs.through("harbour.name")
    depth = attrs.through("harbour.depth")
    note = attrs.through("harbour.note", doc="Ours.")
    label = attrs.through("harbour.label")
    owner = attrs.through("harbour.owner")
    shown_only = attrs.through("ship.title", import_enabled=False)


def ship_view(**harbour: Any) -> ShipView:
    store = ShipStore(ship=Ship.new(doc_id="s", title="Argo"))
    store._held["harbour"] = Harbour.new(doc_id="h", **harbour) if harbour else None
    return ShipView(store=store)


def test_it_reads_and_sets_the_slots_attribute() -> None:
    view = ship_view(name="Hull", depth=7)
    assert (view.name, view.port, view.depth, view.label) == ("Argo", "Hull", 7, "HULL")
    view.name, view.depth = "Fram", 9
    assert (view.store.ship.title, view.store.harbour.depth) == ("Fram", 9)
    view.update_vals(with_raw={"name": "Gjøa", "note": [1]})
    assert (view.store.ship.title, view.store.harbour.note) == ("Gjøa", [1])


def test_its_type_is_that_of_the_slots_attribute() -> None:
    attributes = ShipView.attributes()
    kinds = {name: attribute.kind.label for name, attribute in attributes.items()}
    assert kinds["name"] == kinds["port"] == "str"
    assert kinds["depth"] == "int"
    # A document that may be missing is nothing then.
    assert {name for name, a in attributes.items() if a.nullable} == {
        *("port", "depth", "note", "label", "owner")
    }
    assert attributes["port"].__doc__ == "What sailors call it."
    assert attributes["note"].__doc__ == "Ours."
    assert {name for name, a in attributes.items() if a.read_only} == {
        *("label", "owner", "shown_only")
    }


def test_what_the_slots_attribute_refuses_is_refused_under_the_views_name() -> None:
    view = ship_view(name="Hull")
    for wrong in ({"depth": 0}, {"depth": "deep"}, {"label": "x"}, {"owner": "x"}, {"name": None}):
        with pytest.raises(ValidationError) as refused:
            view.update_vals(with_dict=wrong)
        assert refused.value.messages.keys() == wrong.keys()
    with pytest.raises(marshmallow.ValidationError, match="depth"):
        ShipView.schema(partial=True).load({"depth": 0})


def test_a_missing_document_is_nothing_and_takes_nothing() -> None:
    view = ship_view()
    assert (view.port, view.depth, view.label) == (None, None, None)
    assert view.to_document()["port"] is None
    with pytest.raises(RefusedError, match="There is no harbour"):
        view.depth = 3
    with pytest.raises(ValidationError, match="depth"):
        ship_view(name="x").update_vals(with_dict={"depth": None})


def test_a_required_attribute_of_the_root_is_required_of_a_new_view() -> None:
    class Bare(ViewModel):
        store: ShipStore
        name = attrs.through("ship.title")
        typed: Attr[str] = attrs.through("ship.title")
        left: Attr[str] = attrs.through("ship.title", required=False)
        port = attrs.through("harbour.name")
        depth: Attr[int] = attrs.through("harbour.depth")

    assert {name: a.required for name, a in Bare.attributes().items()} == {
        "name": True,
        "typed": True,
        "left": False,
        "port": False,
        "depth": False,
    }


def test_a_getter_or_setter_of_its_own_takes_the_place() -> None:
    class Shouting(ViewModel):
        store: ShipStore
        name = attrs.through("ship.title")
        port = attrs.through("harbour.name")

        @name.getter
        def name(self) -> str:
            return self.store.ship.title.upper()

        @port.setter
        def port(self, value: str) -> None:
            self.store.ship.title = f"in {value}"

    view = Shouting(store=ship_view(name="Hull").store)
    view.port = "Aden"
    assert (view.name, view.port) == ("IN ADEN", "Hull")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("ship.titel", "did you mean 'title'"),
        ("shp.title", r"has no slot 'shp'; did you mean 'ship'\? \(it has: ship, harbour"),
        ("ship.doc_id", r"Ship.doc_id is no attribute: read it in a getter"),
        ("ship.save", r"Ship.save is no attribute"),
        ("ship", "expected a slot of the store and an attribute"),
        ("ship.harbour.name", "expected a slot of the store and an attribute"),
        ("ship.", "expected a slot of the store and an attribute"),
        (7, "expected a slot of the store and an attribute"),
        ("fleet.title", "is a reference to many"),
        ("anything.title", "has no model"),
    ],
)
def test_a_name_that_does_not_exist_is_refused_when_it_is_declared(path: Any, said: str) -> None:
    with pytest.raises(DeclarationError, match=said):

        class Wrong(ViewModel):
            store: ShipStore
            name = attrs.through(path)

    with pytest.raises(DeclarationError, match=said):

        class AlsoWrong(ViewModel):
            store: ShipStore
            name: Attr[list[str]] = attrs.through(path)


def test_a_type_that_no_value_of_the_slots_attribute_has_is_refused() -> None:
    with pytest.raises(DeclarationError, match=r"Wrong.depth is declared as str, .* is int"):

        class Wrong(ViewModel):
            store: ShipStore
            depth: Attr[str] = attrs.through("harbour.depth")

    class Right(ViewModel):
        store: ShipStore
        depth: Attr[float] = attrs.through("harbour.depth")
        title: Attr[Literal["Argo"]] = attrs.through("ship.title")
        note: Attr[int | None] = attrs.through("harbour.note")
        shown: Attr[str] = attrs.through("harbour.depth")

        @shown.getter
        def _get_shown(self) -> str:
            return "deep"

    view = Right(store=ship_view(name="Hull", note=3).store)
    assert view.to_document() == {"depth": 1, "title": "Argo", "note": 3, "shown": "deep"}


class CrewStore(Store):
    ship = root(Ship)
    sailor = each(Sailor, source=lambda store: ["ann"])
    season = param(int)

    @reference(Harbour)
    def harbour(self) -> Any:
        return self.ship.harbour


class CrewView(ViewModel):
    store: CrewStore

    title: Attr[str] = attrs.through("ship.title")
    name = attrs.through("sailor.name")
    port = attrs.through("harbour.name")


def test_it_passes_through_a_root_a_reference_and_the_member_of_an_each(
    memory: MemoryDatastore,
) -> None:
    memory.put("Ship/s", obj_type="Ship", title="Argo")
    memory.put("Sailor/ann", obj_type="Sailor", name="Ann")
    view = CrewView.new(ship="s", sailor="ann", season=7)
    assert view.to_document() == {"title": "Argo", "name": "Ann", "port": None}
    view.title, view.name = "Fram", "Anna"
    view.propagate_change()
    assert Ship.get_or_raise("s").title == "Fram"
    assert Sailor.get_or_raise("ann").name == "Anna"
    attributes = CrewView.attributes()
    # A root and a member are always there; a new view needs what its root needs.
    assert {name: (a.nullable, a.required) for name, a in attributes.items()} == {
        "title": (False, True),
        "name": (False, False),
        "port": (True, False),
    }


def test_a_parameter_and_a_member_that_is_an_id_have_no_attributes() -> None:
    with pytest.raises(DeclarationError, match=r"CrewStore.season, which is a value and has no"):

        class Wrong(ViewModel):
            store: CrewStore
            year = attrs.through("season.year")

    class IdStore(Store):
        member = each(str, source=lambda store: [])

    with pytest.raises(DeclarationError, match=r"IdStore.member, whose members are ids"):

        class AlsoWrong(ViewModel):
            store: IdStore
            name = attrs.through("member.name")


def test_only_a_view_with_a_store_has_something_to_pass_through() -> None:
    with pytest.raises(DeclarationError, match="annotate `store`"):

        class Storeless(ViewModel):
            name = attrs.through("ship.title")

    class Part(Model):
        name = attrs.through("ship.title")

    with pytest.raises(DeclarationError, match="only views have a store"):
        _ = Part.attributes()["name"].kind


def test_a_model_may_be_declared_later() -> None:
    class Early(ViewModel):
        store: ShipStore
        name = attrs.through("late.name")

    class LateHarbour(DomainModel):
        name: Attr[int]

    assert Early.attributes()["name"].kind.label == "int"


def test_a_mixin_may_pass_through() -> None:
    class Named:
        name = attrs.through("ship.title")

    class Mixed(Named, ViewModel):
        store: ShipStore

    assert Mixed(store=ship_view().store).name == "Argo"
    assert Mixed.attributes()["name"].kind.label == "str"
