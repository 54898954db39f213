"""The embedded Firestore beside Google's emulator, into ``benchmarks/latest_embedded.json``.

::

    python -m benchmarks.embedded [--rounds 5]

Three servers run at the same time, each in a process of its own: Google's emulator, which keeps
its data in memory, the embedded Firestore in memory, and the embedded Firestore on a file, each
of whose commits is on the disk before it is acknowledged. One client process asks them in turns,
with google-cloud-firestore. Exit status 1 says that a target was missed.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from benchmarks.embedded_listeners import FANOUTS, HELD, LISTENERS, Fanout
from benchmarks.embedded_load import RESULT
from benchmarks.embedded_sides import (
    EMULATOR,
    FILE,
    HEAP,
    MEMORY,
    SIDES,
    Side,
    at_work,
    serving,
    start_in_process,
)
from benchmarks.machine import machine

BATCHED = "batched writes (documents)"
START = "process start to first answer"
IN_PROCESS = "start() to first answer"
#: Of the start in the process that needs it, in seconds.
MOST_START_S = 0.3
#: How many times as fast as the emulator, at least, by how the measure's name begins.
LEAST_SPEED = {
    "single writes": 0.5,
    "batched writes": 0.5,
    "query": 1.0,
    "document, 100": 1.0,
    "100 queries": 1.0,
}

_LATEST = Path(__file__).parent / "latest_embedded.json"
_STARTS = 3
_LOAD_TURNS = 20
_WARM_UP_S = 0.2
_TURN_S = 0.4
_FANOUT_WRITES = 15
#: The emulator sends everything again for each of them.
_HELD_WRITES = 4
#: Whatever hangs, all of it ends after so long; no round begins in the last third of it.
_LIMIT_S = 295

#: What was measured of each side, in the order of the turns.
Found = dict[str, dict[str, list[float]]]
Say = Callable[[str], None]


class Plan(NamedTuple):
    """How much is done.

    :param no_more_at_s: no round begins later than this, by the monotonic clock.
    """

    documents: int
    rounds: int
    no_more_at_s: float


def main() -> int:
    arguments = _arguments()
    began_s = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began_s:6.1f} s  {text}", file=sys.stderr, flush=True)

    signal.signal(signal.SIGALRM, _give_up)
    signal.alarm(arguments.limit)
    plan = Plan(arguments.documents, arguments.rounds, began_s + arguments.limit / 3 * 2)
    with tempfile.TemporaryDirectory() as folder:
        report = compare(Path(folder), plan, say)
    arguments.output.write_text(json.dumps(report, indent=2) + "\n")
    missed = _print_table(report)
    say(f"written to {arguments.output}")
    return 1 if missed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.embedded", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="at most, as time allows (5)")
    parser.add_argument("--documents", type=int, default=100_000, help="loaded (100,000)")
    parser.add_argument("--limit", type=int, default=_LIMIT_S, help=f"in seconds ({_LIMIT_S})")
    parser.add_argument("--output", type=Path, default=_LATEST, help="where the JSON goes")
    return parser.parse_args()


def _give_up(number: int, frame: object) -> NoReturn:
    raise TimeoutError("the benchmark did not end in time; see --limit")


def compare(folder: Path, plan: Plan, say: Say) -> dict[str, Any]:
    """All figures, and the ratios of the embedded Firestore's to the emulator's."""
    starts = _measure_starts(folder, say)
    with ExitStack() as stack:
        sides = [stack.enter_context(at_work(name, folder, plan.documents)) for name in SIDES]
        memory = {side.name: {"after the start": side.rss_mb()} for side in sides}
        rates = Rates()
        _load(sides, plan.documents, rates, say)
        for side in sides:
            memory[side.name]["with all documents"] = side.rss_mb()
        say(f"memory (MB): {memory}")
        fanouts = _measure_rounds(sides, plan, rates, say)
        for side in sides:
            memory[side.name]["at the end"] = side.rss_mb()
    in_process = starts.pop("in process")
    return {
        "machine": machine(),
        "conditions": {
            "emulator": f"in memory, heap of {HEAP}",
            "rounds": len(rates.found[EMULATOR]["single reads"]),
            "documents": plan.documents,
            "documents in a query's result": RESULT,
            "listeners": LISTENERS,
            "one fsync of 4 KiB, ms": _fsync_ms(folder),
        },
        "in_process_start_s": {name: _median(values) for name, values in in_process.items()},
        "start_s": _medians(starts),
        "rates_per_s": _medians(rates.found),
        "server_cpu_ms": rates.cpu_ms(),
        "fanout_ms": _medians(fanouts.taken_ms),
        "fanout_cpu_ms": {
            "server": _medians(fanouts.server_cpu_ms),
            "client": _medians(fanouts.client_cpu_ms),
        },
        "memory_mb": memory,
        "speed_to_emulator": {
            name: {
                **_ratios(starts[EMULATOR], starts[name]),
                **_ratios(rates.found[name], rates.found[EMULATOR]),
                **_ratios(fanouts.taken_ms[EMULATOR], fanouts.taken_ms[name]),
            }
            for name in (MEMORY, FILE)
        },
        "memory_to_emulator": {
            name: {when: round(mb / memory[EMULATOR][when], 2) for when, mb in of_side.items()}
            for name, of_side in memory.items()
            if name != EMULATOR
        },
    }


# Starting.


def _measure_starts(folder: Path, say: Say) -> Found:
    found: Found = {name: {START: []} for name in SIDES}
    found["in process"] = {"import": [], IN_PROCESS: []}
    for turn in range(_STARTS):
        for name in _order(SIDES, turn):
            began_s = time.perf_counter()
            with serving(name, folder):
                found[name][START].append(time.perf_counter() - began_s)
        for part, taken_s in start_in_process().items():
            found["in process"]["import" if part == "import" else IN_PROCESS].append(taken_s)
    say(f"starts: {_medians(found)}")
    return found


# Measuring.


def _order(sides: Sequence[Any], turn: int) -> Sequence[Any]:
    """Who begins changes every time."""
    first = turn % len(sides)
    return [*sides[first:], *sides[:first]]


class Rates:
    """What was done per second, and the servers' processor time for each thing done."""

    def __init__(self) -> None:
        self.found: Found = {name: {} for name in SIDES}
        self._used: dict[str, dict[str, tuple[float, float]]] = {name: {} for name in SIDES}

    def measure(self, side: Side, name: str, measure: Callable[[], float]) -> None:
        """Have something done that tells its rate."""
        began_s, cpu_s = time.perf_counter(), side.cpu_s()
        rate = measure()
        done = rate * (time.perf_counter() - began_s)
        self.found[side.name].setdefault(name, []).append(rate)
        before, used_s = self._used[side.name].get(name, (0.0, 0.0))
        self._used[side.name][name] = (before + done, used_s + side.cpu_s() - cpu_s)

    def cpu_ms(self) -> dict[str, dict[str, float]]:
        """By side and name."""
        return {
            side: {name: float(f"{1000 * used / done:.3g}") for name, (done, used) in each.items()}
            for side, each in self._used.items()
        }


