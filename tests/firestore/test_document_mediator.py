"""One document's view, and patches that front ends propose: on a real Firestore."""

from __future__ import annotations

import base64
import datetime
import json
import re
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pytest_mock import MockerFixture

from flask_boiler import (
    CTX,
    Boiler,
    Config,
    DocumentMediator,
    Patches,
    ProtocolBase,
    QueryMediator,
    Snapshot,
)
from flask_boiler.errors import ConfigurationError, UnavailableError
from flask_boiler.firestore.datastore import FirestoreDatastore
from flask_boiler.ground.ports import LocalFirestore
from flask_boiler.testing import Settle
from flask_boiler.view.inbox import setbacks
from flask_boiler.view.inbox.task_processor import TaskProcessor
from tests.firestore.places import recorded_places
from tests.firestore.salons import PATTERN, Salon, SalonMutation, SalonView, salon_patches
from tests.firestores import GOOGLES

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 30.0
PATCHES = "users/ada/SalonView_PATCH"


def stored(path: str) -> dict[str, Any] | None:
    """A document as another client sees it."""
    fields: dict[str, Any] | None = CTX.db.document(path).get().to_dict()
    return fields


def salon(doc_id: str = "s1", **fields: Any) -> Salon:
    made = Salon.new(doc_id=doc_id, **{"title": "Blue", "members": ["ada"], **fields})
    made.save()
    return made


def propose(doc_id: str = "p1", uid: str = "ada", **fields: Any) -> str:
    """What a front end writes."""
    path = f"users/{uid}/SalonView_PATCH/{doc_id}"
    CTX.db.document(path).set({"target_salon_id": "s1", **fields})
    return path


def mark(path: str) -> Any:
    """What a front end is told: ``applied``, or the problem; ``None`` if nothing yet."""
    fields = stored(path)
    assert fields is not None
    return fields.get("error") or fields.get("result", {}).get("status")


@pytest.fixture
def running(boiler: Boiler) -> Boiler:
    boiler.add(salon_patches())
    boiler.start()
    return boiler


# Patches.


def test_a_patch_is_applied_and_marked_and_the_view_follows(boiler: Boiler, settle: Settle) -> None:
    salon()
    boiler.add(QueryMediator(SalonView, query=Salon.get_query()))
    boiler.add(salon_patches())
    boiler.start()
    path = propose(isOpen=True, title="Red")
    settle()
    assert mark(path) == "applied"
    view = stored("salonView/s1")
    assert view is not None
    assert (view["isOpen"], view["title"]) == (True, "Red")
    fields = stored(path)
    assert fields is not None
    assert isinstance(fields["result"]["time"], datetime.datetime)
    # What was proposed stays as it was.
    assert (fields["isOpen"], fields["target_salon_id"]) == (True, "s1")


def test_patches_from_before_the_start_are_applied_too(boiler: Boiler, settle: Settle) -> None:
    salon()
    path = propose(isOpen=True)
    boiler.add(salon_patches())
    boiler.start()
    settle()
    assert mark(path) == "applied"


BAD: Mapping[str, tuple[Mapping[str, Any], int, set[str] | None]] = {
    "refused": ({"isOpen": False}, 409, None),
    "read-only": ({"guests": 5}, 422, {"guests"}),
    "unknown": ({"motto": "Oro"}, 422, {"motto"}),
    "attribute-name": ({"is_open": True}, 422, {"is_open"}),
    "wrong-type": ({"isOpen": "yes", "title": 5}, 422, {"isOpen", "title"}),
    "null": ({"isOpen": None}, 422, {"isOpen"}),
    "part-wrong": ({"title": "Red", "motto": 1}, 422, {"motto"}),
    "not-found": ({"target_salon_id": "nowhere", "title": "Red"}, 404, None),
    "no-target": ({"target_salon_id": None, "title": "Red"}, 422, {"target_salon_id"}),
    "wrong-target": ({"target_salon_id": 7, "title": "Red"}, 422, {"target_salon_id"}),
    "path-target": ({"target_salon_id": "s1/x/y", "title": "Red"}, 422, {"target_salon_id"}),
    "nested": ({"title": {"a": [{"b": 1}]}}, 422, {"title"}),
}


