"""What attributes are on the class and on instances."""

# What type checkers say of it is tested in tests/typing; here, both spellings are mixed.
# mypy: disable-error-code="arg-type, assignment, call-arg, list-item, misc, no-redef"

from __future__ import annotations

import datetime
import enum
import sys
import textwrap
import types
from typing import Any, Literal

import pytest
from google.cloud.firestore import DocumentReference, GeoPoint
from google.cloud.firestore_v1.vector import Vector
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import fields, validate

from flask_boiler import attrs
from flask_boiler.attrs.attribute import Attr
from flask_boiler.errors import DeclarationError, UnknownModelError, ValidationError
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.models.model import Model
from flask_boiler.operate.testing.memory_datastore import MemoryDatastore


class Address(Model):
    street: Attr[str]
    house_number: Attr[int | None]


class Size(enum.Enum):
    SMALL = "s"
    LARGE = "l"


class Sample(Model):
    untyped = attrs.bproperty()
    text: Attr[str] = attrs.bproperty(required=False)
    number: Attr[int] = attrs.bproperty(default=0)
    ratio: Attr[float] = attrs.bproperty(default=0.5)
    flag: Attr[bool] = attrs.bproperty(default=False)
    maybe: Attr[str | None]
    tags: Attr[list[str]] = attrs.bproperty(default_factory=list)
    scores: Attr[dict[str, int]] = attrs.bproperty(default_factory=dict)
    either: Attr[int | str] = attrs.bproperty(default=0)
    size: Attr[Size] = attrs.bproperty(default=Size.SMALL)
    mode: Attr[Literal["a", "b"]] = attrs.bproperty(default="a")
    pair: Attr[tuple[int, ...]] = attrs.bproperty(default=())
    anything: Attr[Any]
    notes = attrs.bdict()
    address = attrs.embed(Address)
    past = attrs.embed(Address, many=True)
    at = attrs.timestamp()
    opens = attrs.local_time(timezone="Europe/Berlin")
    where = attrs.geo_point()
    blob = attrs.bytes_()
    meaning = attrs.vector()
    link = attrs.reference()


def stored(**fields: Any) -> Sample:
    return Sample.from_dict(fields)


class TestReading:
    def test_an_attribute_is_itself_on_the_class(self) -> None:
        assert isinstance(Sample.number, Attr)

    def test_without_a_value_untyped_and_optional_ones_are_none(self) -> None:
        sample = Sample()
        assert [sample.untyped, sample.maybe, sample.address, sample.at] == [None] * 4

    def test_defaults(self) -> None:
        sample = Sample()
        assert (sample.number, sample.tags, sample.notes) == (0, [], {})
        sample.tags.append("x")
        assert sample.tags == ["x"]
        assert Sample().tags == []

    def test_a_mutable_default_is_copied(self) -> None:
        class WithDefault(Model):
            tags: Attr[list[str]] = attrs.bproperty(default=["a"])

        WithDefault().tags.append("b")
        assert WithDefault().tags == ["a"]

    def test_containers_do_not_share_with_what_is_stored(self) -> None:
        fields = {"tags": ["a"], "untyped": {"deep": [{"x": 1}]}}
        sample = Sample._from_stored(fields)
        sample.tags.append("b")
        sample.untyped["deep"][0]["x"] = 2
        assert fields == {"tags": ["a"], "untyped": {"deep": [{"x": 1}]}}
        assert sample.tags == ["a", "b"]

    def test_only_the_attribute_with_the_foreign_value_fails(self) -> None:
        sample = stored(number="many", ratio=2)
        assert sample.ratio == 2
        with pytest.raises(ValidationError, match=r"Sample: number: expected int, not 'many'"):
            _ = sample.number

    @pytest.mark.parametrize(
        ("field", "foreign"),
        [
            ("number", True),
            ("number", 1.5),
            ("number", None),
            ("ratio", True),
            ("flag", 1),
            ("text", 3),
            ("text", None),
            ("tags", "abc"),
            ("tags", ["a", 3]),
            ("scores", {"x": "y"}),
            ("size", "xl"),
            ("mode", "c"),
            ("either", 1.5),
            ("address", "here"),
            ("address", {"street": "x", "obj_type": "Sample"}),
            ("past", 3),
            ("at", "2020-01-01"),
            ("opens", 3),
            ("where", [1, 2]),
            ("blob", "text"),
            ("meaning", [1.0]),
            ("link", "City/SF"),
        ],
    )
    def test_a_foreign_shape_is_named(self, field: str, foreign: Any) -> None:
        with pytest.raises(ValidationError) as caught:
            getattr(stored(**{field: foreign}), field)
        assert [key.partition(".")[0] for key in caught.value.messages] == [field]

    def test_parts_are_named_by_the_way_to_them(self) -> None:
        with pytest.raises(ValidationError) as caught:
            _ = stored(tags=["a", 3, "b", None]).tags
        assert list(caught.value.messages) == ["tags.1", "tags.3"]

    def test_every_kind_is_converted(self, memory: MemoryDatastore) -> None:
        noon = datetime.datetime(2024, 7, 1, 10, tzinfo=datetime.UTC)
        reference = memory.codec.reference("City/SF")
        sample = stored(
            size="l", pair=[1, 2], address={"street": "Main"}, past={"a": {"street": "Old"}},
            at=noon, opens=noon, where=GeoPoint(1, 2), blob=b"x", meaning=Vector([1.0]),
            link=reference,
        )  # fmt: skip
        assert sample.size is Size.LARGE
        assert sample.pair == (1, 2)
        assert sample.address.street == "Main"
        assert sample.past["a"].street == "Old"
        assert sample.opens == datetime.datetime(2024, 7, 1, 12)
        assert (sample.at, sample.where, sample.blob) == (noon, GeoPoint(1, 2), b"x")
        assert (sample.meaning, sample.link) == (Vector([1.0]), reference)

    def test_a_required_one_without_a_value_does_not_read_as_none(self) -> None:
        with pytest.raises(ValidationError, match=r"Address: street: Missing data"):
            _ = Address().street


