"""Transactions: what they have read must still be so when they commit.

They are optimistic: nobody waits for anybody. A transaction reads the newest state; each further
read, and the commit, first check that all it has read so far is unchanged, and answer ABORTED if
it is not. So what it has read was true at one time whenever it gets an answer, and true at its
commit time if it commits: transactions are serializable.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

from flask_boiler.local.embedded.queries.executor import run
from flask_boiler.local.embedded.queries.matching import Query
from flask_boiler.local.embedded.storage.clock import microseconds
from flask_boiler.local.embedded.storage.document import StoredDocument
from flask_boiler.local.embedded.storage.reading import Reading
from flask_boiler.local.embedded.storage.refusal import aborted, invalid
from flask_boiler.local.embedded.storage.storage import Storage

__all__ = ["Transaction", "Transactions"]

_ENDED_KEPT = 10_000
_CLOSED = "Transaction is invalid or closed."

#: A query's result as far as it is compared: names and update times.
_Result = list[tuple[str, int]]


class Transaction:
    """A transaction: since when it is open, and what it has read.

    :param read_time: a read-only one reads at this time; ``None``: it may write.
    """

    def __init__(self, token: bytes, world: str, read_time: int | None, began_s: float) -> None:
        self.token = token
        self.world = world
        self.read_time = read_time
        self.began_s = began_s
        self.used_s = began_s
        self._lock = threading.Lock()
        self._valid_at = 0
        self._documents: dict[str, int] = {}
        self._queries: list[tuple[Query, _Result]] = []

    @property
    def is_read_only(self) -> bool:
        """Whether it may not write."""
        return self.read_time is not None

    def note_document(self, reading: Reading, name: str, found: StoredDocument | None) -> None:
        """Note that it has read this document, or that there is none."""
        if not self.is_read_only:
            with self._lock:
                self._documents[name] = 0 if found is None else found.updated
                # Two reads may run at once, each unknown to the other's validation.
                self._valid_at = min(self._valid_at or reading.time, reading.time)

    def note_query(self, reading: Reading, query: Query, found: Iterable[StoredDocument]) -> None:
        """Note that it has read this result."""
        if not self.is_read_only:
            with self._lock:
                self._queries.append((query, _result(found)))
                # Two reads may run at once, each unknown to the other's validation.
                self._valid_at = min(self._valid_at or reading.time, reading.time)

    def validate(self, reading: Reading, changed_at: int) -> None:
        """Whether all it has read is so in a newer state, too.

        :param changed_at: when something was committed last.
        :raises Refusal: ABORTED.
        """
        with self._lock:
            if changed_at <= self._valid_at:
                return
            for name, updated in self._documents.items():
                found = reading.document(name)
                if updated != (0 if found is None else found.updated):
                    raise _conflict(name)
            for query, before in self._queries:
                if _result(run(reading, query)) != before:
                    raise _conflict("the result of a query")
            self._valid_at = reading.time


def _result(found: Iterable[StoredDocument]) -> _Result:
    return [(document.name, document.updated) for document in found]


def _conflict(what: str) -> Exception:
    return aborted(
        f"Too much contention on these documents: {what} was changed by another writer since this "
        "transaction read it. Please try again."
    )


class Transactions:
    """The transactions that are open.

    :param lifetime_s: how long one may take.
    :param idle_s: how long one may do nothing.
    """

    def __init__(
        self,
        storage: Storage,
        *,
        lifetime_s: float = 270.0,
        idle_s: float = 60.0,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._storage = storage
        self._lifetime_s = lifetime_s
        self._idle_s = idle_s
        self._clock_s = clock_s
        self._lock = threading.Lock()
        self._open: dict[bytes, Transaction] = {}
        # Of those that ended it is known that they existed: rolling back twice is no error.
        self._ended: OrderedDict[bytes, bool] = OrderedDict()

    def begin(self, world: str, options: Any) -> Transaction:
        """A new transaction.

        :raises Refusal: INVALID_ARGUMENT, or the read time is too old.
        """
        read_time = None
        if options.HasField("read_only"):
            read_time = self._read_time(options.read_only)
        elif options.read_write.retry_transaction:
            self._check_retried(options.read_write.retry_transaction)
        now_s = self._clock_s()
        transaction = Transaction(secrets.token_bytes(12), world, read_time, now_s)
        with self._lock:
            self._expire(now_s)
            self._open[transaction.token] = transaction
        return transaction

    def use(self, world: str, token: bytes) -> Transaction:
        """An open transaction.

        :raises Refusal: INVALID_ARGUMENT: there is none of this token, any more.
        """
        now_s = self._clock_s()
        with self._lock:
            self._expire(now_s)
            transaction = self._open.get(token)
            if transaction is None:
                raise invalid(_CLOSED if token in self._ended else "Invalid transaction.")
            if transaction.world != world:
                raise invalid("The transaction belongs to another database.")
            transaction.used_s = now_s
            return transaction

    def end(self, token: bytes) -> None:
        """Forget a transaction, which is over; nothing happens if it was already.

        :raises Refusal: INVALID_ARGUMENT: there never was one of this token.
        """
        with self._lock:
            if token not in self._open and token not in self._ended:
                raise invalid("Invalid transaction.")
            self._close(token)

    def _read_time(self, options: Any) -> int:
        if not options.HasField("read_time"):
            return self._storage.read_time()
        read_time = microseconds(options.read_time)
        self._storage.check_read_time(read_time)
        return read_time

    def _check_retried(self, token: bytes) -> None:
        with self._lock:
            known = self._open.get(token)
            if known is None and token not in self._ended:
                raise invalid("Invalid transaction.")
            if known.is_read_only if known else self._ended[token]:
                raise invalid("Cannot retry a read-only transaction.")

    def _expire(self, now_s: float) -> None:
        expired = [
            token
            for token, transaction in self._open.items()
            if now_s - transaction.used_s > self._idle_s
            or now_s - transaction.began_s > self._lifetime_s
        ]
        for token in expired:
            self._close(token)

    def _close(self, token: bytes) -> None:
        closed = self._open.pop(token, None)
        self._ended[token] = closed.is_read_only if closed else self._ended.get(token, False)
        while len(self._ended) > _ENDED_KEPT:
            self._ended.popitem(last=False)
