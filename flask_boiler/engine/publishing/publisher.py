"""Publishing to documents: group commits, each write conditional on what was last seen.

Whatever is ready when a commit returns goes into the next one, so that a single change is
written at once and a burst in few commits. When a commit is refused, or its answer lost,
nothing is assumed: the places concerned are read, and each publication finds out for itself
whether it is done, may go on, or has lost to a newer value.

Views that exchange places, or pass them on, are of one commit, for which those that are still
being computed are waited for, shortly. Where that cannot be, who leaves a place deletes first,
and the place is empty until it is claimed.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any

from flask_boiler.engine.acceptance import Acceptance, commit_probe
from flask_boiler.engine.publishing.intake import Intake, commits_of, fits
from flask_boiler.engine.publishing.ledger import PlaceLedger, PlaceRecord
from flask_boiler.engine.publishing.moves import Move, Settlement, settle_moves
from flask_boiler.engine.publishing.places import Places
from flask_boiler.engine.publishing.plan import Plan
from flask_boiler.engine.publishing.publication import (
    Publication,
    Signal,
    strange_error,
    taken_error,
)
from flask_boiler.engine.publishing.tombstones import KEPT_FOR_NS, Tombstones
from flask_boiler.engine.sink import (
    Computed,
    Documents,
    PublishOutcome,
    SubmittedView,
    ViewsAtWork,
    Wanted,
)
from flask_boiler.engine.view_key import ViewKey
from flask_boiler.errors import (
    AuthError,
    BoilerError,
    ConflictError,
    DocumentNotFoundError,
    UnavailableError,
)
from flask_boiler.firestore.failures import is_refusal
from flask_boiler.firestore.patience import waiting_at_most
from flask_boiler.ground.callbacks import as_exception
from flask_boiler.ground.lifecycle import OwnThread, join
from flask_boiler.ground.ports import Cut, Datastore
from flask_boiler.ground.values import Snapshot

__all__ = ["Publisher"]

logger = logging.getLogger(__name__)

_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 5.0
#: Whoever publishes, or stops, waits no longer for an answer that could as well come later.
_PRUNING_PATIENCE_S = 5.0
# After so many failures of its own a publication is suspected to be the cause of them.
_PATIENCE = 5
#: How long a view keeps what it does not want any more, for the sake of moving together with
#: views that are still being computed.
_COMPANIONS_WITHIN_S = 1.0


class Publisher:
    """The :class:`~flask_boiler.engine.sink.DocumentSink` of a database.

    One thread writes; ``submit`` never blocks.

    :param ledger: remembers whose the places are, of the same database.
    :param acceptance: whether Firestore takes commits at all; asked again on the thread.
    """

    def __init__(
        self, datastore: Datastore, ledger: PlaceLedger, *, acceptance: Acceptance
    ) -> None:
        self._datastore = datastore
        self._ledger = ledger
        self._acceptance = acceptance
        acceptance.on_refused = lambda: self._arrivals.put(Signal.NUDGE)
        self._places = Places()
        self._tombstones = Tombstones()
        # Guards both: mediators recall and forget places while the thread publishes.
        self._lock = threading.Lock()
        # Of the newest commit.
        self._commit_time_ns = 0
        self._arrivals = Intake()
        #: What waits for views that are still being computed.
        self._held: list[Publication] = []
        #: How long it does.
        self.patience_s = _COMPANIONS_WITHIN_S
        self._stopping = threading.Event()
        self._views: ViewsAtWork | None = None
        self._thread: OwnThread | None = None
        self.documents_written = 0
        #: Whether Firestore is unreachable, so that nothing is published for a while.
        self.stalled = False
        #: Whether somebody may be waiting for views to be computed, and wants to be nudged.
        self.holding = False

    def start(self, views: ViewsAtWork) -> None:
        """Begin to write; ``views`` is asked without any lock."""
        self._views = views
        self._thread = OwnThread(
            self._run,
            name="flask-boiler-publish",
            stops="no view is written any more",
            on_failure=views.break_down,
        )
        self._thread.start()

    def stop(self) -> None:
        """Publish what was submitted, then end.

        While Firestore is unreachable, what is left is given up: it is made good at the next
        start.
        """
        self._stopping.set()
        self._arrivals.put(Signal.END)
        if self._thread is not None:
            join(self._thread)

    def submit(
        self,
        view: SubmittedView,
        computed: Computed[Documents],
        done: Callable[[PublishOutcome], None],
    ) -> None:
        """Put what was computed at the view's places."""
        self._arrivals.put(Publication(view, computed, done))

    def nudge(self) -> None:
        """Look again at what waits for a view: one is computed no more, or gone."""
        if self.holding:
            self._arrivals.put(Signal.NUDGE)

    def recall(self, mediator: str) -> set[ViewKey]:
        """The views that the ledger has of a mediator; reads what is stored at their places."""
        return self._recall(self._ledger.records(mediator))

    def _recall(self, records: Mapping[str, PlaceRecord]) -> set[ViewKey]:
        owned = {p: record.owner for p, record in records.items() if record.owner is not None}
        stored = self._datastore.get(owned)
        with self._lock:
            for place, record in records.items():
                if place in owned:
                    self._places.recall(place, stored[place], record)
                elif record.is_tombstone:
                    self._tombstones.note(place, record.update_time_ns)
        return set(owned.values())

    def is_news(self, key: ViewKey, documents: Mapping[str, Any]) -> bool:
        """Whether a view's documents, by place, differ from what it has there, as last seen."""
        with self._lock:
            return any(self._places.differs(key, p, d) for p, d in documents.items())

    def stored(self, key: ViewKey) -> dict[str, Snapshot]:
        """The documents at the places that are still a view's, by place; read now."""
        seen = self._ledger.look(self.owned(key))
        return {
            place: document
            for place, (document, record) in seen.items()
            if document.exists and record.owner == key
        }

    def forget(self, key: ViewKey) -> None:
        """Drop what is known of a view; its documents stay as they are."""
        with self._lock:
            self._places.forget(key)
        self.nudge()

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

    def signs(self, wanted: Wanted) -> frozenset[str]:
        """The documents that are in the way, and the records of the places that others have."""
        records = map(self._ledger.sign, wanted.contested)
        return wanted.strange.union(sign for sign in records if sign is not None)

    def is_taken(self, sign: str, key: ViewKey, cut: Cut) -> bool:
        """Whether a record names another view, or a document is still in the way."""
        heard = cut.document(sign)
        if heard is None:
            return False
        record = self._ledger.record_in(heard)
        return heard.exists if record is None else record.owner not in (None, key)

    def came_free(self, wanted: Wanted, key: ViewKey, cut: Cut) -> bool:
        """Whether a cut shows a place to be free that was not so when it was refused."""
        freed = any(self._was_freed(place, key, cut) for place in wanted.contested)
        return freed or any(self._was_removed(place, cut) for place in wanted.strange)

    def _was_freed(self, place: str, key: ViewKey, cut: Cut) -> bool:
        if self.owner(place) is None:
            return True
        sign = self._ledger.sign(place)
        heard = cut.document(sign) if sign is not None else None
        record = self._ledger.record_in(heard) if heard is not None else None
        return (
            record is not None
            and record.update_time_ns > self._last_seen_ns(place)
            and record.owner in (None, key)
        )

    def _was_removed(self, place: str, cut: Cut) -> bool:
        document = cut.document(place)
        return (
            document is not None
            and not document.exists
            and cut.read_time_ns > self._last_seen_ns(place)
        )

    def _last_seen_ns(self, place: str) -> int:
        """The time when a place was last written, claimed or given up, as far as it was seen."""
        with self._lock:
            return self._places.newest_ns([place])

    def _run(self) -> None:
        ended = False
        while not ended or self._held:
            arrived, ended = self._arrivals.take(self._time_to_wait_s())
            batch, self._held = self._held + arrived, []
            self._publish(batch)
            self.holding = bool(self._held)
            self._prune()
            self._acceptance.ask_if_due()

    def _time_to_wait_s(self) -> float:
        """The seconds for which arrivals may be waited for.

        What is held may have waited for long enough by then, or it is to be asked whether commits
        are taken again.
        """
        now = time.monotonic()
        held = [p.held_since_s for p in self._held if p.held_since_s is not None]
        left_s = [max(0.0, since_s + self.patience_s - now) for since_s in held]
        return min([*left_s, self._acceptance.time_to_ask_s()])

    def _publish(self, batch: Sequence[Publication]) -> None:
        try:
            while batch:
                batch = self._advance(batch)
        except BaseException as error:
            # What is stored could not even be looked at, or worse: the views say so, are
            # parked, and try again on their next change. The thread lives on.
            logger.exception("publishing %d view(s) failed", len(batch))
            told = as_exception(error, "publishing")
            for publication in batch:
                publication.end(PublishOutcome(error=told, freed=publication.freed))

    def _advance(self, batch: Sequence[Publication]) -> list[Publication]:
        """Commit what may be; what of the batch has to be looked at again."""
        batch = [publication for publication in batch if self._is_wanted(publication)]
        for publication in batch:
            publication.leaving = False
        settlement = self._settle(batch)
        blocked = [p for p in batch if p.key in settlement.blocked]
        strange = {
            p: places
            for p in batch
            if p.error is None and p.key not in settlement.late and (places := self._strange(p))
        }
        unseen = [p for p in dict.fromkeys([*blocked, *strange]) if not p.looked]
        if unseen:
            # Another process may have given the places up meanwhile.
            others = [publication for publication in batch if publication not in unseen]
            return [*others, *self._reconciled(unseen, news_expected=False)]
        for publication, places in strange.items():
            publication.error = strange_error(publication.key, places)
            publication.strange = places
        if strange:
            # Others would leave places to them, or be refused some for their sake.
            return list(batch)
        for publication in blocked:
            taken = settlement.blocked[publication.key]
            publication.error = taken_error(publication.key, taken)
            publication.contested = frozenset(taken)
        self._hold([p for p in batch if p.key in settlement.late])
        return self._commit_all([p for p in batch if p.key not in settlement.late], settlement)

    def _is_wanted(self, publication: Publication) -> bool:
        if publication.view.discarded and not publication.ended:
            # It would claim places for a view that is kept no more.
            publication.end(PublishOutcome(freed=publication.freed))
        return not publication.ended

    def _settle(self, batch: Sequence[Publication]) -> Settlement:
        with self._lock:
            moves = [self._move(p) for p in batch if p.error is None]
            moves += [self._places.departure(p.key, p.documents) for p in batch if p.error]
            claims = {place for move in moves for place in move.claims}
            owners = {p: owner for p in claims if (owner := self._places.owner(p)) is not None}
        return settle_moves(
            moves,
            owners,
            is_coming=self._comes,
            impatient={p.key for p in batch if self._is_impatient(p)},
        )

    def _comes(self, key: ViewKey, submitted: bool) -> bool:
        # Before it is asked: what ends after that is to be told.
        self.holding = True
        return self._views is not None and self._views.is_coming(key, submitted)

    def _move(self, publication: Publication) -> Move:
        gone = publication.computed.gone
        return self._places.move(publication.key, publication.documents, gone=gone)

    def _is_impatient(self, publication: Publication) -> bool:
        since_s = publication.held_since_s
        waited = since_s is not None and time.monotonic() - since_s >= self.patience_s
        return waited or self._stopping.is_set()

    def _hold(self, late: Sequence[Publication]) -> None:
        for publication in late:
            if publication.held_since_s is None:
                publication.held_since_s = time.monotonic()
            publication.looked = False
        self._held += late

    def _strange(self, publication: Publication) -> frozenset[str]:
        """The places that it claims and at which there are documents of somebody else."""
        key, documents = publication.key, publication.documents
        with self._lock:
            return frozenset(
                place
                for place, document in documents.by_place.items()
                if document is not None
                and place not in documents.adopted
                and self._places.is_strange(key, place, document)
            )

    def _commit_all(
        self, batch: Sequence[Publication], settlement: Settlement
    ) -> list[Publication]:
        """Commit what is settled; the publications that are not finished."""
        by_key = {publication.key: publication for publication in batch}
        again: list[Publication] = []
        groups: list[list[Publication]] = []
        for keys in settlement.together(list(by_key)):
            group = [by_key[key] for key in keys]
            planned = [self._plan(p, settlement.passed_by(p.key)) for p in group]
            if not all(planned):
                # Without one of them, the others would take places that nobody leaves.
                again += group
            elif len(group) > 1 and (any(p.apart for p in group) or not fits(group)):
                again += self._depart(group)
            elif any(publication.plan.writes for publication in group):
                for publication in group:
                    publication.group = group
                groups.append(group)
            else:
                self._applied(group, ())
        for commit in commits_of(groups):
            again += self._attempt(commit)
        return again

    def _plan(self, publication: Publication, passed: set[str]) -> bool:
        """Plan the writes; whether that was possible."""
        publication.plan = Plan()
        try:
            with self._lock:
                publication.plan = self._places.plan(
                    publication.key,
                    publication.documents,
                    gone=publication.computed.gone,
                    passed=passed,
                    leave_only=publication.leaves_only,
                )
        except BaseException as error:
            # Whatever it is, the thread that all views share is to go on.
            self._fail(publication, as_exception(error, f"publishing {publication.key}"))
            return False
        return True

    def _depart(self, group: Sequence[Publication]) -> list[Publication]:
        """Give up old places before new ones are taken; the publications that are not finished."""
        for publication in group:
            publication.leaving, publication.apart = publication.error is None, False
            publication.group = [publication]
            self._plan(publication, set())
        departing = [[publication] for publication in group if publication.plan.writes]
        again = self._applied([p for p in group if not p.plan.writes], ())
        for commit in commits_of(departing):
            again += self._attempt(commit)
        return again

    def _attempt(self, batch: Sequence[Publication]) -> list[Publication]:
        """Commit a batch once; the publications of it that are not finished."""
        try:
            result = self._ledger.commit([write for p in batch for write in p.plan.writes])
        except (ConflictError, DocumentNotFoundError) as error:
            logger.debug("a commit of %d view(s) was refused: %s", len(batch), error)
            return self._reconciled(batch, news_expected=True)
        except (UnavailableError, AuthError) as error:
            return self._wait_and_reconcile(batch, error)
        except BoilerError as error:
            return self._split(batch, error)
        self._acceptance.taken()
        self._commit_time_ns = result.commit_time_ns
        return self._applied(batch, result.update_times_ns)

    def _applied(
        self, batch: Sequence[Publication], update_times_ns: Sequence[int]
    ) -> list[Publication]:
        """Note what was committed; the publications that have only given up places."""
        again = []
        start = 0
        for publication in batch:
            plan = publication.plan
            end = start + len(plan.writes)
            with self._lock:
                times_ns = update_times_ns[start:end]
                tombstones = self._places.applied(publication.key, plan, times_ns)
                for place, written_ns in tombstones.items():
                    self._tombstones.note(place, written_ns)
            self.documents_written += end - start
            publication.freed |= plan.freed
            if publication.leaving:
                again.append(publication)
            else:
                self._end(publication, written=end > start)
            start = end
        return again

    def _wait_and_reconcile(
        self, batch: Sequence[Publication], error: UnavailableError | AuthError
    ) -> list[Publication]:
        """Wait until Firestore is there again, or takes commits, then see what became of it.

        If it refuses everybody for too long, the views are parked until it does not.
        """
        failures = max(publication.failures for publication in batch)
        pause_s = _FIRST_PAUSE_S * 2 ** (failures % _PATIENCE)
        while not self._stopping.wait(pause_s):
            try:
                remaining = self._reconcile(batch, news_expected=False)
                suspected = failures >= _PATIENCE
                if suspected or is_refusal(error) or self._acceptance.hindrance is not None:
                    commit_probe(self._datastore)
            except (UnavailableError, AuthError) as still:
                error = still
                self.stalled = True
                if is_refusal(still):
                    self._acceptance.refused(still)
                if self._acceptance.lasts:
                    break
            else:
                self.stalled = False
                self._acceptance.taken()
                for publication in remaining:
                    publication.failures += 1
                return self._split(remaining, error) if suspected and remaining else remaining
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
            logger.warning("%d view(s) cannot be published yet: %s", len(batch), error)
        for publication in batch:
            publication.error = publication.error or error
            self._end(publication)
        return []

    def _reconciled(
        self, batch: Sequence[Publication], *, news_expected: bool
    ) -> list[Publication]:
        """Read the places of a batch as soon as possible; the publications to try again."""
        try:
            return self._reconcile(batch, news_expected=news_expected)
        except (UnavailableError, AuthError) as error:
            return self._wait_and_reconcile(batch, error)

    def _reconcile(self, batch: Sequence[Publication], *, news_expected: bool) -> list[Publication]:
        """Read the places of a batch; the publications to try again."""
        concerned = [self._concerned(publication) for publication in batch]
        stored = self._ledger.look(list(chain(*concerned)))
        # What was given up before this may have no tombstone any more.
        read_time_ns = max((document.read_time_ns for document, _ in stored.values()), default=0)
        pruned_until_ns = read_time_ns - KEPT_FOR_NS
        owned = [self.owned(publication.key) for publication in batch]
        news = [self._look(group, stored) for group in concerned]
        for publication, before in zip(batch, owned, strict=True):
            if before - self.owned(publication.key):
                self._recall_moved(publication)
        for publication in batch:
            publication.looked = True
            self._end_if_lost(publication, pruned_until_ns)
        if news_expected and not any(news):
            # Contention, not news: let the other side finish.
            self._stopping.wait(_FIRST_PAUSE_S)
        return [publication for publication in batch if not publication.ended]

    def _recall_moved(self, publication: Publication) -> None:
        """Find where another process, which may have ended, has the view."""
        key = publication.key
        records = self._ledger.records(key.mediator, key.subject)
        self._recall({place: r for place, r in records.items() if r.owner == key})
        computed = publication.computed
        if computed.gone and self.owned(key):
            # What its class leaves behind there is to be computed.
            publication.end(
                PublishOutcome(newer_than_ns=computed.read_time_ns, freed=publication.freed)
            )

    def _prune(self) -> None:
        """Remove tombstones that have served."""
        with self._lock:
            served = self._tombstones.take_served(self._commit_time_ns)
        if not served:
            return
        try:
            with waiting_at_most(_PRUNING_PATIENCE_S):
                self._ledger.prune(dict(served))
        except Exception as error:
            # They harm nobody, and the next start finds them again.
            logger.warning("%d tombstone(s) could not be removed: %s", len(served), error)
        with self._lock:
            for place, written_ns in served:
                self._places.pruned(place, written_ns)

    def _concerned(self, publication: Publication) -> list[str]:
        owned = self.owned(publication.key)
        return sorted(owned | publication.documents.by_place.keys())

    def _look(
        self, places: Sequence[str], stored: Mapping[str, tuple[Snapshot, PlaceRecord]]
    ) -> bool:
        """Note what is stored; whether at any place something else is than was known."""
        news = False
        with self._lock:
            for place in places:
                news = self._places.see(place, *stored[place]) or news
        return news

    def _end_if_lost(self, publication: Publication, pruned_until_ns: int) -> None:
        """End it if it has something to write, and another process published since its cut."""
        if self._plan(publication, set()) and not publication.plan.writes:
            return
        concerned = self._concerned(publication)
        with self._lock:
            newest_ns = max(self._places.newest_elsewhere_ns(concerned), pruned_until_ns)
        if newest_ns > publication.computed.read_time_ns:
            publication.end(PublishOutcome(newer_than_ns=newest_ns, freed=publication.freed))

    def _split(self, batch: Sequence[Publication], error: BoilerError) -> list[Publication]:
        """Find the publication of a batch that Firestore refuses, and publish the others."""
        groups = [
            [publication for publication in group if publication in batch]
            for group in {id(p.group): p.group for p in batch}.values()
        ]
        if len(groups) > 1:
            middle = len(groups) // 2
            self._publish(list(chain(*groups[:middle])))
            return list(chain(*groups[middle:]))
        [group] = groups
        if len(group) == 1:
            self._fail(group[0], error)
        for publication in group:
            publication.apart = True
        return group

    def _fail(self, publication: Publication, error: Exception) -> None:
        """Publish nothing more of it; what it does not want any more it still gives up."""
        if publication.error is not None:
            self._end(publication)
            return
        publication.error = error
        with self._lock:
            publication.dropped = self._move(publication).claims

    def _end(self, publication: Publication, *, written: bool = False) -> None:
        publication.end(
            PublishOutcome(
                written=written,
                freed=publication.freed | publication.dropped,
                error=publication.error,
                contested=publication.contested,
                strange=publication.strange,
            )
        )
