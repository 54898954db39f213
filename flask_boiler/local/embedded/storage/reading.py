"""A reading of the tables: the state of all databases at one time."""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Sequence

from flask_boiler.local.embedded.storage.commit_feed import Change, Commit
from flask_boiler.local.embedded.storage.document import StoredDocument
from flask_boiler.local.embedded.storage.encoding import encode_name, successor
from flask_boiler.local.embedded.storage.keys import COLLECTION, Numbering, document_key
from flask_boiler.local.embedded.storage.refusal import failed_precondition

__all__ = ["Reading", "newest_time"]


class Reading:
    """The state of all databases at one time; valid inside ``Storage.reading``."""

    def __init__(
        self, numbering: Numbering, connection: sqlite3.Connection, time: int, *, is_newest: bool
    ) -> None:
        self._numbering = numbering
        self.connection = connection
        #: The read time.
        self.time = time
        #: Whether the tables of the present say it all.
        self.is_newest = is_newest

    def scope(self, world: str, kind: int, path: str) -> int | None:
        """The number that keys of a collection or a group begin with; ``None``: it is empty."""
        return self._numbering.scope(world, kind, path)

    def document(self, name: str) -> StoredDocument | None:
        """The document of this full name, or ``None`` if it did not exist."""
        key = document_key(self._numbering, name)
        if key is None:
            return None
        row = self.connection.execute(
            "SELECT doc, updated, data FROM documents WHERE key = ?", (key,)
        ).fetchone()
        if row is not None:
            found = self.version(row[0], StoredDocument(row[2], row[1]))
            if found is not None or self.is_newest:
                return found
        elif self.is_newest:
            return None
        buried = self.connection.execute("SELECT doc FROM past_keys WHERE key = ?", (key,))
        for (doc,) in buried.fetchall():
            found = self.version(doc, None)
            if found is not None:
                return found
        return None

    def documents(self, names: Sequence[str]) -> list[StoredDocument | None]:
        """The documents of these names, in their order."""
        return [self.document(name) for name in names]

    def version(self, doc: int, present: StoredDocument | None) -> StoredDocument | None:
        """The version of a document at this time, by its number and its version at present."""
        if present is not None and present.updated <= self.time:
            return present
        if self.is_newest:
            return None
        row = self.connection.execute(
            "SELECT since, until, data FROM past_documents WHERE doc = ? AND since <= ?"
            " ORDER BY since DESC LIMIT 1",
            (doc, self.time),
        ).fetchone()
        if row is None or row[1] <= self.time:
            return None
        return StoredDocument(row[2], row[0])

    def commits_since(self, world: str, after: int) -> list[Commit]:
        """The commits later than a time and up to this one, in order."""
        rows = self.connection.execute(
            "SELECT time, docs FROM commits WHERE time > ? AND time <= ? AND world = ?"
            " ORDER BY time",
            (after, self.time, world),
        ).fetchall()
        return [self._commit(world, time, array("q", docs)) for time, docs in rows]

    def changes_since(self, world: str, then: Reading) -> list[Change]:
        """Each document of a world that differs from an earlier reading, once."""
        rows = self.connection.execute(
            "SELECT docs FROM commits WHERE time > ? AND time <= ? AND world = ?",
            (then.time, self.time, world),
        ).fetchall()
        touched = {doc for (docs,) in rows for doc in array("q", docs)}
        found: dict[str, Change] = {}
        for change in (self._change_since(doc, then) for doc in touched):
            if change is None:
                continue
            # One that was deleted and made again is two documents of one name.
            other = found.get(change.name, change)
            before, after = change.before or other.before, change.after or other.after
            found[change.name] = Change(change.name, before, after)
        return list(found.values())

    def at(self, time: int) -> Reading:
        """An earlier state, valid as long as this one; the caller has checked the time."""
        return Reading(self._numbering, self.connection, time, is_newest=False)

    def _change_since(self, doc: int, then: Reading) -> Change | None:
        row = self.connection.execute(
            "SELECT updated, data FROM documents WHERE doc = ?", (doc,)
        ).fetchone()
        present = None if row is None else StoredDocument(row[1], row[0])
        before, after = then.version(doc, present), self.version(doc, present)
        known = after or before
        if known is None or before == after:
            return None
        return Change(known.name, before, after)

    def _commit(self, world: str, time: int, docs: array[int]) -> Commit:
        return Commit(time, world, tuple(self._change(doc, time) for doc in docs))

    def _change(self, doc: int, time: int) -> Change:
        before = self._past("until", doc, time)
        after = self._past("since", doc, time)
        if after is None:
            row = self.connection.execute(
                "SELECT updated, data FROM documents WHERE doc = ? AND updated = ?", (doc, time)
            ).fetchone()
            after = None if row is None else StoredDocument(row[1], row[0])
        known = after or before
        if known is None:
            raise failed_precondition(f"the commit at {time} is no longer kept in whole")
        return Change(known.name, before, after)

    def _past(self, bound: str, doc: int, time: int) -> StoredDocument | None:
        row = self.connection.execute(
            f"SELECT since, data FROM past_documents WHERE doc = ? AND {bound} = ?", (doc, time)
        ).fetchone()
        return None if row is None else StoredDocument(row[1], row[0])

    def worlds(self) -> list[str]:
        """All databases in which there ever was something, in order."""
        rows = self.connection.execute("SELECT DISTINCT world FROM scopes ORDER BY world")
        return [world for (world,) in rows.fetchall()]

    def collections(self, world: str, below: str = "") -> list[str]:
        """The paths of all collections anywhere below a document (or the root), in order.

        Also of those that are empty at this time.
        """
        prefix = encode_name(below)[:-1] if below else b""
        rows = self.connection.execute(
            "SELECT path FROM scopes WHERE world = ? AND kind = ? AND key > ? AND key < ?"
            " ORDER BY key",
            (world, COLLECTION, prefix, successor(prefix)),
        )
        return [path for (path,) in rows.fetchall()]


def newest_time(connection: sqlite3.Connection) -> int:
    """The time of the newest commit that a connection sees."""
    return int(connection.execute("SELECT ifnull(max(time), 0) FROM commits").fetchone()[0])
