"""Virtual environments of packages that must not enter ours."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

# Half a minute on an idle machine, and minutes beside other work.
_INSTALL_WITHIN_S = 600.0


class NotInstalledError(Exception):
    """An environment cannot be made; its text says why."""


def with_packages(folder: Path, requirements: Sequence[str]) -> str:
    """The interpreter of a new environment in a folder, which has some packages of PyPI.

    :raises NotInstalledError: they cannot be installed, or not in time.
    """
    # Versions that this project is held to are none of theirs.
    environment = {n: value for n, value in os.environ.items() if n != "PIP_CONSTRAINT"}
    python = str(folder / "bin" / "python")
    commands = [
        [sys.executable, "-m", "venv", str(folder)],
        [python, "-m", "pip", "install", "--disable-pip-version-check", *requirements],
    ]
    for command in commands:
        try:
            done = subprocess.run(
                command,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=_INSTALL_WITHIN_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise NotInstalledError(
                f"{', '.join(requirements)}: not installed within {_INSTALL_WITHIN_S:g} s"
            ) from None
        if done.returncode:
            last = done.stdout.strip().rpartition("\n")[2]
            raise NotInstalledError(f"{', '.join(requirements)} cannot be installed: {last}")
    return python
