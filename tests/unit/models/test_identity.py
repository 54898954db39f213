"""One document in one transaction: one object, or an error, and never half of the changes."""

# A setter is spelled like a property's, which mypy understands of properties alone.
# mypy: disable-error-code="no-redef, union-attr"

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from google.cloud.firestore import Increment

from flask_boiler import attrs
from flask_boiler.attrs.attribute import Attr
from flask_boiler.context.context import current_context
from flask_boiler.errors import ConflictError, RefusedError
from flask_boiler.ground.values import Write
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.models.query.query import Query
from flask_boiler.operate.testing.memory_datastore import MemoryDatastore
from flask_boiler.transactions import running
from flask_boiler.transactions.running import run_transaction, transaction
from flask_boiler.transactions.transaction import Transaction
from flask_boiler.viewmodels.mutation import Mutation
from flask_boiler.viewmodels.slots.reference import reference
from flask_boiler.viewmodels.store import Store
from flask_boiler.viewmodels.view_model import ViewModel
from tests.unit.memory import memory_context


class Vessel(DomainModel):
    crew: Attr[int] = attrs.bproperty(default=0)
    title: Attr[str] = attrs.bproperty(default="")


class Tug(Vessel):
    pass


class Berth(DomainModel):
    vessel = attrs.relation(Vessel, nested=True)
    others = attrs.relation(Vessel, many=True, nested=True)


@pytest.fixture(autouse=True)
def datastore(monkeypatch: pytest.MonkeyPatch) -> Iterator[MemoryDatastore]:
    monkeypatch.setattr(running, "_pause", lambda seconds: None)
    context, datastore = memory_context()
    with context.activated():
        datastore.put("Vessel/v", obj_type="Tug", crew=1)
        reference = datastore.codec.reference("Vessel/v")
        datastore.put("Berth/a", obj_type="Berth", vessel=reference, others=[reference])
        datastore.put("Berth/b", obj_type="Berth", vessel=reference)
        yield datastore


def crew(datastore: MemoryDatastore) -> Any:
    return datastore.fields("Vessel/v").get("crew") if datastore.exists("Vessel/v") else None


def by_id(tx: Transaction) -> Any:
    return Vessel.get_or_raise("v")


def by_subclass(tx: Transaction) -> Any:
    return Tug.get_or_raise("v")


def by_where(tx: Transaction) -> Any:
    return Vessel.where(crew=1).first()


def by_query_of_the_subclass(tx: Transaction) -> Any:
    return Tug.get_query().get()[0]


def by_page(tx: Transaction) -> Any:
    return Vessel.all().page(5).results[0]


def by_snapshot(tx: Transaction) -> Any:
    return Vessel.from_snapshot(tx.reader.documents(["Vessel/v"])["Vessel/v"])


def by_relation(tx: Transaction) -> Any:
    return Berth.get_or_raise("a").vessel


def by_another_relation(tx: Transaction) -> Any:
    return Berth.get_or_raise("b").vessel


def by_list_of_relations(tx: Transaction) -> Any:
    return Berth.get_or_raise("a").others[0]


class Harbour(Store):
    vessel = reference(Vessel)
    same = reference(Vessel, source=lambda store: store.vessel.doc_ref)
    many = reference(Vessel, many=True, source=lambda store: [store.vessel.doc_ref])


def by_store(tx: Transaction) -> Any:
    return Harbour(vessel="v").same


def by_store_of_many(tx: Transaction) -> Any:
    return Harbour(vessel="v").many["v"]


WAYS = [
    by_id, by_subclass, by_where, by_query_of_the_subclass, by_page, by_snapshot, by_relation,
    by_another_relation, by_list_of_relations, by_store, by_store_of_many,
]  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_a_document_leads_to_one_object(
    way: Callable[[Transaction], Any], datastore: MemoryDatastore
) -> None:
    with transaction() as tx:
        one = Vessel.get_or_raise("v")
        other = way(tx)
        assert other is one
        one.crew += 1
        other.crew += 1
        one.save()
        other.save()
    assert crew(datastore) == 3


