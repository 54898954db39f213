"""The City example: its models, its form, its demo, and its mediators in a process of their own."""

from __future__ import annotations

import re
import signal
import sys
import threading
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from pytest_mock import MockerFixture

from examples.city.app import create_app
from examples.city.models import City, Municipality, StandardCity
from flask_boiler import CTX, Boiler, Config
from flask_boiler.ground.ports import LocalFirestore
from tests.e2e.screen import TIMEOUT_S, run_module, screen


@pytest.fixture
def running(firestore_emulator: LocalFirestore) -> Iterator[Boiler]:
    """The example's mediators, on a project of their own."""
    project = f"test-{uuid.uuid4().hex[:20]}"
    app = create_app(Config(testing=True, project=project, emulator_host=firestore_emulator.host))
    boiler: Boiler = app.extensions["boiler"]
    with app.app_context():
        boiler.start()
        yield boiler
        boiler.close()


def stored(path: str) -> dict[str, Any] | None:
    fields: dict[str, Any] | None = CTX.db.document(path).get().to_dict()
    return fields


def view_of(doc_id: str) -> tuple[Any, Any] | None:
    fields = stored(f"cityView/{doc_id}")
    return None if fields is None else (fields["name"], fields["country"])


def test_creating_the_app_opens_nothing(mocker: MockerFixture) -> None:
    opened = [
        mocker.patch("google.auth.default"),
        mocker.patch("grpc.insecure_channel"),
        mocker.patch("grpc.secure_channel"),
        mocker.patch("threading.Thread.start"),
    ]
    app = create_app(Config(runtime="production"))
    assert "boiler" in app.extensions
    assert [each.call_count for each in opened] == [0, 0, 0, 0]


def test_each_kind_of_city_shows_itself_in_its_own_way(running: Boiler) -> None:
    City.new(doc_id="B", city_name="Berlin", country="Germany").save()
    StandardCity.new(doc_id="SF", city_name="San Francisco", state="CA", country="USA").save()
    Municipality.new(doc_id="BJ", city_name="Beijing", country="China").save()
    running.settle()
    assert view_of("B") == ("Berlin", "Germany")
    assert view_of("SF") == ("San Francisco, CA", "USA")
    assert view_of("BJ") == ("Beijing Municipality", "China")
    assert [type(city) for city in Municipality.all()] == [Municipality]
    assert {type(city) for city in City.all()} == {City, StandardCity, Municipality}


def test_a_form_becomes_a_city_and_that_a_view(running: Boiler) -> None:
    form = {"name": "Los Angeles", "state": "CA", "country": "USA"}
    CTX.db.document("users/uid1/cityForms/LA").create(form)
    running.settle()
    city = City.get_or_raise("LA")
    assert isinstance(city, StandardCity)
    assert (city.city_name, city.state, city.country) == ("Los Angeles", "CA", "USA")
    assert view_of("LA") == ("Los Angeles, CA", "USA")


def test_a_form_does_not_undo_what_became_of_its_city(running: Boiler) -> None:
    form = {"name": "Los Angeles", "state": "CA", "country": "USA"}
    CTX.db.document("users/uid1/cityForms/LA").create(form)
    running.settle()
    City.get_or_raise("LA").update(city_name="L.A.")
    running.stop()
    running.start()
    running.settle()
    assert running.parked == []
    assert view_of("LA") == ("L.A., CA", "USA")


@pytest.mark.parametrize(
    ("form", "complaint"),
    [
        ({"name": "Los Angeles", "country": "USA"}, "state"),
        ({"name": 5, "state": "CA", "country": "USA"}, "city_name"),
        ({"name": "LA", "state": "CA", "country": "USA", "mayor": "me"}, "mayor"),
    ],
)
def test_a_form_that_makes_no_city_is_set_aside(
    running: Boiler, form: dict[str, Any], complaint: str
) -> None:
    CTX.db.document("users/uid1/cityForms/LA").create(form)
    running.settle()
    [parked] = running.parked
    assert str(parked.key) == "CityFormMediator:users/uid1/cityForms/LA"
    assert complaint in str(parked.error)
    assert stored("City/LA") is None


# --- the demo ------------------------------------------------------------------------------


def test_the_demo_tells_its_story_and_ends(firestore_emulator: LocalFirestore) -> None:
    done = run_module("examples.city", FIRESTORE_EMULATOR_HOST=firestore_emulator.host)
    assert (done.returncode, done.stderr) == (0, "")
    assert "6 steps, all as expected" in done.stdout
    assert "name: San Francisco → San Fran" in done.stdout
    assert re.search(r"\+ cityView/LA +country: USA, name: Los Angeles, CA +\d+ ms", done.stdout)
    assert "\x1b" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


@pytest.mark.long
def test_the_demo_says_what_went_wrong() -> None:
    done = run_module("examples.city", "--once", FIRESTORE_EMULATOR_HOST="127.0.0.1:1")
    assert done.returncode == 1
    assert "FIRESTORE_EMULATOR_HOST is 127.0.0.1:1, but no Firestore answers" in done.stderr
    assert "Traceback" not in done.stderr


def test_on_a_terminal_the_demo_goes_on_watching(firestore_emulator: LocalFirestore) -> None:
    command = [sys.executable, "-m", "examples.city"]
    with screen(command, FIRESTORE_EMULATOR_HOST=firestore_emulator.host, NO_COLOR="1") as shown:
        project = shown.wait_for(r'Client\("([\w-]+)"\)')[1]
        shown.wait_for("Ctrl-C ends")
        config = Config(project=project, emulator_host=firestore_emulator.host)
        with Boiler(config=config).context.activated() as context:
            new_york = context.db.document("City/NYC")
            new_york.set({"cityName": "New York", "country": "USA"})
            shown.wait_for(r"\+ cityView/NYC +country: USA, name: New York")
            new_york.delete()
            shown.wait_for(r"- cityView/NYC")
            context.close()
        assert shown.end() == 0
        assert "Traceback" not in shown.shown
        assert "\x1b" not in shown.shown


def test_the_demo_can_be_interrupted_at_any_time() -> None:
    command = [sys.executable, "-m", "examples.city"]
    environment = {"FIRESTORE_EMULATOR_HOST": ""}
    with screen(command, **environment) as shown:
        shown.wait_for("flask_boiler")
        assert shown.end() in (130, -signal.SIGINT)
        assert "Traceback" not in shown.shown


# --- flask boiler run ----------------------------------------------------------------------


def test_the_mediators_run_in_a_process_of_their_own(
    boiler: Boiler, firestore_emulator: LocalFirestore
) -> None:
    command = [sys.executable, "-m", "flask", "--app", "examples.city.app", "boiler", "run"]
    environment = {
        "BOILER_PROJECT": boiler.context.project,
        "BOILER_EMULATOR_HOST": firestore_emulator.host,
    }
    with screen(command, **environment) as shown:
        shown.wait_for(r"2 mediator\(s\) running")
        City.new(doc_id="SF", city_name="San Francisco", country="USA").save()
        watch_until_exists("cityView/SF")
        assert shown.end() == 0
        assert "stopped" in shown.shown
        assert "Traceback" not in shown.shown


def watch_until_exists(path: str) -> None:
    there = threading.Event()

    def look(documents: list[Any], changes: Any, read_time: Any) -> None:
        if any(document.exists for document in documents):
            there.set()

    watch = CTX.db.document(path).on_snapshot(look)
    try:
        assert there.wait(TIMEOUT_S), f"{path} is not there"
    finally:
        watch.unsubscribe()
