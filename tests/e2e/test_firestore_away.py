"""``flask boiler`` while Firestore is away: what is said of it, and that a signal ends the waiting.

Far more patience than any of it takes: what fails here hangs, and does not merely take long.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO

import pytest

from flask_boiler.context.clients import close_client, local_client
from tests.ports import free_port

PROJECT = "away"
TIMEOUT_S = 100.0
#: Longer than any end may take, and shorter than what used to be waited for.
END_WITHIN_S = 40.0


@pytest.fixture
def port() -> int:
    """One at which nothing listens."""
    return free_port()


@pytest.fixture
def black_hole() -> Iterator[int]:
    """The port of what takes connections, and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


@contextmanager
def process(*command: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-m", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
    ) as started:
        # What never says what is waited for fails, and does not hang.
        watchdog = threading.Timer(TIMEOUT_S, started.kill)
        watchdog.start()
        try:
            yield started
        finally:
            watchdog.cancel()
            started.kill()


@contextmanager
def boiler(port: int, *arguments: str, app: str = "served_app") -> Iterator[subprocess.Popen[str]]:
    command = ("flask", "--app", f"tests.e2e.{app}", "boiler", *arguments)
    with process(
        *command, BOILER_PROJECT=PROJECT, BOILER_EMULATOR_HOST=f"127.0.0.1:{port}"
    ) as started:
        yield started


@contextmanager
def firestore(port: int) -> Iterator[subprocess.Popen[str]]:
    with process("flask_boiler.embedded", "--port", str(port)) as started:
        until(started, "export FIRESTORE_EMULATOR_HOST")
        yield started


def until(running: subprocess.Popen[str], text: str) -> str:
    """What a process says, up to a line that contains the text."""
    said = ""
    for line in _output(running):
        said += line
        if text in line:
            return said
    raise AssertionError(f"it never said {text!r}, but:\n{said}")


def ended(running: subprocess.Popen[str], *signals: signal.Signals) -> str:
    """What a process says from the first signal to its end, which is orderly."""
    for number in signals:
        running.send_signal(number)
    rest, _ = running.communicate(timeout=END_WITHIN_S)
    assert running.returncode == 0, rest
    assert rest.rstrip().endswith("stopped"), rest
    assert "Traceback" not in rest
    return rest


def _output(running: subprocess.Popen[str]) -> IO[str]:
    assert running.stdout is not None
    return running.stdout


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_start_without_firestore_says_so_waits_and_ends_on_a_signal(
    port: int, number: signal.Signals
) -> None:
    with boiler(port, "run") as running:
        said = until(running, "does not answer")
        assert f"127.0.0.1:{port} (project away)" in said
        assert "nothing listens there" in said
        ended(running, number)


def test_a_firestore_that_comes_late_is_found(port: int) -> None:
    with boiler(port, "run", "--status-every", "0.1") as running:
        until(running, "does not answer")
        with firestore(port):
            until(running, f"Firestore answers again at 127.0.0.1:{port}")
            until(running, "published 0")
            ended(running, signal.SIGTERM)


def test_what_takes_connections_and_never_answers_is_told_apart(black_hole: int) -> None:
    with boiler(black_hole, "run") as running:
        assert "takes connections but does not answer" in until(running, "does not answer")
        ended(running, signal.SIGTERM)


@pytest.mark.long
@pytest.mark.parametrize("app", ["served_app", "served_tasks_app"])
def test_who_waits_for_a_time_gives_up_with_a_status(port: int, app: str) -> None:
    with boiler(port, "run", "--wait", "1", app=app) as running:
        said, _ = running.communicate(timeout=TIMEOUT_S)
        assert running.returncode == 1, said
    assert "gave up after 1 s" in said
    assert f"127.0.0.1:{port}" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_one_that_goes_amid_the_work_is_told_of_and_does_not_hold_up_the_end(
    port: int, number: signal.Signals
) -> None:
    with firestore(port) as server, boiler(port, "run", app="served_tasks_app") as running:
        client = local_client(f"127.0.0.1:{port}", project=PROJECT, database="(default)")
        client.document("jobs/1").set({"title": "a long one", "obj_type": "Job", "doc_id": "1"})
        close_client(client)
        until(running, "applying")
        server.send_signal(number)
        # On a busy machine it may have been told before that one that lives is slow.
        until(running, "nothing listens" if number is signal.SIGKILL else "takes connections")
        ended(running, signal.SIGTERM)


@pytest.mark.long
def test_more_signals_hasten_the_end_and_do_not_spoil_it(black_hole: int) -> None:
    with boiler(black_hole, "run") as running:
        until(running, "does not answer")
        ended(running, *[signal.SIGTERM, signal.SIGHUP] * 3)


@pytest.mark.long
def test_a_getter_that_never_returns_does_not_hold_up_the_end(port: int) -> None:
    with firestore(port), boiler(port, "run", app="served_stuck_app") as running:
        until(running, "stuck")
        ended(running, signal.SIGTERM)


