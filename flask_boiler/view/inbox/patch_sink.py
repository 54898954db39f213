"""The sink of patches: to the engine a patch is a view, and publishing it is applying it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import partial

from flask_boiler.engine.acceptance import Acceptance, takes_commits
from flask_boiler.engine.cut_reader import CutReader
from flask_boiler.engine.live_view import LiveView
from flask_boiler.engine.sink import Computed, PublishOutcome, SubmittedView, WithoutPlaces
from flask_boiler.engine.view_key import ViewKey
from flask_boiler.errors import UnavailableError
from flask_boiler.firestore.failures import is_refusal
from flask_boiler.ground.callbacks import as_exception
from flask_boiler.ground.ports import Feed
from flask_boiler.view.inbox.lanes import Lanes
from flask_boiler.view.inbox.patch_processor import PatchProcessor
from flask_boiler.view.inbox.patches import PatchCollection, Proposal
from flask_boiler.view.inbox.setbacks import Suspects, pause_s
from flask_boiler.view.mediation.keeping.keeping import Run

__all__ = ["PatchSink"]

logger = logging.getLogger(__name__)


class PatchSink(WithoutPlaces):
    """Applies patches; a :class:`~flask_boiler.engine.sink.Sink` of proposals.

    To the engine a patch is a view that is gone as soon as it is published, so it is busy while
    it is applied, parked if that fails, and forgotten once it is done.

    :param threads: how many patches are applied at a time.
    :param acceptance: whether Firestore takes commits at all.
    :param on_failure: told what ended a thread, if something does.
    """

    def __init__(
        self,
        run: Run,
        feed: Feed,
        collection: PatchCollection,
        processor: PatchProcessor,
        *,
        threads: int,
        acceptance: Acceptance,
        on_failure: Callable[[BaseException], object] | None = None,
    ) -> None:
        self._run = run
        self._feed = feed
        self._collection = collection
        self._processor = processor
        self._lanes = Lanes(threads, "patch", on_failure=on_failure)
        self._acceptance = acceptance
        self._stopping = threading.Event()

    def start(self) -> None:
        """Start the threads."""
        self._lanes.start()

    def stop(self) -> None:
        """Finish what is being applied, and end the threads; the rest is for the next start."""
        self._stopping.set()
        self._lanes.stop()

    def make(self, key: ViewKey) -> LiveView[Proposal]:
        """The view that a document of the collection is to the engine."""
        snapshot = self._run.population.found(key.root, self._feed.cut)
        if snapshot is not None:
            # All of one cut are expected before any is looked at, and so applied in order.
            self._lanes.expect(key.root, (snapshot.create_time_ns, key.root))
        return LiveView(key, partial(self._compute, key.root), self)

    def submit(
        self,
        view: SubmittedView,
        computed: Computed[Proposal],
        done: Callable[[PublishOutcome], None],
    ) -> None:
        """Apply the patch in its turn, if there is one."""
        proposal = computed.payload
        if proposal is None:
            done(PublishOutcome())
            return
        path = proposal.snapshot.path
        order = (proposal.snapshot.create_time_ns, path)
        self._lanes.put(path, order, proposal.lane, partial(self._apply, path, done))

    def _compute(self, path: str, reader: CutReader) -> Computed[Proposal]:
        proposal: Proposal | None = None
        try:
            snapshot = self._run.population.member(path, reader.cut)
            if snapshot is not None:
                proposal = self._collection.proposal(snapshot)
        finally:
            # Also if the cut does not hold the collection at present, which may take a while.
            if proposal is None:
                self._lanes.dismiss(path)
        return Computed(proposal, gone=True)

    def _apply(self, path: str, done: Callable[[PublishOutcome], None]) -> None:
        failures = 0
        suspects = Suspects()
        while not self._stopping.is_set() and not self._is_over(path):
            try:
                written = self._processor.apply(path)
            except UnavailableError as error:
                failures += 1
                if is_refusal(error):
                    self._acceptance.refused(error)
                if suspects.is_the_cause(path, self._takes_commits):
                    done(PublishOutcome(error=error))
                    return
                self._pause(path, failures, error)
            except BaseException as error:
                # Such as a SystemExit from a setter: the thread is there for other patches, too.
                told = as_exception(error, path)
                if not is_refusal(told) or not self._acceptance.is_refused_to_all():
                    done(PublishOutcome(error=told))
                    return
                failures += 1
                self._pause(path, failures, told)
            else:
                done(PublishOutcome(written=written))
                return
        # Another worker has marked it, or else the next start finds it.
        done(PublishOutcome())

    def _is_over(self, path: str) -> bool:
        """Whether a patch is known to be marked; that is then worth no transaction."""
        snapshot = self._run.population.found(path, self._feed.cut)
        return snapshot is not None and self._collection.proposal(snapshot) is None

    def _pause(self, path: str, failures: int, error: Exception) -> None:
        logger.warning("the patch %s waits: %s", path, error)
        self._stopping.wait(pause_s(failures))

    def _takes_commits(self) -> bool:
        return takes_commits(self._run.context.datastore)
