"""``flask boiler run``, as an operator runs it."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from flask_boiler import ApplicationContext, Config
from flask_boiler.ground.ports import LocalFirestore
from tests.firestore.cities import City

TIMEOUT_S = 60.0


@pytest.fixture
def environment(firestore_emulator: LocalFirestore) -> dict[str, str]:
    return {
        **os.environ,
        "BOILER_PROJECT": f"cli-{uuid.uuid4().hex[:12]}",
        "BOILER_EMULATOR_HOST": firestore_emulator.host,
    }


@pytest.fixture
def context(environment: dict[str, str]) -> Iterator[ApplicationContext]:
    config = Config(
        testing=True,
        project=environment["BOILER_PROJECT"],
        emulator_host=environment["BOILER_EMULATOR_HOST"],
    )
    context = ApplicationContext(config)
    with context.activated():
        yield context
    context.close()


def flask(app: str, *arguments: str, environment: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "flask", "--app", app, "boiler", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    )


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_it_runs_the_mediators_until_it_is_told_to_stop(
    ending: signal.Signals, environment: dict[str, str], context: ApplicationContext
) -> None:
    City.new(doc_id="SF", city_name="San Francisco", population=1).save()
    with flask(
        "tests.e2e.served_app", "run", "--status-every", "0.05", environment=environment
    ) as process:
        assert process.stdout is not None
        assert "1 mediator(s) running" in process.stdout.readline()
        # The status says when the view is published.
        for line in process.stdout:
            if "published 1" in line:
                break
        process.send_signal(ending)
        rest = process.stdout.read()
    assert process.returncode == 0, rest
    assert rest.rstrip().endswith("stopped")
    assert "Traceback" not in rest
    assert context.db.document("cityView/SF").get().get("name") == "San Francisco"


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """The status of a process that ends by itself, and all that it has said."""
    with process:
        output, _ = process.communicate(timeout=TIMEOUT_S)
    return process.returncode, output


@contextmanager
def worker(environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    with flask("tests.e2e.served_app", "run", environment=environment) as process:
        assert process.stdout is not None
        # What is parked at once is logged meanwhile.
        assert any("1 mediator(s) running" in line for line in process.stdout)
        yield process
        process.kill()


def await_records(context: ApplicationContext, number: int) -> None:
    """Wait until so many parked views are recorded."""
    seen: queue.SimpleQueue[int] = queue.SimpleQueue()
    records = context.db.collection("_boiler_views")
    listening = records.on_snapshot(lambda found, *_: seen.put(len(found)))
    try:
        while seen.get(timeout=TIMEOUT_S) != number:
            continue
    finally:
        listening.unsubscribe()


def test_parked_views_are_listed_and_retried_from_another_process(
    environment: dict[str, str], context: ApplicationContext
) -> None:
    def views(*arguments: str) -> tuple[int, str]:
        return ended(flask("tests.e2e.served_app", "views", *arguments, environment=environment))

    city = City.new(doc_id="SF", city_name="San Francisco", population=0)
    city.save()
    with worker(environment):
        await_records(context, 1)
        status, said = views("list")
        assert status == 1
        assert "CityView:cities/SF" in said and "ZeroDivisionError" in said
        status, said = views("retry", "CityView:cities/SF")
        assert status == 1
        assert "CityView:cities/SF is parked again" in said
    # It was killed, and what it knew is known still.
    status, said = views("list", "--json")
    assert status == 1 and '"count": 1' in said
    city.update(population=1)
    with worker(environment):
        await_records(context, 0)
        assert views("list") == (0, "0 views parked\n")


def test_an_app_without_a_boiler_is_told_what_to_do(environment: dict[str, str]) -> None:
    with flask("tests.e2e.bare_app", "run", environment=environment) as process:
        output, _ = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "Boiler(app)" in output
    assert "Traceback" not in output
