"""The recorder of parked views: it writes their records, and hears of requests to try them again.

::

    Parking ──parked, released──► what differs ──a batch at a time──► `_boiler_views`
    engine  ◄────────renew─────── requests  ◄────── the stream ────── a terminal, anywhere

A thread of its own writes, so that neither computing nor publishing waits for it, and what is
refused to views does not concern it. Nothing is written that is stored already. While Firestore
is away, the differences are kept: never more than there are parked views.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from flask_boiler.engine.parking.parked_views import (
    ParkedCount,
    ParkedView,
    RetryRequest,
    RetryState,
    asked_retries,
    parked_in,
    records_of,
    summary_path,
    view_path,
)
from flask_boiler.engine.view_key import Parked, ViewKey
from flask_boiler.errors import BoilerError
from flask_boiler.ground.lifecycle import OwnThread, join
from flask_boiler.ground.ports import CutChange, Datastore
from flask_boiler.ground.values import Write, names_document

if TYPE_CHECKING:
    from flask_boiler.engine.engine import Engine

__all__ = ["Recorder"]

logger = logging.getLogger(__name__)

#: So many views of a mediator have a record; the others are only counted.
_MOST_RECORDS = 500
_MOST_AT_ONCE = 200
#: Between two commits, so that a burst becomes few of them.
_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 30.0


@dataclass(slots=True)
class _Book:
    """The parked views of one mediator, and what is stored about them."""

    mediator: str
    #: All that are parked here, the longest first.
    parked: dict[ViewKey, Parked] = field(default_factory=dict)
    #: Who has a record, or is to have one; with what this process has stored there.
    recorded: dict[ViewKey, ParkedView | None] = field(default_factory=dict)
    #: Who is parked and has no record, as there is no room.
    unrecorded: dict[ViewKey, None] = field(default_factory=dict)
    #: Whose record may have to change.
    changed: dict[ViewKey, None] = field(default_factory=dict)
    #: Retries that are not answered yet.
    requests: dict[ViewKey, RetryRequest] = field(default_factory=dict)
    #: Records that earlier runs left, of views that are still to be computed.
    inherited: dict[ViewKey, ParkedView] = field(default_factory=dict)
    stored_count: ParkedCount | None = None
    count_request: RetryRequest | None = None

    def admit(self, most: int) -> None:
        """Give records to the views for which there is room now."""
        while self.unrecorded and len(self.recorded) < most:
            key = next(iter(self.unrecorded))
            del self.unrecorded[key]
            self.recorded[key] = None
            self.changed[key] = None

    def count(self, process: str) -> ParkedCount | None:
        """The count to be stored for the views without a record."""
        if not self.unrecorded:
            return None
        return ParkedCount(self.mediator, len(self.parked), process, self.count_request)

    @property
    def is_due(self) -> bool:
        """Whether anything may have to be written."""
        return bool(self.changed) or self._count_differs

    @property
    def _count_differs(self) -> bool:
        stored = self.stored_count
        if stored is None or not self.unrecorded:
            return (stored is None) is bool(self.unrecorded)
        return stored.total != len(self.parked) or self.count_request is not None


@dataclass(frozen=True, slots=True)
class _Change:
    """A record that may have to change."""

    book: _Book
    key: ViewKey
    parked: Parked | None
    request: RetryRequest | None
    inherited: ParkedView | None
    stored: ParkedView | None

    def wanted(self, process: str) -> ParkedView | None:
        """The record to be stored."""
        if self.parked is None:
            return None
        view = replace(ParkedView.of(self.parked, process), request=self.request)
        # It has failed all the time, as far as anybody knows.
        return view if self.inherited is None else replace(view, since=self.inherited.since)


class Recorder:
    """Records what is parked of the mediators that run here; a ``ParkingListener``.

    :param engine: asked to compute views again.
    :param most: so many views of a mediator have a record.
    :param pause_s: between two commits.
    :param process: what this process is called in the records.
    """

    def __init__(
        self,
        engine: Engine,
        datastore: Datastore,
        *,
        most: int = _MOST_RECORDS,
        pause_s: float = _PAUSE_S,
        process: str = "",
    ) -> None:
        self._engine = engine
        self._datastore = datastore
        self._most = most
        self._pause_s = pause_s
        self._process = process or f"{socket.gethostname()}:{os.getpid()}"
        self._target = asked_retries(datastore.codec)
        # The engine's lock may be held by who takes this, so nothing else is taken inside.
        self._condition = threading.Condition()
        # Held by who writes, or begins anew; never by who holds the other.
        self._writing = threading.Lock()
        self._books: dict[str, _Book] = {}
        # By how many mediators each book is used: one of tasks may be called as one of views is.
        self._open: Counter[str] = Counter()
        # Requests of the newest cut: each is heard once.
        self._heard: dict[str, str] = {}
        self._ended = False
        self._thread: OwnThread | None = None

    def begin(self, mediator: str, is_view: Callable[[str], bool] = names_document) -> set[str]:
        """Record a mediator's views from now on; the roots of which there are records already.

        The caller sees to it that each of these is computed, or found to be gone.

        :param is_view: whether what is parked by such a name is a view: of a document, unless the
            mediator's views are of something else.
        :raises UnavailableError: what is recorded could not be read.
        """
        with self._writing:
            with self._condition:
                if mediator in self._open:
                    self._open[mediator] += 1
                    return {key.subject for key in self._books[mediator].inherited}
            views, counts = parked_in(self._datastore, mediator)
            book = _Book(mediator, stored_count=next(iter(counts), None))
            for view in views:
                book.recorded[view.key] = None
                if not is_view(view.key.subject):
                    # No view: nobody says whether it is well, unless it is parked again.
                    book.changed[view.key] = None
                    continue
                book.inherited[view.key] = view
                if view.request is not None and view.request.state is not RetryState.DONE:
                    book.requests[view.key] = replace(view.request, state=RetryState.HEARD)
            with self._condition:
                first = not self._open
                self._books[mediator] = book
                self._open[mediator] = 1
                self._wake()
        if first:
            self._engine.feed.listen([self._target])
        return {key.subject for key in book.inherited}

    def end(self, mediator: str) -> None:
        """Record a mediator's views no longer: what is recorded stays, for the next start."""
        with self._condition:
            self._open[mediator] -= 1
            if self._open[mediator]:
                return
            del self._open[mediator]
            last = not self._open
        if last:
            self._engine.feed.release([self._target])

    def stop(self) -> None:
        """Write what differs, unless Firestore does not take it, and end."""
        with self._condition:
            self._ended = True
            self._condition.notify_all()
        if self._thread is not None:
            join(self._thread)

    # What the engine calls, with its lock held.

    def parked(self, parked: Parked) -> None:
        """Hear of a view that is set aside, or failed again."""
        key = parked.key
        if key.mediator not in self._open:
            return
        with self._condition:
            book = self._books[key.mediator]
            book.parked[key] = parked
            request = book.requests.get(key)
            if request is not None:
                book.requests[key] = replace(request, state=RetryState.DONE)
            if key in book.recorded:
                book.changed[key] = None
            else:
                book.unrecorded[key] = None
                book.admit(self._most)
            self._wake()

    def released(self, key: ViewKey) -> None:
        """Hear of a view that is well, or gone; also of those that were not parked."""
        book = self._books.get(key.mediator) if key.mediator in self._open else None
        if book is None or not (key in book.recorded or key in book.parked):
            return
        with self._condition:
            book.parked.pop(key, None)
            book.unrecorded.pop(key, None)
            if key in book.recorded:
                book.changed[key] = None
            self._wake()

    def heard(self, change: CutChange) -> None:
        """Have the views computed again that somebody asks for."""
        if self._target in change.rejected:
            logger.warning("requests to retry do not arrive: %s", change.rejected[self._target])
        if self._target not in change.queries:
            return
        views, counts = records_of(change.cut.query(self._target) or ())
        heard, self._heard = self._heard, {}
        for record in views:
            self._hear(record.key, record.request, view_path(record.key), heard)
        for count in counts:
            self._hear_of_all(count, heard)

    def _hear(
        self, key: ViewKey, request: RetryRequest | None, path: str, heard: dict[str, str]
    ) -> None:
        if request is None or key.mediator not in self._open:
            return
        self._heard[path] = request.id
        if heard.get(path) == request.id or not self._note(key, request):
            return
        if not self._engine.renew(key, at_least_ns=0):
            self._answer_at_once(key)

    def _note(self, key: ViewKey, request: RetryRequest) -> bool:
        """Remember a request; whether its view has to be computed for it."""
        with self._condition:
            book = self._books[key.mediator]
            known = book.requests.get(key)
            if known is not None and known.id == request.id:
                # The computation at the start answers it.
                return False
            # Another process may have recorded what is well here.
            book.recorded.setdefault(key, None)
            book.unrecorded.pop(key, None)
            book.requests[key] = replace(request, state=RetryState.HEARD)
            if key in book.parked:
                book.changed[key] = None
                self._wake()
            return True

    def _answer_at_once(self, key: ViewKey) -> None:
        """Answer a request for which nothing can be computed: there is no root, or no query."""
        with self._condition:
            book = self._books[key.mediator]
            if key not in book.inherited:
                request = book.requests.get(key)
                if request is not None:
                    book.requests[key] = replace(request, state=RetryState.DONE)
                book.changed[key] = None
                self._wake()

    def _hear_of_all(self, count: ParkedCount, heard: dict[str, str]) -> None:
        path = summary_path(count.mediator)
        if count.request is None or count.mediator not in self._open:
            return
        self._heard[path] = count.request.id
        if heard.get(path) == count.request.id:
            return
        with self._condition:
            book = self._books[count.mediator]
            # Who is recorded by now may not have been so when the others were asked for.
            keys = [key for key in book.parked if key not in book.requests]
            book.count_request = replace(count.request, state=RetryState.DONE)
            # Also if nothing is left to be counted here: it is answered, by being removed.
            book.stored_count = count
            self._wake()
        for key in keys:
            self._engine.renew(key, at_least_ns=0)

    # The thread.

    def _wake(self) -> None:
        # With the condition held. Where nothing is ever parked, there is no thread.
        if self._thread is None and not self._ended and self._is_due():
            self._thread = OwnThread(
                self._run,
                name="flask-boiler-record",
                stops="parked views are not recorded any more; boiler.parked still has them",
                on_failure=self._engine.break_down,
            )
            self._thread.start()
        self._condition.notify_all()

    def _run(self) -> None:
        failures = 0
        while self._await_changes():
            try:
                self.write_changes()
            except BoilerError as error:
                failures += 1
                log = logger.warning if failures == 1 else logger.debug
                log("parked views are not recorded yet: %s", error)
                if self._ended:
                    return
            else:
                failures = 0
            self._rest(min(_LONGEST_PAUSE_S, self._pause_s * 2**failures))

    def _await_changes(self) -> bool:
        """Wait until something is to be written; ``False`` at the end, when nothing is."""
        with self._condition:
            self._condition.wait_for(lambda: self._ended or self._is_due())
            return self._is_due()

    def _rest(self, pause_s: float) -> None:
        with self._condition:
            self._condition.wait_for(lambda: self._ended, pause_s)

    def _is_due(self) -> bool:
        return any(book.is_due for book in self._books.values())

    def write_changes(self) -> int:
        """Write a batch of what differs from what is stored; how many writes it took.

        :raises BoilerError: nothing of it was stored, or nobody knows; it is still to be done.
        """
        with self._writing:
            changes, books = self._take()
            wanted = [(change, change.wanted(self._process)) for change in changes]
            wanted = [(change, view) for change, view in wanted if _differs(change, view)]
            with self._condition:
                counts = [(book, book.count(self._process)) for book in books]
            counts = [(book, count) for book, count in counts if count != book.stored_count]
            writes = [
                *(_write(view_path(change.key), view) for change, view in wanted),
                *(_write(summary_path(book.mediator), count) for book, count in counts),
            ]
            try:
                if writes:
                    self._datastore.commit(writes)
            except BaseException:
                with self._condition:
                    for change in changes:
                        change.book.changed[change.key] = None
                raise
            with self._condition:
                for change, view in wanted:
                    self._stored(change, view)
                for book, count in counts:
                    self._counted(book, count)
            return len(writes)

    def _take(self) -> tuple[list[_Change], list[_Book]]:
        with self._condition:
            books = list(self._books.values())
            taken = [(book, key) for book in books for key in book.changed][:_MOST_AT_ONCE]
            for book, key in taken:
                del book.changed[key]
            changes = [
                _Change(
                    book,
                    key,
                    book.parked.get(key),
                    book.requests.get(key),
                    book.inherited.get(key),
                    book.recorded.get(key),
                )
                for book, key in taken
            ]
            return changes, books

    def _stored(self, change: _Change, view: ParkedView | None) -> None:
        book, key = change.book, change.key
        if book.requests.get(key) == change.request and (
            view is None or view.request is None or view.request.state is RetryState.DONE
        ):
            book.requests.pop(key, None)
        if view is not None:
            # Its time stays, however often it is written.
            book.recorded[key] = replace(view, request=None)
            return
        book.inherited.pop(key, None)
        if key in book.parked:
            # Meanwhile; that is to be written yet.
            book.recorded[key] = None
        else:
            book.recorded.pop(key, None)
        book.admit(self._most)

    def _counted(self, book: _Book, count: ParkedCount | None) -> None:
        book.stored_count = None if count is None else replace(count, request=None)
        if count is None or book.count_request == count.request:
            book.count_request = None


def _differs(change: _Change, view: ParkedView | None) -> bool:
    return view is None or view != change.stored


def _write(path: str, content: ParkedView | ParkedCount | None) -> Write:
    return Write("delete", path) if content is None else Write("set", path, content.as_fields())
