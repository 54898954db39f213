"""What type checkers have to refuse: every line that is marked, and no other."""

from __future__ import annotations

from flask_boiler import OMIT, Attr, DomainModel, Store, ViewModel, attrs, reference


class City(DomainModel):
    city_name: Attr[str]
    population: Attr[int] = attrs.bproperty(default=0)
    ratio: Attr[int] = attrs.bproperty(default="x")  # refused
    nickname = attrs.bproperty(str)
    address = attrs.bdict()
    twin = attrs.relation("City", nested="yes")  # refused

    @attrs.computed
    def label(self) -> str:
        return self.city_name


City(population=3)  # refused
City(city_name=3)  # refused
City(city_name="x", populatoin=3)  # refused
City("x")  # refused

city = City(city_name="x")
city.population = "many"  # refused
city.nickname = 3  # refused
city.label.no_such_method()  # refused
print(city.populatoin)  # refused
print(City.populatoin)  # refused
City.population.no_such_operator(3)  # refused
print(City.address["street"].streat)  # refused
print(City.get("x").city_name)  # refused
City.get(3)  # refused


class CityStore(Store):
    city = reference(City)


class CityView(ViewModel):
    store: CityStore

    @attrs.computed
    def name(self) -> str:
        return self.store.cty.city_name  # refused


class Port(DomainModel):
    city = attrs.relation(City, nested=True)


print(Port().city.city_name)  # refused


class Leaving(ViewModel):
    @attrs.computed
    def rank(self) -> int:
        return OMIT  # refused


City(city_name=OMIT)  # refused
city.population = OMIT  # refused
