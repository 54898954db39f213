"""The durable record of what is parked: what is written, and how little."""

from __future__ import annotations

import datetime
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from flask_boiler.engine.parking.parked_views import (
    ParkedView,
    RetryState,
    asking,
    parked_in,
    summary_path,
    view_path,
)
from flask_boiler.engine.parking.recorder import Recorder
from flask_boiler.engine.view_key import Parked, ViewKey
from flask_boiler.errors import PermissionDeniedError, UnavailableError
from flask_boiler.ground.ports import CutChange
from flask_boiler.ground.values import Target
from flask_boiler.operate.testing.memory_datastore import MemoryDatastore
from tests.unit.engine.fakes import ScriptedCut

SINCE = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)
LATER = SINCE + datetime.timedelta(hours=1)
TIMEOUT_S = 10.0


class Engine:
    """What the recorder asks of one; it computes nothing by itself."""

    def __init__(self) -> None:
        self.kept: set[ViewKey] = set()
        self.renewed: list[ViewKey] = []
        self.feed = self
        self.wanted: Counter[Target] = Counter()

    def listen(self, targets: list[Target]) -> None:
        self.wanted.update(targets)

    def release(self, targets: list[Target]) -> None:
        self.wanted.subtract(targets)

    def renew(self, key: ViewKey, *, at_least_ns: int) -> bool:
        self.renewed.append(key)
        return key in self.kept

    def break_down(self, error: BaseException) -> None:
        raise AssertionError from error


class World:
    """A recorder whose thread does not run: the test writes."""

    def __init__(self, datastore: MemoryDatastore, *, most: int = 3, process: str = "here:1"):
        self.datastore = datastore
        self.engine = Engine()
        engine: Any = self.engine
        self.recorder = Recorder(engine, datastore, most=most, process=process)
        self.recorder._wake = lambda: None  # type: ignore[method-assign]

    def park(self, key: ViewKey, said: str = "no", since: datetime.datetime = SINCE) -> None:
        self.engine.kept.add(key)
        self.recorder.parked(Parked(key, ValueError(said), since))

    def write(self) -> int:
        """Write until nothing differs; how many writes it took."""
        written = 0
        for _ in range(100):
            if not self.recorder._is_due():
                return written
            written += self.recorder.write_changes()
        raise AssertionError("it writes without end")

    def hear(self) -> None:
        """Have the recorder see what a new cut says."""
        found = self.datastore.run_query(self.recorder._target)
        target = self.recorder._target
        assert self.engine.wanted[target] == 1
        cut = ScriptedCut(1, {}, {target: {asked.path: asked for asked in found}})
        self.recorder.heard(CutChange(cut, set(), {target: set()}, {}))

    def ask(self, key: ViewKey, request: str = "r1") -> None:
        self.datastore.commit([asking(view_path(key), request)])

    @property
    def stored(self) -> dict[ViewKey, ParkedView]:
        return {view.key: view for view in parked_in(self.datastore)[0]}

    @property
    def total(self) -> int | None:
        stored = self.datastore.documents.get(summary_path("V"))
        return None if stored is None else int(stored.get("total"))


def key(number: int) -> ViewKey:
    return ViewKey("V", f"towns/{number}")


@pytest.fixture
def datastore() -> MemoryDatastore:
    return MemoryDatastore()


@pytest.fixture
def world(datastore: MemoryDatastore) -> World:
    made = World(datastore)
    assert made.recorder.begin("V") == set()
    return made


def test_what_is_parked_is_recorded_and_removed_when_it_is_well(world: World) -> None:
    world.park(key(1), "town 1 has \udcff no name" + "!" * 9_000)
    assert world.write() == 1
    view = world.stored[key(1)]
    assert (view.kind, view.since, view.process) == ("ValueError", SINCE, "here:1")
    assert view.error.startswith("town 1 has ? no name!!") and len(view.error) == 4_000
    world.recorder.released(key(1))
    assert world.write() == 1
    assert world.stored == {}


def test_nothing_is_written_of_what_is_well_or_recorded_already(world: World) -> None:
    world.recorder.released(key(1))
    assert world.write() == 0
    world.park(key(1))
    world.write()
    world.park(key(1))
    assert world.write() == 0
    world.park(key(1), "something else")
    assert world.write() == 1
    assert world.stored[key(1)].error == "something else"


