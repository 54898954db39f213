"""``flask boiler views``: what is parked, listed and retried from another process's terminal."""

from __future__ import annotations

import importlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
from flask import Flask
from pytest_mock import MockerFixture

from flask_boiler import (
    Boiler,
    Config,
    QueryMediator,
    RestMediator,
    Store,
    ViewModel,
    attrs,
    reference,
)
from flask_boiler.embedded import EmbeddedFirestore
from flask_boiler.engine.parking.parked_views import VIEWS_COLLECTION, parked_in
from flask_boiler.firestore.datastore import FirestoreDatastore
from flask_boiler.operate.cli import boiler_cli
from flask_boiler.view.mediation.live import live_views
from tests.firestore.cities import City, city_views
from tests.firestore.recorded_views import await_recorded, recorded

SF = "CityView:cities/SF"
LA = "CityView:cities/LA"
#: The module that waits for the workers.
COMMANDS = importlib.import_module("flask_boiler.operate.cli.retries")


class ServiceStore(Store):
    city = reference(City)


class ServedView(ViewModel):
    """Asks a service that is not part of Firestore, and answers only while it is up."""

    store: ServiceStore
    up = threading.Event()

    class Meta:
        path = "servedView/{city.doc_id}"

    @attrs.computed
    def name(self) -> str:
        if not self.up.is_set():
            raise RuntimeError("the service is down")
        return str(self.store.city.city_name)  # type: ignore[union-attr]


@pytest.fixture(autouse=True)
def service() -> Iterator[threading.Event]:
    ServedView.up.clear()
    yield ServedView.up


@contextmanager
def another(config: Config) -> Iterator[Boiler]:
    """A Boiler of another process, as far as Firestore can tell."""
    boiler = Boiler(
        config=Config(testing=True, project=config.project, emulator_host=config.emulator_host)
    )
    try:
        yield boiler
    finally:
        boiler.close()


@pytest.fixture
def app(boiler: Boiler) -> Iterator[Flask]:
    """The application whose commands are called; it keeps nothing by itself."""
    app = Flask("cities")
    config = boiler.context.config
    own = Boiler(
        app,
        config=Config(testing=True, project=config.project, emulator_host=config.emulator_host),
    )
    own.add(city_views())
    own.add(served())
    own.add(RestMediator(ServedView, app=app))
    yield app
    own.close()


def served() -> QueryMediator:
    return QueryMediator(ServedView, query=City.get_query())


def call(app: Flask, *arguments: str) -> Any:
    return app.test_cli_runner().invoke(boiler_cli, ["views", *arguments])


def save(doc_id: str, population: int = 0) -> City:
    city = City.new(doc_id=doc_id, city_name=doc_id, population=population)
    city.save()
    return city


def test_nothing_is_parked(app: Flask) -> None:
    result = call(app, "list")
    assert (result.exit_code, result.stdout) == (0, "0 views parked\n")
    result = call(app, "retry", "--all")
    assert (result.exit_code, result.stdout) == (0, "nothing is parked\n")
    assert json.loads(call(app, "list", "--json").stdout) == {
        "count": 0,
        "parked": [],
        "counted_only": {},
    }


def test_what_is_parked_is_listed_elsewhere_and_gone_when_it_heals(
    boiler: Boiler, app: Flask
) -> None:
    city = save("SF")
    save("LA", 5)
    boiler.add(city_views())
    with boiler:
        boiler.settle()
        await_recorded(boiler, lambda keys: keys == {SF})
        result = call(app, "list")
        assert result.exit_code == 1
        assert "CityView.density raised ZeroDivisionError" in result.output
        assert f"UTC  {SF}  (" in result.output
        assert result.output.endswith("\n1 view parked\n")
        [view] = json.loads(call(app, "list", "--json", "--mediator", "CityView").stdout)["parked"]
        assert (view["key"], view["kind"]) == (SF, "MaterializationError")
        assert call(app, "list", "--mediator", "ServedView").exit_code == 0
        city.update(population=5)
        boiler.settle()
        await_recorded(boiler, lambda keys: not keys)
        assert call(app, "list").exit_code == 0


