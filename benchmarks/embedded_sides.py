"""The servers that are compared, each in a process of its own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from benchmarks.embedded_load import Load
from benchmarks.embedded_start import await_first_answer
from flask_boiler.local.google.installation import find_installation
from flask_boiler.local.google.supervised import SupervisedProcess

__all__ = [
    "EMULATOR",
    "FILE",
    "HEAP",
    "MEMORY",
    "SIDES",
    "Side",
    "at_work",
    "serving",
    "start_in_process",
]

EMULATOR, MEMORY, FILE = "emulator", "embedded in memory", "embedded on a file"
SIDES = (EMULATOR, MEMORY, FILE)
#: Java's, of the emulator.
HEAP = "2g"
_TIMEOUT_S = 60.0
_TICKS_S = 1 / os.sysconf("SC_CLK_TCK")


class Side(NamedTuple):
    """A server at work.

    :param listened: of another project: the emulator looks through all documents of a project for
        each query that is listened to, at each write.
    """

    name: str
    host: str
    pid: int
    load: Load
    listened: Load

    def cpu_s(self) -> float:
        """The processor time that it has used."""
        after_name = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(after_name[11]) + int(after_name[12])) * _TICKS_S

    def rss_mb(self) -> float:
        status = Path(f"/proc/{self.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        return round(int(line.split()[1]) / 1024, 1)


@contextmanager
def at_work(name: str, folder: Path, documents: int) -> Iterator[Side]:
    with serving(name, folder) as (host, pid):
        project = f"bench-{uuid.uuid4().hex[:12]}"
        with (
            closing(Load(host, project, documents)) as load,
            closing(Load(host, f"{project}-listened", documents)) as listened,
        ):
            yield Side(name, host, pid, load, listened)


def serving(name: str, folder: Path) -> AbstractContextManager[tuple[str, int]]:
    """A server that answers: its host and its process id."""
    if name == EMULATOR:
        return _serving_emulator()
    return _serving_embedded([str(folder / f"{uuid.uuid4().hex}.db")] if name == FILE else [])


@contextmanager
def _serving_emulator() -> Iterator[tuple[str, int]]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    installation = replace(find_installation(), max_heap=HEAP)
    process = SupervisedProcess(installation.command(address="127.0.0.1", port=port))
    try:
        assert process.pid is not None
        _await_listening(port)
        await_first_answer(f"127.0.0.1:{port}")
        yield f"127.0.0.1:{port}", process.pid
    finally:
        process.stop()


@contextmanager
def _serving_embedded(where: list[str]) -> Iterator[tuple[str, int]]:
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.embedded_server", *where],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            host = process.stdout.readline().strip()
            await_first_answer(host)
            yield host, process.pid
        finally:
            process.stdin.close()


def _await_listening(port: int) -> None:
    give_up_s = time.monotonic() + _TIMEOUT_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except ConnectionRefusedError:
            if time.monotonic() > give_up_s:
                raise
        time.sleep(0.002)


def start_in_process() -> dict[str, float]:
    """How long it takes in a process that needs one; see ``embedded_start``."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.embedded_start"],
        stdout=subprocess.PIPE,
        check=True,
        timeout=_TIMEOUT_S,
    )
    times: dict[str, float] = json.loads(done.stdout)
    return times
