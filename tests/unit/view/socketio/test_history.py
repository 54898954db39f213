"""The history of a view's values: what is remembered, and which patches are made of it."""

from __future__ import annotations

from typing import Any

from flask_boiler.ground.json_text import canonical_json
from flask_boiler.view.socketio.history import History, State


def state(version: int, **value: Any) -> State:
    return State(version, value, canonical_json(value))


LONG = "a text that is longer than any patch of the other member"


def test_a_patch_is_made_of_a_value_that_is_remembered() -> None:
    history = History(2, 10_000)
    newest = state(2, note="b", text=LONG)
    history.add(state(1, note="a", text=LONG))
    history.add(newest)
    replaced = [{"op": "replace", "path": "/note", "value": "b"}]
    assert history.patch("json-patch", 1, newest) == replaced
    assert history.patch("merge-patch", 1, newest) == {"note": "b"}
    assert history.patch("full", 1, newest) is None
    assert history.patch("merge-patch", 7, newest) is None


def test_no_patch_is_larger_than_the_value() -> None:
    history = History(2, 10_000)
    history.add(state(1, note="a", text=LONG))
    assert history.patch("json-patch", 1, state(2, other=1)) is None


def test_no_merge_patch_says_that_a_member_becomes_null() -> None:
    history = History(2, 10_000)
    history.add(state(1, note="a", text=LONG))
    newest = state(2, note=None, text=LONG)
    assert history.patch("merge-patch", 1, newest) is None
    assert history.patch("json-patch", 1, newest) is not None


def test_the_oldest_values_are_forgotten_when_there_are_too_many() -> None:
    history = History(1, 10_000)
    newest = state(3, note="c", text=LONG)
    for each in (state(1, note="a", text=LONG), state(2, note="b", text=LONG), newest):
        history.add(each)
    assert len(history) == 2
    assert history.patch("merge-patch", 1, newest) is None
    assert history.patch("merge-patch", 2, newest) == {"note": "c"}


def test_a_value_with_two_versions_takes_the_bytes_of_one() -> None:
    history = History(10, 10_000)
    first = state(1, note="a")
    history.add(first)
    history.name_anew(2, first)
    assert (len(history), history.size_bytes) == (2, len(first.text))
    history.clear()
    assert (len(history), history.size_bytes) == (0, 0)
