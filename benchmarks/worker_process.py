"""Processes that the benchmarks start, and end in bounded time however they themselves end."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["running"]

_START_S = 45.0
_STOP_S = 15.0


@contextmanager
def running(module: str, *arguments: str) -> Iterator[int]:
    """``python -m MODULE ARGUMENTS`` from when it says that it is ready; gives its process id.

    A worker ends when its standard input does, so it cannot outlive this process.

    :raises RuntimeError: it ended, or was not ready in time.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        _wait_until_ready(process, module)
        yield process.pid
    finally:
        _end(process)


def _wait_until_ready(process: subprocess.Popen[str], module: str) -> None:
    assert process.stdout is not None
    # Reading a pipe has no time limit of its own; the end of the process ends it.
    timer = threading.Timer(_START_S, process.kill)
    timer.start()
    try:
        said = process.stdout.readline().strip()
    finally:
        timer.cancel()
    if said != "ready":
        raise RuntimeError(f"{module} was not ready within {_START_S:g} s; it said {said!r}")


def _end(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.close()
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    finally:
        assert process.stdout is not None
        process.stdout.close()
