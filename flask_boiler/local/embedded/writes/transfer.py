"""Exports and imports of a database as plain files, and clearing it.

The file is text: a first line that says what it is, then a document on each line, in the JSON
that protobuf defines for ``google.firestore.v1.Document``. So it can be read, compared, searched
and put under version control.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import IO, Any

from google.protobuf import json_format

from flask_boiler.errors import ConfigurationError
from flask_boiler.firestore import protocol
from flask_boiler.local.embedded.queries.executor import scan_collection
from flask_boiler.local.embedded.storage.document import split_name
from flask_boiler.local.embedded.storage.name_rules import check_document
from flask_boiler.local.embedded.storage.reading import Reading
from flask_boiler.local.embedded.storage.refusal import Refusal
from flask_boiler.local.embedded.storage.staging import Staging
from flask_boiler.local.embedded.storage.storage import Storage
from flask_boiler.local.embedded.storage.value_rules import settle_fields
from flask_boiler.local.embedded.writes.export_file import replacing

__all__ = [
    "clear",
    "export_documents",
    "import_documents",
    "read_documents",
    "write_documents",
]

_KIND = "flask_boiler export"
_FORMAT = 1


def clear(storage: Storage, world: str) -> int:
    """Delete every document of a database, in one commit; how many there were.

    Whoever listens is told of each of them; past times can still be read.

    :param world: ``projects/P/databases/D``.
    """

    def work(staging: Staging) -> int:
        reading = staging.reading()
        names = [document.name for document in _documents(reading, world)]
        staging.prefetch(names)
        for name in names:
            staging.delete(name)
        return len(names)

    return storage.commit(world, work)[1]


def export_documents(storage: Storage, path: str | Path) -> int:
    """Write all documents of all databases, as of one time, to a file; how many there are.

    The file is there whole or not at all; one that was there before is replaced.

    :raises ConfigurationError: it cannot be written.
    """
    target = Path(path)
    with replacing(target) as file:
        return write_documents(storage, file)


def write_documents(storage: Storage, file: IO[str]) -> int:
    """Write what an exported file holds to an open one; how many documents there are."""
    count = 0
    with storage.reading() as reading:
        header = {"kind": _KIND, "format": _FORMAT, "read_time_us": reading.time}
        file.write(json.dumps(header) + "\n")
        for world in reading.worlds():
            for document in _documents(reading, world):
                file.write(_line(document.message) + "\n")
                count += 1
    return count


def import_documents(storage: Storage, path: str | Path) -> int:
    """Write the documents of an exported file, each database in one commit; how many there are.

    They have the time of the import as their create and update time, unless the same is there
    already. Documents that are not in the file stay as they are.

    :raises ConfigurationError: the file cannot be read, or is no export; nothing was imported.
    """
    try:
        with Path(path).open(encoding="utf-8") as file:
            return read_documents(storage, file, source=str(path))
    except OSError as error:
        raise ConfigurationError(f"cannot import {path}: {error}") from error


def read_documents(storage: Storage, lines: Iterable[str], *, source: str) -> int:
    """Write the documents of an exported file that is open, as ``import_documents`` does.

    :param source: what the lines are called in errors.
    :raises ConfigurationError: they are no export; nothing was imported.
    """
    try:
        worlds = _read(source, iter(lines))
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"cannot import {source}: {error}") from error
    for world, messages in worlds.items():
        storage.commit(world, partial(_put_all, messages))
    return sum(map(len, worlds.values()))


def _put_all(messages: list[Any], staging: Staging) -> None:
    staging.prefetch([message.name for message in messages])
    for message in messages:
        staging.put(message)


def _documents(reading: Reading, world: str) -> Iterator[Any]:
    for path in reading.collections(world):
        yield from scan_collection(reading, world, path)


def _line(message: Any) -> str:
    return json.dumps(json_format.MessageToDict(message), ensure_ascii=False, sort_keys=True)


def _read(source: str, lines: Iterator[str]) -> dict[str, list[Any]]:
    header = _header(source, next(lines, ""))
    if header.get("format") != _FORMAT:
        raise ConfigurationError(
            f"cannot import {source}: its format is {header.get('format')}, and this version "
            f"reads {_FORMAT}"
        )
    worlds: dict[str, list[Any]] = {}
    for number, line in enumerate(lines, start=2):
        message = _document(f"{source}:{number}", line)
        worlds.setdefault(split_name(message.name)[0], []).append(message)
    return worlds


def _header(source: str, line: str) -> dict[str, Any]:
    try:
        header = json.loads(line)
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict) or header.get("kind") != _KIND:
        raise ConfigurationError(
            f"cannot import {source}: its first line is not that of an export of the embedded "
            "Firestore"
        )
    return header


def _document(where: str, line: str) -> Any:
    try:
        message = json_format.Parse(line, protocol.Document())
        check_document(message.name)
        settle_fields(message)
    except (json_format.ParseError, Refusal) as error:
        why = str(error).rstrip(".")
        raise ConfigurationError(f"cannot import {where}: {why}. Nothing was imported") from error
    return message
