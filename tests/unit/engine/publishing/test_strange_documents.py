"""Views that would be kept where somebody else's documents are, and what that does to others."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from flask_boiler.engine.publishing.stored_ledger import ledger_path
from flask_boiler.engine.view_key import ViewKey
from tests.unit.engine.hall import TIMEOUT_S, Hall, seats

STRANGE = {"obj_type": "Somebody", "text": "mine"}


@pytest.fixture
def hall() -> Iterator[Hall]:
    hall = Hall()
    hall.keep("view")
    yield hall
    hall.stop()


def key(name: str) -> ViewKey:
    return ViewKey("view", f"guests/{name}")


def test_what_another_would_have_taken_over_is_deleted_by_who_left_it(hall: Hall) -> None:
    hall.show(a={"at": ["1"]})
    hall.quiet()
    hall.datastore.put("seats/3", STRANGE)
    hall.show(a={"at": ["2"]}, b={"at": ["1", "3"]})
    hall.quiet()
    assert hall.parked.keys() == {"view:guests/b"}
    assert not hall.datastore.exists("seats/1")
    assert hall.datastore.recorded_owner("seats/1") is None
    assert hall.datastore.recorded_owner("seats/2") == key("a")
    assert hall.datastore.fields("seats/3") == STRANGE


def test_who_wanted_the_same_place_has_it(hall: Hall) -> None:
    hall.datastore.put("seats/3", STRANGE)
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
    # Both are of one batch, and the first would have both places.
    for name, places in (("a", ["1", "3"]), ("b", ["1"])):
        hall.show(**{name: {"at": places}})
        assert submitted.acquire(timeout=TIMEOUT_S)
    hall.datastore.hold.set()
    hall.quiet()
    assert hall.parked.keys() == {"view:guests/a"}
    assert hall.datastore.recorded_owner("seats/1") == key("b")


def test_a_view_that_was_refused_has_its_place_when_the_document_is_gone(hall: Hall) -> None:
    hall.datastore.put("seats/1", STRANGE)
    hall.show(a={"at": ["1"]})
    hall.quiet()
    hall.feed.deliver("seats/1")
    hall.quiet()
    assert hall.parked.keys() == {"view:guests/a"}
    # Another state of it computes nothing.
    computed: list[int] = []
    hall.before[key("a")] = lambda: computed.append(1)
    hall.datastore.put("seats/1", {**STRANGE, "text": "still mine"})
    hall.feed.deliver("seats/1")
    hall.quiet()
    assert computed == []
    hall.datastore.drop("seats/1")
    hall.feed.deliver("seats/1")
    hall.quiet()
    assert hall.parked == {}
    assert seats(hall.datastore) == {"1": "view:a"}
    # Nothing is listened to for that any longer.
    assert hall.feed.wanted.keys().isdisjoint({"seats/1", ledger_path("seats/1")})


def test_so_it_has_when_it_was_gone_before_it_was_listened_to(hall: Hall) -> None:
    # Somebody else listens to it, so nothing more is heard of it.
    hall.feed.listen(["seats/1"])
    hall.datastore.put("seats/1", STRANGE)
    submit = hall.engine.publisher.submit

    def remove_meanwhile(view: object, computed: object, done: object) -> None:
        def tell(outcome: object) -> None:
            if hall.datastore.fields("seats/1") == STRANGE:
                hall.datastore.drop("seats/1")
                hall.feed.deliver("seats/1")
            done(outcome)  # type: ignore[operator]

        submit(view, computed, tell)  # type: ignore[arg-type]

    hall.engine.publisher.submit = remove_meanwhile  # type: ignore[method-assign]
    hall.show(a={"at": ["1"]})
    hall.quiet()
    assert hall.parked == {}
    assert seats(hall.datastore) == {"1": "view:a"}
