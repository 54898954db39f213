"""A worker in a process of its own: keeps badges and notes until it is killed.

With ``left`` it kills itself when places were left that are not claimed yet.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

from flask_boiler import Boiler, Config
from flask_boiler.ground.values import CommitResult, Write
from tests.firestore.seating import badges, notes


def main(host: str, project: str, die: str = "") -> None:
    boiler = Boiler(config=Config(testing=True, project=project, emulator_host=host))
    for mediator in (badges(), *notes()):
        boiler.add(mediator)
    if die:
        _die_when_left(boiler.context.datastore)
    # However busy the machine is: who moves waits for all that move with it.
    publisher: Any = boiler.engine.publisher
    publisher.patience_s = 60.0
    with boiler:
        sys.stdout.write("running\n")
        sys.stdout.flush()
        sys.stdin.read()


def _die_when_left(datastore: Any) -> None:
    commit = datastore.commit

    def killing(writes: Sequence[Write], **options: Any) -> CommitResult:
        result: CommitResult = commit(writes, **options)
        if any(w.kind == "delete" and w.path.startswith("seats/") for w in writes):
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    datastore.commit = killing


if __name__ == "__main__":
    main(*sys.argv[1:])
