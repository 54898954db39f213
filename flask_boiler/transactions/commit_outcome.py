"""The outcome of a commit whose answer was lost.

The commit is atomic, so one document can tell for all. One that the transaction knows as it
was before (read, or held to a version) tells, if the commit would make it another:

- it is as before: nothing was applied, and the commit can be sent again. Should the first
  sending still be on its way, the preconditions let only one of the two through.
- it is exactly as the commit would have made it, at a newer time: the commit was applied.
- it is something else: somebody else has written it, before our commit or after. Nothing
  follows from that; only another of the documents may still tell.

If none tells, neither "done" nor "try again" would be true: the caller gets the
``UnavailableError`` with ``outcome_unknown``. A document that another writer has made exactly
what this transaction would have made of it counts as ours: an equal document is what was wanted.
Where that is not good enough, as for a bare counter that several raise by one, let the commit
carry something that is its own, such as a document with an id of its own, or use ``Increment``.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from flask_boiler.firestore.codec import Codec, encoded_fields
from flask_boiler.ground.ports import Datastore
from flask_boiler.ground.values import Precondition, Snapshot, Write
from flask_boiler.transactions.pending import ServerComputedError, applied

__all__ = ["CommitOutcome", "Found", "look"]


class CommitOutcome(enum.Enum):
    """The outcome of a commit."""

    APPLIED = enum.auto()
    NOT_APPLIED = enum.auto()
    UNDECIDED = enum.auto()


class Found(NamedTuple):
    """The outcome that the written documents show, and their update times."""

    state: CommitOutcome
    update_times_ns: dict[str, int]


class _CodingDatastore(Datastore, Protocol):
    """A datastore with a Firestore codec."""

    @property
    def codec(self) -> Codec: ...


def look(
    datastore: _CodingDatastore,
    pending: Mapping[str, Sequence[Write]],
    before: Mapping[str, Snapshot | Precondition],
) -> Found:
    """The outcome of a commit, found by reading the documents that it was to write.

    :param pending: the writes by path.
    :param before: what is known of the documents as they were.
    """
    now = datastore.get(list(pending))
    told = {
        _told_by(now[path], writes, before.get(path), datastore.codec)
        for path, writes in pending.items()
    }
    times = {path: snapshot.update_time_ns for path, snapshot in now.items()}
    if CommitOutcome.NOT_APPLIED in told:
        return Found(CommitOutcome.NOT_APPLIED, times)
    state = CommitOutcome.APPLIED if CommitOutcome.APPLIED in told else CommitOutcome.UNDECIDED
    return Found(state, times)


def _told_by(
    now: Snapshot, writes: Sequence[Write], before: Snapshot | Precondition | None, codec: Codec
) -> CommitOutcome:
    version = _version(before)
    if version is None or all(write.kind == "verify" for write in writes):
        return CommitOutcome.UNDECIDED
    if now.update_time_ns == version:
        return _of_unchanged(now, writes, codec)
    if isinstance(before, Precondition) and before.update_time_ns and _updates(writes):
        # Not read, only held to a version: what the updates would make of it is not known.
        return CommitOutcome.UNDECIDED
    known = before if isinstance(before, Snapshot) else codec.missing(now.path)
    is_result = _is_result(now, known, writes, codec)
    return CommitOutcome.APPLIED if is_result else CommitOutcome.UNDECIDED


def _version(before: Snapshot | Precondition | None) -> int | None:
    """The update time before the commit; 0 for a document that did not exist."""
    if isinstance(before, Snapshot):
        return before.update_time_ns
    if before is None or before.exists is True:
        return None
    return before.update_time_ns or 0


def _of_unchanged(now: Snapshot, writes: Sequence[Write], codec: Codec) -> CommitOutcome:
    # A write that changes nothing leaves the update time as it was.
    unaffected = _is_result(now, now, writes, codec)
    return CommitOutcome.UNDECIDED if unaffected else CommitOutcome.NOT_APPLIED


def _updates(writes: Sequence[Write]) -> bool:
    return writes[0].kind == "update"


def _is_result(now: Snapshot, before: Snapshot, writes: Sequence[Write], codec: Codec) -> bool:
    try:
        expected = applied(before, writes, codec)
    except ServerComputedError:
        return False
    return _content(now.raw) == _content(expected.raw)


def _content(document: Any) -> bytes | None:
    return None if document is None else encoded_fields(document)
