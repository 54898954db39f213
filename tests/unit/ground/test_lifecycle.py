"""Threads and pools: what ends one is told, they are reused, and keep no process from ending."""

from __future__ import annotations

import ast
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from flask_boiler.ground.lifecycle import DaemonPool, OwnThread, ProcessLock
from tests.sources import Source, package_sources

TIMEOUT_S = 30
OTHER_WAYS = {"Thread", "Timer", "ThreadPoolExecutor", "start_new_thread", "start_background_task"}
#: What makes them for all others, and a program of its own that imports nothing of the package.
MAY = {"flask_boiler.ground.lifecycle", "flask_boiler.local.google.supervisor"}


def makers(source: Source) -> Iterator[str]:
    """The calls by which a file makes threads, and the classes that it derives from them."""
    for node in ast.walk(source.tree):
        made = [node.func] if isinstance(node, ast.Call) else getattr(node, "bases", [])
        for expression in made:
            name = getattr(expression, "attr", getattr(expression, "id", ""))
            if name in OTHER_WAYS:
                yield name


def test_no_thread_of_the_package_is_made_in_another_way() -> None:
    found = {source.module: list(makers(source)) for source in package_sources()}
    assert {module for module, made in found.items() if made} == MAY


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("kind", [ValueError, SystemExit, GeneratorExit])
def test_a_thread_that_ends_says_so_and_tells_who_waits(
    kind: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    def work() -> None:
        raise kind("our fault")

    told: list[BaseException] = []
    with caplog.at_level(logging.CRITICAL):
        thread = OwnThread(work, name="flask-boiler-x", stops="no x", on_failure=told.append)
        thread.start()
        thread.join(TIMEOUT_S)
    assert [type(error) for error in told] == [kind]
    [record] = caplog.records
    assert record.levelno == logging.CRITICAL
    assert "flask-boiler-x" in record.getMessage()
    assert "no x" in record.getMessage()
    assert record.exc_info is not None
    assert record.exc_info[1] is told[0]


# Pools of them.


def test_a_call_is_answered_or_fails() -> None:
    pool = DaemonPool(2, name="calls")
    assert pool.submit(divmod, 7, 2).result(TIMEOUT_S) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        pool.submit(divmod, 7, 0).result(TIMEOUT_S)
    pool.shutdown()


def test_calls_run_at_once_up_to_the_limit_and_the_others_wait_for_their_turn() -> None:
    pool = DaemonPool(2, name="calls")
    both_run, ended = threading.Barrier(3), threading.Event()

    def call() -> str:
        both_run.wait(TIMEOUT_S)
        ended.wait(TIMEOUT_S)
        return threading.current_thread().name

    running = [pool.submit(call) for _ in range(2)]
    both_run.wait(TIMEOUT_S)
    waiting = pool.submit(threading.current_thread)
    assert not waiting.done()
    ended.set()
    names = {future.result(TIMEOUT_S) for future in running}
    assert names == {"calls_0", "calls_1"}
    assert waiting.result(TIMEOUT_S).name in names
    pool.shutdown()


def test_a_thread_that_waits_is_used_again() -> None:
    pool = DaemonPool(100, name="calls")
    for _ in range(50):
        name = pool.submit(lambda: threading.current_thread().name).result(TIMEOUT_S)
        assert name == "calls_0"
        while pool._idle == 0:
            """It is about to wait."""
    pool.shutdown()


def test_what_was_taken_is_done_and_nothing_is_taken_after_the_shutdown() -> None:
    pool = DaemonPool(1, name="calls")
    futures = [pool.submit(pow, 2, n) for n in range(20)]
    pool.shutdown()
    assert [future.result(0) for future in futures] == [2**n for n in range(20)]
    assert not any(thread.is_alive() for thread in pool._threads)
    with pytest.raises(RuntimeError, match="takes no calls"):
        pool.submit(pow, 2, 2)


def test_a_call_that_was_cancelled_while_it_waited_does_not_run() -> None:
    pool = DaemonPool(1, name="calls")
    begun, ended = threading.Event(), threading.Event()

    def call() -> None:
        begun.set()
        ended.wait(TIMEOUT_S)

    first = pool.submit(call)
    assert begun.wait(TIMEOUT_S)
    second = pool.submit(pytest.fail, "it was cancelled")
    assert second.cancel()
    ended.set()
    pool.shutdown()
    assert first.result(0) is None


def test_a_call_that_never_ends_does_not_keep_the_process() -> None:
    program = (
        "import threading\n"
        "from flask_boiler.ground.lifecycle import DaemonPool\n"
        "begun = threading.Event()\n"
        "def call():\n"
        "    begun.set()\n"
        "    threading.Event().wait()\n"
        "DaemonPool(1, name='calls').submit(call)\n"
        "begun.wait()\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=TIMEOUT_S)


def test_a_call_that_nobody_asks_about_fails_loudly(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise SystemExit("enough")

    pool = DaemonPool(1, name="calls")
    with caplog.at_level(logging.CRITICAL):
        pool.run(fail)
        assert pool.submit(threading.active_count).result(TIMEOUT_S)
    pool.shutdown()
    [record] = caplog.records
    assert "calls" in record.getMessage()
    assert record.exc_info is not None


def test_a_lock_is_free_in_a_child_unless_it_is_held_by_who_forked() -> None:
    lock = ProcessLock()
    with ThreadPoolExecutor(1) as other:
        assert other.submit(lock.acquire).result(TIMEOUT_S)
        assert not lock.acquire(0.0)
        # What is done after a fork, where the other thread is gone.
        lock.renew()
        with lock:
            lock.renew()
            assert not other.submit(lock.acquire, 0.0).result(TIMEOUT_S)
        assert other.submit(lock.acquire, 0.0).result(TIMEOUT_S)
