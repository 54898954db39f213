"""A place as it was last seen: the document that is there, and whose it is."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from flask_boiler.engine.publishing.ledger import PlaceRecord
from flask_boiler.engine.view_key import ViewKey
from flask_boiler.firestore.codec import encoded_fields, stored_type
from flask_boiler.ground.values import Precondition, Snapshot

__all__ = ["Place", "digest", "seen_place"]


@dataclass(frozen=True, slots=True)
class Place:
    """A place as it was last seen.

    :param update_time_ns: of the document there; 0 if there is none.
    :param content: digest of the document; ``None`` if there is none.
    :param owner: whose it is by the ledger.
    :param record_time_ns: the update time of what the ledger has for it, be it a record or a
        tombstone; 0 if it has nothing.
    :param left_by: who left the document there when it gave the place up.
    :param obj_type: what the document says that it is, where the ledger names no owner.
    :param written_here: this process has made it what it is.
    """

    update_time_ns: int = 0
    content: bytes | None = None
    owner: ViewKey | None = None
    record_time_ns: int = 0
    left_by: ViewKey | None = None
    obj_type: str | None = None
    written_here: bool = field(default=False, compare=False)

    @property
    def precondition(self) -> Precondition:
        """The precondition that the document is still as it was seen."""
        if self.content is None:
            return Precondition(exists=False)
        return Precondition(update_time_ns=self.update_time_ns)

    @property
    def newest_ns(self) -> int:
        """The time when the place was last written, claimed or given up."""
        return max(self.update_time_ns, self.record_time_ns)


def seen_place(stored: Snapshot, record: PlaceRecord) -> Place:
    """The place with a document and a record as they are read."""
    content = digest(encoded_fields(stored.raw)) if stored.exists else None
    return Place(
        stored.update_time_ns,
        content,
        record.owner,
        record.update_time_ns,
        record.left_by,
        stored_type(stored.raw) if stored.exists and record.owner is None else None,
    )


def digest(encoded: bytes) -> bytes:
    """The digest of an encoded document, the same for equal documents."""
    return hashlib.blake2b(encoded, digest_size=16).digest()
