"""What commands say on terminals and in pipes."""

from __future__ import annotations

import io
import sys
import threading

import pytest

from flask_boiler.operate.cli.terminal import counted, line_of, progress_told, say_json


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_shown_on_a_terminal_and_gone_at_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    asked = threading.Event()

    def done() -> str:
        asked.set()
        return "3 of 5"

    with progress_told("retrying", done, every_s=0.001):
        assert asked.wait(30)
    said = terminal.getvalue()
    assert "retrying 3 of 5, 0 s" in said
    assert said.endswith("s\r\x1b[K")
    assert "\n" not in said


def test_a_pipe_is_told_no_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = io.StringIO()
    monkeypatch.setattr(sys, "stderr", pipe)
    threads = threading.active_count()
    with progress_told("retrying", lambda: "3 of 5", every_s=0.001):
        assert threading.active_count() == threads
    assert pipe.getvalue() == ""


def test_what_is_stored_does_not_reach_a_terminal_as_it_is() -> None:
    assert line_of("a\nb\t\x1b[2Jc\u202e") == "a b \\x1b[2Jc\\u202e"


def test_json_is_sorted(capsys: pytest.CaptureFixture[str]) -> None:
    say_json({"b": 1, "a": [{"d": 1, "c": 2}]})
    said = capsys.readouterr().out
    assert [said.index(f'"{name}"') for name in "acdb"] == sorted(
        said.index(f'"{name}"') for name in "acdb"
    )


def test_numbers_have_their_nouns() -> None:
    assert [counted(n, "task") for n in (0, 1, 2)] == ["0 tasks", "1 task", "2 tasks"]
