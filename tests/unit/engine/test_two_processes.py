"""Law 3 between processes: two engines over one datastore, each with a feed of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from flask_boiler.engine.cut_reader import CutReader
from flask_boiler.engine.document_engine import document_engine
from flask_boiler.engine.engine import Engine
from flask_boiler.engine.live_view import LiveView
from flask_boiler.engine.population import Population
from flask_boiler.engine.publishing.stored_ledger import ledger_path
from flask_boiler.engine.publishing.tombstones import KEPT_FOR_NS
from flask_boiler.engine.sink import Computed, Documents
from flask_boiler.engine.view_key import ViewKey
from flask_boiler.errors import ConflictError, UnavailableError
from flask_boiler.firestore.patience import current_patience
from tests.unit.engine.fakes import CODEC, ScriptedDatastore, ScriptedFeed, all_of

TIMEOUT_S = 60.0
CITIES = all_of("City")


class Process:
    """One of several processes in which the same mediator keeps copies of cities."""

    def __init__(self, datastore: ScriptedDatastore) -> None:
        self.feed = ScriptedFeed(datastore)
        role: Any = datastore
        self._engine: Engine | None = document_engine(self.feed, role, workers=1)
        self.engine.start()
        self._population = Population("city", [CITIES])
        #: Called in each computation, once it has read.
        self.before_it_ends: Callable[[], None] = lambda: None

    @property
    def engine(self) -> Engine:
        assert self._engine is not None
        return self._engine

    def keep(self) -> None:
        self.engine.populate(self._population, self._make, self.engine.publisher)

    def hear(self, *members: str, gone: str | None = None) -> None:
        """Hear of cities as they are stored now."""
        left = [gone] if gone else []
        self.feed.deliver(members={CITIES: members}, left={CITIES: left})

    def stop(self) -> None:
        """Publish what is in hand, and end; also when it has ended."""
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.stop()

    def quiet(self) -> None:
        self.engine.await_quiet(timeout_s=TIMEOUT_S)

    def _make(self, key: ViewKey) -> LiveView[Documents]:
        def compute(reader: CutReader) -> Computed[Documents]:
            root = self._population.member(key.subject, reader.cut)
            self.before_it_ends()
            if root is None:
                return Documents().computed(gone=True)
            place = root.get("place") or "views/SF"
            return Documents({place: CODEC.encode({"value": root.get("value")})}).computed()

        return LiveView(key, compute, self.engine.publisher)


class World:
    """A process that is up to date, and one that lags behind it."""

    def __init__(self) -> None:
        self.datastore = ScriptedDatastore()
        self.prompt = Process(self.datastore)
        self.lagging = Process(self.datastore)

    def both_keep(self) -> None:
        for process in (self.prompt, self.lagging):
            process.keep()

    def lag(self, *members: str, gone: str | None = None) -> Callable[[], None]:
        """Let the lagging process hear of cities and compute; what lets it go on."""
        computing, go_on = threading.Event(), threading.Event()

        def wait() -> None:
            computing.set()
            assert go_on.wait(TIMEOUT_S)

        self.lagging.before_it_ends = wait
        self.lagging.hear(*members, gone=gone)
        assert computing.wait(TIMEOUT_S)
        return go_on.set

    def store(self, value: int, **fields: Any) -> None:
        self.datastore.put("City/SF", {"value": value, **fields})

    def publish(self, value: int, **fields: Any) -> None:
        self.store(value, **fields)
        self.prompt.hear("City/SF")
        self.prompt.quiet()

    def delete(self) -> None:
        self.datastore.drop("City/SF")
        self.prompt.hear(gone="City/SF")
        self.prompt.quiet()
        assert self.view is None

    def await_loss(self) -> None:
        """The lagging process asks for a newer cut instead of publishing."""
        assert self.lagging.feed.refreshes.acquire(timeout=TIMEOUT_S)

    @property
    def view(self) -> dict[str, Any] | None:
        stored = self.datastore.documents.get("views/SF")
        return None if stored is None else stored.to_dict()


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    yield world
    for process in (world.prompt, world.lagging):
        process.stop()


def test_a_view_that_another_process_deleted_is_not_written_once_more(world: World) -> None:
    world.both_keep()
    world.store(1)
    go_on = world.lag("City/SF")
    world.publish(1)
    world.delete()
    go_on()
    world.await_loss()
    assert world.view is None


def test_nor_is_one_that_changed_before_it_was_deleted(world: World) -> None:
    world.prompt.keep()
    world.publish(1)
    world.lagging.keep()
    world.lagging.hear("City/SF")
    world.lagging.quiet()
    assert world.view == {"value": 1}
    world.store(2)
    go_on = world.lag("City/SF")
    world.publish(2)
    world.delete()
    go_on()
    world.await_loss()
    assert world.view is None


def test_who_lagged_behind_a_deletion_hears_of_it_and_has_nothing_left_to_do(world: World) -> None:
    world.both_keep()
    world.store(1)
    go_on = world.lag("City/SF")
    world.publish(1)
    world.delete()
    go_on()
    world.await_loss()
    commits = len(world.datastore.commits)
    world.lagging.hear(gone="City/SF")
    world.lagging.quiet()
    assert world.view is None
    assert len(world.datastore.commits) == commits
    assert world.lagging.engine.views == 0
    assert world.lagging.engine.parked == []


def test_a_place_that_was_left_is_not_taken_again_by_who_lags_behind(world: World) -> None:
    world.both_keep()
    world.store(1)
    go_on = world.lag("City/SF")
    world.publish(1)
    world.publish(2, place="views/moved")
    go_on()
    world.await_loss()
    assert world.view is None
    world.lagging.hear("City/SF")
    world.lagging.quiet()
    assert world.view is None
    assert world.datastore.fields("views/moved") == {"value": 2}


def test_a_root_that_comes_back_has_its_view_again_from_either_process(world: World) -> None:
    world.both_keep()
    for process in (world.prompt, world.lagging, world.lagging, world.prompt):
        world.store(1)
        process.hear("City/SF")
        process.quiet()
        assert world.view == {"value": 1}
        assert world.datastore.recorded_owner("views/SF") == ViewKey("city", "City/SF")
        world.datastore.drop("City/SF")
        process.hear(gone="City/SF")
        process.quiet()
        assert world.view is None
    assert world.prompt.engine.parked == world.lagging.engine.parked == []


def test_in_one_process_a_root_that_comes_back_is_one_commit(world: World) -> None:
    world.prompt.keep()
    world.publish(1)
    world.delete()
    world.publish(2)
    assert world.view == {"value": 2}
    assert world.datastore.refused == 0


def test_who_lags_behind_a_return_does_not_take_the_new_view_s_record_away(world: World) -> None:
    world.prompt.keep()
    world.publish(1)
    # Somebody's hand took the document away, so that only its record is left to be given up.
    world.datastore.drop("views/SF")
    world.lagging.keep()
    world.datastore.drop("City/SF")
    go_on = world.lag(gone="City/SF")
    world.publish(2)
    go_on()
    world.await_loss()
    assert world.view == {"value": 2}
    assert world.datastore.recorded_owner("views/SF") == ViewKey("city", "City/SF")


def test_a_tombstone_is_pruned_when_nobody_can_be_so_far_behind(world: World) -> None:
    world.prompt.keep()
    world.publish(1)
    world.delete()
    world.publish(1, place="views/other")
    assert world.datastore.exists(ledger_path("views/SF"))
    world.datastore.advance(KEPT_FOR_NS)
    world.publish(2, place="views/other")
    world.prompt.stop()
    assert not world.datastore.exists(ledger_path("views/SF"))
    assert world.datastore.recorded_owner("views/other") == ViewKey("city", "City/SF")


def test_a_tombstone_that_was_found_at_the_start_is_pruned_too(world: World) -> None:
    world.prompt.keep()
    world.publish(1)
    world.delete()
    world.prompt.stop()
    world.lagging.keep()
    world.datastore.advance(KEPT_FOR_NS)
    world.store(1, place="views/other")
    world.lagging.hear("City/SF")
    world.lagging.stop()
    assert not world.datastore.exists(ledger_path("views/SF"))


def test_a_place_that_is_taken_again_is_not_pruned(world: World) -> None:
    world.prompt.keep()
    world.publish(1)
    world.publish(1, place="views/other")
    world.publish(2)
    world.datastore.advance(KEPT_FOR_NS)
    world.publish(3)
    world.prompt.stop()
    assert world.datastore.recorded_owner("views/SF") == ViewKey("city", "City/SF")
    assert not world.datastore.exists(ledger_path("views/other"))


def test_a_failure_to_prune_harms_nobody(world: World) -> None:
    world.prompt.keep()
    world.publish(1)
    world.delete()
    world.datastore.advance(KEPT_FOR_NS)
    prune = ledger_path("views/SF")
    world.datastore.poisoned.add(prune)
    world.publish(1, place="views/other")
    world.datastore.poisoned.clear()
    world.publish(2)
    assert world.view == {"value": 2}
    assert world.prompt.engine.parked == []


def test_pruning_does_not_hold_up_who_stops_while_firestore_is_away(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.prompt.keep()
    world.publish(1)
    world.delete()
    world.datastore.advance(KEPT_FOR_NS)
    get = world.datastore.get
    waited_at_most_s: list[float] = []

    def never_answer(paths: Sequence[str], **options: Any) -> Any:
        if list(paths) == [ledger_path("views/SF")]:
            current_patience().ask(waited_at_most_s.append)
            raise UnavailableError("nobody answers")
        return get(paths, **options)

    monkeypatch.setattr(world.datastore, "get", never_answer)
    world.publish(1, place="views/other")
    world.prompt.stop()
    assert waited_at_most_s == [5.0]


def test_what_was_computed_before_the_oldest_tombstone_has_lost(world: World) -> None:
    world.both_keep()
    world.store(1)
    go_on = world.lag("City/SF")
    world.publish(1)
    world.delete()
    world.datastore.advance(KEPT_FOR_NS)
    world.datastore.drop(ledger_path("views/SF"))
    world.datastore.failures.append(("before", ConflictError("contention")))
    go_on()
    world.await_loss()
    assert world.view is None


def test_what_is_written_once_more_for_want_of_a_tombstone_goes_when_it_is_heard(
    world: World,
) -> None:
    world.both_keep()
    world.store(1)
    go_on = world.lag("City/SF")
    world.publish(1)
    world.delete()
    # Somebody's hand emptied the ledger.
    world.datastore.drop(ledger_path("views/SF"))
    go_on()
    world.lagging.quiet()
    assert world.view == {"value": 1}
    world.lagging.hear(gone="City/SF")
    world.lagging.quiet()
    assert not world.datastore.exists("views/SF")
    assert world.datastore.recorded_owner("views/SF") is None
