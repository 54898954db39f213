"""Publishing to documents: group commits, each write conditional on what was last seen.

Whatever is ready when a commit returns goes into the next one, so that a single change is
written at once and a burst in few commits. When a commit is refused, or its answer lost,
nothing is assumed: the places concerned are read, and each publication finds out for itself
whether it is done, may go on, or has lost to a newer value.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from flask_boiler.engine.keys import ViewKey
from flask_boiler.engine.ledger import ledger_path, owner_of
from flask_boiler.engine.live_view import LiveView, Outcome, Rendering
from flask_boiler.engine.places import Places, Plan
from flask_boiler.engine.probing import commit_probe
from flask_boiler.engine.tombstones import KEPT_FOR_NS, Tombstones, remove_tombstones
from flask_boiler.errors import (
    BoilerError,
    ConflictError,
    DocumentNotFoundError,
    UnavailableError,
)
from flask_boiler.firestore.patience import waiting_at_most
from flask_boiler.ports import Datastore
from flask_boiler.values import Snapshot

__all__ = ["Publisher"]

logger = logging.getLogger(__name__)

_MOST_WRITES = 500
# Firestore takes 10 MiB a commit, and Google's emulator 4; the ledger's records and names come
# on top of the documents. What turns out too large all the same is split.
_MOST_BYTES = 3 * 1024 * 1024
_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 5.0
#: Whoever publishes, or stops, waits no longer for an answer that could as well come later.
_PRUNING_PATIENCE_S = 5.0
# After so many failures of its own a publication is suspected to be the cause of them.
_PATIENCE = 5


@dataclass(slots=True)
class _Publication:
    view: LiveView
    rendering: Rendering
    done: Callable[[Outcome], None]
    plan: Plan | None = None
    ended: bool = False
    #: How often a commit with it failed although Firestore could be read.
    failures: int = 0


class Publisher:
    """The sink of views that are kept in documents.

    One thread writes; ``submit`` never blocks.
    """

    def __init__(self, datastore: Datastore) -> None:
        self._datastore = datastore
        self._places = Places()
        self._tombstones = Tombstones()
        # Guards both: mediators recall and forget places while the thread publishes.
        self._lock = threading.Lock()
        # Of the newest commit.
        self._commit_time_ns = 0
        self._queue: queue.SimpleQueue[_Publication | None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="flask-boiler-publish", daemon=True)
        self.documents_written = 0
        #: Whether Firestore is unreachable, so that nothing is published for a while.
        self.stalled = False

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self) -> None:
        """Publish what was submitted, then end.

        While Firestore is unreachable, what is left is given up: it is made good at the next
        start.
        """
        self._stopping.set()
        self._queue.put(None)
        if self._thread.ident is not None:
            self._thread.join()

    def submit(self, view: LiveView, rendering: Rendering, done: Callable[[Outcome], None]) -> None:
        """Make the view's places what the rendering says."""
        self._queue.put(_Publication(view, rendering, done))

    def recall(self, records: Iterable[Snapshot]) -> set[ViewKey]:
        """Take up what the ledger says; reads what is stored at the places that are views'.

        :returns: those views.
        """
        by_place: dict[str, Snapshot] = {record.fields["place"]: record for record in records}
        owned = {p: owner for p, r in by_place.items() if (owner := owner_of(r)) is not None}
        stored = self._datastore.get(owned)
        with self._lock:
            for place, record in by_place.items():
                if place in owned:
                    self._places.recall(owned[place], place, stored[place], record)
                else:
                    self._tombstones.note(place, record.update_time_ns)
        return set(owned.values())

    def forget(self, key: ViewKey) -> None:
        """Drop what is known of a view; its documents stay as they are."""
        with self._lock:
            self._places.forget(key)

    def owned(self, key: ViewKey) -> frozenset[str]:
        """The places that a view is kept at."""
        with self._lock:
            return self._places.owned(key)

    def newest_ns(self, key: ViewKey) -> int:
        """The update time of the newest document at a view's places, as last seen."""
        with self._lock:
            return self._places.newest_ns(self._places.owned(key))

    def owner(self, place: str) -> ViewKey | None:
        """The view that is kept at a place."""
        with self._lock:
            return self._places.owner(place)

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            batch, ended = self._gather(first)
            self._publish(batch)
            self._prune()
            if ended:
                return

    def _gather(self, first: _Publication) -> tuple[list[_Publication], bool]:
        """What is ready now, up to the size of a commit; whether the end was reached."""
        batch: list[_Publication] = []
        writes = size_bytes = 0
        publication: _Publication | None = first
        while True:
            if publication is None:
                return batch, True
            if self._prepare(publication) and publication.plan is not None:
                batch.append(publication)
                writes += len(publication.plan.writes)
                size_bytes += publication.plan.size_bytes
            if writes >= _MOST_WRITES or size_bytes >= _MOST_BYTES:
                return batch, False
            try:
                publication = self._queue.get_nowait()
            except queue.Empty:
                return batch, False

    def _prepare(self, publication: _Publication) -> bool:
        """Plan the writes; whether there are any. Ends the publication where there are none."""
        key = publication.view.key
        if publication.view.discarded:
            # It would claim places for a view that is kept no more.
            self._end(publication, Outcome())
            return False
        try:
            with self._lock:
                publication.plan = plan = self._places.plan(key, publication.rendering)
                if not plan.writes:
                    self._places.applied(key, plan, ())
        except Exception as error:
            # Whatever it is, the thread that all views share is to go on.
            self._end(publication, Outcome(error=error))
            return False
        if not plan.writes:
            self._end(publication, Outcome(freed=plan.freed))
        return bool(plan.writes)

    def _publish(self, batch: list[_Publication]) -> None:
        try:
            while batch:
                batch = self._attempt(batch)
        except Exception as error:
            # What is stored could not even be looked at, or worse: the views say so, are
            # parked, and try again on their next change. The thread lives on.
            logger.exception("publishing %d view(s) failed", len(batch))
            for publication in batch:
                self._end(publication, Outcome(error=error))

    def _attempt(self, batch: list[_Publication]) -> list[_Publication]:
        """Commit once; what of the batch has to be tried again."""
        plans = [p.plan for p in batch if p.plan is not None]
        try:
            result = self._datastore.commit([write for plan in plans for write in plan.writes])
        except (ConflictError, DocumentNotFoundError) as error:
            logger.debug("a commit of %d view(s) was refused: %s", len(batch), error)
            return self._reconcile(batch, news_expected=True)
        except UnavailableError as error:
            return self._wait_and_reconcile(batch, error)
        except BoilerError as error:
            return self._split(batch, error)
        self._commit_time_ns = result.commit_time_ns
        self._applied(batch, result.update_times_ns)
        return []

    def _applied(self, batch: Sequence[_Publication], update_times_ns: Sequence[int]) -> None:
        start = 0
        for publication in batch:
            assert publication.plan is not None
            end = start + len(publication.plan.writes)
            with self._lock:
                tombstones = self._places.applied(
                    publication.view.key, publication.plan, update_times_ns[start:end]
                )
                for place, written_ns in tombstones.items():
                    self._tombstones.note(place, written_ns)
            self.documents_written += end - start
            start = end
            self._end(publication, Outcome(written=True, freed=publication.plan.freed))

    def _wait_and_reconcile(
        self, batch: list[_Publication], error: UnavailableError
    ) -> list[_Publication]:
        """Wait until Firestore is there again, then see what became of the batch."""
        failures = max(publication.failures for publication in batch)
        pause_s = _FIRST_PAUSE_S * 2 ** (failures % _PATIENCE)
        while not self._stopping.wait(pause_s):
            try:
                remaining = self._reconcile(batch, news_expected=False)
                suspected = failures >= _PATIENCE
                if suspected:
                    commit_probe(self._datastore)
            except UnavailableError as still:
                error = still
                self.stalled = True
            else:
                self.stalled = False
                for publication in remaining:
                    publication.failures += 1
                return self._split(remaining, error) if suspected and remaining else remaining
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
            logger.warning("%d view(s) cannot be published yet: %s", len(batch), error)
        for publication in batch:
            self._end(publication, Outcome(error=error))
        return []

    def _reconcile(self, batch: list[_Publication], *, news_expected: bool) -> list[_Publication]:
        """Look at what is stored; what of the batch is still to be written."""
        concerned = [self._concerned(publication) for publication in batch]
        paths = [path for group in concerned for place in group for path in _both(place)]
        stored = self._datastore.get(paths)
        # What was given up before this may have no tombstone any more.
        pruned_until_ns = max((s.read_time_ns for s in stored.values()), default=0) - KEPT_FOR_NS
        remaining = []
        news = False
        for publication, group in zip(batch, concerned, strict=True):
            changed = self._look(publication, group, stored)
            news = news or changed is not False
            if changed is None or not self._prepare(publication):
                continue
            if self._has_lost(publication, group if changed else (), pruned_until_ns):
                continue
            remaining.append(publication)
        if news_expected and not news:
            # Contention, not news: let the other side finish.
            self._stopping.wait(_FIRST_PAUSE_S)
        return remaining

    def _prune(self) -> None:
        """Remove tombstones that have served."""
        with self._lock:
            served = self._tombstones.take_served(self._commit_time_ns)
        if not served:
            return
        try:
            with waiting_at_most(_PRUNING_PATIENCE_S):
                remove_tombstones(self._datastore, served)
        except Exception as error:
            # They harm nobody, and the next start finds them again.
            logger.warning("%d tombstone(s) could not be removed: %s", len(served), error)
        with self._lock:
            for place, written_ns in served:
                self._places.pruned(place, written_ns)

    def _concerned(self, publication: _Publication) -> list[str]:
        owned = self.owned(publication.view.key)
        return sorted(owned | publication.rendering.documents.keys())

    def _look(
        self, publication: _Publication, group: Sequence[str], stored: Mapping[str, Snapshot]
    ) -> bool | None:
        """Whether something else is stored than was known; ``None`` if that ended it."""
        news = False
        key = publication.view.key
        try:
            with self._lock:
                for place in group:
                    snapshot, record = (stored[path] for path in _both(place))
                    news = self._places.see(key, place, snapshot, record) or news
        except BoilerError as error:
            self._end(publication, Outcome(error=error))
            return None
        return news

    def _has_lost(
        self, publication: _Publication, news: Sequence[str], pruned_until_ns: int
    ) -> bool:
        """Whether somebody published after this rendering's cut; then it ends here.

        :param news: places where something else was found than was known.
        """
        with self._lock:
            newest_ns = max(self._places.newest_ns(news), pruned_until_ns)
        if newest_ns <= publication.rendering.read_time_ns:
            return False
        self._end(publication, Outcome(newer_than_ns=newest_ns))
        return True

    def _split(self, batch: list[_Publication], error: BoilerError) -> list[_Publication]:
        """One of the batch is unacceptable: find it, and publish the others."""
        if len(batch) == 1:
            self._end(batch[0], Outcome(error=error))
            return []
        middle = len(batch) // 2
        self._publish(batch[:middle])
        return batch[middle:]

    def _end(self, publication: _Publication, outcome: Outcome) -> None:
        if publication.ended:
            return
        publication.ended = True
        if outcome.error is not None:
            with self._lock:
                self._places.abandon(publication.view.key)
        publication.done(outcome)


def _both(place: str) -> tuple[str, str]:
    return place, ledger_path(place)
