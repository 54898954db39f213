"""Models: what is declared, what is not, and which class a document is of."""

from __future__ import annotations

import gc
import types
import typing
import weakref
from typing import Any

import pytest
from marshmallow import Schema, fields, validate

from flask_boiler import attrs
from flask_boiler.attrs import registry
from flask_boiler.attrs.attribute import Attr
from flask_boiler.attrs.model_state import ModelState
from flask_boiler.errors import (
    DeclarationError,
    DuplicateModelError,
    StoredDataError,
    UnknownModelError,
)
from flask_boiler.errors import ValidationError as InvalidError
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.models.model import Model
from flask_boiler.operate.testing.memory_datastore import MemoryDatastore
from flask_boiler.viewmodels.form import Form
from flask_boiler.viewmodels.view_model import ViewModel


class Vehicle(DomainModel):
    wheels = attrs.bproperty()


class Car(Vehicle):
    doors = attrs.bproperty()


class SportsCar(Car):
    class Meta:
        obj_type = "sports"


class Boat(DomainModel):
    length = attrs.bproperty()


class Strict(Model):
    first_name = attrs.bproperty()
    secret = attrs.bproperty(import_enabled=False)

    class Meta:
        extra = "forbid"


class TestExtra:
    def test_undeclared_fields_are_kept_verbatim(self) -> None:
        car = Car.new("c", doors=3, some_thing={"a_b": 1})
        assert car.extra == {"some_thing": {"a_b": 1}}
        assert car.to_dict() == {
            "doors": 3,
            "some_thing": {"a_b": 1},
            "obj_type": "Car",
            "doc_id": "c",
            "doc_ref": "Vehicle/c",
        }
        assert Car.from_dict(car.to_dict()).extra == car.extra

    def test_what_is_in_extra_is_a_copy(self) -> None:
        stored = {"deep": [1]}
        car = Car._from_stored(stored)
        car.extra["deep"].append(2)
        assert stored == {"deep": [1]}

    def test_forbidden_ones_name_what_was_probably_meant(self) -> None:
        with pytest.raises(InvalidError, match=r"Strict: first_nam: .*did you mean 'first_name'"):
            Strict.new(first_nam="x")
        with pytest.raises(InvalidError, match="the field 'firstName' is the attribute"):
            Strict.new(firstName="x")
        with pytest.raises(InvalidError, match="colour: Unknown attribute"):
            Strict.from_dict({"colour": "red"})

    @pytest.mark.parametrize("name", ["obj_type", "doorCount"])
    def test_a_field_that_belongs_to_another_is_refused(self, name: str) -> None:
        class Van(Vehicle):
            door_count = attrs.bproperty()

        with pytest.raises(InvalidError, match=name):
            Van.new("v", **dict[str, Any]({name: 1}))


class TestInput:
    def test_values_come_by_attribute_or_by_field(self) -> None:
        strict = Strict()
        strict.update_vals(with_dict={"first_name": "a"})
        assert strict.first_name == "a"
        strict.update_vals(with_raw={"firstName": "b"})
        assert strict.first_name == "b"

    def test_unknown_and_read_only_ones_are_refused_together(self) -> None:
        strict = Strict.new(first_name="a")
        with pytest.raises(InvalidError) as caught:
            strict.update_vals(with_dict={"first_name": "b", "secret": 1, "firstname": 2})
        assert set(caught.value.messages) == {"secret", "firstname"}
        assert strict.first_name == "a"

    def test_also_where_extra_is_kept(self) -> None:
        with pytest.raises(InvalidError, match="colour: Unknown field"):
            Car.new("c").update_vals(with_raw={"colour": "red"})

    def test_it_goes_through_setters_and_is_checked(self) -> None:
        class Shouting(Model):
            text = attrs.bproperty(type=str, validate=validate.Length(max=3))

            @text.setter  # type: ignore[no-redef]
            def text(self, value: str) -> None:
                Shouting.text.put(self, value.upper())

        shouting = Shouting()
        shouting.update_vals(with_dict={"text": "abc"})
        assert shouting.text == "ABC"
        for given in ({"text": 3}, {"text": "abcd"}):
            with pytest.raises(InvalidError, match="text"):
                shouting.update_vals(with_dict=given)
        assert shouting.text == "ABC"

    def test_dicts_become_embedded_models(self) -> None:
        class Engine(Model):
            power: Attr[int]

        class Machine(Model):
            engine = attrs.embed(Engine)
            spares = attrs.embed(Engine, many=True)

        machine = Machine()
        machine.update_vals(with_dict={"engine": {"power": 3}, "spares": [{"power": 4}]})
        assert (machine.engine.power, machine.spares[0].power) == (3, 4)
        with pytest.raises(InvalidError) as caught:
            machine.update_vals(with_dict={"engine": {"powr": 3}, "spares": {"a": {"power": "x"}}})
        assert set(caught.value.messages) == {"engine.powr", "spares.a.power"}