def test_what_heals_before_it_was_written_leaves_nothing(world: World) -> None:
    world.park(key(1))
    world.recorder.released(key(1))
    world.write()
    assert not world.datastore.exists(view_path(key(1)))


def test_of_a_burst_some_are_recorded_and_all_are_counted(world: World) -> None:
    for number in range(10_000):
        world.park(key(number))
    assert world.write() == 3 + 1
    assert set(world.stored) == {key(0), key(1), key(2)}
    assert world.total == 10_000
    # Who is recorded and heals makes room for another.
    world.recorder.released(key(1))
    assert world.write() == 3
    assert set(world.stored) == {key(0), key(2), key(3)}
    assert world.total == 9_999
    for number in range(10_000):
        world.recorder.released(key(number))
    assert world.write() == 4
    assert world.stored == {} and world.total is None


def test_a_commit_is_bounded(datastore: MemoryDatastore) -> None:
    world = World(datastore, most=500)
    world.recorder.begin("V")
    for number in range(450):
        world.park(key(number))
    datastore.commits.clear()
    assert world.write() == 450
    assert [len(writes) for writes in datastore.commits] == [200, 200, 50]


def test_what_could_not_be_written_is_written_later(world: World) -> None:
    def away(act: Any) -> Any:
        raise UnavailableError("nobody is there")

    def refused(act: Any) -> Any:
        raise PermissionDeniedError("not you")

    world.park(key(1))
    for mishap in (away, refused):
        world.datastore.mishaps.append(mishap)
        with pytest.raises((UnavailableError, PermissionDeniedError)):
            world.recorder.write_changes()
    world.park(key(2))
    assert world.write() == 2
    assert set(world.stored) == {key(1), key(2)}


def test_mediators_that_have_not_begun_or_have_ended_are_not_recorded(world: World) -> None:
    world.park(ViewKey("W", "towns/1"))
    world.park(key(1))
    world.write()
    world.recorder.end("V")
    # As the engine says when it keeps them no longer.
    world.recorder.released(key(1))
    assert world.write() == 0
    assert set(world.stored) == {key(1)}
    assert world.engine.wanted.total() == 0


def test_an_error_whose_words_cannot_be_had_is_recorded(world: World) -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise SystemExit

    world.recorder.parked(Parked(key(1), Mute(), SINCE))
    world.write()
    assert "could not be read: SystemExit" in world.stored[key(1)].error


def test_names_with_colons_do_not_share_a_record() -> None:
    assert view_path(ViewKey("a", "b:c/d")) != view_path(ViewKey("a:b", "c/d"))


class TestRetry:
    @pytest.fixture
    def world(self, world: World) -> World:
        world.park(key(1))
        world.write()
        world.ask(key(1))
        world.hear()
        return world

    def state(self, world: World) -> tuple[str, RetryState] | None:
        request = world.stored[key(1)].request
        return None if request is None else (request.id, request.state)

    def test_it_is_heard_once(self, world: World) -> None:
        assert world.engine.renewed == [key(1)]
        world.hear()
        assert world.write() == 1
        assert self.state(world) == ("r1", RetryState.HEARD)
        world.hear()
        assert world.engine.renewed == [key(1)]

    def test_who_is_well_then_is_removed(self, world: World) -> None:
        world.recorder.released(key(1))
        assert world.write() == 1
        assert world.stored == {}

    def test_who_fails_again_answers_so_even_if_nothing_else_differs(self, world: World) -> None:
        world.park(key(1))
        assert world.write() == 1
        assert self.state(world) == ("r1", RetryState.DONE)
        world.park(key(1), "else")
        assert world.write() == 1
        assert self.state(world) is None

    def test_what_can_only_come_back_by_itself_is_answered(self, world: World) -> None:
        target = ViewKey("V", "a query below the root")
        world.park(target)
        world.engine.kept.discard(target)
        world.write()
        world.ask(target, "r2")
        world.hear()
        world.write()
        request = world.stored[target].request
        assert request is not None and request.state is RetryState.DONE

    def test_one_that_only_another_process_parked_is_computed_here(self, world: World) -> None:
        other = World(world.datastore, process="there:2")
        other.recorder.begin("V")
        other.park(key(7))
        other.write()
        world.engine.kept.add(key(7))
        world.ask(key(7), "r7")
        world.hear()
        assert world.engine.renewed == [key(1), key(7)]
        world.recorder.released(key(7))
        world.write()
        assert key(7) not in world.stored

    def test_one_whose_root_is_gone_is_removed(self, world: World) -> None:
        other = World(world.datastore, process="there:2")
        other.recorder.begin("V")
        other.park(key(7))
        other.write()
        world.ask(key(7), "r7")
        world.hear()
        world.write()
        assert key(7) not in world.stored

    def test_another_mediators_is_not_heard(self, world: World) -> None:
        other = World(world.datastore)
        other.recorder.begin("W")
        world.ask(key(1), "r2")
        other.hear()
        assert other.engine.renewed == []

    def test_all_that_nobody_asked_for_by_name_are_tried_together(self, world: World) -> None:
        for number in range(5):
            world.park(key(number))
        world.write()
        world.datastore.commit([asking(summary_path("V"), "all")])
        world.hear()
        world.hear()
        assert world.engine.renewed == [key(n) for n in (1, 1, 0, 2, 3, 4)]
        assert world.write() <= 2
        stored = world.datastore.fields(summary_path("V"))
        assert stored is not None
        assert stored["retry"] == {"id": "all", "state": "done"}
        assert world.write() == 0


