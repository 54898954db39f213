"""``flask boiler run``, as an operator runs it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator

import pytest

from flask_boiler.config import Config
from flask_boiler.context import ApplicationContext
from flask_boiler.ports import LocalFirestore
from tests.firestore.cities import City


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


def test_an_app_without_a_boiler_is_told_what_to_do(environment: dict[str, str]) -> None:
    with flask("tests.e2e.bare_app", "run", environment=environment) as process:
        output, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "Boiler(app)" in output
    assert "Traceback" not in output
