"""Patches as documents of an inbox: triggers, what is parked for all, retried and dropped."""

from __future__ import annotations

import datetime
import random
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from google.cloud.firestore import DELETE_FIELD

from flask_boiler import CTX, Boiler, Config, DocumentMediator, Patches
from flask_boiler.engine.parking.parked_views import ParkedView, view_path
from flask_boiler.engine.view_key import ViewKey
from flask_boiler.errors import ConfigurationError
from flask_boiler.ground.values import Write
from flask_boiler.operate.cli import boiler_cli
from flask_boiler.testing import Settle
from tests.firestore import task_events
from tests.firestore.recorded_views import await_recorded
from tests.firestore.salons import PATTERN, Salon, SalonView, salon_patches

PATCHES = "users/ada/SalonView_PATCH"


def salon(doc_id: str = "s1") -> None:
    Salon.new(doc_id=doc_id, title="Blue", members=["ada"]).save()


def propose(doc_id: str, uid: str = "ada", **fields: Any) -> str:
    path = f"users/{uid}/SalonView_PATCH/{doc_id}"
    CTX.db.document(path).set({"target_salon_id": "s1", "pending": True, **fields})
    return path


def mark(path: str) -> Any:
    """``applied``, or the problem; ``None`` if nothing is told yet."""
    fields = CTX.db.document(path).get().to_dict() or {}
    return fields.get("error") or fields.get("result", {}).get("status")


@pytest.fixture
def mediator(boiler: Boiler) -> DocumentMediator:
    return boiler.add(salon_patches(Patches(PATTERN, pending="pending")))


class TestTriggers:
    @pytest.fixture
    def client(self, boiler: Boiler, mediator: DocumentMediator) -> FlaskClient:
        app = Flask("salons")
        app.register_blueprint(boiler.trigger_blueprint(), url_prefix="/triggers")
        return app.test_client()

    def post(self, boiler: Boiler, client: FlaskClient, path: str) -> int:
        headers, body = task_events.json_event(boiler.context, path)
        return client.post("/triggers/", headers=headers, data=body).status_code

    @pytest.mark.parametrize(
        "target", ["x" * 1_600, b"x" * 1_600, ["x" * 1_600], {"a": "x" * 1_600}]
    )
    def test_a_target_that_no_query_can_be_asked_for_is_refused(
        self, boiler: Boiler, client: FlaskClient, target: Any
    ) -> None:
        path = propose("p", target_salon_id=target, title="Red")
        assert self.post(boiler, client, path) == 204
        assert list(mark(path)["errors"]) == ["target_salon_id"]

    def test_events_twice_and_shuffled_keep_the_order_of_a_target(
        self, boiler: Boiler, client: FlaskClient
    ) -> None:
        salon()
        salon("s2")
        paths = []
        for number in range(8):
            # By their paths, they would be in the opposite order.
            paths.append(propose(f"p{9 - number}", title=f"first {number}"))
            paths.append(propose(f"q{9 - number}", target_salon_id="s2", title=f"second {number}"))
        events = paths * 2
        random.Random(7).shuffle(events)
        assert {self.post(boiler, client, path) for path in events} == {204}
        assert Salon.get_or_raise("s1").log == [f"first {number}" for number in range(8)]
        assert Salon.get_or_raise("s2").log == [f"second {number}" for number in range(8)]
        assert {mark(path) for path in paths} == {"applied"}

    def test_a_refused_patch_is_done_and_a_broken_one_is_parked_alone(
        self, boiler: Boiler, client: FlaskClient
    ) -> None:
        salon()
        refused, broken = propose("a", motto="Oro"), propose("b", title="explode")
        later, stranger = propose("c", title="Red"), propose("d", uid="bob", title="Green")
        codes = [self.post(boiler, client, path) for path in (later, broken, refused, stranger)]
        assert codes == [204, 422, 204, 204]
        assert (mark(refused)["status"], mark(broken), mark(later)) == (422, None, "applied")
        assert mark(stranger)["status"] == 404
        assert [parked.key.subject for parked in boiler.parked] == [broken]

    def test_documents_elsewhere_are_nobodys(self, boiler: Boiler, client: FlaskClient) -> None:
        salon()
        for path in ("SalonView_PATCH/p", "users/ada/rooms/r/SalonView_PATCH/p", f"{PATCHES}/gone"):
            if not path.endswith("gone"):
                CTX.db.document(path).set({"target_salon_id": "s1", "title": "Red"})
            assert self.post(boiler, client, path) == 204
        assert Salon.get_or_raise("s1").title == "Blue"

    def test_a_mediator_is_a_target_by_itself(
        self, boiler: Boiler, mediator: DocumentMediator
    ) -> None:
        salon()
        path = propose("p", title="Red")
        assert mediator.apply(path).state.value == "done"
        assert mediator.apply(path).state.value == "gone"
        assert mediator.statistics.done == 1


