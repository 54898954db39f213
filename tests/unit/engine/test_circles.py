"""Circles of views that only show while running, on a feed and a datastore in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from flask_boiler.engine.cut_reader import CutReader
from flask_boiler.engine.document_engine import document_engine
from flask_boiler.engine.live_view import LiveView
from flask_boiler.engine.population import Population
from flask_boiler.engine.sink import Computed, Documents
from flask_boiler.engine.view_key import ViewKey
from flask_boiler.errors import CyclicViewError
from flask_boiler.ground.values import Target
from tests.unit.engine.fakes import CODEC, ScriptedDatastore, ScriptedFeed, all_of

TIMEOUT_S = 60.0
_MOST_ROUNDS = 10

LEFT, RIGHT = all_of("left"), all_of("right")


class World:
    """An engine, and views that add one to the sum of what they read: none is ever right in a
    circle.
    """

    def __init__(self) -> None:
        self.datastore = ScriptedDatastore()
        self.feed = ScriptedFeed(self.datastore)
        datastore: Any = self.datastore
        self.engine = document_engine(self.feed, datastore, workers=1)

    def adding(self, place: str, *targets: Target) -> LiveView[Documents]:
        # Held from the start, so that no view waits.
        self.feed.listen(targets)

        def compute(reader: CutReader) -> Computed[Documents]:
            return Documents({place: CODEC.encode({"value": 1 + _sum(reader, targets)})}).computed()

        return LiveView(ViewKey("adding", place), compute, self.engine.publisher)

    def keep(self, *views: LiveView[Documents]) -> None:
        self._deliver()
        for view in views:
            self.engine.add(view)

    def run(self) -> None:
        """Deliver what is published until nothing is published any more."""
        published = -1
        for _ in range(_MOST_ROUNDS):
            if published == self.engine.statistics.published:
                return
            published = self.engine.statistics.published
            self._deliver()
            self.engine.await_quiet(timeout_s=TIMEOUT_S)
        pytest.fail(f"still publishing after {_MOST_ROUNDS} rounds")

    def _deliver(self) -> None:
        stored = [path for path in self.datastore.documents if not path.startswith("_boiler")]
        documents = [target for target in self.feed.wanted if isinstance(target, str)]
        members = {
            target: [path for path in stored if path.startswith(f"{target}/")]
            for target in self.feed.wanted
            if not isinstance(target, str)
        }
        self.feed.deliver(*documents, members=members)

    @property
    def parked(self) -> dict[str, Exception]:
        return {str(parked.key): parked.error for parked in self.engine.parked}


def _sum(reader: CutReader, targets: Sequence[Target]) -> int:
    total = 0
    for target in targets:
        found = (
            reader.documents([target]).values() if isinstance(target, str) else reader.query(target)
        )
        total += sum(snapshot.get("value") or 0 for snapshot in found)
    return total


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    world.engine.start()
    yield world
    world.engine.stop()


@pytest.mark.parametrize(
    ("left", "right"),
    [("right/1", "left/1"), (RIGHT, LEFT), ("right/1", LEFT), (RIGHT, "left/1")],
)
def test_views_that_read_each_other_are_parked(world: World, left: Target, right: Target) -> None:
    world.keep(world.adding("left/1", left), world.adding("right/1", right))
    world.run()
    assert world.parked.keys() == {"adding:left/1", "adding:right/1"}
    for error in world.parked.values():
        assert isinstance(error, CyclicViewError)
        assert "adding:left/1 reads adding:right/1" in str(error)
        assert "adding:right/1 reads adding:left/1" in str(error)


@pytest.mark.parametrize("itself", ["left/1", LEFT])
def test_a_view_that_reads_itself_is_parked(world: World, itself: Target) -> None:
    world.keep(world.adding("left/1", itself))
    world.run()
    assert "adding:left/1 reads adding:left/1" in str(world.parked["adding:left/1"])


def test_a_circle_through_the_root_of_a_view_parks_its_views(world: World) -> None:
    population = Population("of left", [LEFT])

    def make(key: ViewKey) -> LiveView[Documents]:
        def compute(reader: CutReader) -> Computed[Documents]:
            root = population.member(key.subject, reader.cut)
            assert root is not None
            return Documents({"right/1": CODEC.encode({"value": 1 + root.get("value")})}).computed()

        return LiveView(key, compute, world.engine.publisher)

    world.engine.populate(population, make, world.engine.publisher)
    world.keep(world.adding("left/1", RIGHT))
    world.run()
    assert world.parked.keys() == {"adding:left/1", "of left:left/1"}


def test_a_long_circle_names_all_of_its_views(world: World) -> None:
    middle = all_of("middle")
    world.keep(
        world.adding("left/1", middle),
        world.adding("middle/1", RIGHT),
        world.adding("right/1", LEFT),
    )
    world.run()
    assert world.parked.keys() == {"adding:left/1", "adding:middle/1", "adding:right/1"}
    assert "adding:left/1 reads adding:middle/1 reads adding:right/1 reads adding:left/1" in str(
        world.parked["adding:left/1"]
    )


def test_views_that_read_others_of_their_collections_are_no_circle(world: World) -> None:
    world.datastore.put("source/1", {"value": 1})
    world.keep(
        world.adding("right/1", all_of("source")),
        world.adding("left/1", RIGHT),
        world.adding("other/1", LEFT, RIGHT),
    )
    world.run()
    assert world.parked == {}
    assert world.datastore.fields("left/1") == {"value": 3}
    assert world.datastore.fields("other/1") == {"value": 6}


def test_a_circle_that_is_broken_heals(world: World) -> None:
    world.keep(world.adding("left/1", RIGHT), world.adding("right/1", LEFT))
    world.run()
    assert world.parked.keys() == {"adding:left/1", "adding:right/1"}
    world.engine.discard(ViewKey("adding", "right/1"))
    world.datastore.put("right/1", {"value": 1})
    world.run()
    assert world.parked == {}
    assert world.datastore.fields("left/1") == {"value": 2}


def test_a_circle_heals_when_one_of_its_views_goes_and_no_document_changes(world: World) -> None:
    world.keep(world.adding("left/1", RIGHT), world.adding("right/1", LEFT))
    world.run()
    world.engine.discard(ViewKey("adding", "right/1"))
    world.engine.await_quiet(timeout_s=TIMEOUT_S)
    assert world.parked == {}


def test_a_circle_heals_when_one_of_its_views_reads_less_and_stays_as_it_is(world: World) -> None:
    world.datastore.put("switch/1", {"on": True})
    world.feed.listen(["switch/1", RIGHT])

    def compute(reader: CutReader) -> Computed[Documents]:
        if reader.documents(["switch/1"])["switch/1"].get("on"):
            reader.query(RIGHT)
        return Documents({"left/1": CODEC.encode({"value": 1})}).computed()

    key = ViewKey("constant", "left/1")
    world.keep(LiveView(key, compute, world.engine.publisher), world.adding("right/1", LEFT))
    world.run()
    assert "adding:right/1" in world.parked
    world.datastore.put("switch/1", {"on": False})
    world.run()
    assert world.parked == {}
    assert world.datastore.fields("right/1") == {"value": 2}
