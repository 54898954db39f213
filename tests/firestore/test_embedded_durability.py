"""What was acknowledged survives: being killed at any moment, a disk that is full, damage."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import grpc
import pytest

from flask_boiler.embedded import EmbeddedFirestore, StorageFailure
from flask_boiler.firestore import protocol
from flask_boiler.local.embedded.storage.refusal import Refusal
from flask_boiler.local.embedded.storage.staging import Staging
from flask_boiler.local.embedded.storage.storage import Storage
from tests.firestore.embedded_writer import DOCUMENTS, WORLD, WRITERS, name_of

#: The soak does more.
KILLS = int(os.environ.get("FLASK_BOILER_KILLS", "12"))
ROOT = Path(__file__).resolve().parents[2]


def _kill_while_it_writes(path: Path, stored: dict[int, int], after: int) -> dict[int, int]:
    """Have commits done and kill the writer after some; the last acknowledged of each thread.

    :param stored: what each thread had committed before.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.firestore.embedded_writer", str(path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    acknowledged = dict(stored)
    try:
        assert process.stdout is not None
        for count, line in enumerate(process.stdout, start=1):
            if count == after:
                process.kill()
            # What was printed before the kill is still read.
            if line.endswith("\n"):
                writer, number = map(int, line.split())
                acknowledged[writer] = number
        process.stdout.close()
    finally:
        process.kill()
        process.wait()
    assert acknowledged != stored
    return acknowledged


@pytest.mark.timeout(60 + 10 * KILLS)
def test_every_acknowledged_commit_survives_a_kill_and_no_half_one(tmp_path: Path) -> None:
    rng = random.Random(1)
    path = tmp_path / "data.db"
    stored = dict.fromkeys(range(WRITERS), 0)
    for _ in range(KILLS):
        acknowledged = _kill_while_it_writes(path, stored, after=rng.randint(1, 60))
        with closing(Storage(path)) as storage, storage.reading() as reading:
            for writer, last in acknowledged.items():
                found = reading.documents([name_of(writer, n) for n in range(DOCUMENTS)])
                numbers = {
                    document.message.fields["number"].integer_value if document else 0
                    for document in found
                }
                assert len(numbers) == 1, "a commit is there in part"
                stored[writer] = numbers.pop()
                # One more may have been committed without being acknowledged.
                assert last <= stored[writer] <= last + 1
            rows = {
                table: reading.connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
                for table in ("documents", "entries")
            }
        assert rows["entries"] == 2 * rows["documents"], "the index is as whole as the documents"


def _put(storage: Storage, path: str, text: str) -> int:
    def work(staging: Staging) -> None:
        made = protocol.Document(name=f"{WORLD}/documents/{path}")
        made.fields["text"].string_value = text
        staging.put(made)

    return storage.commit(WORLD, work)[0]


def _text(storage: Storage, path: str) -> str | None:
    with storage.reading() as reading:
        found = reading.document(f"{WORLD}/documents/{path}")
    return None if found is None else str(found.message.fields["text"].string_value)


def test_a_full_disk_refuses_the_commit_and_keeps_the_others(tmp_path: Path) -> None:
    storage = Storage(tmp_path / "data.db")
    _put(storage, "a/before", "kept")
    connection = storage._database.writer
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    # SQLite's own limit ends in the same error as a full disk does.
    connection.execute(f"PRAGMA max_page_count = {pages + 5}")
    with pytest.raises(Refusal, match="the disk is full") as refused:
        _put(storage, "b/too/much/below", "x" * 500_000)
    assert refused.value.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert _text(storage, "a/before") == "kept"
    assert _text(storage, "b/too/much/below") is None
    connection.execute("PRAGMA max_page_count = 1000000")
    _put(storage, "b/too/much/below", "now there is room")
    storage.close()
    again = Storage(tmp_path / "data.db")
    assert _text(again, "a/before") == "kept"
    assert _text(again, "b/too/much/below") == "now there is room"
    again.close()


