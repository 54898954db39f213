"""One attempt at a transaction: what it has read, what it will write, and its commit."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from flask_boiler.context.context import ApplicationContext
from flask_boiler.errors import (
    BoilerError,
    ConflictError,
    DatastoreError,
    DocumentNotFoundError,
    QueryError,
    UnavailableError,
    ValidationError,
)
from flask_boiler.firestore.narrowing import may_find
from flask_boiler.firestore.native import same_value
from flask_boiler.ground.callbacks import require_plain
from flask_boiler.ground.values import CommitResult, Precondition, QueryTarget, Snapshot, Write
from flask_boiler.transactions.commit_outcome import CommitOutcome, Found, look
from flask_boiler.transactions.identities import Identities
from flask_boiler.transactions.pending import ServerComputedError, applied, joined

__all__ = ["Transaction", "TransactionReader"]

_log = logging.getLogger(__name__)

#: How often a commit of unknown outcome that has not been applied is sent again.
_MAX_COMMITS = 3

OnCommit = Callable[[int], None]


class Transaction:
    """An attempt at a transaction: reads of one time, and writes that wait for one commit.

    ::

        reading ──commit()──► committing ──► committed
           └──────rollback()──────┴────────► given up

    Made by ``transaction()`` and ``run_transaction``, not by hand.

    :param context: where the database is.
    :param locking: have the server lock what is read.
    """

    def __init__(self, context: ApplicationContext, *, locking: bool = False) -> None:
        self.context = context
        self.locking = locking
        self.reader = TransactionReader(self)
        #: The objects that were read or saved through it.
        self.identities = Identities()
        self._token: bytes | None = None
        self._read: dict[str, Snapshot] = {}
        self._pending: dict[str, list[Write]] = {}
        self._preconditions: dict[str, Precondition] = {}
        self._on_commit: list[tuple[str, OnCommit]] = []
        self._over = ""

    # -- writing

    def write(self, write: Write, on_commit: OnCommit | None = None) -> None:
        """Add a write to the commit, after those that the document has already.

        A precondition is checked against what the transaction read or wrote already, and else
        by the server.

        :param on_commit: as for :meth:`on_commit`.
        :raises ConflictError: the precondition does not hold.
        :raises DocumentNotFoundError: the document must exist, and does not.
        """
        self._require_open()
        if write.kind == "verify" and write.precondition is None:
            raise ValueError(f"nothing to verify about {write.path}: give a precondition")
        if write.precondition is not None:
            self._take_precondition(write.path, write.precondition)
        bare = replace(write, precondition=None)
        self._pending[write.path] = joined(self._pending.get(write.path, ()), bare)
        self.identities.note_written(write.path)
        if on_commit is not None:
            self.on_commit(write.path, on_commit)

    def write_all(self, writes: Sequence[tuple[Write, OnCommit]]) -> None:
        """Add several writes that belong together: all of them, or none.

        :raises ConflictError: as for ``write``; then none is to be written.
        :raises DocumentNotFoundError: as for ``write``.
        """
        # One that is refused leaves nothing by itself, and a transaction may have many of these.
        if len(writes) == 1:
            self.write(*writes[0])
            return
        before = dict(self._pending), dict(self._preconditions), list(self._on_commit)
        try:
            for write, on_commit in writes:
                self.write(write, on_commit)
        except DatastoreError:
            self._pending, self._preconditions, self._on_commit = before
            raise

    def on_commit(self, path: str, callback: OnCommit) -> None:
        """Call a function after the commit, with the document's update time if it was written."""
        self._require_open()
        require_plain(callback, "what is called after a commit")
        self._on_commit.append((path, callback))

    def abandon_writes(self) -> None:
        """Forget all pending writes; the commit still verifies what was read.

        So that what comes of a failure (an error, a refusal) is stored only if the state that it
        is about was real.
        """
        self._require_open()
        self._pending.clear()
        self._preconditions.clear()
        self._on_commit.clear()
        self.identities.clear()

    def _take_precondition(self, path: str, required: Precondition) -> None:
        if required.update_time_ns is not None:
            self._require_version(path, required)
            return
        exists = self._exists(path)
        if exists is None:
            self._preconditions.setdefault(path, required)
        elif required.exists and not exists:
            raise DocumentNotFoundError(path)
        elif exists and not required.exists:
            raise ConflictError(f"{path} must not exist yet, but it does", path=path)

    def _exists(self, path: str) -> bool | None:
        """Whether the document exists as the transaction sees it; ``None`` if it cannot tell."""
        for write in reversed(self._pending.get(path, ())):
            if write.kind != "verify":
                return write.kind != "delete"
        return self._read[path].exists if path in self._read else None

    def _require_version(self, path: str, required: Precondition) -> None:
        known = self._known_version(path)
        if known is None:
            self._preconditions[path] = required
        elif known != required.update_time_ns:
            raise ConflictError(
                f"{path} was changed by somebody else after it was loaded: load it inside the "
                "transaction",
                path=path,
            )

    def _known_version(self, path: str) -> int | None:
        if path in self._read:
            return self._read[path].update_time_ns
        known = self._preconditions.get(path)
        if known is not None and known.exists is False:
            return 0
        if known is None and self._replaces(path):
            # Written without having been read: what reads of it show has this time.
            return 0
        return None if known is None else known.update_time_ns

    def is_current(
        self, path: str, fields: Mapping[str, Any] | None, update_time_ns: int | None
    ) -> bool:
        """Whether a snapshot is the document as the transaction sees it, with its own writes.

        :param fields: the stored fields; ``None`` for no document.
        :param update_time_ns: of the version that they were read in.
        """
        if not self._is_written(path):
            return path in self._read and self._read[path].update_time_ns == update_time_ns
        if self.identities.has_left(path, fields):
            return True
        if path not in self._read and not self._replaces(path):
            return False
        try:
            seen = self._seen(path)
        except ServerComputedError:
            return False
        return same_value(fields, seen.fields if seen.exists else None)

    def require_current(self, path: str, fields: Mapping[str, Any]) -> None:
        """Check that an object that is to be changed has all that the transaction has written.

        Whether somebody else has written meanwhile is for the write's precondition to tell.

        :param fields: the stored fields that the change was made to.
        :raises ConflictError: it has not.
        """
        if self._is_written(path) and not self.is_current(path, fields, None):
            raise ConflictError(
                f"{path} was written in this transaction through another object, and this object "
                "does not have the change: load it inside the transaction, where get() always "
                "returns the same object",
                path=path,
            )

    def _is_written(self, path: str) -> bool:
        return any(write.kind != "verify" for write in self._pending.get(path, ()))

    @property
    def replaced(self) -> list[str]:
        """The paths of documents that were read and will be changed: others may race for these."""
        return sorted(
            path for path in self._pending if self._known_version(path) and self._is_written(path)
        )

    # -- committing

    def commit(self) -> None:
        """Apply all writes if nothing that was read has changed, and then call back.

        :raises ConflictError: something has; nothing was written.
        :raises DocumentNotFoundError: a document that had to exist does not.
        :raises UnavailableError: with ``outcome_unknown`` if it cannot be told what happened.
        """
        self._require_open()
        self._over = "was committed"
        if not any(self._pending.values()):
            self._release()
            return
        try:
            times = self._commit(self._writes())
        except BaseException:
            self._over = "has failed"
            raise
        for path, callback in self._on_commit:
            if path in times:
                callback(times[path])

    def rollback(self) -> None:
        """End the transaction: nothing is written, and locks are released."""
        if not self._over:
            self._over = "was given up"
            self._release()

    def _writes(self) -> list[Write]:
        writes: list[Write] = []
        for path, pending in self._pending.items():
            writes.append(replace(pending[0], precondition=self._precondition(path)))
            writes.extend(pending[1:])
        if not self.locking:
            read_only = [path for path in self._read if path not in self._pending]
            writes.extend(
                Write("verify", path, precondition=self._precondition(path)) for path in read_only
            )
        return writes

    def _precondition(self, path: str) -> Precondition | None:
        if path not in self._read or self.locking:
            return self._preconditions.get(path)
        snapshot = self._read[path]
        if snapshot.exists:
            return Precondition(update_time_ns=snapshot.update_time_ns)
        return Precondition(exists=False)

    def _commit(self, writes: Sequence[Write]) -> dict[str, int]:
        """The update times by path; the commit is sent again only if it was surely not applied."""
        unknown: UnavailableError | None = None
        for _ in range(_MAX_COMMITS):
            try:
                return self._times(writes, self._send(writes))
            except UnavailableError as error:
                if not error.outcome_unknown:
                    if unknown is None:
                        raise
                    # This sending was not taken, but the first may still be on its way.
                    raise unknown from error
                unknown = error
            except (ConflictError, DocumentNotFoundError, ValidationError) as error:
                if unknown is None:
                    explained = self._explained(error)
                    if explained is error:
                        raise
                    raise explained from error
                return self._lost_to_itself(unknown, error)
            found = self._look(unknown)
            if found.state is CommitOutcome.APPLIED:
                return found.update_times_ns
            if found.state is CommitOutcome.UNDECIDED:
                raise unknown
        assert unknown is not None
        raise unknown

    def _lost_to_itself(self, unknown: UnavailableError, error: BoilerError) -> dict[str, int]:
        """The answer to a commit that was sent twice and refused: the first may have arrived late.

        A locking one is then refused as invalid, for its transaction is over.
        """
        found = self._look(unknown)
        if found.state is CommitOutcome.APPLIED:
            return found.update_times_ns
        if found.state is CommitOutcome.NOT_APPLIED:
            raise ConflictError(str(error)) from error
        raise unknown from error

    def _send(self, writes: Sequence[Write]) -> CommitResult:
        token = self._token if self.locking else None
        return self.context.datastore.commit(writes, transaction=token)

    def _times(self, writes: Sequence[Write], result: CommitResult) -> dict[str, int]:
        # The last write of a document tells the time that all of them leave.
        pairs = zip(writes, result.update_times_ns, strict=True)
        return {write.path: time_ns for write, time_ns in pairs if write.path in self._pending}

    def _look(self, unknown: UnavailableError) -> Found:
        try:
            return look(self.context.datastore, self._pending, self._before())
        except DatastoreError as error:
            _log.warning("cannot tell whether a transaction was committed: %s", error)
            raise unknown from error

    def _before(self) -> dict[str, Snapshot | Precondition]:
        return {**self._preconditions, **self._read}

    def _explained(self, error: BoilerError) -> BoilerError:
        """The error to raise: if a document that was read is gone, that is a conflict."""
        if not isinstance(error, DocumentNotFoundError):
            return error
        required = [
            path
            for path, condition in self._preconditions.items()
            if condition.exists and path not in self._read
        ]
        found = self.context.datastore.get(required) if required else {}
        missing = [path for path in required if not found[path].exists]
        if missing:
            return DocumentNotFoundError(missing[0])
        return ConflictError(str(error), path=error.path or None)

    # -- reading

    def _begin(self) -> bytes:
        self._require_open()
        if self._token is None:
            self._token = self.context.datastore.begin(read_only=not self.locking)
        return self._token

    def _documents(self, paths: Sequence[str]) -> dict[str, Snapshot]:
        wanted = [path for path in dict.fromkeys(paths) if path not in self._read]
        unread = [path for path in wanted if not self._replaces(path)]
        if unread:
            token = self._begin()
            self._read.update(self.context.datastore.get(unread, transaction=token))
        return {path: self._seen(path) for path in paths}

    def _replaces(self, path: str) -> bool:
        """Whether the pending writes replace everything that is stored in the document."""
        pending = self._pending.get(path)
        return pending is not None and pending[0].kind in ("set", "delete")

    def _seen(self, path: str) -> Snapshot:
        codec = self.context.decoder
        before = self._read.get(path) or codec.missing(path)
        pending = self._pending.get(path)
        return applied(before, pending, codec) if pending else before

    def _query(self, target: QueryTarget) -> list[Snapshot]:
        self._refuse_if_written(target)
        token = self._begin()
        found = list(self.context.datastore.run_query(target, transaction=token))
        for snapshot in found:
            self._read.setdefault(snapshot.path, snapshot)
        return found

    def _aggregate(
        self, target: QueryTarget, functions: Mapping[str, tuple[str, str | None]]
    ) -> Mapping[str, Any]:
        self._refuse_if_written(target)
        token = self._begin()
        return self.context.datastore.aggregate(target, functions, transaction=token)

    def _refuse_if_written(self, target: QueryTarget) -> None:
        for path in self._pending:
            if may_find(target, path):
                raise QueryError(
                    f"{target} cannot be run after {path} was written in the same transaction, "
                    "because the result would not include this write. Run the query before "
                    "writing, or read the documents one by one."
                )

    def _require_open(self) -> None:
        if self._over:
            raise DatastoreError(
                f"this transaction {self._over}: begin a new one with transaction() or "
                "run_transaction"
            )

    def _release(self) -> None:
        # Only locks are worth a call: a read-only transaction holds none.
        if self._token is None or not self.locking:
            return
        try:
            self.context.datastore.rollback(self._token)
        except DatastoreError as error:
            # The server releases them by itself after a while; the first error matters more.
            _log.warning("a transaction's locks could not be released: %s", error)


class TransactionReader:
    """The reader of a transaction: its reads are of one time, and include its own writes."""

    fetches = True

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    @property
    def transaction(self) -> Transaction:
        """The transaction that is read."""
        return self._transaction

    def documents(self, paths: Sequence[str]) -> Mapping[str, Snapshot]:
        """The snapshots by path; written documents are as they will be.

        :raises ServerComputedError: a written document has a value that the server computes.
        """
        return self._transaction._documents(paths)

    def query(self, target: QueryTarget) -> Sequence[Snapshot]:
        """The documents of the query's result.

        :raises QueryError: the transaction has written a document that it might find.
        """
        return self._transaction._query(target)

    def aggregate(
        self, target: QueryTarget, functions: Mapping[str, tuple[str, str | None]]
    ) -> Mapping[str, Any]:
        """The server's aggregations; they are verified only if the transaction locks.

        :raises QueryError: as for ``query``.
        """
        return self._transaction._aggregate(target, functions)
