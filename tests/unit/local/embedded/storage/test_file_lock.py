"""A data file has one process at a time, by whatever name it is opened."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from flask_boiler.local.embedded.storage.database import StorageFailure
from flask_boiler.local.embedded.storage.file_lock import FileLock, HeldError, Holder, holder_of
from flask_boiler.local.embedded.storage.storage import Storage
from flask_boiler.local.embedded.writes.transfer import export_documents
from tests.unit.local.embedded.worlds import name_of, put


def _twice_symbolic(link: Path, file: Path) -> None:
    between = link.with_suffix(".2")
    between.symlink_to(file)
    link.symlink_to(between)


def _by_another_way(link: Path, file: Path) -> None:
    link.symlink_to(link.parent / ".." / link.parent.name / file.name)


MAKE: dict[str, Callable[[Path, Path], None]] = {
    "symbolic": Path.symlink_to,
    "symbolic of a symbolic": _twice_symbolic,
    "by another way": _by_another_way,
    "hard": Path.hardlink_to,
}


@pytest.fixture(params=MAKE)
def names(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Path]:
    """A file with something in it, and another name of it."""
    file, link = tmp_path / "a.db", tmp_path / "b.db"
    storage = Storage(file)
    put(storage, "c/a", n=1)
    storage.close()
    MAKE[request.param](link, file)
    return file, link


def has(path: Path, *documents: str) -> bool:
    storage = Storage(path)
    with storage.reading() as reading:
        found = [reading.document(name_of(name)) is not None for name in documents]
    storage.close()
    return all(found)


@pytest.mark.parametrize("turned", [False, True])
def test_a_link_is_the_same_file(names: tuple[Path, Path], turned: bool) -> None:
    first, second = reversed(names) if turned else names
    storage = Storage(first)
    storage.announce("127.0.0.1:8080")
    whose = (
        rf"another process has it open: process {os.getpid()}, which serves it at 127\.0\.0\.1:8080"
    )
    with pytest.raises(StorageFailure, match=rf"{second.name}: {whose}"):
        Storage(second)
    # Having tried changes nothing.
    with pytest.raises(StorageFailure, match=rf"{first.name}: {whose}"):
        Storage(first)
    put(storage, "c/b", n=2)
    storage.close()
    assert has(second, "c/a", "c/b")
    assert has(first, "c/a", "c/b")


def test_a_log_beside_another_name_is_not_passed_over(tmp_path: Path) -> None:
    storage = Storage(tmp_path / "running.db")
    put(storage, "c/a", n=1)
    # As it is after the process was killed.
    for kind in ("", "-wal"):
        shutil.copy(tmp_path / f"running.db{kind}", tmp_path / f"a.db{kind}")
    storage.close()
    (tmp_path / "b.db").hardlink_to(tmp_path / "a.db")
    with pytest.raises(StorageFailure, match=r"it is also .*a\.db, and commits that are not in it"):
        Storage(tmp_path / "b.db")
    assert has(tmp_path / "a.db", "c/a")
    assert has(tmp_path / "b.db", "c/a")


def test_a_file_that_takes_the_place_of_one_in_use_waits(tmp_path: Path) -> None:
    storage = Storage(tmp_path / "a.db")
    Storage(tmp_path / "other.db").close()
    os.replace(tmp_path / "other.db", tmp_path / "a.db")
    with pytest.raises(StorageFailure, match="another process has it open"):
        Storage(tmp_path / "a.db")
    storage.close()


def test_who_has_it_is_told_while_they_have_it(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    (tmp_path / "b.db").symlink_to(path)
    assert holder_of(path) is None
    lock = FileLock(str(path))
    assert holder_of(path) == Holder(os.getpid(), None)
    lock.announce("[::1]:8080")
    assert holder_of(path) == holder_of(tmp_path / "b.db") == Holder(os.getpid(), "[::1]:8080")
    told = json.loads((tmp_path / "a.db.lock").read_text())
    assert told == {"pid": os.getpid(), "address": "[::1]:8080"}
    with pytest.raises(HeldError) as refused:
        FileLock(str(path))
    assert refused.value.holder == Holder(os.getpid(), "[::1]:8080")
    lock.release()
    assert holder_of(path) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": "x", "address": 5}'])
def test_what_is_left_by_who_is_gone_is_nobody(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.db"
    (tmp_path / "a.db.lock").write_text(text or '{"pid": 1, "address": "127.0.0.1:1"}')
    assert holder_of(path) is None
    lock = FileLock(str(path))
    # Who had been there before is not taken for who is there.
    (tmp_path / "a.db.lock").write_text(text)
    assert holder_of(path) == Holder(0, None)
    lock.release()


def _symbolic(beside: Path, other: Path) -> None:
    beside.symlink_to(other)


def _hard(beside: Path, other: Path) -> None:
    beside.hardlink_to(other)


def _pipe(beside: Path, other: Path) -> None:
    os.mkfifo(beside)


def _long(beside: Path, other: Path) -> None:
    beside.write_text(other.read_text() * 1_000)


@pytest.mark.skipif(os.name == "nt", reason="links and pipes are others there")
@pytest.mark.parametrize("is_there", [False, True])
@pytest.mark.parametrize(
    ("kind", "make"),
    [(kind, make) for kind in ("lock", "wal", "shm") for make in (_symbolic, _hard, _pipe)]
    + [("lock", _long)],
)
def test_what_belongs_to_others_is_not_written_to(
    tmp_path: Path, is_there: bool, kind: str, make: Callable[[Path, Path], None]
) -> None:
    path = tmp_path / "a.db"
    if is_there:
        Storage(path).close()
        (tmp_path / "a.db.lock").unlink()
    beside = tmp_path / ("a.db.lock" if kind == "lock" else f"a.db-{kind}")
    other = tmp_path / "diary.txt"
    other.write_text("dear diary")
    other.chmod(0o644)
    make(beside, other)
    before = os.lstat(beside)
    with pytest.raises(StorageFailure, match=rf"{beside.name} is .*; move it away"):
        Storage(path)
    assert other.read_text() == "dear diary"
    assert other.stat().st_mode & 0o777 == 0o644
    assert os.lstat(beside).st_size == before.st_size
    beside.unlink()
    Storage(path).close()


def test_what_is_no_data_file_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "diary.txt"
    path.write_text("dear diary")
    path.chmod(0o644)
    with pytest.raises(StorageFailure, match="no file of an embedded Firestore"):
        Storage(path)
    assert path.read_text() == "dear diary"
    assert path.stat().st_mode & 0o777 == 0o644


def test_who_was_there_before_is_forgotten_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.db"
    first = FileLock(str(path))
    first.announce("127.0.0.1:1")
    told = (tmp_path / "a.db.lock").read_text()
    # As after a kill; and another has the file by another name.
    (tmp_path / "b.db").hardlink_to(path)
    first.release()
    (tmp_path / "a.db.lock").write_text(told)
    other = FileLock(str(tmp_path / "b.db"))
    seen: list[Holder | None] = []
    monkeypatch.setattr(
        FileLock, "_holder_by_another_name", lambda lock: seen.append(holder_of(lock.path))
    )
    with pytest.raises(HeldError):
        FileLock(str(path))
    assert seen == [Holder(os.getpid(), None)]
    other.release()


@pytest.mark.skipif(os.name == "nt", reason="files have no such modes there")
def test_what_is_kept_is_the_owners_alone(tmp_path: Path) -> None:
    folder = os.stat(tmp_path).st_mode
    path = tmp_path / "a.db"
    before = os.umask(0)
    try:
        path.touch(0o666)
        for _ in range(2):
            storage = Storage(path)
            put(storage, "c/a", n=1)
            export_documents(storage, tmp_path / "exported.jsonl")
            made = {one.name: one.stat().st_mode & 0o777 for one in tmp_path.iterdir()}
            storage.close()
            assert {"a.db", "a.db-wal", "a.db-shm", "a.db.lock", "exported.jsonl"} == set(made)
            assert set(made.values()) == {0o600}
    finally:
        os.umask(before)
    assert os.stat(tmp_path).st_mode == folder


def test_a_file_in_a_directory_that_is_not_there_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(StorageFailure, match=f"there is no directory {tmp_path / 'gone'}. Make it"):
        Storage(str(tmp_path / "gone" / "data.db"))
