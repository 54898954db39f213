"""A live view: how it is computed, and the phase that it is in.

::

              change                 worker takes it
      ┌────► QUEUED ◄──────────┐ ───────────────────► RUNNING
      │         ▲              │                       │  │ │
      │         │ its targets  │ changed meanwhile     │  │ └─ raised ──► parked, IDLE
      │         │ are held     │                       │  │
      │      WAITING ◄─────────┼───── incomplete ──────┘  │ computed
      │                        │                          ▼
    IDLE ◄──── published ──────┴──────────────────── PUBLISHING
                                 lost to a newer value: QUEUED again, on a newer cut

A view is in one phase at a time, so it is never computed twice at once, and any number of
changes while it is busy make for one more computation.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, Generic, TypeAlias, TypeVar

from flask_boiler.engine.cut_reader import CutReader
from flask_boiler.engine.sink import Computed, Sink
from flask_boiler.engine.view_key import ViewKey
from flask_boiler.ground.ports import Cut, Incomplete
from flask_boiler.ground.values import Target

__all__ = ["AnyView", "LiveView", "Phase", "farewell_of"]

P = TypeVar("P")


class Phase(enum.Enum):
    """The state of a live view between a change and its publication."""

    IDLE = "idle"
    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    PUBLISHING = "publishing"


@dataclass(slots=True, eq=False)
class LiveView(Generic[P]):
    """A view that the engine keeps true; its computations give payloads that its sink takes.

    :param compute: runs the user's code; raises ``Incomplete`` if the cut lacks something.
    :param waits_for: targets that it cannot be computed without, not held yet.
    :param at_least_ns: the oldest cut that the next computation may use.
    :param dirty_since_s: when the oldest change that is not yet published was heard, by the
        engine's clock; ``None`` while it is clean.
    :param changed_since_s: when the oldest change was heard that came while it was busy, so that
        it has to be computed once more; ``None`` if none came.
    :param awaited: what it reads to hear when places that it was refused are free: the ledger's
        documents of those that others have, and the strange documents at others.
    :param farewell: while it waits, what would only give up the places that it does not want.
    :param keeps: of a view that has others kept rather than places of its own, their keys.
    :param on_published: told what was published, for progress that must not be kept before that;
        the engine's lock is held.
    :param on_parked: told why the view was set aside; the engine's lock is held, so it must not
        wait for anything.
    :param on_heard: told which documents of a target that it reads have changed, before it is
        computed again for that; likewise.
    """

    key: ViewKey
    compute: Callable[[CutReader], Computed[P]]
    sink: Sink[P]
    phase: Phase = Phase.IDLE
    waits_for: set[Target] = field(default_factory=set)
    at_least_ns: int = 0
    dirty_since_s: float | None = None
    changed_since_s: float | None = None
    discarded: bool = False
    awaited: frozenset[str] = frozenset()
    farewell: Computed[P] | None = None
    keeps: Callable[[], Collection[ViewKey]] | None = None
    on_parked: Callable[[Exception], None] | None = None
    on_published: Callable[[P | None], None] | None = None
    on_heard: Callable[[Target, Collection[str]], None] | None = None

    @property
    def busy(self) -> bool:
        """Whether the view is still to be computed or published, without a further change."""
        return self.phase is not Phase.IDLE


#: A view of whichever payload: the engine keeps those of all sinks side by side.
AnyView: TypeAlias = LiveView[Any]


def farewell_of(incomplete: Incomplete, cut: Cut) -> Computed[Any] | None:
    """The result of a view that cannot be computed: it only gives up places.

    ``None`` if it could not tell its places either.
    """
    if incomplete.places is None:
        return None
    return Computed(places=incomplete.places, read_time_ns=cut.read_time_ns)
