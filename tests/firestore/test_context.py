"""Contexts in processes that fork: run in a process of their own.

A fork disturbs gRPC in the parent too, where other tests would be the ones to hang.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from flask_boiler.ground.ports import LocalFirestore


@pytest.mark.timeout(180)
def test_forked_processes_have_connections_of_their_own(
    firestore_emulator: LocalFirestore,
) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, "tests/firestore/forking.py"],
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 passed" in done.stdout
