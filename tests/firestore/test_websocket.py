"""Views over Socket.IO, on a real Firestore, with Flask-SocketIO's own test client."""

# mypy: disable-error-code="no-redef, union-attr"

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterator
from typing import Any

import flask_socketio
import pytest
from flask import Flask, request

from flask_boiler import (
    Attr,
    Boiler,
    DomainModel,
    Mutation,
    Store,
    ViewModel,
    WsLimits,
    WsMediator,
    attrs,
    reference,
)
from flask_boiler.errors import ConfigurationError, PermissionDeniedError
from flask_boiler.testing import Settle
from flask_boiler.view.socketio.admission import Admission
from flask_boiler.view.socketio.shared_view import SharedView
from tests.firestore.towns import TownMutation, TownView, save_a_town

NAMESPACE = "/ponds"
TIMEOUT_S = 30.0
HERD = 12


class Pond(DomainModel):
    title: Attr[str] = attrs.bproperty()
    fish: Attr[int] = attrs.bproperty(default=0)


class PondStore(Store):
    pond = reference(Pond)


class PondView(ViewModel):
    store: PondStore

    title: Attr[str] = attrs.bproperty(required=True)
    per_frog: Attr[float] = attrs.bproperty()

    @title.getter
    def title(self) -> Any:
        return self.store.pond.title

    @title.setter
    def title(self, value: str) -> None:
        self.store.pond.title = value

    @per_frog.getter
    def per_frog(self) -> Any:
        return 12 / self.store.pond.fish if self.store.pond.fish != 1 else 12


class PondMutation(Mutation[PondView]):
    pass


class OwnPondView(ViewModel):
    """A pond as one user sees it: its fish are told to Ada alone."""

    store: PondStore
    user = ""

    title: Attr[str] = attrs.bproperty()

    @title.getter
    def title(self) -> Any:
        return self.store.pond.title

    fish: Attr[int] = attrs.bproperty()

    @fish.getter
    def fish(self) -> Any:
        return self.store.pond.fish if self.user == "ada" else 0

    @classmethod
    def new(cls, doc_id: str, user: str) -> Any:
        view = cls(store=PondStore(pond=doc_id))
        view.user = user
        return view


class OwnPonds(WsMediator):
    """Who asks is part of what is asked for."""

    def authorize(self, arguments: dict[str, Any]) -> Hashable:
        arguments["user"] = request.args["user"]
        return None


class WatchedPonds(WsMediator):
    """Who may see a pond is what the query string says."""

    def authorize(self, arguments: dict[str, Any]) -> Hashable:
        if arguments.get("doc_id") == "secret":
            raise PermissionDeniedError("The secret pond is secret.")
        return request.args.get("user")

    def authorize_mutation(
        self, operation: str, doc_id: str | None, data: dict[str, Any] | None
    ) -> None:
        if operation == "delete":
            raise PermissionDeniedError("Ponds stay.")

    def on_ping_me(self, text: str) -> str:
        return text


class World:
    """An application with one mediator, and its clients."""

    def __init__(self, boiler: Boiler, mediator: WsMediator) -> None:
        self.boiler = boiler
        self.mediator = mediator
        self.app = Flask("ponds")
        boiler.init_app(self.app)
        self.io = flask_socketio.SocketIO(self.app, async_mode="threading")
        self.io.on_namespace(mediator)

    def client(self, **options: Any) -> Client:
        return Client(self, **options)


class Client:
    """Flask-SocketIO's test client, on the mediator's namespace."""

    def __init__(self, world: World, **options: Any) -> None:
        self.namespace = world.mediator.namespace
        self._client = world.io.test_client(world.app, namespace=self.namespace, **options)

    def emit(self, event: str, *data: Any) -> Any:
        return self._client.emit(event, *data, callback=True, namespace=self.namespace)

    def subscribe(self, doc_id: str, **options: Any) -> Any:
        return self.emit("subscribe_view_model", {"doc_id": doc_id}, options)

    def received(self, name: str) -> list[Any]:
        got = self._client.get_received(self.namespace)
        return [event["args"] for event in got if event["name"] == name]

    def awaited(self, name: str) -> list[Any]:
        """What was received by this name, as soon as there is something: what fails is told
        after everything has settled.
        """
        done = threading.Event()
        for _ in range(int(TIMEOUT_S * 100)):
            got = self.received(name)
            if got:
                return got
            done.wait(0.01)
        raise AssertionError(f"no {name} was received")

    def is_connected(self) -> bool:
        return bool(self._client.is_connected(self.namespace))

    def leave(self) -> None:
        self._client.disconnect(namespace=self.namespace)


