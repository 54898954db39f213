"""A small world for the mediator tests: cities, their mayors, and views of both."""

# mypy: disable-error-code="no-redef, union-attr"
# The specification spells getters like properties, and reads references without asking first.

from __future__ import annotations

from typing import Any

from flask_boiler import DomainModel, QueryMediator, Store, ViewModel, attrs, reference


class Mayor(DomainModel):
    full_name = attrs.bproperty()

    class Meta:
        collection_name = "mayors"


class City(DomainModel):
    city_name = attrs.bproperty()
    population = attrs.bproperty()
    motto = attrs.bproperty()
    mayor = attrs.relation(Mayor)

    class Meta:
        collection_name = "cities"


class CityStore(Store):
    city = reference(City)
    mayor = reference(Mayor, source=lambda store: store.city.mayor)


class CityView(ViewModel):
    """Reads the name, the population and the mayor; never the motto."""

    store: CityStore

    name = attrs.bproperty()
    density = attrs.bproperty()
    mayor_name = attrs.bproperty()

    class Meta:
        path = "cityView/{city.doc_id}"

    @name.getter
    def name(self) -> Any:
        return self.store.city.city_name

    @density.getter
    def density(self) -> Any:
        return 1_000_000 / self.store.city.population

    @mayor_name.getter
    def mayor_name(self) -> Any:
        mayor = self.store.mayor
        return None if mayor is None else mayor.full_name


def city_views() -> QueryMediator:
    return QueryMediator(CityView, query=City.get_query())
