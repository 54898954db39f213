"""The domain models: cities and users.

All kinds of cities lie in the collection ``City``; ``obj_type`` says which kind each is.
"""

from __future__ import annotations

from flask_boiler import Attr, DomainModel, attrs

__all__ = ["City", "Municipality", "StandardCity", "User"]


class City(DomainModel):
    """A city; the base class of all kinds of cities."""

    city_name: Attr[str]
    country: Attr[str]
    capital: Attr[bool] = attrs.bproperty(default=False)
    population: Attr[int] = attrs.bproperty(default=0)

    class Meta:
        collection_name = "City"

    def full_name(self) -> str:
        """The name as it is written in an address."""
        return self.city_name


class StandardCity(City):
    """A city in a state, like San Francisco."""

    state: Attr[str]
    regions: Attr[list[str]] = attrs.bproperty(default_factory=list)

    def full_name(self) -> str:
        """The name with the state."""
        return f"{self.city_name}, {self.state}"


class Municipality(City):
    """A city that is its own province, like Beijing."""

    def full_name(self) -> str:
        """The name with the kind of place."""
        return f"{self.city_name} Municipality"


class User(DomainModel):
    """A user who may add cities, at ``users/<uid>``."""

    class Meta:
        collection_name = "users"