def test_bad_patches_are_told_why_and_change_nothing(running: Boiler, settle: Settle) -> None:
    before = salon().to_dict()
    paths = {name: propose(name, **fields) for name, (fields, _, _) in BAD.items()}
    reference = propose("reference", title=CTX.db.document("salons/s1"))
    CTX.db.document(f"{PATCHES}/empty").set({})
    settle()
    for name, path in paths.items():
        _, status, fields = BAD[name]
        problem = mark(path)
        assert problem["status"] == status, name
        assert set(problem.get("errors", ())) == (fields or set()), name
    assert mark(f"{PATCHES}/empty")["errors"] == {
        "target_salon_id": ["Missing data for required field."]
    }
    assert set(mark(reference)["errors"]) == {"title"}
    assert Salon.get_or_raise("s1").to_dict() == before
    assert running.parked == []


def test_somebody_else_may_not(running: Boiler, settle: Settle) -> None:
    salon()
    path = propose(uid="bob", title="Red")
    settle()
    assert mark(path)["status"] == 404
    assert Salon.get_or_raise("s1").title == "Blue"


def test_a_collection_of_the_same_name_elsewhere_is_left_alone(
    running: Boiler, settle: Settle
) -> None:
    salon()
    elsewhere = ("SalonView_PATCH/p1", "users/ada/rooms/r/SalonView_PATCH/p1")
    for path in elsewhere:
        CTX.db.document(path).set({"target_salon_id": "s1", "title": "Red"})
    later = propose(title="Green")
    settle()
    assert [mark(path) for path in (*elsewhere, later)] == [None, None, "applied"]
    assert running.parked == []


def test_a_plain_collection_without_placeholders(boiler: Boiler, settle: Settle) -> None:
    salon()
    boiler.add(DocumentMediator(mutation_cls=SalonMutation, patches=PATCHES))
    boiler.start()
    ours, other = propose(title="Red"), propose(uid="bob", title="Green")
    settle()
    assert (mark(ours), mark(other)) == ("applied", None)


class LocalSalons(DocumentMediator):
    def authorize(self, patch: Any, view: Any) -> bool:
        return bool(patch.placeholders["salon_id"] == "s1" and view.title == "Blue")


def test_the_target_in_the_path_and_a_method_that_authorizes(
    boiler: Boiler, settle: Settle
) -> None:
    salon()
    salon("s2")
    patches = Patches("salons/{salon_id}/SalonView_PATCH", target="salon_id")
    boiler.add(LocalSalons(mutation_cls=SalonMutation, patches=patches))
    boiler.start()
    for doc_id in ("s1", "s2"):
        CTX.db.document(f"salons/{doc_id}/SalonView_PATCH/p").set({"isOpen": True})
    settle()
    assert mark("salons/s1/SalonView_PATCH/p") == "applied"
    assert mark("salons/s2/SalonView_PATCH/p")["status"] == 404


def test_a_bug_parks_one_patch_and_is_not_told(
    running: Boiler, settle: Settle, monkeypatch: pytest.MonkeyPatch
) -> None:
    salon()
    salon("s2")
    broken = propose("a-broken", title="explode")
    later = propose("b-later", title="Red")
    other = propose("other", target_salon_id="s2", title="Green")
    settle()
    [parked] = running.parked
    assert str(parked.key) == f"SalonView_PATCH:{broken}"
    assert str(parked.error) == "ZeroDivisionError: a secret"
    assert (mark(broken), mark(later), mark(other)) == (None, "applied", "applied")

    assert running.retry(parked.key)
    settle()
    assert [p.key for p in running.parked] == [parked.key]

    with monkeypatch.context() as fixed:
        fixed.setattr(SalonView.attributes()["title"], "_fset", lambda view, value: None)
        assert running.retry(parked.key)
        settle()
    assert mark(broken) == "applied"
    assert running.parked == []


def test_a_patch_that_ends_the_program_ends_only_itself(running: Boiler, settle: Settle) -> None:
    salon()
    for number in range(3):
        propose(f"a{number}", title="exit")
    later = propose("later", title="Red")
    settle()
    assert len(running.parked) == 3
    assert mark(later) == "applied"