FULL = (
    "import resource, signal, sys\n"
    "from flask_boiler.embedded import EmbeddedFirestore\n"
    "from flask_boiler.context.clients import local_client\n"
    "from google.api_core.exceptions import ResourceExhausted\n"
    "path, most, filling = sys.argv[1], int(sys.argv[2]), sys.argv[3]\n"
    "unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)\n"
    "with EmbeddedFirestore(path) as server:\n"
    "    db = local_client(server.host, project='p', database='(default)')\n"
    "    db.document('a/first').set({'n': 0})\n"
    "    if most:\n"
    "        resource.setrlimit(resource.RLIMIT_FSIZE, (most, unlimited[1]))\n"
    "    acknowledged = 0\n"
    "    try:\n"
    "        for n in range(1000):\n"
    "            db.document(f'b/{n}').set({'text': 'x' * 20_000}, retry=None)\n"
    "            acknowledged = n + 1\n"
    "    except ResourceExhausted as error:\n"
    "        assert 'the disk is full' in str(error), error\n"
    "    assert 0 < acknowledged < 1000, acknowledged\n"
    "    try:\n"
    "        db.document('b/large').set({'text': 'x' * 900_000}, retry=None)\n"
    "        raise AssertionError('there is no room for it')\n"
    "    except ResourceExhausted:\n"
    "        pass\n"
    "    assert len(list(db.collection('b').stream())) == acknowledged\n"
    "    if most:\n"
    "        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)\n"
    "    else:\n"
    "        import os; os.unlink(filling)\n"
    "    db.document('b/large').set({'text': 'x' * 900_000}, retry=None)\n"
    "with EmbeddedFirestore(path) as server:\n"
    "    db = local_client(server.host, project='p', database='(default)')\n"
    "    assert db.document('a/first').get().exists\n"
    "    assert len(list(db.collection('b').stream())) == acknowledged + 1\n"
    "print('done')\n"
)


def _fills(path: Path, most: int, filling: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(path), str(most), str(filling)],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.stdout == "done\n", done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="it has no limits for files")
def test_a_file_that_may_not_grow_is_a_full_disk(tmp_path: Path) -> None:
    _fills(tmp_path / "data.db", 500_000, tmp_path)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    made = tmp_path / "disk"
    made.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(made)]
    if (
        sys.platform != "linux"
        or subprocess.run(command, check=False, capture_output=True).returncode
    ):
        pytest.skip("only root may mount a disk")
    yield made
    subprocess.run(["umount", "--lazy", str(made)], check=True)


def test_a_disk_that_is_full_is_told_and_goes_on_when_there_is_room(small_disk: Path) -> None:
    filling = small_disk / "filling"
    filling.write_bytes(b"x" * 10 * 1024 * 1024)
    _fills(small_disk / "data.db", 0, filling)


def test_a_disk_that_is_full_at_the_start_is_told(small_disk: Path) -> None:
    with contextlib.suppress(OSError):
        (small_disk / "filling").write_bytes(b"x" * 13 * 1024 * 1024)
    with pytest.raises(StorageFailure, match=r"the disk is full .*Make room and start it again"):
        Storage(small_disk / "data.db")


def test_what_is_kept_for_a_while_finds_a_full_disk_as_well(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filling = small_disk / "filling"
    monkeypatch.setattr(tempfile, "tempdir", str(small_disk))
    with EmbeddedFirestore() as server:
        _put(server.storage, "a/large", "x" * 900_000)
        for method, path, body in (
            ("GET", "/emulator/v1/export", None),
            ("POST", "/emulator/v1/import", b"x" * 1_000_000),
        ):
            with contextlib.suppress(OSError):
                filling.write_bytes(b"x" * 13 * 1024 * 1024)
            asking = http.client.HTTPConnection(server.host, timeout=60)
            asking.request(method, path, body, {"Content-Type": "application/jsonl"})
            answer = asking.getresponse()
            told = json.loads(answer.read())["error"]
            assert (answer.status, told["status"]) == (429, "RESOURCE_EXHAUSTED")
            assert "Make room" in told["message"] or "make room" in told["message"]
            asking.close()
            filling.unlink()
            asking.request(method, path, body, {"Content-Type": "application/jsonl"})
            # What is no export is told to be none, now that it can be looked at.
            assert asking.getresponse().status == (200 if body is None else 400)
            asking.close()


def test_a_damaged_file_is_a_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "data.db"
    storage = Storage(path)
    for number in range(50):
        _put(storage, f"a/d{number}", "x" * 3000)
    storage.close()
    content = bytearray(path.read_bytes())
    # Somewhere in the middle, as a bad block would.
    content[len(content) // 2 : len(content) // 2 + 8192] = b"\xa5" * 8192
    path.write_bytes(content)
    with pytest.raises(StorageFailure, match=r"(?s)data\.db: .*damaged.*import the last export"):
        Storage(path)
    assert path.read_bytes() == content
