"""Exporting to a plain file, importing, clearing."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.cloud.firestore import GeoPoint
from google.cloud.firestore_v1.vector import Vector

from flask_boiler.errors import ConfigurationError
from flask_boiler.local.embedded.storage.commit_feed import Commit
from flask_boiler.local.embedded.storage.storage import Storage
from flask_boiler.local.embedded.writes.transfer import clear, export_documents, import_documents
from tests.unit.local.embedded.worlds import WORLD, document, name_of, put, put_all

EVERYTHING: dict[str, Any] = {
    "null": None,
    "yes": True,
    "int": 2**63 - 1,
    "double": 0.1,
    "negative zero": -0.0,
    "nan": float("nan"),
    "infinite": float("inf"),
    "time": datetime.datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=datetime.UTC),
    "text": "ä\n\0\U0001f600",
    "bytes": b"\0\xff",
    "place": GeoPoint(1.5, -2.5),
    "array": [1, {"a": []}],
    "vector": Vector([1.0, 2.5]),
}


@pytest.fixture
def storage() -> Iterator[Storage]:
    made = Storage()
    yield made
    made.close()


def _fields(storage: Storage, path: str) -> bytes | None:
    with storage.reading() as reading:
        found = reading.document(name_of(path))
    if found is None:
        return None
    bare = document("a/b")
    bare.fields.MergeFrom(found.message.fields)
    return bytes(bare.SerializeToString(deterministic=True))


def test_what_was_exported_is_imported_as_it_was(storage: Storage, tmp_path: Path) -> None:
    put_all(storage, {"a/b": EVERYTHING, "a/b/c/d": {"n": 1}, "x/y": {}})
    assert export_documents(storage, tmp_path / "export.jsonl") == 3
    other = Storage()
    put(other, "kept/one", n=1)
    assert import_documents(other, tmp_path / "export.jsonl") == 3
    for path in ("a/b", "a/b/c/d", "x/y"):
        assert _fields(other, path) == _fields(storage, path)
    assert _fields(other, "kept/one") is not None
    other.close()


def test_an_export_is_text_with_a_document_on_each_line(storage: Storage, tmp_path: Path) -> None:
    put_all(storage, {"a/b": {"text": "ä\n"}, "a/c": {}})
    export_documents(storage, tmp_path / "export.jsonl")
    header, *lines = (tmp_path / "export.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(header)["kind"] == "flask_boiler export"
    assert [json.loads(line)["name"] for line in lines] == [name_of("a/b"), name_of("a/c")]
    assert "ä" in lines[0]


def test_an_export_that_cannot_be_written_leaves_the_one_before(
    storage: Storage, tmp_path: Path
) -> None:
    put(storage, "a/b", n=1)
    with pytest.raises(ConfigurationError, match=r"cannot export to .*missing/export\.jsonl"):
        export_documents(storage, tmp_path / "missing" / "export.jsonl")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("something else\n", "its first line is not that of an export"),
        ('{"kind": "flask_boiler export", "format": 9}\n', "its format is 9"),
        ('{"kind": "flask_boiler export", "format": 1}\n{"name": ', r"export\.jsonl:2: "),
        (
            '{"kind": "flask_boiler export", "format": 1}\n{"name": "a/b"}\n',
            r"export\.jsonl:2: .*Nothing was imported",
        ),
        ("\udcff", "cannot import"),
    ],
)
def test_what_is_no_export_is_refused_with_its_place(
    storage: Storage, tmp_path: Path, content: str, complaint: str
) -> None:
    path = tmp_path / "export.jsonl"
    path.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(ConfigurationError, match=complaint):
        import_documents(storage, path)
    with pytest.raises(ConfigurationError, match=r"cannot import .*absent\.jsonl"):
        import_documents(storage, tmp_path / "absent.jsonl")


def test_clearing_empties_one_database_in_one_commit(storage: Storage) -> None:
    put_all(storage, {"a/b": {"n": 1}, "a/b/c/d": {"n": 1}})
    other = document("a/b", n=2)
    other.name = other.name.replace("(default)", "other")
    storage.commit(WORLD.replace("(default)", "other"), lambda staging: staging.put(other))
    before = storage.read_time()
    heard: list[Commit] = []
    storage.feed.subscribe(WORLD, heard.append)
    assert clear(storage, WORLD) == 2
    assert clear(storage, WORLD) == 0
    assert len(heard) == 1
    assert {change.name for change in heard[0].changes} == {name_of("a/b"), name_of("a/b/c/d")}
    assert _fields(storage, "a/b") is None
    with storage.reading() as reading:
        assert reading.document(other.name) is not None
    with storage.reading(before) as reading:
        assert reading.document(name_of("a/b")) is not None
