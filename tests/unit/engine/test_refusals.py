"""What everybody is refused is waited out; what one view is refused parks that view."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import grpc
import pytest

from flask_boiler.engine.cut_reader import CutReader
from flask_boiler.engine.live_view import LiveView
from flask_boiler.engine.sink import Computed, Documents
from flask_boiler.engine.view_key import ViewKey
from flask_boiler.errors import (
    BoilerError,
    PermissionDeniedError,
    UnauthenticatedError,
    UnavailableError,
)
from flask_boiler.ground.values import Write
from tests.unit.engine.fakes import CODEC
from tests.unit.engine.test_engine import World

TIMEOUT_S = 30.0


class Said(grpc.RpcError):
    """Firestore's own words."""

    def __init__(self, code: grpc.StatusCode) -> None:
        super().__init__(code.name)
        self._code = code

    def code(self) -> grpc.StatusCode:
        return self._code


CODES = {
    PermissionDeniedError: grpc.StatusCode.PERMISSION_DENIED,
    UnauthenticatedError: grpc.StatusCode.UNAUTHENTICATED,
    UnavailableError: grpc.StatusCode.RESOURCE_EXHAUSTED,
}


def refusal(kind: type[BoilerError] = PermissionDeniedError) -> BoilerError:
    error = kind(f"commit: {CODES[kind].name}")
    error.__cause__ = Said(CODES[kind])
    return error


