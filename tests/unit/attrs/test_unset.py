"""What is stored of an attribute that has no value, so that queries for None find it."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any, Optional

import pytest
from google.cloud.firestore import DELETE_FIELD, DocumentReference

from flask_boiler import attrs
from flask_boiler.attrs.attribute import Attr
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.models.model import Model
from flask_boiler.operate.testing.memory_datastore import MemoryDatastore
from flask_boiler.transactions.running import transaction
from flask_boiler.viewmodels.slots.reference import reference
from flask_boiler.viewmodels.store import Store
from flask_boiler.viewmodels.view_model import ViewModel
from tests.unit.memory import memory_context


class Phone(Model):
    number: Attr[str]
    prefix: Attr[str | None] = attrs.bproperty(required=False)


class Ride(DomainModel):
    pass


class Driver(DomainModel):
    name: Attr[str] = attrs.bproperty(default="")
    ride: Attr[DocumentReference | None] = attrs.relation(Ride)
    car: Attr[Ride | None] = attrs.relation(Ride, nested=True)
    cars: Attr[list[Ride] | None] = attrs.relation(Ride, many=True, nested=True)
    spoken: Attr[str | None]
    written: Attr[Optional[str]]  # noqa: UP045 - it is another spelling
    seen: Attr[datetime.datetime | None] = attrs.timestamp()
    phone: Attr[Phone | None]
    phones = attrs.embed(Phone, many=True)
    rank: Attr[int | None] = attrs.bproperty(default=3)
    hidden: Attr[str | None] = attrs.bproperty(export_enabled=False)
    # Nothing says that None is a value of these.
    untyped = attrs.bproperty()
    anything: Attr[Any]
    or_anything: Attr[Any | None]
    lax: Attr[str] = attrs.bproperty(required=False)
    at = attrs.timestamp()
    link = attrs.relation(Ride)


NULL = {"ride", "car", "cars", "spoken", "written", "seen", "phone"}


class Terse(Driver):
    class Meta:
        exclude_unset = True


@pytest.fixture(autouse=True)
def datastore() -> Iterator[MemoryDatastore]:
    context, datastore = memory_context()
    with context.activated():
        yield datastore


def stored(datastore: MemoryDatastore, path: str = "Driver/d") -> dict[str, Any]:
    fields = datastore.fields(path)
    assert fields is not None
    return fields


def test_a_declared_none_is_stored_as_null_and_nothing_else(datastore: MemoryDatastore) -> None:
    Driver.new("d").save()
    fields = stored(datastore)
    assert {name for name, value in fields.items() if value is None} == NULL
    assert fields.keys() == NULL | {"name", "rank", "obj_type", "doc_id", "doc_ref"}


def test_a_query_for_none_finds_it_and_an_order_keeps_it(datastore: MemoryDatastore) -> None:
    Driver.new("busy", ride="r1", spoken="en").save()
    Driver.new("free").save()
    assert [d.doc_id for d in Driver.where(Driver.ride == None)] == ["free"]  # noqa: E711
    assert [d.doc_id for d in Driver.where(Driver.ride != None)] == ["busy"]  # noqa: E711
    assert [d.doc_id for d in Driver.all().order_by("spoken")] == ["free", "busy"]
    first = Driver.all().order_by("spoken").page(1)
    assert [d.doc_id for d in first.results] == ["free"]
    rest = Driver.all().order_by("spoken").page(1, first.next_page_token)
    assert [d.doc_id for d in rest.results] == ["busy"]
    free = Driver.get_or_raise("free")
    assert [d.doc_id for d in Driver.all().order_by("spoken").start_after(free)] == ["busy"]


def test_a_class_may_leave_it_out(datastore: MemoryDatastore) -> None:
    Terse.new("t").save()
    assert stored(datastore, "Driver/t").keys() & NULL == set()
    assert (Terse.meta("exclude_unset"), Driver.meta("exclude_unset")) == (True, False)


def test_embedded_models_are_stored_so_too(datastore: MemoryDatastore) -> None:
    Driver.new("d", phone=Phone(number="1"), phones={"home": Phone(number="2")}).save()
    assert stored(datastore)["phone"] == {"number": "1", "prefix": None, "obj_type": "Phone"}
    assert stored(datastore)["phones"]["home"]["prefix"] is None


def test_a_document_that_lacks_it_is_not_rewritten(datastore: MemoryDatastore) -> None:
    before = {"obj_type": "Driver", "name": "x", "phone": {"number": "1"}}
    datastore.put("Driver/d", **before)
    driver = Driver.get_or_raise("d")
    for name in driver.attributes():
        getattr(driver, name)
    assert (driver.ride, driver.spoken, driver.phone.prefix) == (None, None, None)  # type: ignore[union-attr]
    driver.save()
    assert datastore.commits == []
    driver.name = "y"
    driver.save()
    driver.update(name="z")
    assert stored(datastore) == {**before, "name": "z"}
    driver.spoken = None
    driver.save()
    assert stored(datastore) == {**before, "name": "z", "spoken": None}


def test_one_that_is_deleted_is_null_and_what_is_to_be_removed_is(
    datastore: MemoryDatastore,
) -> None:
    Driver.new("d", spoken="en", written="en", untyped=1).save()
    driver = Driver.get_or_raise("d")
    del driver.spoken, driver.untyped
    driver.written = DELETE_FIELD  # type: ignore[assignment]
    driver.save()
    assert stored(datastore)["spoken"] is None
    assert stored(datastore).keys() & {"written", "untyped"} == set()
    assert (driver.spoken, driver.written) == (None, None)
    commits = len(datastore.commits)
    del driver.spoken
    driver.save()
    assert len(datastore.commits) == commits
    driver.written = "de"
    del driver.written
    driver.update(written=None)
    assert stored(datastore)["written"] is None


def test_in_a_transaction_it_is_what_is_read_back() -> None:
    with transaction():
        made = Driver.new("d")
        made.save()
        made.name = "x"
        made.save()
        assert Driver.get_or_raise("d") is made
        outside = Driver.from_dict(made.to_dict())
        assert outside.spoken is None


def test_a_form_of_it_in_a_dict_comes_back() -> None:
    fields = Driver.new("d").to_dict()
    assert Driver.from_dict(fields).to_dict() == fields


class DriverStore(Store):
    driver = reference(Driver)


class DriverView(ViewModel):
    store: DriverStore

    @attrs.computed
    def phone(self) -> Phone | None:
        return self.store.driver.phone  # type: ignore[union-attr]


def test_a_view_of_it_stores_null_too(datastore: MemoryDatastore) -> None:
    datastore.put("Driver/d", obj_type="Driver")
    assert DriverView.new("d").to_document() == {"phone": None}
    datastore.put("Driver/d", obj_type="Driver", phone={"number": "1"})
    shown = DriverView.new("d").to_document()["phone"]
    assert {k: v for k, v in shown.items() if k != "obj_type"} == {"number": "1", "prefix": None}
