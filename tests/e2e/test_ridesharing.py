"""Ridesharing: no seat twice, everybody told, whoever they are and however many."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from examples.ridesharing.app import create_app
from examples.ridesharing.models import Booking, Ride, User
from flask_boiler import CTX, Boiler, Config
from flask_boiler.ground.ports import LocalFirestore

RIDERS = 200
SEATS = 50
WORKERS = 4


@pytest.fixture
def bookings(boiler: Boiler) -> Iterator[Boiler]:
    """The example's own application, running on the test's database."""
    config = boiler.context.config
    app: Flask = create_app(
        Config(testing=True, project=config.project, emulator_host=config.emulator_host)
    )
    example: Boiler = app.extensions["boiler"]
    for uid in ("dora", "ada", "ben"):
        User.new(doc_id=uid, full_name=uid.title()).save()
    Ride.new(doc_id="r1", driver="dora", destination="Half Moon Bay", seats=3).save()
    try:
        with example:
            yield example
    finally:
        example.close()


def stored(path: str) -> dict[str, Any] | None:
    fields: dict[str, Any] | None = CTX.db.document(path).get().to_dict()
    return fields


def send(path: str, **fields: Any) -> None:
    CTX.db.document(path).set(fields)


def problem_at(path: str) -> dict[str, Any]:
    found = stored(path)
    assert found is not None, f"nothing is said at {path}"
    problem: dict[str, Any] = found["problem"]
    return problem


def taken() -> int:
    return Ride.get_or_raise("r1").taken


def test_a_booking_is_made_and_its_form_is_gone(bookings: Boiler) -> None:
    send("users/ada/bookings_POST/b1", ride="r1", seats=2)
    bookings.settle()
    assert stored("users/ada/bookings_POST/b1") is None
    view = stored("users/ada/bookings/b1")
    assert view is not None
    assert (view["state"], view["seats"], view["destination"]) == ("booked", 2, "Half Moon Bay")
    assert stored("rideView/r1")["free"] == 1  # type: ignore[index]


@pytest.mark.parametrize(
    ("fields", "status", "wrong"),
    [
        ({}, 422, ["ride"]),
        ({"ride": "r1", "seats": "two"}, 422, ["seats"]),
        ({"ride": "r1", "seats": 9}, 422, ["seats"]),
        ({"ride": "r1", "seats": 1, "uid": "ben"}, 422, ["uid"]),
        ({"ride": "a/b"}, 422, ["ride"]),
        ({"ride": "__r1__"}, 422, ["ride"]),
        ({"ride": 7}, 422, ["ride"]),
        ({"ride": "nowhere"}, 422, ["ride"]),
        ({"ride": "r1", "seats": 4}, 409, None),
    ],
)
def test_a_refused_form_changes_nothing_and_says_why(
    bookings: Boiler, fields: dict[str, Any], status: int, wrong: list[str] | None
) -> None:
    send("users/ada/bookings_POST/b1", **fields)
    bookings.settle()
    problem = problem_at("users/ada/refusals/b1")
    assert problem["status"] == status
    assert (sorted(problem["errors"]) if wrong is not None else None) == wrong
    assert stored("users/ada/refusals/b1")["form"] == fields  # type: ignore[index]
    assert stored("users/ada/bookings_POST/b1") is None
    assert list(Booking.all()) == []
    assert taken() == 0
    assert bookings.parked == []


def test_one_who_is_no_rider_is_refused(bookings: Boiler) -> None:
    send("users/eve/bookings_POST/b1", ride="r1")
    bookings.settle()
    assert problem_at("users/eve/refusals/b1")["status"] == 404


def test_the_same_booking_is_not_made_twice(bookings: Boiler) -> None:
    for _ in range(2):
        send("users/ada/bookings_POST/b1", ride="r1")
        bookings.settle()
    assert problem_at("users/ada/refusals/b1")["detail"] == "b1 exists already"
    assert taken() == 1


def test_a_booking_is_cancelled_by_its_rider_alone(bookings: Boiler) -> None:
    send("users/ada/bookings_POST/b1", ride="r1", seats=2)
    bookings.settle()
    send("users/ben/cancellations_POST/b1")
    bookings.settle()
    assert problem_at("users/ben/refusals/b1")["status"] == 404
    assert taken() == 2
    for _ in range(2):
        send("users/ada/cancellations_POST/b1")
        bookings.settle()
    assert problem_at("users/ada/refusals/b1")["detail"] == "b1 is cancelled already"
    assert stored("users/ada/bookings/b1")["state"] == "cancelled"  # type: ignore[index]
    assert taken() == 0


def test_a_ride_is_offered_and_its_driver_sees_who_comes(bookings: Boiler) -> None:
    send("users/dora/rides_POST/r2", destination="Reno", seats=4)
    bookings.settle()
    assert (stored("rideView/r2") or {})["driver"] == "Dora"
    send("users/ada/bookings_POST/b1", ride="r2", seats=2)
    send("users/ben/bookings_POST/b2", ride="r2")
    bookings.settle()
    ride = stored("users/dora/rides/r2") or {}
    assert ride["passengers"] == [{"name": "Ada", "seats": 2}, {"name": "Ben", "seats": 1}]
    send("users/ada/cancellations_POST/b1")
    bookings.settle()
    ride = stored("users/dora/rides/r2") or {}
    assert ride["passengers"] == [{"name": "Ben", "seats": 1}]


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"destination": "Reno"}, ["seats"]),
        ({"destination": "", "seats": 2}, ["destination"]),
        ({"destination": "Reno", "seats": 0}, ["seats"]),
        ({"destination": "Reno", "seats": 2, "taken": -9}, ["taken"]),
        ({"destination": "Reno", "seats": 2, "driver": "ben"}, ["driver"]),
    ],
)
def test_a_ride_that_cannot_be_is_refused(
    bookings: Boiler, fields: dict[str, Any], wrong: list[str]
) -> None:
    send("users/dora/rides_POST/r2", **fields)
    bookings.settle()
    assert sorted(problem_at("users/dora/refusals/r2")["errors"]) == wrong
    assert Ride.get("r2") is None


def test_nobody_books_or_cancels_once_the_driver_has_departed(bookings: Boiler) -> None:
    send("users/ada/bookings_POST/b1", ride="r1")
    send("users/ada/departures_POST/r1")
    bookings.settle()
    assert problem_at("users/ada/refusals/r1")["status"] == 404
    assert (stored("users/ada/bookings/b1") or {})["state"] == "booked"
    for _ in range(2):
        send("users/dora/departures_POST/r1")
        bookings.settle()
    said = "The ride to Half Moon Bay has departed"
    assert problem_at("users/dora/refusals/r1")["detail"] == said
    assert (stored("users/ada/bookings/b1") or {})["state"] == "on the way"
    send("users/ben/bookings_POST/b2", ride="r1")
    send("users/ada/cancellations_POST/b1")
    bookings.settle()
    for refusal in ("users/ben/refusals/b2", "users/ada/refusals/b1"):
        assert problem_at(refusal)["detail"] == said
    assert taken() == 1


def test_a_form_that_lies_elsewhere_is_parked(bookings: Boiler) -> None:
    send("users/ada/elsewhere/x/bookings_POST/b1", ride="r1")
    bookings.settle()
    [parked] = bookings.parked
    assert "users/{uid}/bookings_POST/{booking_id}" in str(parked.error)
    assert taken() == 0


def test_a_worker_says_what_it_has_done(boiler: Boiler, firestore_emulator: LocalFirestore) -> None:
    User.new(doc_id="ada", full_name="Ada").save()
    Ride.new(doc_id="r1", driver="dora", destination="Half Moon Bay", seats=3).save()
    send("users/ada/bookings_POST/b1", ride="r1", seats=2)
    command = [sys.executable, "-m", "flask", "--app", "examples.ridesharing.app", "boiler", "run"]
    environment = {
        **os.environ,
        "BOILER_PROJECT": boiler.context.project,
        "BOILER_EMULATOR_HOST": firestore_emulator.host,
    }
    with subprocess.Popen(
        [*command, "--status-every", "0.05"], env=environment, stdout=subprocess.PIPE, text=True
    ) as worker:
        try:
            assert worker.stdout is not None
            assert any("BookingForm: 1 task done" in line for line in worker.stdout)
            worker.terminate()
            assert worker.stdout.read().rstrip().endswith("stopped")
            assert worker.wait() == 0
        finally:
            worker.kill()
    assert taken() == 2


@pytest.mark.long
def test_a_parked_form_is_seen_to_from_a_terminal(
    boiler: Boiler, bookings: Boiler, firestore_emulator: LocalFirestore
) -> None:
    path = "users/ada/elsewhere/x/bookings_POST/b1"
    send(path, ride="r1")
    bookings.settle()

    def tasks(*arguments: str) -> str:
        command = [
            sys.executable,
            "-m",
            "flask",
            "--app",
            "examples.ridesharing.app",
            "boiler",
            "tasks",
        ]
        done = subprocess.run(
            [*command, *arguments, "--mediator", "BookingForm"],
            env={
                **os.environ,
                "BOILER_PROJECT": boiler.context.project,
                "BOILER_EMULATOR_HOST": firestore_emulator.host,
            },
            capture_output=True,
            text=True,
            check=False,
        )
        return f"{done.stdout}{done.stderr}status {done.returncode}"

    said = tasks("list")
    assert f"UTC  BookingForm  {path}  (form, 1 attempt)  ConfigurationError: {path}" in said
    assert said.endswith("\n1 task parked\nstatus 1")
    assert tasks("drop", path) == "1 task dropped\nstatus 0"
    assert tasks("retry", path).startswith(f"Error: not parked: {path};")
    assert stored(path) is None


@pytest.mark.long
def test_no_overbooking_however_many_ask_at_once(
    boiler: Boiler, firestore_emulator: LocalFirestore
) -> None:
    Ride.new(doc_id="r1", driver="dora", destination="Half Moon Bay", seats=SEATS).save()
    uids = [f"rider{number}" for number in range(RIDERS)]
    for start in range(0, RIDERS, 100):
        batch = CTX.db.batch()
        for uid in uids[start : start + 100]:
            rider = User.new(doc_id=uid, full_name=uid)
            batch.set(CTX.db.document(rider.doc_path), rider.to_dict())
            batch.set(CTX.db.document(f"users/{uid}/bookings_POST/b-{uid}"), {"ride": "r1"})
        batch.commit()
    command = [sys.executable, "-m", "tests.e2e.ridesharing_fleet", firestore_emulator.host]
    with subprocess.Popen([*command, boiler.context.project, str(WORKERS)]) as fleet:
        try:
            fleet.wait()
        finally:
            fleet.kill()
    assert fleet.returncode == 0
    assert list(CTX.db.collection_group("bookings_POST").stream()) == []
    assert list(CTX.db.collection("_boiler_tasks").stream()) == []
    booked = {booking.doc_id for booking in Booking.all()}
    refused = {s.id: s.get("problem.status") for s in CTX.db.collection_group("refusals").stream()}
    assert (len(booked), len(refused)) == (SEATS, RIDERS - SEATS)
    assert booked | refused.keys() == {f"b-{uid}" for uid in uids}
    assert Counter(refused.values()) == {409: RIDERS - SEATS}
    assert Ride.get_or_raise("r1").taken == SEATS
    paths = [snapshot.reference.path for snapshot in CTX.db.collection_group("bookings").stream()]
    shown = {path for path in paths if path.startswith("users/")}
    assert shown == {f"users/{doc_id[2:]}/bookings/{doc_id}" for doc_id in booked}
