"""Keys of the tables: the number of a collection or of a collection group, then what is ordered."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator

from flask_boiler.local.embedded.storage.document import collection_path, split_name
from flask_boiler.local.embedded.storage.encoding import encode_name, encode_segment, field_prefix

__all__ = [
    "COLLECTION",
    "GROUP",
    "NAME_PREFIX",
    "DocumentKeys",
    "Numbering",
    "document_key",
    "scope_prefix",
]

#: The kinds of scopes.
COLLECTION, GROUP = 0, 1
#: What the entries for the names of a collection group's documents begin with.
NAME_PREFIX = field_prefix(["__name__"])


class Numbering:
    """The numbers of collections, of collection groups and of documents, which keys are made of.

    Numbers are given out while a commit is written, by one thread at a time; any may ask for them.
    """

    def __init__(self) -> None:
        self._scopes: dict[tuple[str, int, str], int] = {}
        self._next_scope = 1
        self._next_doc = 1

    def load(self, connection: sqlite3.Connection) -> None:
        """Take the numbers that the tables have, and forget those that were given out in vain."""
        self._scopes = {
            (world, kind, path): scope
            for scope, world, kind, path in connection.execute(
                "SELECT scope, world, kind, path FROM scopes"
            )
        }
        self._next_scope = max(self._scopes.values(), default=0) + 1
        newest_doc: int = connection.execute(
            "SELECT max((SELECT ifnull(max(doc), 0) FROM documents),"
            " (SELECT ifnull(max(doc), 0) FROM past_documents))"
        ).fetchone()[0]
        self._next_doc = newest_doc + 1

    def scope(self, world: str, kind: int, path: str) -> int | None:
        """The number that keys of a collection or a group begin with; ``None``: it is empty."""
        return self._scopes.get((world, kind, path))

    def scope_to_write(
        self, connection: sqlite3.Connection, world: str, kind: int, path: str
    ) -> int:
        """The number that keys of a collection or a group begin with; a new one if none has."""
        scope = self._scopes.get((world, kind, path))
        if scope is None:
            scope = self._next_scope
            key = encode_name(path)[:-1] if kind == COLLECTION else encode_segment(path)
            connection.execute(
                "INSERT INTO scopes VALUES (?, ?, ?, ?, ?)", (scope, world, kind, key, path)
            )
            self._next_scope += 1
            self._scopes[world, kind, path] = scope
        return scope

    def new_doc(self) -> int:
        """The number of a document that is new."""
        doc = self._next_doc
        self._next_doc += 1
        return doc


def scope_prefix(scope: int) -> bytes:
    """The beginning of the keys of a scope."""
    return scope.to_bytes(4, "big")


def document_key(numbering: Numbering, name: str) -> bytes | None:
    """The key of a document, or ``None`` if nothing was ever in its collection."""
    world, path = split_name(name)
    collection, identity = collection_path(path)
    scope = numbering.scope(world, COLLECTION, collection)
    return None if scope is None else scope_prefix(scope) + encode_segment(identity)


class DocumentKeys:
    """The keys of a document and of its index entries."""

    def __init__(self, numbering: Numbering, connection: sqlite3.Connection, name: str) -> None:
        world, path = split_name(name)
        collection, identity = collection_path(path)
        scope = numbering.scope_to_write(connection, world, COLLECTION, collection)
        self._collection = scope_prefix(scope)
        self._id = encode_segment(identity)
        #: Of the document itself.
        self.document = self._collection + self._id
        self._group = b""
        if "/" in collection:
            # The collections at the root are their own index: a group's query reads both.
            group = collection.rpartition("/")[2]
            scope = numbering.scope_to_write(connection, world, GROUP, group)
            self._group = scope_prefix(scope)
            self._path = encode_name(path)

    def entries(self, suffixes: Iterable[bytes], doc: int) -> Iterator[tuple[bytes, int]]:
        """The index entries of a document of this number, for what its values add to the keys."""
        for suffix in suffixes:
            yield self._collection + suffix + self._id, doc
            if self._group:
                yield self._group + suffix + self._path, doc

    def name_entries(self, doc: int) -> Iterator[tuple[bytes, int]]:
        """The index entries for its name."""
        if self._group:
            yield self._group + NAME_PREFIX + self._path, doc
