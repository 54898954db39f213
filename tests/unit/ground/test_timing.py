from __future__ import annotations

import math
import threading
import time

import pytest

from flask_boiler.ground import timing as agenda
from flask_boiler.ground.timing import Agenda, Timekeeper
from tests.unit.firestore.listen.stage import PATIENCE_S


def test_tasks_are_taken_when_they_are_due() -> None:
    agenda = Agenda()
    done: list[str] = []
    agenda.schedule("a", 10, lambda: done.append("a"))
    agenda.schedule("b", 20, lambda: done.append("b"))

    for task in agenda.take_due(10):
        task()

    assert done == ["a"]
    assert agenda.next_at() == 20
    assert not agenda.take_due(19)


def test_a_task_replaces_the_one_of_its_name() -> None:
    agenda = Agenda()
    agenda.schedule("a", 10, lambda: None)
    agenda.schedule("a", 30, lambda: None)

    assert agenda.next_at() == 30


def test_a_cancelled_task_is_not_done() -> None:
    agenda = Agenda()
    agenda.schedule("a", 10, lambda: None)
    agenda.cancel("a")
    agenda.cancel("never planned")

    assert not agenda.take_due(10)
    assert agenda.next_at() == math.inf


class Ticks:
    def __init__(self, *, fail: type[BaseException] | None = None) -> None:
        self.happened = threading.Semaphore(0)
        self._fail = fail

    def __call__(self) -> float:
        self.happened.release()
        if self._fail is not None:
            raise self._fail("broken task")
        return math.inf

    def wait(self) -> bool:
        return self.happened.acquire(timeout=PATIENCE_S)


def test_a_timekeeper_calls_when_it_is_woken() -> None:
    ticks = Ticks()
    timekeeper = Timekeeper(ticks, time.monotonic)
    timekeeper.start()

    timekeeper.wake_by(time.monotonic())
    assert ticks.wait()
    timekeeper.wake_by(time.monotonic() + 0.01)
    assert ticks.wait()

    timekeeper.stop()


@pytest.mark.parametrize("kind", [RuntimeError, SystemExit])
def test_a_timekeeper_survives_a_broken_task_and_calls_again_by_itself(
    kind: type[BaseException], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agenda, "_AGAIN_AFTER_S", 0.01)
    ticks = Ticks(fail=kind)
    timekeeper = Timekeeper(ticks, time.monotonic)
    timekeeper.start()
    timekeeper.wake_by(time.monotonic())
    for _ in range(3):
        assert ticks.wait()
    timekeeper.stop()

    assert "broken task" in caplog.text


def test_stopping_does_not_wait_for_what_is_planned() -> None:
    timekeeper = Timekeeper(Ticks(), time.monotonic)
    timekeeper.start()
    timekeeper.wake_by(time.monotonic() + 3600)

    timekeeper.stop()

    assert "flask-boiler-timekeeper" not in [thread.name for thread in threading.enumerate()]
