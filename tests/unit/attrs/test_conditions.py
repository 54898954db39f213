"""Comparing attributes makes query conditions."""

from __future__ import annotations

import datetime
import enum
from collections.abc import Callable
from typing import Any

import pytest
from google.cloud.firestore import DELETE_FIELD, Increment

from flask_boiler import attrs
from flask_boiler.attrs.attribute import Attr
from flask_boiler.attrs.condition import Condition
from flask_boiler.errors import QueryError
from flask_boiler.ground.values import FieldFilter
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.models.model import Model
from flask_boiler.operate.testing.memory_datastore import MemoryDatastore


class Size(enum.Enum):
    SMALL = "s"


class Street(Model):
    street_name: Attr[str]
    kind = attrs.bproperty()


class Town(DomainModel):
    town_name = attrs.bproperty()
    population: Attr[int]
    address_1 = attrs.bproperty(data_key="the address")
    size: Attr[Size]
    tags: Attr[list[str]]
    street = attrs.embed(Street)
    streets = attrs.embed(Street, many=True)
    scores = attrs.bdict()
    open_at = attrs.local_time(timezone="Europe/Berlin")
    twin = attrs.relation("Town")
    secret = attrs.bproperty(export_enabled=False)

    @attrs.computed
    def is_large(self) -> bool:
        return self.population > 1


NOON = datetime.datetime(2024, 7, 1, 12)


@pytest.mark.parametrize(
    ("condition", "field", "op", "value"),
    [
        (Town.town_name == "x", "townName", "==", "x"),
        (Town.town_name != None, "townName", "!=", None),  # noqa: E711
        (Town.population < 3, "population", "<", 3),
        (Town.population <= 3, "population", "<=", 3),
        (Town.population > 3, "population", ">", 3),
        (Town.population >= 3, "population", ">=", 3),
        (Town.population.in_([1, 2]), "population", "in", [1, 2]),
        (Town.population.not_in((1, None)), "population", "not-in", [1, None]),
        (Town.tags.contains("a"), "tags", "array-contains", "a"),
        (Town.tags.contains_any({"a"}), "tags", "array-contains-any", ["a"]),
        (Town.tags == ["a"], "tags", "==", ["a"]),
        (Town.address_1 == 1, "`the address`", "==", 1),
        (Town.size == Size.SMALL, "size", "==", "s"),
        (Town.size.in_([Size.SMALL]), "size", "in", ["s"]),
        (Town.street["street_name"] == "x", "street.streetName", "==", "x"),
        (Town.street["kind"] == "x", "street.kind", "==", "x"),
        (Town.streets["home"]["street_name"] == "x", "streets.home.streetName", "==", "x"),
        (Town.scores["a-b"] > 1, "scores.`a-b`", ">", 1),
        (
            Town.street == Street(street_name="x"),
            "street",
            "==",
            {"streetName": "x", "obj_type": "Street"},
        ),
        (Town.is_large == True, "isLarge", "==", True),  # noqa: E712
        (Town.obj_type == "Town", "obj_type", "==", "Town"),
        (Town.doc_id == "berlin", "__name__", "==", "berlin"),
        (
            Town.open_at == NOON,
            "openAt",
            "==",
            datetime.datetime(2024, 7, 1, 10, tzinfo=datetime.UTC),
        ),
    ],
)
def test_a_comparison(condition: Condition, field: str, op: str, value: Any) -> None:
    assert condition.filter == FieldFilter(field, op, value)  # type: ignore[arg-type]


def test_embedded_attributes_can_be_spelled_as_such() -> None:
    street: Any = Town.street
    assert (street.street_name == "x").filter == FieldFilter("street.streetName", "==", "x")


def test_a_relation_is_compared_by_reference(memory: MemoryDatastore) -> None:
    for value in (
        "berlin",
        "Town/berlin",
        Town.new("berlin"),
        memory.codec.reference("Town/berlin"),
    ):
        condition = Town.twin == value
        assert isinstance(condition.filter, FieldFilter)
        assert condition.filter.value.path == "Town/berlin"


@pytest.mark.parametrize(
    "compare",
    [
        lambda: Town.population == "many",
        lambda: Town.population > True,
        lambda: Town.population < None,
        lambda: Town.population == Increment(1),
        lambda: Town.population == DELETE_FIELD,
        lambda: Town.population == Town.population,
        lambda: Town.population.in_("12"),
        lambda: Town.population.in_(3),  # type: ignore[arg-type]
        lambda: Town.population.contains(3),
        lambda: Town.tags.contains(3),
        lambda: Town.tags.contains_any("ab"),
        lambda: Town.town_name == {1, 2},
        lambda: Town.size == "xxl",
        lambda: Town.street == "x",
        lambda: Town.street["nothing"] == 1,
        lambda: Town.population["x"] == 1,
        lambda: Town.secret == 1,
        lambda: Town.street["street_name"] == 3,
    ],
)
def test_what_can_never_be_is_refused(compare: Callable[[], Any]) -> None:
    with pytest.raises(QueryError, match=r"Town\.|street|3"):
        compare()


def test_a_condition_is_no_truth() -> None:
    with pytest.raises(TypeError, match="neither true nor false"):
        assert 1 < Town.population < 3
    with pytest.raises(TypeError, match=r"contains\('x'\)"):
        assert "x" in Town.tags
    with pytest.raises(TypeError):
        iter(Town.tags)  # type: ignore[call-overload]


def test_attributes_are_hashable_and_themselves() -> None:
    assert len({Town.population, Town.tags, Town.population}) == 2


def test_a_misspelled_member_of_an_attribute_is_an_error() -> None:
    attribute: Any = Town.street
    with pytest.raises(AttributeError):
        _ = attribute.strete_name
    with pytest.raises(AttributeError):
        _ = attribute._private
    untyped: Any = Town.town_name
    assert not hasattr(untyped, "path")