class TestDumping:
    def test_every_kind_comes_back(self, memory: MemoryDatastore) -> None:
        noon = datetime.datetime(2024, 7, 1, 10, tzinfo=datetime.UTC)
        fields = {
            "untyped": {"a": [1, {"b": None}]}, "text": "t", "number": 3, "ratio": 1, "flag": True,
            "maybe": None, "tags": ["x"], "scores": {"m": 1}, "either": "e", "size": "l",
            "mode": "b", "pair": [1], "anything": [1, "a"], "notes": {"n": 1},
            "address": {"street": "s", "houseNumber": 3, "obj_type": "Address"},
            "past": [{"street": "p", "houseNumber": None, "obj_type": "Address"}],
            "at": noon, "opens": noon,
            "where": GeoPoint(1, 2), "blob": b"x", "meaning": Vector([1.0]),
            "link": memory.codec.reference("City/SF"), "obj_type": "Sample",
        }  # fmt: skip
        assert stored(**fields).to_dict() == fields

    def test_nothing_is_shared_with_what_was_dumped(self) -> None:
        sample = Sample(untyped={"a": [1]}, tags=["x"])
        dumped = sample.to_dict()
        sample.untyped["a"].append(2)
        sample.tags.append("y")
        assert (dumped["untyped"], dumped["tags"]) == ({"a": [1]}, ["x"])

    def test_a_view_of_it_has_no_metadata_also_inside(self) -> None:
        sample = Sample(address=Address(street="s"), untyped=[Address(street="t")])
        shown = sample.to_view_dict()
        assert shown["address"] == {"street": "s", "houseNumber": None}
        assert shown["untyped"] == [{"street": "t", "houseNumber": None}]
        assert "obj_type" not in shown

    def test_all_that_is_wrong_is_said_at_once(self) -> None:
        sample = Sample(number="x", tags=[1], address=Address(street=3))
        with pytest.raises(ValidationError) as caught:
            sample.to_dict()
        assert set(caught.value.messages) == {"number", "tags.0", "address.street"}

    def test_unset_ones_are_left_out(self) -> None:
        assert "untyped" not in Sample().to_dict()
        assert Sample(untyped=None).to_dict()["untyped"] is None

    def test_a_deleted_one_is_left_out(self) -> None:
        sample = stored(text="t", number=3)
        del sample.text
        del sample.number
        dumped = sample.to_dict()
        assert "text" not in dumped
        assert dumped["number"] == 0

    def test_a_naive_timestamp_is_utc(self) -> None:
        sample = Sample(at=datetime.datetime(2024, 1, 1))
        assert sample.to_dict()["at"] == datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)

    @given(
        st.datetimes(
            min_value=datetime.datetime(1970, 1, 1), max_value=datetime.datetime(2100, 1, 1)
        ).map(lambda moment: moment.replace(tzinfo=datetime.UTC))
    )
    def test_every_moment_survives_a_local_time(self, moment: datetime.datetime) -> None:
        assert stored(opens=Sample.opens.to_stored(stored(opens=moment).opens)).opens is not None
        assert Sample.opens.to_stored(stored(opens=moment).opens) == moment

    def test_a_local_time_that_the_clocks_skip_is_refused(self) -> None:
        sample = Sample(opens=datetime.datetime(2024, 3, 31, 2, 30))
        with pytest.raises(ValidationError, match="does not exist in Europe/Berlin"):
            sample.to_dict()

    @pytest.mark.parametrize("value", [object(), {1, 2}, {3: "x"}, {"a": {"": 1}}, Model])
    def test_what_firestore_cannot_store_is_refused(self, value: Any) -> None:
        with pytest.raises(ValidationError) as caught:
            Sample(untyped=value).to_dict()
        assert next(iter(caught.value.messages)).startswith("untyped")

    def test_validators_are_run(self) -> None:
        class Limited(Model):
            name = attrs.bproperty(validate=validate.Length(max=3))
            size: Attr[int] = attrs.bproperty(
                default=1, validate=[validate.Range(min=1), validate.Range(max=5)]
            )

        with pytest.raises(ValidationError) as caught:
            Limited(name="four", size=6).to_dict()
        assert set(caught.value.messages) == {"name", "size"}
        assert Limited(name=None, size=5).to_dict()["size"] == 5


