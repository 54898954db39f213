"""The laws, each in a scripted order, on a feed and a datastore in memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from flask_boiler.engine.cut_reader import CutReader
from flask_boiler.engine.document_engine import document_engine
from flask_boiler.engine.live_view import LiveView
from flask_boiler.engine.population import Population
from flask_boiler.engine.publishing.stored_ledger import ledger_path
from flask_boiler.engine.sink import Computed, Documents, PublishOutcome, WithoutPlaces
from flask_boiler.engine.view_key import ViewKey
from flask_boiler.errors import (
    BoilerError,
    ConfigurationError,
    ConflictError,
    CyclicViewError,
    MaterializationError,
    TargetRejectedError,
    UnavailableError,
    ValidationError,
)
from tests.unit.engine.fakes import CODEC, ScriptedDatastore, ScriptedFeed, all_of, publisher_of

TIMEOUT_S = 60.0
CITIES = all_of("City")


class World:
    """An engine over fakes, and views that copy documents."""

    def __init__(self) -> None:
        self.datastore = ScriptedDatastore()
        self.feed = ScriptedFeed(self.datastore)
        datastore: Any = self.datastore
        self.engine = document_engine(self.feed, datastore, workers=2)
        self.computed: list[str] = []

    def copying(
        self,
        name: str,
        *sources: str,
        place: str | None = None,
        before: Callable[[], None] = lambda: None,
    ) -> LiveView[Documents]:
        """A view of the ``value`` fields of some documents."""
        key = ViewKey(name, sources[0])

        def compute(reader: CutReader) -> Computed[Documents]:
            found = reader.documents(sources)
            before()
            self.computed.append(name)
            values = {s.rpartition("/")[2]: found[s].get("value") for s in sources}
            return Documents({place or f"views/{name}": CODEC.encode(values)}).computed()

        return LiveView(key, compute, self.engine.publisher)

    def add(self, view: LiveView[Documents], *documents: str) -> None:
        """Keep a view and let the feed hold what it reads."""
        self.engine.add(view)
        for _ in documents:
            self.feed.listened.get(timeout=TIMEOUT_S)
        self.feed.deliver(*documents)
        self.quiet()

    def change(self, path: str, value: Any) -> None:
        self.datastore.put(path, {"value": value})
        self.feed.deliver(path)

    def add_held_by_others(self, path: str, value: Any) -> None:
        """Let the feed hold a document that no view of this engine reads."""
        self.feed.listen([path])
        self.change(path, value)

    def quiet(self) -> None:
        self.engine.await_quiet(timeout_s=TIMEOUT_S)

    @property
    def errors(self) -> dict[str, Exception]:
        return {str(parked.key): parked.error for parked in self.engine.parked}


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    world.engine.start()
    yield world
    world.datastore.hold.set()
    world.engine.stop()


def test_a_view_is_computed_when_what_it_reads_is_held(world: World) -> None:
    world.datastore.put("a/1", {"value": 5})
    world.add(world.copying("v", "a/1"), "a/1")
    assert world.datastore.fields("views/v") == {"1": 5}
    record = world.datastore.fields(ledger_path("views/v"))
    assert record == {"mediator": "v", "root": "a/1", "place": "views/v"}
    assert len(world.datastore.commits) == 1


def test_a_view_is_told_what_has_changed_before_it_is_computed_for_that(world: World) -> None:
    heard: list[tuple[Any, set[str]]] = []
    computed_after: list[int] = []
    view = world.copying("v", "a/1", before=lambda: computed_after.append(len(heard)))
    view.on_heard = lambda target, paths: heard.append((target, set(paths)))
    world.add(view, "a/1")
    world.change("a/1", 7)
    world.quiet()
    world.add_held_by_others("a/2", 1)
    assert heard == [("a/1", {"a/1"})] * 2
    assert computed_after == [1, 2]


def test_the_place_and_its_record_are_one_commit(world: World) -> None:
    world.add(world.copying("v", "a/1"), "a/1")
    [commit] = world.datastore.commits
    assert {write.path for write in commit} == {"views/v", ledger_path("views/v")}


def test_a_change_of_what_it_does_not_read_computes_nothing(world: World) -> None:
    world.add(world.copying("v", "a/1"), "a/1")
    world.add(world.copying("w", "b/1"), "b/1")
    world.computed.clear()
    world.change("b/1", 7)
    world.quiet()
    assert world.computed == ["w"]


def test_an_equal_value_writes_nothing(world: World) -> None:
    world.datastore.put("a/1", {"value": 5, "other": 1})
    world.add(world.copying("v", "a/1"), "a/1")
    world.datastore.put("a/1", {"value": 5, "other": 2})
    world.feed.deliver("a/1")
    world.quiet()
    assert world.computed == ["v", "v"]
    assert len(world.datastore.commits) == 1


def test_changes_during_a_computation_make_one_more(world: World) -> None:
    entered, go_on = threading.Event(), threading.Event()

    def before() -> None:
        entered.set()
        assert go_on.wait(TIMEOUT_S)

    world.engine.add(world.copying("v", "a/1", before=before))
    world.feed.listened.get(timeout=TIMEOUT_S)
    world.feed.deliver("a/1")
    assert entered.wait(TIMEOUT_S)
    for value in (1, 2, 3):
        world.change("a/1", value)
    go_on.set()
    world.quiet()
    assert world.computed == ["v", "v"]
    assert world.datastore.fields("views/v") == {"1": 3}


def test_what_is_read_no_longer_is_released(world: World) -> None:
    world.datastore.put("a/1", {"next": "b/1"})
    world.datastore.put("b/1", {"value": 1})
    world.datastore.put("b/2", {"value": 2})

    def compute(reader: CutReader) -> Computed[Documents]:
        path = reader.documents(["a/1"])["a/1"].get("next")
        value = reader.documents([path])[path].get("value")
        return Documents({"views/v": CODEC.encode({"value": value})}).computed()

    world.engine.add(LiveView(ViewKey("v", "a/1"), compute, world.engine.publisher))
    for path in ("a/1", "b/1"):
        assert world.feed.listened.get(timeout=TIMEOUT_S) == path
        world.feed.deliver(path)
    world.quiet()
    world.datastore.put("a/1", {"next": "b/2"})
    world.feed.deliver("a/1")
    assert world.feed.listened.get(timeout=TIMEOUT_S) == "b/2"
    world.feed.deliver("b/2")
    world.quiet()
    assert world.datastore.fields("views/v") == {"value": 2}
    assert world.feed.wanted == {"a/1": 1, "b/2": 1}


def test_who_loses_computes_again_on_a_newer_cut(world: World) -> None:
    world.add(world.copying("v", "a/1"), "a/1")
    # Another process publishes while this one's cut is the older one.
    world.datastore.put("a/1", {"value": 1})
    world.datastore.hold.clear()
    world.feed.deliver("a/1")
    world.datastore.entered.acquire(timeout=TIMEOUT_S)
    world.datastore.put("a/1", {"value": 2})
    world.datastore.put("views/v", {"1": 2})
    world.datastore.hold.set()
    assert world.feed.refreshes.acquire(timeout=TIMEOUT_S)
    assert world.datastore.fields("views/v") == {"1": 2}
    world.feed.deliver("a/1")
    world.quiet()
    assert world.datastore.fields("views/v") == {"1": 2}
    assert world.engine.statistics.lost == 1


def test_a_lost_answer_to_a_commit_that_took_effect_is_not_repeated(world: World) -> None:
    world.datastore.failures.append(("after", UnavailableError("lost", outcome_unknown=True)))
    world.add(world.copying("v", "a/1"), "a/1")
    assert len(world.datastore.commits) == 1
    assert world.errors == {}


def test_a_commit_that_did_not_take_effect_is_made_again(world: World) -> None:
    world.datastore.failures += [("before", UnavailableError("away"))] * 2
    world.datastore.put("a/1", {"value": 5})
    world.add(world.copying("v", "a/1"), "a/1")
    assert world.datastore.fields("views/v") == {"1": 5}


def test_a_view_that_breaks_every_commit_is_parked_and_holds_up_nobody(world: World) -> None:
    world.datastore.poisoned.add("views/v")
    world.datastore.hold.clear()
    world.engine.add(world.copying("v", "a/1"))
    world.engine.add(world.copying("w", "a/1", place="views/w"))
    world.feed.listened.get(timeout=TIMEOUT_S)
    world.feed.deliver("a/1")
    world.datastore.hold.set()
    world.quiet()
    assert world.datastore.fields("views/w") == {"1": None}
    assert isinstance(world.errors["v:a/1"], UnavailableError)

    world.datastore.poisoned.clear()
    world.change("a/1", 3)
    world.quiet()
    assert world.errors == {}
    assert world.datastore.fields("views/v") == {"1": 3}


def test_a_conflict_of_one_view_does_not_hold_up_another(world: World) -> None:
    world.add(world.copying("v", "a/1"), "a/1")
    world.add(world.copying("w", "a/1", place="views/w"))
    world.datastore.put("views/v", {"1": "foreign"})
    world.change("a/1", 3)
    world.quiet()
    assert world.datastore.fields("views/v") == {"1": 3}
    assert world.datastore.fields("views/w") == {"1": 3}


def test_a_failing_view_parks_alone_and_heals_on_the_next_change(world: World) -> None:
    world.datastore.put("a/1", {"value": 1})

    def compute(reader: CutReader) -> Computed[Documents]:
        value = 10 // reader.documents(["a/1"])["a/1"].get("value")
        return Documents({"views/v": CODEC.encode({"value": value})}).computed()

    world.add(LiveView(ViewKey("v", "a/1"), compute, world.engine.publisher), "a/1")
    world.add(world.copying("w", "a/1"))
    world.change("a/1", 0)
    world.quiet()
    assert list(world.errors) == ["v:a/1"]
    assert isinstance(world.errors["v:a/1"], MaterializationError)
    assert world.datastore.fields("views/v") == {"value": 10}
    assert world.datastore.fields("views/w") == {"1": 0}
    world.change("a/1", 5)
    world.quiet()
    assert world.errors == {}
    assert world.datastore.fields("views/v") == {"value": 2}


def test_retry_computes_a_parked_view_again(world: World) -> None:
    broken = [True]

    def before() -> None:
        if broken[0]:
            raise ValueError("broken")

    world.add(world.copying("v", "a/1", before=before), "a/1")
    assert list(world.errors) == ["v:a/1"]
    broken[0] = False
    assert world.engine.retry(ViewKey("v", "a/1"))
    world.quiet()
    assert world.errors == {}
    assert not world.engine.retry(ViewKey("v", "a/1"))


def test_a_rejected_target_parks_its_readers_until_it_is_back(world: World) -> None:
    world.engine.add(world.copying("v", "a/1"))
    world.feed.listened.get(timeout=TIMEOUT_S)
    world.feed.deliver(rejected={"a/1": "PERMISSION_DENIED"})
    world.quiet()
    assert isinstance(world.errors["v:a/1"], TargetRejectedError)
    world.feed.deliver("a/1")
    world.quiet()
    assert world.errors == {}


def test_a_view_of_a_named_document_is_parked_since_its_first_failure(world: World) -> None:
    def fail() -> None:
        raise ValueError("broken")

    population = Population("named", ["a/1"])
    world.engine.populate(
        population,
        lambda key: world.copying("named", key.subject, before=fail),
        world.engine.publisher,
    )
    world.change("a/1", 1)
    world.quiet()
    [before] = world.engine.parked
    world.change("a/1", 2)
    world.quiet()
    [after] = world.engine.parked
    assert after.since == before.since


def test_the_second_view_of_a_place_is_parked_until_the_first_is_gone(world: World) -> None:
    population = Population("city", [CITIES])
    world.datastore.put("City/SF", {"value": 1})

    def make(key: ViewKey) -> LiveView[Documents]:
        def compute(reader: CutReader) -> Computed[Documents]:
            root = population.member(key.subject, reader.cut)
            if root is None:
                return Documents().computed(gone=True)
            return Documents({"views/one": CODEC.encode({"value": root.get("value")})}).computed()

        return LiveView(key, compute, world.engine.publisher)

    world.engine.populate(population, make, world.engine.publisher)
    world.feed.deliver(members={CITIES: ["City/SF"]})
    world.quiet()
    world.add(world.copying("second", "a/1", place="views/one"), "a/1")
    world.feed.listened.get(timeout=TIMEOUT_S)
    assert "City/SF" in str(world.errors["second:a/1"])
    assert world.datastore.fields("views/one") == {"value": 1}
    world.datastore.drop("City/SF")
    world.feed.deliver(left={CITIES: ["City/SF"]})
    world.quiet()
    assert world.errors == {}
    assert world.datastore.fields("views/one") == {"1": None}


def test_an_unacceptable_document_parks_its_view_alone(world: World) -> None:
    for name in ("u", "v", "w"):
        world.add(world.copying(name, "a/1"), *(["a/1"] if name == "u" else []))
    world.datastore.hold.clear()
    world.change("a/1", 1)
    refused = ValidationError({"document": ["too large"]})
    # Whichever commit holds v is refused.

    def refuse(write: Any) -> None:
        if write.path == "views/v":
            raise refused

    world.datastore.check = refuse
    world.datastore.hold.set()
    world.quiet()
    assert world.errors == {"v:a/1": refused}
    assert world.datastore.fields("views/u") == world.datastore.fields("views/w") == {"1": 1}


def test_views_whose_roots_went_away_meanwhile_are_removed(world: World) -> None:
    gone = {"mediator": "city", "root": "City/NYC", "place": "views/NYC"}
    world.datastore.put(ledger_path("views/NYC"), gone)
    world.datastore.put("views/NYC", {"value": 1})
    population = Population("city", [CITIES])

    def make(key: ViewKey) -> LiveView[Documents]:
        def compute(reader: CutReader) -> Computed[Documents]:
            assert population.member(key.subject, reader.cut) is None
            return Documents().computed(gone=True)

        return LiveView(key, compute, world.engine.publisher)

    world.engine.populate(population, make, world.engine.publisher)
    world.feed.deliver(members={CITIES: []})
    world.quiet()
    assert not world.datastore.exists("views/NYC")
    assert world.datastore.recorded_owner("views/NYC") is None
    assert world.engine.views == 0


def test_a_restart_over_true_views_writes_nothing(world: World) -> None:
    world.datastore.put("City/SF", {"value": 1})
    world.datastore.put("views/SF", {"value": 1})
    record = {"mediator": "city", "root": "City/SF", "place": "views/SF"}
    world.datastore.put(ledger_path("views/SF"), record)
    population = Population("city", [CITIES])

    def make(key: ViewKey) -> LiveView[Documents]:
        def compute(reader: CutReader) -> Computed[Documents]:
            root = population.member(key.subject, reader.cut)
            assert root is not None
            return Documents({"views/SF": CODEC.encode({"value": root.get("value")})}).computed()

        return LiveView(key, compute, world.engine.publisher)

    world.engine.populate(population, make, world.engine.publisher)
    world.feed.deliver(members={CITIES: ["City/SF"]})
    world.quiet()
    assert world.datastore.commits == []
    assert world.engine.statistics.unchanged == 1


def test_two_mediators_of_one_name_are_refused(world: World) -> None:
    def make(key: ViewKey) -> LiveView[Documents]:
        pytest.fail("not made")

    sink = world.engine.publisher
    world.engine.populate(Population("city", [CITIES]), make, sink)
    with pytest.raises(ConfigurationError, match="name="):
        world.engine.populate(Population("city", [CITIES]), make, sink)


def test_views_that_read_each_other_are_parked(world: World) -> None:
    world.add(world.copying("v", "views/w"), "views/w")
    world.add(world.copying("w", "views/v"), "views/v")
    assert any(isinstance(error, CyclicViewError) for error in world.errors.values())


def test_a_discarded_view_releases_what_it_read_and_keeps_its_document(world: World) -> None:
    world.add(world.copying("v", "a/1"), "a/1")
    world.engine.discard(ViewKey("v", "a/1"))
    assert world.feed.wanted == {}
    assert world.datastore.exists("views/v")


def test_a_key_is_kept_once(world: World) -> None:
    world.add(world.copying("v", "a/1"), "a/1")
    with pytest.raises(BoilerError, match="already kept"):
        world.engine.add(world.copying("v", "a/1"))


def test_places_that_a_view_leaves_are_deleted_with_its_other_writes(world: World) -> None:
    world.datastore.put("a/1", {"value": "x"})

    def compute(reader: CutReader) -> Computed[Documents]:
        value = reader.documents(["a/1"])["a/1"].get("value")
        return Documents({f"views/{value}": CODEC.encode({"value": value})}).computed()

    world.add(LiveView(ViewKey("v", "a/1"), compute, world.engine.publisher), "a/1")
    world.change("a/1", "y")
    world.quiet()
    assert not world.datastore.exists("views/x")
    assert world.datastore.recorded_owner("views/x") is None
    assert world.datastore.fields("views/y") == {"value": "y"}
    assert len(world.datastore.commits[-1]) == 4


def test_a_conflict_that_explains_nothing_is_tried_again(world: World) -> None:
    world.datastore.failures.append(("before", ConflictError("contention")))
    world.add(world.copying("v", "a/1"), "a/1")
    assert world.errors == {}
    assert world.datastore.fields("views/v") == {"1": None}


def test_while_it_waits_a_view_keeps_what_its_value_was_made_from(world: World) -> None:
    world.datastore.put("a/1", {"next": "b/1"})

    def compute(reader: CutReader) -> Computed[Documents]:
        path = reader.documents(["a/1"])["a/1"].get("next")
        value = reader.documents([path])[path].get("value")
        return Documents({"views/v": CODEC.encode({"value": value})}).computed()

    world.engine.add(LiveView(ViewKey("v", "a/1"), compute, world.engine.publisher))
    for path in ("a/1", "b/1"):
        assert world.feed.listened.get(timeout=TIMEOUT_S) == path
        world.feed.deliver(path)
    world.quiet()
    world.datastore.put("a/1", {"next": "b/2"})
    world.feed.deliver("a/1")
    assert world.feed.listened.get(timeout=TIMEOUT_S) == "b/2"
    assert world.feed.wanted == {"a/1": 1, "b/1": 1, "b/2": 1}


def test_a_sink_that_takes_nothing_parks_its_view(world: World) -> None:
    class Closed(WithoutPlaces):
        def submit(self, *arguments: Any) -> None:
            raise RuntimeError("closed")

    view = world.copying("v", "a/1")
    view.sink = Closed()
    world.add(view, "a/1")
    assert "closed" in str(world.errors["v:a/1"])


def test_an_unforeseen_error_while_publishing_parks_and_stops_nothing(world: World) -> None:
    world.datastore.failures.append(("before", ZeroDivisionError("a bug")))
    world.add(world.copying("v", "a/1"), "a/1")
    assert "a bug" in str(world.errors["v:a/1"])
    world.change("a/1", 4)
    world.quiet()
    assert world.errors == {}
    assert world.datastore.fields("views/v") == {"1": 4}


def test_a_cut_that_is_still_too_old_makes_it_ask_for_another(world: World) -> None:
    view = world.copying("v", "a/1")
    view.at_least_ns = world.datastore.now_ns() + 3600 * 10**9
    world.engine.add(view)
    for _ in range(2):
        assert world.feed.refreshes.acquire(timeout=TIMEOUT_S)
        world.feed.deliver()
    assert world.computed == []


def test_what_a_view_waited_for_in_vain_does_not_deafen_it(world: World) -> None:
    population = Population("city", [CITIES])

    def make(key: ViewKey) -> LiveView[Documents]:
        def compute(reader: CutReader) -> Computed[Documents]:
            root = population.member(key.subject, reader.cut)
            assert root is not None
            mayor = reader.documents([root.get("mayor")])[root.get("mayor")]
            return Documents({"views/SF": CODEC.encode({"mayor": mayor.get("value")})}).computed()

        return LiveView(key, compute, world.engine.publisher)

    def move(mayor: str) -> None:
        world.datastore.put("City/SF", {"mayor": mayor})
        world.feed.deliver(members={CITIES: ["City/SF"]})

    world.engine.populate(population, make, world.engine.publisher)
    assert world.feed.listened.get(timeout=TIMEOUT_S) == CITIES
    world.datastore.put("m/1", {"value": "one"})
    move("m/1")
    assert world.feed.listened.get(timeout=TIMEOUT_S) == "m/1"
    world.feed.deliver("m/1")
    world.quiet()
    # It moves to what is not held yet, and back again before that is held.
    move("m/2")
    assert world.feed.listened.get(timeout=TIMEOUT_S) == "m/2"
    move("m/1")
    world.quiet()
    world.change("m/1", "changed")
    world.quiet()
    assert world.datastore.fields("views/SF") == {"mayor": "changed"}


def _keep_copies(world: World, population: Population) -> None:
    """A view for each member, of its ``value``, until it is gone."""

    def make(key: ViewKey) -> LiveView[Documents]:
        def compute(reader: CutReader) -> Computed[Documents]:
            root = population.member(key.subject, reader.cut)
            if root is None:
                return Documents().computed(gone=True)
            place = f"views/{root.id}"
            return Documents({place: CODEC.encode({"value": root.get("value")})}).computed()

        return LiveView(key, compute, world.engine.publisher)

    world.engine.populate(population, make, world.engine.publisher)


def test_the_end_of_a_discarded_view_is_not_that_of_its_successor(world: World) -> None:
    key = ViewKey("v", "a/1")
    ends: list[Callable[[PublishOutcome], None]] = []

    class Slow(WithoutPlaces):
        def submit(self, view: object, computed: object, done: Any) -> None:
            ends.append(done)
            submitted.release()

    submitted = threading.Semaphore(0)
    world.engine.add(LiveView(key, lambda reader: Documents().computed(gone=True), Slow()))
    assert submitted.acquire(timeout=TIMEOUT_S)
    world.engine.discard(key)
    world.engine.add(world.copying("v", "a/1"))
    world.feed.listened.get(timeout=TIMEOUT_S)
    world.feed.deliver("a/1")
    ends[0](PublishOutcome(written=True))
    world.quiet()
    assert world.engine.views == 1
    world.change("a/1", 2)
    world.quiet()
    assert world.datastore.fields("views/v") == {"1": 2}


def test_a_discarded_view_is_parked_no_more_and_claims_nothing(world: World) -> None:
    world.datastore.hold.clear()
    world.engine.add(world.copying("first", "a/1"))
    world.feed.listened.get(timeout=TIMEOUT_S)
    world.feed.deliver("a/1")
    assert world.datastore.entered.acquire(timeout=TIMEOUT_S)
    submitted = threading.Semaphore(0)

    class Telling(WithoutPlaces):
        def submit(self, *arguments: Any) -> None:
            world.engine.publisher.submit(*arguments)
            submitted.release()

    second = world.copying("second", "a/1", place="views/x")
    second.sink = Telling()
    world.engine.add(second)
    assert submitted.acquire(timeout=TIMEOUT_S)
    world.engine.discard(ViewKey("first", "a/1"))
    world.engine.discard(ViewKey("second", "a/1"))
    world.datastore.failures.append(("before", ValidationError({"document": ["too large"]})))
    world.datastore.hold.set()
    world.quiet()
    assert world.errors == {}
    assert publisher_of(world.engine).owner("views/x") is None


def test_a_refused_query_takes_no_view_away(world: World) -> None:
    for city in ("City/SF", "City/LA"):
        world.datastore.put(city, {"value": 1})
    _keep_copies(world, Population("city", [CITIES]))
    world.feed.deliver(members={CITIES: ["City/SF", "City/LA"]})
    world.quiet()
    world.feed.deliver(rejected={CITIES: "PERMISSION_DENIED"})
    [parked] = world.engine.parked
    assert isinstance(parked.error, TargetRejectedError)
    with world.engine._lock:
        # As if something else that it reads had changed.
        world.engine._phases.touch(world.engine._views[ViewKey("city", "City/SF")])
    world.quiet()
    assert world.datastore.fields("views/SF") == {"value": 1}
    assert isinstance(world.errors["city:City/SF"], TargetRejectedError)
    # What went while nobody could see it is gone once it can be seen again.
    world.datastore.drop("City/LA")
    world.feed.deliver(members={CITIES: ["City/SF"]})
    world.quiet()
    assert world.errors == {}
    assert world.datastore.fields("views/SF") == {"value": 1}
    assert not world.datastore.exists("views/LA")


def test_a_refused_target_parks_whoever_comes_to_read_it_later(world: World) -> None:
    world.engine.add(world.copying("v", "a/1"))
    world.feed.listened.get(timeout=TIMEOUT_S)
    world.feed.deliver(rejected={"a/1": "PERMISSION_DENIED"})
    world.engine.add(world.copying("w", "a/1"))
    world.quiet()
    assert {type(error) for error in world.errors.values()} == {TargetRejectedError}
    assert world.errors.keys() == {"v:a/1", "w:a/1"}
    world.feed.deliver("a/1")
    world.quiet()
    assert world.errors == {}
    assert world.datastore.fields("views/w") == {"1": None}


def test_a_refusal_is_forgotten_with_the_last_reader(world: World) -> None:
    world.engine.add(world.copying("v", "a/1"))
    world.feed.listened.get(timeout=TIMEOUT_S)
    world.feed.deliver(rejected={"a/1": "PERMISSION_DENIED"})
    world.engine.discard(ViewKey("v", "a/1"))
    world.add(world.copying("w", "a/1"), "a/1")
    assert world.errors == {}


def test_a_stopped_mediator_is_not_parked(world: World) -> None:
    population = Population("city", [CITIES])
    _keep_copies(world, population)
    world.feed.deliver(rejected={CITIES: "PERMISSION_DENIED"})
    assert list(world.errors) == ["city:City"]
    world.engine.depopulate(population)
    assert world.errors == {}


def test_a_start_that_failed_can_be_made_again(world: World) -> None:
    run_query = world.datastore.run_query

    def fail(*arguments: Any, **options: Any) -> Any:
        raise UnavailableError("away")

    world.datastore.run_query = fail  # type: ignore[method-assign]
    with pytest.raises(UnavailableError):
        _keep_copies(world, Population("city", [CITIES]))
    world.datastore.run_query = run_query  # type: ignore[method-assign]
    world.datastore.put("City/SF", {"value": 1})
    _keep_copies(world, Population("city", [CITIES]))
    world.feed.deliver(members={CITIES: ["City/SF"]})
    world.quiet()
    assert world.datastore.fields("views/SF") == {"value": 1}


def test_an_old_cut_does_not_overwrite_what_is_recalled(world: World) -> None:
    world.datastore.put("City/SF", {"value": 1})
    # The query is held by others already, as of a time before another process published.
    world.engine.feed.listen([CITIES])
    world.feed.deliver(members={CITIES: ["City/SF"]})
    world.datastore.put("City/SF", {"value": 2})
    record = {"mediator": "city", "root": "City/SF", "place": "views/SF"}
    world.datastore.put(ledger_path("views/SF"), record)
    world.datastore.put("views/SF", {"value": 2})
    _keep_copies(world, Population("city", [CITIES]))
    assert world.feed.refreshes.acquire(timeout=TIMEOUT_S)
    world.feed.deliver(members={CITIES: ["City/SF"]})
    world.quiet()
    assert world.datastore.commits == []


def test_a_place_that_cannot_even_be_named_parks_its_view_alone(world: World) -> None:
    world.add(world.copying("v", "a/1", place="views/\ud800"), "a/1")
    assert list(world.errors) == ["v:a/1"]
    world.add(world.copying("w", "a/1"))
    assert world.datastore.fields("views/w") == {"1": None}


def test_a_claim_that_was_lost_deletes_nothing(world: World) -> None:
    world.datastore.put("a/1", {"value": "x"})

    def compute(reader: CutReader) -> Computed[Documents]:
        value = reader.documents(["a/1"])["a/1"].get("value")
        return Documents({f"views/{value}": CODEC.encode({"value": value})}).computed()

    world.engine.add(LiveView(ViewKey("v", "a/1"), compute, world.engine.publisher))
    world.feed.listened.get(timeout=TIMEOUT_S)
    world.datastore.hold.clear()
    world.feed.deliver("a/1")
    assert world.datastore.entered.acquire(timeout=TIMEOUT_S)
    world.datastore.put("views/x", {"value": "somebody's"})
    world.datastore.hold.set()
    assert world.feed.refreshes.acquire(timeout=TIMEOUT_S)
    world.change("a/1", "y")
    world.quiet()
    assert world.datastore.fields("views/x") == {"value": "somebody's"}
    assert world.datastore.fields("views/y") == {"value": "y"}


@pytest.mark.parametrize(
    "place", ["__a/b__", "a/__", "a/.", "a%2F/b|c", "a/%5F", "é/" + "ü" * 749, "a/b" + "/c/d" * 999]
)
def test_every_place_has_a_record_of_its_own_and_a_legal_one(place: str) -> None:
    collection, _, doc_id = ledger_path(place).partition("/")
    assert collection == "_boiler_places"
    assert "/" not in doc_id
    assert len(doc_id.encode()) <= 1500
    assert not (doc_id.startswith("__") and doc_id.endswith("__"))
    others = ["%5F_a/b__", "_a/b__", "a%252F/b|c", "a/_", "a|b", "a/b|c"]
    assert ledger_path(place) not in map(ledger_path, others)


def test_a_population_that_is_stopped_finishes_what_is_in_hand(world: World) -> None:
    world.datastore.put("City/SF", {"value": 1})
    population = Population("city", [CITIES])
    _keep_copies(world, population)
    world.datastore.hold.clear()
    world.feed.deliver(members={CITIES: ["City/SF"]})
    assert world.datastore.entered.acquire(timeout=TIMEOUT_S)
    stopping = threading.Thread(target=world.engine.depopulate, args=(population,))
    stopping.start()
    with pytest.raises(ConfigurationError, match="name="):
        _keep_copies(world, Population("city", [CITIES]))
    world.datastore.hold.set()
    stopping.join(TIMEOUT_S)
    assert world.datastore.fields("views/SF") == {"value": 1}
    assert world.engine.views == 0
    # And it starts again over what it left.
    _keep_copies(world, Population("city", [CITIES]))
    world.feed.deliver(members={CITIES: ["City/SF"]})
    world.quiet()
    assert len(world.datastore.commits) == 1


def test_a_handler_may_stop_its_own_population(world: World) -> None:
    population = Population("city", [CITIES])

    def make(key: ViewKey) -> LiveView[Documents]:
        def compute(reader: CutReader) -> Computed[Documents]:
            world.engine.depopulate(population)
            return Documents().computed()

        return LiveView(key, compute, world.engine.publisher)

    world.datastore.put("City/SF", {"value": 1})
    world.engine.populate(population, make, world.engine.publisher)
    world.feed.deliver(members={CITIES: ["City/SF"]})
    world.quiet()
    assert world.errors == {}
    assert world.engine.views == 0
    assert world.feed.wanted == {}


def test_a_change_before_a_view_is_known_as_a_reader_is_not_lost(world: World) -> None:
    entered, go_on = threading.Event(), threading.Event()

    def before() -> None:
        entered.set()
        assert go_on.wait(TIMEOUT_S)

    world.add(world.copying("w", "b/1"), "b/1")
    world.engine.add(world.copying("v", "b/1", before=before))
    assert entered.wait(TIMEOUT_S)
    world.change("b/1", 2)
    go_on.set()
    world.quiet()
    assert world.datastore.fields("views/v") == {"1": 2}


def test_what_came_while_a_view_missed_it_is_not_waited_for(world: World) -> None:
    entered, go_on = threading.Event(), threading.Event()

    def compute(reader: CutReader) -> Computed[Documents]:
        entered.set()
        assert go_on.wait(TIMEOUT_S)
        value = reader.documents(["b/1"])["b/1"].get("value")
        return Documents({"views/v": CODEC.encode({"value": value})}).computed()

    world.engine.add(LiveView(ViewKey("v", "b/1"), compute, world.engine.publisher))
    assert entered.wait(TIMEOUT_S)
    world.add_held_by_others("b/1", 3)
    go_on.set()
    world.quiet()
    assert world.datastore.fields("views/v") == {"value": 3}


def test_a_view_heals_when_what_it_failed_on_changes(world: World) -> None:
    world.datastore.put("b/1", {"value": 0})
    world.add(world.copying("w", "b/1"), "b/1")

    def compute(reader: CutReader) -> Computed[Documents]:
        reader.documents(["a/1"])
        value = 10 // reader.documents(["b/1"])["b/1"].get("value")
        return Documents({"views/v": CODEC.encode({"value": value})}).computed()

    world.add(LiveView(ViewKey("v", "a/1"), compute, world.engine.publisher), "a/1")
    assert list(world.errors) == ["v:a/1"]
    world.change("b/1", 5)
    world.quiet()
    assert world.errors == {}
    assert world.datastore.fields("views/v") == {"value": 2}


def test_a_root_that_is_recreated_while_its_view_goes_has_a_view_again(world: World) -> None:
    world.datastore.put("City/SF", {"value": 1})
    _keep_copies(world, Population("city", [CITIES]))
    world.feed.deliver(members={CITIES: ["City/SF"]})
    world.quiet()
    assert world.datastore.entered.acquire(timeout=TIMEOUT_S)
    world.datastore.hold.clear()
    world.datastore.drop("City/SF")
    world.feed.deliver(left={CITIES: ["City/SF"]})
    assert world.datastore.entered.acquire(timeout=TIMEOUT_S)
    world.datastore.put("City/SF", {"value": 2})
    world.feed.deliver(members={CITIES: ["City/SF"]})
    world.datastore.hold.set()
    world.quiet()
    assert world.datastore.fields("views/SF") == {"value": 2}
    assert world.engine.views == 1


def test_a_place_is_not_deleted_that_somebody_published_since(world: World) -> None:
    world.datastore.put("a/1", {"value": "x"})

    def compute(reader: CutReader) -> Computed[Documents]:
        value = reader.documents(["a/1"])["a/1"].get("value")
        return Documents({f"views/{value}": CODEC.encode({"value": value})}).computed()

    world.add(LiveView(ViewKey("v", "a/1"), compute, world.engine.publisher), "a/1")
    assert world.datastore.entered.acquire(timeout=TIMEOUT_S)
    world.datastore.hold.clear()
    world.change("a/1", "y")
    assert world.datastore.entered.acquire(timeout=TIMEOUT_S)
    world.datastore.put("a/1", {"value": "x"})
    world.datastore.put("views/x", {"value": "x", "by": "another process"})
    world.datastore.hold.set()
    assert world.feed.refreshes.acquire(timeout=TIMEOUT_S)
    assert world.datastore.fields("views/x") == {"value": "x", "by": "another process"}
    world.feed.deliver("a/1")
    world.quiet()
    assert world.datastore.fields("views/x") == {"value": "x"}
    assert not world.datastore.exists("views/y")


def test_a_view_that_cannot_be_written_claims_no_place(world: World) -> None:
    world.datastore.failures.append(("before", ValidationError({"document": ["too large"]})))
    world.add(world.copying("v", "a/1", place="views/x"), "a/1")
    assert list(world.errors) == ["v:a/1"]
    assert publisher_of(world.engine).owner("views/x") is None


def test_a_place_that_the_ledger_gives_to_another_is_refused(world: World) -> None:
    record = {"mediator": "other", "root": "b/1", "place": "views/v"}
    world.datastore.put(ledger_path("views/v"), record)
    world.datastore.put("views/v", {"value": "other's"})
    world.add(world.copying("v", "a/1"), "a/1")
    assert "other:b/1" in str(world.errors["v:a/1"])
    assert world.datastore.fields("views/v") == {"value": "other's"}


class Town:
    """A population of the one document ``towns/a``, whose view copies it."""

    key = ViewKey("Town", "towns/a")

    def __init__(self, world: World) -> None:
        self.world = world
        self.population = Population("Town", ["towns/a"])
        world.engine.populate(self.population, self._make, world.engine.publisher)
        assert world.feed.listened.get(timeout=TIMEOUT_S) == "towns/a"

    def _make(self, key: ViewKey) -> LiveView[Documents]:
        def compute(reader: CutReader) -> Computed[Documents]:
            root = self.population.member(key.subject, reader.cut)
            if root is None:
                return Documents().computed(gone=True)
            return Documents({"townView/a": CODEC.encode({"value": root.get("value")})}).computed()

        return LiveView(key, compute, self.world.engine.publisher)

    def show(self, value: int | None) -> None:
        if value is None:
            self.world.datastore.drop("towns/a")
        else:
            self.world.datastore.put("towns/a", {"value": value})
        self.world.feed.deliver("towns/a")
        self.world.quiet()

    @property
    def view(self) -> Any:
        stored = self.world.datastore.documents.get("townView/a")
        return None if stored is None else stored.to_dict()


def test_the_view_of_one_document_comes_and_goes_with_it(world: World) -> None:
    town = Town(world)
    town.show(None)
    assert town.view is None
    for value in (1, 2, None, 3):
        town.show(value)
        assert town.view == (None if value is None else {"value": value})
    world.engine.depopulate(town.population)
    assert world.feed.wanted == {}
    assert town.view == {"value": 3}


def test_one_document_that_was_deleted_unseen_takes_its_view_along(world: World) -> None:
    world.datastore.put("townView/a", {"value": 1})
    record = {"mediator": "Town", "root": "towns/a", "place": "townView/a"}
    world.datastore.put(ledger_path("townView/a"), record)
    town = Town(world)
    town.show(None)
    assert town.view is None
    assert world.datastore.recorded_owner("townView/a") is None


def test_one_document_that_is_refused_for_a_while_keeps_its_view(world: World) -> None:
    town = Town(world)
    town.show(1)
    world.feed.deliver(rejected={"towns/a": "no permission"})
    assert isinstance(world.errors["Town:towns/a"], TargetRejectedError)
    world.quiet()
    assert town.view == {"value": 1}
    town.show(2)
    assert world.errors == {}
    assert town.view == {"value": 2}
