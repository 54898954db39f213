"""One view that is kept true, and where it stands.

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
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from flask_boiler.engine.view_key import ViewKey
from flask_boiler.ground.ports import Cut, Incomplete
from flask_boiler.ground.values import Target

if TYPE_CHECKING:
    from flask_boiler.engine.cut_reader import CutReader

__all__ = ["Computed", "LiveView", "Phase", "PublishOutcome", "Sink", "farewell_of"]


class Phase(enum.Enum):
    """Where a live view stands."""

    IDLE = "idle"
    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    PUBLISHING = "publishing"


@dataclass(slots=True)
class Computed:
    """What a computation gave.

    :param documents: by place, the encoded document; ``None`` leaves what is there, and gives
        the place up.
    :param reads: what was read for it.
    :param read_time_ns: the cut that it was computed on.
    :param gone: the view's root is gone: every place is given up, and the view ends.
    :param view: the view object, for sinks that hand it on.
    :param adopted: places at which somebody else's document may be replaced.
    :param error: there is no new value, and why: what is stored at ``documents`` stays, the other
        places are given up, and then the view is parked.
    :param on_published: called once it is published, with the engine's lock held: progress
        that must not be kept before that.
    """

    documents: Mapping[str, Any]
    reads: frozenset[Target] = frozenset()
    read_time_ns: int = 0
    gone: bool = False
    view: Any = None
    adopted: Collection[str] = ()
    error: Exception | None = None
    on_published: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True)
class PublishOutcome:
    """How publishing what was computed ended.

    :param written: documents were written or deleted.
    :param newer_than_ns: a newer value is there: compute again on a cut not older than this.
    :param error: it failed for good; the view is parked.
    :param freed: places that the view had, or would have had, and has not.
    :param contested: places that it was refused because they are other views'.
    :param strange: places that it was refused because of documents that are nobody's it knows.
    """

    written: bool = False
    freed: frozenset[str] = frozenset()
    newer_than_ns: int | None = None
    error: Exception | None = None
    contested: frozenset[str] = frozenset()
    strange: frozenset[str] = frozenset()


class Sink(Protocol):
    """Where a view goes."""

    def submit(
        self, view: LiveView, computed: Computed, done: Callable[[PublishOutcome], None]
    ) -> None:
        """Publish; ``done`` is called once, on any thread."""
        ...


@dataclass(slots=True, eq=False)
class LiveView:
    """A view that the engine keeps true.

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
    :param on_parked: told why the view was set aside; the engine's lock is held, so it must not
        wait for anything.
    """

    key: ViewKey
    compute: Callable[[CutReader], Computed]
    sink: Sink
    phase: Phase = Phase.IDLE
    waits_for: set[Target] = field(default_factory=set)
    at_least_ns: int = 0
    dirty_since_s: float | None = None
    changed_since_s: float | None = None
    discarded: bool = False
    awaited: frozenset[str] = frozenset()
    farewell: Computed | None = None
    on_parked: Callable[[Exception], None] | None = None

    @property
    def busy(self) -> bool:
        """Whether something is still to happen by itself."""
        return self.phase is not Phase.IDLE


def farewell_of(incomplete: Incomplete, cut: Cut) -> Computed | None:
    """What gives up the places that a view does not want which cannot be computed.

    ``None`` if it could not tell its places either.
    """
    if incomplete.places is None:
        return None
    return Computed(dict.fromkeys(incomplete.places), read_time_ns=cut.read_time_ns)