class TestGetters:
    def test_getters_setters_and_deleters(self) -> None:
        class Person(Model):
            first = attrs.bproperty()
            name = attrs.bproperty()

            @name.getter
            def name(self) -> str:
                return f"Dr. {self.first}"

            @name.setter
            def name(self, value: str) -> None:
                self.first = value.removeprefix("Dr. ")

            @name.deleter
            def name(self) -> None:
                self.first = None

        person = Person(name="Dr. No")
        assert (person.first, person.name) == ("No", "Dr. No")
        assert person.to_view_dict() == {"first": "No", "name": "Dr. No"}
        del person.name
        assert person.first is None

    def test_a_setter_can_put_the_value_itself(self) -> None:
        class Person(Model):
            name = attrs.bproperty()

            @name.setter
            def name(self, value: str) -> None:
                Person.name.put(self, value.strip())

        person = Person(name=" No ")
        assert person.name == "No"

    def test_a_getter_can_look_at_what_is_stored(self) -> None:
        class Person(Model):
            name = attrs.bproperty()

            @name.getter
            def name(self) -> str:
                return (Person.name.value_of(self) or "nobody").upper()

        assert Person.from_dict({"name": "no"}).name == "NO"
        assert Person().name == "NOBODY"

    def test_without_a_setter_it_cannot_be_assigned(self) -> None:
        class Person(Model):
            @attrs.computed
            def name(self) -> str:
                return "x"

        with pytest.raises(AttributeError, match=r"Person.name has a getter but no setter"):
            Person().name = "y"
        with pytest.raises(AttributeError, match="no deleter"):
            del Person().name
        with pytest.raises(ValidationError, match="computed"):
            Person.new(name="y")

    def test_a_subclass_changes_its_own_getter_only(self) -> None:
        class Parent(Model):
            label = attrs.bproperty(doc="what it says")

            @label.getter
            def label(self) -> str:
                return "parent"

        class Child(Parent):
            @Parent.label.getter
            def label(self) -> str:
                return "child"

        assert (Parent().label, Child().label) == ("parent", "child")
        assert (Parent().to_view_dict(), Child().to_view_dict()) == (
            {"label": "parent"},
            {"label": "child"},
        )
        assert Child.label.__doc__ == "what it says"

    def test_an_attribute_error_in_a_getter_comes_through(self) -> None:
        class Broken(Model):
            @attrs.computed
            def name(self) -> str:
                return self.no_such_thing  # type: ignore[no-any-return, attr-defined]

        broken = Broken()
        for look in (
            lambda: broken.name,
            broken.to_dict,
            broken.to_view_dict,
            lambda: broken.dump_attribute("name"),
            lambda: Broken.schema().dump(broken),
        ):
            with pytest.raises(AttributeError, match="no_such_thing"):
                look()

    def test_a_computed_value_is_checked_when_it_is_dumped(self) -> None:
        class Wrong(Model):
            @attrs.computed
            def count(self) -> int:
                return "three"  # type: ignore[return-value]

        with pytest.raises(ValidationError, match=r"Wrong: count: expected int"):
            Wrong().dump_attribute("count")

    def test_options_of_computed(self) -> None:
        class Named(Model):
            @attrs.computed(data_key="NAME", doc="loud")
            def name(self) -> str:
                return "x"

        assert Named().to_view_dict() == {"NAME": "x"}
        assert Named.name.__doc__ == "loud"

    def test_initial_values_are_for_new_objects(self) -> None:
        class Made(Model):
            count = attrs.bproperty(initialize=lambda: 1)
            twice = attrs.bproperty()

            @twice.init
            def twice(self) -> int:
                return int(self.count) * 2

        assert Made().to_view_dict() == {"count": 1, "twice": 2}
        assert Made.new(count=5).to_view_dict() == {"count": 5, "twice": 10}
        assert Made.from_dict({}).count is None