@pytest.mark.long
@pytest.mark.parametrize("command", [("list",), ("retry", "--all"), ("drop", "--all")])
def test_commands_for_tasks_say_what_they_wait_for(port: int, command: tuple[str, ...]) -> None:
    with boiler(port, "tasks", *command, app="served_tasks_app") as running:
        assert f"127.0.0.1:{port}" in until(running, "does not answer")
    with boiler(port, "tasks", *command, "--wait", "0.5", app="served_tasks_app") as running:
        said, _ = running.communicate(timeout=TIMEOUT_S)
        # Of a list, 1 would say that something is parked.
        assert running.returncode == (2 if command == ("list",) else 1)
        assert "gave up after 0.5 s" in said and "Traceback" not in said


@pytest.mark.long
def test_a_firestore_that_comes_late_is_waited_for(port: int) -> None:
    with process("flask", "boiler", "wait", "--host", f"127.0.0.1:{port}") as waiting:
        assert f"at 127.0.0.1:{port}: " in until(waiting, "does not answer")
        with firestore(port):
            rest, _ = waiting.communicate(timeout=TIMEOUT_S)
            assert waiting.returncode == 0, rest
    assert rest.endswith(f"Firestore answers at 127.0.0.1:{port}\n")


@pytest.mark.parametrize(
    "command",
    [
        ("views", "list"),
        pytest.param(("tasks", "retry", "--all"), marks=pytest.mark.long),
        pytest.param(("wait",), marks=pytest.mark.long),
        pytest.param(("firestore", "export"), marks=pytest.mark.long),
    ],
)
def test_ctrl_c_ends_what_waits_in_one_line(
    black_hole: int, command: tuple[str, ...], tmp_path: Path
) -> None:
    target = [str(tmp_path / "all.jsonl")] if command[-1] == "export" else []
    with boiler(black_hole, *command, *target, app="served_tasks_app") as running:
        until(running, "does not answer")
        running.send_signal(signal.SIGINT)
        rest, _ = running.communicate(timeout=END_WITHIN_S)
        assert running.returncode == 130, rest
    assert rest.endswith("interrupted\n") and "Traceback" not in rest


@pytest.mark.parametrize(
    "command", [("export", "all.jsonl"), ("import", "all.jsonl"), ("clear", "--yes")]
)
def test_commands_for_the_data_say_what_they_wait_for(
    black_hole: int, command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "all.jsonl").touch()
    asked = ("flask", "boiler", "firestore", *command, "--host", f"127.0.0.1:{black_hole}")
    with process(*asked) as running:
        assert f"127.0.0.1:{black_hole}: what listens" in until(running, "does not answer")
    with process(*asked, "--wait", "1") as running:
        said, _ = running.communicate(timeout=TIMEOUT_S)
        assert running.returncode == 1
        assert "gave up after 1 s" in said and "Traceback" not in said


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize(
    "command", [("flask_boiler.embedded",), ("flask", "boiler", "firestore", "start")]
)
def test_the_embedded_firestore_ends_orderly_on_any_number_of_signals(
    command: tuple[str, ...], number: signal.Signals
) -> None:
    with process(*command, "--port", "0") as running:
        until(running, "export FIRESTORE_EMULATOR_HOST")
        ended(running, number, number, signal.SIGTERM)


@pytest.mark.long
def test_a_hangup_that_is_ignored_stays_ignored(port: int) -> None:
    held = "import signal, os, sys; signal.signal(signal.SIGHUP, signal.SIG_IGN); "
    program = held + "os.execv(sys.executable, [sys.executable, '-m', 'flask_boiler.embedded'])"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as running:
        until(running, "export FIRESTORE_EMULATOR_HOST")
        running.send_signal(signal.SIGHUP)
        ended(running, signal.SIGINT)


def asked(port: int, path: str, method: str = "GET") -> tuple[int, str]:
    """The status of an answer of the worker's, and its text."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)) as connection:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def test_a_worker_says_over_http_whether_it_is_alive_and_ready(port: int) -> None:
    http_port = free_port()
    address = f"127.0.0.1:{http_port}"
    with boiler(port, "run", "--http", address, "--status-every", "0.1") as running:
        until(running, "does not answer")
        assert asked(http_port, "/healthz")[0] == 200
        status, text = asked(http_port, "/readyz")
        assert status == 503
        told = json.loads(text)
        assert not told["ready"] and f"127.0.0.1:{port}" in " ".join(told["why_not"])
        with firestore(port):
            until(running, "published 0, lag 0.0 s\n")
            status, text = asked(http_port, "/readyz")
            assert (status, json.loads(text)["ready"]) == (200, True)
            assert asked(http_port, "/")[0] == 404
            for method in ("POST", "PUT", "DELETE", "PATCH"):
                assert asked(http_port, "/readyz", method)[0] == 501
            # One that says nothing holds up no other.
            with socket.create_connection(("127.0.0.1", http_port)):
                assert asked(http_port, "/healthz")[0] == 200
            ended(running, signal.SIGTERM)


@pytest.mark.long
def test_an_address_that_is_taken_is_refused(port: int, black_hole: int) -> None:
    with boiler(port, "run", "--http", f"127.0.0.1:{black_hole}") as running:
        said, _ = running.communicate(timeout=TIMEOUT_S)
        assert running.returncode == 1
        assert f"cannot listen at 127.0.0.1:{black_hole}" in said and "Traceback" not in said
