"""The counter: shards that nobody waits for, and one total of them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask

from examples.counter.app import create_app
from examples.counter.models import SHARDS, Shard
from flask_boiler import CTX, Boiler, Config

VISITS = 200


@pytest.fixture
def boiler_app(boiler_config: Config) -> Flask:
    return create_app(boiler_config)


@pytest.fixture
def running(boiler: Boiler) -> Iterator[Boiler]:
    with boiler:
        yield boiler


def total() -> int | None:
    view = CTX.db.document("counters/total").get().to_dict()
    return None if view is None else view["totalCount"]


def test_before_anybody_counts_the_total_is_zero(running: Boiler) -> None:
    running.settle()
    assert total() == 0


def test_the_total_has_every_visit(running: Boiler, boiler_app: Flask) -> None:
    def visit(_: int) -> int:
        return boiler_app.test_client().post("/visits").status_code

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(visit, range(VISITS))) == {204}
    running.settle()
    assert total() == VISITS
    assert boiler_app.test_client().get("/visits").json == {"totalCount": VISITS}
    assert 1 < Shard.all().count() <= SHARDS


def test_the_total_stays_when_all_shards_go(running: Boiler) -> None:
    Shard.new(doc_id="0", count=7).save()
    running.settle()
    assert total() == 7
    Shard.get_or_raise("0").delete()
    running.settle()
    assert total() == 0


def test_a_total_that_is_right_is_not_written_again(running: Boiler) -> None:
    Shard.new(doc_id="0", count=7).save()
    running.settle()
    before = CTX.db.document("counters/total").get().update_time
    running.stop()
    running.start()
    running.settle()
    assert CTX.db.document("counters/total").get().update_time == before
