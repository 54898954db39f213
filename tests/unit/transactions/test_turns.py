"""Turns: one at a time of those that lost, and nobody waits for ever."""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from flask_boiler.errors import ConflictError
from flask_boiler.ground.values import Write
from flask_boiler.transactions import running
from flask_boiler.transactions.running import execute_transaction
from flask_boiler.transactions.transaction import Transaction
from flask_boiler.transactions.turns import Turns
from tests.unit.memory import memory_context

PATIENCE_S = 30.0
A, B = ("database", "City/a"), ("database", "City/b")


def together(*functions: Callable[[], object]) -> None:
    """Run each on a thread of its own; what one raises is raised."""
    with ThreadPoolExecutor(len(functions)) as pool:
        for done in [pool.submit(function) for function in functions]:
            done.result(PATIENCE_S)


def test_one_has_a_turn_at_a_time() -> None:
    turns, inside, seen = Turns(), threading.Semaphore(0), []

    def take() -> None:
        with turns.taken([A], timeout_s=PATIENCE_S):
            inside.release()
            seen.append(inside.acquire(blocking=False) and inside.acquire(blocking=False))

    together(*[take] * 8)
    # Nobody ever found a second one inside.
    assert seen == [False] * 8
    assert turns.waiting() == 0


def test_turns_at_different_documents_do_not_wait_for_each_other() -> None:
    turns = Turns()
    with turns.taken([A], timeout_s=PATIENCE_S), turns.taken([B], timeout_s=PATIENCE_S):
        assert turns.waiting() == 2
    with turns.taken([], timeout_s=PATIENCE_S):
        assert turns.waiting() == 0


def test_nobody_waits_in_a_circle() -> None:
    turns, rounds = Turns(), 200

    def take(keys: list[tuple[str, ...]]) -> None:
        for _ in range(rounds):
            with turns.taken(keys, timeout_s=PATIENCE_S):
                pass

    together(lambda: take([A, B]), lambda: take([B, A]), lambda: take([B]))
    assert turns.waiting() == 0


def test_who_does_not_get_a_turn_in_time_goes_on_without() -> None:
    turns = Turns()
    with turns.taken([A, B], timeout_s=PATIENCE_S):
        with turns.taken([A, B], timeout_s=0.0):
            assert turns.waiting() == 2
        # What it never had it has not given back either.
        assert turns.waiting() == 2
        assert not turns._turns[A].lock.acquire(blocking=False)
    assert turns.waiting() == 0


def test_a_turn_ends_with_its_block_however_that_ends() -> None:
    turns = Turns()
    with pytest.raises(RuntimeError), turns.taken([A], timeout_s=PATIENCE_S):
        raise RuntimeError
    assert turns.waiting() == 0


def test_a_child_waits_for_nobody_of_its_parent() -> None:
    program = (
        "import os, sys\n"
        "from flask_boiler.transactions.turns import Turns\n"
        "turns = Turns()\n"
        "with turns.taken([('d', 'p')], timeout_s=0):\n"
        "    child = os.fork()\n"
        "    if child == 0:\n"
        "        with turns.taken([('d', 'p')], timeout_s=1e6):\n"
        "            os._exit(turns.waiting())\n"
        "    _, status = os.waitpid(child, 0)\n"
        "sys.exit(0 if os.waitstatus_to_exitcode(status) == 1 else 3)\n"
    )
    # A child that waited would not end.
    subprocess.run([sys.executable, "-c", program], check=True)


def test_those_that_lost_try_again_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "_pause", lambda seconds: None)
    context, datastore = memory_context()
    datastore.put("City/a", visits=0)
    many = 8
    all_have_read = threading.Barrier(many)
    lock = threading.Lock()
    again: list[int] = []

    def visit() -> None:
        attempts = 0

        def once(transaction: Transaction) -> None:
            nonlocal attempts
            attempts += 1
            found = transaction.reader.documents(["City/a"])["City/a"]
            if attempts == 1:
                all_have_read.wait(PATIENCE_S)
            else:
                with lock:
                    again.append(1)
            fields: dict[str, Any] = {"visits": found.fields["visits"] + 1}
            transaction.write(Write("update", "City/a", fields, ("visits",)))

        execute_transaction(once, context=context, max_attempts=2)

    # All but one lose; then each wins at once, as nobody else tries at the same time.
    together(*[visit] * many)
    assert datastore.fields("City/a") == {"visits": many}
    assert len(again) == many - 1
    assert running._turns.waiting() == 0


def test_the_last_conflict_is_raised_and_gives_up_its_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(running, "_pause", lambda seconds: None)
    context, datastore = memory_context()
    datastore.put("City/a", visits=0)
    by_others = itertools.count(1)

    def lose(transaction: Transaction) -> None:
        transaction.reader.documents(["City/a"])
        datastore.put("City/a", visits=-next(by_others))
        transaction.write(Write("update", "City/a", {"visits": 1}, ("visits",)))

    with pytest.raises(ConflictError):
        execute_transaction(lose, context=context, max_attempts=3)
    assert datastore.fields("City/a") == {"visits": -3}
    assert running._turns.waiting() == 0