def test_a_parked_patch_that_is_withdrawn_or_corrected_is_parked_no_more(
    running: Boiler, settle: Settle
) -> None:
    salon()
    for doc_id in ("p1", "p2"):
        propose(doc_id, title="explode")
    settle()
    assert len(running.parked) == 2
    CTX.db.document(f"{PATCHES}/p1").delete()
    propose("p2", title="Red")
    settle()
    assert running.parked == []
    assert mark(f"{PATCHES}/p2") == "applied"
    # Or workers would look at what is not there for ever.
    assert list(CTX.db.collection("_boiler_tasks").stream()) == []


def test_patches_of_one_target_are_applied_in_the_order_of_their_creation(
    boiler: Boiler, settle: Settle
) -> None:
    salon()
    salon("s2")
    for number in range(15):
        # By their paths, they would be in the opposite order.
        propose(f"p{99 - number}", title=f"first {number}")
        propose(f"p{99 - number}", uid="aaa", target_salon_id="s2", title=f"second {number}")
    boiler.add(DocumentMediator(mutation_cls=SalonMutation, patches=PATTERN))
    boiler.start()
    settle()
    assert Salon.get_or_raise("s1").log == [f"first {number}" for number in range(15)]
    assert Salon.get_or_raise("s2").log == [f"second {number}" for number in range(15)]


class _Blocking(SalonMutation):
    """Waits in patches of the salon ``slow``; tells who ran where."""

    entered: threading.Event
    go_on: threading.Event
    other: threading.Event
    threads: set[str]

    @classmethod
    def mutate_patch(cls, doc_id: str, data: Mapping[str, Any]) -> SalonView:
        cls.threads.add(threading.current_thread().name)
        if doc_id == "slow":
            cls.entered.set()
            assert cls.go_on.wait(TIMEOUT_S)
        else:
            cls.other.set()
        return super().mutate_patch(doc_id, data)


@pytest.fixture
def blocking() -> Iterator[type[_Blocking]]:
    _Blocking.entered, _Blocking.go_on, _Blocking.other = (threading.Event() for _ in range(3))
    _Blocking.threads = set()
    yield _Blocking
    _Blocking.go_on.set()


def test_a_slow_target_holds_up_no_other_and_settling_waits_for_it(
    boiler: Boiler, settle: Settle, blocking: type[_Blocking]
) -> None:
    salon("slow")
    salon("quick")
    boiler.add(DocumentMediator(mutation_cls=blocking, patches=PATTERN))
    boiler.start()
    slow = [propose(f"a{n}", target_salon_id="slow", title=str(n)) for n in range(5)]
    assert blocking.entered.wait(TIMEOUT_S)
    quick = propose("z", target_salon_id="quick", title="Red")
    assert blocking.other.wait(TIMEOUT_S)
    with pytest.raises(TimeoutError, match="still busy"):
        boiler.engine.await_quiet(timeout_s=0.0)
    assert boiler.lag_s > 0
    blocking.go_on.set()
    settle()
    assert [mark(path) for path in [*slow, quick]] == ["applied"] * 6
    assert all(name.startswith("flask-boiler-patch") for name in blocking.threads)


def test_stopping_finishes_what_is_in_hand_and_releases_everything(
    boiler: Boiler, settle: Settle, blocking: type[_Blocking]
) -> None:
    salon("slow")
    before = set(threading.enumerate())
    boiler.engine.await_quiet(timeout_s=TIMEOUT_S)
    mediator = DocumentMediator(mutation_cls=blocking, patches=PATTERN)
    mediator.start()
    path = propose(target_salon_id="slow", title="Red")
    assert blocking.entered.wait(TIMEOUT_S)
    stopper = threading.Thread(target=mediator.stop)
    stopper.start()
    blocking.go_on.set()
    stopper.join(TIMEOUT_S)
    assert not stopper.is_alive()
    assert mark(path) == "applied"
    assert boiler.engine.feed.statistics().targets == 0  # type: ignore[attr-defined]
    assert boiler.engine.views == 0
    # Others of the engine still settle.
    settle()
    boiler.stop()
    left = {thread.name for thread in set(threading.enumerate()) - before}
    assert not [name for name in left if name.startswith("flask-boiler")]


