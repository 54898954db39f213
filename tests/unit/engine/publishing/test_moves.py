"""Views that exchange places, pass them on, or are refused them; in one process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from flask_boiler.engine.publishing import intake
from flask_boiler.engine.publishing.stored_ledger import ledger_path
from flask_boiler.engine.view_key import ViewKey
from flask_boiler.errors import ConflictError, UnavailableError, ValidationError
from tests.unit.engine.fakes import publisher_of
from tests.unit.engine.hall import TIMEOUT_S, Hall, at, seats

LONG_S = 60.0


@pytest.fixture
def hall() -> Iterator[Hall]:
    hall = Hall()
    # Whoever waits for others waits until they come.
    publisher_of(hall.engine).patience_s = LONG_S
    yield hall
    hall.stop()


def key(name: str, mediator: str = "view") -> ViewKey:
    return ViewKey(mediator, f"guests/{name}")


def commits_since(hall: Hall, before: int) -> list[dict[str, str]]:
    """The kind of what each commit does, by path."""
    return [{w.path: w.kind for w in commit} for commit in hall.datastore.commits[before:]]


class Held:
    """A computation that does not end until it may."""

    def __init__(self, hall: Hall, of: ViewKey) -> None:
        self._entered, self._go_on = threading.Event(), threading.Event()
        hall.before[of] = self._wait

    def _wait(self) -> None:
        self._entered.set()
        assert self._go_on.wait(LONG_S)

    def await_it(self) -> None:
        assert self._entered.wait(TIMEOUT_S)

    def release(self) -> None:
        self._go_on.set()


def test_two_roots_of_one_class_exchange_their_places_in_one_commit(hall: Hall) -> None:
    hall.keep("view")
    hall.show(a={"at": ["1"]}, b={"at": ["2"]})
    hall.quiet()
    before = len(hall.datastore.commits)
    hall.show(a={"at": ["2"]}, b={"at": ["1"]})
    hall.quiet()
    assert hall.parked == {}
    assert seats(hall.datastore) == {"1": "view:b", "2": "view:a"}
    [commit] = commits_since(hall, before)
    assert set(commit.values()) == {"set"}
    assert commit.keys() == {
        *("seats/1", "seats/2"),
        *(ledger_path("seats/1"), ledger_path("seats/2")),
    }


def test_two_classes_of_one_root_exchange_their_places_in_one_commit(hall: Hall) -> None:
    hall.keep("staff", at("staff"))
    hall.keep("guest", at("guests"))
    hall.show(r={"staff": ["a", "c"], "guests": ["b"]})
    hall.quiet()
    before = len(hall.datastore.commits)
    hall.show(r={"staff": ["b", "c"], "guests": ["a"]})
    hall.quiet()
    assert hall.parked == {}
    assert seats(hall.datastore) == {"a": "guest:r", "b": "staff:r", "c": "staff:r"}
    assert len(hall.datastore.commits) == before + 1


@pytest.mark.parametrize("slow", [None, "b", "e"])
def test_a_longer_rotation_is_one_commit_whoever_is_computed_last(
    hall: Hall, slow: str | None
) -> None:
    hall.keep("view")
    hall.show(**{name: {"at": [name]} for name in "abcde"})
    hall.quiet()
    before = len(hall.datastore.commits)
    held = Held(hall, key(slow)) if slow else None
    rotated = dict(zip("abcde", "bcdea", strict=True))
    hall.show(**{name: {"at": [seat]} for name, seat in rotated.items()})
    if held is not None:
        held.await_it()
        held.release()
    hall.quiet()
    assert seats(hall.datastore) == {seat: f"view:{name}" for name, seat in rotated.items()}
    assert len(hall.datastore.commits) == before + 1
    assert hall.parked == {}


def test_others_are_published_while_some_wait_for_each_other(hall: Hall) -> None:
    hall.keep("view")
    hall.show(a={"at": ["1"]}, b={"at": ["2"]}, c={"at": ["3"], "n": 1})
    hall.quiet()
    while hall.datastore.entered.acquire(blocking=False):
        pass
    held = Held(hall, key("b"))
    hall.show(a={"at": ["2"]}, b={"at": ["1"]}, c={"at": ["3"], "n": 2})
    held.await_it()
    assert hall.datastore.entered.acquire(timeout=TIMEOUT_S)
    assert seats(hall.datastore) == {"1": "view:a", "2": "view:b", "3": "view:c"}
    held.release()
    hall.quiet()
    assert seats(hall.datastore) == {"1": "view:b", "2": "view:a", "3": "view:c"}


def test_an_older_value_of_a_companion_is_not_its_last_word(hall: Hall) -> None:
    hall.keep("view")
    hall.show(a={"at": ["1"]}, b={"at": ["2"]}, z={"at": ["9"]})
    hall.quiet()
    while hall.datastore.entered.acquire(blocking=False):
        pass
    hall.datastore.hold.clear()
    hall.show(z={"at": ["9"], "n": 1})
    assert hall.datastore.entered.acquire(timeout=TIMEOUT_S)
    submitted = threading.Semaphore(0)
    publisher: Any = hall.engine.publisher
    submit = publisher.submit

    def count(*arguments: Any) -> None:
        submit(*arguments)
        submitted.release()

    publisher.submit = count
    hall.show(b={"at": ["2"], "n": 1})
    assert submitted.acquire(timeout=TIMEOUT_S)
    hall.show(a={"at": ["2"]}, b={"at": ["1"]})
    assert submitted.acquire(timeout=TIMEOUT_S)
    hall.datastore.hold.set()
    hall.quiet()
    assert seats(hall.datastore) == {"1": "view:b", "2": "view:a", "9": "view:z"}
    assert hall.engine.statistics.parked == 0
    assert {write.kind for commit in hall.datastore.commits for write in commit} == {"set"}


def test_who_waits_too_long_for_another_leaves_at_once(hall: Hall) -> None:
    publisher_of(hall.engine).patience_s = 0.02
    hall.keep("view")
    hall.show(a={"at": ["1"]}, b={"at": ["2"]})
    hall.quiet()
    while hall.datastore.entered.acquire(blocking=False):
        pass
    held = Held(hall, key("b"))
    hall.show(a={"at": ["2"]}, b={"at": ["1"]})
    held.await_it()
    assert hall.datastore.entered.acquire(timeout=TIMEOUT_S)
    held.release()
    hall.quiet()
    deleted = [w.path for w in hall.datastore.commits[1] if w.kind == "delete"]
    assert deleted == ["seats/1"]
    assert hall.parked == {}
    assert seats(hall.datastore) == {"1": "view:b", "2": "view:a"}


def test_a_companion_that_fails_is_not_waited_for(hall: Hall) -> None:
    hall.keep("view")
    hall.show(a={"at": ["1"]}, b={"at": ["2"]})
    hall.quiet()

    def fail() -> None:
        held._wait()
        raise ValueError("it cannot even tell its place")

    held = Held(hall, key("b"))
    hall.before[key("b")] = fail
    hall.show(a={"at": ["2"]}, b={"at": ["1"]})
    held.await_it()
    held.release()
    hall.quiet()
    assert seats(hall.datastore) == {"2": "view:b"}
    assert "view:guests/b is already stored there" in hall.parked["view:guests/a"]
    # What is right comes of itself when the other can be computed.
    del hall.before[key("b")]
    hall.hear("b")
    hall.quiet()
    assert hall.parked == {}
    assert seats(hall.datastore) == {"1": "view:b", "2": "view:a"}


def test_nor_is_one_that_goes(hall: Hall) -> None:
    hall.keep("view")
    hall.show(a={"at": ["1"]}, b={"at": ["2"]})
    hall.quiet()
    held = Held(hall, key("b"))
    hall.show(a={"at": ["2"]}, b={"at": ["1"]})
    held.await_it()
    hall.engine.discard(key("b"))
    held.release()
    hall.quiet()
    assert seats(hall.datastore) == {"2": "view:b"}
    assert hall.parked.keys() == {"view:guests/a"}


def test_a_place_is_passed_on_by_a_view_whose_root_goes(hall: Hall) -> None:
    hall.keep("view")
    hall.show(a={"at": ["1"]}, b={"at": ["2"]})
    hall.quiet()
    before = len(hall.datastore.commits)
    hall.show(a={"at": ["2"]}, b=None)
    hall.quiet()
    assert seats(hall.datastore) == {"2": "view:a"}
    assert not hall.datastore.exists("seats/1")
    assert len(hall.datastore.commits) == before + 1
    assert hall.parked == {}


def test_who_is_refused_a_place_gives_up_what_it_left(hall: Hall) -> None:
    hall.keep("view")
    hall.show(a={"at": ["1", "2"]}, b={"at": ["3"]})
    hall.quiet()
    hall.show(a={"at": ["2", "3"], "n": 1})
    hall.quiet()
    # The place that it left is empty; at that which it wants still, its last value stands.
    assert seats(hall.datastore) == {"2": "view:a", "3": "view:b"}
    assert hall.datastore.recorded_owner("seats/1") is None
    assert hall.datastore.fields("seats/2") == {"by": "view", "who": "a", "n": None}
    assert hall.parked.keys() == {"view:guests/a"}
    # Somebody else may have it, and who waits is told when its place is free.
    hall.show(b={"at": ["1"]})
    hall.quiet()
    assert hall.parked == {}
    assert seats(hall.datastore) == {"1": "view:b", "2": "view:a", "3": "view:a"}


def test_views_that_are_parked_by_each_other_heal_each_other(hall: Hall) -> None:
    hall.keep("view")
    hall.show(a={"at": ["1"]}, b={"at": ["2"]}, c={"at": ["3"]})
    hall.quiet()
    for name, seat in (("a", "2"), ("b", "3"), ("c", "1")):
        hall.show(**{name: {"at": [seat]}})
        hall.quiet()
    assert hall.parked == {}
    assert seats(hall.datastore) == {"2": "view:a", "3": "view:b", "1": "view:c"}


def test_a_view_whose_getter_fails_gives_up_what_it_does_not_want(hall: Hall) -> None:
    hall.keep("view")
    hall.show(a={"at": ["1", "2"]}, b={"at": ["3"]})
    hall.quiet()
    hall.failing.add(key("a"))
    hall.show(a={"at": ["2", "4"]}, b={"at": ["1"]})
    hall.quiet()
    # What it wants and has not is not claimed: there is nothing to put there.
    assert seats(hall.datastore) == {"1": "view:b", "2": "view:a"}
    assert "a getter's" in hall.parked["view:guests/a"]
    hall.failing.clear()
    hall.hear("a")
    hall.quiet()
    assert seats(hall.datastore) == {"1": "view:b", "2": "view:a", "4": "view:a"}


def test_a_view_that_cannot_be_stored_gives_up_what_it_left(hall: Hall) -> None:
    hall.keep("view")
    hall.show(a={"at": ["1"]})
    hall.quiet()
    hall.datastore.failures.append(("before", ValidationError({"document": ["too large"]})))
    hall.show(a={"at": ["2"]})
    hall.quiet()
    assert "too large" in hall.parked["view:guests/a"]
    assert seats(hall.datastore) == {}
    assert hall.datastore.recorded_owner("seats/1") is None


def test_views_in_a_circle_give_up_what_they_left(hall: Hall) -> None:
    hall.keep("view")
    hall.show(a={"at": ["1"]}, b={"at": ["2"]})
    hall.quiet()
    hall.feed.listen(["seats/3", "seats/2"])
    hall.also = {key("a"): ["seats/2"], key("b"): ["seats/3"]}
    hall.feed.deliver("seats/2", "seats/3")
    hall.show(a={"at": ["3"]}, b={"at": ["2"], "n": 1})
    hall.quiet()
    hall.feed.deliver("seats/2", "seats/3")
    hall.quiet()
    assert "circle" in hall.parked["view:guests/a"]
    assert not hall.datastore.exists("seats/1")


@pytest.mark.parametrize("limit", ["MOST_WRITES", "MOST_BYTES"])
def test_what_does_not_fit_a_commit_is_left_first(
    hall: Hall, limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hall.keep("view")
    hall.show(a={"at": ["1"]}, b={"at": ["2"]})
    hall.quiet()
    before = len(hall.datastore.commits)
    monkeypatch.setattr(intake, limit, 3)
    held = Held(hall, key("b"))
    hall.show(a={"at": ["2"]}, b={"at": ["1"]})
    held.await_it()
    held.release()
    hall.quiet()
    done = [(path, kind) for commit in commits_since(hall, before) for path, kind in commit.items()]
    of_seats = [(path, kind) for path, kind in done if path.startswith("seats/")]
    # Each is empty before it is anybody's, and nobody claims before all have left.
    assert {path for path, kind in of_seats[:2] if kind == "delete"} == {"seats/1", "seats/2"}
    assert {path for path, kind in of_seats[2:] if kind == "set"} == {"seats/1", "seats/2"}
    assert seats(hall.datastore) == {"1": "view:b", "2": "view:a"}
    assert hall.parked == {}


def test_so_is_what_firestore_refuses_to_take_at_once(hall: Hall) -> None:
    hall.keep("view")
    hall.show(a={"at": ["1"]}, b={"at": ["2"]}, c={"at": ["3"]})
    hall.quiet()
    hall.datastore.failures.append(("before", ValidationError({"commit": ["too large"]})))
    held = Held(hall, key("b"))
    hall.show(a={"at": ["2"]}, b={"at": ["1"]})
    held.await_it()
    held.release()
    hall.quiet()
    assert hall.parked == {}
    assert seats(hall.datastore) == {"1": "view:b", "2": "view:a", "3": "view:c"}


def test_of_an_exchange_one_of_which_is_unacceptable_the_other_is_published(hall: Hall) -> None:
    hall.keep("view")
    hall.show(a={"at": ["1"]}, b={"at": ["2"]})
    hall.quiet()

    def refuse(write: Any) -> None:
        if write.path == "seats/2" and write.kind == "set":
            raise ValidationError({"document": ["not today"]})

    hall.datastore.check = refuse
    hall.show(a={"at": ["2"]}, b={"at": ["1"]})
    hall.quiet()
    assert hall.parked.keys() == {"view:guests/a"}
    assert seats(hall.datastore) == {"1": "view:b"}
    assert hall.datastore.recorded_owner("seats/2") is None


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("lost", [UnavailableError("lost", outcome_unknown=True)])
def test_an_exchange_whose_answer_is_lost_is_looked_at(
    hall: Hall, when: str, lost: Exception
) -> None:
    hall.keep("view")
    hall.show(a={"at": ["1"]}, b={"at": ["2"]})
    hall.quiet()
    hall.datastore.failures.append((when, lost))
    hall.show(a={"at": ["2"]}, b={"at": ["1"]})
    hall.quiet()
    assert hall.parked == {}
    assert seats(hall.datastore) == {"1": "view:b", "2": "view:a"}


def test_an_exchange_that_meets_contention_is_tried_again(hall: Hall) -> None:
    hall.keep("view")
    hall.show(a={"at": ["1"]}, b={"at": ["2"]})
    hall.quiet()
    hall.datastore.failures.append(("before", ConflictError("contention")))
    hall.show(a={"at": ["2"]}, b={"at": ["1"]})
    hall.quiet()
    assert hall.parked == {}
    assert seats(hall.datastore) == {"1": "view:b", "2": "view:a"}


def test_of_two_that_want_a_free_place_the_other_has_it_when_the_first_fails(hall: Hall) -> None:
    hall.keep("view")
    hall.datastore.hold.clear()
    hall.show(z={"at": ["9"]})
    assert hall.datastore.entered.acquire(timeout=TIMEOUT_S)
    submitted = threading.Semaphore(0)
    submit = hall.engine.publisher.submit

    def count(*arguments: Any) -> None:
        submit(*arguments)
        submitted.release()

    publisher: Any = hall.engine.publisher
    publisher.submit = count
    hall.show(a={"at": ["1"]}, b={"at": ["1"]})
    for _ in range(2):
        assert submitted.acquire(timeout=TIMEOUT_S)
    # Of both, whoever is first.
    refused = ValidationError({"document": ["not today"]})
    first: list[str] = []

    def refuse_the_first(write: Any) -> None:
        if write.path == "seats/1" and write.kind == "set":
            who = write.fields.fields["who"].string_value
            first.append(who)
            if who == first[0]:
                raise refused

    hall.datastore.check = refuse_the_first
    hall.datastore.hold.set()
    hall.quiet()
    other = {"a": "b", "b": "a"}[first[0]]
    assert seats(hall.datastore) == {"1": f"view:{other}", "9": "view:z"}
    assert hall.parked.keys() == {f"view:guests/{first[0]}"}


def test_an_exchange_amid_a_stop_is_made(hall: Hall) -> None:
    hall.keep("view")
    hall.show(a={"at": ["1"]}, b={"at": ["2"]})
    hall.quiet()
    held = Held(hall, key("b"))
    hall.show(a={"at": ["2"]}, b={"at": ["1"]})
    held.await_it()
    stopping = threading.Thread(target=hall.stop)
    stopping.start()
    held.release()
    stopping.join(TIMEOUT_S)
    assert not stopping.is_alive()
    assert seats(hall.datastore) == {"1": "view:b", "2": "view:a"}
