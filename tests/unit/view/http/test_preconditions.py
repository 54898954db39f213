"""Conditions of requests: what a stranger learns of them, and what a writer loses by them."""

# mypy: disable-error-code="index, no-redef, union-attr"

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from flask import Flask, request
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from flask_boiler import attrs, view
from flask_boiler.attrs.attribute import Attr
from flask_boiler.errors import (
    ConflictError,
    DocumentNotFoundError,
    PermissionDeniedError,
    RefusedError,
)
from flask_boiler.ground.values import CommitResult
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.operate.testing.memory_datastore import MemoryDatastore
from flask_boiler.view.mediation.secret_keys import Keys
from flask_boiler.viewmodels.mutation import Mutation
from flask_boiler.viewmodels.slots.reference import reference
from flask_boiler.viewmodels.store import Store
from flask_boiler.viewmodels.view_model import ViewModel
from tests.unit.memory import memory_context


class Diary(DomainModel):
    owner: Attr[str] = attrs.bproperty(default="ann")
    text: Attr[str]


class DiaryStore(Store):
    diary = reference(Diary)


class DiaryView(ViewModel):
    store: DiaryStore

    text: Attr[str] = attrs.bproperty()

    class Meta:
        path = "diaryView/{diary.doc_id}"

    @text.getter
    def text(self) -> str:
        return str(self.store.diary.text)

    @text.setter
    def text(self, value: str) -> None:
        if value == "refused":
            raise RefusedError("not that text")
        self.store.diary.text = value


class DiaryMutation(Mutation[DiaryView]):
    """Its owner may change a diary; of it, others are told what they are of one that is not."""

    @classmethod
    def mutate_create(
        cls, doc_id: str | None = None, data: Mapping[str, Any] | None = None
    ) -> DiaryView:
        if _asker() != "ann":
            raise PermissionDeniedError("Only Ann writes diaries.")
        return super().mutate_create(doc_id, data)

    @classmethod
    def mutate_put(cls, doc_id: str, data: Mapping[str, Any]) -> DiaryView:
        return cls.atomically(
            lambda: cls._authorized(doc_id) or super(cls, cls).mutate_put(doc_id, data)
        )

    @classmethod
    def mutate_patch(cls, doc_id: str, data: Mapping[str, Any]) -> DiaryView:
        return cls.atomically(
            lambda: cls._authorized(doc_id) or super(cls, cls).mutate_patch(doc_id, data)
        )

    @classmethod
    def mutate_delete(cls, doc_id: str) -> None:
        cls.atomically(lambda: cls._authorized(doc_id) or super(cls, cls).mutate_delete(doc_id))

    @classmethod
    def _authorized(cls, doc_id: str) -> None:
        found = Diary.get(doc_id)
        if found is None or found.owner != _asker():
            raise DocumentNotFoundError(f"Diary/{doc_id}")


def _asker() -> str:
    return request.headers.get("X-User", "")


@pytest.fixture
def datastore() -> Iterator[MemoryDatastore]:
    context, datastore = memory_context()
    with context.activated():
        datastore.put("Diary/d", obj_type="Diary", owner="ann", text="secret")
        yield datastore


def create_app(secret: str = "s", older: tuple[str, ...] = ()) -> Flask:
    app = Flask("diaries")
    app.config.update(SECRET_KEY=secret, SECRET_KEY_FALLBACKS=list(older))
    mediator = view.RestMediator(DiaryView, DiaryMutation, app=app)
    mediator.add_instance_get("/diaries/<doc_id>")
    mediator.add_instance_put("/diaries/<doc_id>")
    mediator.add_instance_patch("/diaries/<doc_id>")
    mediator.add_instance_delete("/diaries/<doc_id>")
    return app


@pytest.fixture
def client(datastore: MemoryDatastore) -> FlaskClient:
    return create_app().test_client()


ANN, BOB = {"X-User": "ann"}, {"X-User": "bob"}
NEW = {"If-None-Match": "*"}


