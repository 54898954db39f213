"""A Firestore in memory, for the unit tests of applications: without server or port."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from flask_boiler.context.clients import client_over
from flask_boiler.context.config import Config
from flask_boiler.context.context import ApplicationContext, Context
from flask_boiler.errors import UnavailableError
from flask_boiler.firestore.datastore import FirestoreDatastore
from flask_boiler.firestore.query_compiler import compile_query
from flask_boiler.ground.values import CommitResult, QuerySpec, QueryTarget, Snapshot, Write
from flask_boiler.local.embedded.listening.faults import Faults
from flask_boiler.local.embedded.serving.in_process import InProcessChannel
from flask_boiler.view.mediation.live import live_views

__all__ = ["MemoryDatastore", "Mishap", "answer_lost", "memory_context", "request_lost"]

#: What happens to a commit: is called with the function that does it.
Mishap = Callable[[Callable[[], CommitResult]], CommitResult]


class MemoryDatastore(FirestoreDatastore):
    """A database of its own, in memory and empty, which remembers what it was asked.

    It is the embedded Firestore without its ports, so queries, transactions and refusals are as
    there. :meth:`put`, :meth:`drop`, :meth:`fields` and :attr:`documents` are the test's own hand:
    they count as nobody's requests.

    :param faults: what is to go wrong with calls and streams.
    :ivar reads: the paths of all documents that were asked for, in order.
    :ivar requests: the same, of each request.
    :ivar queries: the queries that were run.
    :ivar commits: the writes of each commit that was done.
    :ivar attempts: the writes of each commit that was asked for, done or not.
    :ivar begun: the tokens of the transactions that were begun.
    :ivar rolled_back: the tokens of those that were given up.
    :ivar mishaps: what happens to the next commits, one each.
    """

    def __init__(
        self,
        *,
        project: str = "memory",
        database: str = "(default)",
        faults: Faults | None = None,
    ) -> None:
        self._channel = InProcessChannel(faults=faults)
        super().__init__(client_over(self._channel, project=project, database=database))
        self.reads: list[str] = []
        self.requests: list[list[str]] = []
        self.queries: list[QueryTarget] = []
        self.commits: list[list[Write]] = []
        self.attempts: list[list[Write]] = []
        self.begun: list[bytes] = []
        self.rolled_back: list[bytes] = []
        self.mishaps: list[Mishap] = []
        # Whoever forgets to close it leaves no database open.
        weakref.finalize(self, self._channel.close)

    # The test's hand.

    def put(self, path: str, fields: Mapping[str, Any] | None = None, /, **more: Any) -> Snapshot:
        """Write a document as somebody else would; what is stored."""
        super().commit([Write("set", path, {**(fields or {}), **more})])
        return super().get([path])[path]

    def drop(self, path: str) -> None:
        """Delete a document as somebody else would."""
        super().commit([Write("delete", path)])

    def fields(self, path: str) -> dict[str, Any]:
        """The fields of a document as it is stored; empty if there is none."""
        return super().get([path])[path].to_dict()

    def exists(self, path: str) -> bool:
        """Whether there is such a document."""
        return super().get([path])[path].exists

    @property
    def documents(self) -> dict[str, Snapshot]:
        """All documents, by path."""
        everything = compile_query(QuerySpec("", all_descendants=True), self.codec)
        return {found.path: found for found in super().run_query(everything)}

    @property
    def writes(self) -> list[Write]:
        """All writes of all commits, in order."""
        return [write for commit in self.commits for write in commit]

    def now_ns(self) -> int:
        """A time of the database's, later than everything that was done."""
        return self._channel.storage.clock.tick() * 1000

    def advance(self, time_ns: int) -> None:
        """Let so much time pass on the database's clock."""
        clock = self._channel.storage.clock
        clock.advance(clock.tick() + time_ns // 1000)

    # What is asked of it.

    def get(
        self, paths: Iterable[str], *, mask: Sequence[str] | None = None, **options: Any
    ) -> dict[str, Snapshot]:
        """A snapshot for each path, missing documents included."""
        wanted = list(paths)
        self.reads += wanted
        self.requests.append(wanted)
        return super().get(wanted, mask=mask, **options)

    def run_query(self, target: QueryTarget, **options: Any) -> Iterator[Snapshot]:
        """The result of a query in its order."""
        self.queries.append(target)
        return super().run_query(target, **options)

    def commit(self, writes: Sequence[Write], *, transaction: bytes | None = None) -> CommitResult:
        """Apply all writes or none, unless a mishap is to happen to it."""
        self.attempts.append(list(writes))

        def act() -> CommitResult:
            result = FirestoreDatastore.commit(self, writes, transaction=transaction)
            self.commits.append(list(writes))
            return result

        return self.mishaps.pop(0)(act) if self.mishaps else act()

    def begin(self, *, read_only: bool = False, read_time_ns: int | None = None) -> bytes:
        """A new transaction's token."""
        token = super().begin(read_only=read_only, read_time_ns=read_time_ns)
        self.begun.append(token)
        return token

    def rollback(self, transaction: bytes) -> None:
        """Give a transaction up."""
        self.rolled_back.append(transaction)
        super().rollback(transaction)


@contextmanager
def memory_context(config: Config | None = None) -> Iterator[MemoryDatastore]:
    """A database in memory, which models, views and ``CTX`` are on in the block, on every thread.

    What follows views in the block is ended with it.
    """
    datastore = MemoryDatastore()
    context = ApplicationContext(
        config or Config(project=datastore.client.project, testing=True), datastore=datastore
    )
    try:
        with context.activated(), Context.falling_back_on(context):
            yield datastore
    finally:
        live_views(context).stop()
        context.close()


def answer_lost(act: Callable[[], CommitResult]) -> CommitResult:
    """A :data:`Mishap`: the commit is applied, and its answer does not arrive."""
    act()
    raise UnavailableError("the connection was lost", outcome_unknown=True)


def request_lost(act: Callable[[], CommitResult]) -> CommitResult:
    """A :data:`Mishap`: the commit never arrives."""
    raise UnavailableError("the connection was lost", outcome_unknown=True)
