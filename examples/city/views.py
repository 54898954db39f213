"""The views that a front end reads: one document for each city, at ``cityView/<id>``."""

from __future__ import annotations

from examples.city.models import City
from flask_boiler import Store, ViewModel, attrs, root

__all__ = ["CityStore", "CityView"]


class CityStore(Store):
    """The documents that the view of a city is computed from."""

    city = root(City)


class CityView(ViewModel):
    """A city as front ends see it. It does not read the population."""

    store: CityStore

    class Meta:
        path = "cityView/{city.doc_id}"

    @attrs.computed
    def name(self) -> str:
        """The full name; each class of cities has its own."""
        return self.store.city.full_name()

    country = attrs.through("city.country", import_enabled=False, doc="The country.")
