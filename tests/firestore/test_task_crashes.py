"""Workers killed at every step, deliveries doubled and shuffled: every effect happens once.

Of tasks and of patches alike.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest

from flask_boiler import CTX, Boiler
from flask_boiler.embedded import EmbeddedFirestore
from flask_boiler.ground.ports import LocalFirestore
from tests.firestore.task_fleet import POINTS, Effect, Purse, moves, prepare

#: ``make soak`` sets more.
TASKS = int(os.environ.get("FLASK_BOILER_TASKS", "30"))
SOAKING = TASKS >= 1_000
PURSES = 20
MOST_IN_A_LEDGER = 300
KILLS_AT_EACH_POINT = max(1, TASKS // 80)
WORKERS = 4 if SOAKING else 3
#: Each way to mark tasks and patches, in any order and in that of a key; and whether it is killed
#: at the odd points or the even ones, where there is no time for all of them.
WAYS = [
    ("delete", None, 0),
    ("delete", "source", 1),
    ("field", "source", 0),
    ("ledger", "source", 1),
    ("patch", "target_purse_id", 0),
    ("pending patch", "target_purse_id", 1),
]
if SOAKING:
    WAYS += [("field", None, 1), ("ledger", None, 0), ("deleted patch", "target_purse_id", 0)]


def run_fleet(
    host: str, project: str, *, kills: dict[str, int], **options: int | str | None
) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.firestore.task_fleet", host, project]
    with subprocess.Popen(
        [*command, json.dumps({"kills": kills, **options})], stdout=subprocess.PIPE
    ) as fleet:
        try:
            output, _ = fleet.communicate()
        finally:
            fleet.kill()
    assert fleet.returncode == 0
    result: dict[str, Any] = json.loads(output)
    return result


def assert_every_effect_once(tasks: int) -> None:
    assert {effect.doc_id: effect.count for effect in Effect.all()} == {
        f"m{number}": 1 for number in range(tasks)
    }


def in_order(snapshots: Iterable[Any], key: str) -> dict[str, list[str]]:
    """The tasks by the purse that they take from, in the order that is promised for a key."""
    by_source: dict[str, list[str]] = {f"p{number}": [] for number in range(PURSES)}
    for task in sorted(snapshots, key=lambda task: (task.create_time, task.id)):
        by_source[task.get(key)].append(task.id)
    return by_source


def assert_marked(mark: str, tasks: int) -> None:
    said = "result.status" if "patch" in mark else "state"
    states = {
        name: Counter(document.get(said) for document in CTX.db.collection(name).stream())
        for name in ("moves", "_boiler_tasks")
    }
    assert states == {
        "patch": {"moves": {"applied": tasks}, "_boiler_tasks": {}},
        "pending patch": {"moves": {"applied": tasks}, "_boiler_tasks": {}},
        "deleted patch": {"moves": {}, "_boiler_tasks": {}},
        "delete": {"moves": {}, "_boiler_tasks": {}},
        "field": {"moves": {"done": tasks}, "_boiler_tasks": {}},
        "ledger": {"moves": {"open": tasks}, "_boiler_tasks": {"done": tasks}},
    }.get(mark)


@pytest.mark.timeout(0 if SOAKING else 120)
@pytest.mark.parametrize(("mark", "key", "part"), WAYS)
def test_every_effect_happens_once_however_workers_die(
    boiler: Boiler, firestore_emulator: LocalFirestore, mark: str, key: str | None, part: int
) -> None:
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    tasks = TASKS
    if mark == "ledger" and not isinstance(firestore_emulator, EmbeddedFirestore):
        # Google's emulator sends the whole ledger with each change, and runs out of memory.
        tasks = min(TASKS, MOST_IN_A_LEDGER)
    prepare(tasks, purses=PURSES, rng=random.Random(seed), mark=mark)
    promised = in_order(CTX.db.collection("moves").stream(), key or "source")
    kills = dict.fromkeys(POINTS if SOAKING else POINTS[part::2], KILLS_AT_EACH_POINT)
    began = time.monotonic()
    result = run_fleet(
        firestore_emulator.host,
        boiler.context.project,
        kills=kills,
        seed=seed,
        workers=WORKERS,
        listeners=2,
        mark=mark,
        key=key,
    )
    report(result, tasks, time.monotonic() - began, f"mark {mark}, key {key}, with kills")
    assert result["killed"] == kills
    boiler.add(moves(mark, key))
    assert boiler.parked == []
    assert_every_effect_once(tasks)
    assert_marked(mark, tasks)
    purses = list(Purse.all())
    assert sum(purse.amount for purse in purses) == 100 * PURSES
    assert sum(purse.moves for purse in purses) == 2 * tasks
    if key is not None:
        assert {purse.doc_id: purse.paid for purse in purses} == promised


def report(result: dict[str, Any], tasks: int, took_s: float, what: str) -> None:
    attempts, done = (sum(r[name] for r in result["reports"]) for name in ("attempts", "done"))
    print(
        f"{what}: {attempts / max(1, done):.2f} attempts per task of those who survived, "
        f"{tasks / took_s:.0f} tasks/s"
    )


@pytest.mark.timeout(0 if SOAKING else 120)
def test_workers_seldom_try_what_another_has_done(
    boiler: Boiler, firestore_emulator: LocalFirestore
) -> None:
    # So many purses that tasks hardly ever meet in one: what is counted is meeting in a task.
    prepare(TASKS, purses=10 * TASKS, rng=random.Random(1))
    began = time.monotonic()
    result = run_fleet(
        firestore_emulator.host,
        boiler.context.project,
        kills={},
        seed=1,
        workers=4,
        listeners=4,
        mark="delete",
        key=None,
    )
    report(result, TASKS, time.monotonic() - began, "4 workers")
    assert_every_effect_once(TASKS)
    attempts = sum(report["attempts"] for report in result["reports"])
    assert sum(report["done"] for report in result["reports"]) == TASKS
    # What a small queue does to the figure is chance.
    assert attempts < 1.3 * TASKS or not SOAKING
