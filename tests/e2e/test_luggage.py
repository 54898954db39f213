"""Luggage: totals of what a query finds, which follow each piece."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from examples.luggage.app import create_app
from examples.luggage.models import Luggage, Traveller
from flask_boiler import CTX, Boiler, Config


@pytest.fixture
def boiler_app(boiler_config: Config) -> Flask:
    return create_app(boiler_config)


@pytest.fixture
def running(boiler: Boiler) -> Iterator[Boiler]:
    with boiler:
        for uid in ("ada", "ben"):
            Traveller.new(doc_id=uid, full_name=uid.title()).save()
        Luggage.new(doc_id="trunk", owner="ada", size="large", weight_in_lbs=20).save()
        Luggage.new(doc_id="bag", owner="ada", size="medium", weight_in_lbs=15).save()
        boiler.settle()
        yield boiler


def stored(uid: str) -> dict[str, Any] | None:
    fields: dict[str, Any] | None = CTX.db.document(f"luggage/{uid}").get().to_dict()
    return fields


def totals(uid: str) -> tuple[int, int]:
    view = stored(uid) or {}
    return view["totalCount"], view["totalWeight"]


def test_the_view_has_each_piece_and_the_totals(running: Boiler) -> None:
    view = stored("ada") or {}
    assert view["pieces"] == [
        {"size": "medium", "weightInLbs": 15},
        {"size": "large", "weightInLbs": 20},
    ]
    assert totals("ada") == (2, 35)
    assert totals("ben") == (0, 0)


def test_the_totals_follow_each_piece(running: Boiler) -> None:
    Luggage.get_or_raise("bag").update(weight_in_lbs=25)
    running.settle()
    assert totals("ada") == (2, 45)
    Luggage.get_or_raise("bag").update(owner="ben")
    running.settle()
    assert (totals("ada"), totals("ben")) == ((1, 20), (1, 25))
    Luggage.get_or_raise("bag").delete()
    running.settle()
    assert totals("ben") == (0, 0)


def sizes() -> dict[str, tuple[int, int]]:
    found = CTX.db.collection("luggageBySize").stream()
    return {view.id: (view.get("totalCount"), view.get("totalWeight")) for view in found}


def test_there_is_a_view_for_each_size_that_a_piece_has(running: Boiler, boiler_app: Flask) -> None:
    assert sizes() == {"large": (1, 20), "medium": (1, 15)}
    Luggage.new(doc_id="box", owner="ben", size="large", weight_in_lbs=30).save()
    running.settle()
    assert sizes() == {"large": (2, 50), "medium": (1, 15)}
    assert boiler_app.test_client().get("/sizes/large").json == {
        "totalCount": 2,
        "totalWeight": 50,
    }
    Luggage.get_or_raise("bag").update(size="small")
    running.settle()
    assert sizes() == {"large": (2, 50), "small": (1, 15)}


def test_what_no_view_shows_writes_nothing(running: Boiler) -> None:
    before = running.engine.publisher.documents_written
    Luggage.get_or_raise("bag").update(colour="green")
    running.settle()
    assert running.engine.publisher.documents_written == before
    Luggage.get_or_raise("bag").update(weight_in_lbs=16)
    running.settle()
    # That of its owner, and that of its size.
    assert running.engine.publisher.documents_written == before + 2


def test_a_traveller_who_leaves_has_no_view(running: Boiler) -> None:
    Traveller.get_or_raise("ada").delete()
    running.settle()
    assert stored("ada") is None
