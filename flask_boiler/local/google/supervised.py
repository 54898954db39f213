"""A command that runs as long as this process does, and not a moment longer."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Sequence
from pathlib import Path

from flask_boiler.local.google import supervisor

__all__ = ["SupervisedProcess"]

_SUPERVISOR = str(Path(supervisor.__file__).resolve())
_MARGIN_S = 5.0


class SupervisedProcess:
    """A command whose end is certain, however this process ends.

    ::

        this process ──leash──► supervisor ──► command
              (a pipe that the kernel closes)

    Both run in a session of their own, so Ctrl-C in the terminal reaches only this
    process, which then decides when to stop them.

    :param command: the program and its arguments.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop()
        self._supervisor = subprocess.Popen(
            [sys.executable, "-I", "-S", _SUPERVISOR, *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._output,
            bufsize=0,
            start_new_session=True,
            cwd="/",
        )
        assert self._supervisor.stdout is not None
        with self._supervisor.stdout as line:
            told = line.readline().strip()
        self.pid: int | None = int(told) if told else None
        _running.add(self)

    def exit_status(self) -> int | None:
        """The command's exit status, or ``None`` while it runs."""
        return self._supervisor.poll()

    def output(self, *, last_bytes: int = 8192) -> str:
        """The end of what the command printed; empty after ``stop``."""
        if self._output.closed:
            return ""
        # pread leaves the file's position alone, which the command's writing shares.
        descriptor = self._output.fileno()
        size = os.fstat(descriptor).st_size
        tail = os.pread(descriptor, last_bytes, max(0, size - last_bytes))
        return tail.decode(errors="replace")

    def kill(self) -> None:
        """End the command at once, as a crash would."""
        if self.pid is not None and self.exit_status() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        self.stop()

    def stop(self) -> None:
        """End the command; returns when it is gone. In a forked child it leaves it alone."""
        self.release()
        try:
            self._supervisor.wait(supervisor.GRACE_S + _MARGIN_S)
        except subprocess.TimeoutExpired:
            os.killpg(self._supervisor.pid, signal.SIGKILL)
            self._supervisor.wait()
        self._output.close()

    def release(self) -> None:
        """Let go of the leash without waiting for the end."""
        leash = self._supervisor.stdin
        assert leash is not None
        if not leash.closed:
            leash.close()


_running: weakref.WeakSet[SupervisedProcess] = weakref.WeakSet()


def _release_in_child() -> None:
    # A forked child holds copies of every leash; with one of them alive, the command would
    # outlive the process that it belongs to.
    for process in _running:
        process.release()


os.register_at_fork(after_in_child=_release_in_child)
