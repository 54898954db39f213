"""The bookings' workers: so many processes, until there is nothing left to do.

Run as a program of its own: a process that forks must not have used gRPC before.

    python -m tests.e2e.ridesharing_fleet HOST PROJECT WORKERS
"""

from __future__ import annotations

import os
import sys

from examples.ridesharing.app import create_app
from flask_boiler import Config
from tests.forks import forked


def main(host: str, project: str, workers: str) -> None:
    def work() -> None:
        app = create_app(Config(testing=True, project=project, emulator_host=host))
        boiler = app.extensions["boiler"]
        with boiler:
            boiler.settle(timeout_s=600)

    pids = [forked(work) for _ in range(int(workers))]
    endings = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
    if any(endings):
        raise SystemExit(f"workers ended with {endings}")


if __name__ == "__main__":
    main(*sys.argv[1:])
