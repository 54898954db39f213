"""One write, told to a thousand WebSocket clients: the framework beside Flask-SocketIO by hand.

::

    python -m benchmarks.fanout [--clients 1000] [--rounds 3]

Each side is a process that serves the clients, which are sockets of this one and do no more than
note when a message came. Time is from before the commit until a client has the message: percentiles
over the clients, medians over the writes. CPU is the serving process's, for each write. Rounds
alternate between the sides.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.fanout_server import NAMESPACE, Board
from flask_boiler import ApplicationContext, Config
from flask_boiler.local.google.launcher import start_google_emulator

SIDES = ("framework", "by-hand")
#: The framework's 99th percentile and CPU, at most so many times those by hand.
MOST = 1.3
WRITES = 20
_LATEST = Path(__file__).parent / "latest_fanout.json"
_TIMEOUT_S = 120.0
_TICKS_S = 1 / os.sysconf("SC_CLK_TCK")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fanout", description=__doc__)
    parser.add_argument("--clients", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path, default=_LATEST)
    options = parser.parse_args()
    with start_google_emulator() as local:
        report = compare(local.host, clients=options.clients, rounds=options.rounds)
    options.output.write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps(report, indent=2))
    ratios = report["framework_to_by_hand"]
    return int(max(ratios["p99_ms"], ratios["cpu_ms"]) > MOST)


def compare(host: str, *, clients: int, rounds: int) -> dict[str, Any]:
    """The figures of both sides, medians over the rounds, and their ratios."""
    found: dict[str, list[dict[str, float]]] = {side: [] for side in SIDES}
    for number in range(rounds):
        for side in SIDES if number % 2 == 0 else SIDES[::-1]:
            found[side].append(_measure(side, host, clients))
            print(f"{side}: {found[side][-1]}", file=sys.stderr, flush=True)
    median = {
        side: {name: round(statistics.median(r[name] for r in results), 1) for name in results[0]}
        for side, results in found.items()
    }
    ours, theirs = median["framework"], median["by-hand"]
    ratios = {name: round(ours[name] / theirs[name], 2) for name in ours}
    return {"clients": clients, "writes": WRITES, **median, "framework_to_by_hand": ratios}


def _measure(side: str, host: str, clients: int) -> dict[str, float]:
    project = f"fanout-{uuid.uuid4().hex[:12]}"
    context = ApplicationContext(Config(project=project, emulator_host=host, testing=True))
    try:
        with context.activated():
            Board.new(doc_id="a", count=0, sent_at=0.0, lines=["x" * 20] * 20).save()
            with _serving(side, host, project) as (port, pid):
                return asyncio.run(_Crowd(port, pid, clients).measure())
    finally:
        context.close()


@contextmanager
def _serving(*arguments: str) -> Iterator[tuple[int, int]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.fanout_server", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline()), process.pid
    finally:
        process.kill()
        process.communicate()


class _Crowd:
    """Many clients on one loop."""

    def __init__(self, port: int, pid: int, size: int) -> None:
        self._port = port
        self._pid = pid
        self._size = size
        self._arrived: list[float] = []
        self._all = asyncio.Event()
        self._count = 0

    async def measure(self) -> dict[str, float]:
        """Percentiles over the clients, of the median write; and CPU for each write."""
        # One after the other a few at a time, as the kernel's queue of connections is short.
        gate = asyncio.Semaphore(20)
        clients = [_Socket(self._port, self._note) for _ in range(self._size)]

        async def join(client: _Socket) -> None:
            async with gate:
                await asyncio.wait_for(client.subscribe(), _TIMEOUT_S)

        await asyncio.gather(*map(join, clients))
        of_writes: list[list[float]] = []
        cpu_s = _cpu_s(self._pid)
        for number in range(1, WRITES + 1):
            of_writes.append(statistics.quantiles(await self._write(number), n=100))
        used_s = _cpu_s(self._pid) - cpu_s
        for client in clients:
            client.close()
        return {
            "p50_ms": round(statistics.median(cuts[49] for cuts in of_writes), 1),
            "p99_ms": round(statistics.median(cuts[98] for cuts in of_writes), 1),
            "cpu_ms": round(used_s / WRITES * 1000, 1),
        }

    async def _write(self, number: int) -> list[float]:
        self._count, self._arrived = number, []
        self._all.clear()
        board = Board.get_or_raise("a")
        started = time.perf_counter()
        await asyncio.to_thread(_commit, board, number)
        await asyncio.wait_for(self._all.wait(), _TIMEOUT_S)
        return [(at - started) * 1000 for at in self._arrived]

    def _note(self, event: list[Any]) -> None:
        if event[0] == "updated" and event[1]["count"] == self._count:
            self._arrived.append(time.perf_counter())
            if len(self._arrived) == self._size:
                self._all.set()


def _commit(board: Board, number: int) -> None:
    board.update(count=number, sent_at=time.time())


class _Socket:
    """A Socket.IO client as small as can be."""

    def __init__(self, port: int, on_event: Callable[[list[Any]], None]) -> None:
        self._port = port
        self._on_event = on_event
        self._subscribed = asyncio.Event()

    async def subscribe(self) -> None:
        """Connect, and subscribe to the board."""
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [
            "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1",
            f"Host: 127.0.0.1:{self._port}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Version: 13",
        ]
        self._writer.write("\r\n".join([*lines, "", ""]).encode())
        await self._reader.readuntil(b"\r\n\r\n")
        self._reading = asyncio.create_task(self._read())
        await self._subscribed.wait()

    def close(self) -> None:
        """Go."""
        self._reading.cancel()
        self._writer.close()

    async def _read(self) -> None:
        while True:
            text = await self._next()
            if text.startswith("0"):
                self._send(f"40{NAMESPACE},")
            elif text.startswith("40"):
                self._send(f'42{NAMESPACE},1["subscribe_view_model",{{"doc_id":"a"}}]')
            elif text.startswith("43"):
                self._subscribed.set()
            elif text.startswith("42"):
                self._on_event(json.loads(text.partition(",")[2]))
            elif text == "2":
                self._send("3")

    async def _next(self) -> str:
        _, length = await self._reader.readexactly(2)
        if length == 126:
            length = int.from_bytes(await self._reader.readexactly(2))
        return (await self._reader.readexactly(length)).decode()

    def _send(self, text: str) -> None:
        # Masked, as clients must, by a key that changes nothing.
        data = text.encode()
        assert len(data) < 126
        self._writer.write(bytes([0x81, 0x80 | len(data), 0, 0, 0, 0]) + data)


def _cpu_s(pid: int) -> float:
    """The processor time that a process has used."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) * _TICKS_S


if __name__ == "__main__":
    sys.exit(main())
