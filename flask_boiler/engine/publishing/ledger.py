"""The durable record of which places belong to which view.

One small document per place, in a collection of the framework's own, written in the commit
that first writes the place. It is what makes possible what the view documents alone cannot:
removing views whose roots went away while nobody was running, and refusing a second view that
claims a place.

In the commit that gives a place up, its record becomes a tombstone: a document that is gone has
no update time by which another process, whose cut is older, could see that it is behind. The
tombstone has one. It is pruned when no process can be so far behind any more.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from flask_boiler.engine.view_key import ViewKey
from flask_boiler.firestore.query_compiler import compile_query
from flask_boiler.ground.ports import Datastore
from flask_boiler.ground.values import CompositeFilter, FieldFilter, Filter, QuerySpec, Snapshot

__all__ = [
    "LEDGER_COLLECTION",
    "is_record",
    "is_tombstone",
    "ledger_path",
    "left_by_of",
    "load_records",
    "owner_of",
    "record_id",
    "record_of",
    "tombstone_of",
]

LEDGER_COLLECTION = "_boiler_places"

# Ids may have 1,500 bytes; a longer one is replaced by its digest.
_LONGEST_ID = 1_000


def record_id(name: str) -> str:
    """A document id that stands for a path or another name, the same each time."""
    # '|' is legal in ids and rare in paths; escaping it keeps the mapping exact.
    doc_id = name.replace("%", "%25").replace("|", "%7C").replace("/", "|")
    if doc_id.startswith("__"):
        # Firestore keeps ids such as __x__ for itself.
        doc_id = f"%5F{doc_id[1:]}"
    if len(doc_id.encode()) > _LONGEST_ID:
        doc_id = hashlib.sha256(name.encode()).hexdigest()
    return doc_id


def ledger_path(place: str) -> str:
    """Where the record of a place lies."""
    return f"{LEDGER_COLLECTION}/{record_id(place)}"


def is_record(path: str) -> bool:
    """Whether what lies there is the record of a place."""
    return path.startswith(f"{LEDGER_COLLECTION}/")


def record_of(key: ViewKey, place: str) -> dict[str, Any]:
    """The record that says that ``place`` belongs to ``key``."""
    return {"mediator": key.mediator, "root": key.root, "place": place}


def tombstone_of(key: ViewKey, place: str, *, left: bool = False) -> dict[str, Any]:
    """What takes the record's place when ``key`` gives ``place`` up.

    :param left: the document stays there. Then this is never pruned: it is what tells ``key``
        that the document was its own, should it come back.
    """
    tombstone = {**record_of(key, place), "vacated": True}
    return {**tombstone, "left": True} if left else tombstone


def is_tombstone(record: Snapshot) -> bool:
    """Whether it says that the place was given up."""
    return record.get("vacated") is True


def owner_of(record: Snapshot) -> ViewKey | None:
    """Whose place it is by its record; ``None`` if it is nobody's."""
    return _key_of(record) if record.exists and not is_tombstone(record) else None


def left_by_of(record: Snapshot) -> ViewKey | None:
    """Who gave the place up and left its document there; ``None`` if nobody did."""
    return _key_of(record) if record.get("left") is True else None


def _key_of(record: Snapshot) -> ViewKey:
    fields: Mapping[str, Any] = record.fields
    return ViewKey(fields["mediator"], fields["root"])


def load_records(datastore: Datastore, mediator: str, root: str | None = None) -> list[Snapshot]:
    """The records of every place that the views of one mediator have, and tombstones of others.

    :param root: of its view alone.
    """
    where: Filter = FieldFilter("mediator", "==", mediator)
    if root is not None:
        where = CompositeFilter("and", (where, FieldFilter("root", "==", root)))
    spec = QuerySpec(LEDGER_COLLECTION, where=where)
    return list(datastore.run_query(compile_query(spec, datastore.codec)))
