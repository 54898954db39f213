"""From a committed source to its view in another client's hands: how long, and how many.

The framework and its peer run at the same time, each in a process and a Firestore project of its
own, against one emulator, and are given work in turns, a few samples at a time, so that what else
the machine does touches both. Who writes and observes is the same for both. A round is

1. *chain*: one source of ten is written, its view is waited for, and so on; then of a hundred;
2. *burst of 500*, then *of 5,000*: that many new sources are committed as fast as they can be,
   500 to a commit; the clock stops when the last view has been seen. Then the same sources are
   all changed (those of the small burst several times, of which the median counts).

Each figure of the framework is divided by the peer's of the same round; what counts is the median
of the rounds.
"""

from __future__ import annotations

import http.client
import statistics
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from benchmarks.bare_materializer import Wire
from benchmarks.observer import Observer, source_write
from benchmarks.worker_process import running

__all__ = ["FRAMEWORK", "HANDWRITTEN", "PEER", "Round", "compare", "measure"]

PEER = "bare_materializer"
FRAMEWORK = "framework_worker"
HANDWRITTEN = "handwritten"

#: The emulator sends the whole collection again for every write to it (production sends one
#: document): a few sources show what the framework adds, more also what it waits for.
CHAINS = (10, 100)
CHAIN_SAMPLES = 150
BURSTS = (500, 5_000)
#: How often the sources of a burst are changed; a small burst is over so soon that one says little.
_CHANGES = {500: 5, 5_000: 1}
_SAMPLES_IN_A_TURN = 15
#: Between two samples, so that one does not wait for what the last one still causes.
_PAUSE_S = 0.005
_CHAIN_TIMEOUT_S = 10.0
_BURST_TIMEOUT_S = 60.0
_COMMIT_SIZE = 500
_pause = threading.Event()


@dataclass
class Round:
    """What was measured of one subject in one round.

    :ivar latencies_ms: from sending the source's commit to seeing the view, by the number
        of sources.
    :ivar throughput: views per second by phase, such as ``create 500``.
    """

    subject: str
    latencies_ms: dict[int, list[float]] = field(default_factory=dict)
    throughput: dict[str, float] = field(default_factory=dict)

    def figures(self) -> dict[str, float]:
        """Every figure by name, in milliseconds or in views per second."""
        latencies = {}
        for sources, measured in self.latencies_ms.items():
            samples = sorted(measured)
            latencies[f"p50 of {sources}"] = statistics.median(samples)
            latencies[f"p99 of {sources}"] = samples[int(len(samples) * 0.99)]
        return {**latencies, **self.throughput}

    def to_json(self) -> dict[str, Any]:
        figures = {name: float(f"{value:.4g}") for name, value in self.figures().items()}
        return {"subject": self.subject, **figures}


@dataclass
class _Runner:
    """A subject at work, and what was measured of it so far."""

    wire: Wire
    round: Round


#: A subject at work, and who sees its views.
_Watched: TypeAlias = tuple[_Runner, Observer]


def measure(
    subjects: Sequence[str],
    host: str,
    *,
    bursts: Sequence[int] = BURSTS,
    samples: int = CHAIN_SAMPLES,
) -> list[Round]:
    """One round of these subjects, taking turns."""
    with ExitStack() as stack:
        runners = [stack.enter_context(_at_work(subject, host)) for subject in subjects]
        for sources in CHAINS:
            _chain(runners, sources, samples)
        for size in bursts:
            _burst(runners, size)
    return [runner.round for runner in runners]


@contextmanager
def _at_work(subject: str, host: str) -> Iterator[_Runner]:
    """A subject in a new project, which is emptied again."""
    project = f"bench-{uuid.uuid4().hex[:12]}"
    wire = Wire(host, project)
    try:
        with running(f"benchmarks.{subject}", host, project):
            yield _Runner(wire, Round(subject))
    finally:
        wire.close()
        _empty(host, project)


@contextmanager
def _observed(runners: Sequence[_Runner], ids: Sequence[str]) -> Iterator[list[_Watched]]:
    with ExitStack() as stack:
        yield [(runner, stack.enter_context(Observer(runner.wire, ids))) for runner in runners]


def _in_turns(watched: Sequence[_Watched], turns: int) -> Iterator[_Watched]:
    """Each of them, so many times; who begins changes every time."""
    for turn in range(turns):
        yield from watched if turn % 2 == 0 else reversed(watched)


