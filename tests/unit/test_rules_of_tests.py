"""What CONTRIBUTING.md asks of tests, as far as their code shows it."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.sources import PACKAGE, ROOT, Source, sources_below

# What is parsed is parsed once.
pytestmark = pytest.mark.xdist_group("rules of tests")

UNIT = ROOT / "tests" / "unit"

# What stands at the top of tests/unit: tests of the code as a whole.
OF_THE_WHOLE = {
    "test_exported_members.py",
    "test_import_rules.py",
    "test_leftovers.py",
    "test_no_process_left.py",
    "test_rules_of_tests.py",
}

CLOCKS = {"monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "process_time", "time"}

# Calls that fail a test, of libraries.
CHECKS = {
    "assert_outcomes", "expect", "fail", "fnmatch_lines", "raises",
    "run_state_machine_as_test", "validate", "wait_for_function", "warns",
}  # fmt: skip
# Names so common that a function of the tests with such a name says nothing.
COMMON = {
    "cancel", "close", "collection", "commit", "count", "delete", "document", "get", "join",
    "listen", "next", "open", "order", "put", "refresh", "release", "save", "set", "start",
    "stop", "values", "write",
}  # fmt: skip
# Each executes a document, whose snippets assert.
CHECKED_ELSEWHERE = {"test_the_snippets_of_a_document_run_in_order"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def test_the_unit_tests_mirror_the_package() -> None:
    files = [path.relative_to(UNIT) for path in UNIT.rglob("test_*.py")]
    homeless = [path for path in files if not (PACKAGE / path.parent).is_dir()]
    assert [str(path) for path in homeless] == []
    assert {path.name for path in files if path.parent == Path()} == OF_THE_WHOLE


@pytest.fixture(scope="module")
def sources() -> list[Source]:
    """All of tests, parsed; not for longer than needed, as it is much for the garbage collector."""
    return sources_below("tests")


def test_tests_wait_for_conditions_and_never_sleep(sources: list[Source]) -> None:
    assert [
        f"{source.module}:{node.lineno}"
        for source in sources
        for node in ast.walk(source.tree)
        if (isinstance(node, ast.Attribute) and node.attr == "sleep")
        or (isinstance(node, ast.alias) and node.name == "sleep")
    ] == []


def test_no_test_asserts_how_long_something_took(sources: list[Source]) -> None:
    assert [
        f"{source.module}:{line}"
        for source in sources
        for function in functions(source.tree)
        for line in timed_assertions(function)
    ] == []


def test_every_test_checks_something(sources: list[Source]) -> None:
    helpers = checking_functions(sources)
    assert [
        f"{source.module}:{function.lineno}: {function.name}"
        for source in sources
        if source.path.name.startswith("test_")
        for function in functions(source.tree)
        if function.name.startswith("test_") and function.name not in CHECKED_ELSEWHERE
        if not is_checking(function, helpers)
    ] == []


def functions(tree: ast.AST) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def timed_assertions(function: Function) -> Iterator[int]:
    """The lines in which a clock, or what was computed from one, is asserted."""
    times = {
        target.id
        for node in ast.walk(function)
        if isinstance(node, ast.Assign) and reads_a_clock(node.value)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(function):
        if isinstance(node, ast.Assert):
            names = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
            if reads_a_clock(node) or names & times:
                yield node.lineno


def reads_a_clock(node: ast.AST) -> bool:
    return any(
        isinstance(call.func, ast.Attribute)
        and call.func.attr in CLOCKS
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id == "time"
        for call in ast.walk(node)
        if isinstance(call, ast.Call)
    )


def is_checking(function: Function, helpers: set[str]) -> bool:
    """Whether it may fail for what it finds, by itself or in a function of the tests."""
    return asserts(function) or not called(function).isdisjoint(helpers)


def asserts(function: Function) -> bool:
    nodes = list(ast.walk(function))
    return (
        any(isinstance(node, ast.Assert) for node in nodes)
        or any(
            keyword.arg == "check" and getattr(keyword.value, "value", False) is True
            for node in nodes
            if isinstance(node, ast.Call)
            for keyword in node.keywords
        )
        or not called(function).isdisjoint(CHECKS)
    )


def called(function: Function) -> set[str]:
    """The names of all functions and methods that it calls, but for those of subprocess."""
    calls = [node.func for node in ast.walk(function) if isinstance(node, ast.Call)]
    return {
        getattr(func, "id", getattr(func, "attr", ""))
        for func in calls
        if getattr(getattr(func, "value", None), "id", None) != "subprocess"
    }


def checking_functions(sources: Iterable[Source]) -> set[str]:
    """The names of the tests' own functions that check something, directly or not."""
    found: set[str] = set()
    others: list[tuple[str, set[str]]] = []
    for source in sources:
        for function in functions(source.tree):
            if function.name in COMMON or function.name.startswith("test_"):
                continue
            if asserts(function):
                found.add(function.name)
            else:
                others.append((function.name, called(function)))
    while more := {name for name, calls in others if name not in found and calls & found}:
        found |= more
    return found


@pytest.mark.parametrize(
    ("body", "is_timed"),
    [
        ("assert time.monotonic() - began < 3", True),
        ("took = time.perf_counter() - began\n    assert took < 3", True),
        ("channels.look(time.monotonic() + 20)\n    assert channels.ended", False),
    ],
)
def test_an_assertion_on_time_is_seen(body: str, is_timed: bool) -> None:
    (function,) = functions(ast.parse(f"def test_it():\n    {body}"))
    assert bool(list(timed_assertions(function))) == is_timed


@pytest.mark.parametrize(
    ("body", "checks"),
    [
        ("create_app()", False),
        ("values.get('a')", False),
        ("assert create_app()", True),
        ("with pytest.raises(ValueError):\n        create_app()", True),
        ("subprocess.run(['true'], check=True)", True),
        ("subprocess.run(['true'], check=False)", False),
        ("listener.wait_for(lambda: True)", True),
    ],
)
def test_what_checks_nothing_is_seen(body: str, checks: bool) -> None:
    (function,) = functions(ast.parse(f"def test_it():\n    {body}"))
    assert is_checking(function, {"wait_for"}) == checks


@pytest.mark.long
def test_every_test_is_in_one_tier() -> None:
    """As the Makefile chooses them, in some files of all kinds."""
    said = (ROOT / "Makefile").read_text(encoding="utf-8")
    quick, long = (
        collected(*shlex.split(value))
        for value in re.findall(r"^(?:QUICK|LONG) := (.*)$", said, re.MULTILINE)
    )
    assert quick and long and quick.isdisjoint(long)
    assert quick | long == collected()
    assert {one for one in quick | long if "google" in one or "histories" in one} <= long
    assert {one for one in quick | long if "embedded-" in one or "unit/" in one} <= quick


def collected(*options: str) -> set[str]:
    files = [
        "tests/firestore/test_ordering_agrees.py",
        "tests/firestore/test_transaction.py",
        "tests/histories",
        "tests/unit/ground/test_naming.py",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", *options, *files],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return {line for line in done.stdout.splitlines() if "::" in line}
