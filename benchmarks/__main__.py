"""``python -m benchmarks`` (or ``make bench``) runs all of them, into ``benchmarks/latest.json``.

Exit status 1 says that a target was missed.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

from benchmarks.chain import compare
from benchmarks.machine import machine
from flask_boiler.local.google.launcher import start_google_emulator

LATEST = Path(__file__).parent / "latest.json"
#: With more sources, the emulator's sending them all again is what is measured.
LATENCY = "p50 of 10"
#: The framework's p50 latency, at most so many times its peer's.
MOST_LATENCY = 2.0
#: The framework's throughput, at least so much of its peer's.
LEAST_THROUGHPUT = 0.5
#: A round takes 20 s on an idle machine of two cores.
_LAST_ROUND_STARTS_S = 130.0
_SCALE_TIMEOUT_S = 60.0
#: Whatever hangs, all of it ends.
_LIMIT_S = 240


def main() -> int:
    arguments = _arguments()
    started_s = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - started_s:6.1f} s  {text}", file=sys.stderr, flush=True)

    signal.signal(signal.SIGALRM, _give_up)
    signal.alarm(_LIMIT_S)
    with start_google_emulator(max_heap="2g") as local:
        say(f"Firestore at {local.host}")
        chain = compare(
            local.host,
            rounds=arguments.rounds,
            last_start_s=_LAST_ROUND_STARTS_S,
            progress=say,
        )
        scale = _scale(local.host)
        say(f"scale: {scale}")
    report = {"machine": machine(), "chain": chain, "scale": scale}
    arguments.output.write_text(json.dumps(report, indent=2) + "\n")
    missed = _print_table(chain, scale)
    say(f"written to {arguments.output}")
    return 1 if missed else 0


def _give_up(number: int, frame: object) -> NoReturn:
    raise TimeoutError(f"the benchmarks did not end within {_LIMIT_S} s")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="at most, as time allows (5)")
    parser.add_argument("--output", type=Path, default=LATEST, help="where the JSON goes")
    return parser.parse_args()


def _scale(host: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.scale", host],
        stdout=subprocess.PIPE,
        check=True,
        timeout=_SCALE_TIMEOUT_S,
    )
    return json.loads(done.stdout)


def _print_table(chain: dict[str, Any], scale: dict[str, Any]) -> bool:
    """Print the ratios and counts; whether a target was missed."""
    verdicts = [_verdict(name, ratio) for name, ratio in chain["framework_to_peer"].items()]
    print(f"{'framework : peer':<24}{'ratio':>8}")
    for (name, ratio), verdict in zip(chain["framework_to_peer"].items(), verdicts, strict=True):
        print(f"{name:<24}{ratio:>8.2f}  {verdict}")
    print()
    for name, value in scale.items():
        print(f"{name:<24}{value:>8}")
    return any(verdict.endswith("missed") for verdict in verdicts)


def _verdict(name: str, ratio: float) -> str:
    if name == LATENCY:
        met, target = ratio <= MOST_LATENCY, f"at most {MOST_LATENCY}"
    elif name.startswith("p"):
        return ""
    else:
        met, target = ratio >= LEAST_THROUGHPUT, f"at least {LEAST_THROUGHPUT}"
    return f"{target}: {'met' if met else 'missed'}"


if __name__ == "__main__":
    sys.exit(main())
