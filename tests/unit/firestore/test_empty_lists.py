"""Asking for one of no values finds nothing, asking for none of no values finds everything."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from flask_boiler import attrs
from flask_boiler.attrs.attribute import Attr
from flask_boiler.attrs.condition import Condition
from flask_boiler.attrs.operators import F
from flask_boiler.errors import QueryError
from flask_boiler.firestore.query_rules import NOTHING
from flask_boiler.ground.values import FieldFilter
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.models.query.query import Query
from flask_boiler.operate.testing.memory_datastore import MemoryDatastore
from flask_boiler.viewmodels.slots.reference import reference
from flask_boiler.viewmodels.store import Store
from tests.unit.memory import memory_context


class Home(DomainModel):
    name: Attr[str]
    mates: Attr[list[str]] = attrs.bproperty(default_factory=list)


class Cabin(Home):
    pass


class Person(DomainModel):
    name: Attr[str]
    home = attrs.relation(Home)
    spare = attrs.bproperty()
    homes = attrs.relation(Home, many=True)
    tags: Attr[list[str]] = attrs.bproperty(default_factory=list)


class HomeStore(Store):
    home: Any = reference(Home)
    mates = reference(
        Person, many=True, source=lambda store: Person.where(Person.doc_id.in_(store.home.mates))
    )
    others = reference(
        Person, many=True, source=lambda store: Person.where(Person.doc_id.not_in(store.home.mates))
    )
    neighbours = reference(
        Person, many=True, source=lambda store: Person.where(Person.home.in_(store.homes))
    )
    homes = reference(Home, many=True, source=lambda store: [store.home])


@pytest.fixture(autouse=True)
def datastore() -> Iterator[MemoryDatastore]:
    context, made = memory_context()
    with context.activated():
        for number in range(2):
            Home.new(f"h{number}", name=f"h{number}").save()
        for number in range(3):
            home = f"h{number % 2}"
            Person.new(f"p{number}", name=f"p{number}", home=home, homes=[home]).save()
        made.queries.clear()
        yield made


def ids(query: Query[Any]) -> list[str]:
    return [found.doc_id for found in query]


ALL = ["p0", "p1", "p2"]
CASES: dict[str, tuple[Callable[[], Condition], list[str]]] = {
    "in": (lambda: Person.name.in_([]), []),
    "in an iterator": (lambda: Person.name.in_(iter([])), []),
    "in a mapping": (lambda: Person.name.in_({}), []),
    "id": (lambda: Person.doc_id.in_([]), []),
    "relation": (lambda: Person.home.in_([]), []),
    "any": (lambda: Person.tags.contains_any([]), []),
    "undeclared": (lambda: F("x").in_([]), []),
    "and": (lambda: Person.name.in_([]) & (Person.name == "p0"), []),
    "or": (lambda: Person.name.in_([]) | (Person.name == "p0"), ["p0"]),
    "both": (lambda: Person.name.in_([]) | Person.doc_id.in_([]), []),
    "inside": (
        lambda: (Person.name.in_([]) & (Person.name == "p0")) | (Person.name == "p1"),
        ["p1"],
    ),
    "not in": (lambda: Person.name.not_in([]), ALL),
    "not in what nobody has": (lambda: F("x").not_in([]), ALL),
    "not in and": (lambda: Person.name.not_in([]) & (Person.name == "p0"), ["p0"]),
    "not in or": (lambda: Person.name.not_in([]) | (Person.name == "p0"), ALL),
    "spelled out": (lambda: Condition(FieldFilter("name", "in", [])), []),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_found(case: str, datastore: MemoryDatastore) -> None:
    condition, expected = CASES[case]
    query = Person.where(condition())
    assert ids(query) == expected
    assert query.count() == len(expected)
    assert [p.doc_id for page in query.pages(2) for p in page.results] == expected


def test_nothing_is_asked_for_nothing(datastore: MemoryDatastore) -> None:
    query = Person.where(Person.name.in_([]), home="h0").order_by("name").limit(3)
    assert query.get() == []
    assert query.first() is None
    assert (query.count(), query.sum("name"), query.avg("name")) == (0, 0, None)
    assert query.aggregate(n="count", m=("avg", "name")) == {"n": 0, "m": None}
    assert query.page(2).next_page_token is None
    assert query.limit_to_last(1).get() == []
    assert query.spec.where == NOTHING
    assert datastore.queries == []
    assert "nothing is found" in repr(query)


def test_a_page_of_another_query_is_refused_all_the_same() -> None:
    token = Person.all().page(1).next_page_token
    with pytest.raises(QueryError, match="not a page token of this query"):
        Person.where(Person.name.in_([])).page(1, token)


def test_a_class_below_asks_for_its_own() -> None:
    Cabin.new("c", name="c").save()
    assert ids(Cabin.where(Cabin.name.in_([]))) == []
    assert ids(Cabin.where(Cabin.name.not_in([]))) == ["c"]


def test_narrowing_what_finds_nothing_finds_nothing() -> None:
    nothing = Person.where(Person.name.in_([]))
    assert ids(nothing.where(name="p0")) == []
    assert ids(nothing.where(Person.name.in_(["p0"]) | (Person.name == "p1"))) == []


def test_sources(datastore: MemoryDatastore) -> None:
    store = HomeStore(home="h0")
    assert dict(store.mates) == {}
    assert list(store.others) == ALL
    assert list(store.neighbours) == ["p0", "p2"]
    Home.get_or_raise("h0").update(mates=["p1"])
    again = HomeStore(home="h0")
    assert list(again.mates) == ["p1"]
    assert list(again.others) == ["p0", "p2"]


def test_models_references_and_mappings_of_models() -> None:
    homes = {home.doc_id: home for home in Home.all()}
    one = homes["h1"]
    for given in (homes, homes.values(), [*homes.values()], list(homes), ["Home/h0", one.doc_ref]):
        assert ids(Person.where(Person.home.in_(given))) == ALL
        assert ids(Person.where(Person.homes.contains_any(given))) == ALL
        assert ids(Person.where(Person.home.not_in(given))) == []
        assert ids(Home.where(Home.doc_id.in_(given))) == ["h0", "h1"]
    assert ids(Person.where(Person.home.in_([one]))) == ["p1"]
    assert ids(Person.where(Person.homes.contains(one))) == ["p1"]
    assert ids(Person.where(home=one)) == ["p1"]


def test_of_an_untyped_field_too() -> None:
    home = Home.get_or_raise("h0")
    Person.get_or_raise("p0").update(spare=home.doc_ref)
    assert ids(Person.where(Person.spare.in_({"a": home}))) == ["p0"]
    assert ids(Person.where(spare=home)) == ["p0"]
    assert ids(Person.where(F("spare").in_([home]))) == ["p0"]


def test_what_is_no_model_of_the_relation_is_refused() -> None:
    person = Person.get_or_raise("p0")
    with pytest.raises(QueryError, match="expected Home"):
        Person.where(Person.home.in_({"x": person}))
    with pytest.raises(QueryError, match="needs a list"):
        Person.where(Person.home.in_(3))  # type: ignore[arg-type]
