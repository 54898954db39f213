"""Whether a place that a view was refused is free, as its record in a cut tells.

Another process may free it, so who was refused it listens to the record.
"""

from __future__ import annotations

from flask_boiler.engine.keys import ViewKey
from flask_boiler.engine.ledger import ledger_path, owner_of
from flask_boiler.engine.publisher import Publisher
from flask_boiler.ports import Cut
from flask_boiler.values import Target

__all__ = ["is_taken", "was_freed"]


def is_taken(record: Target, key: ViewKey, cut: Cut) -> bool:
    """Whether a record that was heard still gives its place to another view than ``key``."""
    heard = cut.document(record) if isinstance(record, str) else None
    return heard is not None and owner_of(heard) not in (None, key)


def was_freed(place: str, key: ViewKey, cut: Cut, publisher: Publisher) -> bool:
    """Whether a place became free before ``key`` was known to wait for it."""
    if publisher.owner(place) is None:
        return True
    record = cut.document(ledger_path(place))
    return (
        record is not None
        and record.update_time_ns > publisher.last_seen_ns(place)
        and owner_of(record) in (None, key)
    )