def test_nothing_is_done_for_marked_patches_on_a_restart(
    boiler: Boiler, settle: Settle, mocker: MockerFixture
) -> None:
    salon()
    for number in range(5):
        propose(f"good{number}", addGuests=1)
        propose(f"bad{number}", motto="Oro")
    boiler.add(salon_patches())
    boiler.start()
    settle()
    boiler.stop()
    before = {s.reference.path: s.update_time for s in CTX.db.collection(PATCHES).stream()}
    apply = mocker.patch.object(TaskProcessor, "apply")
    boiler.start()
    settle()
    apply.assert_not_called()
    assert before == {s.reference.path: s.update_time for s in CTX.db.collection(PATCHES).stream()}
    assert Salon.get_or_raise("s1").guests == 5


def test_with_a_pending_field_marked_patches_are_not_even_listened_to(
    boiler: Boiler, settle: Settle
) -> None:
    salon()
    mediator = boiler.add(salon_patches(Patches(PATTERN, pending="pending")))
    boiler.start()
    good = propose("good", addGuests=1, pending=True)
    bad = propose("bad", motto="Oro", pending=True)
    unmeant = propose("unmeant", addGuests=1)
    settle()
    assert (mark(good), mark(bad)["status"], mark(unmeant)) == ("applied", 422, None)
    assert "pending" not in {**(stored(good) or {}), **(stored(bad) or {})}
    boiler.stop()
    boiler.start()
    settle()
    [target] = mediator._commands.queue(boiler.context.datastore.codec).targets(0)
    assert boiler.engine.feed.cut.query(target) == []


def test_patches_that_are_deleted_when_they_are_applied(boiler: Boiler, settle: Settle) -> None:
    salon()
    week = datetime.timedelta(days=7)
    boiler.add(salon_patches(Patches(PATTERN, mark="delete", keep_for=week)))
    boiler.start()
    good, bad = propose("good", addGuests=1), propose("bad", motto="Oro")
    settle()
    assert stored(good) is None
    refused = stored(bad)
    assert refused is not None
    assert refused["error"]["status"] == 422
    found = CTX.db.document(bad).get()
    assert found.create_time <= refused["expiresAt"] - week <= found.update_time
    assert Salon.get_or_raise("s1").guests == 1


def test_a_patch_as_large_as_a_document_can_be_is_told_why(running: Boiler, settle: Settle) -> None:
    salon()
    # The limit is 1 MiB; there is no room for a mark, nor for this title in another document.
    path = propose(title="x" * (1024 * 1024 - 150))
    settle()
    fields = stored(path)
    assert fields is not None
    assert fields["error"]["status"] == 422
    assert Salon.get_or_raise("s1").title == "Blue"
    assert running.parked == []


def _failing(monkeypatch: pytest.MonkeyPatch, times: int | None) -> None:
    """Have Firestore fail at so many commits of patches, or at all."""
    commit = FirestoreDatastore.commit
    left = iter(range(times)) if times is not None else iter(int, 1)

    def fail(datastore: Any, writes: Any, **options: Any) -> Any:
        of_salon = any(write.path.startswith("salons/") and write.fields for write in writes)
        if of_salon and next(left, None) is not None:
            raise UnavailableError("nobody is there")
        return commit(datastore, writes, **options)

    monkeypatch.setattr(FirestoreDatastore, "commit", fail)
    monkeypatch.setattr(setbacks, "_FIRST_PAUSE_S", 0.001)


def test_while_firestore_cannot_be_reached_a_patch_waits(
    running: Boiler, settle: Settle, monkeypatch: pytest.MonkeyPatch
) -> None:
    salon()
    _failing(monkeypatch, 4)
    path = propose(title="Red")
    settle()
    assert mark(path) == "applied"
    assert running.parked == []


def test_a_patch_that_alone_cannot_be_committed_is_parked(
    running: Boiler, settle: Settle, monkeypatch: pytest.MonkeyPatch
) -> None:
    salon()
    with monkeypatch.context() as failing:
        _failing(failing, None)
        path = propose(title="Red")
        settle()
    [parked] = running.parked
    assert str(parked.error) == "UnavailableError: nobody is there"
    assert running.retry(parked.key)
    settle()
    assert mark(path) == "applied"


def test_two_mediators_of_one_collection_need_names(boiler: Boiler) -> None:
    with salon_patches(), pytest.raises(ConfigurationError, match="name="):
        salon_patches().start()


# Who may write patches at all.


