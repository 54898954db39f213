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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from flask_boiler.local.embedded.storage.clock import Clock
from flask_boiler.local.embedded.storage.commit_feed import Commit, CommitFeed
from flask_boiler.local.embedded.storage.database import MEMORY, Database, refusal_of
from flask_boiler.local.embedded.storage.keys import Numbering
from flask_boiler.local.embedded.storage.reading import Reading, newest_time
from flask_boiler.local.embedded.storage.refusal import failed_precondition, invalid
from flask_boiler.local.embedded.storage.staging import Staging, Writing

__all__ = ["RETENTION_S", "Storage"]

#: For how long the past can be read, by default.
RETENTION_S = 3600.0

_GROUP_COMMIT = 64
#: How many rows of the past one commit forgets at most, so that none takes long.
_FORGET = 10_000

T = TypeVar("T")


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
        self.feed = CommitFeed()
        self._retention_us = int(retention_s * 1_000_000)
        self._database = Database(path)
        # Whoever holds it commits for everybody who waits.
        self._leading = threading.Lock()
        self._requests_lock = threading.Lock()
        self._requests: list[_Request[Any]] = []
        # Held while a commit is published, and a subscriber may ask for the time.
        self._times_lock = threading.RLock()
        self._in_flight: int | None = None
        self._committed = 0
        #: No commit that is yet to come will have a time up to this one.
        self._decided = 0
        self._forgotten = 0
        self._numbering = Numbering()
        self._changed: dict[str, int] = {}
        self._load()

    @property
    def path(self) -> str:
        """The path of the file."""
        return self._database.path

    def announce(self, address: str) -> None:
        """Tell whoever wants the file, too, where it is served (``HOST:PORT``)."""
        self._database.announce(address)

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
                newest = newest_time(connection)
                if at is None:
                    at = self._time_of(newest)
                yield Reading(self._numbering, connection, at, is_newest=at >= newest)
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
        """The commits later than a time and up to another, in order.

        Together with the feed this replays any position: subscribe, take ``read_time()`` as
        ``until``, replay, then drop what the feed delivers up to ``until``.

        :raises Refusal: FAILED_PRECONDITION if ``after`` is older than the retention.
        """
        self._check_age(after)
        with self.reading(until) as reading:
            return reading.commits_since(world, after)

    def expires_at(self, time: int) -> int:
        """The time when a past time can no longer be read, on this storage's clock."""
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

    def _load(self) -> None:
        connection = self._database.writer
        self._numbering.load(connection)
        self._committed = newest_time(connection)
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
                # Who subscribes after that, and then asks for a time, gets one that covers them:
                # otherwise it would neither be told of them nor read them.
                with self._times_lock:
                    self._publish(commits)
                    self._end(commits)
        finally:
            with self._times_lock:
                self._end(commits)
            for request in requests:
                request.done = True

    def _end(self, commits: Sequence[Commit]) -> None:
        if commits:
            self._committed = commits[-1].time
        self._in_flight = None

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
        staging = Staging(self._numbering, connection, request.world, self.clock.tick())
        request.time = staging.time
        try:
            request.result = request.work(staging)
        except sqlite3.Error:
            raise
        except Exception as error:
            request.error = error
            return Commit(staging.time, request.world, ())
        return Writing(self._numbering, connection, staging).write()

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
    """A request to commit some work, which somebody waits for."""

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
