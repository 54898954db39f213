"""What is wrong with one member concerns that one alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from flask_boiler import attrs
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.view.query_mediator import QueryMediator
from flask_boiler.viewmodels.slots.each import each
from flask_boiler.viewmodels.slots.root import root
from flask_boiler.viewmodels.store import Store
from flask_boiler.viewmodels.view_model import ViewModel
from tests.unit.view.mediation.keeping.test_named_subjects import House


class Hall(DomainModel):
    guests = attrs.bproperty()

    class Meta:
        collection_name = "halls"


class HallStore(Store):
    hall = root(Hall)
    guest = each(str, source=lambda store: store.hall.guests)


class Card(ViewModel):
    store: HallStore

    class Meta:
        path = "walls/{hall.doc_id}/cards/{guest}"

    @attrs.computed
    def matches(self) -> str:
        return self.store.guest


@pytest.fixture
def house() -> Iterator[House]:
    house = House()
    yield house
    house.boiler.close()


@pytest.mark.parametrize("odd", [7, "a/b", "", "..", {"a": 1}])
def test_what_is_no_member_keeps_no_other_away(house: House, odd: Any) -> None:
    house.datastore.put("halls/h", obj_type="Hall", guests=["ann", odd, "bob"])
    house.run(QueryMediator(Card, query=Hall.get_query()))
    assert set(house.shown()) == {"walls/h/cards/ann", "walls/h/cards/bob"}
    [(key, said)] = house.parked.items()
    assert key == "halls/h"
    assert "HallStore.guest cannot be" in said
    house.datastore.put("halls/h", obj_type="Hall", guests=["bob", "cy", odd])
    house.settle()
    assert set(house.shown()) == {"walls/h/cards/bob", "walls/h/cards/cy"}
    house.datastore.put("halls/h", obj_type="Hall", guests=["cy"])
    house.settle()
    assert set(house.shown()) == {"walls/h/cards/cy"}
    assert house.parked == {}


@pytest.mark.parametrize("guests", ["ann", 7])
def test_what_is_no_list_of_members_leaves_all_as_it_was(house: House, guests: Any) -> None:
    house.datastore.put("halls/h", obj_type="Hall", guests=["ann"])
    house.run(QueryMediator(Card, query=Hall.get_query()))
    house.datastore.put("halls/h", obj_type="Hall", guests=guests)
    house.settle()
    assert set(house.shown()) == {"walls/h/cards/ann"}
    assert "must return a list or a dict of ids" in house.parked["halls/h"]