@pytest.fixture
def make(boiler: Boiler) -> Iterator[Callable[..., World]]:
    made: list[World] = []

    def make_world(mediator: WsMediator) -> World:
        world = World(boiler, mediator)
        made.append(world)
        return world

    yield make_world
    for world in made:
        world.mediator.stop()


@pytest.fixture
def world(make: Callable[..., World]) -> World:
    limits = WsLimits(max_subscriptions=3, max_message_bytes=4096, linger_s=0.0)
    world = make(WatchedPonds(PondView, PondMutation, namespace=NAMESPACE, limits=limits))
    for doc_id in ("a", "b", "secret"):
        Pond.new(doc_id=doc_id, title=doc_id.upper(), fish=3).save()
    return world


def await_views(world: World, count: int) -> None:
    """Wait until so many views are kept; they are let go on a thread of the mediator's."""
    done = threading.Event()
    for _ in range(int(TIMEOUT_S * 100)):
        if world.mediator.views == count and world.boiler.engine.views == count:
            return
        done.wait(0.01)
    raise AssertionError(f"{world.mediator.views} views, {world.boiler.engine.views} in the engine")


def await_another_title(client: Client, title: str) -> None:
    """Wait until who subscribes is given another title."""
    done = threading.Event()
    for _ in range(int(TIMEOUT_S * 100)):
        if client.subscribe("a")["value"]["title"] != title:
            return
        done.wait(0.01)
    raise AssertionError(f"the title remained {title}")


def test_a_subscription_is_live_when_it_is_acknowledged(world: World, settle: Settle) -> None:
    client = world.client()
    first = client.subscribe("a")
    assert first["value"] == {"title": "A", "perFrog": 4.0}
    assert first["updates"] == "full"
    # A write after the acknowledgement is never missed.
    for fish in (2, 4, 6):
        Pond.get_or_raise("a").update(fish=fish)
        settle()
        [(value, meta)] = client.received("updated")
        assert value["perFrog"] == 12 / fish
        assert meta["version"] > first["version"]
        assert meta["subscription_id"] == first["subscription_id"]
        assert meta["read_time"] > first["read_time"]


def test_a_write_after_an_acknowledgement_is_never_missed_by_any_of_many(
    world: World, settle: Settle
) -> None:
    written = threading.Event()
    enough = threading.Event()
    counts: list[int] = []

    def write() -> None:
        pond = Pond.get_or_raise("a")
        while not enough.is_set():
            counts.append(len(counts) + 1)
            pond.update(title=str(counts[-1]))
            written.set()

    def run() -> None:
        with world.boiler.context.activated():
            write()

    writer = threading.Thread(target=run)
    writer.start()
    try:
        assert written.wait(TIMEOUT_S)
        clients = [world.client() for _ in range(30)]
        first = [client.subscribe("a") for client in clients[:15]]
        await_another_title(world.client(), first[0]["value"]["title"])
        first += [client.subscribe("a") for client in clients[15:]]
        # What comes now was written while all of them were subscribed.
        written.clear()
        assert written.wait(TIMEOUT_S)
    finally:
        enough.set()
        writer.join()
    settle()
    assert len({answer["value"]["title"] for answer in first}) > 1
    for client, answer in zip(clients, first, strict=True):
        told = client.received("updated")
        versions = [answer["version"], *(meta["version"] for _, meta in told)]
        assert versions == sorted(set(versions))
        titles = [int(answer["value"]["title"]), *(int(value["title"]) for value, _ in told)]
        assert titles == sorted(titles)
        assert titles[-1] == counts[-1]


