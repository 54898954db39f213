"""The engine: it computes live views again when something that they have read changes.

::

    CutChange ─► touch the readers ─► scheduler ─► compute on the newest cut ─► sink
                      ▲                               │ incomplete: listen, wait   │
                      └───────── changed meanwhile ◄──┴──── lost to a newer value ◄┘

The engine's lock guards the graph and every view's phase; it is never held while user code
runs or anything is read or written.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from flask_boiler.engine.acceptance import Acceptance
from flask_boiler.engine.cut_reader import CutReader, differs
from flask_boiler.engine.dependencies import Dependencies, circle_error, circle_through
from flask_boiler.engine.live_view import AnyView, Phase, farewell_of
from flask_boiler.engine.parking.hindered import Hindered
from flask_boiler.engine.parking.parking import Parking, as_boiler_error, let_go
from flask_boiler.engine.phases import Phases, Statistics
from flask_boiler.engine.population import Population, Populations
from flask_boiler.engine.scheduler import Scheduler
from flask_boiler.engine.settling import Settling
from flask_boiler.engine.sink import Computed, DocumentSink, PublishOutcome, Sink, Wanted
from flask_boiler.engine.view_key import Parked, ViewKey
from flask_boiler.errors import BoilerError
from flask_boiler.ground.callbacks import as_exception
from flask_boiler.ground.ports import Cut, CutChange, Feed, Incomplete, Subscription
from flask_boiler.ground.values import Target

__all__ = ["Engine"]

logger = logging.getLogger(__name__)

# How long a mediator that is stopped waits for its views; the next start makes good the rest.
_FINISH_WITHIN_S = 5.0


class Engine:
    """Keeps views true over one feed.

    :param feed: delivers the cuts; started and stopped with the engine.
    :param publisher: publishes the views that are kept in documents; started and stopped with the
        engine. What else publishes is started by who adds its views.
    :param dependencies: who reads what; empty.
    :param acceptance: whether Firestore takes commits; asked when it refuses a computation.
    :param workers: threads that run user code; getters that block keep one each.
    :param parking: keeps what is set aside.
    :param clock: by which lag is measured, in seconds.
    """

    def __init__(
        self,
        feed: Feed,
        publisher: DocumentSink,
        dependencies: Dependencies,
        acceptance: Acceptance,
        *,
        workers: int = 2,
        parking: Parking | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.feed = feed
        self.publisher = publisher
        self.acceptance = acceptance
        self._dependencies = dependencies
        self.statistics = Statistics()
        self._scheduler = Scheduler(self._compute, workers=workers, on_failure=self.break_down)
        self._lock = threading.RLock()
        self._quiet = threading.Condition(self._lock)
        self._phases = Phases(clock, self._quiet, put=self._scheduler.put)
        self._views: dict[ViewKey, AnyView] = {}
        self._populations = Populations()
        self._parking = parking or Parking()
        self._hindered = Hindered(
            self.acceptance,
            self._lock,
            self._views,
            self._parking,
            touch=self._phases.touch,
            park=self._park,
        )
        # What the server refuses now: whoever comes to read it later is not told by the feed.
        self._refused: dict[Target, BoilerError] = {}
        self._awaiting_cut: set[ViewKey] = set()
        #: What has ended a thread of the engine's, by a fault of the framework's.
        self.fault: BaseException | None = None
        self._settling = Settling(
            feed,
            self.statistics,
            self._quiet,
            is_quiet=lambda: self._phases.busy == 0,
            busy=lambda: [view for view in self._views.values() if view.busy],
            fault=lambda: self.fault,
            hindrance=lambda: self.acceptance.hindrance,
        )
        self._subscription: Subscription | None = None
        self._stopped = False

    def start(self) -> None:
        """Begin to listen, compute and publish."""
        self.feed.on_fault = self.break_down
        self.publisher.start(self)
        self._scheduler.start()
        self._subscription = self.feed.subscribe(self._on_change)
        self.feed.start()

    def stop(self) -> None:
        """Finish the work that has begun, then end every thread and the stream."""
        self._stopped = True
        if self._subscription is not None:
            self._subscription.close()
        self._scheduler.stop()
        self.publisher.stop()
        self.feed.stop()

    @property
    def parked(self) -> list[Parked]:
        """The views that failed and were set aside."""
        with self._lock:
            return self._parking.parked()

    @property
    def lag_s(self) -> float:
        """The age of the oldest change that is not yet published, or 0."""
        with self._lock:
            return self._phases.lag_s(self._views.values())

    @property
    def views(self) -> int:
        """The number of views that are kept true."""
        return len(self._views)

    def retry(self, key: ViewKey) -> bool:
        """Compute a parked view again; whether it was parked."""
        with self._lock:
            return key in self._parking and self.renew(key, at_least_ns=0)

    def renew(self, key: ViewKey, *, at_least_ns: int) -> bool:
        """Compute a view again, on a cut that is not older than this; whether it is kept.

        The caller has seen such a cut (:meth:`await_cut`), or the view waits until there is one.
        """
        with self._lock:
            view = self._views.get(key)
            if view is None:
                return False
            view.at_least_ns = max(view.at_least_ns, at_least_ns)
            self._phases.touch(view)
            return True

    def await_cut(self, at_least_ns: int, *, timeout_s: float) -> bool:
        """Wait until the newest cut is not older than this; whether it was so in time."""
        return self._settling.await_cut(
            at_least_ns, unless=lambda: self._stopped, timeout_s=timeout_s
        )

    def add(self, view: AnyView) -> None:
        """Keep one more view true; it is computed as soon as what it reads is held.

        :raises BoilerError: there is a view with this key.
        """
        with self._lock:
            if view.key in self._views:
                raise BoilerError(f"{view.key} is already kept by a mediator")
            self._views[view.key] = view
            self._phases.touch(view)

    def discard(self, key: ViewKey) -> None:
        """Keep a view true no longer; what it read is released, its documents stay."""
        with self._lock:
            view = self._views.get(key)
            if view is not None:
                self._remove(view)

    def keep(self, keys: Collection[ViewKey]) -> None:
        """Compute these views of populated mediators, which are kept from now on if they are new.

        What belongs to no mediator that is populated now is left out.
        """
        with self._lock:
            for key in keys:
                if self._populations.is_open(key.mediator):
                    self._phases.touch(self._kept(key))

    def populate(
        self, population: Population, make: Callable[[ViewKey], AnyView], sink: Sink[Any]
    ) -> None:
        """Keep a view for every member of the population, as ``make`` makes it.

        Views that ``sink``, which is theirs, has kept before and whose roots are no members any
        more are given up, as soon as every target is held. ``make`` is called with the engine's
        lock held, for all that is new in a cut before any of it is computed.

        :raises ConfigurationError: a mediator of the same name has a population already.
        """
        with self._lock:
            self._populations.reserve(population.mediator, make)
        try:
            remembered = sink.recall(population.mediator)
        except BaseException:
            with self._lock:
                self._populations.dismiss(population.mediator)
            raise
        population.remembered |= {key.subject for key in remembered}
        with self._lock:
            self._populations.add(population)
        self.feed.listen(population.targets)
        cut = self.feed.cut
        with self._lock:
            for target in population.targets:
                held = population.held(target, cut)
                if held is not None:
                    self._populated(population, target, held, cut)
            if not population.targets:
                # The query can find nothing: what it found before is given up.
                self._populated(population, None, (), cut)

    def depopulate(self, population: Population) -> None:
        """Undo :meth:`populate`; the views are discarded, their documents stay.

        What is in hand is finished first, unless that takes long, or it is a handler that asks.
        """
        with self._lock:
            self._populations.remove(population)
            for target in population.targets:
                self._parking.release(ViewKey(population.mediator, str(target)))
            self._forget_refusals(population.targets)
            views = [
                view for key, view in self._views.items() if key.mediator == population.mediator
            ]
        self._finish(views)
        with self._lock:
            self._populations.dismiss(population.mediator)
        for view in views:
            self.discard(view.key)
        self.feed.release(population.targets)

    def _finish(self, views: Collection[AnyView]) -> None:
        """Wait until none of these is computed or published any more."""
        if self._stopped or self._scheduler.is_at_work_here():
            return
        sinks: list[Sink[Any]] = list({id(view.sink): view.sink for view in views}.values())
        self._settling.await_finished(
            views,
            unless=lambda: any(sink.stalled for sink in sinks),
            timeout_s=_FINISH_WITHIN_S,
        )

    def settle(self, canary: str, write: Callable[[], int], *, timeout_s: float) -> None:
        """Wait until all that was committed before is published: see ``Settling.settle``."""
        self._settling.settle(canary, write, timeout_s=timeout_s)

    def await_quiet(self, *, timeout_s: float) -> None:
        """Wait until nothing is left to compute or publish: see ``Settling.await_quiet``."""
        self._settling.await_quiet(timeout_s=timeout_s)

    def is_coming(self, key: ViewKey, submitted: bool) -> bool:
        """Whether more of a view is to come.

        :param submitted: it has submitted something: whether it is to be computed once more.
        """
        with self._lock:
            view = self._views.get(key)
            if view is None:
                return False
            return view.changed_since_s is not None if submitted else view.busy

    def break_down(self, error: BaseException) -> None:
        """Note the fault of the framework's that has ended a thread: nobody is to wait in vain."""
        with self._lock:
            self.fault = self.fault or error
            self._quiet.notify_all()

    # --- hearing ---

    def _on_change(self, change: CutChange) -> None:
        with self._lock:
            self.statistics.cuts += 1
            for path in change.documents:
                self._heard(path, [path])
                for population in self._populations.of(path):
                    self._populated(population, path, [path], change.cut)
            for target, paths in change.queries.items():
                self._heard(target, paths)
                for population in self._populations.of(target):
                    self._populated(population, target, paths, change.cut)
            for rejected, error in change.rejected.items():
                self._reject(rejected, error)
            self._parking.hear(change)
            self._resume_on(change.cut)
            self._settling.hear(change)

    def _heard(self, target: Target, paths: Collection[str]) -> None:
        self._refused.pop(target, None)
        for key in list(self._dependencies.readers(target)):
            view = self._views[key]
            if view.on_heard is not None:
                view.on_heard(target, paths)
            view.waits_for.discard(target)
            if not view.waits_for and not self._is_refused_still(view, target):
                self._phases.touch(view)

    def _is_refused_still(self, view: AnyView, sign: Target) -> bool:
        """Whether a sign that was heard says that the view still cannot have its place."""
        # The first says that it is a document.
        return sign in view.awaited and view.sink.is_taken(str(sign), view.key, self.feed.cut)

    def _populated(
        self, population: Population, target: Target | None, paths: Iterable[str], cut: Cut
    ) -> None:
        self._parking.held(population.mediator, target)
        for root in [*paths, *population.lost_roots(target, cut)]:
            self._phases.touch(self._kept(ViewKey(population.mediator, root)))

    def _kept(self, key: ViewKey) -> AnyView:
        """The view of a populated mediator with this key."""
        view = self._views.get(key)
        if view is None:
            view = self._views[key] = self._populations.make(key)
            # What is recalled may be of a later time than a cut that is held already.
            view.at_least_ns = view.sink.newest_ns(key)
        return view

    def _reject(self, target: Target, error: BoilerError) -> None:
        self._refused[target] = error
        self._forget_refusals([target])
        for key in list(self._dependencies.readers(target)):
            self._park(self._views[key], error)
        for population in self._populations.of(target):
            kept = [key.subject for key in self._views if key.mediator == population.mediator]
            population.lose(target, kept)
            self._set_aside(ViewKey(population.mediator, str(target)), error)

    def _resume_on(self, cut: Cut) -> None:
        for key in list(self._awaiting_cut):
            view = self._views[key]
            if view.at_least_ns <= cut.read_time_ns:
                self._awaiting_cut.discard(key)
                self._phases.touch(view)
        if self._awaiting_cut:
            self.feed.refresh()

    # --- phases ---

    def _compute(self, view: AnyView) -> None:
        failed = self._compute_once(view)
        if failed is not None:
            let_go(failed)

    def _compute_once(self, view: AnyView) -> BaseException | None:
        """Compute a view; why that failed, if it did."""
        with self._lock:
            if view.discarded:
                self._phases.enter(view, Phase.IDLE)
                return None
            # What it waited for may be needed no more: the next reading says so anew.
            view.waits_for.clear()
            view.farewell = None
            cut = self.feed.cut
            if cut.read_time_ns < view.at_least_ns:
                self._await_cut(view)
                return None
            self._phases.enter(view, Phase.RUNNING)
            view.changed_since_s = None
        reader = CutReader(cut)
        try:
            computed = view.compute(reader)
        except Incomplete as incomplete:
            self._wait_for(view, reader, incomplete)
        except BaseException as error:
            # User code runs here: whatever it raises concerns its own view.
            self._failed(view, reader, error)
            return error
        else:
            if computed.error is not None and not _leaves(view, computed):
                self._failed(view, reader, computed.error)
                return computed.error
            computed.reads = frozenset(reader.reads)
            computed.read_time_ns = cut.read_time_ns
            self._computed(view, cut, computed)
            return computed.error
        return None

    def _await_cut(self, view: AnyView) -> None:
        self._phases.enter(view, Phase.WAITING)
        self._awaiting_cut.add(view.key)
        self.feed.refresh()

    def _wait_for(self, view: AnyView, reader: CutReader, incomplete: Incomplete) -> None:
        with self._lock:
            if view.discarded:
                self._phases.enter(view, Phase.IDLE)
                return
            view.waits_for = set(incomplete.missing)
            view.farewell = farewell_of(incomplete, reader.cut)
            self._phases.enter(view, Phase.WAITING)
            # What the published value was made from is kept until there is another value.
            before = self._dependencies.reads(view.key)
            self._read(view, before | reader.reads | incomplete.missing)
            # What somebody else listens to may have come before this view was registered.
            newest = self.feed.cut
            view.waits_for = {t for t in view.waits_for if not newest.holds(t)}
            refused = next((t for t in view.waits_for if t in self._refused), None)
            if view.changed_since_s is not None or not view.waits_for:
                view.changed_since_s = None
                self._phases.touch(view)
            elif refused is not None:
                self._park(view, self._refused[refused])

    def _failed(self, view: AnyView, reader: CutReader, error: BaseException) -> None:
        hindered = self._hindered.concerns_all(error)
        with self._lock:
            if not view.discarded:
                self._read(view, self._dependencies.reads(view.key) | reader.reads)
                if hindered and self._hindered.may_wait(view.key):
                    self._phases.enter(view, Phase.WAITING)
                    return
                if hindered and self._hindered.is_over():
                    self._phases.touch(view)
                    self._phases.leave(view)
                    return
                self._park(view, as_boiler_error(view.key, error, reader.cut.read_time_ns))
            self._phases.leave(view)

    def _computed(self, view: AnyView, cut: Cut, computed: Computed[Any]) -> None:
        with self._lock:
            if view.discarded:
                self._phases.enter(view, Phase.IDLE)
                return
            view.awaited -= computed.reads
            reads = computed.reads | view.awaited
            if computed.error is None:
                self.statistics.computed += 1
            else:
                reads |= self._dependencies.reads(view.key)
            added = self._read(view, reads)
            newest = self.feed.cut
            if newest is not cut and any(differs(cut, newest, target) for target in added):
                # It changed before this view was registered as its reader.
                self._phases.touch(view)
            circle = [] if computed.error is not None else self._circle(view, computed, newest)
            if circle:
                computed.error = circle_error(circle)
                computed.payload = None
                self._park(view, computed.error)
                # The others are in it, too, and find that out for themselves.
                for other in circle:
                    if other not in self._parking:
                        self._phases.touch(self._views[other])
                if not _leaves(view, computed):
                    self._phases.leave(view)
                    return
            self._phases.enter(view, Phase.PUBLISHING)
        done = partial(self._published, view, computed)
        try:
            view.sink.submit(view, computed, done)
        except BaseException as error:
            # A sink that takes nothing: only its own view is to suffer.
            done(PublishOutcome(error=as_exception(error, f"publishing {view.key}")))

    def _circle(self, view: AnyView, computed: Computed[Any], cut: Cut) -> Sequence[ViewKey]:
        return circle_through(
            view.key,
            computed.places,
            readers_of=partial(self._readers_of_document, cut=cut),
            places_of=self._places_after,
            keeps=self._keeps,
        )

    def _keeps(self, keeper: ViewKey, key: ViewKey) -> bool:
        """Whether a view has another one kept."""
        kept = self._views[keeper].keeps
        return kept is not None and key in kept()

    def _places_after(self, key: ViewKey) -> Iterable[str]:
        """The places that change when a view does: its own, or those of the views that it keeps."""
        view = self._views[key]
        kept = [key] if view.keeps is None else view.keeps()
        return (place for each in kept for place in view.sink.owned(each))

    def _published(self, view: AnyView, computed: Computed[Any], outcome: PublishOutcome) -> None:
        with self._lock:
            if view.discarded:
                # Another view may have its key by now.
                self._freed(outcome.freed)
                self._phases.enter(view, Phase.IDLE)
                return
            self._freed(outcome.freed)
            if outcome.error is not None:
                self._park(view, as_boiler_error(view.key, outcome.error, computed.read_time_ns))
                strange = outcome.strange - computed.reads
                self._await_places(view, Wanted(outcome.contested, strange))
            elif outcome.newer_than_ns is not None:
                view.at_least_ns = max(view.at_least_ns, outcome.newer_than_ns)
                # Nothing was published, so what was dirty still is.
                view.changed_since_s = view.dirty_since_s
                self.statistics.lost += 1
            else:
                self._parking.release(view.key)
                self._await_places(view, Wanted())
                if view.on_published is not None:
                    view.on_published(computed.payload)
                self.statistics.published += outcome.written
                self.statistics.unchanged += not outcome.written
            if computed.gone and outcome.error is None and view.changed_since_s is None:
                self._remove(view)
            self._phases.leave(view)

    def _read(self, view: AnyView, targets: Iterable[Target]) -> frozenset[Target]:
        """Replace a view's dependencies; the targets among them that are new to it."""
        swap = self._dependencies.replace(view.key, targets)
        if swap.appeared:
            self.feed.listen(swap.appeared)
        if swap.vanished:
            self.feed.release(swap.vanished)
            self._forget_refusals(swap.vanished)
        if swap.dropped:
            self._retry_circles(view)
        return swap.added

    def _retry_circles(self, loosened: AnyView) -> None:
        """Have the other views of circles tried again: one of the views reads less now."""
        # No document need change by that, so nobody else tells them.
        for key in self._parking.in_circles - {loosened.key}:
            self._phases.touch(self._views[key])

    def _readers_of_document(self, path: str, *, cut: Cut) -> Iterator[ViewKey]:
        """The views that read a document: by its path, in a query, or as their root."""
        readers = self._dependencies.readers_of_document(path, cut)
        # Who waits for it to be gone shows nothing of it.
        yield from (key for key in readers if path not in self._views[key].awaited)
        yield from (key for key in self._populations.keys_of(path) if key in self._views)

    def _forget_refusals(self, released: Iterable[Target]) -> None:
        for target in released:
            if target not in self._populations and not self._dependencies.readers(target):
                self._refused.pop(target, None)

    def _remove(self, view: AnyView) -> None:
        view.discarded = True
        self._read(view, ())
        self._views.pop(view.key, None)
        self._parking.release(view.key)
        self._awaiting_cut.discard(view.key)
        freed = view.sink.owned(view.key)
        view.sink.forget(view.key)
        if view.phase is Phase.WAITING:
            self._phases.enter(view, Phase.IDLE)
        self._freed(freed)

    # --- parking ---

    def _park(self, view: AnyView, error: Exception) -> None:
        self._set_aside(view.key, error)
        if view.on_parked is not None:
            view.on_parked(error)
        if view.phase is Phase.WAITING:
            view.waits_for.clear()
            farewell = view.farewell
            if farewell is None or not _leaves(view, farewell):
                self._phases.enter(view, Phase.IDLE)
                return
            farewell.error = error
            self._phases.enter(view, Phase.PUBLISHING)
            view.sink.submit(view, farewell, partial(self._published, view, farewell))

    def _set_aside(self, key: ViewKey, error: Exception) -> None:
        self.statistics.parked += 1
        self._parking.set_aside(key, error)
        self._hindered.parked(error)

    def _await_places(self, view: AnyView, wanted: Wanted) -> None:
        """Have a view tried again when a place that it was refused is free."""
        signs = view.sink.signs(wanted)
        if signs != view.awaited:
            self._read(view, (self._dependencies.reads(view.key) - view.awaited) | signs)
            view.awaited = signs
        self._parking.contest(view.key, wanted.contested)
        if view.sink.came_free(wanted, view.key, self.feed.cut):
            self._phases.touch(view)

    def _freed(self, places: Iterable[str]) -> None:
        for key in self._parking.freed(places):
            if key in self._views:
                self._phases.touch(self._views[key])


def _leaves(view: AnyView, computed: Computed[Any]) -> bool:
    """Whether the view gives up places by that, also if nothing is published of it."""
    return bool(view.sink.owned(view.key).difference(computed.places))
