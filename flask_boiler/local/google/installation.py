"""The search for Google's emulator on this machine, and for a Java that can run it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from flask_boiler.errors import LocalFirestoreNotFoundError

__all__ = ["Installation", "find_installation"]

_MAIN_CLASS = "com.google.cloud.datastore.emulator.firestore.CloudFirestore"
_JAR_IN_SDK = Path("platform", "cloud-firestore-emulator", "cloud-firestore-emulator.jar")

_REMEDIES = """\
Do one of these:
  - Debian or Ubuntu, with Google's package repository (https://cloud.google.com/sdk/docs/install):
      sudo apt-get install google-cloud-cli-firestore-emulator default-jre-headless
  - a Cloud SDK of your own:
      gcloud components install cloud-firestore-emulator     (and any Java: https://adoptium.net)
  - firebase-tools:
      firebase setup:emulators:firestore                     (and any Java: https://adoptium.net)
  - start a Firestore emulator anywhere yourself and set FIRESTORE_EMULATOR_HOST=HOST:PORT
  - have the jar elsewhere: give its path as the configuration key emulator_jar"""


@dataclass(frozen=True, slots=True)
class Installation:
    """An emulator and a Java that is new enough for it.

    :param max_heap: the most memory that its Java may use, in Java's notation.
    """

    jar: Path
    java: Path
    max_heap: str = "512m"

    def command(self, *, address: str, port: int) -> list[str]:
        """The command line that serves Firestore at ``address:port``."""
        return [
            str(self.java),
            f"-Xmx{self.max_heap}",
            "-XX:-UsePerfData",  # it would leave a file in the temporary directory when killed
            "-Duser.language=en",  # the emulator speaks only English correctly
            *("-cp", str(self.jar), _MAIN_CLASS),
            *("--host", address, "--port", str(port)),
        ]


@dataclass(frozen=True, slots=True)
class _Java:
    path: Path
    version: int


def find_installation(emulator_jar: str | os.PathLike[str] | None = None) -> Installation:
    """The first emulator on this machine for which there is a Java that can run it.

    :param emulator_jar: use this jar and look for no other.
    :raises LocalFirestoreNotFoundError: says where it looked and what to install.
    """
    looked: list[str] = []
    javas = list(_javas(looked))
    jars = iter([Path(emulator_jar)]) if emulator_jar is not None else _jars(looked)
    for jar in jars:
        needed = _java_version_needed_by(jar, looked)
        if needed is None:
            continue
        for java in javas:
            if java.version >= needed:
                return Installation(jar.resolve(), java.path)
        looked.append(f"{jar} needs Java {needed} or newer, and no such Java was found")
    raise LocalFirestoreNotFoundError(_not_found(looked))


def _not_found(looked: list[str]) -> str:
    lines = "\n".join(f"  - {line}" for line in looked)
    return (
        f"no local Firestore can be started here. These places were searched:\n{lines}\n{_REMEDIES}"
    )


def _jars(looked: list[str]) -> Iterator[Path]:
    """Emulator jars, those that are cheap to find first."""
    looked.append("FIRESTORE_EMULATOR_HOST is not set, the configuration key emulator_jar neither")
    yield from _jar_below(os.environ.get("CLOUDSDK_ROOT_DIR"), "CLOUDSDK_ROOT_DIR", looked)
    gcloud = shutil.which("gcloud")
    if gcloud is None:
        looked.append("no gcloud command on PATH")
    else:
        yield from _jar_below(Path(gcloud).resolve().parent.parent, f"the SDK of {gcloud}", looked)
    yield from _firebase_jars(looked)
    if gcloud is not None:
        # A wrapper (snap, asdf) does not lie in the SDK; gcloud knows, but takes seconds to tell.
        yield from _jar_below(_sdk_root(gcloud), f"the SDK that {gcloud} info names", looked)


def _jar_below(root: str | Path | None, what: str, looked: list[str]) -> Iterator[Path]:
    if not root:
        looked.append(f"{what}: not set")
        return
    jar = Path(root) / _JAR_IN_SDK
    if jar.is_file():
        yield jar
    else:
        looked.append(f"{what}: there is no {jar}")


def _firebase_jars(looked: list[str]) -> Iterator[Path]:
    """The emulators that firebase-tools downloaded, newest first."""
    set_folder = os.environ.get("FIREBASE_EMULATORS_PATH")
    folder = Path(set_folder) if set_folder else Path.home() / ".cache" / "firebase" / "emulators"
    jars = sorted(folder.glob("cloud-firestore-emulator-*.jar"), key=_version_in_name, reverse=True)
    if not jars:
        looked.append(f"firebase-tools' cache: there is no {folder}/cloud-firestore-emulator-*.jar")
    yield from jars


def _version_in_name(jar: Path) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", jar.stem)))


def _sdk_root(gcloud: str) -> str | None:
    return _output_of([gcloud, "info", "--format=value(installation.sdk_root)"], timeout_s=30.0)


def _javas(looked: list[str]) -> Iterator[_Java]:
    home = os.environ.get("JAVA_HOME")
    found = [str(Path(home) / "bin" / "java")] if home else []
    if on_path := shutil.which("java"):
        found.append(on_path)
    looked.append(f"JAVA_HOME is {home or 'not set'}, java on PATH: {on_path or 'none'}")
    for path in found:
        answer = _output_of([path, "-version"], timeout_s=30.0)
        version = re.search(r'version "(?:1\.)?(\d+)', answer or "")
        if version is None:
            looked.append(f"{path} -version names no version of Java")
        else:
            looked.append(f"{path} is Java {version[1]}")
            yield _Java(Path(path), int(version[1]))


def _output_of(command: list[str], *, timeout_s: float) -> str | None:
    """The output of a command, or ``None`` if it fails."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _java_version_needed_by(jar: Path, looked: list[str]) -> int | None:
    """The oldest Java that loads the emulator's main class, which that class's header tells."""
    try:
        with zipfile.ZipFile(jar) as classes, classes.open(f"{_path_of(_MAIN_CLASS)}") as main:
            header = main.read(8)
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        looked.append(f"{jar} is not Google's Firestore emulator: {error}")
        return None
    return int.from_bytes(header[6:8], "big") - 44


def _path_of(class_name: str) -> str:
    return class_name.replace(".", "/") + ".class"