def _chain(runners: Sequence[_Runner], sources: int, samples: int) -> None:
    ids = [f"chain-{n}" for n in range(sources)]
    with _observed(runners, ids) as watched:
        for runner, observer in watched:
            _write_all(runner.wire, observer, dict.fromkeys(ids, 1))
            runner.round.latencies_ms[sources] = []
        for runner, observer in _in_turns(watched, samples // _SAMPLES_IN_A_TURN):
            latencies_ms = runner.round.latencies_ms[sources]
            for _ in range(_SAMPLES_IN_A_TURN):
                number = len(latencies_ms) + 2
                latencies_ms.append(_sample(runner.wire, observer, ids[number % sources], number))


def _sample(wire: Wire, observer: Observer, doc_id: str, number: int) -> float:
    _pause.wait(_PAUSE_S)
    observer.await_numbers({doc_id: number})
    write = source_write(wire, doc_id, number)
    start_ns = time.monotonic_ns()
    wire.commit([write])
    return (observer.seen_ns(_CHAIN_TIMEOUT_S) - start_ns) / 1e6


def _burst(runners: Sequence[_Runner], size: int) -> None:
    ids = [f"burst-{size}-{n}" for n in range(size)]
    with _observed(runners, ids) as watched:
        for runner, observer in _in_turns(watched, 1):
            created_s = _write_all(runner.wire, observer, dict.fromkeys(ids, 1))
            runner.round.throughput[f"create {size}"] = size / created_s
        changed_s: dict[str, list[float]] = {runner.round.subject: [] for runner in runners}
        for runner, observer in _in_turns(watched, _CHANGES[size]):
            times_s = changed_s[runner.round.subject]
            numbers = dict.fromkeys(ids, len(times_s) + 2)
            times_s.append(_write_all(runner.wire, observer, numbers))
        for runner in runners:
            median_s = statistics.median(changed_s[runner.round.subject])
            runner.round.throughput[f"change {size}"] = size / median_s


def _write_all(wire: Wire, observer: Observer, numbers: dict[str, int]) -> float:
    """Write these sources in as few commits as possible; seconds until the last view was seen."""
    observer.await_numbers(numbers)
    writes = [source_write(wire, doc_id, number) for doc_id, number in numbers.items()]
    start_ns = time.monotonic_ns()
    for start in range(0, len(writes), _COMMIT_SIZE):
        wire.commit(writes[start : start + _COMMIT_SIZE])
    return (observer.seen_ns(_BURST_TIMEOUT_S) - start_ns) / 1e9


def _empty(host: str, project: str) -> None:
    connection = http.client.HTTPConnection(host, timeout=30)
    try:
        path = f"/emulator/v1/projects/{project}/databases/(default)/documents"
        connection.request("DELETE", path)
        connection.getresponse().read()
    finally:
        connection.close()


def compare(
    host: str,
    *,
    rounds: int,
    last_start_s: float,
    progress: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Peer and framework in turns, and the handwritten callback once, as JSON.

    :param last_start_s: no further round begins after so many seconds.
    """
    no_more_at_s = time.monotonic() + last_start_s
    # The emulator's first seconds are its compiler's.
    measure([PEER], host, bursts=(500,), samples=60)
    progress("warmed up")
    pairs: list[tuple[Round, Round]] = []
    for number in range(rounds):
        if pairs and time.monotonic() > no_more_at_s:
            progress(f"no time left for more than {number} of {rounds} rounds")
            break
        subjects = (PEER, FRAMEWORK) if number % 2 == 0 else (FRAMEWORK, PEER)
        done = {each.subject: each for each in measure(subjects, host)}
        pairs.append((done[PEER], done[FRAMEWORK]))
        for each in pairs[-1]:
            progress(f"round {number + 1} of {rounds}: {_spelled(each)}")
    [handwritten] = measure([HANDWRITTEN], host, bursts=(500,), samples=45)
    progress(f"once: {_spelled(handwritten)}")
    return {
        "rounds": [each.to_json() for pair in pairs for each in pair],
        "handwritten": handwritten.to_json(),
        "framework_to_peer": _ratios([(peer.figures(), ours.figures()) for peer, ours in pairs]),
    }


def _ratios(pairs: Sequence[tuple[dict[str, float], dict[str, float]]]) -> dict[str, float]:
    return {
        name: round(statistics.median(ours[name] / peer[name] for peer, ours in pairs), 2)
        for name in pairs[0][0]
    }


def _spelled(done: Round) -> str:
    figures = (f"{name} {value:.3g}" for name, value in done.figures().items())
    return f"{done.subject}: {', '.join(figures)}"
