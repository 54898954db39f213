"""What is wrong inside the embedded models of stored documents, and whose fault that is."""

from __future__ import annotations

from typing import Any

import pytest

from flask_boiler import attrs
from flask_boiler.attrs.attribute import Attr
from flask_boiler.errors import StoredDataError, ValidationError
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.models.model import Model
from flask_boiler.operate.testing.memory_datastore import MemoryDatastore


class Address(Model):
    street: Attr[str]
    floor: Attr[int] = attrs.bproperty(default=0)


class Depot(DomainModel):
    title: Attr[str] = attrs.bproperty(default="")
    address = attrs.embed(Address)
    gates = attrs.embed(Address, many=True)


@pytest.fixture(autouse=True)
def depot(memory: MemoryDatastore) -> None:
    wrong = {"street": 7, "floor": 1}
    gates = {"north": wrong, "south": {"floor": 2}}
    memory.put("Depot/d", obj_type="Depot", address=wrong, gates=gates)


def test_a_wrong_value_is_told_as_stored() -> None:
    depot = Depot.get_or_raise("d")
    with pytest.raises(StoredDataError, match="Depot/d, address: street: expected str"):
        _ = depot.address.street
    with pytest.raises(StoredDataError, match="Depot/d, gates: street: Missing data"):
        _ = depot.gates["south"].street
    assert depot.gates["south"].floor == 2


def test_also_when_it_would_be_stored_again(memory: MemoryDatastore) -> None:
    depot = Depot.get_or_raise("d")
    depot.address.floor = 3
    with pytest.raises(StoredDataError) as told:
        depot.save()
    assert (told.value.where, [*told.value.messages]) == ("Depot/d", ["address.street"])
    with pytest.raises(StoredDataError, match=r"address\.street"):
        depot.to_dict()
    depot = Depot.get_or_raise("d")
    depot.gates["south"].floor = 3
    with pytest.raises(StoredDataError, match=r"gates\.(north|south)\.street"):
        depot.save()
    assert memory.commits == []


def test_what_was_assigned_is_not() -> None:
    depot = Depot.get_or_raise("d")
    wrong: Any = 8
    depot.address = Address(street=wrong)
    with pytest.raises(ValidationError, match=r"address\.street") as told:
        depot.save()
    assert not isinstance(told.value, StoredDataError)
    with pytest.raises(ValidationError, match=r"address\.street") as told:
        depot.update_vals(with_dict={"address": {"street": 9}})
    assert not isinstance(told.value, StoredDataError)
    with pytest.raises(ValidationError, match=r"address\.street") as told:
        depot.update_vals(with_raw={"address": {"street": 9}})
    assert not isinstance(told.value, StoredDataError)
    with pytest.raises(ValidationError) as told:
        Depot.from_dict({"address": {"street": 9}}).to_dict()
    assert not isinstance(told.value, StoredDataError)


def test_it_can_be_made_right() -> None:
    depot = Depot.get_or_raise("d")
    depot.address.street = "Main St"
    depot.save()
    assert Depot.get_or_raise("d").address.street == "Main St"
