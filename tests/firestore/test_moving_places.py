"""Views that exchange their places, or pass them on, on a real Firestore."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from flask_boiler import CTX, Boiler, Config, QueryMediator
from flask_boiler.engine.publishing import publisher
from flask_boiler.ground.ports import LocalFirestore
from flask_boiler.testing import Settle
from tests.firestore.places import recorded_places
from tests.firestore.seating import (
    Guest,
    Room,
    StaffNote,
    VisitorNote,
    badges,
    notes,
    seat,
    seated,
    told,
)

TIMEOUT_S = 30.0
#: Five badges of this size are more than one commit takes.
HEAVY = 900_000

NAMES = "abcde"
START = {name: name for name in NAMES}
ROTATED = dict(zip(NAMES, "bcdea", strict=True))
SEATED = {where: who for who, where in ROTATED.items()}


@pytest.fixture(autouse=True)
def companions_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    # However long they take to be computed here.
    monkeypatch.setattr(publisher, "_COMPANIONS_WITHIN_S", 60.0)


def update_times(*paths: str) -> set[Any]:
    return {CTX.db.document(path).get().update_time for path in paths}


def test_two_roots_of_one_class_exchange_their_seats(boiler: Boiler, settle: Settle) -> None:
    boiler.add(badges())
    boiler.start()
    seat({"a": "1", "b": "2"})
    settle()
    seat({"a": "2", "b": "1"})
    settle()
    assert seated() == {"1": "b", "2": "a"}
    assert boiler.parked == []
    # It was one commit.
    assert len(update_times("seats/1", "seats/2")) == 1


def test_five_rotate(boiler: Boiler, settle: Settle) -> None:
    boiler.add(badges())
    boiler.start()
    seat(START)
    settle()
    seat(ROTATED)
    settle()
    assert seated() == SEATED
    assert boiler.parked == []
    assert len(update_times(*(f"seats/{name}" for name in NAMES))) == 1


def test_two_classes_exchange_their_places(boiler: Boiler, settle: Settle) -> None:
    for mediator in notes():
        boiler.add(mediator)
    boiler.start()
    room = Room.new("r", staff=["a"], visitors=["b"])
    room.save()
    settle()
    assert told() == {"a": "for staff only", "b": "welcome"}
    room.update(staff=["b"], visitors=["a"])
    settle()
    assert told() == {"a": "welcome", "b": "for staff only"}
    assert boiler.parked == []
    assert len(update_times("users/a/rooms/r", "users/b/rooms/r")) == 1


def test_a_rotation_of_more_than_a_commit_takes(boiler: Boiler, settle: Settle) -> None:
    boiler.add(badges())
    boiler.start()
    seat(START)
    settle()
    seat(START, weight=HEAVY)
    settle()
    seat(ROTATED, weight=HEAVY)
    settle()
    assert seated() == SEATED
    assert boiler.parked == []


def test_what_was_exchanged_while_nobody_ran_is_right_after_a_start(
    boiler: Boiler, settle: Settle
) -> None:
    for mediator in (badges(), *notes()):
        boiler.add(mediator)
    seat(START)
    Room.new("r", staff=["a"], visitors=["b"]).save()
    boiler.start()
    settle()
    boiler.stop()
    seat(ROTATED)
    Room.get_or_raise("r").update(staff=["b"], visitors=["a"])
    boiler.start()
    settle()
    assert seated() == SEATED
    assert told() == {"a": "welcome", "b": "for staff only"}
    assert boiler.parked == []


def test_who_is_refused_a_seat_leaves_the_old_one_and_has_the_new_one_when_it_is_free(
    boiler: Boiler, settle: Settle
) -> None:
    boiler.add(badges())
    boiler.start()
    seat({"a": "1", "b": "2"})
    settle()
    seat({"a": "2"})
    settle()
    assert seated() == {"2": "b"}
    assert [parked.key.subject for parked in boiler.parked] == ["guests/a"]
    # Also if that was while nobody ran, and if it is by deletion.
    boiler.stop()
    boiler.start()
    settle()
    assert [parked.key.subject for parked in boiler.parked] == ["guests/a"]
    Guest.get_or_raise("b").delete()
    settle()
    assert seated() == {"2": "a"}
    assert boiler.parked == []
    assert recorded_places() == ["seats/2"]


@contextmanager
def worker(boiler: Boiler, host: str, die: str = "") -> Iterator[subprocess.Popen[str]]:
    """A running worker process; killed at the end if nobody did so before."""
    command = [sys.executable, "-m", "tests.firestore.seating_worker"]
    with subprocess.Popen(
        [*command, host, boiler.context.project, *([die] if die else [])],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "running\n"
            yield process
        finally:
            process.kill()


def test_a_worker_killed_between_leaving_and_claiming_leaves_nothing_wrong(
    boiler: Boiler, settle: Settle, firestore_emulator: LocalFirestore
) -> None:
    boiler.add(badges())
    seat(START, weight=HEAVY)
    boiler.start()
    settle()
    boiler.stop()
    with worker(boiler, firestore_emulator.host, "left") as process:
        seat(ROTATED, weight=HEAVY)
        assert process.wait(TIMEOUT_S) == -9
    # They are empty, and none has the badge of who has left it.
    assert seated() == {}
    assert recorded_places() == []
    boiler.start()
    settle()
    assert seated() == SEATED
    assert boiler.parked == []
    assert sorted(recorded_places()) == [f"seats/{name}" for name in NAMES]


def test_classes_of_two_processes_exchange_their_places(
    boiler: Boiler, settle: Settle, firestore_emulator: LocalFirestore
) -> None:
    config = Config(
        testing=True, project=boiler.context.project, emulator_host=firestore_emulator.host
    )
    other = Boiler(config=config)
    try:
        boiler.add(QueryMediator(StaffNote, query=Room.get_query()))
        with other.context.activated():
            other.add(QueryMediator(VisitorNote, query=Room.get_query()))
        room = Room.new("r", staff=["a", "c"], visitors=["b"])
        room.save()
        boiler.start()
        other.start()
        for staff, visitors in ((["b", "c"], ["a"]), (["a"], ["b", "c"]), (["c"], ["a"])):
            room.update(staff=staff, visitors=visitors)
            # Who is first leaves, and hears then that the other has left.
            for _ in range(2):
                settle()
                other.settle(timeout_s=TIMEOUT_S)
            expected = dict.fromkeys(staff, "for staff only") | dict.fromkeys(visitors, "welcome")
            assert told() == expected
            assert boiler.parked == other.parked == []
    finally:
        other.close()
