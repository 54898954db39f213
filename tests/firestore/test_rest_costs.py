"""What requests cost, counted on the wire, and that nothing of them stays behind."""

# mypy: disable-error-code="no-redef"

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from flask_boiler import (
    Attr,
    Boiler,
    DomainModel,
    Mutation,
    QueryMediator,
    RestMediator,
    Store,
    ViewModel,
    attrs,
    reference,
)
from flask_boiler.errors import DocumentNotFoundError, MaterializationError, RefusedError
from flask_boiler.testing import Settle
from flask_boiler.view.http.requests import READ_TIME_HEADER
from tests.firestore.wire import Call, Wire


class Skipper(DomainModel):
    full_name: Attr[str] = attrs.bproperty(default="")


class Boat(DomainModel):
    sail: Attr[int] = attrs.bproperty(default=0)
    skipper = attrs.relation(Skipper)


class Regatta(DomainModel):
    title: Attr[str] = attrs.bproperty(default="")
    boats: Attr[Any] = attrs.relation(Boat, many=True)
    judge = attrs.relation(Skipper)


class RegattaStore(Store):
    regatta: Any = reference(Regatta)
    boats = reference(Boat, many=True, source=lambda store: store.regatta.boats)
    judge: Any = reference(Skipper, source=lambda store: store.regatta.judge)
    skippers = reference(
        Skipper,
        many=True,
        source=lambda store: {key: boat.skipper for key, boat in store.boats.items()},
    )


class RegattaView(ViewModel):
    """Kept at a place that follows from the root's id."""

    store: RegattaStore

    class Meta:
        path = "regattaView/{regatta.doc_id}"

    title: Attr[str] = attrs.bproperty()

    @title.getter
    def title(self) -> Any:
        if self.store.regatta.title == "broken":
            raise ValueError("this title cannot be shown")
        return self.store.regatta.title

    @title.setter
    def title(self, value: str) -> None:
        if value == "refused":
            raise RefusedError("not that title")
        self.store.regatta.title = value

    @attrs.computed
    def sails(self) -> Any:
        return sorted(boat.sail for boat in self.store.boats.values())

    @attrs.computed
    def skippers(self) -> Any:
        return sorted(skipper.full_name for skipper in self.store.skippers.values())

    @attrs.computed
    def judge(self) -> Any:
        return self.store.judge and self.store.judge.full_name


class RegattaMutation(Mutation[RegattaView]):
    pass


class BoardView(RegattaView):
    """The same, kept at a place for each boat, so that no route tells where."""

    @property
    def doc_refs(self) -> list[str]:
        return [f"boards/{key}" for key in self.store.boats]


@pytest.fixture
def wire(boiler: Boiler) -> Wire:
    return Wire(boiler)


@pytest.fixture
def client(wire: Wire, boiler: Boiler) -> FlaskClient:
    app = Flask("regattas")
    boiler.init_app(app)
    one = "/regattas/<string:doc_id>"
    mediator = RestMediator(RegattaView, RegattaMutation, app=app)
    mediator.add_list_get("/regattas")
    mediator.add_list_post("/regattas")
    mediator.add_instance_get(one)
    mediator.add_instance_put(one)
    mediator.add_instance_patch(one)
    mediator.add_instance_delete(one)
    RestMediator(BoardView, app=app).add_instance_get("/boards/<string:doc_id>")
    return app.test_client()


def save_regatta(doc_id: str = "r", boats: int = 5) -> None:
    for n in range(boats):
        Skipper.new(f"s{n}", full_name=f"Skipper {n}").save()
        Boat.new(f"b{n}", sail=n, skipper=f"s{n}").save()
    Regatta.new(doc_id, title="Kiel Week", boats=[f"b{n}" for n in range(boats)], judge="s0").save()


SHOWN = {
    "title": "Kiel Week",
    "sails": [0, 1, 2, 3, 4],
    "skippers": [f"Skipper {n}" for n in range(5)],
    "judge": "Skipper 0",
}


def test_a_stored_view_costs_one_document(
    client: FlaskClient, wire: Wire, boiler: Boiler, settle: Settle
) -> None:
    save_regatta()
    boiler.add(QueryMediator(RegattaView, query=Regatta.get_query()))
    with boiler:
        settle()
    wire.clear()
    assert client.get("/regattas/r").json == SHOWN
    assert wire.calls == [Call("BatchGetDocuments", 1, dated=False)]


def test_a_computed_view_costs_one_batch_for_each_level(client: FlaskClient, wire: Wire) -> None:
    save_regatta()
    wire.clear()
    assert client.get("/boards/r").json == SHOWN
    assert wire.calls == [
        Call("BeginTransaction", 0, dated=False),
        # The regatta; its boats and its judge; their skippers.
        Call("BatchGetDocuments", 1, dated=True),
        Call("BatchGetDocuments", 6, dated=True),
        Call("BatchGetDocuments", 4, dated=True),
    ]


def test_a_list_costs_one_batch_for_each_level(client: FlaskClient, wire: Wire) -> None:
    save_regatta("r1")
    save_regatta("r2", boats=3)
    wire.clear()
    answer = client.get("/regattas")
    assert list(answer.json["results"]) == ["r1", "r2"]  # type: ignore[index]
    assert wire.methods == {"BeginTransaction": 1, "RunQuery": 1, "BatchGetDocuments": 2}
    assert wire.reads == [6, 4]


