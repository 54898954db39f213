"""The roles in which the rooms of the house meet; adapters are elsewhere.

``Reader`` is what getters read through, ``Datastore`` what reads and commits,
``Feed`` what delivers cuts. ``provided`` finds what the declare floor needs from
above without importing it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from types import TracebackType
from typing import Any, Protocol, Self

from flask_boiler.ground.errors import ConfigurationError, TargetRejectedError
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
    """A cut does not hold some targets yet: make it hold them, then compute again.

    Not an ``Exception``, so that a getter's own ``except`` lets it pass.
    """

    def __init__(self, missing: Collection[Target]) -> None:
        super().__init__(f"not held yet: {', '.join(map(str, missing))}")
        self.missing: frozenset[Target] = frozenset(missing)
        #: Where the view wants to be kept that is computed, if that can be told already.
        self.places: Collection[str] | None = None


class Reader(Protocol):
    """Something that documents and query results are read through, all consistently."""

    @property
    def fetches(self) -> bool:
        """Whether it fetches what it is asked for, rather than raise :class:`Incomplete`."""
        ...

    def documents(self, paths: Sequence[str]) -> Mapping[str, Snapshot]:
        """A snapshot for every path, also for documents that do not exist.

        :raises Incomplete: a live cut, or a snapshot cut, does not hold all of them yet.
        """
        ...

    def query(self, target: QueryTarget) -> Sequence[Snapshot]:
        """The result of a query, in its order.

        :raises Incomplete: as for ``documents``.
        """
        ...


class DocumentCodec(Protocol):
    """Between stored documents and Python values."""

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
        """A stored document that holds the fields.

        :raises ValidationError: a value that cannot be stored, named by its field.
        """
        ...

    def encode_value(self, value: Any, *, where: str = "") -> Any:
        """One Python value as a stored value.

        :raises ValidationError: it cannot be stored.
        """
        ...


class Datastore(Protocol):
    """One Firestore database: strong reads, and atomic commits."""

    @property
    def codec(self) -> DocumentCodec:
        """What encodes and decodes its documents."""
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
        """A snapshot for each path, read in one request; missing documents included."""
        ...

    def run_query(
        self,
        target: QueryTarget,
        *,
        transaction: bytes | None = None,
        read_time_ns: int | None = None,
    ) -> Iterator[Snapshot]:
        """The result of a query in its order, streamed."""
        ...

    def aggregate(
        self,
        target: QueryTarget,
        aggregations: Mapping[str, tuple[str, str | None]],
        *,
        transaction: bytes | None = None,
        read_time_ns: int | None = None,
    ) -> dict[str, Any]:
        """Aggregations by alias, each ``("count"|"sum"|"avg", field)``."""
        ...

    def commit(self, writes: Sequence[Write], *, transaction: bytes | None = None) -> CommitResult:
        """Apply all writes or none.

        :raises ConflictError: a precondition does not hold, or a transaction lost.
        :raises DocumentNotFoundError: a document that must exist does not.
        :raises UnavailableError: with ``outcome_unknown`` if it may have been applied.
        """
        ...

    def begin(self, *, read_only: bool = False, read_time_ns: int | None = None) -> bytes:
        """A new transaction's token; for ``read_only``, optionally as of a past time."""
        ...

    def rollback(self, transaction: bytes) -> None:
        """Give a transaction up, releasing its locks."""
        ...


class Cut(Protocol):
    """All listened state at one read time: immutable, cheap to hold."""

    @property
    def read_time_ns(self) -> int:
        """The server time at which everything in the cut is consistent; 0 before the first."""
        ...

    def holds(self, target: Target) -> bool:
        """Whether a document or a query is held; costs no more for a large result."""
        ...

    def document(self, path: str) -> Snapshot | None:
        """A listened document, also one that does not exist; ``None`` if it is not held."""
        ...

    def query(self, target: QueryTarget) -> list[Snapshot] | None:
        """A listened query's result in its order; ``None`` if it is not held."""
        ...

    def member(self, target: QueryTarget, path: str) -> Snapshot | None:
        """One document of a listened query's result; ``None`` if it is not in it."""
        ...


@dataclass(slots=True)
class CutChange:
    """What is different in a cut from the one that the receiver saw before.

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
    """Somebody's interest in cuts."""

    def close(self) -> None:
        """Deliver nothing any more; may be called from inside the callback."""
        ...


class Feed(Protocol):
    """A live source of cuts: one stream, shared by everything that listens.

    :ivar on_fault: told what has ended a thread of it, by a fault of the framework's.
    """

    on_fault: Callable[[BaseException], object]

    @property
    def cut(self) -> Cut:
        """The newest cut."""
        ...

    def listen(self, targets: Iterable[Target]) -> None:
        """Hold these targets from a coming cut on; counted: each call needs its release.

        A target that is held already is not announced again.
        """
        ...

    def release(self, targets: Iterable[Target]) -> None:
        """Undo one ``listen`` for each target; the last one makes the server forget it."""
        ...

    @property
    def doubtful(self) -> bool:
        """Whether newly held targets are still being compared with what is stored."""
        ...

    @property
    def refused_s(self) -> float:
        """For how long the server has let nobody listen; 0 while it does."""
        ...

    def refresh(self) -> None:
        """Have the server raise a cut with a newer read time, even if nothing changes."""
        ...

    def subscribe(self, on_change: Callable[[CutChange], None]) -> Subscription:
        """Call back on every new cut, on a thread of the subscription's own, one at a time.

        A receiver that is slow gets several cuts as one change, with the newest cut. What it
        raises is logged and counted against it alone.
        """
        ...

    def start(self) -> None:
        """Begin to listen."""
        ...

    def stop(self) -> None:
        """End the stream and every delivery; returns when its threads are gone."""
        ...


class LocalFirestore(Protocol):
    """A Firestore on this machine that answers; a context manager that lets go of it."""

    @property
    def host(self) -> str:
        """``HOST:PORT``, as ``FIRESTORE_EMULATOR_HOST`` wants it."""
        ...

    @property
    def owned(self) -> bool:
        """Whether it was started in this process, and so ends with it at the latest."""
        ...

    def stop(self) -> None:
        """Let go of it: it ends if it was started here and nobody else here uses it."""
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
    """Register what plays a role in this process, ahead of any installed entry point."""
    _provided[role] = adapter


def provided(role: str) -> Any:
    """What plays a role: registered, or else the first entry point ``flask_boiler.<role>``.

    :raises ConfigurationError: nothing plays it.
    """
    if role not in _provided:
        found = sorted(metadata.entry_points(group=f"flask_boiler.{role}"), key=lambda e: e.name)
        if not found:
            raise ConfigurationError(
                f"nothing provides {role!r}: install flask-boiler as a package (its entry points "
                f"name the default), or call flask_boiler.ground.ports.provide({role!r}, ...)"
            )
        _provided[role] = found[0].load()
    return _provided[role]