class TestPolymorphism:
    def test_the_class_comes_from_obj_type(self) -> None:
        assert type(Vehicle.from_dict({"obj_type": "Car"})) is Car
        assert type(Vehicle.from_dict({"obj_type": "sports"})) is SportsCar
        assert type(Car.from_dict({})) is Car
        assert type(Vehicle.from_dict({"obj_type": None})) is Vehicle

    @pytest.mark.parametrize("name", ["Vehicle", "Boat", "Rocket"])
    def test_it_must_be_the_asked_class_or_below(self, name: str) -> None:
        with pytest.raises(UnknownModelError, match=rf"obj_type '{name}'.*Car"):
            Car.from_dict({"obj_type": name})

    def test_it_must_be_a_name(self) -> None:
        with pytest.raises(InvalidError, match="obj_type"):
            Car.from_dict({"obj_type": 3})

    def test_the_root_of_a_collection_asks_for_every_type(self) -> None:
        assert Vehicle.type_names() is None
        assert Car.type_names() == ["Car", "sports"]
        assert SportsCar.type_names() == ["sports"]

    def test_all_live_in_the_collection_of_the_first(self) -> None:
        assert {m.collection_path() for m in (Vehicle, Car, SportsCar)} == {"Vehicle"}

    def test_a_class_with_a_collection_of_its_own_starts_anew(self) -> None:
        class Truck(Vehicle):
            class Meta:
                collection_name = "trucks"

        class Lorry(Truck):
            pass

        assert (Truck.collection_path(), Lorry.collection_path()) == ("trucks", "trucks")
        assert Truck.type_names() is None
        assert Lorry.type_names() == ["Lorry"]

        class Tram(Car):
            class Meta:
                collection_name = "trams"

        assert Tram.type_names() is None
        assert "Tram" not in (Car.type_names() or [])

    def test_an_abstract_class_has_no_collection(self) -> None:
        class Stamped(DomainModel):
            created_at = attrs.bproperty()

            class Meta:
                abstract = True

        class Letter(Stamped):
            pass

        class Parcel(Stamped):
            pass

        assert (Letter.collection_path(), Parcel.collection_path()) == ("Letter", "Parcel")
        assert Letter.type_names() is None
        with pytest.raises(DeclarationError, match="abstract"):
            Stamped.collection_path()

    def test_embedded_models_are_polymorphic_too(self) -> None:
        class Shape(Model):
            pass

        class Circle(Shape):
            radius: Attr[float]

        class Drawing(Model):
            shape = attrs.embed(Shape)

        drawing = Drawing.new(shape=Circle(radius=2.0))
        stored = drawing.to_dict()
        assert stored["shape"] == {"radius": 2.0, "obj_type": "Circle"}
        assert type(Drawing.from_dict(stored).shape) is Circle

    def test_another_name_than_the_class(self) -> None:
        class Named(Model):
            obj_type = attrs.object_type("other-name")

        assert Named().obj_type == "other-name"
        assert Named().to_dict() == {"obj_type": "other-name"}
        assert SportsCar.new("x").obj_type == "sports"

    def test_metadata_can_be_left_out(self) -> None:
        class Bare(DomainModel):
            name = attrs.bproperty()

            class Meta:
                exclude = ("obj_type", "doc_id", "doc_ref")

        assert Bare.new("b", name="x").to_dict() == {"name": "x"}
        assert type(Bare.from_dict({"obj_type": "means something else"})) is Bare
        with pytest.raises(DeclarationError, match="do not exclude it"):
            type("Below", (Bare,), {})


def declare(
    name: str, module: str, bases: tuple[type, ...] = (DomainModel,), /, **body: Any
) -> Any:
    """A class as another module would declare it."""
    return types.new_class(name, bases, {}, lambda ns: ns.update(__module__=module, **body))


