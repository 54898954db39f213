"""What the documents say of clients of others."""

from __future__ import annotations

import re
from pathlib import Path

from tests.foreign.suites import ADMIN, CHECKS, SUITES

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "embedded.md"


def test_the_document_has_every_suite_and_its_number() -> None:
    rows = re.findall(
        r"^\| `([\w-]+)` ([\d.]+) \| (\d+) \| ([^|]*) \|$", DOCUMENT.read_text(), re.MULTILINE
    )
    assert rows == [
        (one.package, one.version, str(one.passing), one.whose) for one in (*SUITES, ADMIN)
    ]


def test_every_file_of_checks_is_run() -> None:
    run = {path for suite in (*SUITES, ADMIN) for path in suite.tests}
    assert {str(path) for path in CHECKS.glob("*.*")} <= run
