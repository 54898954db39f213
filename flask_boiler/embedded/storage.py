"""Documents of all databases, now and at every microsecond of the last hour.

What may be relied on:

- Times are whole microseconds since the epoch. Each commit has a time of its own, later than
  the times of all commits before it and later than every read time that was given out.
- A commit is on disk when :meth:`Storage.commit` returns, whole, or not there at all.
- :meth:`Storage.read_time` is a time up to which everything is decided: all commits up to it can
  be read and were handed to the feed's subscribers, and no commit will ever have a time up to it.
- Reading at a time always finds the same, until the time is older than the retention.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from flask_boiler.embedded.clock import Clock, set_timestamp
from flask_boiler.embedded.database import MEMORY, Database, refusal_of
from flask_boiler.embedded.document import StoredDocument, collection_path, split_name
from flask_boiler.embedded.encoding import (
    encode_name,
    encode_segment,
    field_prefix,
    index_suffixes,
    successor,
)
from flask_boiler.embedded.feed import Change, Commit, Feed
from flask_boiler.embedded.refusal import failed_precondition, invalid

__all__ = ["NAME_PREFIX", "RETENTION_S", "Reading", "Staging", "Storage", "scope_prefix"]

#: For how long the past can be read, by default.
RETENTION_S = 3600.0

COLLECTION, GROUP = 0, 1
#: What the entries for the names of a collection group's documents begin with.
NAME_PREFIX = field_prefix(["__name__"])

_GROUP_COMMIT = 64
#: How many rows of the past one commit forgets at most, so that none takes long.
_FORGET = 10_000
_CHUNK = 250

T = TypeVar("T")


class _Row(NamedTuple):
    doc: int
    document: StoredDocument


class Storage:
    """All documents, in a file or in memory. May be used by any thread.

    :param path: the file, which is created if it is missing; ``:memory:`` for none.
    :param retention_s: for how long the past can be read.
    :raises StorageFailure: the file is damaged, in use, or not one of ours.
    """

    def __init__(
        self,
        path: str | Path = MEMORY,
        *,
        retention_s: float = RETENTION_S,
        clock: Clock | None = None,
    ) -> None:
        self.clock = clock or Clock()
        self.feed = Feed()
        self._retention_us = int(retention_s * 1_000_000)
        self._database = Database(path)
        # Whoever holds it commits for everybody who waits.
        self._leading = threading.Lock()
        self._requests_lock = threading.Lock()
        self._requests: list[_Request[Any]] = []
        self._times_lock = threading.Lock()
        self._in_flight: int | None = None
        self._committed = 0
        #: No commit that is yet to come will have a time up to this one.
        self._decided = 0
        self._forgotten = 0
        self._scopes: dict[tuple[str, int, str], int] = {}
        self._changed: dict[str, int] = {}
        self._load()

    @property
    def path(self) -> str:
        """Where it is kept."""
        return self._database.path

    @property
    def identity(self) -> bytes:
        """Eight bytes that no other storage has."""
        return self._database.identity

    def read_time(self) -> int:
        """A time up to which everything is decided, readable and published."""
        with self._times_lock:
            return self.clock.tick() if self._in_flight is None else self._in_flight - 1

    @contextlib.contextmanager
    def reading(self, at: int | None = None) -> Iterator[Reading]:
        """The state at a time, or (``None``) the newest.

        Keep it open shortly: it holds back commits when there is no file, and the cleaning up
        of the file when there is one. Do not call ``commit`` inside.

        :raises Refusal: INVALID_ARGUMENT if the time is yet to come, FAILED_PRECONDITION if it
            is older than the retention; a status for a file that fails.
        """
        if at is not None:
            self.check_read_time(at)
        try:
            with self._database.reading() as connection:
                newest = _newest(connection)
                if at is None:
                    at = self._time_of(newest)
                yield Reading(self, connection, at, is_newest=at >= newest)
        except sqlite3.Error as error:
            raise refusal_of(error, self.path) from error

    def commit(self, world: str, work: Callable[[Staging], T]) -> tuple[int, T]:
        """Have work done on the newest state, and keep what it staged, all or nothing.

        Works are done one after the other, each on the state that the one before it left. The
        commit is durable, and the feed's subscribers have been called, when this returns.

        :param world: ``projects/P/databases/D``.
        :param work: reads and writes by the :class:`Staging` that it is given; it may run on
            another thread, and must not use the storage otherwise. What it raises is raised
            here, and nothing that it staged is kept.
        :return: the commit time, and what the work returned.
        """
        request = _Request(world, work)
        with self._requests_lock:
            self._requests.append(request)
        with self._leading:
            while not request.done:
                self._lead()
        return request.outcome()

    def commits_since(self, world: str, after: int, until: int) -> list[Commit]:
        """What was committed later than a time and up to another, in order.

        Together with the feed this replays any position: subscribe, take ``read_time()`` as
        ``until``, replay, then drop what the feed delivers up to ``until``.

        :raises Refusal: FAILED_PRECONDITION if ``after`` is older than the retention.
        """
        self._check_age(after)
        with self.reading(until) as reading:
            return reading.commits_since(world, after)

    def expires_at(self, time: int) -> int:
        """When a time can no longer be read, on this storage's clock."""
        return time + self._retention_us

    def changed_at(self, world: str) -> int:
        """A time such that nothing in this world was committed later, as far as one can read.

        Inside a commit's work, what was done before it in the same group counts.
        """
        return self._changed.get(world, 0)

    def is_expired(self, time: int) -> bool:
        """Whether the past is forgotten up to this time or beyond."""
        return self.expires_at(time) < self.clock.tick()

    def close(self) -> None:
        """Let go of the file; whatever is asked for afterwards is refused."""
        with self._leading:
            self._database.close()

    # Scopes: the numbers of collections and collection groups.

    def scope(self, world: str, kind: int, path: str) -> int | None:
        """The number that keys of a collection or a group begin with; ``None``: it is empty."""
        return self._scopes.get((world, kind, path))

    def _load(self) -> None:
        connection = self._database.writer
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
        self._next_doc: int = newest_doc + 1
        self._committed = _newest(connection)
        self.clock.advance(self._committed)

    # Times.

    def check_read_time(self, at: int) -> None:
        """Whether a time can be read at.

        :raises Refusal: INVALID_ARGUMENT if it is yet to come, FAILED_PRECONDITION if it is
            older than the retention.
        """
        if at > max(self.read_time(), self._decided):
            raise invalid("The requested 'read_time' cannot be in the future.")
        self._check_age(at)

    def _check_age(self, at: int) -> None:
        if self.is_expired(at):
            raise failed_precondition(
                "The requested 'read_time' is too old: the past is kept for "
                f"{self._retention_us / 1_000_000:g} s"
            )

    def _time_of(self, newest: int) -> int:
        """A time at which the newest commit of a state is the newest of all."""
        with self._times_lock:
            if self._in_flight is None and self._committed == newest:
                return self.clock.tick()
        return newest

    # Committing. Everything below runs under `_leading`.

    def _lead(self) -> None:
        """Commit what waits, with one synchronization of the disk for all of it."""
        with self._requests_lock:
            requests = self._requests[:_GROUP_COMMIT]
            del self._requests[:_GROUP_COMMIT]
        with self._times_lock:
            self._in_flight = self.clock.tick()
        commits: list[Commit] = []
        try:
            with self._database.writing() as connection:
                self._write_group(connection, requests, commits)
                self._publish(commits)
        finally:
            with self._times_lock:
                if commits:
                    self._committed = commits[-1].time
                self._in_flight = None
            for request in requests:
                request.done = True

    def _write_group(
        self,
        connection: sqlite3.Connection,
        requests: Sequence[_Request[Any]],
        commits: list[Commit],
    ) -> None:
        try:
            connection.execute("BEGIN IMMEDIATE")
            for request in requests:
                commit = self._perform(connection, request)
                if commit.changes:
                    commits.append(commit)
                    # Before anybody can read it; also if it fails: then for nothing.
                    self._changed[commit.world] = commit.time
            if commits:
                self._forget(connection)
            connection.execute("COMMIT")
        except BaseException as error:
            commits.clear()
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            told = refusal_of(error, self.path) if isinstance(error, sqlite3.Error) else error
            for request in requests:
                # Those that were refused already stay so.
                request.error = request.error or told
            with contextlib.suppress(sqlite3.Error):
                self._load()
            if not isinstance(error, Exception):
                raise

    def _publish(self, commits: Sequence[Commit]) -> None:
        """Hand a group on; the last commit of each world tells that it is the last."""
        self._decided = self.clock.tick()
        last = {commit.world: commit.time for commit in commits}
        for commit in commits:
            is_last = commit.time == last[commit.world]
            decided = self._decided if is_last else commit.time
            self.feed.publish(replace(commit, decided=decided))

    def _perform(self, connection: sqlite3.Connection, request: _Request[Any]) -> Commit:
        staging = Staging(self, connection, request.world, self.clock.tick())
        request.time = staging.time
        try:
            request.result = request.work(staging)
        except sqlite3.Error:
            raise
        except Exception as error:
            request.error = error
            return Commit(staging.time, request.world, ())
        return _Writing(self, connection, staging).write()

    def _scope_to_write(
        self, connection: sqlite3.Connection, world: str, kind: int, path: str
    ) -> int:
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

    def _new_doc(self) -> int:
        doc = self._next_doc
        self._next_doc += 1
        return doc

    def _forget(self, connection: sqlite3.Connection) -> None:
        """Forget some of what is older than the retention."""
        horizon = self.clock.tick() - self._retention_us
        # Not at every commit: looking costs, too.
        if horizon - self._forgotten < min(self._retention_us // 100, 1_000_000):
            return
        self._forgotten = horizon
        for table, key in (
            ("past_documents", "rowid"),
            ("past_keys", "(key, doc)"),
            ("past_entries", "(key, doc)"),
        ):
            columns = key.strip("()")
            connection.execute(
                f"DELETE FROM {table} WHERE {key} IN"
                f" (SELECT {columns} FROM {table} WHERE until < ? LIMIT ?)",
                (horizon, _FORGET),
            )
        # The newest stays: its time is where the clock goes on after a restart.
        connection.execute(
            "DELETE FROM commits WHERE time IN (SELECT time FROM commits WHERE time < ?"
            " AND time < (SELECT max(time) FROM commits) LIMIT ?)",
            (horizon, _FORGET),
        )


class _Request(Generic[T]):
    """Somebody waits for this work to be committed."""

    def __init__(self, world: str, work: Callable[[Staging], T]) -> None:
        self.world = world
        self.work = work
        self.time = 0
        self.result: T | None = None
        self.error: BaseException | None = None
        self.done = False

    def outcome(self) -> tuple[int, T]:
        if self.error is not None:
            raise self.error
        return self.time, self.result  # type: ignore[return-value]


class Staging:
    """The newest state, and what one commit is about to make of it."""

    def __init__(
        self, storage: Storage, connection: sqlite3.Connection, world: str, time: int
    ) -> None:
        self._storage = storage
        self._connection = connection
        self.world = world
        #: The commit time.
        self.time = time
        self._found: dict[str, _Row | None] = {}
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
                key = _document_key(self._storage, name)
                if key is not None:
                    keys[key] = name
        wanted = list(keys)
        for start in range(0, len(wanted), _CHUNK):
            chunk = wanted[start : start + _CHUNK]
            marks = ",".join("?" * len(chunk))
            for doc, key, updated, data in self._connection.execute(
                f"SELECT doc, key, updated, data FROM documents WHERE key IN ({marks})", chunk
            ).fetchall():
                self._found[keys[key]] = _Row(doc, StoredDocument(data, updated))

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
        return Reading(self._storage, self._connection, self.time, is_newest=True)

    def changes(self) -> Iterator[tuple[str, _Row | None, StoredDocument | None]]:
        """What is staged and differs from what is stored."""
        for name, after in self._staged.items():
            before = self._found[name]
            if before is not None or after is not None:
                yield name, before, after


class _Writing:
    """Writes what is staged into the tables."""

    def __init__(self, storage: Storage, connection: sqlite3.Connection, staging: Staging) -> None:
        self._storage = storage
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

    def _add(self, name: str, before: _Row | None, after: StoredDocument | None) -> int:
        keys = _Keys(self._storage, self._connection, name)
        doc = self._storage._new_doc() if before is None else before.doc
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


class _Keys:
    """The keys of a document and of its index entries."""

    def __init__(self, storage: Storage, connection: sqlite3.Connection, name: str) -> None:
        world, path = split_name(name)
        collection, identity = collection_path(path)
        scope = storage._scope_to_write(connection, world, COLLECTION, collection)
        self._collection = scope_prefix(scope)
        self._id = encode_segment(identity)
        #: Of the document itself.
        self.document = self._collection + self._id
        self._group = b""
        if "/" in collection:
            # The collections at the root are their own index: a group's query reads both.
            group = collection.rpartition("/")[2]
            scope = storage._scope_to_write(connection, world, GROUP, group)
            self._group = scope_prefix(scope)
            self._path = encode_name(path)

    def entries(self, suffixes: Iterable[bytes], doc: int) -> Iterator[tuple[bytes, int]]:
        for suffix in suffixes:
            yield self._collection + suffix + self._id, doc
            if self._group:
                yield self._group + suffix + self._path, doc

    def name_entries(self, doc: int) -> Iterator[tuple[bytes, int]]:
        if self._group:
            yield self._group + NAME_PREFIX + self._path, doc


class Reading:
    """The state of all databases at one time; valid inside ``Storage.reading``."""

    def __init__(
        self, storage: Storage, connection: sqlite3.Connection, time: int, *, is_newest: bool
    ) -> None:
        self._storage = storage
        self.connection = connection
        #: The read time.
        self.time = time
        #: Whether the tables of the present say it all.
        self.is_newest = is_newest

    def scope(self, world: str, kind: int, path: str) -> int | None:
        """The number that keys of a collection or a group begin with; ``None``: it is empty."""
        return self._storage.scope(world, kind, path)

    def document(self, name: str) -> StoredDocument | None:
        """The document of this full name, or ``None`` if it did not exist."""
        key = _document_key(self._storage, name)
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
        """What a document was at this time, by its number and what it is at present."""
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
        """What was committed later than a time and up to this one, in order."""
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
        return Reading(self._storage, self.connection, time, is_newest=False)

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


def scope_prefix(scope: int) -> bytes:
    """What the keys of a scope begin with."""
    return scope.to_bytes(4, "big")


def _document_key(storage: Storage, name: str) -> bytes | None:
    """The key of a document, or ``None`` if nothing was ever in its collection."""
    world, path = split_name(name)
    collection, identity = collection_path(path)
    scope = storage.scope(world, COLLECTION, collection)
    return None if scope is None else scope_prefix(scope) + encode_segment(identity)


def _newest(connection: sqlite3.Connection) -> int:
    """The time of the newest commit that a connection sees."""
    return int(connection.execute("SELECT ifnull(max(time), 0) FROM commits").fetchone()[0])