@pytest.mark.parametrize("arguments", [(SERVED := "ServedView:cities/SF",), ("--all",)])
def test_a_retry_heals_what_failed_elsewhere(
    boiler: Boiler, app: Flask, service: threading.Event, arguments: tuple[str, ...]
) -> None:
    save("SF", 5)
    boiler.add(served())
    with boiler:
        boiler.settle()
        await_recorded(boiler, lambda keys: keys == {SERVED})
        result = call(app, "retry", *arguments)
        assert result.exit_code == 1
        assert f"{SERVED} is parked again: MaterializationError: " in result.output
        assert "the service is down" in result.output
        service.set()
        result = call(app, "retry", *arguments)
        assert result.exit_code == 0, result.output
        assert f"{SERVED} is well again\n1 of 1 view well again\n" in result.output
        assert boiler.parked == []
        assert recorded(boiler) == set()


def test_what_no_worker_keeps_is_said_to_be_unheard_and_done_by_the_next(
    boiler: Boiler, app: Flask, service: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    save("SF", 5)
    with another(boiler.context.config) as before:
        before.add(served())
        with before:
            before.settle()
    assert recorded(boiler) == {SERVED}
    monkeypatch.setattr(COMMANDS, "_HEARD_WITHIN_S", 0.5)
    result = call(app, "retry", SERVED)
    assert result.exit_code == 1
    assert f"{SERVED} was heard by no worker" in result.output
    assert "flask boiler run" in result.output
    assert "has no outcome after 0.1 s" in call(app, "retry", SERVED, "--wait", "0.1").output
    service.set()
    boiler.add(served())
    with boiler:
        boiler.settle()
        await_recorded(boiler, lambda keys: not keys)


def test_a_start_removes_what_healed_or_went_meanwhile(boiler: Boiler, app: Flask) -> None:
    for name in ("SF", "LA", "NY"):
        save(name)
    with another(boiler.context.config) as before:
        before.add(city_views())
        with before:
            before.settle()
    assert len(recorded(boiler)) == 3
    City.get_or_raise("SF").update(population=5)
    City.get_or_raise("NY").delete()
    boiler.add(city_views())
    with boiler:
        boiler.settle()
        await_recorded(boiler, lambda keys: keys == {LA})
    assert recorded(boiler) == {LA}


def test_of_two_workers_one_that_heals_a_view_removes_its_record(
    boiler: Boiler, app: Flask, service: threading.Event
) -> None:
    save("SF", 5)
    boiler.add(served())
    with another(boiler.context.config) as other:
        other.add(served())
        with boiler, other:
            boiler.settle()
            other.settle()
            await_recorded(boiler, lambda keys: keys == {SERVED})
            service.set()
            result = call(app, "retry", SERVED)
            assert result.exit_code == 0, result.output
            assert boiler.context.db.document("servedView/SF").get().get("name") == "SF"
            boiler.settle()
            other.settle()
            assert (boiler.parked, other.parked) == ([], [])
    assert recorded(boiler) == set()


@pytest.mark.long
def test_a_burst_costs_few_writes(
    boiler: Boiler, app: Flask, service: threading.Event, mocker: MockerFixture
) -> None:
    number, most = 600, 500
    save("SF", 5)
    stored = boiler.context.db.document("cities/SF").get().to_dict()
    assert stored is not None
    for start in (1, 301):
        batch = boiler.context.db.batch()
        for n in range(start, min(start + 300, number)):
            batch.set(boiler.context.db.document(f"cities/c{n}"), stored)
        batch.commit()
    boiler.add(served())
    with boiler:
        commits = mocker.spy(FirestoreDatastore, "commit")
        boiler.settle()
        await_recorded(boiler, lambda keys: len(keys) == most)
        boiler.settle()
        assert len(boiler.parked) == number
        result = call(app, "list")
        assert f"and {number - most} more of ServedView, which are counted only" in result.output
        assert result.output.endswith(f"\n{number} views parked\n")
        written = [
            sum(write.path.startswith(f"{VIEWS_COLLECTION}/") for write in call.args[1])
            for call in commits.call_args_list
        ]
        counts = [count for count in written if count]
        assert max(counts) <= 201
        # The total may be written with each of the few commits.
        assert sum(counts) <= most + len(counts) <= most + 30
        service.set()
        assert call(app, "retry", "--all").exit_code == 0
        boiler.settle()
        assert boiler.parked == []
    assert recorded(boiler) == set()
    assert call(app, "list").stdout == "0 views parked\n"


def test_at_rest_nothing_is_read_or_written(
    boiler: Boiler, monkeypatch: pytest.MonkeyPatch
) -> None:
    save("SF")
    boiler.add(city_views())
    with boiler:
        boiler.settle()
        await_recorded(boiler, lambda keys: keys == {SF})
        recorder = live_views(boiler.context).recorder
        assert boiler.health.views == 1
        asked: list[str] = []
        get, query, commit = (
            getattr(FirestoreDatastore, name) for name in ("get", "run_query", "commit")
        )

        def getting(self: Any, paths: Any, **options: Any) -> Any:
            paths = list(paths)
            asked.extend(path for path in paths if path.startswith(VIEWS_COLLECTION))
            return get(self, paths, **options)

        def querying(self: Any, target: Any, **options: Any) -> Any:
            if VIEWS_COLLECTION.encode() in target.structured:
                asked.append(str(target))
            return query(self, target, **options)

        def committing(self: Any, writes: Any, **options: Any) -> Any:
            asked.extend(w.path for w in writes if w.path.startswith(VIEWS_COLLECTION))
            return commit(self, writes, **options)

        monkeypatch.setattr(FirestoreDatastore, "get", getting)
        monkeypatch.setattr(FirestoreDatastore, "run_query", querying)
        monkeypatch.setattr(FirestoreDatastore, "commit", committing)
        # What nobody reads, and what fails as before.
        boiler.context.db.document("cities/SF").update({"motto": "x"})
        boiler.settle()
        boiler.context.db.document("cities/SF").update({"cityName": "y"})
        boiler.settle()
        assert recorder.write_changes() == 0
        assert asked == []
        parked_in(boiler.context.datastore)
        assert len(asked) == 1, "what would be asked is seen"
        monkeypatch.undo()


def test_what_cannot_be_written_while_firestore_is_away_is_written_when_it_is_back(
    embedded_firestore: EmbeddedFirestore,
) -> None:
    config = Config(testing=True, project="away", emulator_host=embedded_firestore.host)
    with Boiler(config=config) as boiler, boiler.context.activated():
        boiler.add(city_views())
        save("SF", 5)
        boiler.settle()
        save("SF")
        # Its own commits are refused: those of views are, too.
        embedded_firestore.faults.fail("Commit", grpc.StatusCode.PERMISSION_DENIED, applied=False)
        embedded_firestore.faults.fail("Commit", grpc.StatusCode.UNAVAILABLE, applied=False)
        await_recorded(boiler, lambda keys: keys == {SF})


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("retry",), 2, "--all"),
        (("retry", SF, "--all"), 2, "--all"),
        (("retry", SF), 1, f"not parked: {SF}"),
        (("list", "--mediator", "nobody"), 2, "its mediators are: CityView, ServedView\n"),
        (("list", "--mediator", "ServedView (REST)"), 2, "are: CityView, ServedView\n"),
        (("list", "--jso"), 2, "--json"),
    ],
)
def test_what_makes_no_sense_is_said(
    app: Flask, arguments: tuple[str, ...], status: int, said: str
) -> None:
    result = call(app, *arguments)
    assert result.exit_code == status, result.output
    assert said in result.output