def test_a_change_that_nobody_sees_is_told_to_nobody(world: World, settle: Settle) -> None:
    client = world.client()
    client.subscribe("a")
    Pond.get_or_raise("b").update(title="other")
    Pond.get_or_raise("a").save(force=True)
    settle()
    assert client.received("updated") == []


def test_equal_views_are_computed_once(world: World) -> None:
    clients = [world.client() for _ in range(5)]
    ids = {client.subscribe("a")["subscription_id"] for client in clients}
    assert len(ids) == 1
    assert (world.mediator.views, world.boiler.engine.views) == (1, 1)
    clients[0].subscribe("b")
    assert world.mediator.views == 2


def test_who_may_not_see_the_same_thing_shares_nothing(world: World, settle: Settle) -> None:
    ada, bob = (world.client(query_string=f"user={user}") for user in ("ada", "bob"))
    assert ada.subscribe("a")["subscription_id"] != bob.subscribe("a")["subscription_id"]
    assert world.mediator.views == 2
    for name in ("doc_id", "pond", "pond_id"):
        refused = bob.emit("subscribe_view_model", {name: "secret"})
        assert refused["error"]["status"] == 403
    assert world.mediator.views == 2


def test_a_change_for_one_user_stays_from_another(
    make: Callable[..., World], settle: Settle
) -> None:
    world = make(OwnPonds(OwnPondView, namespace="/own"))
    Pond.new(doc_id="a", title="A", fish=3).save()
    ada, bob = (world.client(query_string=f"user={user}") for user in ("ada", "bob"))
    assert [each.subscribe("a")["value"]["fish"] for each in (ada, bob)] == [3, 0]
    Pond.get_or_raise("a").update(fish=5)
    settle()
    assert [value["fish"] for value, _ in ada.received("updated")] == [5]
    assert bob.received("updated") == []
    Pond.get_or_raise("a").update(title="B")
    settle()
    told = [each.received("updated")[0][0] for each in (ada, bob)]
    assert [(value["title"], value["fish"]) for value in told] == [("B", 5), ("B", 0)]


