"""How long settling goes on, on a feed and a datastore in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from flask_boiler.engine.cut_reader import CutReader
from flask_boiler.engine.document_engine import document_engine
from flask_boiler.engine.live_view import LiveView
from flask_boiler.engine.sink import Computed, Documents
from flask_boiler.engine.view_key import ViewKey
from flask_boiler.errors import UnavailableError
from flask_boiler.ground.values import Target
from tests.unit.engine.fakes import ScriptedDatastore, ScriptedFeed

TIMEOUT_S = 60.0
CANARY = "_boiler_canaries/1"


class PromptFeed(ScriptedFeed):
    """Holds a canary as soon as it is asked to."""

    def listen(self, targets: Iterable[Target]) -> None:
        asked = list(targets)
        super().listen(asked)
        if asked == [CANARY]:
            self.deliver(CANARY)


class World:
    """An engine, and one view that may do something while it is computed."""

    def __init__(self) -> None:
        self.datastore = ScriptedDatastore()
        self.feed = PromptFeed(self.datastore)
        datastore: Any = self.datastore
        self.engine = document_engine(self.feed, datastore, workers=1)
        self.effects: list[Callable[[], object]] = []
        self.unheard: list[str] = []
        self.rounds = 0
        #: How often Firestore is away before it takes a canary.
        self.away = 0

    def handling(self, source: str) -> LiveView[Documents]:
        """A view that publishes nothing, as a handler of documents does."""

        def compute(reader: CutReader) -> Computed[Documents]:
            reader.documents([source])
            while self.effects:
                self.effects.pop()()
            return Documents().computed()

        return LiveView(ViewKey("handler", source), compute, self.engine.publisher)

    def write(self, path: str) -> None:
        """Write a document, which is heard with the next canary."""
        self.datastore.put(path, {})
        self.unheard.append(path)

    def write_canary(self) -> int:
        if self.away > 0:
            self.away -= 1
            raise UnavailableError("away")
        self.rounds += 1
        written = self.datastore.put(CANARY, {})
        heard, self.unheard = self.unheard, []
        self.feed.deliver(CANARY, *heard)
        return written.update_time_ns

    def settle(self, timeout_s: float = TIMEOUT_S) -> None:
        self.engine.settle(CANARY, self.write_canary, timeout_s=timeout_s)


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    world.engine.start()
    world.engine.add(world.handling("forms/1"))
    world.feed.listened.get(timeout=TIMEOUT_S)
    world.feed.deliver("forms/1")
    world.engine.await_quiet(timeout_s=TIMEOUT_S)
    yield world
    world.engine.stop()


def test_one_round_is_enough_if_nothing_happens(world: World) -> None:
    world.settle()
    assert world.rounds == 1


def test_what_a_handler_writes_is_waited_for_though_it_publishes_nothing(world: World) -> None:
    world.effects.append(lambda: world.write("forms/1"))
    world.write("forms/1")
    world.settle()
    assert world.unheard == []
    assert world.rounds == 3


def test_a_canary_is_written_again_while_firestore_is_away(world: World) -> None:
    world.away = 3
    world.settle()
    assert (world.away, world.rounds) == (0, 1)


def test_firestore_that_stays_away_ends_it_with_the_reason(world: World) -> None:
    world.away = 1_000_000
    with pytest.raises(UnavailableError, match="away"):
        world.settle(timeout_s=0.3)
