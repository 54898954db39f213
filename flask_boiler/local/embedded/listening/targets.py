"""The targets of a Listen stream: what each has to tell when documents change.

A target of documents, or of a query whose documents do not depend on each other, remembers
nothing: a change tells what was and what is. One with a limit remembers its window, and asks the
storage again only when a change makes room in it.
"""

from __future__ import annotations

import bisect
from abc import ABC, abstractmethod
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, TypeAlias

from flask_boiler.firestore import protocol
from flask_boiler.local.embedded.listening import announcements
from flask_boiler.local.embedded.listening.interests import (
    Interest,
    interest_in_document,
    interests_in_query,
)
from flask_boiler.local.embedded.queries.aggregates import aggregations
from flask_boiler.local.embedded.queries.executor import aggregate, run
from flask_boiler.local.embedded.queries.matching import Query
from flask_boiler.local.embedded.queries.validation import check_query
from flask_boiler.local.embedded.storage.clock import microseconds
from flask_boiler.local.embedded.storage.commit_feed import Change
from flask_boiler.local.embedded.storage.document import StoredDocument, split_name
from flask_boiler.local.embedded.storage.name_rules import check_document, check_parent
from flask_boiler.local.embedded.storage.reading import Reading
from flask_boiler.local.embedded.storage.refusal import invalid

__all__ = [
    "News",
    "OpenReading",
    "Resumption",
    "ServedTarget",
    "Target",
    "target_of",
    "tell_document",
    "tell_target",
]

#: The documents that changed, by name; ``None``: not in the target (any more).
News = dict[str, StoredDocument | None]


class Resumption(NamedTuple):
    """The news for a client that comes back.

    :param entered: how many documents of the news were not in the target before.
    """

    news: News
    entered: int


#: Opens the state at a time.
OpenReading: TypeAlias = Callable[[], AbstractContextManager[Reading]]

_COUNT: Any = protocol.StructuredAggregationQuery.Aggregation(count={})


class Target(ABC):
    """The documents or the query that a client listens to, without the number that it gave them.

    :ivar known_as: by what it is rejected: the paths of documents, or ids of collections.
    """

    interests: list[Interest]
    known_as: list[str]
    is_query = True

    @abstractmethod
    def start(self, reading: Reading) -> News:
        """The documents in it; for a target of documents also those that do not exist."""

    @abstractmethod
    def advance(self, changes: Sequence[Change], open_reading: OpenReading) -> News:
        """The news that changes make for it; each document changed at most once.

        :param open_reading: the state after the changes.
        """

    @abstractmethod
    def resume(self, changes: Mapping[str, Change], then: Reading, now: Reading) -> Resumption:
        """The news for a client that knows the state of a past time."""

    @abstractmethod
    def names(self, reading: Reading) -> list[str]:
        """The full names of the documents in it."""

    @abstractmethod
    def count(self, reading: Reading) -> int:
        """The number of documents in it."""

    def shown(self, document: StoredDocument) -> bytes:
        """A document as this target shows it, serialized."""
        return document.data


class _Documents(Target):
    """Documents by their names.

    :raises Refusal: INVALID_ARGUMENT.
    """

    is_query = False

    def __init__(self, world: str, names: Iterable[str]) -> None:
        self._names = list(dict.fromkeys(names))
        if not self._names:
            raise invalid("A documents target must name at least one document.")
        for name in self._names:
            check_document(name)
            if split_name(name)[0] != world:
                raise invalid(f'Document name "{name}" is not in the database "{world}".')
        self.interests = [interest_in_document(name) for name in self._names]
        self.known_as = [split_name(name)[1] for name in self._names]

    def start(self, reading: Reading) -> News:
        return dict(zip(self._names, reading.documents(self._names), strict=True))

    def advance(self, changes: Sequence[Change], open_reading: OpenReading) -> News:
        return {change.name: change.after for change in changes}

    def resume(self, changes: Mapping[str, Change], then: Reading, now: Reading) -> Resumption:
        concerning = [changes[name] for name in self._names if name in changes]
        news = {change.name: change.after for change in concerning}
        return Resumption(news, sum(change.before is None for change in concerning))

    def names(self, reading: Reading) -> list[str]:
        return [name for name, found in self.start(reading).items() if found is not None]

    def count(self, reading: Reading) -> int:
        return len(self.names(reading))


class _Matching(Target):
    """A query whose documents do not depend on each other."""

    def __init__(self, query: Query) -> None:
        self._query = query
        self._is_whole = not query.structured.HasField("select")
        self.interests = interests_in_query(query)
        self.known_as = [query.collection_id]

    def start(self, reading: Reading) -> News:
        return {document.name: document for document in run(reading, self._query)}

    def advance(self, changes: Sequence[Change], open_reading: OpenReading) -> News:
        news: News = {}
        matches = self._query.matches
        for change in changes:
            if change.after is not None and matches(change.after):
                news[change.name] = change.after
            elif change.before is not None and matches(change.before):
                news[change.name] = None
        return news

    def resume(self, changes: Mapping[str, Change], then: Reading, now: Reading) -> Resumption:
        news = self.advance(list(changes.values()), _never)
        befores = [changes[name].before for name in news]
        known = sum(before is not None and self._query.matches(before) for before in befores)
        return Resumption(news, len(news) - known)

    def names(self, reading: Reading) -> list[str]:
        return [document.name for document in run(reading, self._query)]

    def count(self, reading: Reading) -> int:
        (value,) = aggregate(reading, self._query, aggregations([_COUNT]))
        return int(value.integer_value)

    def shown(self, document: StoredDocument) -> bytes:
        if self._is_whole:
            return document.data
        return bytes(self._query.selected(document.message).SerializeToString(deterministic=True))


