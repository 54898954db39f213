"""What the process that watches files does before its child starts."""

from __future__ import annotations

import subprocess
import sys

import pytest

from flask_boiler.context import reloader


@pytest.mark.parametrize("variable", ["", "false"])
def test_other_processes_may_be_started_meanwhile(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    monkeypatch.setattr(reloader, "_steps", [])
    reloader.before_child(lambda: done.append("step"))
    subprocess.run([sys.executable, "-c", ""], check=True)
    subprocess.run([sys.executable, "-c", ""], check=True, env={"WERKZEUG_RUN_MAIN": variable})
    assert done == []
    subprocess.run([sys.executable, "-c", ""], check=True, env={"WERKZEUG_RUN_MAIN": "true"})
    assert done == ["step"]


def test_what_fails_keeps_the_child_from_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise OSError("kept")

    done: list[str] = []
    monkeypatch.setattr(reloader, "_steps", [])
    reloader.before_child(lambda: done.append("second"))
    reloader.before_child(fail, first=True)
    subprocess.run([sys.executable, "-c", ""], check=True, env={"WERKZEUG_RUN_MAIN": "true"})
    assert done == ["second"]
    assert "could not release something that its child needs" in caplog.text