class TestRegistry:
    def test_two_classes_cannot_share_documents(self) -> None:
        first = declare("Clashing", "app_one")
        with pytest.raises(DuplicateModelError, match=r"app_one.here.Clashing.*app_one.Clashing"):
            declare("Clashing", "app_one", __qualname__="here.Clashing")
        assert first.collection_path() == "Clashing"

    def test_also_by_the_name_that_they_give(self) -> None:
        kept = [
            declare("OneThing", "app_one", Meta=type("Meta", (), {"collection_name": "things"}))
        ]
        meta = type("Meta", (), {"collection_name": "things", "obj_type": "OneThing"})
        with pytest.raises(DuplicateModelError):
            kept.append(declare("Other", "app_one", Meta=meta))

    def test_unrelated_classes_may_have_one_name(self) -> None:
        one, two = declare("Unrelated", "app_one"), declare("Unrelated", "app_two")
        assert type(one.from_dict({"obj_type": "Unrelated"})) is one
        assert type(two.from_dict({"obj_type": "Unrelated"})) is two
        parts = [declare("Part", module, (Model,)) for module in ("app_one", "app_two")]
        assert [type(p.from_dict({"obj_type": "Part"})) for p in parts] == parts

    def test_then_the_root_of_all_has_to_be_told_more(self, memory: MemoryDatastore) -> None:
        meta = type("Meta", (), {"collection_name": "app_three_shared"})
        kept = [declare("Shared", "app_one"), declare("Shared", "app_two")]
        kept.append(declare("Shared", "app_three", Meta=meta))
        memory.put("Shared/t", obj_type="Shared")
        memory.put("app_three_shared/t", obj_type="Shared")
        assert type(DomainModel.get(doc_ref="app_three_shared/t")) is kept[2]
        with pytest.raises(
            UnknownModelError, match=r"several classes with it: app_one.Shared, app_two.Shared"
        ):
            DomainModel.get(doc_ref="Shared/t")

    def test_classes_of_one_hierarchy_may_not(self) -> None:
        kept = [declare("Coupe", "app_one", (Vehicle,))]
        with pytest.raises(DuplicateModelError):
            kept.append(declare("Coupe", "app_two", (Car,)))
        parents = declare("Parent", "app_one", (Model,))
        kept.append(declare("Child", "app_one", (parents,)))
        with pytest.raises(DuplicateModelError):
            kept.append(declare("Child", "app_two", (parents,)))

    def test_a_definition_replaces_the_one_before(self) -> None:
        old = declare("Reloaded", "app_one", (Vehicle,), colour=attrs.bproperty())
        new = declare("Reloaded", "app_one", (Vehicle,), shade=attrs.bproperty())
        assert type(Vehicle.from_dict({"obj_type": "Reloaded"})) is new
        assert type(old.from_dict({"obj_type": "Reloaded"})) is old
        assert (Vehicle in registry.descendants(Vehicle), old in registry.descendants(Vehicle)) == (
            True,
            False,
        )

    def test_a_failed_definition_leaves_nothing(self) -> None:
        with pytest.raises(DeclarationError):
            declare("Failed", "app_one", (Vehicle,), to_dict=attrs.bproperty())
        assert "Failed" not in [model.__name__ for model in registry.descendants(Vehicle)]
        assert declare("Failed", "app_two", (Vehicle,)).type_names() == ["Failed"]

    def test_a_class_that_nobody_uses_goes_away(self) -> None:
        gone = weakref.ref(declare("Passing", "app_one", address=attrs.embed(Strict)))
        gc.collect()
        assert gone() is None

    def test_one_that_is_still_uncollected_does_not_count(self) -> None:
        gc.disable()
        try:
            declare("Uncollected", "app_one", (Vehicle,))
            assert declare("Uncollected", "app_two", (Vehicle,)).type_names() == ["Uncollected"]
        finally:
            gc.enable()

    def test_a_generated_schema_keeps_no_class_alive(self) -> None:
        model = declare("WithSchema", "app_one", name=attrs.bproperty())
        model.schema().dump(model.new("x", name="y"))
        gone = weakref.ref(model)
        del model
        gc.collect()
        assert gone() is None

    def test_the_framework_s_own_root_finds_any_class(self, memory: MemoryDatastore) -> None:
        memory.put("Vehicle/v", obj_type="Car", doors=3)
        memory.put("elsewhere/x", obj_type="Nobody")
        found = DomainModel.get(doc_ref="Vehicle/v")
        assert type(found) is Car
        with pytest.raises(UnknownModelError, match="elsewhere/x has the obj_type 'Nobody'"):
            DomainModel.get(doc_ref="elsewhere/x")

    def test_a_name_is_looked_up_near_the_asker(self) -> None:
        models = [declare("Near", m, (Model,)) for m in ("app_one", "app_two")]
        asker = declare("Asker", "app_two", (Model,))
        assert registry.find("Near", near=asker) is models[1]
        with pytest.raises(UnknownModelError, match=r"app_one.Near, app_two.Near"):
            registry.find("Near")


