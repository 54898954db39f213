"""The live views of one mediator in one process: who shares which, and the thread that tells them.

Whoever asks for a view that is there already joins it. The last who leaves a view lets it go, a
little later, so that a client that lost its connection finds it when it comes back.
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable, Hashable
from functools import partial
from typing import NamedTuple

from flask_boiler.context.context import ApplicationContext
from flask_boiler.engine.engine import Engine
from flask_boiler.engine.live_view import LiveView
from flask_boiler.engine.view_key import ViewKey
from flask_boiler.errors import BoilerError
from flask_boiler.ground.timing import Agenda, Timekeeper
from flask_boiler.view.mediation.live import live_views
from flask_boiler.view.mediation.problems import Refusal
from flask_boiler.view.socketio.options import WsLimits
from flask_boiler.view.socketio.shared_view import Post, SharedView
from flask_boiler.viewmodels.view_model import ViewModel

__all__ = ["Share", "Shares"]

logger = logging.getLogger(__name__)


class Share:
    """A shared view where it is kept: its engine, its key there, and how many want it."""

    def __init__(
        self, same: _Same, context: ApplicationContext, engine: Engine, key: ViewKey
    ) -> None:
        self.same = same
        # Held, as its identity is part of what is the same.
        self.context = context
        self.engine = engine
        self.key = key
        self.users = 0
        self.view: SharedView

    def catch_up(self, version: int, timeout_s: float) -> bool:
        """Wait until the view is computed as of a version or later; whether it was so in time."""
        if self.view.as_of >= version:
            return True
        at_least_ns = version * 1000
        deadline = time.monotonic() + timeout_s
        if not self.engine.await_cut(at_least_ns, timeout_s=timeout_s):
            return False
        self.engine.renew(self.key, at_least_ns=at_least_ns)
        self.view.await_version(version, max(0.0, deadline - time.monotonic()))
        return self.view.as_of >= version


class _Same(NamedTuple):
    """The key of a share, which is the same for two clients who may share a view."""

    context: int
    arguments: str
    scope: Hashable


class Shares:
    """The shared views by what they are of.

    :param mediator: what they are called among the engine's views.
    """

    def __init__(self, mediator: str, limits: WsLimits, post: Post) -> None:
        self._mediator = mediator
        self._limits = limits
        self._post = post
        # Guards the shares, their counts and the agenda. No other lock is taken while it is held.
        self._lock = threading.Lock()
        self._shares: dict[_Same, Share] = {}
        self._numbers = itertools.count(1)
        self._agenda = Agenda()
        self._timekeeper: Timekeeper | None = None
        self._stopped = False

    def __len__(self) -> int:
        return len(self._shares)

    def acquire(
        self,
        context: ApplicationContext,
        arguments: str,
        scope: Hashable,
        build: Callable[[], ViewModel],
    ) -> Share:
        """The view of these arguments for this scope; each call needs its :meth:`release`.

        :raises Refusal: with 503, as everything is about to end.
        :raises BoilerError: the engine does not take it.
        """
        engine = live_views(context).engine
        same = _Same(id(context), arguments, scope)
        with self._lock:
            self._require_running()
            share = self._shares.get(same)
            if share is not None and share.engine is engine:
                share.users += 1
                self._agenda.cancel(share)
                return share
            share = self._shares[same] = self._new(same, context, engine, build)
            share.users = 1
        view = share.view
        try:
            engine.add(LiveView(share.key, view.compute, view, on_parked=view.fail))
            with self._lock:
                # An end in between has discarded what was not there yet.
                self._require_running()
        except BaseException as error:
            self._undo(share, error)
            raise
        return share

    def release(self, share: Share, *, linger: bool = True) -> None:
        """Give it back; the last one to do so ends it, at once or after a while."""
        with self._lock:
            share.users -= 1
            if share.users or self._stopped:
                return
            delay_s = self._limits.linger_s if linger else 0.0
            self._later(share, time.monotonic() + delay_s, partial(self._end, share))

    def stop(self) -> None:
        """End every view and the thread."""
        with self._lock:
            self._stopped = True
            shares, self._shares = list(self._shares.values()), {}
            timekeeper, self._timekeeper = self._timekeeper, None
        for share in shares:
            share.engine.discard(share.key)
        if timekeeper is not None:
            timekeeper.stop()
        for share in shares:
            share.view.drop()

    def _require_running(self) -> None:
        if self._stopped:
            raise Refusal(503, "The server is stopping: connect again.")

    def _undo(self, share: Share, error: BaseException) -> None:
        """Keep no share of a view that is not kept; who joined it already is told, and leaves."""
        with self._lock:
            share.users -= 1
            if self._shares.get(share.same) is share:
                del self._shares[share.same]
        share.engine.discard(share.key)
        share.view.fail(error if isinstance(error, Exception) else BoilerError(str(error)))

    def _new(
        self,
        same: _Same,
        context: ApplicationContext,
        engine: Engine,
        build: Callable[[], ViewModel],
    ) -> Share:
        key = ViewKey(self._mediator, f"{same.arguments}#{next(self._numbers)}")
        share = Share(same, context, engine, key)

        def wake() -> None:
            with self._lock:
                self._later(share.view, 0.0, partial(self._deliver, share.view))
                stopped = self._stopped
            if stopped:
                share.view.drop()

        share.view = SharedView(context, build, self._limits, self._post, wake)
        return share

    def _deliver(self, view: SharedView) -> None:
        again = view.deliver(time.monotonic())
        if again is not None:
            with self._lock:
                # Under a name of its own: it must not put off what came meanwhile.
                self._later(("again", view), again, partial(self._deliver, view))

    def _end(self, share: Share) -> None:
        with self._lock:
            if share.users:
                return
            # After a restart of the engine another may be in its place.
            if self._shares.get(share.same) is share:
                del self._shares[share.same]
        share.engine.discard(share.key)

    def _later(self, name: Hashable, at: float, task: Callable[[], None]) -> None:
        """Have a task done by the thread; the lock is held."""
        if self._stopped:
            return
        self._agenda.schedule(name, at, task)
        if self._timekeeper is None:
            self._timekeeper = Timekeeper(
                self._tick, time.monotonic, "flask-boiler-notifier", on_failure=self._break_down
            )
            self._timekeeper.start()
        self._timekeeper.wake_by(at)

    def _break_down(self, error: BaseException) -> None:
        """Nobody is told any more: have those know that wait for it."""
        with self._lock:
            engines = {share.engine for share in self._shares.values()}
        for engine in engines:
            engine.break_down(error)

    def _tick(self) -> float:
        with self._lock:
            due = self._agenda.take_due(time.monotonic())
        for task in due:
            try:
                task()
            except BaseException:
                logger.exception("delivering to WebSocket clients failed; the others go on")
        with self._lock:
            return self._agenda.next_at()
