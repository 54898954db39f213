"""Finding the emulator and Java, on machines made up of a few files."""

import os
import zipfile
from pathlib import Path

import pytest

from flask_boiler.errors import ConfigurationError, LocalFirestoreNotFoundError
from flask_boiler.local.google.installation import find_installation

MAIN_CLASS = "com/google/cloud/datastore/emulator/firestore/CloudFirestore.class"
IN_SDK = Path("platform/cloud-firestore-emulator/cloud-firestore-emulator.jar")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with an empty PATH, home and environment."""
    for variable in ("JAVA_HOME", "CLOUDSDK_ROOT_DIR", "FIREBASE_EMULATORS_PATH"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path


def add_jar(path: Path, *, java: int = 11) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as jar:
        jar.writestr(MAIN_CLASS, b"\xca\xfe\xba\xbe\x00\x00" + (java + 44).to_bytes(2, "big"))
    return path


def add_program(path: Path, prints: str, *, status: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{prints}' >&2\nexit {status}\n")
    path.chmod(0o755)
    return path


def add_java(path: Path, version: str = "17.0.15") -> Path:
    return add_program(path, f'openjdk version "{version}" 2025-04-15')


def test_the_sdk_of_the_gcloud_command_is_found_through_links(machine: Path) -> None:
    jar = add_jar(machine / "sdk" / IN_SDK)
    add_program(machine / "sdk/bin/gcloud", "must not be asked", status=1)
    java = add_java(machine / "bin/java")
    (machine / "bin/gcloud").symlink_to(machine / "sdk/bin/gcloud")

    found = find_installation()

    assert (found.jar, found.java) == (jar, java)


def test_gcloud_is_asked_when_it_does_not_lie_in_its_sdk(machine: Path) -> None:
    jar = add_jar(machine / "snap" / IN_SDK)
    add_java(machine / "bin/java")
    add_program(machine / "bin/gcloud", str(machine / "snap"))

    assert find_installation().jar == jar


def test_the_environment_names_the_sdk(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jar = add_jar(machine / "elsewhere" / IN_SDK)
    add_java(machine / "bin/java")
    monkeypatch.setenv("CLOUDSDK_ROOT_DIR", str(machine / "elsewhere"))

    assert find_installation().jar == jar


@pytest.mark.parametrize("folder", ["home/.cache/firebase/emulators", "set/by/variable"])
def test_the_newest_download_of_firebase_tools_is_found(
    machine: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    add_java(machine / "bin/java")
    if folder.startswith("set"):
        monkeypatch.setenv("FIREBASE_EMULATORS_PATH", str(machine / folder))
    for version in ("1.9.8", "1.19.8", "1.18.2"):
        add_jar(machine / folder / f"cloud-firestore-emulator-v{version}.jar")

    assert find_installation().jar.name == "cloud-firestore-emulator-v1.19.8.jar"


def test_a_given_jar_is_the_only_one_that_is_used(machine: Path) -> None:
    add_java(machine / "bin/java")
    add_jar(machine / "home/.cache/firebase/emulators/cloud-firestore-emulator-v1.19.8.jar")
    given = add_jar(machine / "given.jar")

    assert find_installation(given).jar == given
    with pytest.raises(LocalFirestoreNotFoundError, match=r"missing\.jar is not Google's"):
        find_installation(machine / "missing.jar")


def test_a_jar_that_no_java_here_can_run_gives_way_to_one_that_runs(machine: Path) -> None:
    cache = machine / "home/.cache/firebase/emulators"
    add_java(machine / "bin/java", "17.0.15")
    add_jar(cache / "cloud-firestore-emulator-v2.0.0.jar", java=21)
    older = add_jar(cache / "cloud-firestore-emulator-v1.19.8.jar", java=11)

    assert find_installation().jar == older


def test_java_home_comes_first_unless_it_is_too_old(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_path = add_java(machine / "bin/java", "21.0.2")
    at_home = add_java(machine / "jdk/bin/java", "17.0.15")
    jar = add_jar(machine / "emulator.jar", java=11)
    monkeypatch.setenv("JAVA_HOME", str(machine / "jdk"))

    assert find_installation(jar).java == at_home
    add_java(at_home, "1.8.0_392")
    assert find_installation(jar).java == on_path


def test_nothing_here_says_what_to_install_and_where_it_looked(machine: Path) -> None:
    with pytest.raises(LocalFirestoreNotFoundError) as raised:
        find_installation()

    message = str(raised.value)
    for part in (
        "apt-get install google-cloud-cli-firestore-emulator default-jre-headless",
        "gcloud components install cloud-firestore-emulator",
        "firebase setup:emulators:firestore",
        "FIRESTORE_EMULATOR_HOST=HOST:PORT",
        "emulator_jar",
        "no gcloud command on PATH",
        "CLOUDSDK_ROOT_DIR: not set",
        str(machine / "home/.cache/firebase/emulators"),
        "JAVA_HOME is not set, java on PATH: none",
    ):
        assert part in message
    assert isinstance(raised.value, ConfigurationError)


def test_an_emulator_without_java_says_that_java_is_missing(machine: Path) -> None:
    jar = add_jar(machine / "emulator.jar", java=11)
    with pytest.raises(LocalFirestoreNotFoundError, match="needs Java 11 or newer, and no such"):
        find_installation(jar)


@pytest.mark.parametrize(
    ("prints", "complaint"),
    [
        ('java version "1.8.0_392"', "is Java 8"),
        ("The operation couldn't be completed. Unable to locate a Java Runtime.", "no version"),
    ],
)
def test_a_java_that_does_not_do_is_named(machine: Path, prints: str, complaint: str) -> None:
    add_program(machine / "bin/java", prints.replace("'", ""))
    with pytest.raises(LocalFirestoreNotFoundError, match=complaint):
        find_installation(add_jar(machine / "emulator.jar", java=11))


def test_a_file_that_is_no_jar_is_named(machine: Path) -> None:
    add_java(machine / "bin/java")
    (machine / "emulator.jar").write_text("not a zip file")
    with pytest.raises(LocalFirestoreNotFoundError, match="not a zip file"):
        find_installation(os.fspath(machine / "emulator.jar"))
