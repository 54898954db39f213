"""What is done about documents that cannot be applied for want of Firestore."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from flask_boiler.ground import lifecycle
from flask_boiler.view.inbox import setbacks
from flask_boiler.view.inbox.handling import Memory, Statistics
from flask_boiler.view.inbox.setbacks import PATIENCE, Suspects, pause_s


@pytest.mark.parametrize(("failures", "least_s", "most_s"), [(1, 0.05, 0.1), (40, 5.0, 10.0)])
def test_pauses_grow_and_are_bounded(failures: int, least_s: float, most_s: float) -> None:
    pauses = {pause_s(failures) for _ in range(50)}
    assert least_s <= min(pauses) < max(pauses) <= most_s


def test_what_fails_while_firestore_takes_commits_is_the_cause() -> None:
    suspects = Suspects()
    found = [suspects.is_the_cause("jobs/j", lambda: True) for _ in range(PATIENCE)]
    assert found == [False] * (PATIENCE - 1) + [True]
    assert not suspects.is_the_cause("jobs/other", lambda: True)


def test_what_fails_while_firestore_is_away_is_counted_anew() -> None:
    suspects = Suspects()
    assert not any(suspects.is_the_cause("jobs/j", lambda: False) for _ in range(PATIENCE))
    assert not any(suspects.is_the_cause("jobs/j", lambda: True) for _ in range(PATIENCE - 1))
    suspects.acquit("jobs/j")
    assert not suspects.is_the_cause("jobs/j", lambda: True)


def test_of_many_the_oldest_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setbacks, "_MOST_SUSPECTS", 2)
    suspects = Suspects()
    for _ in range(PATIENCE - 1):
        suspects.is_the_cause("jobs/a", lambda: True)
    for path in ("jobs/b", "jobs/c"):
        suspects.is_the_cause(path, lambda: True)
    assert not suspects.is_the_cause("jobs/a", lambda: True)


def test_what_a_thread_does_while_the_process_forks_holds_up_no_child() -> None:
    statistics, memory = Statistics(), Memory()
    locks = [statistics.lock, memory.backlogs._lock, memory.suspects._lock]
    with ThreadPoolExecutor(1) as other:
        other.submit(lambda: [lock.acquire() for lock in locks]).result()
        # What is done after a fork, where the other thread is gone.
        lifecycle._renew_locks()
        statistics.count(done=1)
        memory.backlogs.replace("ada", [])
        memory.suspects.acquit("jobs/j")
    assert statistics.done == 1