class TestRestart:
    def test_what_is_well_since_is_removed_and_what_is_not_keeps_its_time(
        self, datastore: MemoryDatastore
    ) -> None:
        before = World(datastore)
        before.recorder.begin("V")
        for number in range(4):
            before.park(key(number))
        before.park(ViewKey("V", "the queue"))
        before.write()
        world = World(datastore, process="here:2")
        # Each of these is to be computed, or found to be gone.
        assert world.recorder.begin("V") == {"towns/0", "towns/1", "towns/2"}
        world.ask(key(2))
        world.recorder.released(key(0))
        world.park(key(1), since=LATER)
        world.write()
        assert set(world.stored) == {key(1), key(2)}
        assert world.total is None
        assert (world.stored[key(1)].since, world.stored[key(1)].process) == (SINCE, "here:2")

    def test_a_request_that_nobody_heard_is_answered_by_the_start(
        self, datastore: MemoryDatastore
    ) -> None:
        before = World(datastore)
        before.recorder.begin("V")
        before.park(key(1))
        before.write()
        before.ask(key(1))
        world = World(datastore)
        world.recorder.begin("V")
        world.hear()
        assert world.engine.renewed == []
        world.park(key(1))
        world.write()
        request = world.stored[key(1)].request
        assert request is not None
        assert (request.id, request.state) == ("r1", RetryState.DONE)

    def test_two_of_one_name_share_what_is_recorded(self, world: World) -> None:
        world.recorder.begin("V")
        world.recorder.end("V")
        world.park(key(1))
        assert world.write() == 1


class TestThread:
    @pytest.fixture
    def recorder(self, datastore: MemoryDatastore) -> Iterator[Recorder]:
        engine: Any = Engine()
        recorder = Recorder(engine, datastore, pause_s=0.01)
        recorder.begin("V")
        yield recorder
        recorder.stop()

    def test_it_tries_until_firestore_takes_it(
        self, recorder: Recorder, datastore: MemoryDatastore
    ) -> None:
        written = threading.Event()

        def away(act: Any) -> Any:
            raise UnavailableError("nobody is there")

        def back(act: Any) -> Any:
            written.set()
            return act()

        datastore.mishaps += [away, away, back]
        recorder.parked(Parked(key(1), ValueError("no"), SINCE))
        assert written.wait(TIMEOUT_S)
        recorder.stop()
        assert datastore.exists(view_path(key(1)))

    def test_the_end_writes_what_is_left(
        self, recorder: Recorder, datastore: MemoryDatastore
    ) -> None:
        for number in range(300):
            recorder.parked(Parked(key(number), ValueError("no"), SINCE))
        recorder.stop()
        assert len(parked_in(datastore)[0]) == 300

    def test_the_end_does_not_wait_for_a_firestore_that_is_away(
        self, recorder: Recorder, datastore: MemoryDatastore
    ) -> None:
        def away(act: Any) -> Any:
            raise UnavailableError("nobody is there")

        datastore.mishaps += [away] * 1_000
        recorder.parked(Parked(key(1), ValueError("no"), SINCE))
        recorder.stop()
        assert recorder._thread is not None and not recorder._thread.is_alive()
