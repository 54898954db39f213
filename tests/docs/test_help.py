"""``help(flask_boiler)`` begins with a program that works as it stands."""

import subprocess
import sys
import textwrap
from pathlib import Path

import flask_boiler


def test_the_program_in_the_help_prints_the_view(tmp_path: Path) -> None:
    _, _, rest = str(flask_boiler.__doc__).partition("::\n\n")
    program = tmp_path / "cities.py"
    lines = rest.splitlines()
    end = next(n for n, line in enumerate(lines) if line and not line.startswith("    "))
    program.write_text(textwrap.dedent("\n".join(lines[:end])), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(program)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "SAN FRANCISCO\n"), done.stderr