class Refusing(World):
    """A world in which Firestore refuses what the test says."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.engine.acceptance._clock = lambda: self.now
        self.engine.acceptance.first_pause_s = 0.0
        self.refused = threading.Semaphore(0)

    def refuse(self, kind: type[BoilerError] | None, *paths: str) -> None:
        """Refuse all commits, or those that write one of these; nothing with ``None``."""

        def refused(writes: Sequence[Write]) -> BoilerError | None:
            if kind is None or (paths and all(write.path not in paths for write in writes)):
                return None
            self.refused.release()
            return refusal(kind)

        self.datastore.refusal = refused

    def await_refusals(self, count: int) -> None:
        for _ in range(count):
            assert self.refused.acquire(timeout=TIMEOUT_S)

    def is_stored(self, place: str, fields: dict[str, Any]) -> bool:
        return self.datastore.exists(place) and self.datastore.fields(place) == fields

    def await_value(self, place: str, fields: dict[str, Any]) -> None:
        """Wait until this is stored, and for the end of what stored it."""
        deadline = time.monotonic() + TIMEOUT_S
        while not self.is_stored(place, fields):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{place} is {self.datastore.documents.get(place)}")
            self.datastore.entered.acquire(timeout=0.1)
        self.quiet()

    def ask(self) -> None:
        """Have it asked again, whatever time it is."""
        self.now += 1000.0
        self.engine.acceptance.on_refused()


@pytest.fixture
def world() -> Iterator[Refusing]:
    world = Refusing()
    world.engine.start()
    yield world
    world.refuse(None)
    world.engine.stop()


@pytest.mark.parametrize("kind", [*CODES])
def test_what_everybody_is_refused_is_waited_out(
    world: Refusing, kind: type[BoilerError], caplog: pytest.LogCaptureFixture
) -> None:
    world.datastore.put("a/1", {"value": 1})
    world.datastore.put("b/1", {"value": 1})
    world.add(world.copying("v", "a/1"), "a/1")
    world.add(world.copying("w", "b/1"), "b/1")
    world.refuse(kind)
    world.change("a/1", 2)
    world.change("b/1", 2)
    world.await_refusals(3)
    assert world.engine.parked == []
    assert world.engine.lag_s > 0
    world.refuse(None)
    world.quiet()
    assert world.engine.parked == []
    assert world.datastore.fields("views/v") == {"1": 2}
    assert world.datastore.fields("views/w") == {"1": 2}
    assert world.engine.acceptance.hindrance is None
    assert world.datastore.credentials == (2 if kind is UnauthenticatedError else 1)


def test_who_waits_and_who_asks_is_told_that_it_is_refused_and_since_when(world: Refusing) -> None:
    world.datastore.put("a/1", {"value": 1})
    world.refuse(PermissionDeniedError)
    world.engine.add(world.copying("v", "a/1"))
    world.feed.listened.get(timeout=TIMEOUT_S)
    world.feed.deliver("a/1")
    world.await_refusals(3)
    world.now = 90.0
    assert world.engine.acceptance.hindered_s == 90.0
    with pytest.raises(TimeoutError, match=r"refuses all commits since .* UTC: commit: PERMISSION"):
        world.engine.await_quiet(timeout_s=0.0)


def test_a_refusal_of_one_view_alone_parks_that_one_and_it_heals_by_itself(
    world: Refusing,
) -> None:
    world.refuse(PermissionDeniedError, "views/v")
    for name in "uvw":
        world.datastore.put(f"{name}/1", {"value": 1})
        world.engine.add(world.copying(name, f"{name}/1"))
        world.feed.listened.get(timeout=TIMEOUT_S)
    world.feed.deliver("u/1", "v/1", "w/1")
    world.quiet()
    assert list(world.errors) == ["v:v/1"]
    assert world.engine.acceptance.hindrance is None
    assert world.datastore.fields("views/u") == world.datastore.fields("views/w") == {"1": 1}

    world.refuse(None)
    world.ask()
    world.await_value("views/v", {"1": 1})
    assert world.errors == {}


def test_what_lasts_is_parked_and_heals_by_itself(world: Refusing) -> None:
    world.datastore.put("a/1", {"value": 1})
    world.add(world.copying("v", "a/1"), "a/1")
    world.refuse(UnauthenticatedError)
    world.change("a/1", 2)
    # The third comes after it was found out that all are refused, and since when.
    world.await_refusals(3)
    assert world.engine.parked == []
    world.now = world.engine.acceptance.patience_s
    world.quiet()
    assert isinstance(world.errors["v:a/1"], UnauthenticatedError)
    # Others are not waited for anew.
    world.datastore.put("b/1", {"value": 1})
    world.add(world.copying("w", "b/1"), "b/1")
    assert set(world.errors) == {"v:a/1", "w:b/1"}

    world.refuse(None)
    world.ask()
    world.await_value("views/v", {"1": 2})
    world.await_value("views/w", {"1": 1})
    world.quiet()
    assert world.errors == {}


@pytest.mark.parametrize("kind", [*CODES])
def test_a_handler_that_is_refused_what_all_are_waits_and_is_called_again(
    world: Refusing, kind: type[BoilerError]
) -> None:
    allowed = threading.Event()

    def compute(reader: CutReader) -> Computed[Documents]:
        value = reader.documents(["a/1"])["a/1"].get("value")
        if not allowed.is_set():
            raise refusal(kind)
        return Documents({"views/v": CODEC.encode({"1": value})}).computed()

    world.refuse(kind)
    world.datastore.put("a/1", {"value": 1})
    world.engine.add(LiveView(ViewKey("v", "a/1"), compute, world.engine.publisher))
    world.feed.listened.get(timeout=TIMEOUT_S)
    world.feed.deliver("a/1")
    world.await_refusals(1)
    assert world.engine.parked == []
    allowed.set()
    world.refuse(None)
    world.ask()
    world.await_value("views/v", {"1": 1})
    assert world.engine.parked == []


def test_a_handler_that_is_refused_for_long_is_parked(world: Refusing) -> None:
    def compute(reader: CutReader) -> Computed[Documents]:
        reader.documents(["a/1"])
        raise refusal()

    world.refuse(PermissionDeniedError)
    world.datastore.put("a/1", {"value": 1})
    world.engine.add(LiveView(ViewKey("v", "a/1"), compute, world.engine.publisher))
    world.feed.listened.get(timeout=TIMEOUT_S)
    world.feed.deliver("a/1")
    # The second comes after it was found out that all are refused, and since when.
    world.await_refusals(2)
    world.ask()
    world.quiet()
    assert isinstance(world.errors["v:a/1"], PermissionDeniedError)


def test_a_handler_that_is_refused_alone_is_parked(world: Refusing) -> None:
    def compute(reader: CutReader) -> Computed[Documents]:
        reader.documents(["a/1"])
        raise refusal()

    world.datastore.put("a/1", {"value": 1})
    world.add(LiveView(ViewKey("v", "a/1"), compute, world.engine.publisher), "a/1")
    assert isinstance(world.errors["v:a/1"], PermissionDeniedError)


def test_what_an_application_raises_of_that_kind_is_its_own(world: Refusing) -> None:
    def compute(reader: CutReader) -> Computed[Documents]:
        reader.documents(["a/1"])
        raise PermissionDeniedError("not from you")

    world.refuse(PermissionDeniedError)
    world.datastore.put("a/1", {"value": 1})
    world.add(LiveView(ViewKey("v", "a/1"), compute, world.engine.publisher), "a/1")
    assert "not from you" in str(world.errors["v:a/1"])


def test_the_canary_of_settle_is_repeated_while_it_is_refused(world: Refusing) -> None:
    answers: list[Any] = [refusal(), refusal(UnauthenticatedError)]

    def write() -> int:
        if answers:
            raise answers.pop()
        committed = world.datastore.put("canaries/1", {}).update_time_ns
        world.feed.deliver("canaries/1")
        return committed

    waiter = threading.Thread(
        target=lambda: world.engine.settle("canaries/1", write, timeout_s=TIMEOUT_S)
    )
    waiter.start()
    world.feed.listened.get(timeout=TIMEOUT_S)
    world.datastore.put("canaries/1", {})
    world.feed.deliver("canaries/1")
    waiter.join(TIMEOUT_S)
    assert not waiter.is_alive()
    assert answers == []