class _Window(_Matching):
    """A query with a limit or an offset."""

    def __init__(self, query: Query) -> None:
        super().__init__(query)
        self._keys: list[tuple[bytes, str]] = []
        self._versions: dict[str, tuple[bytes, int]] = {}

    def start(self, reading: Reading) -> News:
        found = super().start(reading)
        self._remember(list(_existing(found)))
        return found

    def advance(self, changes: Sequence[Change], open_reading: OpenReading) -> News:
        concerning = [change for change in changes if self._concerns(change)]
        if not concerning:
            return {}
        moved = self._moved(concerning)
        return self._asked_again(open_reading) if moved is None else moved

    def resume(self, changes: Mapping[str, Change], then: Reading, now: Reading) -> Resumption:
        self._remember(list(run(then, self._query)))
        before = self._versions
        news = self._difference(list(run(now, self._query)))
        return Resumption(news, len(news.keys() - before.keys()))

    def _concerns(self, change: Change) -> bool:
        if change.name in self._versions:
            return True
        if change.after is not None and self._query.matches(change.after):
            return True
        # What is before the window moves it, too.
        before = change.before
        return bool(self._query.offset) and before is not None and self._query.matches(before)

    def _moved(self, changes: Sequence[Change]) -> News | None:
        """The news if the window and the changes tell it all, else ``None``.

        Documents that are neither in the window nor among the changes come after its last one,
        or there are none.
        """
        if self._query.offset or self._query.limit is None:
            return None
        was_full = len(self._keys) >= self._query.limit
        boundary = self._keys[-1] if self._keys else None
        keys = list(self._keys)
        fresh: dict[str, StoredDocument] = {}
        for change in changes:
            known = self._versions.get(change.name)
            if known is not None:
                del keys[bisect.bisect_left(keys, (known[0], change.name))]
            if change.after is not None and self._query.matches(change.after):
                fresh[change.name] = change.after
                bisect.insort(keys, (self._query.sort_key(change.after.message), change.name))
        del keys[self._query.limit :]
        if was_full and (len(keys) < self._query.limit or (keys and keys[-1] > boundary)):  # type: ignore[operator]
            return None
        return self._replaced(keys, fresh)

    def _replaced(self, keys: list[tuple[bytes, str]], fresh: Mapping[str, StoredDocument]) -> News:
        versions = {
            name: (key, fresh[name].updated if name in fresh else self._versions[name][1])
            for key, name in keys
        }
        news: News = {name: None for name in self._versions.keys() - versions.keys()}
        news |= {name: fresh[name] for name in versions.keys() & fresh.keys()}
        self._keys, self._versions = keys, versions
        return news

    def _asked_again(self, open_reading: OpenReading) -> News:
        with open_reading() as reading:
            found = list(run(reading, self._query))
        return self._difference(found)

    def _difference(self, found: list[StoredDocument]) -> News:
        before = self._versions
        self._remember(found)
        news: News = {name: None for name in before.keys() - self._versions.keys()}
        for document in found:
            known = before.get(document.name)
            if known is None or known[1] != document.updated:
                news[document.name] = document
        return news

    def _remember(self, found: list[StoredDocument]) -> None:
        self._keys = [(self._query.sort_key(d.message), d.name) for d in found]
        self._versions = {
            document.name: (key, document.updated)
            for (key, _), document in zip(self._keys, found, strict=True)
        }


def target_of(world: str, message: Any) -> Target:
    """The target that a protobuf ``Target`` describes.

    :raises Refusal: INVALID_ARGUMENT, or UNIMPLEMENTED.
    """
    match message.WhichOneof("target_type"):
        case "documents":
            return _Documents(world, message.documents.documents)
        case "query":
            return _query_target(world, message.query)
    raise invalid("A target must have a query or documents.")


def _query_target(world: str, message: Any) -> Target:
    database, path = check_parent(message.parent)
    if database != world:
        raise invalid(f'The parent "{message.parent}" is not in the database "{world}".')
    check_query(message.structured_query, is_below_document=bool(path))
    query = Query(message.parent, message.structured_query)
    return _Window(query) if query.has_window else _Matching(query)


def _existing(news: News) -> Iterator[StoredDocument]:
    return (document for document in news.values() if document is not None)


def _never() -> AbstractContextManager[Reading]:
    raise AssertionError("only a window asks again")


# As a stream tells them.


class ServedTarget:
    """A target of one stream, with the number that the client gave it. Compared by identity."""

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


def tell_target(
    served: ServedTarget,
    news: Mapping[str, StoredDocument | None],
    gone: Container[str],
    time: int,
) -> Iterator[bytes]:
    """The messages that tell one target its news."""
    for name, document in news.items():
        yield from tell_document(name, [(served, document)], time, exists=name not in gone)


def tell_document(
    name: str,
    concerned: Sequence[tuple[ServedTarget, StoredDocument | None]],
    time: int,
    *,
    exists: bool,
) -> Iterator[bytes]:
    """The messages that tell targets of a document: one for each way in which they show it."""
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
