"""Google's own system tests of google-cloud-firestore: fetching them from PyPI, running them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from importlib.metadata import version
from pathlib import Path, PurePosixPath

from tests.foreign import running as foreign
from tests.foreign.running import Ending

PACKAGE = "google-cloud-firestore"
#: They are for the library that is installed.
VERSION = version(PACKAGE)
FILES = ("test_system.py", "test_system_async.py", "test_pipeline_acceptance.py")

_FOLDER = ("tests", "system")


class NotFetchedError(Exception):
    """The tests cannot be had; its text says why."""


def fetched() -> Path:
    """The folder with the tests, below the user's cache; they are fetched if they are not there.

    :raises NotFetchedError: PyPI cannot be reached, or its source distribution has no tests.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "flask-boiler" / f"{PACKAGE}-{VERSION}"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as made:
            unpacked = Path(made, "tests")
            _unpack(_download(Path(made)), unpacked)
            # Whole or not at all, also for who does the same at the same time.
            if not folder.exists():
                unpacked.rename(folder)
    return folder


def _download(folder: Path) -> Path:
    # There is no telling pip that only the archive is wanted: it also asks it for its metadata.
    command = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check"]
    options = ["--retries", "1", "--no-deps", "--no-binary", PACKAGE, "--dest", str(folder)]
    done = subprocess.run(
        [*command, *options, f"{PACKAGE}=={VERSION}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        last = done.stdout.strip().rpartition("\n")[2]
        raise NotFetchedError(f"pip could not download {PACKAGE} {VERSION}: {last}")
    (archive,) = folder.glob("*.tar.gz")
    return archive


def _unpack(archive: Path, folder: Path) -> None:
    """Write the files of the archive's folder of system tests."""
    with tarfile.open(archive) as files:
        for member in files:
            parts = PurePosixPath(member.name).parts
            content = files.extractfile(member)
            if parts[1:3] != _FOLDER or ".." in parts or content is None:
                continue
            path = folder.joinpath(*parts[3:])
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                shutil.copyfileobj(content, file)
    if not (folder / FILES[0]).exists():
        raise NotFetchedError(f"there are no system tests in {archive.name}")


def run(folder: Path, host: str, *, endings: Path) -> dict[str, Ending]:
    """Run all of them on a Firestore; how each ended, by its node id.

    :param endings: a file to be written.
    """
    return foreign.run(
        [name for name in FILES if (folder / name).exists()],
        host,
        python=sys.executable,
        folder=folder,
        endings=endings,
        plugins=["tests.firestore.google_plugin"],
        settings={"GCLOUD_PROJECT": "system-tests", "SYSTEM_TESTS_DATABASE": "named"},
    )