def documented_rules() -> str:
    """The security rules that docs/patches.md recommends, for this collection."""
    text = (ROOT / "docs" / "patches.md").read_text(encoding="utf-8")
    found = re.search(r"```text\n(rules_version.*?)```", text, re.DOTALL)
    assert found is not None
    return found[1].replace("MeetingView_PATCH", "SalonView_PATCH")


class FrontEnd:
    """Somebody who is signed in, and bound by rules; the Python client is not."""

    def __init__(self, host: str, project: str, uid: str) -> None:
        self._base = f"http://{host}/v1/projects/{project}/databases/(default)/documents"
        claims = {"sub": uid, "user_id": uid, "aud": project, "iat": 0, "exp": 2**32}
        self._token = ".".join([_base64({"alg": "none"}), _base64(claims), ""])

    def write(self, path: str, *fields: str) -> int:
        """Set these fields of a document to true; the status of the answer."""
        body = {"fields": {name: {"booleanValue": True} for name in fields}}
        return http_status(f"{self._base}/{path}", "PATCH", body, f"Bearer {self._token}")


def _base64(claims: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")


def http_status(url: str, method: str, body: Any, authorization: str) -> int:
    headers = {"Authorization": authorization, "Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code


@pytest.mark.parametrize("firestore_emulator", [GOOGLES], indirect=True)
def test_the_documented_rules_let_users_write_patches_of_their_own_once(
    boiler: Boiler, firestore_emulator: LocalFirestore
) -> None:
    host, project = firestore_emulator.host, boiler.context.project
    rules = {"rules": {"files": [{"name": "patches", "content": documented_rules()}]}}
    url = f"http://{host}/emulator/v1/projects/{project}:securityRules"
    assert http_status(url, "PUT", rules, "Bearer owner") == 200
    ada, bob = FrontEnd(host, project, "ada"), FrontEnd(host, project, "bob")
    assert ada.write(f"{PATCHES}/p1", "isOpen") == 200
    # Neither again, nor somebody else's, nor with a mark.
    assert ada.write(f"{PATCHES}/p1", "isOpen", "title") == 403
    assert bob.write(f"{PATCHES}/p2", "isOpen") == 403
    assert ada.write(f"{PATCHES}/p3", "isOpen", "result") == 403
    assert ada.write(f"{PATCHES}/p4", "isOpen", "error") == 403
    assert ada.write("salons/s1", "isOpen") == 403


# Several processes, and their end.


@contextmanager
def worker(boiler: Boiler, host: str, die: str = "") -> Iterator[subprocess.Popen[str]]:
    """A running worker process; killed at the end if nobody did so before."""
    command = [sys.executable, "-m", "tests.firestore.salon_worker"]
    with subprocess.Popen(
        [*command, host, boiler.context.project, *([die] if die else [])],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "running\n"
            yield process
        finally:
            process.kill()


@contextmanager
def marks_appearing(count: int) -> Iterator[threading.Event]:
    """An event that is set when another client sees so many marked patches."""
    seen = threading.Event()

    def on_snapshot(documents: Any, changes: Any, read_time: Any) -> None:
        if sum("result" in (document.to_dict() or {}) for document in documents) >= count:
            seen.set()

    watch = CTX.db.collection(PATCHES).on_snapshot(on_snapshot)
    try:
        yield seen
    finally:
        watch.unsubscribe()


def propose_many(count: int, *, salons: int) -> None:
    """Patches in commits of 20, as many front ends would."""
    for start in range(0, count, 20):
        batch = CTX.db.batch()
        for number in range(start, min(start + 20, count)):
            patch = {"target_salon_id": f"s{number % salons}", "addGuests": 1}
            batch.set(CTX.db.document(f"{PATCHES}/p{number}"), patch)
        batch.commit()


def assert_all_applied_once(count: int, *, salons: int) -> None:
    marks = [s.get("result.status") for s in CTX.db.collection(PATCHES).stream()]
    assert marks == ["applied"] * count
    assert sum(Salon.get_or_raise(f"s{n}").guests for n in range(salons)) == count


@pytest.mark.parametrize("die", ["before", "after"])
def test_a_worker_killed_at_its_commit_neither_loses_nor_doubles_the_patch(
    boiler: Boiler, settle: Settle, firestore_emulator: LocalFirestore, die: str
) -> None:
    salon()
    with worker(boiler, firestore_emulator.host, die) as process:
        path = propose(addGuests=1)
        assert process.wait(TIMEOUT_S) == -9
    assert mark(path) == (None if die == "before" else "applied")
    assert Salon.get_or_raise("s1").guests == (0 if die == "before" else 1)
    boiler.add(salon_patches())
    boiler.start()
    settle()
    assert mark(path) == "applied"
    assert Salon.get_or_raise("s1").guests == 1


def test_a_worker_killed_in_a_burst_and_two_more_apply_each_patch_once(
    boiler: Boiler, settle: Settle, firestore_emulator: LocalFirestore
) -> None:
    for number in range(4):
        salon(f"s{number}")
    host = firestore_emulator.host
    with (
        marks_appearing(10) as seen,
        worker(boiler, host) as victim,
        worker(boiler, host),
    ):
        propose_many(100, salons=4)
        assert seen.wait(TIMEOUT_S)
        victim.kill()
        boiler.add(salon_patches())
        boiler.start()
        settle(2 * TIMEOUT_S)
        assert boiler.parked == []
        assert_all_applied_once(100, salons=4)


def test_two_in_one_process_race_for_every_patch(
    boiler: Boiler, settle: Settle, firestore_emulator: LocalFirestore
) -> None:
    for number in range(2):
        salon(f"s{number}")
    config = Config(
        testing=True, project=boiler.context.project, emulator_host=firestore_emulator.host
    )
    other = Boiler(config=config)
    try:
        for each in (boiler, other):
            each.add(salon_patches())
            each.start()
        propose_many(40, salons=2)
        settle(2 * TIMEOUT_S)
        other.settle(timeout_s=TIMEOUT_S)
        assert boiler.parked == other.parked == []
        assert_all_applied_once(40, salons=2)
    finally:
        other.close()


# One document.


def test_the_view_of_one_document_follows_it(boiler: Boiler, settle: Settle) -> None:
    boiler.add(DocumentMediator(SalonView, document="salons/s1"))
    boiler.start()
    settle()
    assert stored("salonView/s1") is None
    made = salon(title="Blue")
    salon("s2")
    settle()
    assert stored("salonView/s2") is None
    made.update(title="Red")
    settle()
    view = stored("salonView/s1")
    assert view is not None
    assert view["title"] == "Red"
    made.delete()
    settle()
    assert stored("salonView/s1") is None
    salon(title="Again")
    settle()
    view = stored("salonView/s1")
    assert view is not None
    assert view["title"] == "Again"


def test_one_document_that_went_unseen_takes_its_view_along(boiler: Boiler, settle: Settle) -> None:
    made = salon()
    boiler.add(DocumentMediator(SalonView, document=made))
    boiler.start()
    settle()
    boiler.stop()
    boiler.start()
    settle()
    assert boiler.engine.publisher.documents_written == 0
    boiler.stop()
    made.delete()
    boiler.start()
    settle()
    assert stored("salonView/s1") is None
    assert recorded_places() == []


def test_handlers_of_one_document(boiler: Boiler, settle: Settle) -> None:
    calls: list[tuple[str, Any]] = []

    class Watching(DocumentMediator):
        class Protocol(ProtocolBase):
            @staticmethod
            def on_create(snapshot: Snapshot, mediator: DocumentMediator) -> None:
                calls.append(("create", snapshot.get("title")))
                mediator.notify(SalonView.new(salon=snapshot))

            @staticmethod
            def on_update(snapshot: Snapshot, mediator: DocumentMediator) -> None:
                calls.append(("update", snapshot.get("title")))

            @staticmethod
            def on_delete(snapshot: Snapshot, mediator: DocumentMediator) -> None:
                calls.append(("delete", snapshot.get("title")))

    boiler.add(Watching(document=CTX.db.document("salons/s1")))
    boiler.start()
    settle()
    made = salon()
    settle()
    assert stored("salonView/s1") is not None
    made.update(title="Red")
    settle()
    made.delete()
    settle()
    assert calls == [("create", "Blue"), ("update", "Red"), ("delete", "Red")]
    assert stored("salonView/s1") is None
    boiler.stop()
    assert boiler.engine.feed.statistics().targets == 0  # type: ignore[attr-defined]
