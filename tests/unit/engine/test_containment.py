"""Whatever user code raises concerns its own view: no thread of ours ends by it."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from flask_boiler import attrs
from flask_boiler.engine.cut_reader import CutReader
from flask_boiler.engine.live_view import LiveView
from flask_boiler.engine.sink import Computed, Documents, WithoutPlaces
from flask_boiler.engine.view_key import ViewKey
from flask_boiler.errors import BoilerError, MaterializationError
from flask_boiler.ground.values import Snapshot
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.view.mediation.keeping.handlers import ProtocolBase
from flask_boiler.view.query_mediator import QueryMediator
from flask_boiler.viewmodels.slots.reference import reference
from flask_boiler.viewmodels.store import Store
from flask_boiler.viewmodels.view_model import ViewModel
from tests.unit.engine.fakes import CODEC
from tests.unit.engine.test_engine import World
from tests.unit.view.mediation.keeping.test_keeping import TIMEOUT_S, TOWNS, Keeping, TownView
from tests.unit.view.mediation.test_following import follow


class Ending(BaseException):
    """As what other libraries end threads by."""


ENDINGS = [SystemExit, KeyboardInterrupt, GeneratorExit, asyncio.CancelledError, Ending]


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    world.engine.start()
    yield world
    world.engine.stop()


def raising(name: str, source: str, kind: type[BaseException], world: World) -> LiveView[Documents]:
    """A view whose getter ends the thread that it runs on as often as it can, until it heals."""

    def compute(reader: CutReader) -> Computed[Documents]:
        value = reader.documents([source])[source].get("value")
        if value == "fatal":
            raise kind("enough")
        return Documents({f"views/{name}": CODEC.encode({"value": value})}).computed()

    return LiveView(ViewKey(name, source), compute, world.engine.publisher)


@pytest.mark.parametrize("kind", ENDINGS)
def test_what_ends_a_thread_elsewhere_parks_its_view_alone(
    world: World, kind: type[BaseException]
) -> None:
    for n in range(3):
        world.datastore.put(f"a/{n}", {"value": "fatal"})
        world.add(raising(f"bad{n}", f"a/{n}", kind, world), f"a/{n}")
    world.datastore.put("b/1", {"value": 5})
    world.add(world.copying("good", "b/1"), "b/1")
    assert world.datastore.fields("views/good") == {"1": 5}
    assert set(world.errors) == {f"bad{n}:a/{n}" for n in range(3)}
    for error in world.errors.values():
        assert isinstance(error, MaterializationError)
        assert kind.__name__ in str(error)
        assert isinstance(error.__cause__, kind)

    world.change("a/1", 7)
    world.quiet()
    assert world.datastore.fields("views/bad1") == {"value": 7}
    assert len(world.errors) == 2


def test_a_sink_that_raises_anything_parks_its_view_alone(world: World) -> None:
    class Closed(WithoutPlaces):
        def submit(self, *arguments: Any) -> None:
            raise SystemExit("closed")

    view = world.copying("v", "a/1")
    view.sink = Closed()
    world.datastore.put("a/1", {"value": 1})
    world.add(view, "a/1")
    assert "closed" in str(world.errors["v:a/1"])


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_ends_by_our_fault_is_told_to_who_waits(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def break_down(*arguments: Any) -> None:
        raise AssertionError("our fault")

    monkeypatch.setattr(world.engine.publisher, "_publish", break_down)
    world.datastore.put("a/1", {"value": 1})
    world.engine.add(world.copying("v", "a/1"))
    world.feed.listened.get(timeout=TIMEOUT_S)
    world.feed.deliver("a/1")
    with caplog.at_level(logging.CRITICAL), pytest.raises(BoilerError, match="our fault"):
        world.engine.await_quiet(timeout_s=TIMEOUT_S)
    [record] = [r for r in caplog.records if r.levelno == logging.CRITICAL]
    assert "flask-boiler-publish" in record.getMessage()
    assert "no view is written any more" in record.getMessage()
    assert record.exc_info is not None


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_compute_thread_that_ends_by_our_fault_is_told_to_who_waits(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(*arguments: Any) -> None:
        raise SystemExit("our fault")

    monkeypatch.setattr(world.engine, "_computed", break_down)
    waiting: list[BaseException] = []

    def settle() -> None:
        try:
            world.engine.await_quiet(timeout_s=TIMEOUT_S)
        except BoilerError as error:
            waiting.append(error)

    world.datastore.put("a/1", {"value": 1})
    world.engine.add(world.copying("v", "a/1"))
    waiter = threading.Thread(target=settle)
    waiter.start()
    world.feed.listened.get(timeout=TIMEOUT_S)
    world.feed.deliver("a/1")
    waiter.join(TIMEOUT_S)
    assert "our fault" in str(waiting[0])
    assert world.engine.fault is not None


class Yard(DomainModel):
    title = attrs.bproperty()

    class Meta:
        collection_name = "towns"


class YardStore(Store):
    town = reference(Yard)
    other = reference(Yard, source=lambda store: ended_by("its source", store.town.title))


class YardView(ViewModel):
    store: YardStore

    @property
    def doc_ref(self) -> str:
        ended_by("doc_ref", self.store.town.title)  # type: ignore[union-attr]
        return "yards/here"

    @attrs.computed
    def title(self) -> Any:
        return ended_by("title", self.store.town.title)  # type: ignore[union-attr]

    @attrs.computed
    def other(self) -> Any:
        return self.store.other.title  # type: ignore[union-attr]


def ended_by(here: str, title: Any) -> Any:
    """A document to read, unless the title says that it ends here."""
    if title == here:
        raise SystemExit("enough")
    return "towns/b" if here == "its source" else title


@pytest.fixture
def keeping() -> Iterator[Keeping]:
    keeping = Keeping()
    yield keeping
    keeping.stop()


@pytest.mark.parametrize(
    ("where", "named"),
    [("its source", "YardStore.other"), ("doc_ref", "YardView.doc_ref"), ("title", "YardView.ti")],
)
def test_what_ended_is_named(keeping: Keeping, where: str, named: str) -> None:
    keeping.keep(QueryMediator(query=Yard.get_query(), view_model_cls=YardView))
    keeping.feed.deliver(members={TOWNS: []})
    keeping.datastore.put("towns/b", {"title": "b"})
    keeping.datastore.put("towns/a", {"title": "a"})
    keeping.feed.listened.get(timeout=TIMEOUT_S)
    keeping.feed.deliver(members={TOWNS: ["towns/a"]})
    keeping.feed.deliver(str(keeping.feed.listened.get(timeout=TIMEOUT_S)))
    keeping.quiet()
    assert keeping.errors == []
    for _ in range(3):
        keeping.show(title=where)
        [error] = keeping.errors
        assert named in str(error)
        assert "SystemExit" in str(error)
    keeping.show(title="c")
    assert keeping.errors == []
    assert keeping.datastore.fields("yards/here") == {
        **(keeping.datastore.fields("yards/here") or {}),
        "title": "c",
        "other": "b",
    }


def test_a_handler_that_ends_is_parked_and_called_again(keeping: Keeping) -> None:
    class Watching(QueryMediator):
        class Protocol(ProtocolBase):
            @staticmethod
            def on_create(snapshot: Snapshot, mediator: QueryMediator) -> None:
                ended_by("on_create", snapshot.get("title"))
                mediator.notify(TownView.new(town=snapshot))

    keeping.keep(Watching(query=Yard.get_query()))
    for _ in range(3):
        keeping.show(title="on_create")
        assert "SystemExit" in str(keeping.errors)
    keeping.show(title="a")
    assert keeping.errors == []
    assert keeping.engine.fault is None


def test_f_notify_that_ends_parks_its_view_alone(keeping: Keeping) -> None:
    called = threading.Semaphore(0)

    def leave(view: Any) -> None:
        called.release()
        raise SystemExit("enough")

    keeping.datastore.put("towns/a", {"title": "a"})
    view = follow(keeping, TownView, "towns/a", f_notify=leave)
    for title in ("b", "c", "d"):
        keeping.datastore.put("towns/a", {"title": title})
        keeping.feed.deliver("towns/a")
        assert called.acquire(timeout=TIMEOUT_S)
        keeping.quiet()
        [error] = keeping.errors
        assert "SystemExit" in str(error)
    view.close()
    keeping.quiet()


def test_a_first_value_that_ends_fails_whoever_waits_for_it(keeping: Keeping) -> None:
    class Leaving(TownView):
        @attrs.computed
        def wrong(self) -> int:
            raise SystemExit("enough")

    keeping.datastore.put("towns/a", {"title": "a"})
    with pytest.raises(MaterializationError, match=r"Leaving\.wrong raised SystemExit"):
        follow(keeping, Leaving, "towns/a")


def test_in_a_request_it_is_the_servers(keeping: Keeping) -> None:
    with keeping.context.activated():
        keeping.datastore.put("towns/b", {"title": "b"})
        town = keeping.datastore.put("towns/a", {"title": "its source"})
        view = YardView.new(town=town)
        with pytest.raises(SystemExit):
            view.to_document()
        assert view.store._looking_ahead is False
