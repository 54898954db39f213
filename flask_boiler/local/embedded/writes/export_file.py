"""The plain file that all documents are exported to: where a server has it, and how it is written.

Clients of the server need this alone, and so it imports nothing that stores documents.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from flask_boiler.errors import ConfigurationError

__all__ = ["EXPORT", "IMPORT", "LINES", "replacing"]

#: Where all data of all databases are had from a server, and taken by it.
EXPORT = "/emulator/v1/export"
IMPORT = "/emulator/v1/import"
#: The type of exported data: a document in JSON on each line.
LINES = "application/jsonl"

#: How SQLite's files begin.
_DATABASE = b"SQLite format 3\0"


@contextmanager
def replacing(target: Path) -> Iterator[TextIO]:
    """A file that takes the place of another when it is complete and on the disk.

    :raises ConfigurationError: it cannot be written, or the other is no plain file or a database.
    """
    try:
        _check_replaceable(target)
        # Where it is a link, it stays one.
        with _replacing(target.resolve()) as file:
            yield file
    except OSError as error:
        raise ConfigurationError(f"cannot export to {target}: {error}") from error


def _check_replaceable(target: Path) -> None:
    if not target.exists():
        return
    if not target.is_file():
        raise ConfigurationError(f"cannot export to {target}: it is not a plain file; name another")
    with target.open("rb") as file:
        # Who exports to it has mistaken it for what is exported.
        if file.read(len(_DATABASE)) == _DATABASE:
            raise ConfigurationError(
                f"cannot export to {target}: it is a database, which would be lost; name another "
                "file"
            )


@contextmanager
def _replacing(target: Path) -> Iterator[TextIO]:
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, target)
    except BaseException:
        os.unlink(name)
        raise