def test_it_shows_what_was_changed_and_what_was_saved(datastore: MemoryDatastore) -> None:
    with transaction():
        vessel = Vessel.get_or_raise("v")
        vessel.crew = 5
        assert Vessel.get_or_raise("v").crew == 5
        vessel.save()
        assert Vessel.get_or_raise("v") is vessel
        made = Vessel.new("w", crew=7)
        made.save()
        assert Vessel.get_or_raise("w") is made
        made.delete()
        assert Vessel.get("w") is None
    assert crew(datastore) == 5
    assert not datastore.exists("Vessel/w")


def test_nothing_keeps_an_object_that_nobody_holds() -> None:
    with transaction() as tx:
        Vessel.get_or_raise("v").crew = 9
        gc.collect()
        assert tx.identities.find("Vessel/v", Tug) is None
        assert Vessel.get_or_raise("v").crew == 1


def test_each_transaction_has_its_own(datastore: MemoryDatastore) -> None:
    seen: list[Any] = []

    @run_transaction
    def crew_up() -> None:
        seen.append(Vessel.get_or_raise("v"))
        seen[-1].crew += 1
        if len(seen) == 1:
            datastore.put("Vessel/v", obj_type="Tug", crew=10)
        seen[-1].save()

    crew_up()
    assert seen[0] is not seen[1]
    assert crew(datastore) == 11
    assert Vessel.get_or_raise("v") is not Vessel.get_or_raise("v")


def test_given_by_hand_it_is_the_same_one(datastore: MemoryDatastore) -> None:
    with transaction() as tx:
        pass
    begun = Transaction(current_context())
    one = Vessel.get_or_raise("v", transaction=begun)
    [other] = Query(Vessel).get(transaction=begun)
    assert one is other is not Vessel.get_or_raise("v")
    assert begun is not tx


def save(vessel: Vessel) -> None:
    vessel.save()


def update(vessel: Vessel) -> None:
    vessel.update(crew=vessel.crew)


@pytest.mark.parametrize("write", [save, update])
@pytest.mark.parametrize("written_by", ["another", "inside", "hand", "update", "delete"])
def test_an_object_from_outside_does_not_undo_what_was_written(
    write: Callable[[Vessel], None], written_by: str, datastore: MemoryDatastore
) -> None:
    outside, another = Vessel.get_or_raise("v"), Vessel.get_or_raise("v")
    with transaction() as tx:
        inside = Vessel.get_or_raise("v") if written_by != "another" else another
        inside.crew += 1
        match written_by:
            case "hand":
                tx.write(Write("update", "Vessel/v", {"crew": 2}, ("crew",)))
            case "update":
                inside.update(crew=2)
            case "delete":
                inside.delete()
            case _:
                inside.save()
        outside.crew += 1
        with pytest.raises(ConflictError, match="Vessel/v was written in this transaction"):
            write(outside)
    assert crew(datastore) == (None if written_by == "delete" else 2)


def test_what_is_not_changed_is_no_conflict(datastore: MemoryDatastore) -> None:
    outside = Vessel.get_or_raise("v")
    with transaction():
        Vessel.get_or_raise("v").update(crew=2)
        outside.save()
    assert crew(datastore) == 2


def test_what_the_server_computes_is_not_undone(datastore: MemoryDatastore) -> None:
    outside = Vessel.get_or_raise("v")
    with transaction():
        Vessel.get_or_raise("v").update(crew=Increment(1))
        outside.crew += 1
        with pytest.raises(ConflictError):
            outside.save()
    assert crew(datastore) == 2


def test_force_overwrites_as_it_does_outside(datastore: MemoryDatastore) -> None:
    outside = Vessel.get_or_raise("v")
    with transaction():
        Vessel.get_or_raise("v").update(crew=2, title="x")
        outside.crew = 9
        outside.save(force=True)
    assert datastore.fields("Vessel/v") == {"obj_type": "Tug", "crew": 9, "title": "x"}


