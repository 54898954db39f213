"""What holds for the whole session: no process is left, slowness is no failure; a Firestore."""

import contextlib
import gc
import os
import signal
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from hypothesis import strategies

from flask_boiler.ground.ports import LocalFirestore
from flask_boiler.local.google.installation import Installation
from tests.firestores import found_google_installation, running
from tests.processes import WITHOUT_SLOW_PLUGINS, is_gone, with_environment

_MARK = "FLASK_BOILER_TEST_SESSION"
_TIME_TO_END_S = 10.0
_HISTORIES = Path(__file__).with_name("histories")
#: Fixtures of which each needs Google's emulator.
_GOOGLES = {"google_emulator", "google_installation"}
#: What takes longest, in each tier.
_FIRST = {
    "test_embedded_differential.py",
    "test_google_system_tests.py",
    "test_histories.py",
    "test_scale.py",
    "test_task_crashes.py",
}

# How long an example takes says how busy the machine is, and nothing of the code.
hypothesis.settings.register_profile(
    "busy", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("busy")


def pytest_configure(config: pytest.Config) -> None:
    # A shell has what it runs in the background ignore Ctrl-C, and nohup has it ignore SIGHUP; so
    # would what tests start.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    # Clients of others that tests start, as channels that tests open, ask a proxy for everything.
    for variable in ("no_proxy", "NO_PROXY"):
        others = os.environ.get(variable)
        os.environ[variable] = ",".join(filter(None, [others, "localhost", "127.0.0.1", "[::1]"]))
    # Inherited by every process that a test starts, also by one whose parent is gone.
    if not _is_worker(config):
        os.environ[_MARK] = uuid.uuid4().hex


def pytest_itemcollected(item: pytest.Item) -> None:
    """Put into the long tier what needs Google's emulator, and the histories.

    Other tests that take long say so themselves, by ``@pytest.mark.long``.
    """
    needs_googles = not _GOOGLES.isdisjoint(getattr(item, "fixturenames", ()))
    if needs_googles or item.path.is_relative_to(_HISTORIES):
        item.add_marker(pytest.mark.long)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long, lest one worker be left alone with it at the end."""
    items.sort(key=lambda item: item.path.name not in _FIRST)


def pytest_collection_finish() -> None:
    """Spare the collector of garbage, which some tests call, what lasts as long as the session."""
    # Old versions of Hypothesis look, when first used, for who refers to what they have just made.
    hypothesis.given(strategies.none())(lambda _: None)()
    gc.collect()
    gc.freeze()


@pytest.fixture
def pytester(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """Pytest's own, whose sessions load no plugin that takes seconds and is of no use to them."""
    monkeypatch.setenv("PYTEST_ADDOPTS", " ".join(WITHOUT_SLOW_PLUGINS))
    return pytester


@pytest.fixture(scope="session")
def google_installation() -> Installation:
    """Google's emulator, for tests that start it themselves."""
    return found_google_installation()


@pytest.fixture(scope="session")
def google_emulator() -> Iterator[LocalFirestore]:
    """Google's emulator, for the whole session."""
    with running("google-emulator") as local:
        yield local


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if _is_worker(session.config):
        return
    left = _processes_left(f"{_MARK}={os.environ[_MARK]}")
    if left:
        _report(session, left)
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


def _processes_left(setting: str) -> dict[int, str]:
    deadline = time.monotonic() + _TIME_TO_END_S
    return {
        pid: command
        for pid, command in with_environment(setting).items()
        if not is_gone(pid, timeout_s=max(0.0, deadline - time.monotonic()))
    }


def _report(session: pytest.Session, left: dict[int, str]) -> None:
    """Add an error to the session's own, so that the closing line counts it."""
    lines = "\n".join(f"  {pid}: {command}" for pid, command in left.items())
    report = pytest.TestReport(
        nodeid="the session",
        location=("", None, "the session"),
        keywords={},
        outcome="failed",
        longrepr=f"processes left behind {_TIME_TO_END_S:g} s after the last test:\n{lines}",
        when="teardown",
    )
    terminal = session.config.pluginmanager.getplugin("terminalreporter")
    if terminal is not None:
        terminal.stats.setdefault("error", []).append(report)
    if session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
