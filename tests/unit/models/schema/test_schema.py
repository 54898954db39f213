"""The generated marshmallow schemas."""

from __future__ import annotations

import datetime
import enum
import json
from typing import Any, Literal

import marshmallow
import pytest
from google.cloud.firestore import GeoPoint
from google.cloud.firestore_v1.vector import Vector
from marshmallow import validate

from flask_boiler import attrs
from flask_boiler.attrs.attribute import Attr
from flask_boiler.errors import ValidationError
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.models.model import Model
from flask_boiler.operate.testing.memory_datastore import MemoryDatastore


class Size(enum.Enum):
    SMALL = "s"


class Address(Model):
    street_name: Attr[str]


class Abroad(Address):
    country: Attr[str]


class City(DomainModel):
    city_name: Attr[str] = attrs.bproperty(validate=validate.Length(max=5), doc="What it is called")
    population: Attr[int] = attrs.bproperty(default=0)
    ratio: Attr[float | None] = attrs.bproperty()
    capital: Attr[bool] = attrs.bproperty(required=False)
    tags: Attr[list[str]] = attrs.bproperty(default_factory=list)
    scores: Attr[dict[str, int]] = attrs.bproperty(required=False)
    size: Attr[Size] = attrs.bproperty(required=False)
    mode: Attr[Literal["a", "b"]] = attrs.bproperty(required=False)
    either: Attr[int | str] = attrs.bproperty(required=False)
    founded: Attr[datetime.datetime] = attrs.bproperty(required=False)
    anything = attrs.bproperty()
    opens = attrs.local_time(timezone="Europe/Berlin")
    location = attrs.geo_point()
    blob = attrs.bytes_()
    meaning = attrs.vector()
    mayor = attrs.relation("City")
    twins = attrs.relation("City", many=True)
    address = attrs.embed(Address)
    past = attrs.embed(Address, many=True)
    password = attrs.bproperty(export_enabled=False)
    made_by = attrs.bproperty(import_enabled=False)
    hidden = attrs.bproperty(import_enabled=False, export_enabled=False)

    @attrs.computed
    def label(self) -> str:
        return f"{self.city_name}!"


NOON = datetime.datetime(2024, 7, 1, 10, tzinfo=datetime.UTC)

JSON: dict[str, Any] = {
    "cityName": "SF", "population": 3, "ratio": 1.5, "capital": True, "tags": ["a"],
    "scores": {"m": 1}, "size": "s", "mode": "a", "either": "x",
    "founded": "2024-07-01T10:00:00+00:00", "anything": {"a": [1]}, "opens": "2024-07-01T12:00:00",
    "location": {"latitude": 1.0, "longitude": 2.0}, "blob": "eA==", "meaning": [1.0],
    "mayor": "City/LA", "twins": {"a": "City/B"}, "address": {"streetName": "Main"},
    "past": [{"streetName": "Old"}],
}  # fmt: skip


def test_json_becomes_values_and_json_again(memory: MemoryDatastore) -> None:
    loaded = City.schema().load(JSON)
    city = City.new("SF", **loaded)
    assert city.founded == NOON
    assert city.opens == datetime.datetime(2024, 7, 1, 12)
    assert (city.location, city.blob, city.meaning) == (GeoPoint(1, 2), b"x", Vector([1.0]))
    assert (city.size, city.mayor) == (Size.SMALL, memory.codec.reference("City/LA"))
    assert city.address.street_name == "Main"
    city.to_dict()
    dumped = City.schema().dump(city)
    assert dumped == {**JSON, "label": "SF!"}
    assert json.loads(json.dumps(dumped)) == dumped


def test_a_stored_document_is_shown_the_same(memory: MemoryDatastore) -> None:
    City.new("SF", **City.schema().load(JSON)).save()
    assert City.schema().dump(City.get_or_raise("SF")) == {**JSON, "label": "SF!"}


def test_unset_attributes_are_not_shown() -> None:
    assert City.schema(only=["ratio", "tags", "anything"]).dump(City.new("x")) == {"tags": []}


