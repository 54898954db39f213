"""Processes killed for real, servers that go away, and what is left behind."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from flask_boiler import CTX, Boiler, Config
from flask_boiler.ground.ports import LocalFirestore
from flask_boiler.local.embedded_program import EmbeddedProgram
from flask_boiler.local.google.installation import Installation
from flask_boiler.local.google.launcher import FirestoreProcess
from flask_boiler.testing import Settle
from tests.firestore.cities import City, city_views
from tests.firestores import FIRESTORES

TIMEOUT_S = 30.0


@contextmanager
def worker(emulator: LocalFirestore, project: str) -> Iterator[subprocess.Popen[str]]:
    """A running worker process; killed at the end if nobody did so before."""
    command = [sys.executable, "-m", "tests.firestore.worker", emulator.host, project]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        try:
            yield process
        finally:
            process.kill()


def save_cities(count: int, *, suffix: str = "") -> None:
    """Cities in commits of 50, as an importer would."""
    for start in range(0, count, 50):
        save_some_cities(range(start, min(start + 50, count)), suffix)


def save_some_cities(numbers: Iterable[int], suffix: str = "") -> None:
    batch = CTX.db.batch()
    for number in numbers:
        city = City.new(doc_id=f"c{number}", city_name=f"city {number}{suffix}", population=1)
        batch.set(CTX.db.document(f"cities/c{number}"), city.to_dict())
    batch.commit()


def views() -> dict[str, Any]:
    return {s.id: s.to_dict() for s in CTX.db.collection("cityView").stream()}


@contextmanager
def views_appearing(count: int) -> Iterator[threading.Event]:
    """An event that is set when another client sees so many views."""
    seen = threading.Event()

    def on_snapshot(documents: Any, changes: Any, read_time: Any) -> None:
        if len(documents) >= count:
            seen.set()

    watch = CTX.db.collection("cityView").on_snapshot(on_snapshot)
    try:
        yield seen
    finally:
        watch.unsubscribe()


def expected_name(number: int, suffix: str) -> str:
    return f"city {number}{suffix}"


def assert_right(count: int, *, suffix: str = "") -> None:
    assert {doc_id: view["name"] for doc_id, view in views().items()} == {
        f"c{number}": expected_name(number, suffix) for number in range(count)
    }


def test_a_worker_killed_in_a_burst_loses_nothing(
    boiler: Boiler, settle: Settle, firestore_emulator: LocalFirestore
) -> None:
    saved = 0
    is_killed = threading.Event()

    def burst() -> None:
        # However quick the worker is, it is killed while there is more to come.
        nonlocal saved
        while True:
            is_last = is_killed.is_set()
            save_some_cities(range(saved, saved + 50))
            saved += 50
            if is_last:
                return

    with (
        views_appearing(60) as seen,
        worker(firestore_emulator, boiler.context.project) as process,
    ):
        bursting = threading.Thread(target=lambda: in_context(boiler, burst))
        bursting.start()
        try:
            assert seen.wait(TIMEOUT_S)
            process.kill()
            process.wait()
        finally:
            is_killed.set()
            bursting.join()
    assert len(views()) < saved
    boiler.add(city_views())
    boiler.start()
    settle(TIMEOUT_S)
    assert_right(saved)


def test_a_worker_killed_amid_changes_leaves_no_old_value(
    boiler: Boiler, settle: Settle, firestore_emulator: LocalFirestore
) -> None:
    save_cities(100)
    with (
        views_appearing(100) as seen,
        worker(firestore_emulator, boiler.context.project) as process,
    ):
        assert seen.wait(TIMEOUT_S)
        save_cities(100, suffix="!")
        process.kill()
    City.get_or_raise("c7").delete()
    boiler.add(city_views())
    boiler.start()
    settle(TIMEOUT_S)
    assert "c7" not in views()
    assert len(views()) == 99
    assert all(view["name"].endswith("!") for view in views().values())


def test_two_workers_agree(
    boiler: Boiler, settle: Settle, firestore_emulator: LocalFirestore
) -> None:
    boiler.add(city_views())
    boiler.start()
    with worker(firestore_emulator, boiler.context.project):
        save_cities(50)
        save_cities(50, suffix="!")
        settle(TIMEOUT_S)
        assert_right(50, suffix="!")
        assert boiler.parked == []


def test_a_restart_over_a_thousand_true_views_writes_nothing(
    boiler: Boiler, settle: Settle
) -> None:
    save_cities(1_000)
    boiler.add(city_views())
    boiler.start()
    settle(TIMEOUT_S)
    assert_right(1_000)
    boiler.stop()
    City.get_or_raise("c5").delete()
    boiler.start()
    settle(TIMEOUT_S)
    # The view that lost its root, and its record.
    assert boiler.engine.publisher.documents_written == 2
    assert boiler.engine.statistics.unchanged == 999
    assert "c5" not in views()
    boiler.stop()
    boiler.start()
    settle(TIMEOUT_S)
    assert boiler.engine.publisher.documents_written == 0
    assert boiler.engine.statistics.unchanged == 999


@pytest.fixture(params=FIRESTORES)
def mortal(request: pytest.FixtureRequest) -> Iterator[FirestoreProcess]:
    """A Firestore that can be killed, and keeps nothing."""
    program: EmbeddedProgram | Installation = (
        EmbeddedProgram()
        if request.param == "embedded"
        else request.getfixturevalue("google_installation")
    )
    with FirestoreProcess(program) as started:
        yield started


def test_a_server_that_dies_and_comes_back(mortal: FirestoreProcess) -> None:
    with mortal as emulator:
        config = Config(testing=True, project="test-outage", emulator_host=emulator.host)
        boiler = Boiler(config=config)
        with boiler.context.activated():
            boiler.add(city_views())
            boiler.start()
            save_cities(5)
            boiler.settle(timeout_s=TIMEOUT_S)
            emulator.kill()
            emulator.restart()
            # It comes back empty, and is written to anew.
            save_cities(3, suffix=" again")
            boiler.settle(timeout_s=TIMEOUT_S)
            assert_right(3, suffix=" again")
            boiler.close()


def test_stopping_leaves_no_thread(boiler: Boiler, settle: Settle) -> None:
    save_cities(5)
    before = set(threading.enumerate())
    boiler.add(city_views())
    boiler.start()
    settle()
    boiler.stop()
    left = {t.name for t in set(threading.enumerate()) - before}
    assert not [name for name in left if name.startswith("flask-boiler")]


def in_context(boiler: Boiler, function: Any, *arguments: Any) -> None:
    with boiler.context.activated():
        function(*arguments)