class TestDeclaring:
    def test_the_two_spellings_are_equal(self) -> None:
        class One(Model):
            first_name = attrs.bproperty(str, required=True)
            age = attrs.bproperty(type=int, default=3)

        class Two(Model):
            first_name: Attr[str]
            age: Attr[int] = attrs.bproperty(default=3)

        for model in (One, Two):
            assert list(model.attributes()) == ["first_name", "age"]
            assert model.first_name.required
            assert not model.age.required
            assert model(first_name="x").to_view_dict() == {"firstName": "x", "age": 3}

    def test_attributes_are_in_order_parents_first(self) -> None:
        class Parent(Model):
            z: Attr[int]
            a = attrs.bproperty()
            y: Attr[int] = attrs.bproperty(default=1)
            b = attrs.bproperty()

        class Child(Parent):
            c = attrs.bproperty()
            a = attrs.bproperty(default=1)

        assert list(Child.attributes()) == ["z", "a", "y", "b", "c"]
        assert Child.attributes()["a"] is vars(Child)["a"]

    def test_a_mixin_gives_attributes_to_each_model(self) -> None:
        class Named:
            full_name = attrs.bproperty()
            short: Attr[str | None]

        class One(Named, Model):
            pass

        class Two(Named, Model):
            class Meta:
                case_conversion = False

        assert One(full_name="x").to_view_dict() == {"fullName": "x", "short": None}
        assert Two(full_name="x", short="y").to_view_dict() == {"full_name": "x", "short": "y"}

    def test_what_is_no_attribute_any_more_is_none(self) -> None:
        class Parent(Model):
            a = attrs.bproperty()

        class Child(Parent):
            a = None

        assert list(Child.attributes()) == []

    def test_types_may_be_declared_later(self) -> None:
        class Tree(Model):
            root: Attr[Node]
            parts = attrs.embed("Node", many=True)

        class Node(Model):
            label: Attr[str]
            children: Attr[list[Node]] = attrs.bproperty(default_factory=list)

        tree = Tree.from_dict({"root": {"label": "r", "children": [{"label": "c"}]}})
        assert tree.root.children[0].label == "c"
        assert Tree(root=Node(label="r"), parts=[Node(label="p")]).to_view_dict() == {
            "root": {"label": "r", "children": []},
            "parts": [{"label": "p", "children": []}],
        }

    def test_attr_without_a_type_is_untyped(self) -> None:
        model: Any = type("Bare", (Model,), {"__annotations__": {"thing": "attrs.Attr"}})
        assert model(thing=[1]).to_view_dict() == {"thing": [1]}
        assert model().thing is None

    def test_a_local_type_is_understood(self) -> None:
        class Colour(enum.Enum):
            RED = "r"

        class Car(Model):
            colour: Attr[Colour]

            @attrs.computed
            def other(self) -> Colour:
                return Colour.RED

        assert Car.from_dict({"colour": "r"}).colour is Colour.RED
        assert Car(colour=Colour.RED).to_view_dict() == {"colour": "r", "other": "r"}

    def test_a_type_that_nobody_declares(self) -> None:
        class Lost(Model):
            name: Attr[Nowhere]  # type: ignore[name-defined] # noqa: F821

        with pytest.raises(UnknownModelError, match=r"Lost refers to 'Nowhere'"):
            _ = Lost.from_dict({"name": {}}).name

    def test_what_cannot_be_stored_is_refused_at_once(self) -> None:
        with pytest.raises(DeclarationError, match=r"Bad declares an attribute of type .*Decimal"):

            class Bad(Model):
                import decimal

                price = attrs.bproperty(decimal.Decimal)

    def test_a_document_is_referred_to_or_copied_but_not_by_chance(self) -> None:
        class Owner(DomainModel):
            full_name = attrs.bproperty()

        with pytest.raises(DeclarationError, match=r"attrs.relation\(Owner\).*attrs.embed\(Owner"):

            class Bad(Model):
                owner: Attr[Owner]

        class Good(Model):
            owner: Attr[Owner] = attrs.embed(Owner)

        copy = Owner.new("o", full_name="x")
        dumped = Good(owner=copy).to_dict()
        assert dumped["owner"]["doc_ref"] == "Owner/o"
        assert Good.from_dict(dumped).owner.doc_path == "Owner/o"
        with pytest.raises(ValidationError, match="owner: Missing"):
            Good().to_dict()
        with pytest.raises(ValidationError, match=r"untyped: <Owner Owner/o>.*is a document"):
            Sample(untyped=copy).to_dict()

    def test_a_kind_without_a_type_may_be_required(self) -> None:
        class Strict(Model):
            address = attrs.embed(Address, required=True)

        for values in ({}, {"address": None}):
            with pytest.raises(ValidationError, match="address"):
                Strict(**values).to_dict()

    def test_a_value_instead_of_an_attribute(self) -> None:
        with pytest.raises(DeclarationError, match=r"attrs.bproperty\(default=3\)"):

            class Bad(Model):
                count: Attr[int] = 3

    @pytest.mark.parametrize("name", ["to_dict", "extra", "schema", "attributes"])
    def test_a_name_that_is_taken(self, name: str) -> None:
        hint = rf"hide Model\.{name}: .*{name}_ = attrs\.bproperty\(data_key="
        with pytest.raises(DeclarationError, match=hint):
            type("Bad", (Model,), {name: attrs.bproperty()})

    @pytest.mark.parametrize("key", ["__x__", "name", "obj_type", "x" * 1501])
    def test_a_field_name_that_is_taken_or_illegal(self, key: str) -> None:
        body = {"name": attrs.bproperty(), "other": attrs.bproperty(data_key=key)}
        with pytest.raises(DeclarationError, match="another data_key"):
            type("Bad", (Model,), body)

    def test_a_marshmallow_field_is_a_type(self) -> None:
        class Day(Model):
            date = attrs.bproperty(fields.Date())

        day = Day(date=datetime.date(2024, 1, 2))
        assert day.to_view_dict() == {"date": "2024-01-02"}
        assert Day.from_dict({"date": "2024-01-02"}).date == datetime.date(2024, 1, 2)
        with pytest.raises(ValidationError, match="date: Not a valid date"):
            _ = Day.from_dict({"date": "never"}).date
        with pytest.raises(ValidationError, match=r"date: 'x' \(str\) cannot be serialized"):
            Day(date="x").to_dict()

    def test_a_default_or_a_factory(self) -> None:
        with pytest.raises(DeclarationError, match="not both"):
            attrs.bproperty(default=1, default_factory=int)  # type: ignore[call-overload]

    def test_names_are_converted_unless_told_otherwise(self) -> None:
        class Converted(Model):
            first_name = attrs.bproperty()
            address_1 = attrs.bproperty()
            last_name = attrs.bproperty(data_key="family")

        class Kept(Model):
            first_name = attrs.bproperty()

            class Meta:
                case_conversion = False

        values = dict.fromkeys(Converted.attributes(), 1)
        assert list(Converted(**values).to_view_dict()) == ["firstName", "address_1", "family"]
        assert Kept(first_name=1).to_view_dict() == {"first_name": 1}


