"""Models on a real Firestore: what is written, by whom it may be changed, how it is found."""

from __future__ import annotations

import datetime
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from google.cloud.firestore import SERVER_TIMESTAMP, ArrayUnion, GeoPoint, Increment
from google.cloud.firestore_v1.vector import Vector

from flask_boiler import CTX, Attr, Boiler, DomainModel, Model, attrs, run_transaction, transaction
from flask_boiler.errors import ConflictError, DocumentNotFoundError, ValidationError

pytestmark = pytest.mark.usefixtures("boiler")


class Wheel(Model):
    size: Attr[int]


class Engine(Model):
    power: Attr[int]


class Electric(Engine):
    volts: Attr[int]


class Vehicle(DomainModel):
    max_speed: Attr[int] = attrs.bproperty(default=0)
    address_1 = attrs.bproperty()
    odd_key = attrs.bproperty(data_key="a.b `c`")
    tags: Attr[list[str]] = attrs.bproperty(default_factory=list)
    notes = attrs.bdict()
    engine = attrs.embed(Engine)
    wheels = attrs.embed(Wheel, many=True)
    owner = attrs.relation("Owner")
    drivers = attrs.relation("Owner", many=True)
    made_at = attrs.timestamp()
    opens = attrs.local_time(timezone="Europe/Berlin")
    place = attrs.geo_point()
    blob = attrs.bytes_()
    meaning = attrs.vector()

    class Meta:
        collection_name = "vehicles"
        extra = "keep"


class Car(Vehicle):
    doors: Attr[int] = attrs.bproperty(default=4)


class Owner(DomainModel):
    full_name = attrs.bproperty()


class Licence(DomainModel):
    kind = attrs.bproperty()

    class Meta:
        collection_name = "licences"
        parent = Owner


def stored(path: str) -> dict[str, Any]:
    """A document as google's own client reads it."""
    fields = CTX.db.document(path).get().to_dict()
    assert fields is not None
    return fields


@pytest.fixture
def car() -> Iterator[Car]:
    made = Car.new("c", max_speed=100, undeclared={"deep": [1, None]})
    made.save(create=True)
    yield Car.get_or_raise("c")


NOON = datetime.datetime(2024, 7, 1, 10, tzinfo=datetime.UTC)


def test_every_kind_of_value_comes_back() -> None:
    Car.new(
        "c",
        address_1="x",
        odd_key="odd",
        tags=["a"],
        notes={"n": {"m": [1.5]}},
        engine=Electric(power=3, volts=400),
        wheels={"left": Wheel(size=1), "right": Wheel(size=2)},
        owner="o",
        drivers=[Owner.new("d"), "Owner/e"],
        made_at=NOON,
        opens=datetime.datetime(2024, 7, 1, 12),
        place=GeoPoint(1, 2),
        blob=b"\x00",
        meaning=Vector([1.0, 2.0]),
    ).save()
    found = Vehicle.get_or_raise("c")
    assert type(found) is Car
    assert (found.address_1, found.odd_key, found.tags) == ("x", "odd", ["a"])
    assert found.notes == {"n": {"m": [1.5]}}
    assert isinstance(found.engine, Electric)
    assert (found.engine.power, found.engine.volts, found.wheels["right"].size) == (3, 400, 2)
    assert [ref.path for ref in (found.owner, *found.drivers)] == ["Owner/o", "Owner/d", "Owner/e"]
    assert (found.made_at, found.opens) == (NOON, datetime.datetime(2024, 7, 1, 12))
    assert (found.place, found.blob, found.meaning) == (
        GeoPoint(1, 2),
        b"\x00",
        Vector([1.0, 2.0]),
    )
    assert stored("vehicles/c")["a.b `c`"] == "odd"
    found.save()
    assert CTX.db.document("vehicles/c").get().update_time == _written(found)


def _written(model: DomainModel) -> datetime.datetime:
    """When the instance believes that its document was last written, to the microsecond."""
    time_ns = model._model_state.update_time_ns
    assert time_ns is not None
    return datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(
        microseconds=time_ns // 1000
    )


