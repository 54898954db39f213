"""What a ``Sink`` promises."""

from __future__ import annotations

import threading
from typing import Any, Protocol

from flask_boiler.engine.live_view import AnyView
from flask_boiler.engine.sink import Computed, PublishOutcome, Sink, Wanted
from flask_boiler.engine.view_key import ViewKey
from flask_boiler.ground.ports import Cut

__all__ = ["Outlet", "SinkContract", "Submitted"]

TIMEOUT_S = 60.0
STRANGER = ViewKey("nobody", "towns/nowhere")


class Outlet(Protocol):
    """A sink that runs, and a view that goes there."""

    @property
    def sink(self) -> Sink[Any]: ...

    @property
    def view(self) -> AnyView: ...

    @property
    def cut(self) -> Cut: ...

    def compute(self) -> Computed[Any]:
        """What the view's computation gives of the newest state."""
        ...

    def drive(self) -> None:
        """Do what somebody else's thread does where the sink is at work: nothing for most."""
        ...


class Submitted:
    """Something that was submitted, and how it ended."""

    def __init__(self, outlet: Outlet, computed: Computed[Any]) -> None:
        self.ends: list[PublishOutcome] = []
        self._ended = threading.Event()
        outlet.sink.submit(outlet.view, computed, self._done)
        outlet.drive()

    def _done(self, outcome: PublishOutcome) -> None:
        self.ends.append(outcome)
        self._ended.set()

    def outcome(self) -> PublishOutcome:
        """How it ended, once."""
        assert self._ended.wait(TIMEOUT_S), "nobody said how it ended"
        [outcome] = self.ends
        return outcome


class SinkContract:
    """Needs the fixture ``outlet``."""

    def test_what_is_submitted_ends(self, outlet: Outlet) -> None:
        outcome = Submitted(outlet, outlet.compute()).outcome()
        assert (outcome.error, outcome.newer_than_ns) == (None, None)
        assert (outcome.freed, outcome.contested, outcome.strange) == (frozenset(),) * 3
        assert not outlet.sink.stalled

    def test_each_end_is_told_once(self, outlet: Outlet) -> None:
        submitted = []
        for _ in range(3):
            submitted.append(Submitted(outlet, outlet.compute()))
            assert submitted[-1].outcome().error is None
        assert [len(each.ends) for each in submitted] == [1, 1, 1]

    def test_what_is_the_same_is_not_published_again(self, outlet: Outlet) -> None:
        Submitted(outlet, outlet.compute()).outcome()
        assert Submitted(outlet, outlet.compute()).outcome() == PublishOutcome(written=False)

    def test_without_a_payload_nothing_is_published(self, outlet: Outlet) -> None:
        Submitted(outlet, outlet.compute()).outcome()
        places = outlet.sink.owned(outlet.view.key)
        outcome = Submitted(outlet, Computed(places=places)).outcome()
        assert (outcome.written, outcome.error, outcome.freed) == (False, None, frozenset())
        assert outlet.sink.owned(outlet.view.key) == places

    def test_nothing_is_known_of_a_view_that_there_is_not(self, outlet: Outlet) -> None:
        sink = outlet.sink
        assert sink.recall(STRANGER.mediator) == set()
        assert sink.owned(STRANGER) == frozenset()
        assert sink.newest_ns(STRANGER) == 0
        sink.forget(STRANGER)
        sink.nudge()

    def test_who_wants_nothing_waits_for_nothing(self, outlet: Outlet) -> None:
        assert outlet.sink.signs(Wanted()) == frozenset()
        assert not outlet.sink.came_free(Wanted(), outlet.view.key, outlet.cut)
        assert not outlet.sink.is_taken("towns/unheard", outlet.view.key, outlet.cut)

    def test_what_is_forgotten_has_no_places(self, outlet: Outlet) -> None:
        Submitted(outlet, outlet.compute()).outcome()
        outlet.sink.forget(outlet.view.key)
        assert outlet.sink.owned(outlet.view.key) == frozenset()
        assert outlet.sink.newest_ns(outlet.view.key) == 0
