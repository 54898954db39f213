"""The phases of an engine's views, how many are at work, and how many were done so far.

Whatever is called of :class:`Phases` is called with the engine's lock held.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from flask_boiler.engine.live_view import AnyView, Phase

__all__ = ["Phases", "Statistics"]


class Phases:
    """Moves views from phase to phase.

    :param clock: by which lag is measured, in seconds.
    :param quiet: notified when nothing is at work any more.
    :param put: has a view computed.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        quiet: threading.Condition,
        *,
        put: Callable[[AnyView], None],
    ) -> None:
        self._clock = clock
        self._quiet = quiet
        self._put = put
        #: How many views are not at rest.
        self.busy = 0

    def touch(self, view: AnyView, since_s: float | None = None) -> None:
        """Have a view computed, once, as soon as it is free: something that it reads changed.

        :param since_s: when that was heard; now, if it is not given.
        """
        if since_s is None:
            since_s = self._clock()
        if view.dirty_since_s is None:
            view.dirty_since_s = since_s
        if view.phase in (Phase.IDLE, Phase.WAITING):
            self.enter(view, Phase.QUEUED)
            self._put(view)
        elif view.changed_since_s is None:
            view.changed_since_s = since_s

    def enter(self, view: AnyView, phase: Phase) -> None:
        """Put a view into a phase."""
        was_idle, is_idle = view.phase is Phase.IDLE, phase is Phase.IDLE
        view.phase = phase
        if is_idle:
            view.dirty_since_s = None
            view.sink.nudge()
        if was_idle != is_idle:
            self.busy += -1 if is_idle else 1
            if self.busy == 0:
                self._quiet.notify_all()

    def leave(self, view: AnyView) -> None:
        """Free a view, and have it computed again if something changed meanwhile."""
        since_s, view.changed_since_s = view.changed_since_s, None
        self.enter(view, Phase.IDLE)
        if since_s is not None and not view.discarded:
            self.touch(view, since_s)

    def lag_s(self, views: Iterable[AnyView]) -> float:
        """The age of the oldest change of any that is not yet published, or 0."""
        since = [view.dirty_since_s for view in views if view.dirty_since_s is not None]
        return self._clock() - min(since) if since else 0.0


@dataclass(slots=True)
class Statistics:
    """Counters; they only grow.

    :param cuts: changes heard, several cuts being one where the engine was slower.
    :param computed: computations of views.
    :param published: computed values that were written.
    :param unchanged: computed values that were stored already, so nothing was written.
    :param lost: computed values that had lost to a newer value.
    :param parked: failures.
    """

    cuts: int = 0
    computed: int = 0
    published: int = 0
    unchanged: int = 0
    lost: int = 0
    parked: int = 0
