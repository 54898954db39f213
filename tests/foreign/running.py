"""Running tests of others on a Firestore, with an interpreter that has what they need."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.foreign.endings_plugin import ENDINGS

_ROOT = Path(__file__).resolve().parents[2]
# One of their tests takes up to a second, on a busy machine many times that.
_TEST_TIMEOUT_S = 120
_ALL_WITHIN_S = 800.0


class Ending(NamedTuple):
    """How a test ended.

    :param outcome: ``passed``, ``failed`` or ``skipped``.
    :param message: the end of what pytest says about it.
    """

    outcome: str
    message: str


def run(
    tests: Sequence[str],
    host: str,
    *,
    python: str,
    folder: Path,
    endings: Path,
    plugins: Sequence[str] = (),
    settings: Mapping[str, str] | None = None,
) -> dict[str, Ending]:
    """Run them on a Firestore, in a process of their own; how each ended, by its node id.

    :param tests: what pytest is told to run.
    :param python: an interpreter that has pytest and pytest-timeout.
    :param folder: where they are run, and of which alone conftest files are read.
    :param endings: a file to be written.
    :param plugins: modules that pytest loads, beside pytest-timeout; it loads no others.
    :param settings: variables of the environment.
    """
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")
    }
    environment |= {
        "FIRESTORE_EMULATOR_HOST": host,
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": str(_ROOT),
        ENDINGS: str(endings),
        **(settings or {}),
    }
    loaded = ["no:cacheprovider", "pytest_timeout", "tests.foreign.endings_plugin", *plugins]
    options = [
        *(word for plugin in loaded for word in ("-p", plugin)),
        # No configuration of ours: it makes warnings errors.
        *("-c", os.devnull, "--rootdir", str(folder), "--confcutdir", str(folder)),
        f"--timeout={_TEST_TIMEOUT_S}",
    ]
    done = subprocess.run(
        [python, "-m", "pytest", *options, *tests],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_ALL_WITHIN_S,
        check=False,
    )
    if not endings.exists():
        raise RuntimeError(f"pytest did not come to its end:\n{done.stdout[-3000:]}")
    return {test: Ending(*ending) for test, ending in json.loads(endings.read_text()).items()}
