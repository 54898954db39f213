"""Programs run as a person runs them: with a pipe behind them, or on a terminal."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

__all__ = ["TIMEOUT_S", "Screen", "run_module", "screen"]

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 60.0


def run_module(name: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run ``python -m`` to its end."""
    return subprocess.run(
        [sys.executable, "-m", name, *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


class Screen:
    """A process on a terminal of its own, and what it shows there."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self._terminal, end = pty.openpty()
        self.shown = ""
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=end, stdout=end, stderr=end
        )
        os.close(end)

    def wait_for(self, pattern: str) -> re.Match[str]:
        deadline = time.monotonic() + TIMEOUT_S
        while (found := re.search(pattern, self.shown)) is None:
            if not self._read(deadline - time.monotonic()):
                pytest.fail(f"{pattern!r} is not shown; this is:\n{self.shown}")
        return found

    def end(self) -> int:
        """Press Ctrl-C; the exit status."""
        self.process.send_signal(signal.SIGINT)
        deadline = time.monotonic() + TIMEOUT_S
        while self._read(deadline - time.monotonic()):
            pass
        return self.process.wait(TIMEOUT_S)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._terminal)

    def _read(self, timeout_s: float) -> bool:
        ready, _, _ = select.select([self._terminal], [], [], max(0.0, timeout_s))
        try:
            self.shown += os.read(self._terminal, 4096).decode() if ready else ""
        except OSError:  # the last process on the terminal has ended
            return False
        return bool(ready)


@contextmanager
def screen(command: list[str], **environment: str) -> Iterator[Screen]:
    shown = Screen(command, {**os.environ, **environment})
    try:
        yield shown
    finally:
        shown.close()