def change(client: FlaskClient, method: str, path: str, headers: Mapping[str, str]) -> TestResponse:
    body = None if method in ("DELETE", "GET") else {"text": "x"}
    return client.open(path, method=method, json=body, headers=headers)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("condition", ["If-Match", "If-None-Match"])
def test_no_condition_tells_a_stranger_anything(
    client: FlaskClient, datastore: MemoryDatastore, method: str, condition: str
) -> None:
    tag = client.get("/diaries/d").headers["ETag"]
    for value in ("*", '"guess"', tag, f"W/{tag}"):
        headers = {**BOB, condition: value}
        there = change(client, method, "/diaries/d", headers)
        missing = change(client, method, "/diaries/e", headers)
        expected = 403 if (method, condition, value) == ("PUT", "If-None-Match", "*") else 404
        assert (there.status_code, missing.status_code) == (expected, expected)
        assert there.text.replace("Diary/d", "Diary/e") == missing.text
    assert not datastore.commits


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_a_stale_condition_writes_nothing(
    client: FlaskClient, datastore: MemoryDatastore, method: str
) -> None:
    tag = client.get("/diaries/d").headers["ETag"]
    for headers in ({"If-Match": '"stale"'}, {"If-None-Match": f'"x", W/{tag}'}, NEW):
        refused = change(client, method, "/diaries/d", {**ANN, **headers})
        assert refused.status_code == 412, refused.text
    assert not datastore.commits
    fresh = {**ANN, "If-Match": tag}
    assert change(client, method, "/diaries/d", fresh).status_code in (200, 204)


@pytest.mark.parametrize("nothing", [",", ", ,", "W/", '"', "\xe9", '""', "W/*"])
def test_a_condition_that_names_nothing_names_no_view(client: FlaskClient, nothing: str) -> None:
    for method in ("PUT", "PATCH", "DELETE", "GET"):
        headers = {**ANN, "If-Match": nothing}
        assert change(client, method, "/diaries/d", headers).status_code == 412
    held = change(client, "GET", "/diaries/d", {"If-None-Match": nothing})
    assert held.status_code == 200


def test_what_changes_while_a_condition_is_checked_is_not_lost(
    client: FlaskClient, datastore: MemoryDatastore
) -> None:
    def somebody_is_first(act: Callable[[], CommitResult]) -> CommitResult:
        datastore.put("Diary/d", obj_type="Diary", owner="ann", text="newer")
        return act()

    tag = client.get("/diaries/d").headers["ETag"]
    datastore.mishaps = [somebody_is_first]
    refused = change(client, "PATCH", "/diaries/d", {**ANN, "If-Match": tag})
    assert refused.status_code == 412
    assert (datastore.fields("Diary/d") or {})["text"] == "newer"


