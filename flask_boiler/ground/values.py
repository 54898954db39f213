"""The values that all floors exchange: snapshots, queries, writes.

Documents are named by their *path*, relative to the database (``City/SF``,
``users/u1/cityForms/LA``). Times are Firestore's own, as integers of nanoseconds
since the epoch (``_ns``): they are compared with each other, never with a local clock.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

from flask_boiler.ground.naming import id_fault

__all__ = [
    "CommitResult",
    "CompositeFilter",
    "Cursor",
    "FieldFilter",
    "Filter",
    "HasPath",
    "Order",
    "Precondition",
    "QuerySpec",
    "QueryTarget",
    "Snapshot",
    "Target",
    "Write",
    "collection_of",
    "document_path",
    "names_document",
]

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


@runtime_checkable
class HasPath(Protocol):
    """An object with a path of a document or collection, such as Google's references."""

    @property
    def path(self) -> str:
        """The slash-separated path, relative to the database."""
        ...


def document_path(reference: str | HasPath) -> str:
    """The path of a document that is given as a path or as Google's ``DocumentReference``.

    :raises ValueError: it does not name a document (an even number of segments that Firestore
        takes as ids).
    """
    path = reference if isinstance(reference, str) else reference.path
    segments = path.split("/")
    if len(segments) % 2 or not all(segments):
        raise ValueError(
            f"{path!r} does not name a document: expected 'collection/id', or such a path below "
            "another document"
        )
    if not _is_plain(path):
        faults = [fault for segment in segments if (fault := id_fault(segment)) is not None]
        if faults:
            raise ValueError(f"{path!r:.120} does not name a document: {faults[0]}")
    return path


def names_document(path: str) -> bool:
    """Whether a text is the path of a document."""
    try:
        document_path(path)
    except ValueError:
        return False
    return True


def _is_plain(path: str) -> bool:
    """Whether all segments are obviously ids that Firestore takes."""
    return path.isascii() and len(path) <= 1500 and "__" not in path and "." not in path


def collection_of(path: str) -> str:
    """The path of the collection of the document at ``path``."""
    return path.rpartition("/")[0]


class Decoder(Protocol):
    """The conversion of stored documents to Python values, as in the Firestore codec."""

    def decode(self, raw: Any) -> dict[str, Any]:
        """The fields of a stored document as Python values, freshly made."""
        ...

    def reference(self, path: str) -> Any:
        """Google's ``DocumentReference`` for a path."""
        ...


class Snapshot:
    """The state of a document at a read time; immutable, and decoded when it is first used.

    Speaks like google's ``DocumentSnapshot``. A document that does not exist has a
    snapshot too, with ``exists`` false.
    """

    __slots__ = (
        "_decoder",
        "_fields",
        "create_time_ns",
        "path",
        "raw",
        "read_time_ns",
        "update_time_ns",
    )

    def __init__(
        self,
        path: str,
        raw: Any,
        decoder: Decoder,
        *,
        create_time_ns: int = 0,
        update_time_ns: int = 0,
        read_time_ns: int = 0,
    ) -> None:
        self.path = path
        #: The stored document as the Firestore codec knows it; ``None`` if there is none.
        self.raw = raw
        self.create_time_ns = create_time_ns
        self.update_time_ns = update_time_ns
        #: When it was read; 0 for one that belongs to a cut, which knows the time of all.
        self.read_time_ns = read_time_ns
        self._decoder = decoder
        self._fields: dict[str, Any] | None = None

    @property
    def exists(self) -> bool:
        """Whether the document exists."""
        return self.raw is not None

    @property
    def id(self) -> str:
        """The id of the document: the last segment of its path."""
        return self.path.rpartition("/")[2]

    @property
    def reference(self) -> Any:
        """Google's ``DocumentReference`` of the document."""
        return self._decoder.reference(self.path)

    @property
    def create_time(self) -> datetime.datetime:
        """The time when the document was created, to the microsecond."""
        return _datetime(self.create_time_ns)

    @property
    def update_time(self) -> datetime.datetime:
        """The time when the document was last changed, to the microsecond."""
        return _datetime(self.update_time_ns)

    @property
    def read_time(self) -> datetime.datetime:
        """The time when the document was read, by the server's clock, to the microsecond."""
        return _datetime(self.read_time_ns)

    @property
    def fields(self) -> Mapping[str, Any]:
        """The decoded fields, which all readers share: do not change them."""
        if self._fields is None:
            self._fields = {} if self.raw is None else self._decoder.decode(self.raw)
        return self._fields

    def to_dict(self) -> dict[str, Any]:
        """The decoded fields as the caller's own copy; empty if the document does not exist."""
        return {} if self.raw is None else self._decoder.decode(self.raw)

    def get(self, field_path: str) -> Any:
        """The value at a dotted field path, or ``None`` if there is none."""
        value: Any = self.fields
        for name in field_path.split("."):
            if not isinstance(value, Mapping) or name not in value:
                return None
            value = value[name]
        return value

    def __repr__(self) -> str:
        state = f"updated {self.update_time_ns}" if self.exists else "missing"
        return f"<Snapshot {self.path} {state}>"