def test_an_object_that_was_overtaken_does_not_undo_it(datastore: MemoryDatastore) -> None:
    with transaction() as tx:
        first = Vessel.get_or_raise("v")
        first.update(crew=2)
        tx.write(Write("update", "Vessel/v", {"crew": 3}, ("crew",)))
        second = Vessel.get_or_raise("v")
        assert second is not first
        assert second.crew == 3
        first.crew += 1
        with pytest.raises(ConflictError):
            first.save()
        second.crew += 1
        second.save()
        second.crew += 1
        second.save()
    assert crew(datastore) == 5


def test_a_snapshot_from_before_is_another_object(datastore: MemoryDatastore) -> None:
    before = current_context().datastore.get(["Vessel/v"])["Vessel/v"]
    datastore.put("Vessel/v", obj_type="Tug", crew=4)
    with transaction():
        now = Vessel.get_or_raise("v")
        old = Vessel.from_snapshot(before)
        assert (old.crew, now.crew) == (1, 4)
        old.crew += 1
        with pytest.raises(ConflictError, match="changed by somebody else"):
            old.save()


def test_what_is_abandoned_is_forgotten(datastore: MemoryDatastore) -> None:
    with transaction() as tx:
        vessel = Vessel.get_or_raise("v")
        vessel.update(crew=8)
        tx.abandon_writes()
        again = Vessel.get_or_raise("v")
        assert again is not vessel
        again.update(title="kept")
    assert datastore.fields("Vessel/v") == {"obj_type": "Tug", "crew": 1, "title": "kept"}


def test_related_objects_are_saved_once_with_all_that_was_changed(
    datastore: MemoryDatastore,
) -> None:
    with transaction():
        a, b = Berth.get_or_raise("a"), Berth.get_or_raise("b")
        a.vessel.crew += 1
        b.vessel.crew += 1
        a.others[0].crew += 1
        a.save()
        b.save()
    assert crew(datastore) == 4


@pytest.mark.parametrize("inside", [False, True])
def test_two_objects_are_not_saved_together(inside: bool, datastore: MemoryDatastore) -> None:
    one, other = Vessel.get_or_raise("v"), Vessel.get_or_raise("v")
    berth = Berth.get_or_raise("b")
    berth.vessel, berth.others = one, [other]
    one.crew += 1
    other.crew += 1
    begun = transaction() if inside else contextlib.nullcontext()
    with pytest.raises(ConflictError, match="Vessel/v would be written twice"), begun:
        berth.save()
    assert crew(datastore) == 1
    assert "others" not in (datastore.fields("Berth/b") or {})


class Pier(DomainModel):
    vessel = attrs.relation(Vessel, nested=True)
    tug = attrs.relation(Tug, nested=True)


@pytest.mark.parametrize("inside", [False, True])
def test_relations_of_different_classes_to_one_document_share_its_object(
    inside: bool, datastore: MemoryDatastore
) -> None:
    link = datastore.codec.reference("Vessel/v")
    datastore.put("Pier/p", obj_type="Pier", vessel=link, tug=link)
    with transaction() if inside else contextlib.nullcontext():
        pier = Pier.get_or_raise("p")
        assert pier.vessel is pier.tug
        pier.vessel.crew += 1
        pier.tug.crew += 1
        pier.save()
    assert crew(datastore) == 3


class HarbourView(ViewModel):
    store: Harbour

    hired = attrs.bproperty(export_enabled=False)

    @hired.setter
    def hired(self, number: int) -> None:
        self.store.vessel.crew += number
        self.store.same.crew += number
        if number < 0:
            raise RefusedError("nobody is dismissed")
        self.store.many["v"].crew += number


class HarbourMutation(Mutation[HarbourView]):
    view_model_cls = HarbourView


def test_setters_that_reach_a_document_in_several_ways(datastore: MemoryDatastore) -> None:
    HarbourMutation.mutate_patch("v", {"hired": 2})
    assert crew(datastore) == 7
    with pytest.raises(RefusedError):
        HarbourMutation.mutate_patch("v", {"hired": -1})
    assert crew(datastore) == 7
