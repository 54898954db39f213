"""A worker in a process of its own: applies the patches of salons until it is killed.

With ``before`` or ``after`` it kills itself, just before or just after the commit of a patch.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

from flask_boiler import Boiler, Config
from flask_boiler.ground.values import CommitResult, Write
from tests.firestore.salons import salon_patches


def main(host: str, project: str, die: str = "") -> None:
    boiler = Boiler(config=Config(testing=True, project=project, emulator_host=host))
    boiler.add(salon_patches())
    if die:
        _die_at_commit(boiler.context.datastore, die)
    with boiler:
        sys.stdout.write("running\n")
        sys.stdout.flush()
        sys.stdin.read()


def _die_at_commit(datastore: Any, when: str) -> None:
    commit = datastore.commit

    def killing(writes: Sequence[Write], **options: Any) -> CommitResult:
        of_patch = any("_PATCH/" in write.path for write in writes)
        if of_patch and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result: CommitResult = commit(writes, **options)
        if of_patch:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    datastore.commit = killing


if __name__ == "__main__":
    main(*sys.argv[1:])
