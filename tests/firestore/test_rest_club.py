"""Routes of views that are of something else than one root, on real servers."""

# mypy: disable-error-code="index, union-attr"

from __future__ import annotations

import threading
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from flask_boiler import CTX, Boiler, QueryMediator
from flask_boiler.testing import Settle
from flask_boiler.view.http.requests import READ_TIME_HEADER
from tests.firestore.clubs import (
    CupStanding,
    Lodge,
    LodgeView,
    Player,
    Trophies,
    create_club_app,
    save_a_club,
)


@pytest.fixture
def app(boiler: Boiler) -> Flask:
    app = create_club_app(boiler)
    with app.app_context():
        save_a_club()
    return app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def problem(answer: Any, status: int) -> str:
    assert (answer.status_code, answer.mimetype) == (status, "application/problem+json")
    detail: str = answer.json["detail"]
    return detail


def test_views_of_all_kinds_are_computed_as_of_now(client: FlaskClient) -> None:
    assert client.get("/cups/2024/senior/bob").json == {"nick": "Bob", "cups": 2}
    assert client.get("/lodges/oak/views/ann").json == {
        "motto": "Slowly",
        "reader": "Ann",
        "others": 1,
    }
    assert client.get("/days/2024-05-01/false").json == {"isOpen": True}
    assert client.get("/trophies").json == {"cups": 4}
    page = client.get("/cups/2024/senior?nick=Bob").json
    assert page["results"] == {"bob": {"nick": "Bob", "cups": 2}}
    for path in (
        *("/cups/2024/senior/nobody", "/cups/2024/elder/bob", "/cups/MMXXIV/senior/bob"),
        *("/lodges/oak/views/cem", "/lodges/elm/views/ann", "/days/2024-05-32/true"),
    ):
        problem(client.get(path), 404)


def test_what_is_kept_is_shown_as_it_is_kept(
    client: FlaskClient, boiler: Boiler, settle: Settle
) -> None:
    boiler.add(QueryMediator(LodgeView, query=Lodge.get_query()))
    boiler.add(
        QueryMediator(
            CupStanding,
            query={"player": Player.get_query(), "year": [2024], "grade": ["senior"]},
        )
    )
    boiler.add(QueryMediator(Trophies))
    boiler.start()
    settle()
    for path, place in (
        ("/lodges/oak/views/ann", "lodges/oak/views/ann"),
        ("/cups/2024/senior/bob", "cupStandings/2024/senior/bob"),
        ("/trophies", "club/trophies"),
    ):
        kept = client.get(path)
        stored = CTX.db.document(place).get()
        assert kept.last_modified.timestamp() == int(stored.update_time.timestamp())
        # A computed one has the same tag.
        token = {READ_TIME_HEADER: "1", "If-None-Match": kept.headers["ETag"]}
        assert client.get(path, headers=token).status_code == 304
    assert client.delete("/lodges/oak/views/ann").status_code == 204
    settle()
    problem(client.get("/lodges/oak/views/ann"), 404)
    assert list(client.get("/lodges/oak/views").json["results"]) == ["bob"]


def test_members_join_and_leave_at_most_once(app: Flask) -> None:
    answers: list[int] = []

    def join() -> None:
        made = app.test_client().put(
            "/lodges/oak/views/cem", json={"motto": "Fast"}, headers={"If-None-Match": "*"}
        )
        answers.append(made.status_code)

    threads = [threading.Thread(target=join) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [201, 412, 412, 412]
    client = app.test_client()
    with app.app_context():
        assert Lodge.get_or_raise("oak").members == ["ann", "bob", "cem"]
    shown = client.get("/lodges/oak/views/cem")
    assert shown.json == {"motto": "Fast", "reader": "Cem", "others": 2}
    assert client.delete("/lodges/oak/views/cem").status_code == 204
    problem(client.delete("/lodges/oak/views/cem"), 404)
    problem(client.patch("/lodges/oak/views/cem", json={"motto": "x"}), 404)


def test_one_of_two_who_know_the_same_tag_changes_the_view(client: FlaskClient) -> None:
    first, second = (client.get(f"/cups/{year}/youth/cem") for year in (2023, 2024))
    asked = {"If-Match": first.headers["ETag"]}
    changed = client.patch("/cups/2023/youth/cem", json={"nick": "C"}, headers=asked)
    assert changed.json == {"nick": "C", "cups": 0}
    problem(client.patch("/cups/2023/youth/cem", json={"nick": "D"}, headers=asked), 412)
    stale = {"If-Match": second.headers["ETag"]}
    problem(client.put("/cups/2024/youth/cem", json={"nick": "D"}, headers=stale), 412)


def test_pages_of_members_lose_nobody(client: FlaskClient) -> None:
    names = [f"m{n:04}" for n in range(120)]
    for name in names:
        Player.new(doc_id=name, nick=name).save()
    Lodge.new(doc_id="elm", motto="Many", members=[*names, *names, "nobody"]).save()
    seen: list[str] = []
    query: dict[str, str] = {"limit": "50"}
    while True:
        page = client.get("/lodges/elm/views", query_string=query).json
        seen += page["results"]
        if page["next_page_token"] is None:
            break
        query["page_token"] = page["next_page_token"]
    assert seen == names
