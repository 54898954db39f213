"""A view overwrites nobody else's document, on a real Firestore and whoever writes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from flask_boiler import (
    CTX,
    Boiler,
    DocumentMediator,
    ProtocolBase,
    QueryMediator,
    QueryTaskMediator,
)
from flask_boiler.errors import MaterializationError
from flask_boiler.testing import Settle
from tests.firestore.cities import City, CityView
from tests.firestore.places import recorded_places

SOMEBODYS = {"name": "somebody's"}


class Plaque(CityView):
    """At the place that the motto names."""

    @property
    def doc_ref(self) -> str:
        return str(self.store.city.motto)  # type: ignore[union-attr]


class Adopting(Plaque):
    class Meta:
        adopt = True


class ByHand(QueryMediator):
    class Protocol(ProtocolBase):
        @staticmethod
        def on_create(snapshot: Any, mediator: Any) -> None:
            mediator.notify(Plaque.new(snapshot.id))

        @staticmethod
        def on_update(snapshot: Any, mediator: Any) -> None:
            mediator.notify(Plaque.new(snapshot.id))


def put(path: str, fields: dict[str, Any]) -> None:
    CTX.db.document(path).set(fields)


def stored(path: str) -> dict[str, Any] | None:
    fields: dict[str, Any] | None = CTX.db.document(path).get().to_dict()
    return fields


def found(place: str) -> City:
    city = City.new("SF", city_name="San Francisco", population=1_000_000, motto=place)
    city.save()
    return city


MEDIATORS: dict[str, Callable[[], Any]] = {
    "query": lambda: QueryMediator(Plaque, query=City.get_query()),
    "document": lambda: DocumentMediator(Plaque, document="cities/SF"),
    "handlers": lambda: ByHand(query=City.get_query()),
    "tasks": lambda: QueryTaskMediator(
        Plaque, query=City.get_query(), mark={"population": 0}, max_retries=0
    ),
}


@pytest.mark.parametrize("kind", MEDIATORS)
@pytest.mark.parametrize("place", ["plaques/SF", "cities/LA", "_boiler_places/x"])
def test_whoever_publishes_it(boiler: Boiler, settle: Settle, kind: str, place: str) -> None:
    put(place, SOMEBODYS)
    boiler.add(MEDIATORS[kind]())
    found(place)
    boiler.start()
    settle()
    assert stored(place) == SOMEBODYS
    parked = [p for p in boiler.parked if p.key.subject == "cities/SF"]
    assert len(parked) == 1
    assert place in str(parked[0].error)
    assert ("adopt = True" in str(parked[0].error)) == (place == "plaques/SF")


def test_a_view_that_is_saved_by_hand(boiler: Boiler) -> None:
    put("plaques/SF", SOMEBODYS)
    found("plaques/SF")
    with pytest.raises(MaterializationError, match="adopt = True"):
        Plaque.new("SF").save()
    assert stored("plaques/SF") == SOMEBODYS
    Adopting.new("SF").save()
    assert stored("plaques/SF")["obj_type"] == "Adopting"  # type: ignore[index]
    Adopting.new("SF").save()


def test_one_that_adopts_takes_over(boiler: Boiler, settle: Settle) -> None:
    put("plaques/SF", SOMEBODYS)
    boiler.add(QueryMediator(Adopting, query=City.get_query()))
    found("plaques/SF")
    boiler.start()
    settle()
    assert boiler.parked == []
    assert stored("plaques/SF")["name"] == "San Francisco"  # type: ignore[index]
    assert recorded_places() == ["plaques/SF"]


def test_views_whose_records_were_lost_are_known_again(boiler: Boiler, settle: Settle) -> None:
    boiler.add(QueryMediator(Plaque, query=City.get_query()))
    city = found("plaques/SF")
    boiler.start()
    settle()
    boiler.stop()
    for record in CTX.db.collection("_boiler_places").stream():
        record.reference.delete()
    city.update(city_name="Frisco")
    boiler.start()
    settle()
    assert boiler.parked == []
    assert stored("plaques/SF")["name"] == "Frisco"  # type: ignore[index]
    assert recorded_places() == ["plaques/SF"]


def test_who_finds_somebodys_document_leaves_its_old_place(boiler: Boiler, settle: Settle) -> None:
    put("plaques/taken", SOMEBODYS)
    boiler.add(QueryMediator(Plaque, query=City.get_query()))
    city = found("plaques/SF")
    boiler.start()
    settle()
    city.update(motto="plaques/taken")
    settle()
    assert stored("plaques/SF") is None
    assert stored("plaques/taken") == SOMEBODYS
    assert recorded_places() == []
    CTX.db.document("plaques/taken").delete()
    [parked] = boiler.parked
    boiler.retry(parked.key)
    settle()
    assert boiler.parked == []
    assert recorded_places() == ["plaques/taken"]
