"""The SQLite database below: its tables, its connections, and what can go wrong with its file."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import grpc

from flask_boiler.errors import ConfigurationError
from flask_boiler.local.embedded.storage.file_lock import FileLock, HeldError, other_names
from flask_boiler.local.embedded.storage.refusal import Refusal

__all__ = ["MEMORY", "Database", "StorageFailure", "refusal_of"]

MEMORY = ":memory:"
_FORMAT = 1
#: Files up to this size are looked through at the start; more would take long. Damage in a
#: larger one is noticed by whoever reads the damaged part.
_LOOKED_THROUGH = 32 * 1024 * 1024
#: Spells "bFst" where SQLite keeps the kind of an application's file.
_APPLICATION_ID = 0x62467374

# Keys are the bytes of `encoding`: a scope's number (a collection, or all collections of one
# id), then what is ordered. The tables of the present hold nothing else, so that reading the
# present never passes over the past; what a commit replaces moves to the tables of the past.
_TABLES = """
CREATE TABLE identity (id BLOB NOT NULL);
INSERT INTO identity VALUES (randomblob(8));
CREATE TABLE scopes (
    scope INTEGER PRIMARY KEY, world TEXT NOT NULL, kind INTEGER NOT NULL, key BLOB NOT NULL,
    path TEXT NOT NULL, UNIQUE (world, kind, key));
CREATE TABLE documents (
    doc INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, updated INTEGER NOT NULL,
    data BLOB NOT NULL);
