"""Firebase's packages in node, unmodified, on the embedded Firestore."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from flask_boiler.embedded import EmbeddedFirestore
from tests.e2e.node import firebase_packages

PROGRAM = Path(__file__).parent / "firebase_clients.cjs"


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_rules_unit_testing_and_the_lite_sdk_work(
    embedded_firestore: EmbeddedFirestore, name: str
) -> None:
    port = embedded_firestore.host.rpartition(":")[2]
    done = subprocess.run(
        ["node", str(PROGRAM), name, port],
        env=os.environ | {"NODE_PATH": str(firebase_packages())},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "known": {"n": 1},
        "disabled": 2,
        "cleared": False,
        "lite": [["b", 3], ["a", 2]],
        "count": 2,
        "deleted": True,
    }
