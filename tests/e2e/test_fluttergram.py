"""Fluttergram: a post is in the feed of each of 1,200 followers, and computed once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from pytest_mock import MockerFixture

from examples.fluttergram.app import create_app
from examples.fluttergram.models import Post, User, save_users
from flask_boiler import CTX, Boiler, Config

FOLLOWERS = [f"follower-{number}" for number in range(1200)]


@pytest.fixture
def boiler_app(boiler_config: Config) -> Flask:
    return create_app(boiler_config)


@pytest.fixture
def running(boiler: Boiler) -> Iterator[Boiler]:
    with boiler:
        yield boiler


@pytest.fixture
def followed(running: Boiler) -> Boiler:
    """Somebody with 1,200 followers has posted."""
    User.new(doc_id="tijuana", full_name="Tijuana", followers=FOLLOWERS).save()
    running.settle()
    Post.new(doc_id="p1", author="tijuana", text="Hello #world").save()
    running.settle()
    return running


def feeds() -> dict[str, Any]:
    """The users who have the post in their feeds, and when it was written there."""
    found = CTX.db.collection_group("feed").stream()
    return {entry.reference.path.split("/")[1]: entry.update_time for entry in found}


def test_a_post_is_computed_once_and_written_to_each_feed(
    followed: Boiler, mocker: MockerFixture
) -> None:
    assert feeds().keys() == set(FOLLOWERS)
    entry = CTX.db.document("users/follower-7/feed/p1").get().to_dict() or {}
    assert (entry["text"], entry["author"], entry["hashtags"], entry["mine"]) == (
        *("Hello #world", "Tijuana", ["#world"]),
        False,
    )
    evaluated = mocker.spy(Post, "hashtags")
    Post.new(doc_id="p2", author="tijuana", text="Once more #world").save()
    followed.settle()
    assert evaluated.call_count == 1
    assert len(list(CTX.db.collection_group("feed").stream())) == 2 * len(FOLLOWERS)
    evaluated.reset_mock()
    before = followed.engine.publisher.documents_written
    Post.get_or_raise("p1").update(text="Hello #moon")
    followed.settle()
    assert evaluated.call_count == 1
    assert followed.engine.publisher.documents_written == before + len(FOLLOWERS)
    entry = CTX.db.document("users/follower-1199/feed/p1").get().to_dict() or {}
    assert entry["hashtags"] == ["#moon"]


def test_only_who_follows_no_more_loses_the_post(followed: Boiler, boiler_app: Flask) -> None:
    before = feeds()
    client = boiler_app.test_client()
    changed = client.patch("/authors/tijuana", json={"removeFollower": "follower-7"})
    assert changed.status_code == 200
    followed.settle()
    left = before.pop("follower-7")
    assert feeds() == before
    User.new(doc_id="follower-7", full_name="Follower 7").save()
    client.patch("/authors/tijuana", json={"addFollower": "follower-7"})
    followed.settle()
    after = feeds()
    assert after.pop("follower-7") != left
    assert after == before


def test_a_post_that_is_taken_back_is_in_no_feed(followed: Boiler, boiler_app: Flask) -> None:
    assert boiler_app.test_client().delete("/posts/p1").status_code == 204
    followed.settle()
    assert feeds() == {}
    assert followed.parked == []


def test_what_happens_while_nothing_runs_is_made_up_for_at_the_next_start(running: Boiler) -> None:
    User.new(doc_id="tijuana", full_name="Tijuana", followers=["ada", "ben", "cleo"]).save()
    Post.new(doc_id="p1", author="tijuana", text="Hello").save()
    running.settle()
    before = feeds()
    running.stop()
    User.get_or_raise("tijuana").update(followers=["ada", "dora"])
    running.start()
    running.settle()
    after = feeds()
    assert after.keys() == {"ada", "dora"}
    assert after["ada"] == before["ada"]
    User.get_or_raise("tijuana").delete()
    running.settle()
    assert feeds() == {}


@pytest.mark.parametrize(("uid", "status"), [("a/b", 422), ("", 422), ("nobody", 404)])
def test_who_is_no_user_cannot_follow(
    running: Boiler, boiler_app: Flask, uid: str, status: int
) -> None:
    save_users()
    refused = boiler_app.test_client().patch("/authors/ada", json={"addFollower": uid})
    assert refused.status_code == status
    assert User.get_or_raise("ada").followers == ["ada", "ben"]


def test_a_post_of_nobody_is_refused(running: Boiler, boiler_app: Flask) -> None:
    save_users()
    client = boiler_app.test_client()
    assert client.post("/posts", json={"text": "Hello"}).status_code == 422
    assert client.post("/posts", json={"author": "ada", "text": ""}).status_code == 422
    assert client.post("/posts", json={"author": "ada", "text": "Hello"}).status_code == 201
    running.settle()
    assert feeds().keys() == {"ada", "ben"}
    mine = {uid: CTX.db.collection(f"users/{uid}/feed").get()[0].get("mine") for uid in feeds()}
    assert mine == {"ada": True, "ben": False}
