"""Whatever happens in whatever order: afterwards every stored view is what it should be.

The oracle is the view computed from nothing. Each history runs in a world of its own, on
Google's emulator and on the embedded Firestore; Hypothesis shrinks what fails, and
``--hypothesis-seed`` replays it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from flask_boiler import Boiler, Config
from flask_boiler.embedded import EmbeddedFirestore, Faults
from flask_boiler.ground.ports import Datastore, Feed, LocalFirestore
from flask_boiler.ground.values import CommitResult, Write
from tests.histories.bank import (
    ACCOUNTS,
    OPENING_BALANCE,
    Account,
    Bank,
    BankView,
    Guest,
    Holder,
    HolderView,
    mediators,
)
from tests.histories.steps import Settle, Step, World, histories, views_stored

#: Of each server; the soak runs more.
HISTORIES = int(os.environ.get("FLASK_BOILER_HISTORIES", "150"))

#: A history takes half a second, on a busy machine a few times that.
TIMEOUT_S = 60 + 4 * HISTORIES

random_histories = settings(
    max_examples=HISTORIES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    phases=[Phase.explicit, Phase.generate, Phase.target, Phase.shrink],
)

NewWorld = Callable[[], AbstractContextManager[World]]


class Published:
    """A datastore that remembers every value that was published for the bank.

    While the feed compares newly held targets with what is stored, nothing is remembered:
    Google's emulator may miss a commit that races the adding of a target, which is why they
    are compared. No other server makes the feed doubtful.
    """

    def __init__(self, datastore: Datastore, feed: Feed) -> None:
        self._datastore = datastore
        self._feed = feed
        self.totals: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._datastore, name)

    def commit(self, writes: Sequence[Write], **options: Any) -> CommitResult:
        doubtful = self._feed.doubtful
        result = self._datastore.commit(writes, **options)
        for write in writes:
            if write.path.startswith("bankViews/") and write.kind == "set" and not doubtful:
                self.totals.append(write.fields.fields["total"].integer_value)
        return result


def open_accounts() -> None:
    for account in ACCOUNTS:
        Account.new(doc_id=account, balance=OPENING_BALANCE).save()
    Bank.new(doc_id="main", accounts=list(ACCOUNTS)).save()


def deposit(amount: int) -> None:
    account = Account.get_or_raise(ACCOUNTS[0])
    account.balance += amount
    account.save()


def run(world: World, history: Sequence[Step]) -> None:
    boiler = world.boiler
    open_accounts()
    for mediator in mediators():
        boiler.add(mediator)
    published: list[Published] = []
    try:
        boiler.start()
        for step in history:
            watch_publications(boiler, published)
            step.run(world)
        watch_publications(boiler, published)
        Settle().run(world)
        assert boiler.parked == []
        assert_views_are_true()
        total = OPENING_BALANCE * len(ACCOUNTS)
        assert sums_of(published) <= {total}

        # That nothing else was published means something only if what is published is seen.
        deposit(1)
        Settle().run(world)
        assert total + 1 in sums_of(published) or boiler.context.datastore.is_emulator
    finally:
        boiler.stop()


def sums_of(published: Sequence[Published]) -> set[int]:
    return {total for recorded in published for total in recorded.totals}


def watch_publications(boiler: Boiler, published: list[Published]) -> None:
    """Record what the running engine publishes; a restart makes a new one."""
    publisher: Any = boiler.engine.publisher
    if not isinstance(publisher._datastore, Published):
        recorded = Published(publisher._datastore, boiler.engine.feed)
        publisher._datastore = publisher._ledger._datastore = recorded
        published.append(recorded)


def assert_views_are_true() -> None:
    assert views_stored("bankViews") == {
        "main": {
            "total": BankView.get("main").total,
            "obj_type": "BankView",
            "doc_ref": "bankViews/main",
        }
    }
    expected = {}
    for holder in Holder.all():
        view = HolderView.get(holder.doc_id)
        place = f"holderViews/{holder.doc_id}"
        expected[holder.doc_id] = {**view.to_document(), **view.identity(place)}
    assert views_stored("holderViews") == expected
    assert {place: badge["who"] for place, badge in views_stored("badges").items()} == {
        guest.seat: guest.doc_id for guest in Guest.all()
    }
    for place, badge in views_stored("badges").items():
        guest = Guest.get_or_raise(badge["who"])
        expected_type = "StaffBadge" if guest.staff else "VisitorBadge"
        assert badge["obj_type"] == expected_type, f"at {place}"


def boiler_at(host: str, project: str) -> Boiler:
    return Boiler(config=Config(testing=True, project=project, emulator_host=host))


@pytest.fixture
def emulator_world(google_emulator: LocalFirestore) -> NewWorld:
    import uuid

    @contextmanager
    def new_world() -> Iterator[World]:
        boiler = boiler_at(google_emulator.host, f"history-{uuid.uuid4().hex[:16]}")
        with boiler.context.activated():
            yield World(boiler, [lambda: drop_stream_of(boiler)])
        boiler.close()

    return new_world


@pytest.fixture
def embedded_world() -> NewWorld:
    @contextmanager
    def new_world() -> Iterator[World]:
        server = EmbeddedFirestore(faults=Faults()).start()
        boiler = boiler_at(server.host, "history")
        # It keeps the protocol's promises, so nothing needs to be verified.
        boiler.context.datastore.is_emulator = False

        def drop() -> None:
            server.faults.drop_streams()

        def expire() -> None:
            server.faults.expire_tokens()
            server.faults.drop_streams()

        try:
            with boiler.context.activated():
                yield World(boiler, [drop, expire, server.faults.reset_queries])
        finally:
            boiler.close()
            server.stop()

    return new_world


def drop_stream_of(boiler: Boiler) -> None:
    """Break the connection under the stream, as seen from the client."""
    boiler.engine.feed._stream.restart()  # type: ignore[attr-defined]


@pytest.mark.timeout(TIMEOUT_S)
@random_histories
@given(history=histories)
def test_histories_on_the_emulator(emulator_world: NewWorld, history: list[Step]) -> None:
    with emulator_world() as world:
        run(world, history)


@pytest.mark.timeout(TIMEOUT_S)
@random_histories
@given(history=histories)
def test_histories_on_the_embedded_firestore(embedded_world: NewWorld, history: list[Step]) -> None:
    with embedded_world() as world:
        run(world, history)
