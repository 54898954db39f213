"""What is told of how the mediators fare, and nothing of what is stored."""

from __future__ import annotations

import datetime
import json
from typing import Any

import click
import pytest

from flask_boiler.engine.phases import Statistics
from flask_boiler.engine.view_key import Parked, ViewKey
from flask_boiler.operate.cli.shared_options import listening_address
from flask_boiler.operate.health import Health

SINCE = datetime.datetime(2024, 5, 6, 7, 8, 9, tzinfo=datetime.UTC)


def health(**different: Any) -> Health:
    told: dict[str, Any] = {
        "running": True,
        "firestore": "h:1 (project p)",
        "answers": True,
        "silent_s": 0.0,
        "stream_silent_s": 1.23,
        "lag_s": 0.5,
        "views": 3,
        "counts": Statistics(computed=4, published=2),
        "tasks_done": {"book": 1},
        "parked": [],
        "unheard": [],
    }
    return Health(**{**told, **different})


def test_what_runs_and_is_answered_is_ready() -> None:
    told = health().as_json()
    assert (told["ready"], told["why_not"]) == (True, [])
    assert told["firestore"]["stream_silent_s"] == 1.2
    assert str(health()) == "views 3, computed 4, published 2, lag 0.5 s, book: 1 task done"


@pytest.mark.parametrize(
    ("different", "reason"),
    [
        ({"running": False}, "the mediators are not running"),
        (
            {"refusal": ValueError("a secret"), "refused_s": 12.3},
            "Firestore has refused all commits for 12 s: ValueError",
        ),
        ({"deaf_s": 12.3}, "Firestore has refused all listening for 12 s"),
        (
            {"fault": ValueError("a secret")},
            "a thread has ended by ValueError: start this process again",
        ),
        ({"answers": False}, "Firestore at h:1 (project p) has not answered yet"),
        (
            {"answers": False, "silent_s": 12.3},
            "Firestore at h:1 (project p) has not answered for 12 s",
        ),
    ],
)
def test_what_is_not_ready_says_why(different: dict[str, Any], reason: str) -> None:
    told = health(**different).as_json()
    assert (told["ready"], told["why_not"]) == (False, [reason])


def test_what_is_parked_is_told_by_name_and_kind_but_what_is_stored_is_not() -> None:
    parked = [
        Parked(ViewKey("V", f"users/{n}"), ValueError("ada's password is geheim"), SINCE)
        for n in range(10_000)
    ]
    told = health(parked=parked).as_json()
    assert told["parked"]["count"] == 10_000
    assert told["parked"]["first"][0] == {
        "key": "V:users/0",
        "since": "2024-05-06T07:08:09+00:00",
        "error": "ValueError",
    }
    assert len(json.dumps(told)) < 5_000
    assert "geheim" not in json.dumps(told)
    assert told["ready"]


@pytest.mark.parametrize(
    ("text", "pair"),
    [("127.0.0.1:8081", ("127.0.0.1", 8081)), ("[::1]:80", ("::1", 80))],
)
def test_an_address_is_a_host_and_a_port(text: str, pair: tuple[str, int]) -> None:
    assert listening_address(None, None, text) == pair


@pytest.mark.parametrize("text", ["8081", ":8081", "h:", "h:0", "h:70000", "h:http"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is not HOST:PORT"):
        listening_address(None, None, text)