class Fanouts:
    """How long a write takes until all have heard of it, and the processor time that it takes."""

    def __init__(self) -> None:
        self.taken_ms, self.server_cpu_ms, self.client_cpu_ms = (
            _by_side_and_fanout() for _ in range(3)
        )

    def measure(self, side: Side, name: str) -> None:
        writes = _HELD_WRITES if "10,000" in name else _FANOUT_WRITES
        with closing(Fanout(side.host, side.listened, name)) as fanout:
            server_s, client_s = side.cpu_s(), time.process_time()
            self.taken_ms[side.name][name].append(fanout.measure_ms(writes))
            used_s = (side.cpu_s() - server_s, time.process_time() - client_s)
        for found, each_s in zip((self.server_cpu_ms, self.client_cpu_ms), used_s, strict=True):
            found[side.name][name].append(1000 * each_s / writes)


def _by_side_and_fanout() -> Found:
    return {side: {fanout: [] for fanout in FANOUTS} for side in SIDES}


def _load(sides: Sequence[Side], documents: int, rates: Rates, say: Say) -> None:
    size = documents // _LOAD_TURNS
    for turn in range(_LOAD_TURNS):
        numbers = range(turn * size, (turn + 1) * size)
        for side in _order(sides, turn):
            rates.measure(side, BATCHED, partial(side.load.write_all, "items", numbers))
    for side in sides:
        side.listened.write_all("held", range(HELD))
    say(f"loaded: {_medians(rates.found)}")


