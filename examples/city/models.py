"""Cities and users, as the application knows them.

All kinds of cities lie in the collection ``City``; ``obj_type`` says which kind each is.
"""

from __future__ import annotations

from flask_boiler import Attr, DomainModel, attrs

__all__ = ["City", "Municipality", "StandardCity", "User"]


class City(DomainModel):
    """A city; what all kinds of cities have in common."""

    city_name: Attr[str]
    country: Attr[str]
    capital: Attr[bool] = attrs.bproperty(default=False)
    population: Attr[int] = attrs.bproperty(default=0)

    class Meta:
        collection_name = "City"

    def full_name(self) -> str:
        """The name as one writes it on an envelope."""
        return self.city_name


class StandardCity(City):
    """A city in a state, like San Francisco."""

    state: Attr[str]
    regions: Attr[list[str]] = attrs.bproperty(default_factory=list)

    def full_name(self) -> str:
        """The name with the state."""
        return f"{self.city_name}, {self.state}"


class Municipality(City):
    """A city that is a province by itself, like Beijing."""

    def full_name(self) -> str:
        """The name with what kind of place it is."""
        return f"{self.city_name} Municipality"


class User(DomainModel):
    """Somebody who may ask for cities, at ``users/<uid>``."""

    class Meta:
        collection_name = "users"
