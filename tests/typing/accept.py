"""What type checkers have to accept, and what they have to know."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, Self, assert_type

from google.cloud.firestore import DocumentReference

from flask_boiler import (
    OMIT,
    Attr,
    Condition,
    DomainModel,
    F,
    Model,
    Omit,
    ProtocolBase,
    Query,
    QueryMediator,
    Snapshot,
    Store,
    ViewModel,
    attrs,
    reference,
)


class Address(Model):
    street: Attr[str]
    floor: Attr[int | None] = attrs.bproperty(default=None)


class City(DomainModel):
    """Both spellings of attributes."""

    nickname = attrs.bproperty()
    colour = attrs.bproperty(str)
    visits = attrs.bproperty(default=0)
    notes = attrs.bdict()
    mayor = attrs.relation("City")
    twin = attrs.relation("City", many=True)
    founded = attrs.timestamp()

    city_name: Attr[str]
    population: Attr[int] = attrs.bproperty(default=0)
    tags: Attr[list[str]] = attrs.bproperty(default_factory=list)
    address: Attr[Address | None] = attrs.bproperty(default=None)

    @attrs.computed
    def label(self) -> str:
        return f"{self.city_name} ({self.population})"

    @attrs.computed(data_key="BIG")
    def is_big(self) -> bool:
        return self.population > 1_000_000

    class Meta:
        collection_name = "City"


class Capital(City):
    country: Attr[str]
    first_lady = attrs.relation(City)
    palace = attrs.relation(City, nested=True)
    gardens: Attr[list[City]] = attrs.relation(City, many=True, nested=True)
    seat: Attr[City | None] = attrs.relation(City, nested=True, default=None)


city = City(city_name="Berlin", population=3_000_000, tags=["a"])
same = City(doc_id="B", city_name="Berlin", address=Address(street="Unter den Linden"))
capital = Capital(city_name="Berlin", country="Germany", gardens=[city], seat=city)
loose = City.new("B", city_name="Berlin")

assert_type(city.city_name, str)
assert_type(city.population, int)
assert_type(city.tags, list[str])
assert_type(city.address, Address | None)
assert_type(city.label, str)
assert_type(city.is_big, bool)
assert_type(city.nickname, Any)
assert_type(city.colour, str)
assert_type(city.visits, int)
assert_type(city.notes, dict[str, Any])
assert_type(city.founded, datetime.datetime | None)
assert_type(city.doc_id, str)
assert_type(city.extra, dict[str, Any])
assert_type(capital.country, str)
assert_type(capital.first_lady, DocumentReference | None)
assert_type(capital.palace, City | None)
assert_type(capital.gardens, list[City])
assert_type(capital.seat, City | None)
assert_type(loose, City)

assert_type(City.city_name, Attr[str])
assert_type(City.population > 1, Condition)
assert_type(City.city_name == "x", Condition)
assert_type(City.doc_id == "x", Condition)
assert_type(F("undeclared") == 1, Condition)
assert_type(F("a.map")["key"] > 1, Condition)
assert_type((City.population > 1) & City.tags.contains("a") | City.city_name.in_(["x"]), Condition)

assert_type(City.get("B"), City | None)
assert_type(City.get_or_raise("B"), City)
assert_type(Capital.get("B"), Capital | None)
assert_type(City.where(City.population > 1, city_name="x"), Query[City])
assert_type([found for found in Capital.where()], list[Capital])
assert_type(City.from_dict({}), City)
assert_type(City.new(**City.schema().load({"cityName": "Berlin"})), City)

city.population += 1
city.tags.append("x")
city.mayor = "City/B"
city.mayor = city
capital.palace = city
capital.palace = "City/B"
city.save(force=True)
del city.nickname


class CityStore(Store):
    city = reference(City)
    capitals = reference(Capital, many=True, source=lambda store: City.where(is_capital=True))


class CityView(ViewModel):
    store: CityStore

    class Meta:
        path = "cityView/{city.doc_id}"

    @classmethod
    def new(cls, snapshot: Any) -> Self:
        store = CityStore()
        store.add_snapshot("city", dm_cls=City, snapshot=snapshot)
        store.refresh()
        return cls(store=store)

    @attrs.computed
    def name(self) -> str:
        city = self.store.city
        return "nowhere" if city is None else city.city_name


assert_type(CityStore().city, City | None)
assert_type(CityStore().capitals, Mapping[str, Capital])
assert_type(CityView.get("B"), CityView)
assert_type(CityView.get("B").name, str)


class WithoutBefore(QueryMediator):
    """Handlers that take what there is now."""

    class Protocol(ProtocolBase):
        @staticmethod
        def on_create(snapshot: Snapshot, mediator: QueryMediator) -> None: ...

        @staticmethod
        def on_update(snapshot: Snapshot, mediator: QueryMediator) -> None: ...


class WithBefore(QueryMediator):
    """A handler that takes what there was before, too."""

    class Protocol(ProtocolBase):
        @staticmethod
        def on_update(snapshot: Snapshot, mediator: QueryMediator, before: Snapshot) -> None:
            assert_type(before.get("title"), Any)


class Announced(ViewModel):
    """A view that has its new values announced."""

    def notify(self) -> None:
        super().notify()


class Leaving(ViewModel):
    """A view whose getters may leave fields out."""

    score: Attr[int | Omit] = attrs.bproperty()

    @score.getter
    def _get_score(self) -> int | Omit:
        return OMIT

    @attrs.computed
    def rank(self) -> str | Omit:
        score = self.score
        if score is OMIT:
            return OMIT
        assert_type(score, int)
        return "first" if score > 1 else OMIT


def use_omit(view: Leaving) -> None:
    assert_type(view.rank, str | Omit)
    if view.rank is not OMIT:
        assert_type(view.rank, str)
