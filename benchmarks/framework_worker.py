"""The framework's side: a domain model, a view model, one mediator, as an application has them."""

from __future__ import annotations

import sys

from flask_boiler import (
    Attr,
    Boiler,
    Config,
    DomainModel,
    QueryMediator,
    Store,
    ViewModel,
    attrs,
    reference,
)


class City(DomainModel):
    city_name: Attr[str]
    country: Attr[str]
    state: Attr[str]
    capital: Attr[bool]
    population: Attr[int]
    regions: Attr[list[str]]


class CityStore(Store):
    city = reference(City)

    @property
    def found(self) -> City:
        city = self.city
        assert city is not None
        return city


class CityView(ViewModel):
    store: CityStore

    class Meta:
        path = "cityView/{city.doc_id}"

    @attrs.computed
    def name(self) -> str:
        return self.store.found.city_name

    @attrs.computed
    def country(self) -> str:
        return self.store.found.country

    @attrs.computed
    def capital(self) -> bool:
        return self.store.found.capital

    @attrs.computed
    def population(self) -> int:
        return self.store.found.population


def main() -> None:
    """``python -m benchmarks.framework_worker HOST PROJECT``; ends when its input does."""
    host, project = sys.argv[1:3]
    boiler = Boiler(config=Config(project=project, emulator_host=host, testing=True))
    boiler.add(QueryMediator(CityView, query=City.get_query()))
    with boiler:
        boiler.settle(timeout_s=30)
        print("ready", flush=True)
        sys.stdin.read()
    boiler.close()


if __name__ == "__main__":
    main()
