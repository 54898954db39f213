"""A Boiler and its mediators, started and stopped in every order."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_boiler.context.config import Config
from flask_boiler.context.context import CTX, ApplicationContext, current_context
from flask_boiler.errors import ConfigurationError
from flask_boiler.operate.extension import Boiler
from flask_boiler.view.mediation.mediator import MediatorBase
from tests.sources import package_sources

TIMEOUT_S = 20.0


class Noting:
    """A mediator that only says what is done to it."""

    def __init__(self, name: str, calls: list[str], *, fails: str = "") -> None:
        self.name = name
        self.calls = calls
        self.fails = fails

    def start(self) -> None:
        self._note("start")

    def stop(self) -> None:
        self._note("stop")

    def _note(self, what: str) -> None:
        self.calls.append(f"{what} {self.name}")
        if what == self.fails:
            raise RuntimeError(f"{what} failed")


@pytest.fixture
def boiler() -> Boiler:
    return Boiler(config=Config(project="p", testing=True))


def test_an_application_reads_boiler_yaml_below_its_own_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("boiler.yaml").write_text("app_name: of-the-file\nproject: of-the-file\n")
    app = Flask(__name__)
    app.config["BOILER_APP_NAME"] = "of-the-app"
    config = Boiler(app).context.config
    assert (config.app_name, config.project) == ("of-the-app", "of-the-file")


def test_the_last_to_start_is_the_first_to_stop(boiler: Boiler) -> None:
    calls: list[str] = []
    boiler.add(Noting("a", calls))
    boiler.add(Noting("b", calls))
    with boiler:
        pass
    boiler.stop()
    assert calls == ["start a", "start b", "stop b", "stop a"]


@pytest.mark.parametrize("added", [Noting, "mediator", None])
def test_what_is_no_mediator_is_not_added(boiler: Boiler, added: Any) -> None:
    with pytest.raises(ConfigurationError, match="is not a mediator that can be started"):
        boiler.add(added)


@pytest.mark.parametrize("mediators", [0, 1])
def test_starting_twice_is_refused(boiler: Boiler, mediators: int) -> None:
    for _ in range(mediators):
        boiler.add(Noting("a", []))
    with boiler, pytest.raises(ConfigurationError, match="running already"):
        boiler.start()


def test_a_mediator_that_is_added_late_starts_at_once(boiler: Boiler) -> None:
    calls: list[str] = []
    with boiler:
        boiler.add(Noting("late", calls))
        assert calls == ["start late"]
    assert calls == ["start late", "stop late"]


def test_a_start_that_fails_leaves_nothing_running(boiler: Boiler) -> None:
    calls: list[str] = []
    boiler.add(Noting("a", calls))
    boiler.add(Noting("b", calls, fails="start"))
    for _ in range(2):
        calls.clear()
        with pytest.raises(RuntimeError, match="start failed"):
            boiler.start()
        assert calls == ["start a", "start b", "stop a"]


def test_a_stop_that_fails_stops_the_others_all_the_same(boiler: Boiler) -> None:
    calls: list[str] = []
    boiler.add(Noting("a", calls))
    boiler.add(Noting("b", calls, fails="stop"))
    boiler.start()
    with pytest.raises(RuntimeError, match="stop failed"):
        boiler.close()
    assert calls[-1] == "stop a"
    boiler.close()


def test_a_mediator_may_end_everything_in_its_start(boiler: Boiler) -> None:
    class Ending:
        def start(self) -> None:
            boiler.stop()

        def stop(self) -> None: ...

    boiler.add(Ending())
    boiler.start()
    boiler.stop()


def test_what_was_not_started_is_not_stopped(boiler: Boiler) -> None:
    calls: list[str] = []

    class Stopping(MediatorBase):
        def _begin(self, ends: ExitStack) -> None:
            if self.name == "broken":
                raise RuntimeError("start failed")

        def stop(self) -> None:
            calls.append(self.name)
            super().stop()

    for name in ("a", "broken", "late"):
        boiler.add(Stopping(name))
    boiler.stop()
    with pytest.raises(RuntimeError, match="start failed"):
        boiler.start()
    boiler.close()
    assert calls == ["a"]


def test_what_is_stopped_during_its_start_does_not_run_afterwards(boiler: Boiler) -> None:
    begun, going_on = threading.Event(), threading.Event()
    calls: list[str] = []

    class Slow(Noting):
        def start(self) -> None:
            begun.set()
            going_on.wait(TIMEOUT_S)
            super().start()

    boiler.add(Slow("slow", calls))
    boiler.add(Noting("b", calls))
    with ThreadPoolExecutor(1) as pool:
        starting = pool.submit(boiler.start)
        assert begun.wait(TIMEOUT_S)
        boiler.stop(within_s=0.0)
        going_on.set()
        starting.result(TIMEOUT_S)
    assert calls == ["start slow", "stop slow"]
    assert not boiler.health.running
    with boiler:
        assert boiler.health.running


def test_a_mediator_may_add_another_in_its_start(boiler: Boiler) -> None:
    calls: list[str] = []

    class Adding(Noting):
        def start(self) -> None:
            boiler.add(Noting("b", calls))
            super().start()

    boiler.add(Adding("a", calls))
    with boiler:
        assert calls == ["start b", "start a"]
        assert boiler.health.running
    assert sorted(calls[2:]) == ["stop a", "stop b"]


def test_a_mediator_of_several_boilers_works_for_the_one_that_starts_it(boiler: Boiler) -> None:
    found: list[ApplicationContext] = []

    class Finding(MediatorBase):
        def _begin(self, ends: ExitStack) -> None:
            found.append(self._context())

    mediator = boiler.add(Finding("finding"))
    another = Boiler(config=Config(project="q", testing=True))
    another.add(mediator)
    for each in (boiler, another):
        with each:
            pass
    assert found == [boiler.context, another.context]


def test_a_start_that_takes_long_is_waited_for_as_long_as_the_end_may_take(
    boiler: Boiler, caplog: pytest.LogCaptureFixture
) -> None:
    begun, going_on = threading.Event(), threading.Event()
    calls: list[str] = []

    class Slow(Noting):
        def start(self) -> None:
            begun.set()
            going_on.wait(TIMEOUT_S)

    boiler.add(Noting("a", calls))
    boiler.add(Slow("slow", calls))
    starting = threading.Thread(target=boiler.start)
    starting.start()
    assert begun.wait(TIMEOUT_S)
    boiler.stop(within_s=0.0)
    assert calls == ["start a", "stop a"]
    assert "'slow' is left: its start takes longer than the end may" in caplog.text
    going_on.set()
    starting.join()
    boiler.stop()
    assert calls[-1] == "stop slow"


def test_a_forked_child_starts_and_stops_for_itself(
    boiler: Boiler, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    boiler.add(Noting("a", calls))
    boiler.start()
    with monkeypatch.context() as child:
        child.setattr(os, "getpid", lambda: -1)
        boiler.start()
        assert calls == ["start a", "start a"]


def test_threads_find_the_boiler_that_runs(boiler: Boiler) -> None:
    def found() -> object:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(current_context).result()

    with boiler:
        assert found() is boiler.context
        with Boiler(config=Config(project="other")):
            with pytest.raises(ConfigurationError, match="2 Boilers run in this process"):
                found()
            with boiler.context.activated():
                assert current_context() is boiler.context
        assert found() is boiler.context
    with pytest.raises(ConfigurationError, match=r"with app.app_context\(\):"):
        found()


def test_what_was_read_by_name_comes_before_the_boiler_that_runs(boiler: Boiler) -> None:
    with boiler:
        read = CTX.read(Config(project="named"))
        assert current_context() is read


@pytest.fixture(autouse=True)
def nothing_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CTX, "_last", None)


def test_what_runs_mediators_knows_none_of_their_classes() -> None:
    assert [
        f"{source.module} imports {imported}"
        for source in package_sources()
        if source.module.startswith("flask_boiler.operate.")
        for imported, _ in source.imports()
        if imported.endswith("Mediator") and "view.mediation" not in imported
    ] == []