def test_only_changes_are_written(car: Car) -> None:
    CTX.db.document("vehicles/c").update({"maxSpeed": 100})
    car.odd_key = 1
    car.extra["undeclared"]["deep"].append(2)
    del car.max_speed
    car.save(force=True)
    assert stored("vehicles/c") == {
        "a.b `c`": 1,
        "undeclared": {"deep": [1, None, 2]},
        "maxSpeed": 0,
        "tags": [],
        "notes": {},
        "doors": 4,
        "obj_type": "Car",
        "doc_id": "c",
        "doc_ref": "vehicles/c",
    }


def test_somebody_else_s_change_is_a_conflict(car: Car) -> None:
    mine, theirs = Car.get_or_raise("c"), Car.get_or_raise("c")
    theirs.max_speed = 1
    theirs.save()
    mine.doors = 2
    with pytest.raises(ConflictError, match="vehicles/c was changed by somebody else"):
        mine.save()
    with pytest.raises(ConflictError):
        mine.update(doors=2)
    with pytest.raises(ConflictError, match="vehicles/c exists already"):
        Car.new("c").save(create=True)
    mine.save(force=True)
    assert (stored("vehicles/c")["maxSpeed"], stored("vehicles/c")["doors"]) == (1, 2)
    mine.doors = 3
    mine.save()
    assert stored("vehicles/c")["doors"] == 3


def test_values_that_the_server_computes(car: Car) -> None:
    before = _written(car)
    car.update(
        max_speed=Increment(11),
        made_at=SERVER_TIMESTAMP,
        tags=ArrayUnion(["a"]),
        visits=Increment(1),
    )
    assert car.max_speed == 111
    assert car.tags == ["a"]
    assert car.extra["visits"] == 1
    assert car.made_at is not None
    assert before < car.made_at <= _written(car)
    car.max_speed += 1
    car.save()
    assert stored("vehicles/c")["maxSpeed"] == 112


def test_increments_by_many_are_exact(car: Car, boiler: Boiler) -> None:
    def add() -> None:
        with boiler.context.activated():
            mine = Car.get_or_raise("c")
            for _ in range(10):
                mine.update(force=True, max_speed=Increment(1))

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stored("vehicles/c")["maxSpeed"] == 140


def test_updates_need_a_document() -> None:
    with pytest.raises(DocumentNotFoundError, match="vehicles/gone"):
        Car.new("gone").update(doors=1)
    assert Car.get("gone") is None


def test_deleting(car: Car) -> None:
    car.delete()
    assert Car.get("c") is None
    car.delete()
    car.save(create=True)
    assert stored("vehicles/c")["undeclared"] == {"deep": [1, None]}


def test_a_document_that_others_wrote(car: Car) -> None:
    CTX.db.document("vehicles/x").set(
        {"maxSpeed": "fast", "engine": {"power": 1}, "foreign": {"a": 1}}
    )
    found = Car.get_or_raise("x")
    assert (found.engine.power, found.extra) == (1, {"foreign": {"a": 1}})
    with pytest.raises(ValidationError, match=r"vehicles/x: max_speed: expected int, not 'fast'"):
        _ = found.max_speed
    found.doors = 2
    found.save()
    assert stored("vehicles/x") == {
        "maxSpeed": "fast",
        "engine": {"power": 1},
        "foreign": {"a": 1},
        "doors": 2,
    }


def test_google_s_snapshots_are_taken_too(car: Car) -> None:
    found = Vehicle.from_snapshot(CTX.db.document("vehicles/c").get())
    found.max_speed = 7
    found.save()
    assert stored("vehicles/c")["maxSpeed"] == 7
    with pytest.raises(ConflictError):
        car.update(doors=1)


def test_queries_find_each_class(car: Car) -> None:
    Vehicle.new("v", max_speed=5, engine=Engine(power=7)).save()
    assert {found.doc_id: type(found) for found in Vehicle.all()} == {"c": Car, "v": Vehicle}
    assert [found.doc_id for found in Car.all()] == ["c"]
    assert [found.doc_id for found in Vehicle.where(Vehicle.max_speed < 50)] == ["v"]
    assert [found.doc_id for found in Vehicle.where(Vehicle.engine["power"] == 7)] == ["v"]
    assert [f.doc_id for f in Vehicle.where(Vehicle.engine == Engine(power=7))] == ["v"]
    assert [found.doc_id for found in Vehicle.where(Vehicle.doc_id == "c")] == ["c"]
    assert [found.doc_id for found in Vehicle.where(Vehicle.obj_type == "Car")] == ["c"]
    assert Vehicle.where(Vehicle.odd_key == "x").count() == 0


