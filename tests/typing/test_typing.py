"""Type checkers accept what they have to accept, and refuse exactly what they have to."""

from __future__ import annotations

import functools
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from google.cloud import firestore

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
MARK = "# refused"
#: The rules by which pyright reports that a package of others has no types.
UNTYPED = {
    "reportMissingTypeStubs",
    "reportUnknownArgumentType",
    "reportUnknownMemberType",
    "reportUnknownVariableType",
}


CASES = [HERE / f"{name}.py" for name in ("accept", "accept_stores", "reject", "reject_stores")]


# Each checker runs once for all cases, in one worker.
pytestmark = pytest.mark.xdist_group("typing")


@functools.cache
def refused_by_mypy() -> dict[str, set[int]]:
    """The lines that mypy refuses, by the names of files."""
    command = [sys.executable, "-m", "mypy", "--no-pretty", "--hide-error-context"]
    done = subprocess.run(
        [*command, *map(str, CASES)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    errors = re.findall(r"^(?:.*/)?(\w+\.py):(\d+): error: ", done.stdout, re.MULTILINE)
    assert errors or done.returncode == 0, done.stdout
    return lines_by_file((file, int(line)) for file, line in errors)


@functools.cache
def refused_by_pyright() -> dict[str, set[int]]:
    """The lines that pyright refuses, by the names of files."""
    errors = pyright_errors(pyright_report(*map(str, CASES)))
    return lines_by_file((Path(file).name, line) for file, line, _, _ in errors)


def lines_by_file(errors: Iterable[tuple[str, int]]) -> dict[str, set[int]]:
    found: dict[str, set[int]] = {path.name: set() for path in CASES}
    for file, line in errors:
        if file in found:
            found[file].add(line)
    return found


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


def pyright_errors(report: dict[str, Any]) -> list[tuple[str, int, str, str]]:
    """Files, lines, rules and messages of the errors."""
    return [
        (
            entry["file"],
            entry["range"]["start"]["line"] + 1,
            entry.get("rule", ""),
            entry["message"],
        )
        for entry in report["generalDiagnostics"]
        if entry["severity"] == "error"
    ]


CHECKERS = pytest.mark.parametrize("refused_by", [refused_by_mypy, refused_by_pyright])


def require_typed_google() -> None:
    if not (Path(firestore.__file__).parent / "py.typed").exists():
        pytest.skip("this release of google-cloud-firestore has no types, which these are about")


def marked_in(path: Path) -> set[int]:
    lines = path.read_text().splitlines()
    return {number for number, line in enumerate(lines, 1) if line.endswith(MARK)}


@CHECKERS
@pytest.mark.parametrize("name", ["accept.py", "accept_stores.py"])
def test_accepted(refused_by: Callable[[], dict[str, set[int]]], name: str) -> None:
    require_typed_google()
    assert refused_by()[name] == set()


@CHECKERS
@pytest.mark.parametrize("name", ["reject.py", "reject_stores.py"])
def test_refused(refused_by: Callable[[], dict[str, set[int]]], name: str) -> None:
    assert refused_by()[name] == marked_in(HERE / name)


@pytest.mark.long
@pytest.mark.timeout(300)
def test_pyright_finds_no_error_in_the_package_and_the_examples() -> None:
    report = pyright_report()
    sources = [*ROOT.glob("flask_boiler/**/*.py"), *ROOT.glob("examples/**/*.py")]
    assert report["summary"]["filesAnalyzed"] == len(sources)
    assert pyright_errors(report) == []


@pytest.mark.long
@pytest.mark.timeout(300)
def test_strict_settings_find_no_error_in_the_examples_and_in_what_is_accepted() -> None:
    require_typed_google()
    report = pyright_report("--project", str(HERE / "strict.json"))
    examples = list(ROOT.glob("examples/**/*.py"))
    assert report["summary"]["filesAnalyzed"] == len(examples) + 2
    errors = pyright_errors(report)
    # Examples use packages that have no types, or few; what is accepted uses none of those.
    assert [
        error for error in errors if Path(error[0]).parent == HERE or error[2] not in UNTYPED
    ] == []


def test_no_example_turns_a_rule_of_a_type_checker_off() -> None:
    pragma = re.compile(
        r"# (type: ignore|mypy:|pyright:)|\bcast\(|^\s*assert .* is not None", re.MULTILINE
    )
    examples = list(ROOT.glob("examples/**/*.py"))
    assert examples
    assert [str(path) for path in examples if pragma.search(path.read_text())] == []
