"""Declare, save, listen, materialize: on a real Firestore, through the public API."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from flask_boiler import (
    CTX,
    Boiler,
    DomainModel,
    ProtocolBase,
    QueryMediator,
    Snapshot,
    Store,
    ViewModel,
    attrs,
    each,
    param,
    reference,
    root,
)
from flask_boiler.errors import (
    ConfigurationError,
    CyclicViewError,
    DocumentNotFoundError,
    MaterializationError,
)
from flask_boiler.testing import Settle
from tests.firestore.cities import City, CityStore, CityView, Mayor, city_views
from tests.firestore.places import recorded_places

TIMEOUT_S = 30.0


def stored(path: str) -> dict[str, Any] | None:
    """A document as another client sees it."""
    fields: dict[str, Any] | None = CTX.db.document(path).get().to_dict()
    return fields


@pytest.fixture
def running(boiler: Boiler) -> Boiler:
    boiler.add(city_views())
    boiler.start()
    return boiler


def save_city(doc_id: str = "SF", **fields: Any) -> City:
    city = City.new(doc_id=doc_id, **{"city_name": doc_id, "population": 1_000_000, **fields})
    city.save()
    return city


def test_a_saved_city_has_a_view(running: Boiler, settle: Settle) -> None:
    save_city(city_name="San Francisco", population=500_000)
    settle()
    assert stored("cityView/SF") == {
        "name": "San Francisco",
        "density": 2.0,
        "mayorName": None,
        "obj_type": "CityView",
        "doc_ref": "cityView/SF",
    }


def test_cities_that_were_there_before_have_views_too(boiler: Boiler, settle: Settle) -> None:
    save_city()
    boiler.add(city_views())
    boiler.start()
    settle()
    assert stored("cityView/SF") is not None


def test_the_view_follows_its_root(running: Boiler, settle: Settle) -> None:
    city = save_city()
    settle()
    city.city_name = "Frisco"
    city.save()
    settle()
    assert stored("cityView/SF")["name"] == "Frisco"  # type: ignore[index]


def test_the_view_follows_a_reference_as_it_moves(running: Boiler, settle: Settle) -> None:
    Mayor.new(doc_id="m1", full_name="London").save()
    Mayor.new(doc_id="m2", full_name="Daniel").save()
    city = save_city(mayor="m1")
    settle()
    assert stored("cityView/SF")["mayorName"] == "London"  # type: ignore[index]
    city.mayor = "m2"
    city.save()
    settle()
    assert stored("cityView/SF")["mayorName"] == "Daniel"  # type: ignore[index]
    computed = running.engine.statistics.computed
    Mayor.get_or_raise("m1").update(full_name="Nobody")
    settle()
    assert running.engine.statistics.computed == computed
    Mayor.get_or_raise("m2").update(full_name="Lurie")
    settle()
    assert stored("cityView/SF")["mayorName"] == "Lurie"  # type: ignore[index]


def test_a_reference_to_nothing_is_none_until_it_is_there(running: Boiler, settle: Settle) -> None:
    save_city(mayor="m1")
    settle()
    assert stored("cityView/SF")["mayorName"] is None  # type: ignore[index]
    Mayor.new(doc_id="m1", full_name="London").save()
    settle()
    assert stored("cityView/SF")["mayorName"] == "London"  # type: ignore[index]


def test_a_field_that_no_getter_reads_publishes_nothing(running: Boiler, settle: Settle) -> None:
    city = save_city()
    settle()
    before = CTX.db.document("cityView/SF").get().update_time
    city.motto = "Oro en paz"
    city.save()
    settle()
    assert CTX.db.document("cityView/SF").get().update_time == before


def test_a_deleted_city_takes_its_view_along(running: Boiler, settle: Settle) -> None:
    city = save_city()
    settle()
    city.delete()
    settle()
    assert stored("cityView/SF") is None
    assert recorded_places() == []


def test_a_city_that_comes_back_has_its_view_again(running: Boiler, settle: Settle) -> None:
    for _ in range(2):
        city = save_city()
        settle()
        assert stored("cityView/SF") is not None
        city.delete()
        settle()
        assert stored("cityView/SF") is None


def test_a_getter_that_raises_parks_its_view_and_names_itself(
    running: Boiler, settle: Settle
) -> None:
    city = save_city()
    save_city("LA")
    settle()
    city.population = 0
    city.save()
    settle()
    [parked] = running.parked
    assert isinstance(parked.error, MaterializationError)
    assert parked.error.attribute == "density"
    assert "CityView.density" in str(parked.error)
    assert stored("cityView/SF")["density"] == 1.0  # type: ignore[index]
    city.population = 2_000_000
    city.save()
    settle()
    assert running.parked == []
    assert stored("cityView/SF")["density"] == 0.5  # type: ignore[index]


def test_a_restart_over_true_views_writes_nothing(boiler: Boiler, settle: Settle) -> None:
    for number in range(20):
        save_city(f"c{number}")
    boiler.add(city_views())
    boiler.start()
    settle()
    boiler.stop()
    before = {s.id: s.update_time for s in CTX.db.collection("cityView").stream()}
    assert len(before) == 20
    boiler.start()
    settle()
    assert boiler.engine.publisher.documents_written == 0
    assert {s.id: s.update_time for s in CTX.db.collection("cityView").stream()} == before


def test_views_of_cities_deleted_meanwhile_are_gone_after_a_restart(
    boiler: Boiler, settle: Settle
) -> None:
    city = save_city()
    save_city("LA")
    boiler.add(city_views())
    boiler.start()
    settle()
    boiler.stop()
    city.delete()
    boiler.start()
    settle()
    assert stored("cityView/SF") is None
    assert stored("cityView/LA") is not None


def test_several_places_are_kept_alike(boiler: Boiler, settle: Settle) -> None:
    class Members(ViewModel):
        store: CityStore

        @attrs.computed
        def name(self) -> str:
            return str(self.store.city.city_name)  # type: ignore[union-attr]

        @property
        def doc_refs(self) -> list[str]:
            return [f"users/{uid}/cities/SF" for uid in self.store.city.extra["members"]]  # type: ignore[union-attr]

    city = save_city(members=["u1", "u2"])
    boiler.add(QueryMediator(Members, query=City.get_query()))
    boiler.start()
    settle()
    assert stored("users/u1/cities/SF")["doc_ref"] == "users/u1/cities/SF"  # type: ignore[index]
    assert stored("users/u2/cities/SF")["name"] == "SF"  # type: ignore[index]
    city.extra["members"] = ["u2", "u3"]
    city.save()
    settle()
    assert stored("users/u1/cities/SF") is None
    assert stored("users/u3/cities/SF") is not None


def test_what_is_kept_of_a_deleted_root(boiler: Boiler, settle: Settle) -> None:
    class Kept(CityView):
        class Meta:
            path = "kept/{city.doc_id}"
            on_delete = "keep"

    class Emptied(CityView):
        class Meta:
            path = "emptied/{city.doc_id}"

            @staticmethod
            def on_delete(fields: dict[str, Any]) -> dict[str, Any]:
                return {"was": fields["name"]}

    for view in (Kept, Emptied):
        boiler.add(QueryMediator(view, query=City.get_query()))
    boiler.start()
    city = save_city()
    settle()
    city.delete()
    settle()
    assert stored("kept/SF")["name"] == "SF"  # type: ignore[index]
    assert stored("emptied/SF") == {"was": "SF"}


def test_the_second_view_of_one_place_is_parked(boiler: Boiler, settle: Settle) -> None:
    first = boiler.add(QueryMediator(CityView, query=City.get_query(), name="first"))
    first.start()
    save_city()
    boiler.settle(timeout_s=TIMEOUT_S)
    with QueryMediator(CityView, query=City.get_query(), name="second"):
        settle()
        [parked] = boiler.parked
        assert parked.key.mediator == "second"
        assert "cityView/SF" in str(parked.error)
        assert "first" in str(parked.error)
    first.stop()


def test_protocol_handlers_are_called(boiler: Boiler, settle: Settle) -> None:
    calls: list[tuple[str, str]] = []

    class Watching(QueryMediator):
        class Protocol(ProtocolBase):
            @staticmethod
            def on_create(snapshot: Snapshot, mediator: QueryMediator) -> None:
                calls.append(("create", snapshot.id))
                mediator.notify(CityView.new(snapshot.id))

            @staticmethod
            def on_update(snapshot: Snapshot, mediator: QueryMediator) -> None:
                calls.append(("update", snapshot.to_dict()["cityName"]))

            @staticmethod
            def on_delete(snapshot: Snapshot, mediator: QueryMediator) -> None:
                calls.append(("delete", snapshot.id))

    boiler.add(Watching(query=City.get_query()))
    boiler.start()
    city = save_city()
    settle()
    assert stored("cityView/SF") is not None
    city.city_name = "Frisco"
    city.save()
    settle()
    assert stored("cityView/SF")["name"] == "SF"  # type: ignore[index]
    city.delete()
    settle()
    assert calls == [("create", "SF"), ("update", "Frisco"), ("delete", "SF")]
    assert stored("cityView/SF") is None


def test_a_handler_is_given_the_state_before_too(boiler: Boiler, settle: Settle) -> None:
    calls: list[tuple[str, str]] = []

    class Watching(QueryMediator):
        class Protocol(ProtocolBase):
            @staticmethod
            def on_create(snapshot: Snapshot, mediator: QueryMediator) -> None:
                calls.append(("", snapshot.get("cityName")))

            @staticmethod
            def on_update(snapshot: Snapshot, mediator: QueryMediator, before: Snapshot) -> None:
                calls.append((before.get("cityName"), snapshot.get("cityName")))

    mediator = boiler.add(Watching(query=City.get_query()))
    city = save_city()
    with mediator:
        settle()
        city.update(city_name="Frisco")
        settle()
        assert calls == [("", "SF"), ("SF", "Frisco")]
    city.update(city_name="San Francisco")
    with mediator:
        settle()
    assert calls[2:] == [("", "San Francisco")]


def test_a_raising_handler_parks_its_document_alone(boiler: Boiler, settle: Settle) -> None:
    broken = threading.Event()
    broken.set()
    handled: list[str] = []

    class Watching(QueryMediator):
        class Protocol(ProtocolBase):
            @staticmethod
            def on_create(snapshot: Snapshot, mediator: QueryMediator) -> None:
                if snapshot.id == "SF" and broken.is_set():
                    raise ValueError("broken")
                handled.append(snapshot.id)

    boiler.add(Watching(query=City.get_query()))
    boiler.start()
    save_city("SF")
    save_city("LA")
    settle()
    assert handled == ["LA"]
    [parked] = boiler.parked
    assert str(parked.key) == "Watching:cities/SF"
    broken.clear()
    assert boiler.retry(parked.key)
    settle()
    assert handled == ["LA", "SF"]
    assert boiler.parked == []


def test_google_s_own_query_will_do(boiler: Boiler, settle: Settle) -> None:
    boiler.add(QueryMediator(CityView, query=CTX.db.collection("cities")))
    boiler.start()
    save_city()
    settle()
    assert stored("cityView/SF") is not None


def test_leaving_the_query_s_result_is_as_good_as_going(boiler: Boiler, settle: Settle) -> None:
    boiler.add(QueryMediator(CityView, query=City.where(population=1_000_000)))
    boiler.start()
    city = save_city()
    settle()
    assert stored("cityView/SF") is not None
    city.population = 5
    city.save()
    settle()
    assert stored("cityView/SF") is None


def test_a_view_reads_what_a_query_in_its_getter_gives(boiler: Boiler, settle: Settle) -> None:
    class Note(DomainModel):
        city = attrs.bproperty()
        text = attrs.bproperty()

    class NotesStore(Store):
        city = reference(City)
        notes = reference(Note, many=True, source=lambda store: Note.where(city=store.city.doc_id))

    class Notes(ViewModel):
        store: NotesStore

        class Meta:
            path = "notesView/{city.doc_id}"

        @attrs.computed
        def texts(self) -> list[str]:
            return sorted(note.text for note in self.store.notes.values())

        @attrs.computed
        def count(self) -> int:
            return len(list(Note.where(city=self.store.city.doc_id)))  # type: ignore[union-attr]

    boiler.add(QueryMediator(Notes, query=City.get_query()))
    boiler.start()
    save_city()
    Note.new(doc_id="n1", city="SF", text="b").save()
    Note.new(doc_id="n2", city="LA", text="x").save()
    settle()
    assert stored("notesView/SF")["texts"] == ["b"]  # type: ignore[index]
    Note.new(doc_id="n3", city="SF", text="a").save()
    settle()
    assert stored("notesView/SF")["texts"] == ["a", "b"]  # type: ignore[index]
    assert stored("notesView/SF")["count"] == 2  # type: ignore[index]
    Note.get_or_raise("n1").delete()
    settle()
    assert stored("notesView/SF")["texts"] == ["a"]  # type: ignore[index]


class BadgeStore(Store):
    city = reference(City)
    view = reference(CityView, source=lambda store: f"cityView/{store.city.doc_id}")


class Badge(ViewModel):
    store: BadgeStore

    class Meta:
        path = "badge/{city.doc_id}"

    @attrs.computed
    def label(self) -> str:
        view = self.store.view
        return "unknown" if view is None else f"{view.name} ({view.density})"


def test_views_read_other_views(running: Boiler, settle: Settle) -> None:
    with QueryMediator(Badge, query=City.get_query()):
        city = save_city()
        settle()
        assert stored("badge/SF")["label"] == "SF (1.0)"  # type: ignore[index]
        city.update(city_name="Frisco")
        settle()
        assert stored("badge/SF")["label"] == "Frisco (1.0)"  # type: ignore[index]


def test_a_declared_circle_of_views_is_refused_at_the_start(boiler: Boiler) -> None:
    class OneStore(Store):
        city = reference(City)
        two = reference("Two", source=lambda store: f"two/{store.city.doc_id}")

    class One(ViewModel):
        store: OneStore

        class Meta:
            path = "one/{city.doc_id}"

    class TwoStore(Store):
        city = reference(City)
        one = reference(One, source=lambda store: f"one/{store.city.doc_id}")

    class Two(ViewModel):
        store: TwoStore

        class Meta:
            path = "two/{city.doc_id}"

    boiler.add(QueryMediator(One, query=City.get_query()))
    with pytest.raises(CyclicViewError, match="One reads Two reads One"):
        boiler.start()


def test_a_live_view_follows_until_it_is_closed(boiler: Boiler, settle: Settle) -> None:
    city = save_city()
    seen: list[str] = []
    with CityView.get("SF", once=False, f_notify=lambda view: seen.append(view.name)) as view:
        assert view.name == "SF"
        for name in ("a", "b"):
            city.update(city_name=name)
            settle()
        assert seen == ["a", "b"]
        assert view.name == "b"
    settle()
    assert boiler.engine.views == 0
    assert boiler.engine.feed.statistics().targets == 0  # type: ignore[attr-defined]


class CouncilStore(Store):
    city = root(City)
    year = param(int)
    mayor = each(Mayor, source=lambda store: [store.city.mayor])


class CouncilView(ViewModel):
    store: CouncilStore

    @attrs.computed
    def said(self) -> str:
        return f"{self.store.mayor.full_name} of {self.store.city.city_name}, {self.store.year}"


def test_a_live_view_of_a_member_follows_it_while_it_is_one(boiler: Boiler, settle: Settle) -> None:
    mayors = [Mayor.new(doc_id=name, full_name=name.title()) for name in ("m1", "m2")]
    for mayor in mayors:
        mayor.save()
    city = save_city(mayor="m1")
    said: list[str] = []
    subject: dict[str, Any] = {"city": "SF", "year": 1999, "mayor": "m1"}
    with CouncilView.get(once=False, f_notify=lambda v: said.append(v.said), **subject) as view:
        assert view.said == "M1 of SF, 1999"
        city.update(mayor="m2", city_name="Frisco")
        settle()
        assert (said, view.said) == ([], "M1 of SF, 1999")
        with pytest.raises(DocumentNotFoundError):
            CouncilView.get(once=False, **subject)
        city.update(mayor="m1")
        settle()
        assert said == ["M1 of Frisco, 1999"]
        mayors[0].update(full_name="London")
        settle()
        assert said[1:] == ["London of Frisco, 1999"]
    settle()
    assert boiler.engine.views == 0


def test_a_view_once_is_as_of_one_time(boiler: Boiler) -> None:
    Mayor.new(doc_id="m1", full_name="London").save()
    save_city(mayor="m1")
    view = CityView.get("SF")
    assert view.to_view_dict() == {"name": "SF", "density": 1.0, "mayorName": "London"}


@pytest.mark.parametrize("both", [True, False])
def test_a_mediator_needs_a_view_or_a_protocol(both: bool) -> None:
    class Watching(QueryMediator):
        class Protocol(ProtocolBase):
            pass

    with pytest.raises(ConfigurationError, match="but not both"):
        if both:
            Watching(CityView, query=City.get_query())
        else:
            QueryMediator(query=City.get_query())


def test_a_view_without_a_place_is_refused() -> None:
    class Placeless(ViewModel):
        store: CityStore

    with pytest.raises(ConfigurationError, match=r"Meta\.path"):
        QueryMediator(Placeless, query=City.get_query())


def test_starting_twice_is_refused(boiler: Boiler) -> None:
    mediator = city_views()
    with mediator, pytest.raises(ConfigurationError, match="running already"):
        mediator.start()


def test_a_view_that_is_too_large_is_parked(boiler: Boiler, settle: Settle) -> None:
    class Large(ViewModel):
        store: CityStore

        class Meta:
            path = "large/{city.doc_id}"

        @attrs.computed
        def text(self) -> str:
            size: int = self.store.city.population  # type: ignore[union-attr]
            return "x" * size

    boiler.add(QueryMediator(Large, query=City.get_query()))
    boiler.start()
    save_city("small", population=10)
    save_city("large", population=2_000_000)
    settle()
    [parked] = boiler.parked
    assert "1,048,576" in str(parked.error)
    assert stored("large/small") is not None


def test_a_source_of_a_foreign_shape_parks_the_views_that_read_it(
    running: Boiler, settle: Settle
) -> None:
    odd = {"cityName": "Odd", "population": 1, "mayor": ["no", "reference"]}
    CTX.db.document("cities/odd").set(odd)
    save_city()
    settle()
    [parked] = running.parked
    assert "cities/odd" in str(parked.error)
    assert stored("cityView/SF") is not None
    CTX.db.document("cities/odd").set({"cityName": "Odd", "population": 1})
    settle()
    assert running.parked == []
    assert stored("cityView/odd")["name"] == "Odd"  # type: ignore[index]
