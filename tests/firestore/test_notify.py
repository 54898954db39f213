"""An overridden ``notify``: each mediator that keeps the view calls it for each new value."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from flask_boiler import (
    CTX,
    Attr,
    Boiler,
    DocumentMediator,
    DomainModel,
    QueryMediator,
    QueryTaskMediator,
    Store,
    ViewModel,
    WsLimits,
    WsMediator,
    attrs,
    each,
    reference,
    root,
)
from flask_boiler.errors import MaterializationError
from flask_boiler.testing import Settle
from tests.firestore.test_websocket import TIMEOUT_S, World

#: What the views were notified of, in order.
told: list[str] = []


class Parcel(DomainModel):
    label: Attr[str] = attrs.bproperty()
    weight: Attr[int] = attrs.bproperty(default=0)


class Scan(DomainModel):
    label: Attr[str] = attrs.bproperty()


class ParcelStore(Store):
    parcel = reference(Parcel)


class ParcelView(ViewModel):
    """Is published unless it is on hold, and has each of its labels recorded."""

    store: ParcelStore

    label: Attr[str | None] = attrs.through("parcel.label")

    class Meta:
        path = "parcelView/{parcel.doc_id}"

    def notify(self) -> None:
        assert self.label is not None
        told.append(self.label)
        if self.label == "lost":
            raise LookupError("where is it?")
        if self.label != "on hold":
            # Depends on it, if what is read here were recorded.
            scan = Scan.get("s") or Scan.new(doc_id="s")
            scan.label = self.label
            scan.save()
            super().notify()


@pytest.fixture(autouse=True)
def nothing_told() -> None:
    told.clear()


def stored(path: str) -> dict[str, Any] | None:
    fields: dict[str, Any] | None = CTX.db.document(path).get().to_dict()
    return fields


def label_of(path: str) -> Any:
    return (stored(path) or {}).get("label")


def save(label: str, doc_id: str = "a", **fields: Any) -> None:
    Parcel.new(doc_id=doc_id, label=label, **fields).save()


@pytest.mark.parametrize("kind", ["query", "document"])
def test_a_mediator_of_documents_calls_it_for_each_new_value(
    boiler: Boiler, settle: Settle, kind: str
) -> None:
    def mediator() -> QueryMediator | DocumentMediator:
        if kind == "query":
            return QueryMediator(ParcelView, query=Parcel.get_query(), name="parcels")
        return DocumentMediator(ParcelView, document="Parcel/a", name="parcels")

    save("packed")
    with boiler.add(mediator()):
        settle()
        save("packed", weight=2)
        settle()
        save("sent")
        settle()
        assert told == ["packed", "sent"]
        assert label_of("parcelView/a") == label_of("Scan/s") == "sent"
        save("on hold")
        settle()
        assert told == ["packed", "sent", "on hold"]
        assert label_of("parcelView/a") == label_of("Scan/s") == "sent"
        save("sent")
        settle()
        Scan.get_or_raise("s").update(label="something else")
        settle()
    told.clear()
    with boiler.add(mediator()):
        settle()
        assert told == [], "the views are as they are stored already"
        save("arrived")
        settle()
    assert told == ["arrived"]


class Carrier(DomainModel):
    name: Attr[str]


class Depot(DomainModel):
    title: Attr[str]
    carriers = attrs.relation(Carrier, many=True)


class DepotStore(Store):
    depot = root(Depot)
    carrier = each(Carrier, source=lambda s: s.depot.carriers)


class DepotView(ViewModel):
    """A depot as each of its carriers sees it."""

    store: DepotStore

    title: Attr[str] = attrs.through("depot.title")
    name: Attr[str] = attrs.through("carrier.name")

    class Meta:
        path = "depots/{depot.doc_id}/carriers/{carrier.doc_id}"

    def notify(self) -> None:
        told.append(f"{self.name} of {self.title}")
        if self.name != "nobody":
            super().notify()


def test_the_view_of_each_member_is_told_of_its_own(boiler: Boiler, settle: Settle) -> None:
    for name in ("ann", "ben"):
        Carrier(doc_id=name, name=name).save()
    carriers = [Carrier.get_or_raise(name) for name in ("ann", "ben")]
    depot = Depot.new(doc_id="d", title="north", carriers=carriers)
    depot.save()
    with boiler.add(QueryMediator(DepotView, query=Depot.get_query())):
        settle()
        assert sorted(told) == ["ann of north", "ben of north"]
        told.clear()
        Carrier.get_or_raise("ben").update(name="bob")
        settle()
        assert told == ["bob of north"]
        told.clear()
        Carrier.get_or_raise("ann").update(name="nobody")
        settle()
        assert told == ["nobody of north"]
        assert (stored("depots/d/carriers/ann") or {})["name"] == "ann", "what was there stays"
        told.clear()
        depot.carriers = carriers[1:]
        depot.save()
        settle()
        assert told == [], "who leaves has no new value, and who stays neither"
        assert stored("depots/d/carriers/ann") is None


class Total(ViewModel):
    """Of nothing: there is one."""

    class Meta:
        path = "totals/parcels"

    @attrs.computed
    def weight(self) -> int:
        return sum(parcel.weight for parcel in Parcel.all())

    def notify(self) -> None:
        told.append(str(self.weight))
        super().notify()


def test_so_is_a_view_of_nothing(boiler: Boiler, settle: Settle) -> None:
    with boiler.add(QueryMediator(Total)):
        settle()
        for weight in (2, 2, 3):
            save("packed", weight=weight)
            settle()
    assert told == ["0", "2", "3"]
    assert (stored("totals/parcels") or {})["weight"] == 3


def test_what_it_raises_concerns_its_view_alone(boiler: Boiler, settle: Settle) -> None:
    boiler.add(QueryMediator(ParcelView, query=Parcel.get_query()))
    save("lost")
    save("packed", doc_id="b")
    with boiler:
        settle()
        [parked] = boiler.parked
        assert parked.key.subject == "Parcel/a"
        assert isinstance(parked.error, MaterializationError)
        assert "ParcelView.notify raised LookupError: where is it?" in str(parked.error)
        assert label_of("parcelView/b") == "packed"
        save("found")
        settle()
        assert boiler.parked == []
        assert label_of("parcelView/a") == "found"


def test_in_a_task_it_writes_in_the_tasks_transaction(boiler: Boiler, settle: Settle) -> None:
    mediator = boiler.add(QueryTaskMediator(ParcelView, query=Parcel.get_query()))
    with boiler:
        for label in ("packed", "packed", "on hold"):
            save(label)
            settle()
        assert told == ["packed", "on hold"]
        assert mediator.statistics.done == 3
        assert label_of("parcelView/a") == label_of("Scan/s") == "packed"
        assert stored("Parcel/a") is None
        save("lost")
        settle()
        [parked] = boiler.parked
        assert "ParcelView.notify raised LookupError" in str(parked.error)
        save("sent", doc_id="b")
        settle()
        assert label_of("parcelView/b") == label_of("Scan/s") == "sent"
        view, scan = (CTX.db.document(path).get() for path in ("parcelView/b", "Scan/s"))
        assert view.update_time == scan.update_time, "they were one commit"


def test_what_subscribers_are_sent_is_what_it_publishes(boiler: Boiler, settle: Settle) -> None:
    mediator = WsMediator(ParcelView, namespace="/parcels", limits=WsLimits(linger_s=0.0))
    world = World(boiler, mediator)
    save("packed")
    client = world.client()
    assert client.subscribe("a")["value"] == {"label": "packed"}
    for label in ("on hold", "sent"):
        save(label)
        settle()
    sent = []
    patience = threading.Event()
    for _ in range(int(TIMEOUT_S * 100)):
        sent += [value for value, _ in client.received("updated")]
        if sent:
            break
        patience.wait(0.01)
    assert sent == [{"label": "sent"}]
    assert told == ["packed", "on hold", "sent"]
    save("on hold", doc_id="b")
    assert client.subscribe("b")["error"]["status"] == 503
    mediator.stop()
