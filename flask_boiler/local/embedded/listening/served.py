"""A target of a Listen stream, and how it is told what holds of its documents."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from typing import Any

from flask_boiler.local.embedded.listening import announcements
from flask_boiler.local.embedded.listening.targets import News, Target
from flask_boiler.local.embedded.storage.clock import microseconds
from flask_boiler.local.embedded.storage.document import StoredDocument

__all__ = ["Served", "tell_document", "tell_target"]


class Served:
    """A target of one stream. Compared by identity."""

    def __init__(self, target_id: int, target: Target, addition: Any) -> None:
        self.target_id = target_id
        self.target = target
        self.once: bool = addition.once
        self.token: bytes = addition.resume_token
        self.read_time = (
            microseconds(addition.read_time) if addition.HasField("read_time") else None
        )
        self.expected: int | None = (
            addition.expected_count.value if addition.HasField("expected_count") else None
        )


def tell_target(served: Served, news: News, gone: Container[str], time: int) -> Iterator[bytes]:
    """Tell one target."""
    for name, document in news.items():
        yield from tell_document(name, [(served, document)], time, exists=name not in gone)


def tell_document(
    name: str,
    concerned: Sequence[tuple[Served, StoredDocument | None]],
    time: int,
    *,
    exists: bool,
) -> Iterator[bytes]:
    """One message for a document, or one for each way in which targets show it."""
    gone = [served.target_id for served, document in concerned if document is None]
    shown: dict[bytes, list[int]] = {}
    for served, document in concerned:
        if document is not None:
            shown.setdefault(served.target.shown(document), []).append(served.target_id)
    for data, target_ids in shown.items():
        yield announcements.changed(data, target_ids, gone)
        gone = []
    if gone:
        say = announcements.left if exists else announcements.deleted
        yield say(name, gone, time)