def test_defaults_and_requirements() -> None:
    assert City.schema().load({"cityName": "x"}) == {"city_name": "x", "population": 0, "tags": []}
    with pytest.raises(ValidationError) as caught:
        City.schema().load({})
    assert caught.value.messages == {"cityName": ["Missing data for required field."]}
    assert City.schema(partial=True).load({}) == {}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("cityName", 3),
        ("cityName", None),
        ("cityName", "longer"),
        ("population", "3"),
        ("population", True),
        ("population", 1.5),
        ("ratio", "1"),
        ("ratio", True),
        ("capital", "perhaps"),
        ("tags", "a"),
        ("tags", [1]),
        ("scores", {"m": "x"}),
        ("size", "xl"),
        ("mode", "c"),
        ("either", [1]),
        ("founded", "yesterday"),
        ("opens", 3),
        ("location", {"latitude": 91, "longitude": 0}),
        ("location", {"latitude": 1}),
        ("location", [1, 2]),
        ("blob", "€"),
        ("blob", 3),
        ("meaning", ["x"]),
        ("mayor", "a/b/c"),
        ("mayor", ""),
        ("twins", 3),
        ("twins", ["a//b"]),
        ("address", "x"),
        ("address", {"street": "x"}),
        ("address", {"streetName": "x", "obj_type": "City"}),
        ("address", {"streetName": "x", "obj_type": 3}),
        ("past", [{"x": 1}]),
        ("label", "x"),
        ("madeBy", "x"),
        ("hidden", "x"),
        ("city_name", "x"),
        ("obj_type", "City"),
    ],
)
def test_bad_input_is_named_by_its_field(field: str, value: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        City.schema(partial=True).load({field: value})
    assert {name.partition(".")[0] for name in caught.value.messages} == {field}


def test_the_error_is_marshmallow_s_too() -> None:
    schema = City.schema()
    with pytest.raises(marshmallow.ValidationError) as caught:
        schema.load({"cityName": "x", "address": {"streetName": 3}, "past": [{"x": 1}]})
    assert caught.value.messages == {
        "address.streetName": ["Not a valid string."],
        "past.0.streetName": ["Missing data for required field."],
        "past.0.x": ["Unknown field."],
    }
    assert str(caught.value).startswith("City: address.streetName: Not a valid string.")
    assert schema.validate({"cityName": "x"}) == {}
    assert "population" in schema.validate({"cityName": "x", "population": "x"})


def test_input_and_output_differ_where_attributes_say_so() -> None:
    schema = City.schema()
    assert schema.load({"cityName": "x", "password": "p"})["password"] == "p"
    city = City.new("x", city_name="x", password="p", made_by="me", hidden=1)
    assert schema.dump(city) == {
        "cityName": "x", "population": 0, "tags": [], "madeBy": "me", "label": "x!",
    }  # fmt: skip


def test_an_embedded_model_of_a_subclass() -> None:
    given = {"streetName": "x", "country": "DE"}
    loaded = City.schema(partial=True).load({"address": {**given, "obj_type": "Abroad"}})
    assert type(loaded["address"]) is Abroad
    assert City.schema(only=["address"]).dump(City.new("x", **loaded)) == {"address": given}


def test_it_describes_itself() -> None:
    schema = City.Schema()
    assert City.Schema is City.Schema
    assert City.Schema.__name__ == "CitySchema"
    assert schema.fields["city_name"].metadata == {"description": "What it is called"}
    assert schema.fields["label"].dump_only
    assert schema.fields["password"].load_only
    assert schema.unknown == marshmallow.RAISE


def test_a_subclass_has_its_own() -> None:
    assert set(Abroad.Schema().fields) == {"street_name", "country"}
    assert set(Address.Schema().fields) == {"street_name"}
    assert City.schema(many=True).dump([City.new("x", city_name="x")])[0]["cityName"] == "x"


def test_a_plain_dict_can_be_dumped() -> None:
    assert City.schema(only=["city_name"]).dump({"city_name": "x"}) == {"cityName": "x"}
