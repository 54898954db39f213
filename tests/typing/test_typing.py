"""Type checkers accept what they have to accept, and refuse exactly what they have to."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from google.cloud import firestore

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
MARK = "# refused"


def refused_by_mypy(path: Path) -> dict[int, str]:
    command = [sys.executable, "-m", "mypy", "--no-pretty", "--hide-error-context", str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    errors = re.finditer(rf"^.*{path.name}:(\d+): error: (.*)$", done.stdout, re.MULTILINE)
    found = {int(error[1]): error[2] for error in errors}
    assert found or done.returncode == 0, done.stdout
    return found


def refused_by_pyright(path: Path) -> dict[int, str]:
    return {line: message for _, line, message in pyright_errors(pyright_report(str(path)))}


def pyright_report(*arguments: str) -> dict[str, Any]:
    """Pyright's report; without arguments, of what pyproject.toml tells it to include."""
    pytest.importorskip("pyright", reason="pyright is not installed")
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable]
    done = subprocess.run(
        [*command, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if not done.stdout.startswith("{"):
        pytest.skip(f"pyright cannot be run here: {done.stderr.strip()[-200:]}")
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def pyright_errors(report: dict[str, Any]) -> list[tuple[str, int, str]]:
    return [
        (entry["file"], entry["range"]["start"]["line"] + 1, entry["message"])
        for entry in report["generalDiagnostics"]
        if entry["severity"] == "error"
    ]


Checker = Callable[[Path], dict[int, str]]
CHECKERS = pytest.mark.parametrize("refused_by", [refused_by_mypy, refused_by_pyright])


def marked_in(path: Path) -> set[int]:
    lines = path.read_text().splitlines()
    return {number for number, line in enumerate(lines, 1) if line.endswith(MARK)}


@CHECKERS
@pytest.mark.parametrize("name", ["accept", "accept_stores"])
def test_accepted(refused_by: Checker, name: str) -> None:
    if not (Path(firestore.__file__).parent / "py.typed").exists():
        pytest.skip("this release of google-cloud-firestore has no types, which accept.py is about")
    assert refused_by(HERE / f"{name}.py") == {}


@CHECKERS
@pytest.mark.parametrize("name", ["reject", "reject_stores"])
def test_refused(refused_by: Checker, name: str) -> None:
    path = HERE / f"{name}.py"
    assert refused_by(path).keys() == marked_in(path)


@pytest.mark.long
@pytest.mark.timeout(300)
def test_pyright_finds_no_error_in_the_package_and_the_examples() -> None:
    report = pyright_report()
    sources = [
        path for room in ("flask_boiler", "examples") for path in ROOT.glob(f"{room}/**/*.py")
    ]
    assert report["summary"]["filesAnalyzed"] == len(sources)
    assert pyright_errors(report) == []