def test_what_a_setter_refuses_gives_way_to_a_stale_condition_and_a_mutation_does_not(
    client: FlaskClient, datastore: MemoryDatastore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(**headers: str) -> int:
        body = {"text": "refused"}
        return client.patch("/diaries/d", json=body, headers={**ANN, **headers}).status_code

    tag = client.get("/diaries/d").headers["ETag"]
    stale = {"If-Match": '"stale"'}
    # The state is not the one that the client knows ...
    assert (write(), write(**{"If-Match": tag}), write(**stale)) == (409, 409, 412)

    def refuse(cls: type, doc_id: str, data: Any) -> None:
        raise RefusedError("Nobody writes on Sundays.")

    # ... and who is told so by the mutation is told nothing else.
    monkeypatch.setattr(DiaryMutation, "mutate_patch", classmethod(refuse))
    assert (write(), write(**{"If-Match": tag}), write(**stale)) == (409, 409, 409)
    assert not datastore.commits


def test_a_view_that_cannot_be_shown_is_the_servers_matter_and_no_strangers(
    client: FlaskClient, datastore: MemoryDatastore
) -> None:
    datastore.put("Diary/d", obj_type="Diary", owner="ann", text=7)
    headers = {"If-Match": '"x"'}
    assert change(client, "PATCH", "/diaries/d", {**BOB, **headers}).status_code == 404
    assert change(client, "PATCH", "/diaries/d", {**ANN, **headers}).status_code == 500
    assert not datastore.commits


# -- tags


def test_a_tag_is_keyed_and_of_one_view(client: FlaskClient, datastore: MemoryDatastore) -> None:
    datastore.put("Diary/e", obj_type="Diary", owner="bob", text="secret")

    def tag(made: FlaskClient, doc_id: str = "d") -> str:
        return made.get(f"/diaries/{doc_id}").headers["ETag"]

    assert tag(client) == tag(create_app().test_client())
    assert tag(client) != tag(create_app("other").test_client())
    # Else an equal view of one's own would show what another's tag is.
    assert tag(client) != tag(client, "e")


def test_a_stored_view_has_the_tag_of_the_computed_one(
    client: FlaskClient, datastore: MemoryDatastore
) -> None:
    computed = client.get("/diaries/d")
    datastore.put("diaryView/d", obj_type="DiaryView", text="secret")
    datastore.reads.clear()
    stored = client.get("/diaries/d")
    assert datastore.reads == ["diaryView/d"]
    assert stored.headers["ETag"] == computed.headers["ETag"]


def test_a_tag_of_an_older_key_still_counts(datastore: MemoryDatastore) -> None:
    old = create_app("old").test_client().get("/diaries/d").headers["ETag"]
    rotated = create_app("new", ("older", "old")).test_client()
    new = rotated.get("/diaries/d").headers["ETag"]
    assert new != old
    for tag in (old, new):
        held = rotated.get("/diaries/d", headers={"If-None-Match": tag})
        # What holds the view by a tag finds it by no other.
        assert (held.status_code, held.data, held.headers["ETag"]) == (304, b"", tag)
        shown = rotated.get("/diaries/d", headers={"If-Match": tag})
        assert (shown.status_code, shown.headers["ETag"]) == (200, new)
    unwanted = {**ANN, "If-None-Match": old}
    assert change(rotated, "PATCH", "/diaries/d", unwanted).status_code == 412
    assert change(rotated, "PATCH", "/diaries/d", {**ANN, "If-Match": old}).status_code == 200
    forgotten = create_app("new").test_client().get("/diaries/d", headers={"If-Match": old})
    assert forgotten.status_code == 412


def test_tags_of_parts_that_join_to_the_same_differ() -> None:
    keys = Keys([b"s"])
    assert keys.tags(b"ab", b"c") != keys.tags(b"a", b"bc")


# -- new views of the client's own id


def test_a_put_on_condition_that_there_is_none_makes_a_view(
    client: FlaskClient, datastore: MemoryDatastore
) -> None:
    made = change(client, "PUT", "/diaries/new", {**ANN, **NEW})
    assert (made.status_code, made.json) == (201, {"text": "x"})
    assert made.headers["Location"] == "/diaries/new"
    assert made.headers["ETag"] == client.get("/diaries/new").headers["ETag"]
    assert (datastore.fields("Diary/new") or {})["text"] == "x"
    again = change(client, "PUT", "/diaries/new", {**ANN, **NEW})
    assert again.status_code == 412
    assert again.json["title"] == "Precondition Failed"
    # Without the condition, and with another one, it is a change of what is there.
    assert change(client, "PUT", "/diaries/none", ANN).status_code == 404
    other = {**ANN, "If-None-Match": '"other"'}
    assert change(client, "PUT", "/diaries/none", other).status_code == 404
    assert (
        change(client, "PUT", "/diaries/none", {**ANN, **NEW, "If-Match": "*"}).status_code == 404
    )
    assert not datastore.exists("Diary/none")


def test_a_new_view_needs_what_the_mutation_says(
    client: FlaskClient, datastore: MemoryDatastore
) -> None:
    refused = client.put("/diaries/new", json={}, headers={**ANN, **NEW})
    assert refused.status_code == 422
    assert not datastore.commits


def test_of_two_who_make_one_view_the_second_is_told_so(
    client: FlaskClient, datastore: MemoryDatastore
) -> None:
    def somebody_is_first(act: Callable[[], CommitResult]) -> CommitResult:
        datastore.put("Diary/new", obj_type="Diary", owner="ann", text="first")
        return act()

    datastore.mishaps = [somebody_is_first]
    assert change(client, "PUT", "/diaries/new", {**ANN, **NEW}).status_code == 412
    assert (datastore.fields("Diary/new") or {})["text"] == "first"
    # Once as it was not there yet, and not again when it was.
    assert len(datastore.attempts) == 1


def test_a_mutation_that_would_overwrite_is_held_to_the_condition(
    datastore: MemoryDatastore,
) -> None:
    class Overwriting(Mutation[DiaryView]):
        @classmethod
        def mutate_create(
            cls, doc_id: str | None = None, data: Mapping[str, Any] | None = None
        ) -> DiaryView:
            diary = Diary.new(doc_id=doc_id, **(data or {}))
            diary.save()
            return DiaryView.new(diary=diary)

    app = Flask("diaries")
    app.config["SECRET_KEY"] = "s"
    view.RestMediator(DiaryView, Overwriting, app=app).add_instance_put("/diaries/<doc_id>")
    client = app.test_client()
    assert change(client, "PUT", "/diaries/d", NEW).status_code == 412
    assert (datastore.fields("Diary/d") or {})["text"] == "secret"
    made = change(client, "PUT", "/diaries/new", NEW)
    assert (made.status_code, made.headers["Location"]) == (201, "/diaries/new")


def test_a_view_that_cannot_be_created_is_not(datastore: MemoryDatastore) -> None:
    class Opened(DiaryView):
        @classmethod
        def new(cls, doc_id: str) -> Opened:
            return cls(store=DiaryStore(diary=doc_id))

    class OpenedMutation(Mutation[Opened]):
        pass

    app = Flask("diaries")
    app.config["SECRET_KEY"] = "s"
    view.RestMediator(Opened, OpenedMutation, app=app).add_instance_put("/diaries/<doc_id>")
    assert change(app.test_client(), "PUT", "/diaries/new", NEW).status_code == 404
    assert change(app.test_client(), "PUT", "/diaries/d", NEW).status_code == 412


def test_a_conflict_of_another_document_is_no_failed_condition(
    datastore: MemoryDatastore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DiaryMutation, "max_attempts", 1)

    def lose(act: Callable[[], CommitResult]) -> CommitResult:
        raise ConflictError("lost")

    datastore.mishaps = [lose]
    client = create_app().test_client()
    assert change(client, "PUT", "/diaries/new", {**ANN, **NEW}).status_code == 409


class PutOnlyMutation(Mutation[DiaryView]):
    """Decides who may put, and has nobody create."""

    @classmethod
    def mutate_put(cls, doc_id: str, data: Mapping[str, Any]) -> DiaryView:
        return cls.atomically(
            lambda: DiaryMutation._authorized(doc_id) or super(cls, cls).mutate_put(doc_id, data)
        )


def test_who_may_not_put_makes_nothing_by_putting(datastore: MemoryDatastore) -> None:
    app = Flask("diaries")
    app.config["SECRET_KEY"] = "s"
    mediator = view.RestMediator(DiaryView, PutOnlyMutation, app=app)
    mediator.add_instance_put("/diaries/<doc_id>")
    client = app.test_client()
    answer = client.put("/diaries/new", json={"text": "x"}, headers={**BOB, **NEW})
    assert answer.status_code == 404
    assert (
        client.put("/diaries/new", json={"text": "x"}, headers=BOB).get_data() == answer.get_data()
    )
    assert not datastore.exists("Diary/new")
