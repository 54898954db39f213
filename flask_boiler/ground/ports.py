"""The ports between floors: protocols of the roles that their rooms play for each other.

``Reader`` is what getters read through, ``Datastore`` reads and commits, ``Feed`` delivers cuts.
``provided`` finds what plays a role that a floor needs from above, without importing it. The ports
that are about views (sink, dependencies, ledger) are in the engine: nothing here knows of views.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from types import TracebackType
from typing import Any, Protocol, Self

from flask_boiler.errors import ConfigurationError, TargetRejectedError
from flask_boiler.ground.values import CommitResult, QueryTarget, Snapshot, Target, Write

__all__ = [
    "Cut",
    "CutChange",
    "Datastore",
    "DocumentCodec",
    "Feed",
    "Incomplete",
    "LocalFirestore",
    "Reader",
    "Subscription",
    "provide",
    "provided",
]


class Incomplete(BaseException):
    """The targets that a cut does not hold yet: the view is computed again when they are held.

    Not an ``Exception``, so that a getter's own ``except`` lets it pass.
    """

    def __init__(self, missing: Collection[Target]) -> None:
        super().__init__(f"not held yet: {', '.join(map(str, missing))}")
        self.missing: frozenset[Target] = frozenset(missing)
        #: Where the view wants to be kept that is computed, if that can be told already.
        self.places: Collection[str] | None = None


class Reader(Protocol):
    """A source of documents and query results that are consistent with each other."""

    @property
    def fetches(self) -> bool:
        """Whether the reader fetches missing documents, rather than raise :class:`Incomplete`."""
        ...

    def documents(self, paths: Sequence[str]) -> Mapping[str, Snapshot]:
        """The snapshots by path, also of documents that do not exist.

        :raises Incomplete: a live cut, or a snapshot cut, does not hold all of them yet.
        """
        ...

    def query(self, target: QueryTarget) -> Sequence[Snapshot]:
        """The documents of a query's result, in its order.

        :raises Incomplete: as for ``documents``.
        """
        ...


class DocumentCodec(Protocol):
    """The conversion between stored documents and Python values."""

    def snapshot(self, document: Any) -> Snapshot:
        """The snapshot of a stored document."""
        ...

    def missing(self, path: str) -> Snapshot:
        """The snapshot of a document that does not exist."""
        ...

    def decode(self, raw: Any) -> dict[str, Any]:
        """The fields of a stored document as Python values, freshly made."""
        ...

    def reference(self, path: str) -> Any:
        """Google's ``DocumentReference`` for a path."""
        ...

    def encode(self, fields: Mapping[str, Any], *, where: str = "") -> Any:
        """The stored document that has these fields.

        :raises ValidationError: a value that cannot be stored, named by its field.
        """
        ...

    def encode_value(self, value: Any, *, where: str = "") -> Any:
        """The stored value of one Python value.

        :raises ValidationError: it cannot be stored.
        """
        ...


class Datastore(Protocol):
    """One Firestore database, with strong reads and atomic commits."""

    @property
    def codec(self) -> DocumentCodec:
        """The codec of this database's documents."""
        ...

    @property
    def database(self) -> str:
        """The resource name, ``projects/P/databases/D``."""
        ...

    def refresh_credentials(self) -> None:
        """Get a new access token, if one is used.

        :raises UnavailableError: there is none to be had.
        """
        ...

    def get(
        self,
        paths: Iterable[str],
        *,
        transaction: bytes | None = None,
        read_time_ns: int | None = None,
        mask: Sequence[str] | None = None,
    ) -> dict[str, Snapshot]:
        """The snapshots by path, read in one request, also of documents that do not exist."""
        ...

    def run_query(
        self,
        target: QueryTarget,
        *,
        transaction: bytes | None = None,
        read_time_ns: int | None = None,
    ) -> Iterator[Snapshot]:
        """The documents of a query's result, in its order, as a stream."""
        ...

    def aggregate(
        self,
        target: QueryTarget,
        aggregations: Mapping[str, tuple[str, str | None]],
        *,
        transaction: bytes | None = None,
        read_time_ns: int | None = None,
    ) -> dict[str, Any]:
        """The results of aggregations by alias, each ``("count"|"sum"|"avg", field)``."""
        ...

    def commit(self, writes: Sequence[Write], *, transaction: bytes | None = None) -> CommitResult:
        """Apply all writes, or none of them.

        :raises ConflictError: a precondition does not hold, or a transaction lost.
        :raises DocumentNotFoundError: a document that must exist does not.
        :raises UnavailableError: with ``outcome_unknown`` if it may have been applied.
        """
        ...

    def begin(self, *, read_only: bool = False, read_time_ns: int | None = None) -> bytes:
        """The token of a new transaction; a ``read_only`` one may be of a past time."""
        ...

    def rollback(self, transaction: bytes) -> None:
        """End a transaction without a commit, and release its locks."""
        ...


