"""Asking the workers, through Firestore, to try again what is parked, and hearing their answers."""

from __future__ import annotations

import time
import uuid

import click

from flask_boiler.engine.parking.parked_views import (
    ParkedCount,
    ParkedView,
    RetryRequest,
    RetryState,
    asking,
    records_of,
    summary_path,
    view_path,
)
from flask_boiler.errors import ConflictError, DocumentNotFoundError
from flask_boiler.ground.ports import Datastore
from flask_boiler.operate.cli.terminal import line_of, tell

__all__ = ["Retrying"]

#: A worker that runs has heard of a request by then.
_HEARD_WITHIN_S = 10.0
_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 2.0
#: Who waits is told soon that this is so, and then now and then.
_TELL_FIRST_AFTER_S = 0.8
_TELL_EVERY_S = 5.0
_MOST_AT_ONCE = 200


class Retrying:
    """Requests for retries, until they are answered.

    :param views: what is to be tried again.
    :param counts: of which mediators those, too, that have no record of their own.
    :param well: what is said of one that does not fail any more.
    """

    def __init__(
        self,
        datastore: Datastore,
        views: list[ParkedView],
        counts: list[ParkedCount],
        *,
        well: str = "is well again",
    ) -> None:
        self._datastore = datastore
        self._id = uuid.uuid4().hex
        self._names = {view_path(view.key): str(view.key) for view in views}
        self._names |= {summary_path(c.mediator): f"the others of {c.mediator}" for c in counts}
        self._mediators = {view_path(view.key): view.key.mediator for view in views}
        self._mediators |= {summary_path(count.mediator): count.mediator for count in counts}
        self._counts = {summary_path(count.mediator) for count in counts}
        #: What is not answered yet, by path, with the request that is waited for.
        self._pending = dict.fromkeys(self._names, self._id)
        #: The mediators that some worker keeps.
        self._kept: set[str] = set()
        self._said_of_well = well
        #: How many are well again.
        self.well = 0
        #: Whether any had no answer.
        self.failed = False

    def ask(self) -> None:
        """Make the requests; what is well already needs none."""
        self._ask(list(self._pending))

    def wait(self, wait_s: float) -> None:
        """Wait until all is answered, nobody seems to be there who could, or time is over."""
        began_s = time.monotonic()
        tell_at_s = began_s + _TELL_FIRST_AFTER_S
        pause_s = _FIRST_PAUSE_S
        while self._pending:
            time.sleep(max(0.0, min(pause_s, began_s + wait_s - time.monotonic())))
            pause_s = min(_LONGEST_PAUSE_S, 1.5 * pause_s)
            self._look()
            now_s = time.monotonic()
            if now_s - began_s >= wait_s:
                self._give_up(list(self._pending), f"has no outcome after {wait_s:g} s")
            elif now_s - began_s >= _HEARD_WITHIN_S:
                unheard = [p for p in self._pending if self._mediators[p] not in self._kept]
                self._give_up(unheard, f"was heard by no worker within {_HEARD_WITHIN_S:g} s")
            if self._pending and now_s >= tell_at_s:
                tell_at_s = now_s + _TELL_EVERY_S
                done = len(self._names) - len(self._pending)
                tell(f"{done} of {len(self._names)} answered; waiting for the others")

    def _ask(self, paths: list[str]) -> None:
        for start in range(0, len(paths), _MOST_AT_ONCE):
            some = paths[start : start + _MOST_AT_ONCE]
            try:
                self._datastore.commit([asking(path, self._id) for path in some])
            except (ConflictError, DocumentNotFoundError):
                # At least one is well meanwhile.
                for path in some:
                    self._ask_one(path)

    def _ask_one(self, path: str) -> None:
        try:
            self._datastore.commit([asking(path, self._id)])
        except (ConflictError, DocumentNotFoundError):
            # It is gone, as it will be found to be.
            return

    def _look(self) -> None:
        lost = []
        paths = list(self._pending)
        for path, stored in self._datastore.get(paths).items():
            views, counts = records_of([stored])
            found: list[ParkedView | ParkedCount] = [*views, *counts]
            record = next(iter(found), None)
            if record is None:
                self._end(path, well=True)
            elif record.request is None:
                # A worker wrote what it knew before it could hear of the request.
                lost.append(path)
            else:
                self._judge(path, record, record.request)
        self._pending |= dict.fromkeys(lost, self._id)
        self._ask(lost)

    def _judge(self, path: str, record: ParkedView | ParkedCount, request: RetryRequest) -> None:
        if request.state is not RetryState.ASKED:
            self._kept.add(self._mediators[path])
        if request.state is RetryState.DONE:
            if request.id == self._pending[path] and isinstance(record, ParkedView):
                said = line_of(f"{record.kind}: {record.error}")
                click.echo(f"{self._names[path]} is parked again: {said}")
                self._end(path, well=False)
            elif request.id == self._pending[path]:
                click.echo(f"{self._names[path]} are being tried; see 'list' for the result")
                self._end(path, well=False)
            else:
                self._pending[path] = self._id
                self._ask([path])
        elif request.id != self._pending[path]:
            # Somebody else asked for the same: one answer does for both.
            self._pending[path] = request.id

    def _end(self, path: str, *, well: bool) -> None:
        del self._pending[path]
        self._kept.add(self._mediators[path])
        if path in self._counts:
            return
        if well:
            self.well += 1
            click.echo(f"{line_of(self._names[path])} {self._said_of_well}")

    def _give_up(self, paths: list[str], why: str) -> None:
        for path in paths:
            del self._pending[path]
            self.failed = True
            click.echo(f"{line_of(self._names[path])} {why}")
        if paths:
            tell(
                "if no worker runs ('flask boiler run'), none can answer. The request is kept, "
                "and parked views are computed again when a worker starts"
            )