class TestReferences:
    def test_a_relation_takes_what_leads_to_a_document(self, memory: MemoryDatastore) -> None:
        sample = Sample(link="users/u1")
        assert isinstance(sample.link, DocumentReference)
        assert sample.link.path == "users/u1"
        assert sample.link is sample.link

    @pytest.mark.parametrize("value", ["users", "a//b", 3, ["a/b"]])
    def test_what_leads_nowhere(self, memory: MemoryDatastore, value: Any) -> None:
        with pytest.raises(ValidationError, match="link"):
            Sample(link=value).to_dict()


def test_annotations_that_are_no_text() -> None:
    """A module without ``from __future__ import annotations``."""
    module = types.ModuleType("eager_annotations")
    sys.modules[module.__name__] = module
    source = textwrap.dedent("""
        from flask_boiler.attrs.attribute import Attr, Attr as A
        from flask_boiler.attrs.declarations import bproperty
        from flask_boiler.models.model import Model

        class First(Model):
            number: A[int] = bproperty(default=1)
            later: A["Later"]
            several: A[list["Later"]]
            text: "Attr[str]"

        class Later(Model):
            name: A[str]
    """)
    try:
        exec(compile(source, "eager", "exec", dont_inherit=True), vars(module))
        first = module.First.from_dict({"later": {"name": "x"}, "several": [{"name": "y"}]})
        assert (first.number, first.later.name, first.several[0].name) == (1, "x", "y")
        assert list(module.First.attributes()) == ["number", "later", "several", "text"]
        exec(compile(f"from __future__ import annotations\n{source}", "late", "exec"), vars(module))
        assert list(module.First.attributes()) == ["number", "later", "several", "text"]
    finally:
        del sys.modules[module.__name__]
