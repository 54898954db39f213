"""Writes down how each test ended: loaded by pytest beside tests of others (``-p``)."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

#: Names the file that is written.
ENDINGS = "FLASK_BOILER_ENDINGS"

_endings: dict[str, tuple[str, str]] = {}


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    # A test has three; and parts of it have some of their own, of a class that is derived.
    before = _endings.get(report.nodeid, ("passed", ""))
    if type(report) is pytest.TestReport and before[0] == "passed":
        _endings[report.nodeid] = (report.outcome, report.longreprtext[-500:])


def pytest_sessionfinish() -> None:
    Path(os.environ[ENDINGS]).write_text(json.dumps(_endings))
