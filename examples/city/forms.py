"""The forms that a front end writes, from which cities are made.

Creating ``users/uid1/cityForms/LA`` makes ``City/LA``, and with that ``cityView/LA``.
"""

from __future__ import annotations

from typing import Any

from examples.city.models import City, StandardCity, User
from flask_boiler import (
    Attr,
    DomainModel,
    ProtocolBase,
    QueryMediator,
    Snapshot,
    Store,
    ViewModel,
    attrs,
    root,
    run_transaction,
)

__all__ = ["CityForm", "CityFormMediator", "FilledForm", "NewCityStore", "make_city"]


class FilledForm(DomainModel):
    """The document of a form, ``users/<uid>/cityForms/<city>``, as front ends write it."""

    class Meta:
        collection_name = "cityForms"
        parent = User


class NewCityStore(Store):
    """The store of a form: a city that is not saved yet."""

    city = root(StandardCity)


class CityForm(ViewModel):
    """A form for a new city: each field sets a field of the city, which checks its type."""

    store: NewCityStore

    name: Attr[Any] = attrs.bproperty(required=True)
    state: Attr[Any] = attrs.bproperty(required=True)
    country: Attr[Any] = attrs.bproperty(required=True)

    @name.setter
    def _set_name(self, value: str) -> None:
        self.store.city.city_name = value

    @state.setter
    def _set_state(self, value: str) -> None:
        self.store.city.state = value

    @country.setter
    def _set_country(self, value: str) -> None:
        self.store.city.country = value


class CityFormMediator(QueryMediator):
    """A mediator that makes a city of every form; later changes of a form change no city."""

    class Protocol(ProtocolBase):
        """The handler for new forms."""

        @staticmethod
        def on_create(snapshot: Snapshot, mediator: QueryMediator) -> None:
            """Make the city."""
            make_city(snapshot)


@run_transaction
def make_city(form_snapshot: Snapshot) -> None:
    """Make the city that a form asks for, unless it is there.

    A form is handled at least once, such as again after a restart, and by then its city may
    have changed: it is not to be made anew.
    """
    if City.get(form_snapshot.id) is None:
        form = CityForm.new(city=StandardCity.new(doc_id=form_snapshot.id))
        form.update_vals(with_raw=form_snapshot.to_dict())
        form.propagate_change()