def test_a_missing_view_costs_no_more(client: FlaskClient, wire: Wire) -> None:
    assert client.get("/boards/none").status_code == 404
    assert wire.reads == [1]


# -- nothing stays behind


class Traffic:
    """A random sequence of requests and live views, good and bad."""

    def __init__(self, client: FlaskClient, seed: int) -> None:
        self._client = client
        self._rng = random.Random(seed)
        self._open: list[RegattaView] = []
        self._ids = [f"t{n}" for n in range(4)]
        self.statuses: set[int] = set()

    def run(self, steps: int) -> None:
        """So many steps; then everything is closed, and what was made is deleted."""
        choices: list[tuple[Callable[[], object], int]] = [
            (self._get, 4),
            (self._list, 1),
            (self._post, 1),
            (self._patch, 4),
            (self._put, 2),
            (self._delete, 1),
            (self._write, 4),
            (self._follow, 4),
            (self._follow_in_vain, 1),
            (self._close, 3),
        ]
        steps_to_take = self._rng.choices(*zip(*choices, strict=True), k=steps)
        for step in steps_to_take:
            step()
        while self._open:
            self._close()
        for regatta in Regatta.all():
            regatta.delete()

    def _request(self, method: str, path: str, **options: Any) -> None:
        answer = self._client.open(path, method=method, **options)
        self.statuses.add(answer.status_code)

    def _one(self) -> str:
        return self._rng.choice(self._ids)

    def _get(self) -> None:
        headers = self._rng.choice([{}, {READ_TIME_HEADER: "1"}, {READ_TIME_HEADER: "bad"}])
        self._request(
            "GET", f"/{self._rng.choice(['regattas', 'boards'])}/{self._one()}", headers=headers
        )

    def _list(self) -> None:
        query = self._rng.choice(["", "?limit=2", "?limit=0", "?title=x", "?page_token=bad"])
        self._request("GET", f"/regattas{query}")

    def _post(self) -> None:
        self._request("POST", "/regattas", json=self._body())

    def _patch(self) -> None:
        headers = self._rng.choice([{}, {"If-Match": '"stale"'}])
        self._request("PATCH", f"/regattas/{self._one()}", json=self._body(), headers=headers)

    def _put(self) -> None:
        self._request("PUT", f"/regattas/{self._one()}", json=self._body())

    def _delete(self) -> None:
        self._request("DELETE", f"/regattas/{self._one()}")

    def _body(self) -> Any:
        title = self._rng.choice(["A", "B", "C", "broken", "refused", 3])
        return self._rng.choice([{"title": title}] * 6 + [{"titel": "x"}, {"judge": "x"}, [1]])

    def _write(self) -> None:
        """A root as it is to be, with boats that may not exist."""
        boats = self._rng.sample(["b0", "b1", "b2", "gone"], self._rng.randint(0, 4))
        judge = self._rng.choice([None, "s0", "s1", "gone"])
        title = self._rng.choice(["A", "B", "broken"])
        Regatta.new(self._one(), title=title, boats=boats, judge=judge).save()
        Boat.new("b0", sail=self._rng.randint(0, 9), skipper=self._rng.choice(["s0", "s1"])).save()

    def _follow(self) -> None:
        try:
            view = RegattaView.get(
                self._one(), once=False, f_notify=self._rng.choice([None, _fail])
            )
        except (DocumentNotFoundError, MaterializationError):
            return
        self._open.append(view)

    def _follow_in_vain(self) -> None:
        """Nobody waits for the first value."""
        try:
            self._open.append(RegattaView.get(self._one(), once=False, timeout_s=0.0))
        except (DocumentNotFoundError, MaterializationError, TimeoutError):
            return

    def _close(self) -> None:
        if self._open:
            view = self._open.pop(self._rng.randrange(len(self._open)))
            view.close()
            view.close()


def _fail(view: RegattaView) -> None:
    raise RuntimeError("whoever follows may fail")


def own_threads() -> list[str]:
    """The framework's threads, but for those that start on demand.

    These call ``f_notify``, and record what is parked.
    """
    names = sorted(thread.name for thread in threading.enumerate())
    on_demand = [n for n in names if n.startswith(("flask-boiler-notify", "flask-boiler-record"))]
    assert len(on_demand) <= 3
    return [name for name in names if name.startswith("flask-boiler") and name not in on_demand]


@pytest.mark.parametrize("kept", [False, True])
def test_no_listener_stays_that_nobody_needs(
    client: FlaskClient, boiler: Boiler, settle: Settle, kept: bool
) -> None:
    save_regatta("first")
    if kept:
        boiler.add(QueryMediator(RegattaView, query=Regatta.get_query()))
        boiler.start()
    RegattaView.get("first", once=False).close()
    Regatta.get_or_raise("first").delete()
    settle()
    hub: Any = boiler.engine.feed
    targets, threads = hub.statistics().targets, own_threads()
    # The query, and the requests to compute parked views again.
    assert targets == (2 if kept else 0)
    statuses: set[int] = set()
    for seed in range(3):
        traffic = Traffic(client, seed)
        traffic.run(60)
        settle()
        assert (seed, hub.statistics().targets, boiler.engine.views) == (seed, targets, 0)
        assert own_threads() == threads
        statuses |= traffic.statuses
    assert {200, 201, 204, 400, 404, 409, 412, 422, 500} <= statuses
