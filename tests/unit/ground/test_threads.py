"""Threads of the framework's own: what ends one is told, and nothing of users' does."""

from __future__ import annotations

import ast
import logging
import threading
from collections.abc import Iterator

import pytest

from flask_boiler.ground.pool import DaemonPool
from flask_boiler.ground.ports import Incomplete
from flask_boiler.ground.threads import OwnThread, as_exception, is_failure
from tests.sources import Source, package_sources

TIMEOUT_S = 30
OTHER_WAYS = {"Thread", "Timer", "ThreadPoolExecutor", "start_new_thread", "start_background_task"}
#: What makes them for all others, and a program of its own that imports nothing of the package.
MAY = {"flask_boiler.ground.threads", "flask_boiler.local.google.supervisor"}


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


def test_what_is_no_exception_is_a_failure_on_threads_of_ours_alone() -> None:
    pool = DaemonPool(1, name="ours")
    ours = {error: pool.submit(is_failure, error).result(TIMEOUT_S) for error in ERRORS}
    pool.shutdown()
    assert list(ours.values()) == [True, True, True, False]
    assert [is_failure(error) for error in ERRORS] == [True, False, False, False]


ERRORS = [ValueError(), SystemExit(), KeyboardInterrupt(), Incomplete(["a/1"])]


def test_a_failure_is_told_as_what_ends_nobody() -> None:
    error, ending = ValueError("x"), SystemExit("x")
    assert as_exception(error, "a/1") is error
    told = as_exception(ending, "a/1")
    assert str(told) == "a/1 was ended by SystemExit('x')"
    assert told.__cause__ is ending


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
