"""The documents that one commit is about to change, and their writing into the tables."""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from flask_boiler.local.embedded.storage.clock import set_timestamp
from flask_boiler.local.embedded.storage.commit_feed import Change, Commit
from flask_boiler.local.embedded.storage.document import StoredDocument
from flask_boiler.local.embedded.storage.encoding import index_suffixes
from flask_boiler.local.embedded.storage.keys import DocumentKeys, Numbering, document_key
from flask_boiler.local.embedded.storage.reading import Reading

__all__ = ["Staging", "Writing"]

_CHUNK = 250


class Row(NamedTuple):
    doc: int
    document: StoredDocument


class Staging:
    """The newest state, and what one commit is about to make of it."""

    def __init__(
        self, numbering: Numbering, connection: sqlite3.Connection, world: str, time: int
    ) -> None:
        self._numbering = numbering
        self._connection = connection
        self.world = world
        #: The commit time.
        self.time = time
        self._found: dict[str, Row | None] = {}
        self._staged: dict[str, StoredDocument | None] = {}

    def document(self, name: str) -> StoredDocument | None:
        """The document as staged, else as stored; ``None`` if it does not exist."""
        if name in self._staged:
            return self._staged[name]
        if name not in self._found:
            self.prefetch([name])
        row = self._found[name]
        return None if row is None else row.document

    def prefetch(self, names: Iterable[str]) -> None:
        """Look documents up together, which is cheaper than one by one."""
        keys: dict[bytes, str] = {}
        for name in names:
            if name not in self._found:
                self._found[name] = None
                key = document_key(self._numbering, name)
                if key is not None:
                    keys[key] = name
        wanted = list(keys)
        for start in range(0, len(wanted), _CHUNK):
            chunk = wanted[start : start + _CHUNK]
            marks = ",".join("?" * len(chunk))
            for doc, key, updated, data in self._connection.execute(
                f"SELECT doc, key, updated, data FROM documents WHERE key IN ({marks})", chunk
            ).fetchall():
                self._found[keys[key]] = Row(doc, StoredDocument(data, updated))

    def put(self, message: Any) -> StoredDocument:
        """Make a ``Document`` of this name have these fields; the message is taken over.

        A document that is so already stays as it is, with its update time.
        """
        current = self.document(message.name)
        if current is None:
            set_timestamp(message.create_time, self.time)
        else:
            stored = current.message
            message.create_time.CopyFrom(stored.create_time)
            message.update_time.CopyFrom(stored.update_time)
            if message.SerializeToString(deterministic=True) == current.data:
                return current
        set_timestamp(message.update_time, self.time)
        data = message.SerializeToString(deterministic=True)
        made = StoredDocument(data, self.time, message)
        self._staged[message.name] = made
        return made

    def delete(self, name: str) -> None:
        """Make a document be gone; nothing happens if it is."""
        if self.document(name) is not None:
            self._staged[name] = None

    def reading(self) -> Reading:
        """The newest state without what is staged, to validate what a transaction read."""
        return Reading(self._numbering, self._connection, self.time, is_newest=True)

    def changes(self) -> Iterator[tuple[str, Row | None, StoredDocument | None]]:
        """The documents that are staged and differ from what is stored: name, row, new version."""
        for name, after in self._staged.items():
            before = self._found[name]
            if before is not None or after is not None:
                yield name, before, after


class Writing:
    """Writes what is staged into the tables."""

    def __init__(
        self, numbering: Numbering, connection: sqlite3.Connection, staging: Staging
    ) -> None:
        self._numbering = numbering
        self._connection = connection
        self._staging = staging
        self._time = staging.time
        self._inserted: list[tuple[int, bytes, int, bytes]] = []
        self._updated: list[tuple[int, bytes, int]] = []
        self._deleted: list[tuple[int]] = []
        self._past_documents: list[tuple[int, int, int, bytes]] = []
        self._past_keys: list[tuple[bytes, int, int]] = []
        self._new_entries: list[tuple[bytes, int]] = []
        self._old_entries: list[tuple[bytes, int, int]] = []

    def write(self) -> Commit:
        """Write everything; what it amounts to."""
        docs = array("q")
        changes: list[Change] = []
        for name, before, after in self._staging.changes():
            docs.append(self._add(name, before, after))
            changes.append(Change(name, None if before is None else before.document, after))
        if changes:
            self._flush(docs)
        return Commit(self._time, self._staging.world, tuple(changes))

    def _add(self, name: str, before: Row | None, after: StoredDocument | None) -> int:
        keys = DocumentKeys(self._numbering, self._connection, name)
        doc = self._numbering.new_doc() if before is None else before.doc
        old = set() if before is None else index_suffixes(before.document.message)
        new = set() if after is None else index_suffixes(after.message)
        if before is None and after is not None:
            self._inserted.append((doc, keys.document, after.updated, after.data))
            self._new_entries += keys.name_entries(doc)
        elif before is not None:
            past = before.document
            self._past_documents.append((doc, past.updated, self._time, past.data))
            if after is None:
                self._deleted.append((doc,))
                self._past_keys.append((keys.document, doc, self._time))
                self._old_entries += ((*entry, self._time) for entry in keys.name_entries(doc))
            else:
                self._updated.append((after.updated, after.data, doc))
        self._new_entries += keys.entries(new - old if old else new, doc)
        self._old_entries += (
            (*entry, self._time) for entry in keys.entries(old - new if new else old, doc)
        )
        return doc

    def _flush(self, docs: array[int]) -> None:
        run = self._connection.executemany
        if self._inserted:
            run("INSERT INTO documents VALUES (?, ?, ?, ?)", self._inserted)
        if self._updated:
            run("UPDATE documents SET updated = ?, data = ? WHERE doc = ?", self._updated)
        if self._deleted:
            run("DELETE FROM documents WHERE doc = ?", self._deleted)
        if self._past_documents:
            run("INSERT INTO past_documents VALUES (?, ?, ?, ?)", self._past_documents)
        if self._past_keys:
            run("INSERT OR REPLACE INTO past_keys VALUES (?, ?, ?)", self._past_keys)
        if self._old_entries:
            run("DELETE FROM entries WHERE key = ?", [entry[:1] for entry in self._old_entries])
            run("INSERT OR REPLACE INTO past_entries VALUES (?, ?, ?)", self._old_entries)
        if self._new_entries:
            # Sorted, so that neighbours in the tree are written one after the other.
            run("INSERT INTO entries VALUES (?, ?)", sorted(self._new_entries))
        self._connection.execute(
            "INSERT INTO commits VALUES (?, ?, ?)",
            (self._time, self._staging.world, docs.tobytes()),
        )
