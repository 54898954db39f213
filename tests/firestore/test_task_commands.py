"""``flask boiler tasks``: what is parked, listed, retried and dropped from a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from flask_boiler import CTX, Boiler, Config
from flask_boiler.firestore.datastore import FirestoreDatastore
from flask_boiler.operate.cli import boiler_cli
from tests.firestore.ledgers import account, open_accounts, order, transfers


@pytest.fixture
def app(boiler: Boiler) -> Iterator[Flask]:
    """The application whose commands are called; it has a Boiler of its own on the database."""
    app = Flask("bank")
    config = boiler.context.config
    own = Boiler(
        app,
        config=Config(testing=True, project=config.project, emulator_host=config.emulator_host),
    )
    own.add(transfers(key="source"))
    yield app
    own.close()


@pytest.fixture
def poisoned(boiler: Boiler) -> None:
    """Two parked tasks of two keys, and one that waits for the first."""
    open_accounts(ada=0, ben=0, cy=0)
    order("t1", "ada", "ben", 5)
    order("t2", "ada", "ben", 1)
    order("t3", "cy", "ben", 5)
    boiler.add(transfers(key="source"))
    with boiler:
        boiler.settle()
        assert len(boiler.parked) == 2


def call(app: Flask, *arguments: str) -> Any:
    return app.test_cli_runner().invoke(boiler_cli, ["tasks", *arguments])


def test_the_status_knows_of_parked_tasks_and_reads_nothing(
    boiler: Boiler, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_accounts(ada=0, ben=0)
    order("t1", "ada", "ben", 5)
    boiler.add(transfers())
    assert boiler.health.unheard == ["transfers"]
    with boiler:
        boiler.settle()

        def asked(*args: object, **options: object) -> None:
            raise AssertionError("a status must cost nothing")

        for call in ("get", "run_query", "aggregate", "commit", "begin"):
            monkeypatch.setattr(FirestoreDatastore, call, asked)
        health = boiler.health
        monkeypatch.undo()
    assert [str(parked.key) for parked in health.parked] == ["transfers:transfers/t1"]
    assert health.unheard == [] and health.hindrances == []
    assert "parked 1: transfers:transfers/t1 since" in str(health)


@pytest.mark.usefixtures("poisoned")
class TestCommands:
    def test_list_says_what_and_why(self, app: Flask) -> None:
        result = call(app, "list")
        assert result.exit_code == 1
        assert "transfers/t1" in result.output
        assert "ada has only 0" in result.output
        assert result.output.endswith("\n2 tasks parked\n")
        assert "transfers/t1  (source='ada', 1 attempt)" in result.output
        assert "transfers/t2" not in result.output

    def test_retry_applies_the_task_and_what_waited_for_it(self, app: Flask) -> None:
        account("ada").update(balance=6)
        result = call(app, "retry", "transfers/t1")
        assert (result.exit_code, result.output) == (0, "1 of 1 task done\n")
        assert account("ada").history == ["t1", "t2"]
        assert "1 task parked" in call(app, "list").output

    def test_a_task_that_fails_again_is_said_to(self, app: Flask) -> None:
        account("ada").update(balance=6)
        result = call(app, "retry", "--all")
        assert result.exit_code == 1
        assert "transfers/t3 is parked again: RefusedError: cy has only 0\n" in result.output
        assert "1 of 2 tasks done" in result.output

    @pytest.mark.parametrize("command", ["retry", "drop"])
    def test_one_that_waited_and_is_parked_now_is_told_of(self, app: Flask, command: str) -> None:
        account("ada").update(balance=6)
        order("t4", "ada", "ben", 50)
        result = call(app, command, "/transfers/t1")
        assert result.exit_code == 1
        assert "transfers/t4, which was not parked before, is now: RefusedError" in result.output
        assert account("ada").history == (["t1", "t2"] if command == "retry" else ["t2"])

    def test_one_that_an_earlier_parked_one_holds_back_is_said_not_to_be_tried(
        self, app: Flask
    ) -> None:
        mediator = transfers(key="source")
        # The second is tried while the first is another's.
        for source, tried in (("nobody", "t2"), ("ada", "t1")):
            CTX.db.document("transfers/t1").update({"source": source})
            assert mediator.apply(f"transfers/{tried}").state.value == "parked"
        result = call(app, "retry", "transfers/t2")
        assert result.exit_code == 1
        assert "transfers/t2 is still parked, and was not tried" in result.output

    def test_drop_lets_the_others_go_on(self, app: Flask) -> None:
        account("ada").update(balance=1)
        result = call(app, "drop", "transfers/t1", "transfers/t3")
        assert (result.exit_code, result.output) == (0, "2 tasks dropped\n")
        assert account("ben").balance == 1
        assert list(CTX.db.collection("transfers").stream()) == []
        assert call(app, "list").output == "0 tasks parked\n"

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (("retry",), "--all"),
            (("retry", "transfers/t1", "--all"), "--all"),
            (("drop", "transfers/none"), "not parked: transfers/none"),
            (("retry", "transfers/t2"), "waits for a parked one"),
            (("list", "--mediator", "nobody"), "its mediators are: transfers"),
        ],
    )
    def test_what_makes_no_sense_is_said(
        self, app: Flask, arguments: tuple[str, ...], said: str
    ) -> None:
        result = call(app, *arguments)
        assert result.exit_code != 0
        assert said in result.output