def test_who_goes_while_it_subscribes_leaves_nothing(
    world: World, settle: Settle, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = world.client()
    join = SharedView.join

    def join_when_it_is_gone(view: SharedView, *given: Any) -> Any:
        client.leave()
        return join(view, *given)

    with monkeypatch.context() as patched:
        patched.setattr(SharedView, "join", join_when_it_is_gone)
        client.subscribe("a")
    assert world.mediator.clients == 0
    await_views(world, 0)
    assert "error" not in world.client().subscribe("a")


def test_who_comes_as_the_last_one_goes_is_told_what_changes(world: World, settle: Settle) -> None:
    staying = world.client()
    staying.subscribe("a")
    for fish in range(2, 17):
        leaving, staying = staying, world.client()
        leaver = threading.Thread(target=leaving.leave)
        leaver.start()
        answer = staying.subscribe("a")
        leaver.join()
        assert "error" not in answer
        Pond.get_or_raise("a").update(fish=fish)
        settle()
        values = [answer["value"], *(value for value, _ in staying.received("updated"))]
        assert values[-1]["perFrog"] == 12 / fish
    await_views(world, 1)


def test_the_last_to_leave_releases_the_view(world: World) -> None:
    one, two = world.client(), world.client()
    for client in (one, two):
        client.subscribe("a")
    subscription_id = one.subscribe("a", updates="json-patch")["subscription_id"]
    assert one.emit("unsubscribe_view_model", subscription_id) == {
        "subscription_id": subscription_id
    }
    one.leave()
    await_views(world, 1)
    two.leave()
    await_views(world, 0)
    assert world.mediator.clients == 0
    hub: Any = world.boiler.engine.feed
    assert hub.statistics().targets == 0


def test_subscribing_again_gives_the_whole_value_of_the_same_subscription(world: World) -> None:
    client = world.client()
    first, again = client.subscribe("a"), client.subscribe("a")
    assert first == again
    client.emit("unsubscribe_view_model", first["subscription_id"])
    await_views(world, 0)


def test_who_leaves_while_it_subscribes_again_is_told_by_halves_of_neither(
    world: World, settle: Settle, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = world.client()
    subscription_id = client.subscribe("a")["subscription_id"]
    [sid] = world.mediator._subscriptions._clients
    join = SharedView.join
    leaving: list[threading.Thread] = []

    def join_while_it_leaves(view: SharedView, *given: Any) -> Any:
        joined = join(view, *given)
        # Before it is noted that the client has joined; it has to wait until that is done.
        leaver = threading.Thread(
            target=world.mediator._subscriptions.unsubscribe, args=(sid, subscription_id)
        )
        leaver.start()
        leaver.join(0.2)
        leaving.append(leaver)
        return joined

    with monkeypatch.context() as patched:
        patched.setattr(SharedView, "join", join_while_it_leaves)
        client.subscribe("a")
    [leaver] = leaving
    leaver.join(TIMEOUT_S)
    # It left last, so nothing is left: no subscription that is never told anything.
    assert world.mediator._subscriptions._clients[sid].subscriptions == {}
    await_views(world, 0)
    assert "error" not in client.subscribe("a")
    Pond.get_or_raise("a").update(fish=6)
    settle()
    assert [value["perFrog"] for value, _ in client.received("updated")] == [2.0]


def test_a_client_holds_no_more_than_it_may(world: World) -> None:
    client = world.client()
    intervals = (0, 1, 2, 3)
    answers = [client.subscribe("a", min_interval_s=each) for each in intervals]
    assert ["error" in answer for answer in answers] == [False, False, False, True]
    assert answers[-1]["error"]["status"] == 429
    client.emit("unsubscribe_view_model", answers[0]["subscription_id"])
    assert "error" not in client.subscribe("a", min_interval_s=4)


def test_wrong_events_are_answered_and_harm_nobody(world: World, settle: Settle) -> None:
    good, bad = world.client(), world.client()
    mine = good.subscribe("a")["subscription_id"]
    junk = "x" * 5000
    answers = [
        (bad.emit("subscribe_view_model"), 422),
        (bad.emit("subscribe_view_model", []), 422),
        (bad.emit("subscribe_view_model", {"doc_id": "ponds/b"}), 422),
        (bad.emit("subscribe_view_model", {"doc_id": "a"}, {"updates": "some"}), 422),
        (bad.emit("subscribe_view_model", {"doc_id": "a"}, {}, 1), 422),
        (bad.emit("subscribe_view_model", {"doc_id": junk}), 413),
        (bad.emit("subscribe_view_model", {"doc_id": b"a"}), 422),
        (bad.emit("subscribe_view_model", {"doc_id": "missing"}), 404),
        (bad.emit("subscribe_view_model", {"doc_id": "a"}, {"version": 2**53 - 1}), 422),
        (bad.emit("unsubscribe_view_model", mine), 404),
        (bad.emit("unsubscribe_view_model", [mine]), 404),
        (bad.emit("unsubscribe_view_model"), 404),
        (bad.emit("mutate"), 422),
        (bad.emit("mutate", {"operation": "patch", "doc_id": "a", "data": {"fish": 1}}), 422),
        (bad.emit("mutate", {"operation": "burn", "doc_id": "a"}), 422),
        (bad.emit("mutate", {"operation": "patch", "doc_id": "x/y", "data": {}}), 422),
        (bad.emit("mutate", {"operation": "delete", "doc_id": "a"}), 403),
        (bad.emit("mutate", {"operation": "patch", "doc_id": "none", "data": {"title": "x"}}), 404),
        (bad.emit("mutate", {"operation": "create", "doc_id": "a", "data": {"title": "x"}}), 409),
        (bad.emit("burn", 1), 404),
        (bad.emit("__class__", 1), 404),
    ]
    assert [answer["error"]["status"] for answer, _ in answers] == [status for _, status in answers]
    told = bad.received("error")
    assert [problem["status"] for (problem,) in told] == [status for _, status in answers]
    assert bad.emit("ping_me", "pong") == "pong"
    assert world.mediator.views == 1
    Pond.get_or_raise("a").update(fish=4)
    settle()
    assert [value["perFrog"] for value, _ in good.received("updated")] == [3.0]
    assert good.received("error") == []


def test_mutations_are_acknowledged_with_their_result(world: World, settle: Settle) -> None:
    client = world.client()
    client.subscribe("a")
    command = {"operation": "patch", "doc_id": "a", "data": {"title": "Lake"}}
    assert client.emit("mutate", command) == {
        "doc_id": "a",
        "value": {"title": "Lake", "perFrog": 4.0},
    }
    settle()
    assert [value["title"] for value, _ in client.received("updated")] == ["Lake"]
    refused = client.emit("mutate", {**command, "data": {"title": 5, "perFrog": 1}})
    assert refused["error"]["errors"].keys() == {"title", "perFrog"}
    put = client.emit("mutate", {**command, "operation": "put", "data": {"title": "Sea"}})
    assert put["value"]["title"] == "Sea"


def test_a_mutation_that_is_made_says_so_though_its_view_cannot_be_shown(world: World) -> None:
    Pond.get_or_raise("a").update(fish=0)
    command = {"operation": "patch", "doc_id": "a", "data": {"title": "Lake"}}
    details = world.client().emit("mutate", command)["error"]
    assert details["status"] == 500
    assert "The change was made" in details["detail"]
    assert Pond.get_or_raise("a").title == "Lake"


def test_without_a_mutation_there_is_nothing_to_mutate(make: Callable[..., World]) -> None:
    client = make(WsMediator(PondView, namespace="/read-only")).client()
    assert client.emit("mutate", {"operation": "delete", "doc_id": "a"})["error"]["status"] == 409


def test_values_are_json(make: Callable[..., World], settle: Settle) -> None:
    save_a_town()
    client = make(WsMediator(TownView, TownMutation, namespace="/towns")).client()
    assert client.subscribe("ulm")["value"]["leader"] == "Leader/l1"
    data = {
        "founded": "0854-07-22T00:00:00+00:00",
        "place": {"latitude": 48.4, "longitude": 9.99},
        "seal": "AAE=",
    }
    command = {"operation": "patch", "doc_id": "ulm", "data": data}
    assert client.emit("mutate", command)["value"].items() >= data.items()
    settle()
    [(value, _)] = client.received("updated")
    assert value.items() >= data.items()


def test_a_view_that_fails_is_told_and_heals(world: World, settle: Settle) -> None:
    client = world.client()
    subscription_id = client.subscribe("a")["subscription_id"]
    Pond.get_or_raise("a").update(fish=0)
    settle()
    [(problem,)] = client.awaited("error")
    assert (problem["status"], problem["subscription_id"]) == (500, subscription_id)
    assert "ZeroDivision" not in problem["detail"]
    assert [parked.key.mediator for parked in world.boiler.parked] == ["PondView (on /ponds)"]
    refused = world.client().subscribe("a")
    assert refused["error"]["status"] == 500
    Pond.get_or_raise("a").update(fish=6)
    settle()
    assert [value["perFrog"] for value, _ in client.received("updated")] == [2.0]
    assert world.boiler.parked == []


def test_a_view_whose_root_goes_is_told_and_comes_back(world: World, settle: Settle) -> None:
    client = world.client()
    client.subscribe("b")
    Pond.get_or_raise("b").delete()
    settle()
    assert [problem["status"] for (problem,) in client.received("error")] == [404]
    Pond.new(doc_id="b", title="New", fish=1).save()
    settle()
    assert [value["title"] for value, _ in client.received("updated")] == ["New"]
    assert world.boiler.parked == []


def test_a_client_that_comes_back_is_brought_up_to_date(
    make: Callable[..., World], settle: Settle
) -> None:
    world = make(WsMediator(PondView, namespace=NAMESPACE))
    Pond.new(doc_id="a", title="A" * 100, fish=3).save()
    client = world.client()
    held = client.subscribe("a", updates="json-patch")["version"]
    client.leave()
    client = world.client()
    assert client.subscribe("a", updates="json-patch", version=held)["updates"] == "none"
    client.leave()
    Pond.get_or_raise("a").update(fish=6)
    settle()
    back = world.client().subscribe("a", updates="json-patch", version=held)
    assert back["value"] == [{"op": "replace", "path": "/perFrog", "value": 2.0}]
    assert (back["updates"], back["previous_version"]) == ("json-patch", held)
    assert back["version"] > held


def test_stopping_sends_clients_away_and_starting_lets_them_in_again(
    boiler: Boiler, make: Callable[..., World]
) -> None:
    mediator = WsMediator(PondView, namespace=NAMESPACE)
    world = make(mediator)
    Pond.new(doc_id="a", title="A", fish=3).save()
    boiler.add(mediator)
    with boiler:
        client = world.client()
        client.subscribe("a")
    assert not client.is_connected()
    assert (mediator.clients, mediator.views) == (0, 0)
    with boiler:
        assert world.client().subscribe("a")["value"]["title"] == "A"


def test_a_client_that_the_application_disconnects_has_nothing_left(world: World) -> None:
    client = world.client()
    client.subscribe("a")
    [sid] = world.io.server.manager.rooms[NAMESPACE][None]
    with world.app.app_context():
        flask_socketio.disconnect(sid, NAMESPACE)
    assert not client.is_connected()
    assert world.mediator.clients == 0
    await_views(world, 0)


def test_a_boiler_that_was_never_started_ends_what_its_mediators_serve(
    boiler: Boiler, make: Callable[..., World]
) -> None:
    world = make(boiler.add(WsMediator(PondView, namespace=NAMESPACE)))
    Pond.new(doc_id="a", title="A", fish=3).save()
    client = world.client()
    client.subscribe("a")
    boiler.stop()
    assert not client.is_connected()
    assert (world.mediator.clients, world.mediator.views) == (0, 0)


class ScriptedTime:
    """A clock that goes when it is told to, and the event of an end that does not come."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waiting: list[float] = []
        self._changed = threading.Condition()

    def clock(self) -> float:
        return self.now

    def wait(self, seconds: float) -> bool:
        with self._changed:
            until = self.now + seconds
            self.waiting.append(until)
            self._changed.notify_all()
            assert self._changed.wait_for(lambda: self.now >= until, TIMEOUT_S)
        return False

    def set(self) -> None:
        """The end has come after all, when nobody waits any more."""

    def await_waiting(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.waiting) == count, TIMEOUT_S)

    def advance(self, to: float) -> None:
        with self._changed:
            self.now = to
            self._changed.notify_all()


def test_of_a_herd_as_many_come_in_as_the_rate_allows(
    make: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make(WsMediator(PondView, namespace=NAMESPACE))
    Pond.new(doc_id="a", title="A", fish=3).save()
    clients = [world.client() for _ in range(HERD)]
    time = ScriptedTime()
    monkeypatch.setattr(world.mediator._subscriptions, "_admission", Admission(10.0, time.clock))
    monkeypatch.setattr(world.mediator._subscriptions, "_stopping", time)
    admitted = threading.Semaphore(0)
    answers: list[dict[str, Any]] = []

    def subscribe(client: Client) -> None:
        answers.append(client.subscribe("a"))
        admitted.release()

    herd = [threading.Thread(target=subscribe, args=[client]) for client in clients]
    for one in herd:
        one.start()
    time.await_waiting(HERD)
    assert sorted(time.waiting) == pytest.approx([number / 10 for number in range(HERD)])
    for number, at in enumerate(sorted(time.waiting), start=1):
        time.advance(at)
        assert admitted.acquire(timeout=TIMEOUT_S)
        # The others wait for the clock.
        assert len(answers) == number
    for one in herd:
        one.join()
    assert [answer["value"]["title"] for answer in answers] == ["A"] * HERD


def test_who_would_wait_too_long_is_turned_away(make: Callable[..., World]) -> None:
    # A place in a hundred seconds, and thirty to wait for it.
    limits = WsLimits(admissions_per_s=0.01, timeout_s=30.0)
    world = make(WsMediator(PondView, namespace=NAMESPACE, limits=limits))
    Pond.new(doc_id="a", title="A", fish=3).save()
    client = world.client()
    assert "error" not in client.subscribe("a")
    assert client.subscribe("a", updates="json-patch")["error"]["status"] == 503
    # Who was refused has taken up nothing.
    assert world.mediator.views == 1


def test_a_mutation_of_another_view_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="changes PondView, not TownView"):
        WsMediator(TownView, PondMutation, namespace="/x")
