"""The port to the durable record of which places belong to which view.

It is what makes possible what the views' documents alone cannot: removing views whose roots went
away while nobody was running, and refusing a second view that claims a place.

When a place is given up, its record becomes a tombstone: a document that is gone has no update
time by which another process, whose cut is older, could see that it is behind. The tombstone has
one. It is pruned when no process can be so far behind any more.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from flask_boiler.engine.view_key import ViewKey
from flask_boiler.ground.values import CommitResult, Snapshot, Write

__all__ = ["NO_RECORD", "PlaceLedger", "PlaceRecord", "RecordChange"]


@dataclass(frozen=True, slots=True)
class PlaceRecord:
    """The record of one place.

    :param owner: the view whose place it is; ``None`` if it is nobody's.
    :param left_by: the view that gave the place up and left its document there.
    :param update_time_ns: when that was written; 0 if the ledger has nothing for the place.
    """

    owner: ViewKey | None = None
    left_by: ViewKey | None = None
    update_time_ns: int = 0

    @property
    def is_tombstone(self) -> bool:
        """Whether it says that the place was given up, and no document was left there."""
        return bool(self.update_time_ns) and self.owner is None and self.left_by is None


#: What the ledger has for most places: nothing.
NO_RECORD = PlaceRecord()


@dataclass(frozen=True, slots=True)
class RecordChange:
    """A change of a place's record, which is of one commit with writes of documents.

    :param owned: the place becomes the view's; else the view gives it up.
    :param left: the document stays there when the place is given up. Then the record is never
        pruned: it is what tells ``key`` that the document was its own, should it come back.
    :param replaces_ns: the update time of what the ledger has for the place; 0 if it has nothing.
        The commit is refused if that is not so.
    """

    place: str
    key: ViewKey
    owned: bool
    left: bool
    replaces_ns: int


class PlaceLedger(Protocol):
    """The record of which places are whose, across restarts and for all processes that share it."""

    def records(self, mediator: str, root: str | None = None) -> dict[str, PlaceRecord]:
        """The records of a mediator's places, by place: of those owned, and of those given up.

        :param root: of its view alone.
        :raises UnavailableError: it could not be read.
        """
        ...

    def look(self, places: Collection[str]) -> dict[str, tuple[Snapshot, PlaceRecord]]:
        """The document and the record of each place, read now.

        :raises UnavailableError: they could not be read.
        """
        ...

    def commit(self, changes: Sequence[Write | RecordChange]) -> CommitResult:
        """Write documents and change records, all or nothing; raises as a datastore's commit does.

        :raises ConflictError: also if a record is not what a change replaces.
        """
        ...

    def prune(self, tombstones: Mapping[str, int]) -> None:
        """Remove tombstones that are still as they were written.

        :param tombstones: by place, the update time.
        :raises ConflictError: another process changed some meanwhile; none is removed.
        """
        ...

    def sign(self, place: str) -> str | None:
        """The document that changes with a place's record, to be listened to; ``None`` for none."""
        ...

    def record_in(self, document: Snapshot) -> PlaceRecord | None:
        """The record that a document is; ``None`` if it is no record, but a document of a place."""
        ...
