"""The session's own check, in a session that leaves a process behind."""

import os
from pathlib import Path

import pytest

from tests.processes import is_gone

# The shell ends when the other program has begun: while one begins, it has no environment to be
# known by.
LEAVING = """
    import subprocess

    LEAVE = "sleep 1000 & echo $! > pid; until grep -q sleep /proc/$!/comm; do :; done"

    def test_leaves_an_orphan():
        subprocess.run(["/bin/sh", "-c", LEAVE], check=True)
"""


def test_an_orphan_is_an_error_and_is_ended(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = "FLASK_BOILER_TEST_SESSION"
    monkeypatch.setenv(mark, os.environ[mark])  # the inner session sets it: put it back after
    monkeypatch.setattr("tests.conftest._TIME_TO_END_S", 0.0)
    pytester.makepyfile(LEAVING)

    result = pytester.runpytest("-p", "tests.conftest")

    result.assert_outcomes(passed=1, errors=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*processes left behind*", "*sleep 1000*"])
    assert is_gone(int(Path("pid").read_text()), timeout_s=30)
