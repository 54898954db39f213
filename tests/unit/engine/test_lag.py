"""How old the oldest change is that is not published, by a clock that the test sets."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from flask_boiler.engine.cut_reader import CutReader
from flask_boiler.engine.document_engine import document_engine
from flask_boiler.engine.live_view import LiveView
from flask_boiler.engine.sink import Computed, Documents
from flask_boiler.engine.view_key import ViewKey
from tests.unit.engine.fakes import CODEC, ScriptedDatastore, ScriptedFeed

TIMEOUT_S = 60.0


class World:
    """An engine that copies ``a/1``, one step at a time."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.datastore = ScriptedDatastore()
        self.feed = ScriptedFeed(self.datastore)
        datastore: Any = self.datastore
        self.engine = document_engine(self.feed, datastore, workers=1, clock=lambda: self.now_s)
        self.computing, self.go_on = threading.Semaphore(0), threading.Semaphore(0)
        self.engine.start()
        self.engine.add(LiveView(ViewKey("copy", "a/1"), self._compute, self.engine.publisher))
        assert self.feed.listened.get(timeout=TIMEOUT_S) == "a/1"

    def _compute(self, reader: CutReader) -> Computed[Documents]:
        value = reader.documents(["a/1"])["a/1"].get("value")
        self.computing.release()
        assert self.go_on.acquire(timeout=TIMEOUT_S)
        return Documents({"views/1": CODEC.encode({"value": value})}).computed()

    def change(self, value: int) -> None:
        self.datastore.put("a/1", {"value": value})
        self.feed.deliver("a/1")

    def await_computation(self) -> None:
        """Wait until a computation has read what it reads."""
        assert self.computing.acquire(timeout=TIMEOUT_S)

    def rest(self) -> None:
        """Let one computation end, and wait until nothing is left to do."""
        self.go_on.release()
        self.engine.await_quiet(timeout_s=TIMEOUT_S)


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    world.change(0)
    world.await_computation()
    world.rest()
    yield world
    world.datastore.hold.set()
    for _ in range(10):
        world.go_on.release()
    world.engine.stop()


def test_at_rest_there_is_no_lag(world: World) -> None:
    world.now_s = 100
    assert world.engine.lag_s == 0


def test_a_change_is_as_old_as_it_was_heard_until_it_is_published(world: World) -> None:
    world.now_s = 100
    world.change(1)
    world.await_computation()
    world.now_s = 103
    assert world.engine.lag_s == 3
    world.rest()
    assert world.engine.lag_s == 0


def test_what_changes_during_a_computation_ages_from_then_on(world: World) -> None:
    world.now_s = 100
    world.change(1)
    world.await_computation()
    for now_s, value in ((110, 2), (115, 3)):
        world.now_s = now_s
        world.change(value)
    world.now_s = 120
    world.go_on.release()
    world.await_computation()
    world.now_s = 125
    assert world.datastore.fields("views/1") == {"value": 1}
    assert world.engine.lag_s == 15
    world.rest()
    assert world.engine.lag_s == 0


def test_what_changes_during_a_publication_ages_from_then_on(world: World) -> None:
    while world.datastore.entered.acquire(blocking=False):
        pass
    world.datastore.hold.clear()
    world.now_s = 100
    world.change(1)
    world.await_computation()
    world.go_on.release()
    assert world.datastore.entered.acquire(timeout=TIMEOUT_S)
    world.now_s = 110
    world.change(2)
    world.now_s = 120
    world.datastore.hold.set()
    world.await_computation()
    assert world.engine.lag_s == 10
    world.rest()


def test_a_change_whose_value_has_lost_is_not_published(world: World) -> None:
    world.now_s = 100
    world.change(1)
    world.await_computation()
    # Another process was faster.
    world.datastore.put("views/1", {"value": 1, "by": "another"})
    world.now_s = 110
    world.go_on.release()
    assert world.feed.refreshes.acquire(timeout=TIMEOUT_S)
    world.now_s = 120
    assert world.engine.lag_s == 20
    world.feed.deliver()
    world.await_computation()
    assert world.engine.lag_s == 20
    world.rest()
    assert world.engine.lag_s == 0
