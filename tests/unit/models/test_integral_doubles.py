"""An integer that is stored as a double: by an Increment on one, or by another language."""

from __future__ import annotations

import enum
import math
from typing import Any, Literal

import pytest
from google.cloud.firestore import Increment

from flask_boiler import attrs
from flask_boiler.attrs.attribute import Attr
from flask_boiler.errors import QueryError, StoredDataError, ValidationError
from flask_boiler.ground.values import FieldFilter
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.models.model import Model
from flask_boiler.operate.testing.memory_datastore import MemoryDatastore
from flask_boiler.viewmodels.slots.reference import reference
from flask_boiler.viewmodels.store import Store
from flask_boiler.viewmodels.view_model import ViewModel


class Level(enum.Enum):
    LOW = 1
    HIGH = 2


class Wage(Model):
    cents: Attr[int]


class Worker(DomainModel):
    age: Attr[int]
    marks: Attr[list[int]] = attrs.bproperty(default_factory=list)
    pair: Attr[tuple[int, ...]] = attrs.bproperty(default=())
    by_day: Attr[dict[str, int]] = attrs.bproperty(default_factory=dict)
    maybe: Attr[int | None]
    digit: Attr[Literal[1, 2]] = attrs.bproperty(required=False)
    level: Attr[Level] = attrs.bproperty(required=False)
    wage: Attr[Wage | None]
    wages = attrs.embed(Wage, many=True)
    ratio: Attr[float] = attrs.bproperty(required=False)
    either: Attr[int | float] = attrs.bproperty(required=False)
    or_text: Attr[int | str] = attrs.bproperty(required=False)


DOUBLES: dict[str, Any] = {
    "age": 3.0, "marks": [1.0, 2], "pair": [4.0], "byDay": {"mon": 5.0}, "maybe": 6.0,
    "digit": 2.0, "level": 1.0, "wage": {"cents": 7.0}, "wages": [{"cents": 8.0}],
    "or_text": 9.0,
}  # fmt: skip


@pytest.fixture
def worker(memory: MemoryDatastore) -> Worker:
    memory.put("Worker/w", obj_type="Worker", **DOUBLES)
    return Worker.get_or_raise("w")


def is_integer(value: Any, expected: int) -> bool:
    return type(value) is int and value == expected


def test_it_reads_as_the_integer_that_it_is(worker: Worker) -> None:
    assert worker.wage is not None
    read = [
        worker.age, *worker.marks, *worker.pair, worker.by_day["mon"], worker.maybe, worker.digit,
        worker.wage.cents, worker.wages[0].cents,
    ]  # fmt: skip
    expected = [3, 1, 2, 4, 5, 6, 2, 7, 8]
    assert all(is_integer(value, wanted) for value, wanted in zip(read, expected, strict=True))
    assert worker.level is Level.LOW


def test_reading_it_is_no_change(worker: Worker, memory: MemoryDatastore) -> None:
    for name in worker.attributes():
        getattr(worker, name)
    worker.save()
    assert memory.commits == []
    worker.ratio = 0.5
    worker.save()
    assert memory.writes[-1].fields == {"ratio": 0.5}


def test_what_is_shown_is_the_integer(worker: Worker) -> None:
    shown = worker.to_view_dict()
    assert repr(shown["age"]) == "3"
    assert repr(shown["marks"]) == "[1, 2]"
    assert repr(shown["wage"]) == "{'cents': 7}"


@pytest.mark.parametrize("foreign", [3.5, math.nan, math.inf, -math.inf, True, "3", 1e19])
def test_what_is_no_integer_of_64_bits_is_none(memory: MemoryDatastore, foreign: Any) -> None:
    memory.put("Worker/w", obj_type="Worker", age=foreign)
    with pytest.raises(StoredDataError, match="Worker/w: age: expected int, not"):
        _ = Worker.get_or_raise("w").age


def test_a_number_stays_what_it_is_where_both_are_declared(memory: MemoryDatastore) -> None:
    memory.put("Worker/w", obj_type="Worker", age=1, either=3.0, ratio=3)
    worker = Worker.get_or_raise("w")
    assert type(worker.either) is float
    assert worker.ratio == 3
    worker.save()
    assert memory.commits == []
    worker.either = 4.0
    assert repr(worker.to_dict()["either"]) == "4.0"


def test_an_increment_of_a_double_is_read_back(memory: MemoryDatastore) -> None:
    memory.put("Worker/w", obj_type="Worker", age=2.0)
    worker = Worker.get_or_raise("w")
    worker.age = Increment(1)  # type: ignore[assignment]
    worker.save()
    assert is_integer(worker.age, 3)
    assert memory.fields("Worker/w")["age"] == 3.0


def test_it_is_taken_from_outside_and_stored_as_an_integer(memory: MemoryDatastore) -> None:
    loaded = Worker.schema(partial=True).load({"age": 3.0, "marks": [1.0], "byDay": {"a": 2.0}})
    assert repr(loaded) == "{'age': 3, 'marks': [1], 'by_day': {'a': 2}}"
    worker = Worker.new("w")
    worker.update_vals(with_raw={"age": 3.0, "level": 2.0, "digit": 1.0})
    worker.update_vals(with_dict={"marks": [4.0]})
    worker.save()
    stored = memory.fields("Worker/w")
    assert [repr(stored[name]) for name in ("age", "level", "digit", "marks")] == [
        "3", "2", "1", "[4]",
    ]  # fmt: skip
    with pytest.raises(ValidationError, match="age"):
        worker.update_vals(with_raw={"age": 3.5})


def test_a_query_asks_for_the_integer() -> None:
    condition: Any = Worker.age == 3.0
    assert condition.filter == FieldFilter("age", "==", 3)
    assert repr(condition.filter.value) == "3"
    with pytest.raises(QueryError, match=r"age: expected int, not 3\.5"):
        _ = Worker.age == 3.5


class Desk(Store):
    worker = reference(Worker)


class Card(ViewModel):
    store: Desk

    @attrs.computed
    def age(self) -> int:
        return self.store.worker.age  # type: ignore[union-attr]


def test_a_view_of_it_is_the_same_value_as_before(memory: MemoryDatastore) -> None:
    memory.put("Worker/w", obj_type="Worker", age=3)
    before = Card.new("w").to_document()
    memory.put("Worker/w", obj_type="Worker", age=3.0)
    assert repr(Card.new("w").to_document()) == repr(before) == "{'age': 3}"
