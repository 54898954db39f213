"""The durable record of which places belong to which view.

One small document per place, in a collection of the framework's own, written in the commit
that first writes the place and deleted in the one that gives it up. It is what makes two
things possible that the view documents alone cannot: removing views whose roots went away
while nobody was running, and refusing a second view that claims a place.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from flask_boiler.engine.keys import ViewKey
from flask_boiler.firestore.query import compile_query
from flask_boiler.ports import Datastore
from flask_boiler.values import FieldFilter, QuerySpec, Snapshot

__all__ = [
    "LEDGER_COLLECTION",
    "ledger_path",
    "load_places",
    "owner_of",
    "record_id",
    "record_of",
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


def record_of(key: ViewKey, place: str) -> dict[str, str]:
    """The record that says that ``place`` belongs to ``key``."""
    return {"mediator": key.keeper, "root": key.root, "place": place}


def owner_of(record: Snapshot) -> ViewKey | None:
    """Whose place it is by its record; ``None`` if there is no record."""
    if not record.exists:
        return None
    fields: Mapping[str, Any] = record.fields
    return ViewKey(fields["mediator"], fields["root"])


def load_places(datastore: Datastore, keeper: str) -> Iterator[tuple[ViewKey, str]]:
    """Every place that the views of one keeper own, with the view."""
    spec = QuerySpec(LEDGER_COLLECTION, where=FieldFilter("mediator", "==", keeper))
    for record in datastore.run_query(compile_query(spec, datastore.codec)):
        owner = owner_of(record)
        if owner is not None:
            yield owner, record.fields["place"]
