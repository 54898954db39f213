"""Clients of others on the embedded Firestore, each in an environment of its own.

`make foreign` runs it, and `make soak` does; its name keeps it out of `make test`.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from flask_boiler.embedded import EmbeddedFirestore
from flask_boiler.operate.testing.plugin import skip_unless_required
from tests.e2e.node import admin_packages
from tests.foreign.environments import NotInstalledError, with_packages
from tests.foreign.running import run
from tests.foreign.suites import ADMIN, CHECKS, SUITES, Suite

_PROJECT = {"GCLOUD_PROJECT": "suites", "GOOGLE_CLOUD_PROJECT": "suites"}


@pytest.mark.timeout(1_600)
@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.package)
def test_a_client_in_python(suite: Suite, tmp_path: Path) -> None:
    also = ["pytest", "pytest-timeout", *(["pytest-asyncio"] if suite.is_asynchronous else [])]
    try:
        python = with_packages(tmp_path / "venv", [f"{suite.package}=={suite.version}", *also])
    except NotInstalledError as error:
        skip_unless_required(str(error))
    with EmbeddedFirestore() as server:
        endings = run(
            suite.tests,
            server.host,
            python=python,
            folder=CHECKS if suite.is_of_ours else tmp_path,
            endings=tmp_path / "endings.json",
            plugins=["pytest_asyncio.plugin"] if suite.is_asynchronous else [],
            settings=_PROJECT,
        )
    assert {node: one for node, one in endings.items() if one.outcome != "passed"} == {}
    assert len(endings) == suite.passing


@pytest.mark.timeout(600)
def test_a_client_in_node() -> None:
    packages = admin_packages(ADMIN.version)
    with EmbeddedFirestore() as server:
        done = subprocess.run(
            ["node", *ADMIN.tests],
            env=os.environ
            | _PROJECT
            | {
                "FIRESTORE_EMULATOR_HOST": server.host,
                "NODE_PATH": str(packages),
                # It would look for the machine that Google's cloud has.
                "METADATA_SERVER_DETECTION": "none",
            },
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    endings = json.loads(done.stdout.splitlines()[-1])
    assert {name: wrong for name, wrong in endings.items() if wrong} == {}
    assert len(endings) == ADMIN.passing


def test_what_cannot_be_installed_is_told(tmp_path: Path) -> None:
    with pytest.raises(
        NotInstalledError,
        match=r"^--no-index, no-such-client cannot be installed: .*no-such-client",
    ):
        with_packages(tmp_path / "venv", ["--no-index", "no-such-client"])