def _datetime(time_ns: int) -> datetime.datetime:
    return _EPOCH + datetime.timedelta(microseconds=time_ns // 1000)


Operator: TypeAlias = Literal[
    "==", "!=", "<", "<=", ">", ">=", "in", "not-in", "array-contains", "array-contains-any"
]


@dataclass(frozen=True, slots=True)
class FieldFilter:
    """A comparison of a stored field, or of ``__name__``, which is the document's name."""

    field: str
    op: Operator
    value: Any


@dataclass(frozen=True, slots=True)
class CompositeFilter:
    """A condition that all (``and``) or any (``or``) of its filters hold."""

    op: Literal["and", "or"]
    filters: tuple[Filter, ...]


Filter: TypeAlias = FieldFilter | CompositeFilter


@dataclass(frozen=True, slots=True)
class Order:
    """A field that a query sorts by, and the direction."""

    field: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Cursor:
    """A position in a result: one value for each order of the query, or for the first few.

    :param before: the position just before the values, rather than just after.
    """

    values: tuple[Any, ...]
    before: bool


@dataclass(frozen=True, slots=True)
class QuerySpec:
    """A query in Firestore's terms: with stored field names, and without models.

    :param parent: the path of the document that the collection lies under; empty at the top.
    """

    collection: str
    parent: str = ""
    all_descendants: bool = False
    where: Filter | None = None
    orders: tuple[Order, ...] = ()
    limit: int | None = None
    limit_to_last: bool = False
    offset: int = 0
    start: Cursor | None = None
    end: Cursor | None = None
    select: tuple[str, ...] | None = None

    def but(self, **changes: Any) -> QuerySpec:
        """The same query with some parts replaced."""
        return replace(self, **changes)


class QueryTarget:
    """A query as the server takes it; equal queries are equal and hashable, so they are shared.

    :param parent: as in :class:`QuerySpec`.
    :param structured: the serialized ``StructuredQuery``.
    :param limit_to_last: the server's order is the reverse of the caller's.
    """

    __slots__ = ("_hash", "limit_to_last", "parent", "structured", "text")

    def __init__(
        self, parent: str, structured: bytes, *, limit_to_last: bool = False, text: str = ""
    ) -> None:
        self.parent = parent
        self.structured = structured
        self.limit_to_last = limit_to_last
        #: What error messages call it.
        self.text = text or f"a query below {parent or 'the root'}"
        self._hash = hash((parent, structured, limit_to_last))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, QueryTarget)
            and self.structured == other.structured
            and self.parent == other.parent
            and self.limit_to_last == other.limit_to_last
        )

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return self.text


#: What can be listened to: a document, by its path, or a query.
Target: TypeAlias = str | QueryTarget


@dataclass(frozen=True, slots=True)
class Precondition:
    """A condition on a document without which a commit fails; exactly one field is set."""

    exists: bool | None = None
    update_time_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Write:
    """One write of a commit.

    :param kind: ``set`` replaces the document, ``update`` touches the fields of ``mask`` alone
        (one that is not in ``fields`` is deleted), ``delete`` removes it, ``verify`` changes
        nothing but lets its precondition refuse the commit.
    :param fields: Python values, or a stored document that the codec has already encoded.
    :param mask: field paths in Firestore's own notation.
    """

    kind: Literal["set", "update", "delete", "verify"]
    path: str
    fields: Any = None
    mask: tuple[str, ...] = ()
    precondition: Precondition | None = None


@dataclass(frozen=True, slots=True)
class CommitResult:
    """The result of a commit: its time, and the new update time for each write."""

    commit_time_ns: int
    update_times_ns: tuple[int, ...] = field(default=())
