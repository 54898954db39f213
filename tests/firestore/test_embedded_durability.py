"""What was acknowledged survives: being killed at any moment, a disk that is full, damage."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import grpc
import pytest

from flask_boiler.embedded.database import StorageFailure
from flask_boiler.embedded.refusal import Refusal
from flask_boiler.embedded.staging import Staging
from flask_boiler.embedded.storage import Storage
from flask_boiler.firestore import protocol
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