def _measure_rounds(sides: Sequence[Side], plan: Plan, rates: Rates, say: Say) -> Fanouts:
    """Fill in the rates, and give what fan-outs take."""
    measures = {side.name: side.load.measures() for side in sides}
    fanouts = Fanouts()
    for measure in measures[EMULATOR]:
        for side in sides:
            measures[side.name][measure](_WARM_UP_S)
    say("warmed up")
    for turn in range(plan.rounds):
        if turn and time.monotonic() > plan.no_more_at_s:
            say(f"no time left for more than {turn} of {plan.rounds} rounds")
            break
        for measure in measures[EMULATOR]:
            for side in _order(sides, turn):
                rates.measure(side, measure, partial(measures[side.name][measure], _TURN_S))
        for fanout in FANOUTS:
            for side in _order(sides, turn):
                fanouts.measure(side, fanout)
        say(f"round {turn + 1} of {plan.rounds}")
        for side in sides:
            last = {**rates.found[side.name], **fanouts.taken_ms[side.name]}
            say(f"  {side.name}: {_last(last)}")
    return fanouts


def _fsync_ms(folder: Path) -> float:
    """What the disk asks for a durable commit, at least."""
    taken_s = []
    with open(folder / "probe", "wb", buffering=0) as probe:
        for _ in range(50):
            began_s = time.perf_counter()
            probe.write(bytes(4096))
            os.fsync(probe.fileno())
            taken_s.append(time.perf_counter() - began_s)
    return _median([1000 * each for each in taken_s])


# Figures.


def _median(values: Sequence[float]) -> float:
    return float(f"{statistics.median(values):.3g}")


def _medians(found: Found) -> dict[str, dict[str, float]]:
    return {
        side: {name: _median(values) for name, values in measured.items()}
        for side, measured in found.items()
    }


def _last(measured: Mapping[str, Sequence[float]]) -> dict[str, float]:
    return {name: float(f"{values[-1]:.3g}") for name, values in measured.items()}


def _ratios(
    upper: Mapping[str, Sequence[float]], lower: Mapping[str, Sequence[float]]
) -> dict[str, float]:
    """The median of the ratios of the turns."""
    return {
        name: _median([a / b for a, b in zip(upper[name], lower[name], strict=True)])
        for name in upper
    }


def _print_table(report: dict[str, Any]) -> bool:
    """Print the ratios; whether a target was missed."""
    missed = False
    print(f"{'times as fast as the emulator':<34}{'in memory':>12}{'on a file':>12}")
    in_memory, on_file = (report["speed_to_emulator"][name] for name in (MEMORY, FILE))
    for name in in_memory:
        verdict, is_missed = _verdict(name, (in_memory[name], on_file[name]))
        missed |= is_missed
        print(f"{name:<34}{in_memory[name]:>12.2f}{on_file[name]:>12.2f}  {verdict}")
    print()
    print(f"{'times the memory of the emulator':<34}{'in memory':>12}{'on a file':>12}")
    in_memory, on_file = (report["memory_to_emulator"][name] for name in (MEMORY, FILE))
    for name in in_memory:
        print(f"{name:<34}{in_memory[name]:>12.2f}{on_file[name]:>12.2f}")
    print()
    start_s = report["in_process_start_s"][IN_PROCESS]
    met = "met" if start_s < MOST_START_S else "missed"
    print(f"{IN_PROCESS}: {start_s:.3f} s  under {MOST_START_S} s: {met}")
    print(f"import before it: {report['in_process_start_s']['import']:.3f} s")
    return missed or met == "missed"


def _verdict(name: str, speeds: Sequence[float]) -> tuple[str, bool]:
    for begin, least in LEAST_SPEED.items():
        if name.startswith(begin):
            met = [speed >= least for speed in speeds]
            words = " and ".join("met" if each else "missed" for each in met)
            return f"at least {least}: {words}", not all(met)
    return "", False


if __name__ == "__main__":
    sys.exit(main())
