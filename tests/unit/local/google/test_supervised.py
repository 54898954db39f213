"""A supervised command ends with the process that wants it, however that ends."""

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from flask_boiler.local.google import supervisor
from flask_boiler.local.google.supervised import SupervisedProcess
from tests.processes import is_gone

WAITING = [sys.executable, "-I", "-S", "-c", "import signal; signal.pause()"]

OWNER = """
    import os, sys
    from flask_boiler.local.google.supervised import SupervisedProcess
    process = SupervisedProcess([sys.executable, "-I", "-S", "-c", "import signal; signal.pause()"])
    def tell(*pids):
        print(*pids, flush=True)
"""


@contextmanager
def owner(body: str) -> Iterator["subprocess.Popen[str]"]:
    """A process that supervises a command and then does as the body says."""
    program = textwrap.dedent(OWNER) + textwrap.dedent(body)
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def pids_told(process: "subprocess.Popen[str]") -> list[int]:
    assert process.stdout is not None
    return [int(pid) for pid in process.stdout.readline().split()]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_command_ends_when_its_owner_is_killed(how: signal.Signals) -> None:
    with owner("tell(process.pid); input()") as process:
        (command,) = pids_told(process)
        assert not is_gone(command, timeout_s=0)
        process.send_signal(how)
        assert is_gone(command, timeout_s=30)


@pytest.mark.parametrize("end", ["pass", "raise RuntimeError", "os._exit(0)"])
def test_the_command_ends_when_its_owner_ends_without_stopping_it(end: str) -> None:
    with owner(f"tell(process.pid); {end}") as process:
        (command,) = pids_told(process)
        assert is_gone(command, timeout_s=30)


def test_a_forked_child_does_not_keep_the_command_alive() -> None:
    body = """
        child = os.fork()
        if child == 0:
            process.stop()
            sys.stdin.read()
        tell(process.pid, child)
        input()
    """
    with owner(body) as process:
        command, child = pids_told(process)
        assert not is_gone(command, timeout_s=0)
        process.kill()
        assert is_gone(command, timeout_s=30)
        assert not is_gone(child, timeout_s=0)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="prctl is Linux's")
def test_the_command_ends_when_its_supervisor_is_killed() -> None:
    process = SupervisedProcess(WAITING)
    assert process.pid is not None
    os.kill(process._supervisor.pid, signal.SIGKILL)
    assert is_gone(process.pid, timeout_s=30)
    process.stop()


def test_stopping_waits_for_the_end_and_may_be_repeated() -> None:
    process = SupervisedProcess(WAITING)
    assert process.exit_status() is None
    assert process.pid is not None
    process.stop()
    assert is_gone(process.pid, timeout_s=0)
    process.stop()


def test_killing_is_immediate() -> None:
    process = SupervisedProcess(WAITING)
    assert process.pid is not None
    process.kill()
    assert is_gone(process.pid, timeout_s=0)
    assert process.exit_status() == -signal.SIGKILL % 256


def test_a_command_that_ignores_sigterm_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "GRACE_S", 0.05)
    stubborn = (
        "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "print('ready', flush=True); signal.pause()"
    )
    command = [sys.executable, "-I", "-S", "-c", stubborn]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        supervisor._end(process)
        assert process.returncode == -signal.SIGKILL


def test_an_interrupt_from_the_terminal_does_not_reach_the_command() -> None:
    process = SupervisedProcess(WAITING)
    try:
        assert process.pid is not None
        assert os.getsid(process.pid) != os.getsid(0)
        assert os.getpgid(process.pid) != os.getpgid(0)
    finally:
        process.stop()


def test_status_and_output_of_a_command_that_ends_by_itself_are_kept() -> None:
    program = (
        "import sys; print('to out', flush=True); print('to err', file=sys.stderr); sys.exit(3)"
    )
    process = SupervisedProcess([sys.executable, "-I", "-S", "-c", program])
    process._supervisor.wait(10)
    assert process.exit_status() == 3
    assert process.output().split("\n") == ["to out", "to err", ""]
    assert process.output(last_bytes=4) == "err\n"
    process.stop()
    assert process.output() == ""


def test_a_command_that_cannot_be_run_says_so() -> None:
    process = SupervisedProcess(["/nowhere/java"])
    assert process.pid is None
    process._supervisor.wait(10)
    assert process.exit_status() == 127
    assert "/nowhere/java cannot be run: " in process.output()
    process.kill()