def test_relations_are_found_by_whatever_leads_there() -> None:
    owner = Owner.new("o", full_name="Ada")
    owner.save()
    Car.new("c", owner=owner, drivers=["o"]).save()
    for given in (owner, "o", "Owner/o", owner.doc_ref):
        assert [found.doc_id for found in Car.where(Car.owner == given)] == ["c"]
        assert [found.doc_id for found in Car.where(Car.drivers.contains(given))] == ["c"]
    found = Owner.get_or_raise(doc_ref=Car.get_or_raise("c").owner)
    assert found.full_name == "Ada"


def test_odd_field_names_can_be_queried() -> None:
    Car.new("c", odd_key=3, address_1="x").save()
    assert [found.doc_id for found in Car.where(Vehicle.odd_key == 3, address_1="x")] == ["c"]


def test_documents_below_others() -> None:
    owner = Owner.new("o")
    Licence.new("a", parent=owner, kind="x").save()
    Licence.new("b", parent="p", kind="x").save()
    assert stored("Owner/o/licences/a")["doc_ref"] == "Owner/o/licences/a"
    assert Licence.get_or_raise("a", parent="o").kind == "x"
    assert [found.doc_id for found in Licence.get_query(parent=owner)] == ["a"]
    assert sorted(found.doc_path for found in Licence.where(kind="x")) == [
        "Owner/o/licences/a",
        "Owner/p/licences/b",
    ]


def test_a_transaction_sees_and_makes_all_or_nothing(car: Car) -> None:
    with transaction():
        mine = Car.get_or_raise("c")
        mine.max_speed = 1
        mine.save()
        assert Car.get_or_raise("c").max_speed == 1
        mine.max_speed = 100
        mine.doors = 2
        mine.save()
    assert (stored("vehicles/c")["maxSpeed"], stored("vehicles/c")["doors"]) == (100, 2)
    mine.doors = 3
    mine.save()
    with pytest.raises(RuntimeError), transaction():
        Car.get_or_raise("c").update(doors=9)
        raise RuntimeError
    assert stored("vehicles/c")["doors"] == 3


def test_a_lost_precondition_is_retried(car: Car) -> None:
    attempts: list[int] = []

    @run_transaction
    def grow() -> None:
        mine = Car.get_or_raise("c")
        if not attempts:
            CTX.db.document("vehicles/c").update({"doors": 8})
        attempts.append(1)
        mine.max_speed += 1
        mine.save()

    grow()
    assert len(attempts) == 2
    assert (stored("vehicles/c")["maxSpeed"], stored("vehicles/c")["doors"]) == (101, 8)


def test_every_legal_attribute_name_can_be_stored_and_asked_for() -> None:
    names = ["_leading", "trailing_", "a__b", "__dunder__", "URLs", "maxURL", "größe_in_m", "a1_b2"]
    body = {name: attrs.bproperty() for name in names}
    odd: Any = type("Odd", (DomainModel,), {**body, "__module__": __name__})
    odd.new("o", **dict.fromkeys(names, 1)).save()
    for name in names:
        found = next(iter(odd.where(odd.attributes()[name] == 1)))
        found.update(**{name: 2})
        assert getattr(odd.get("o"), name) == 2


def test_an_increment_of_a_double_leaves_an_integer_that_queries_find() -> None:
    CTX.db.document("vehicles/v").set({"obj_type": "Vehicle", "maxSpeed": 2.0})
    CTX.db.document("vehicles/v").update({"maxSpeed": Increment(1)})
    assert repr(stored("vehicles/v")["maxSpeed"]) == "3.0"
    assert [v.max_speed for v in Vehicle.where(max_speed=3)] == [3]
    assert [type(v.max_speed) for v in Vehicle.where(Vehicle.max_speed.in_([2, 3]))] == [int]


class Pass(DomainModel):
    holder: Attr[str | None]


def test_what_is_declared_and_unset_is_found_by_none_and_kept_by_an_order() -> None:
    Pass.new("free").save()
    Pass.new("taken", holder="ada").save()
    assert stored("Pass/free")["holder"] is None
    assert [p.doc_id for p in Pass.where(holder=None)] == ["free"]
    assert [p.doc_id for p in Pass.all().order_by("-holder")] == ["taken", "free"]