class Cut(Protocol):
    """The state of everything that is listened to, at one read time; immutable, cheap to keep."""

    @property
    def read_time_ns(self) -> int:
        """The server time at which the state is consistent; 0 before the first cut."""
        ...

    def holds(self, target: Target) -> bool:
        """Whether the cut has a document or query; the size of the result does not matter."""
        ...

    def document(self, path: str) -> Snapshot | None:
        """The snapshot of a document, also of one that does not exist; ``None`` if not held."""
        ...

    def query(self, target: QueryTarget) -> list[Snapshot] | None:
        """The documents of a query's result, in its order; ``None`` if the query is not held."""
        ...

    def member(self, target: QueryTarget, path: str) -> Snapshot | None:
        """The snapshot of one document of a query's result; ``None`` if it is not in the result."""
        ...


@dataclass(slots=True)
class CutChange:
    """The difference between a cut and the one that the receiver got before.

    :param documents: paths whose listened document changed, appeared, went, or is newly held.
    :param queries: by listened query, the paths that changed, entered or left; a query that is
        newly held is there with all its members, be they none.
    :param rejected: targets that the server refuses; they are not held, and come back by
        themselves in ``documents`` or ``queries`` once the server accepts them.
    """

    cut: Cut
    documents: set[str]
    queries: dict[QueryTarget, set[str]]
    rejected: dict[Target, TargetRejectedError]


class Subscription(Protocol):
    """A receiver's subscription to cuts."""

    def close(self) -> None:
        """Deliver no more changes; this may be called inside the callback."""
        ...


class Feed(Protocol):
    """A source of live cuts: one stream, shared by everything that listens.

    :ivar on_fault: told what has ended a thread of it, by a fault of the framework's.
    """

    on_fault: Callable[[BaseException], object]

    @property
    def cut(self) -> Cut:
        """The newest cut."""
        ...

    def listen(self, targets: Iterable[Target]) -> None:
        """Hold these targets in coming cuts; each call needs its own ``release``.

        A target that is held already is not announced again.
        """
        ...

    def release(self, targets: Iterable[Target]) -> None:
        """Undo one ``listen`` for each target; after the last one the server forgets the target."""
        ...

    @property
    def doubtful(self) -> bool:
        """Whether newly held targets are still being compared with what is stored."""
        ...

    @property
    def refused_s(self) -> float:
        """The time in seconds since the server refuses all listening; 0 while it does not."""
        ...

    def refresh(self) -> None:
        """Have the server send a newer read time, even if nothing changes."""
        ...

    def subscribe(self, on_change: Callable[[CutChange], None]) -> Subscription:
        """Call ``on_change`` for every new cut, one at a time, on the subscription's own thread.

        A receiver that is slow gets several cuts as one change, with the newest cut. What it
        raises is logged and counted against it alone.
        """
        ...

    def start(self) -> None:
        """Begin to listen."""
        ...

    def stop(self) -> None:
        """End the stream and all deliveries, and return when their threads have ended."""
        ...


class LocalFirestore(Protocol):
    """A running Firestore on this machine, as a context manager that releases it at the end."""

    @property
    def host(self) -> str:
        """The address ``HOST:PORT``, as in ``FIRESTORE_EMULATOR_HOST``."""
        ...

    @property
    def owned(self) -> bool:
        """Whether it was started by this process, and so ends with this process."""
        ...

    def stop(self) -> None:
        """Release it; it ends if this process has started it, and nothing else here uses it."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


_provided: dict[str, Any] = {}


def provide(role: str, adapter: Any) -> None:
    """Register the object for a role in this process; it has precedence over entry points."""
    _provided[role] = adapter


def provided(role: str) -> Any:
    """The object for a role: the registered one, or the entry point ``flask_boiler.<role>``.

    :raises ConfigurationError: nothing plays it.
    """
    if role not in _provided:
        found = sorted(metadata.entry_points(group=f"flask_boiler.{role}"), key=lambda e: e.name)
        if not found:
            raise ConfigurationError(
                f"nothing is registered for {role!r}: install flask-boiler as a package, so that "
                "its entry points are found"
            )
        _provided[role] = found[0].load()
    return _provided[role]
