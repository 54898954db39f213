"""Whether a place that a view was refused is free, as a cut tells.

Another process may free it, so who was refused it listens to its record; or to the document that
is there, where that is nobody's.
"""

from __future__ import annotations

from dataclasses import dataclass

from flask_boiler.engine.live_view import LiveView
from flask_boiler.engine.publishing.ledger import is_record, ledger_path, owner_of
from flask_boiler.engine.publishing.publisher import Publisher
from flask_boiler.engine.view_key import ViewKey
from flask_boiler.ground.ports import Cut
from flask_boiler.ground.values import Target

__all__ = ["Wanted", "is_taken"]


def is_taken(target: Target, view: LiveView, cut: Cut) -> bool:
    """Whether what was heard, a record or a document, still keeps a view from its place."""
    heard = cut.document(target) if isinstance(target, str) and target in view.awaited else None
    if heard is None:
        return False
    return owner_of(heard) not in (None, view.key) if is_record(heard.path) else heard.exists


@dataclass(frozen=True, slots=True)
class Wanted:
    """The places that a view was refused and still wants.

    :param contested: those that other views have.
    :param strange: those with the documents of somebody else.
    """

    contested: frozenset[str] = frozenset()
    strange: frozenset[str] = frozenset()

    @property
    def targets(self) -> frozenset[str]:
        """What is to be listened to, to hear when they are free."""
        return self.strange.union(map(ledger_path, self.contested))

    def came_free(self, key: ViewKey, cut: Cut, publisher: Publisher) -> bool:
        """Whether one became free before ``key`` was known to wait for it."""
        freed = any(_was_freed(place, key, cut, publisher) for place in self.contested)
        return freed or any(_was_removed(place, cut, publisher) for place in self.strange)


def _was_removed(place: str, cut: Cut, publisher: Publisher) -> bool:
    document = cut.document(place)
    return (
        document is not None
        and not document.exists
        and cut.read_time_ns > publisher.last_seen_ns(place)
    )


def _was_freed(place: str, key: ViewKey, cut: Cut, publisher: Publisher) -> bool:
    if publisher.owner(place) is None:
        return True
    record = cut.document(ledger_path(place))
    return (
        record is not None
        and record.update_time_ns > publisher.last_seen_ns(place)
        and owner_of(record) in (None, key)
    )
