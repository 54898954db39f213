"""Workers killed at every step, deliveries doubled and shuffled: every effect happens once."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from typing import Any

import pytest

from flask_boiler.emulator import LocalFirestore
from flask_boiler.extension import Boiler
from tests.firestore.task_fleet import POINTS, Effect, Move, Purse, moves, prepare

#: ``make soak`` sets more.
TASKS = int(os.environ.get("FLASK_BOILER_TASKS", "60"))
SOAKING = TASKS >= 1_000
PURSES = 20
KILLS_AT_EACH_POINT = max(1, TASKS // 80)


def run_fleet(host: str, project: str, **options: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.firestore.task_fleet", host, project]
    with subprocess.Popen([*command, json.dumps(options)], stdout=subprocess.PIPE) as fleet:
        try:
            output, _ = fleet.communicate()
        finally:
            fleet.kill()
    assert fleet.returncode == 0
    result: dict[str, Any] = json.loads(output)
    return result


def assert_all_done_once() -> None:
    assert list(Move.all()) == []
    assert {effect.doc_id: effect.count for effect in Effect.all()} == {
        f"m{number}": 1 for number in range(TASKS)
    }


@pytest.mark.timeout(0 if SOAKING else 120)
def test_every_effect_happens_once_however_workers_die(
    boiler: Boiler, firestore_emulator: LocalFirestore
) -> None:
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    prepare(TASKS, purses=PURSES, rng=random.Random(seed))
    result = run_fleet(
        firestore_emulator.host,
        boiler.context.project,
        kills=KILLS_AT_EACH_POINT,
        seed=seed,
        workers=4,
        listeners=2,
    )
    assert result["killed"] == dict.fromkeys(POINTS, KILLS_AT_EACH_POINT)
    boiler.add(moves())
    assert boiler.parked == []
    assert_all_done_once()
    purses = list(Purse.all())
    assert sum(purse.amount for purse in purses) == 100 * PURSES
    assert sum(purse.moves for purse in purses) == 2 * TASKS


@pytest.mark.timeout(0 if SOAKING else 120)
def test_workers_seldom_try_what_another_has_done(
    boiler: Boiler, firestore_emulator: LocalFirestore
) -> None:
    # So many purses that tasks hardly ever meet in one: what is counted is meeting in a task.
    prepare(TASKS, purses=10 * TASKS, rng=random.Random(1))
    began = time.monotonic()
    result = run_fleet(
        firestore_emulator.host, boiler.context.project, kills=0, seed=1, workers=4, listeners=4
    )
    took_s = time.monotonic() - began
    assert_all_done_once()
    attempts = sum(report["attempts"] for report in result["reports"])
    print(f"{attempts / TASKS:.2f} attempts per task, {TASKS / took_s:.0f} tasks/s, 4 workers")
    assert sum(report["done"] for report in result["reports"]) == TASKS
    # What a small queue does to the figure is chance.
    assert attempts < 1.3 * TASKS or not SOAKING
