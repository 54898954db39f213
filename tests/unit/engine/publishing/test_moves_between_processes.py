"""Places that move between views of different processes, or while one of them ends."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from flask_boiler.engine.publishing.stored_ledger import ledger_path
from flask_boiler.engine.view_key import ViewKey
from flask_boiler.errors import UnavailableError, ValidationError
from flask_boiler.ground.values import CommitResult, Write
from tests.unit.engine.fakes import ScriptedDatastore, publisher_of
from tests.unit.engine.hall import TIMEOUT_S, Hall, at, seats


class Halls:
    """A process for each, over one datastore."""

    def __init__(self) -> None:
        self.datastore = ScriptedDatastore()
        self.all: list[Hall] = []

    def open(self, *mediators: str, patience_s: float = 0.02) -> Hall:
        hall = Hall(self.datastore)
        publisher_of(hall.engine).patience_s = patience_s
        self.all.append(hall)
        for mediator in mediators:
            hall.keep(mediator, at(mediator))
        return hall


@pytest.fixture
def halls() -> Iterator[Halls]:
    halls = Halls()
    yield halls
    for hall in halls.all:
        hall.stop()


def hear(*halls: Hall, records: tuple[str, ...] = ("1", "2")) -> None:
    """Everybody hears of all guests, and what records they wait for, until nothing is left."""
    before = -1
    while before != (before := len(halls[0].datastore.commits)):
        for hall in halls:
            there = [p for p in hall.datastore.documents if p.startswith("guests/")]
            names = [path.partition("/")[2] for path in there]
            hall.hear(*names, records=[f"seats/{name}" for name in records])
        for hall in halls:
            hall.quiet()


def test_classes_of_two_processes_exchange_their_places(halls: Halls) -> None:
    staff, guests = halls.open("staff"), halls.open("guests")
    staff.store(r={"staff": ["1"], "guests": ["2"]})
    hear(staff, guests)
    assert seats(halls.datastore) == {"1": "staff:r", "2": "guests:r"}
    staff.store(r={"staff": ["2"], "guests": ["1"]})
    staff.hear("r")
    staff.quiet()
    # It leaves at once, though it cannot have what it wants yet.
    assert seats(halls.datastore) == {"2": "guests:r"}
    assert staff.parked.keys() == {"staff:guests/r"}
    guests.hear("r")
    guests.quiet()
    assert seats(halls.datastore) == {"1": "guests:r"}
    # It reads the record of what it waits for, and hears that it is free.
    staff.hear(records=["seats/2"])
    staff.quiet()
    assert seats(halls.datastore) == {"1": "guests:r", "2": "staff:r"}
    assert staff.parked == guests.parked == {}
    # Nothing is listened to for that any longer.
    assert ledger_path("seats/2") not in staff.feed.wanted


def test_a_record_that_is_heard_and_still_another_s_computes_nothing(halls: Halls) -> None:
    staff, guests = halls.open("staff"), halls.open("guests")
    staff.store(r={"staff": ["1"], "guests": ["2"]})
    hear(staff, guests)
    staff.store(r={"staff": ["2"], "guests": ["2"]})
    staff.hear("r")
    staff.quiet()
    computed: list[int] = []
    staff.before[ViewKey("staff", "guests/r")] = lambda: computed.append(1)
    staff.hear(records=["seats/2"])
    staff.quiet()
    assert computed == []
    assert staff.parked.keys() == {"staff:guests/r"}


def test_both_processes_keep_both_classes_and_exchange_once(halls: Halls) -> None:
    one, other = halls.open("staff", "guests"), halls.open("staff", "guests")
    one.store(r={"staff": ["1"], "guests": ["2"]})
    hear(one, other)
    for staff, guests in (("2", "1"), ("1", "2"), ("2", "1")):
        one.store(r={"staff": [staff], "guests": [guests]})
        hear(one, other)
        assert seats(halls.datastore) == {staff: "staff:r", guests: "guests:r"}
        assert one.parked == other.parked == {}


def test_who_lags_behind_an_exchange_undoes_nothing(halls: Halls) -> None:
    prompt, lagging = halls.open("staff", "guests"), halls.open("staff", "guests")
    prompt.store(r={"staff": ["1"], "guests": ["2"]})
    hear(prompt, lagging)
    computing, go_on = threading.Semaphore(0), threading.Event()

    def wait() -> None:
        computing.release()
        assert go_on.wait(TIMEOUT_S)

    for mediator in ("staff", "guests"):
        lagging.before[ViewKey(mediator, "guests/r")] = wait
    prompt.store(r={"staff": ["1"], "guests": ["2"], "n": 1})
    lagging.hear("r")
    for _ in range(2):
        assert computing.acquire(timeout=TIMEOUT_S)
    prompt.store(r={"staff": ["2"], "guests": ["1"], "n": 2})
    prompt.hear("r")
    prompt.quiet()
    go_on.set()
    for _ in range(2):
        # Each asks for a newer cut instead of publishing.
        assert lagging.feed.refreshes.acquire(timeout=TIMEOUT_S)
    assert seats(halls.datastore) == {"2": "staff:r", "1": "guests:r"}
    hear(prompt, lagging)
    assert seats(halls.datastore) == {"2": "staff:r", "1": "guests:r"}
    assert prompt.parked == lagging.parked == {}


def test_who_is_refused_a_place_that_was_given_up_elsewhere_takes_it(halls: Halls) -> None:
    one, other = halls.open("staff", "guests"), halls.open("guests")
    one.store(r={"staff": ["1"], "guests": ["2"]})
    hear(one, other)
    # The other process moves the guests' view; this one has not heard, and thinks it is there.
    one.store(r={"staff": ["2"], "guests": ["3"]})
    other.hear("r")
    other.quiet()
    one.hear("r")
    one.quiet()
    hear(one, other, records=("1", "2", "3"))
    assert seats(halls.datastore) == {"2": "staff:r", "3": "guests:r"}
    assert one.parked == {}


@pytest.mark.parametrize("order", [("staff", "guests"), ("guests", "staff")])
def test_a_restart_amid_an_exchange_ends_it(halls: Halls, order: tuple[str, str]) -> None:
    first = halls.open("staff", "guests")
    first.store(r={"staff": ["1"], "guests": ["2"]})
    hear(first)
    first.stop()
    # What another process did before it was killed: it left, and did not come to claim.
    key = ViewKey("staff", "guests/r")
    halls.datastore.drop("seats/1")
    halls.datastore.put(
        ledger_path("seats/1"),
        {"mediator": key.mediator, "root": key.subject, "place": "seats/1", "vacated": True},
    )
    second = halls.open()
    second.store(r={"staff": ["2"], "guests": ["1"]})
    for mediator in order:
        # One after the other, as mediators are started.
        second.keep(mediator, at(mediator))
        second.hear("r")
        second.quiet()
    hear(second)
    assert seats(halls.datastore) == {"1": "guests:r", "2": "staff:r"}
    assert second.parked == {}


def test_who_was_refused_before_a_restart_has_its_place_when_it_is_free(halls: Halls) -> None:
    staff, guests = halls.open("staff"), halls.open("guests")
    staff.store(r={"staff": ["1"], "guests": ["2"]})
    hear(staff, guests)
    staff.store(r={"staff": ["2"], "guests": ["2"]})
    hear(staff)
    staff.stop()
    again = halls.open("staff")
    hear(again)
    assert again.parked.keys() == {"staff:guests/r"}
    again.store(r={"staff": ["2"], "guests": []})
    guests.hear("r")
    guests.quiet()
    again.hear(records=["seats/2"])
    again.quiet()
    assert seats(halls.datastore) == {"2": "staff:r"}
    assert again.parked == {}


def test_a_process_that_ends_between_leaving_and_claiming_is_made_good(halls: Halls) -> None:
    first = halls.open("staff", "guests")
    first.store(r={"staff": ["1"], "guests": ["2"]})
    hear(first)
    # Firestore takes no exchange, so places are left first; then it is away.
    commit, left = halls.datastore.commit, threading.Semaphore(0)

    def take_deletions(writes: Sequence[Write], **options: Any) -> CommitResult:
        claims = [w.path for w in writes if w.kind == "set" and w.path.startswith("seats/")]
        if len(claims) == 2:
            raise ValidationError({"commit": ["too large"]})
        if claims:
            raise UnavailableError("away")
        result = commit(writes, **options)
        left.release()
        return result

    halls.datastore.commit = take_deletions  # type: ignore[method-assign]
    publisher_of(first.engine).patience_s = 60.0
    first.store(r={"staff": ["2"], "guests": ["1"]})
    first.hear("r")
    while {"seats/1", "seats/2"} & halls.datastore.documents.keys():
        assert left.acquire(timeout=TIMEOUT_S)
    first.stop()
    assert seats(halls.datastore) == {}
    halls.datastore.commit = commit  # type: ignore[method-assign]
    second = halls.open("staff", "guests")
    hear(second)
    assert seats(halls.datastore) == {"2": "staff:r", "1": "guests:r"}
    assert second.parked == {}


@pytest.mark.parametrize("wanted", [["3"], []])
def test_where_another_process_had_moved_a_view_before_it_died_nothing_stays(
    halls: Halls, wanted: list[str]
) -> None:
    one, other = halls.open("staff"), halls.open("staff")
    one.store(r={"staff": ["1"]})
    hear(one, other)
    # What the other one makes of this, this process never computes.
    other.store(r={"staff": ["2"]})
    other.hear("r")
    other.quiet()
    other.stop()
    one.store(r={"staff": wanted})
    one.hear("r")
    one.quiet()
    assert seats(halls.datastore) == {name: "staff:r" for name in wanted}
    assert one.parked == {}


def test_nor_does_it_where_the_view_is_gone_by_now(halls: Halls) -> None:
    one, other = halls.open("staff"), halls.open("staff")
    one.store(r={"staff": ["1"]})
    hear(one, other)
    other.store(r={"staff": ["2"]})
    other.hear("r")
    other.quiet()
    other.stop()
    one.store(r=None)
    one.hear("r")
    one.quiet()
    assert seats(halls.datastore) == {}


def test_who_moved_a_view_further_on_newer_state_has_won(halls: Halls) -> None:
    one, other = halls.open("staff"), halls.open("staff")
    one.store(r={"staff": ["1"]})
    hear(one, other)
    other.store(r={"staff": ["2"]})
    other.hear("r")
    other.quiet()
    # One process computes on a cut of now, and the other moves the view once more meanwhile.
    computing, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        computing.set()
        assert go_on.wait(TIMEOUT_S)

    one.store(r={"staff": ["3"]})
    one.before[ViewKey("staff", "guests/r")] = wait
    one.hear("r")
    assert computing.wait(TIMEOUT_S)
    other.store(r={"staff": ["4"]})
    other.hear("r")
    other.quiet()
    del one.before[ViewKey("staff", "guests/r")]
    go_on.set()
    assert one.feed.refreshes.acquire(timeout=TIMEOUT_S)
    assert seats(halls.datastore) == {"4": "staff:r"}
    one.hear("r")
    one.quiet()
    assert seats(halls.datastore) == {"4": "staff:r"}
