"""The embedded server without the framework: as it would be as a distribution of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from tests.firestore.embedded_alone import SERVER
from tests.sources import ROOT
from tests.unit.test_import_rules import EMBEDDED_MAY_IMPORT

TIMEOUT_S = 60


def test_the_server_serves_where_nothing_else_of_the_package_can_be_imported() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.firestore.embedded_alone", *sorted(EMBEDDED_MAY_IMPORT)],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if "EMULATOR" not in name},
        text=True,
        stdout=subprocess.PIPE,
        timeout=TIMEOUT_S,
        check=True,
    )
    said = json.loads(done.stdout)
    assert said["names"] == ["San Francisco"]
    assert said["heard"]
    assert said["threads"] == []
    files = {name for name in said["modules"] if not name.startswith(SERVER)}
    assert files >= EMBEDDED_MAY_IMPORT
    rooms = files - EMBEDDED_MAY_IMPORT
    assert rooms == {"flask_boiler.firestore", "flask_boiler.ground", "flask_boiler.local"}