CREATE TABLE entries (key BLOB PRIMARY KEY, doc INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE commits (time INTEGER PRIMARY KEY, world TEXT NOT NULL, docs BLOB NOT NULL);
CREATE TABLE past_documents (
    doc INTEGER NOT NULL, since INTEGER NOT NULL, until INTEGER NOT NULL, data BLOB NOT NULL);
CREATE INDEX past_documents_by_doc ON past_documents (doc, since);
CREATE INDEX past_documents_by_until ON past_documents (until);
CREATE TABLE past_keys (
    key BLOB NOT NULL, doc INTEGER NOT NULL, until INTEGER NOT NULL,
    PRIMARY KEY (key, doc)) WITHOUT ROWID;
CREATE INDEX past_keys_by_until ON past_keys (until);
CREATE TABLE past_entries (
    key BLOB NOT NULL, doc INTEGER NOT NULL, until INTEGER NOT NULL,
    PRIMARY KEY (key, doc)) WITHOUT ROWID;
CREATE INDEX past_entries_by_until ON past_entries (until);
"""

#: A full disk, a quota that is used up, a file that may not grow.
_FULL = frozenset(
    getattr(errno, name) for name in ("ENOSPC", "EDQUOT", "EFBIG") if hasattr(errno, name)
)
#: What SQLite says of a file that cannot grow, apart from SQLITE_FULL, and of others: of the
#: file, of its log, of the index of its log, which has to be made before anything is read.
_PERHAPS_FULL = (
    "SQLITE_IOERR_WRITE",
    "SQLITE_IOERR_FSYNC",
    "SQLITE_IOERR_DIR_FSYNC",
    "SQLITE_IOERR_TRUNCATE",
    "SQLITE_IOERR_SHMOPEN",
    "SQLITE_IOERR_SHMSIZE",
    "SQLITE_IOERR_SHMMAP",
    "SQLITE_CANTOPEN",
)
_PROBE = b"\0" * 65_536


class StorageFailure(ConfigurationError):
    """The file of an embedded Firestore cannot be used; the message says why and what to do."""


class Database:
    """A file with one connection that writes and as many as needed that read.

    :param path: the file, which is created; ``:memory:`` for none.
    :raises StorageFailure: it is damaged, in use, of another kind, or cannot be opened.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = str(path)
        self.in_memory = self.path == MEMORY
        self._pool_lock = threading.Lock()
        self._pool: list[sqlite3.Connection] = []
        self._memory_lock = threading.RLock()
        self._closed = False
        self._writer: sqlite3.Connection | None = None
        self._file_lock = None if self.in_memory else _locked(self.path)
        try:
            self._writer = self.writer = self._connect()
            self._prepare()
            #: Eight bytes that no other database has, not even one made anew at this path.
            self.identity = bytes(self.writer.execute("SELECT id FROM identity").fetchone()[0])
        except (sqlite3.Error, StorageFailure) as error:
            self._close_all()
            raise _unusable(self.path, error) from error

    def announce(self, address: str) -> None:
        """Tell whoever wants the file, too, where it is served (``HOST:PORT``)."""
        if self._file_lock is not None:
            self._file_lock.announce(address)

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """The connection that writes; the caller sees to it that only one thread asks."""
        with self._memory_lock if self.in_memory else contextlib.nullcontext():
            yield self.writer

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection that sees one state of the database, whatever is committed meanwhile.

        Without a file there is one connection, and commits wait until this is over.
        """
        if self.in_memory:
            with self._memory_lock:
                yield self.writer
            return
        connection = self._borrow()
        try:
            connection.execute("BEGIN")
            yield connection
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            self._give_back(connection)

    def close(self) -> None:
        """Close all connections; what was committed is in the file alone."""
        with self._pool_lock:
            self._closed = True
            pool, self._pool = self._pool, []
        for connection in pool:
            connection.close()
        with self.writing():
            self._close_all()

    def _close_all(self) -> None:
        # SQLite's locks, which keep other programs out, end with ours: so ours is the last.
        if self._writer is not None:
            self._writer.close()
        if self._file_lock is not None:
            self._file_lock.release()

    def _connect(self) -> sqlite3.Connection:
        path = self.path if self._file_lock is None else self._file_lock.path
        connection = sqlite3.connect(
            path, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        if not self.in_memory:
            connection.execute("PRAGMA journal_mode = WAL")
            # A commit is on the disk before it is acknowledged, whatever the machine does next.
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA cache_size = -32000")
        connection.execute("PRAGMA temp_store = MEMORY")
        return connection

    def _prepare(self) -> None:
        connection = self.writer
        found = connection.execute("PRAGMA application_id").fetchone()[0]
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if tables == 0:
            # In one transaction: whoever is interrupted here finds an empty file again.
            connection.executescript(
                f"BEGIN IMMEDIATE; {_TABLES} PRAGMA application_id = {_APPLICATION_ID};"
                f"PRAGMA user_version = {_FORMAT}; COMMIT;"
            )
            return
        if found != _APPLICATION_ID:
            raise StorageFailure("it is an SQLite database of another application")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version != _FORMAT:
            raise StorageFailure(
                f"its format is {version} and this version reads {_FORMAT}; export it with the "
                "version that wrote it, and import that into a new file"
            )
        if Path(self.path).stat().st_size <= _LOOKED_THROUGH:
            damage = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            if damage != "ok":
                raise sqlite3.DatabaseError(damage)

    def _borrow(self) -> sqlite3.Connection:
        with self._pool_lock:
            if self._closed:
                raise Refusal(grpc.StatusCode.UNAVAILABLE, "the embedded Firestore has stopped")
            if self._pool:
                return self._pool.pop()
        return self._connect()

    def _give_back(self, connection: sqlite3.Connection) -> None:
        with self._pool_lock:
            if not self._closed:
                self._pool.append(connection)
                return
        connection.close()


def _locked(path: str) -> FileLock:
    """The lock on a file, so that no other process opens it."""
    try:
        lock = FileLock(path)
        try:
            _check_other_names(lock.path)
        except BaseException:
            lock.release()
            raise
    except (HeldError, OSError, StorageFailure) as error:
        raise _unusable(path, error) from error
    return lock


def _check_other_names(path: str) -> None:
    """A log of what is not yet in the file lies beside the name by which it was opened last."""
    for name in other_names(path):
        log = Path(f"{name}-wal")
        if log.exists() and log.stat().st_size:
            raise StorageFailure(
                f"it is also {name}, and commits that are not in it yet are in {log}; open it by "
                "that name"
            )


def _unusable(path: str, why: object) -> StorageFailure:
    remedy = ""
    if isinstance(why, sqlite3.Error | OSError) and _is_full(why, path):
        return StorageFailure(
            f"the embedded Firestore cannot use {path}: the disk is full ({why}). Make room and "
            "start it again"
        )
    if isinstance(why, FileNotFoundError):
        return StorageFailure(
            f"the embedded Firestore cannot use {path}: there is no directory "
            f"{Path(path).absolute().parent}. Make it, or name another file"
        )
    if isinstance(why, sqlite3.DatabaseError) and not isinstance(why, sqlite3.OperationalError):
        remedy = (
            " The file is damaged, or no file of an embedded Firestore. Move it away and import "
            "the last export into a new one; `sqlite3 FILE .recover` may save more."
        )
    if isinstance(why, HeldError):
        where = why.holder.address
        remedy = (
            " Stop that one"
            if where is None
            else f" Use that one (FIRESTORE_EMULATOR_HOST={where}, or --host {where}), or stop it"
        )
        remedy += "; 'flask boiler firestore start' runs one for several processes."
    return StorageFailure(f"the embedded Firestore cannot use {path}: {why}.{remedy}")


def refusal_of(error: sqlite3.Error | OSError, path: str) -> Refusal:
    """The status that a client gets when a file fails while it is in use.

    :param path: the database; what is not SQLite's error is of files that are there for a while.
    """
    if _is_full(error, path):
        what = path if isinstance(error, sqlite3.Error) else tempfile.gettempdir()
        return Refusal(
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            f"the disk is full: {what} cannot grow ({error}). Nothing of this commit was written; "
            "make room and repeat it",
        )
    code = getattr(error, "sqlite_errorname", "") or ""
    if code.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return Refusal(
            grpc.StatusCode.DATA_LOSS,
            f"{path} is damaged ({error}). Stop the server, move the file away and import the "
            "last export into a new one",
        )
    return Refusal(
        grpc.StatusCode.INTERNAL,
        f"{path} cannot be read or written ({code or 'the system'}: {error}). Nothing of this "
        "request was done; look at the disk and the file's permissions",
    )


def _is_full(error: sqlite3.Error | OSError, path: str) -> bool:
    """Whether an error says, in any form, that a file cannot grow.

    :param path: the database, of which an error of SQLite's is.
    """
    if isinstance(error, OSError):
        return error.errno in _FULL
    name = getattr(error, "sqlite_errorname", "") or ""
    return name.startswith("SQLITE_FULL") or (name.startswith(_PERHAPS_FULL) and _has_no_room(path))


def _has_no_room(path: str) -> bool:
    """Whether a file beside this one cannot grow beyond its size: that is tried."""
    beside = [Path(f"{path}{kind}") for kind in ("", "-wal")]
    try:
        size = max((one.stat().st_size for one in beside if one.exists()), default=0)
        with tempfile.TemporaryFile(dir=os.path.dirname(os.path.realpath(path))) as probe:
            os.pwrite(probe.fileno(), _PROBE, size)
            os.fsync(probe.fileno())
    except OSError as error:
        return error.errno in _FULL
    return False