class TestMeta:
    def test_an_unknown_option_is_an_error(self) -> None:
        with pytest.raises(DeclarationError, match="'colection_name'; did you mean 'collection_"):
            declare("Bad", "m", Meta=type("Meta", (), {"colection_name": "x"}))

    @pytest.mark.parametrize(
        ("option", "value"),
        [
            ("extra", "drop"),
            ("exclude", ("city_name",)),
            ("collection_name", "a/b"),
            ("collection_name", ""),
        ],
    )
    def test_a_value_that_means_nothing(self, option: str, value: Any) -> None:
        with pytest.raises(DeclarationError, match=f"Bad.Meta.{option}"):
            declare("Bad", "m", Meta=type("Meta", (), {option: value}))

    def test_options_are_inherited_but_for_those_of_one_class(self) -> None:
        class Parent(Model):
            class Meta:
                abstract = True
                obj_type = "parent"
                extra = "forbid"

        class Child(Parent):
            class Meta:
                case_conversion = False

        assert (Child.meta("extra"), Child.meta("case_conversion")) == ("forbid", False)
        assert (Child.meta("abstract"), Child.type_name()) == (False, "Child")
        assert Parent.type_name() == "parent"


class PersonSchema(Schema):
    full_name = fields.String(required=True, validate=validate.Length(max=5))
    born_on = fields.Date(data_key="birthday", allow_none=True)
    language = fields.String(load_default="en")
    made_at = fields.DateTime(dump_only=True)
    password = fields.String(load_only=True)


class Person(Model):
    language = attrs.bproperty(default="de")
    nick_name = attrs.bproperty()

    class Meta:
        schema_cls = PersonSchema


class TestSchemaClass:
    def test_its_fields_become_attributes(self) -> None:
        assert set(Person.attributes()) == {
            *("language", "nick_name", "full_name", "born_on", "made_at", "password")
        }
        person = Person.new(full_name="Ada", password="x")
        assert (person.language, person.nick_name) == ("de", None)
        assert person.to_view_dict() == {"language": "de", "fullName": "Ada"}

    def test_its_conversion_is_used(self) -> None:
        person: Any = Person.from_dict({"fullName": "Ada", "birthday": "1815-12-10"})
        assert person.born_on.year == 1815
        person.born_on = person.born_on.replace(year=1816)
        assert person.to_view_dict()["birthday"] == "1816-12-10"

    def test_its_rules_hold(self) -> None:
        with pytest.raises(InvalidError) as caught:
            Person.new(full_name="Augusta").to_dict()
        assert set(caught.value.messages) == {"full_name"}
        with pytest.raises(InvalidError, match="full_name: Missing data"):
            Person().to_dict()
        with pytest.raises(InvalidError, match="made_at: Read-only"):
            Person().update_vals(with_dict={"made_at": None})

    def test_the_generated_schema_has_them_too(self) -> None:
        loaded = Person.schema().load({"fullName": "Ada", "birthday": None, "password": "p"})
        assert loaded == {"full_name": "Ada", "born_on": None, "password": "p", "language": "de"}
        with pytest.raises(InvalidError, match="fullName: Longer than"):
            Person.schema().load({"fullName": "Augusta"})


def test_a_name_that_is_annotated_without_attr_is_no_undeclared_field() -> None:
    class Bare(Model):
        motto: str

    class Typed(Bare):
        size: Attr[int] = attrs.bproperty(default=0)

    class Keeping(Model):
        motto: str

        class Meta:
            extra = "keep"

    for cls in (Bare, Typed):
        with pytest.raises(InvalidError, match="motto: It is annotated without Attr"):
            cls(motto="x")
    assert Keeping(motto="x").extra == {"motto": "x"}


@pytest.mark.parametrize("cls", [Model, DomainModel, ViewModel, Form])
def test_type_hints_of_the_classes_to_derive_from_can_be_asked_for(cls: type) -> None:
    hints = typing.get_type_hints(cls)
    assert hints["_model_state"] is ModelState


def test_a_required_relation_is_never_none(memory: MemoryDatastore) -> None:
    class Berth(DomainModel):
        boat = attrs.relation(Boat, required=True)

    memory.put("Berth/wrong")
    with pytest.raises(StoredDataError, match="boat"):
        _ = Berth.get_or_raise("wrong").boat
    for boat in ({}, {"boat": None}):
        with pytest.raises(InvalidError, match="boat"):
            Berth.new(doc_id="b", **boat).save()
