"""``flask boiler tasks`` for what is no task: patches, and the documents of handlers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from flask_boiler import CTX, Boiler, Config, ProtocolBase, QueryMediator, Snapshot
from flask_boiler.operate.cli import boiler_cli
from tests.firestore.ledgers import open_accounts, order, transfers
from tests.firestore.recorded_views import await_recorded, recorded
from tests.firestore.salons import Salon, salon_patches

PATCH = "users/ada/SalonView_PATCH/p1"


class Doorbell(QueryMediator):
    """Rings for each salon, as long as somebody is there to hear it."""

    heard = threading.Event()

    class Protocol(ProtocolBase):
        @staticmethod
        def on_create(snapshot: Snapshot, mediator: Doorbell) -> None:
            if not Doorbell.heard.is_set():
                raise RuntimeError("nobody hears it")


@pytest.fixture
def app(boiler: Boiler) -> Iterator[Flask]:
    """The application whose commands are called; it runs nothing by itself."""
    app = Flask("salons")
    config = boiler.context.config
    own = Boiler(
        app,
        config=Config(testing=True, project=config.project, emulator_host=config.emulator_host),
    )
    add_mediators(own)
    yield app
    own.close()


@pytest.fixture
def worker(boiler: Boiler) -> Iterator[Boiler]:
    """One that runs, and has parked a patch and a document of a handler."""
    Doorbell.heard.clear()
    Salon.new(doc_id="s1", title="Blue", members=["ada"]).save()
    CTX.db.document(PATCH).set({"target_salon_id": "s1", "title": "explode"})
    add_mediators(boiler)
    with boiler:
        boiler.settle()
        await_recorded(boiler, lambda keys: keys == {"Doorbell:salons/s1"})
        yield boiler


def add_mediators(boiler: Boiler) -> None:
    boiler.add(salon_patches())
    boiler.add(Doorbell(query=Salon.get_query()))


def call(app: Flask, *arguments: str) -> Any:
    return app.test_cli_runner().invoke(boiler_cli, arguments)


@pytest.mark.usefixtures("worker")
def test_they_are_listed_as_what_they_are_and_not_among_views(app: Flask) -> None:
    result = call(app, "tasks", "list")
    assert result.exit_code == 1
    assert f"SalonView_PATCH  {PATCH}  (patch, 1 attempt)  " in result.output
    assert "Doorbell  salons/s1  (handler)  " in result.output
    assert result.output.endswith("\n2 tasks parked\n")
    told = json.loads(call(app, "tasks", "list", "--json").stdout)
    assert told["count"] == 2 and told["counted_only"] == {}
    assert {(one["kind"], one["path"]) for one in told["parked"]} == {
        ("patch", PATCH),
        ("handler", "salons/s1"),
    }
    assert all(list(one) == sorted(one) for one in (told, *told["parked"]))
    result = call(app, "views", "list")
    assert (result.exit_code, result.stdout.splitlines()[0]) == (0, "0 views parked")
    assert "1 more parked of handlers" in result.output


def test_a_retry_is_made_by_the_worker(worker: Boiler, app: Flask) -> None:
    Doorbell.heard.set()
    result = call(app, "tasks", "retry", "--all")
    assert result.exit_code == 1
    assert "Doorbell:salons/s1 is done\n" in result.output
    assert f"{PATCH} is parked again: ZeroDivisionError: a secret\n" in result.output
    assert result.output.endswith("1 of 2 tasks done\n")
    assert [parked.key.subject for parked in worker.parked] == [PATCH]


def test_a_patch_is_given_up_and_whoever_sent_it_is_told(worker: Boiler, app: Flask) -> None:
    result = call(app, "tasks", "drop", f"/{PATCH}")
    assert (result.exit_code, result.output) == (0, "1 task dropped\n")
    error = CTX.db.document(PATCH).get().get("error")
    assert (error["status"], error["detail"]) == (
        409,
        "It was dropped, because it could not be applied.",
    )
    worker.settle()
    assert [parked.key.subject for parked in worker.parked] == ["salons/s1"]
    assert recorded(worker) == {"Doorbell:salons/s1"}
    result = call(app, "tasks", "drop", "--all")
    assert result.exit_code == 1
    assert "that a handler of 'Doorbell' failed on cannot be dropped" in result.output
    assert result.output.endswith("0 tasks dropped\n")


def test_tasks_of_a_mediator_that_the_application_has_no_more_are_seen(
    boiler: Boiler, app: Flask
) -> None:
    open_accounts(ada=0, ben=0)
    order("t1", "ada", "ben", 5)
    boiler.add(transfers())
    with boiler:
        boiler.settle()
    result = call(app, "tasks", "list", "--mediator", "transfers")
    assert result.exit_code == 1
    assert "transfers/t1" in result.output
    for command in ("retry", "drop"):
        result = call(app, "tasks", command, "transfers/t1")
        assert result.exit_code == 1
        assert (
            "'transfers', which parked it, is not a mediator of this application" in result.output
        )