def test_what_is_parked_is_known_to_all_and_stays_so(
    boiler: Boiler, mediator: DocumentMediator, settle: Settle
) -> None:
    salon()
    broken = propose("a", title="explode")
    with boiler:
        settle()
    config = boiler.context.config
    other = Boiler(
        config=Config(testing=True, project=config.project, emulator_host=config.emulator_host)
    )
    try:
        theirs = other.add(salon_patches(Patches(PATTERN, pending="pending")))
        with other:
            other.settle()
            assert [parked.key.subject for parked in other.parked] == [broken]
            assert other.health.parked[0].key == other.parked[0].key
        # Neither at its start nor before it was it tried again.
        assert theirs.statistics.attempts == 0
        [parked] = theirs.parked_tasks
        assert (parked.path, parked.attempts) == (broken, 1)
        assert parked.error == "ZeroDivisionError: a secret"
    finally:
        other.close()


def test_without_a_worker_it_is_retried_and_dropped_at_once(
    boiler: Boiler, mediator: DocumentMediator, monkeypatch: pytest.MonkeyPatch
) -> None:
    salon()
    first, second = propose("a", title="explode"), propose("b", title="explode")
    assert [mediator.apply(path).state.value for path in (first, second)] == ["parked", "parked"]
    assert mediator.drop(second)
    assert mark(second)["status"] == 409
    monkeypatch.setattr(SalonView.attributes()["title"], "_fset", lambda view, value: None)
    assert mediator.retry(first)
    assert mark(first) == "applied"
    assert mediator.parked_tasks == []
    assert not mediator.retry(first)
    assert not mediator.drop(first)
    assert list(CTX.db.collection("_boiler_tasks").stream()) == []


def test_the_command_retries_and_drops_without_a_worker(
    boiler: Boiler, mediator: DocumentMediator, monkeypatch: pytest.MonkeyPatch
) -> None:
    salon()
    first, second = propose("a", title="explode"), propose("b", title="explode")
    for path in (first, second):
        mediator.apply(path)
    app = Flask("salons")
    config = boiler.context.config
    own = Boiler(
        app,
        config=Config(testing=True, project=config.project, emulator_host=config.emulator_host),
    )
    try:
        own.add(salon_patches(Patches(PATTERN, pending="pending")))
        run = app.test_cli_runner().invoke
        dropped = run(boiler_cli, ["tasks", "drop", second])
        assert (dropped.exit_code, dropped.output) == (0, "1 task dropped\n")
        with monkeypatch.context() as fixed:
            fixed.setattr(SalonView.attributes()["title"], "_fset", lambda view, value: None)
            retried = run(boiler_cli, ["tasks", "retry", "--all"])
        assert (retried.exit_code, retried.output) == (0, "1 of 1 task done\n")
    finally:
        own.close()
    assert (mark(first), mark(second)["status"]) == ("applied", 409)


def test_of_two_that_have_one_name_whoever_has_the_patch_retries_it(
    boiler: Boiler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in an application that never starts its mediators, and is delivered events."""
    boiler.add(salon_patches(Patches("teams/{team}/SalonView_PATCH", target="target")))
    mine = boiler.add(salon_patches(Patches(PATTERN)))
    boiler.add(salon_patches(Patches("clubs/{club}/SalonView_PATCH", target="target")))
    salon()
    path = propose("a", title="explode")
    CTX.db.document(path).update({"pending": DELETE_FIELD})
    assert mine.apply(path).state.value == "parked"
    monkeypatch.setattr(SalonView.attributes()["title"], "_fset", lambda view, value: None)
    assert boiler.retry(ViewKey(mine.name, path))
    assert mark(path) == "applied"


def test_what_an_earlier_release_recorded_of_a_patch_is_forgotten_at_the_start(
    boiler: Boiler, mediator: DocumentMediator
) -> None:
    salon()
    path = propose("a", title="Red")
    key = ViewKey(mediator.name, path)
    since = datetime.datetime.now(datetime.UTC)
    record = ParkedView(key, "ZeroDivisionError", "a secret", since, "host:1")
    CTX.datastore.commit([Write("set", view_path(key), record.as_fields())])
    with boiler:
        boiler.settle()
        assert mark(path) == "applied"
        await_recorded(boiler, lambda keys: not keys)


def test_of_one_document_there_is_no_inbox(boiler: Boiler) -> None:
    mediator = boiler.add(DocumentMediator(SalonView, document="salons/s1"))
    assert mediator.inbox is None
    assert boiler.inboxes == []
    for ask in (mediator.apply, mediator.retry, mediator.drop):
        with pytest.raises(ConfigurationError, match="has no patches"):
            ask("salons/s1")
