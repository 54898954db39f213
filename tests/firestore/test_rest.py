"""Views over HTTP, on a real Firestore: every route with good and with bad input."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Blueprint, Flask
from flask.testing import FlaskClient
from flask.views import MethodView
from google.cloud.firestore import GeoPoint
from werkzeug.test import TestResponse

from flask_boiler import (
    CTX,
    Attr,
    Boiler,
    DomainModel,
    ListGet,
    QueryMediator,
    Store,
    ViewModel,
    attrs,
    reference,
    view,
)
from flask_boiler.errors import (
    ConfigurationError,
    ConflictError,
    DocumentNotFoundError,
    MaterializationError,
    MissingIndexError,
    QueryError,
    UnavailableError,
)
from flask_boiler.ground.values import QueryTarget
from flask_boiler.testing import Settle
from flask_boiler.view.http.requests import READ_TIME_HEADER
from flask_boiler.view.http.routes import RestView
from tests.firestore.towns import (
    Leader,
    Party,
    Town,
    TownMutation,
    TownView,
    create_towns_app,
    save_a_town,
)

ONE = "/towns/<string:doc_id>"
WHOLE = {
    "name": "Ulm",
    "population": 3,
    "founded": "0854-07-22T00:00:00+00:00",
    "place": {"latitude": 48.4, "longitude": 9.99},
    "seal": "AAE=",
    "leader": "Leader/l1",
}


@pytest.fixture
def app(boiler: Boiler) -> Flask:
    return create_towns_app(boiler)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def ulm(boiler: Boiler) -> Town:
    return save_a_town()


@pytest.fixture
def calls(boiler: Boiler) -> Iterator[Counter[str]]:
    """The requests to Firestore by kind."""
    counted: Counter[str] = Counter()
    datastore: Any = boiler.context.datastore
    kinds = ["_get", "_query", "_commit", "_listen"]
    before = {kind: getattr(datastore, kind) for kind in kinds}
    for kind in kinds:
        setattr(datastore, kind, counting(before[kind], counted, kind))
    yield counted
    for kind in kinds:
        setattr(datastore, kind, before[kind])


def counting(call: Callable[..., Any], counted: Counter[str], kind: str) -> Callable[..., Any]:
    def count(*args: Any, **options: Any) -> Any:
        counted[kind] += 1
        return call(*args, **options)

    return count


def problem(answer: TestResponse, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.mimetype == "application/problem+json"
    body: dict[str, Any] = json.loads(answer.data)
    assert body["status"] == status
    assert body["title"]
    return body


# -- one view


def test_a_view_that_is_not_stored_is_computed_with_one_read_per_level(
    client: FlaskClient, ulm: Town, calls: Counter[str]
) -> None:
    answer = client.get("/towns/ulm")
    assert answer.json == {
        "name": "Ulm",
        "population": 3,
        "capital": None,
        "founded": None,
        "place": None,
        "seal": None,
        "leader": "Leader/l1",
        "leaderName": "Ada (Sparrows)",
    }
    # The stored view, the town, its leader, the leader's party.
    assert calls == {"_get": 4}
    calls.clear()
    client.get("/towns/ulm", headers={READ_TIME_HEADER: "1"})
    assert calls == {"_get": 3}


def test_a_stored_view_costs_one_read(
    client: FlaskClient, ulm: Town, boiler: Boiler, settle: Settle, calls: Counter[str]
) -> None:
    computed = client.get("/towns/ulm")
    boiler.add(QueryMediator(TownView, query=Town.get_query()))
    with boiler:
        settle()
    calls.clear()
    stored = client.get("/towns/ulm")
    assert calls == {"_get": 1}
    assert (stored.json, stored.headers["ETag"]) == (computed.json, computed.headers["ETag"])
    updated = CTX.db.document("townView/ulm").get().update_time
    assert stored.last_modified == updated.replace(microsecond=0)


def test_a_document_of_another_view_is_not_taken_for_the_stored_one(
    client: FlaskClient, ulm: Town
) -> None:
    CTX.db.document("townView/ulm").set({"obj_type": "Other", "name": "wrong"})
    assert client.get("/towns/ulm").json["name"] == "Ulm"  # type: ignore[index]


def test_values_of_every_kind_come_and_go_as_json(client: FlaskClient, ulm: Town) -> None:
    answer = client.put("/towns/ulm", json=WHOLE)
    assert answer.status_code == 200, answer.text
    assert answer.json == {**WHOLE, "capital": None, "leaderName": "Ada (Sparrows)"}
    town = Town.get_or_raise("ulm")
    assert (town.seal, town.place) == (b"\x00\x01", GeoPoint(48.4, 9.99))
    assert town.founded is not None and town.founded.year == 854
    assert town.secret == "x"


def test_a_client_that_has_the_view_is_told_so(client: FlaskClient, ulm: Town) -> None:
    first = client.get("/towns/ulm")
    etag = first.headers["ETag"]
    assert client.get("/towns/ulm", headers={"If-None-Match": etag}).status_code == 304
    since = {"If-Modified-Since": first.headers["Last-Modified"]}
    assert client.get("/towns/ulm", headers=since).status_code == 304
    ulm.update(name="Neu-Ulm")
    changed = client.get("/towns/ulm", headers={"If-None-Match": etag})
    assert (changed.status_code, changed.headers["ETag"] != etag) == (200, True)


def test_a_missing_view_is_a_404_that_names_it(client: FlaskClient, boiler: Boiler) -> None:
    for answer in (
        client.get("/towns/none"),
        client.patch("/towns/none", json={}),
        client.put("/towns/none", json=WHOLE),
        client.delete("/towns/none"),
        client.patch("/towns/none", json={}, headers={"If-Match": '"x"'}),
    ):
        assert "Town/none" in problem(answer, 404)["detail"]


def test_an_id_that_firestore_does_not_allow_is_refused(
    client: FlaskClient, boiler: Boiler
) -> None:
    assert "reserved" in problem(client.get("/towns/__x__"), 404)["detail"]
    problem(client.patch("/towns/..", json={}), 404)


# -- writing


def test_a_patch_answers_with_the_view_as_it_now_stands(client: FlaskClient, ulm: Town) -> None:
    answer = client.patch("/towns/ulm", json={"population": 4})
    assert (answer.status_code, answer.json["population"]) == (200, 4)  # type: ignore[index]
    assert answer.headers["ETag"] == client.get("/towns/ulm").headers["ETag"]
    assert Town.get_or_raise("ulm").population == 4


def test_a_get_with_the_token_never_sees_an_older_view(client: FlaskClient, ulm: Town) -> None:
    # Nobody keeps this stored view, so it stays as old as it is.
    TownView.get("ulm").save()
    answer = client.patch("/towns/ulm", json={"population": 4})
    assert client.get("/towns/ulm").json["population"] == 3  # type: ignore[index]
    token = {READ_TIME_HEADER: answer.headers[READ_TIME_HEADER]}
    assert client.get("/towns/ulm", headers=token).json["population"] == 4  # type: ignore[index]
    updated = CTX.datastore.get(["Town/ulm"])["Town/ulm"].update_time_ns
    gone = client.delete("/towns/ulm")
    assert int(gone.headers[READ_TIME_HEADER]) > updated
    token = {READ_TIME_HEADER: gone.headers[READ_TIME_HEADER]}
    problem(client.get("/towns/ulm", headers=token), 404)
    assert (
        READ_TIME_HEADER
        in problem(client.get("/towns/ulm", headers={READ_TIME_HEADER: "yesterday"}), 400)["errors"]
    )


def test_with_a_token_no_date_says_that_an_older_view_still_holds(
    client: FlaskClient, ulm: Town
) -> None:
    before = TownView.get("ulm")
    token = client.patch("/towns/ulm", json={"population": 4}).headers[READ_TIME_HEADER]
    # Published after the write, and computed before it: as late as a stored view may be.
    before.save()
    late = client.get("/towns/ulm")
    since = {"If-Modified-Since": late.headers["Last-Modified"]}
    assert client.get("/towns/ulm", headers=since).status_code == 304
    strong = client.get("/towns/ulm", headers={**since, READ_TIME_HEADER: token})
    assert (strong.status_code, strong.json) == (200, {**(late.json or {}), "population": 4})
    same = {"If-None-Match": strong.headers["ETag"], READ_TIME_HEADER: token}
    assert client.get("/towns/ulm", headers=same).status_code == 304


def test_the_token_is_no_earlier_than_the_write(client: FlaskClient, ulm: Town) -> None:
    answer = client.patch("/towns/ulm", json={"population": 4})
    stored = CTX.datastore.get(["Town/ulm"])["Town/ulm"]
    assert int(answer.headers[READ_TIME_HEADER]) >= stored.update_time_ns


def test_a_post_makes_a_view_and_says_where(client: FlaskClient, ulm: Town) -> None:
    answer = client.post("/towns", json={"name": "Biberach", "leader": "l1"})
    assert answer.status_code == 201, answer.text
    assert READ_TIME_HEADER in answer.headers
    found = client.get(answer.headers["Location"])
    assert found.json == answer.json
    assert found.json["leaderName"] == "Ada (Sparrows)"  # type: ignore[index]


def test_a_write_whose_view_cannot_be_shown_was_made_all_the_same(
    client: FlaskClient, ulm: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(view: RestView, doc_id: str) -> Any:
        raise MaterializationError("a getter failed", key=doc_id)

    monkeypatch.setattr(RestView, "compute", fail)
    posted = client.post("/towns", json={"name": "Biberach"})
    for answer in (posted, client.patch("/towns/ulm", json={"population": 4})):
        assert problem(answer, 500)["detail"].startswith("The change was made")
        assert "Retry-After" not in answer.headers
    monkeypatch.undo()
    assert Town.get_or_raise("ulm").population == 4
    assert (client.get(posted.headers["Location"]).json or {})["name"] == "Biberach"


def test_a_delete_deletes_the_root(client: FlaskClient, ulm: Town) -> None:
    answer = client.delete("/towns/ulm")
    assert (answer.status_code, answer.data) == (204, b"")
    assert Town.get("ulm") is None


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({"nmae": "x"}, "nmae"),
        ({"leaderName": "x"}, "leaderName"),
        ({"leader_name": "x"}, "leader_name"),
        ({"population": "many"}, "population"),
        ({"population": True}, "population"),
        ({"name": None}, "name"),
        ({"place": {"latitude": 100, "longitude": 0}}, "place"),
        ({"seal": "%%"}, "seal"),
        ({"founded": "tomorrow"}, "founded"),
        ({"leader": "a//b"}, "leader"),
    ],
)
def test_wrong_input_names_the_field(client: FlaskClient, ulm: Town, body: Any, wrong: str) -> None:
    for answer in (client.patch("/towns/ulm", json=body), client.post("/towns", json=body)):
        assert wrong in problem(answer, 422)["errors"]
    assert [town.doc_id for town in Town.all()] == ["ulm"]
    assert Town.get_or_raise("ulm").name == "Ulm"


def test_a_put_names_what_is_missing_as_the_client_knows_it(client: FlaskClient, ulm: Town) -> None:
    errors = problem(client.put("/towns/ulm", json={"name": "x"}), 422)["errors"]
    assert set(errors) == {"population", "founded", "place", "seal", "leader"}


def test_a_post_names_what_the_new_root_lacks(client: FlaskClient, boiler: Boiler) -> None:
    assert "name" in problem(client.post("/towns", json={}), 422)["errors"]


def test_a_body_that_is_no_json_is_refused(client: FlaskClient, ulm: Town) -> None:
    as_json = {"content_type": "application/json"}
    for data in (b"{", b"", b"\xff", b'{"population": NaN}', b"[" * 100_000):
        problem(client.patch("/towns/ulm", data=data, **as_json), 400)
    problem(client.patch("/towns/ulm", json=[]), 422)
    problem(client.patch("/towns/ulm", data=b"{}", content_type="text/plain"), 415)
    problem(client.patch("/towns/ulm", data=b"{}"), 415)
    merge = client.patch(
        "/towns/ulm", data=b'{"population": 9}', content_type="application/merge-patch+json"
    )
    assert merge.status_code == 200


def test_a_body_over_the_limit_is_refused(client: FlaskClient, app: Flask, ulm: Town) -> None:
    long = {"name": "x" * 1_100_000}
    problem(client.patch("/towns/ulm", json=long), 413)
    app.config["MAX_CONTENT_LENGTH"] = 20
    problem(client.patch("/towns/ulm", json={"name": "x" * 30}), 413)
    assert client.patch("/towns/ulm", json={"name": "x"}).status_code == 200


# -- conditions and conflicts


def test_a_stale_tag_refuses_the_write(client: FlaskClient, ulm: Town) -> None:
    stale = {"If-Match": client.get("/towns/ulm").headers["ETag"]}
    fresh = {
        "If-Match": client.patch("/towns/ulm", json={"population": 4}, headers=stale).headers[
            "ETag"
        ]
    }
    problem(client.patch("/towns/ulm", json={"population": 5}, headers=stale), 412)
    problem(client.put("/towns/ulm", json=WHOLE, headers=stale), 412)
    problem(client.delete("/towns/ulm", headers=stale), 412)
    assert Town.get_or_raise("ulm").population == 4
    assert client.put("/towns/ulm", json=WHOLE, headers=fresh).status_code == 200
    assert client.delete("/towns/ulm", headers={"If-Match": "*"}).status_code == 204


def test_a_tag_is_stale_although_the_change_is_not_published_yet(
    client: FlaskClient, ulm: Town
) -> None:
    TownView.get("ulm").save()
    stale = {"If-Match": client.get("/towns/ulm").headers["ETag"]}
    Leader.get_or_raise("l1").update(full_name="Grace")
    problem(client.patch("/towns/ulm", json={"population": 5}, headers=stale), 412)


def test_of_two_writers_with_one_tag_only_one_wins(
    app: Flask, client: FlaskClient, ulm: Town, boiler: Boiler
) -> None:
    tag = {"If-Match": client.get("/towns/ulm").headers["ETag"]}
    statuses = concurrently(
        boiler,
        [
            lambda n=n: app.test_client().patch(  # type: ignore[misc]
                "/towns/ulm", json={"population": 10 + n}, headers=tag
            )
            for n in range(4)
        ],
    )
    assert sorted(statuses) == [200, 412, 412, 412]


def test_writers_of_different_fields_do_not_lose_each_other(
    app: Flask, ulm: Town, boiler: Boiler
) -> None:
    statuses = concurrently(
        boiler,
        [
            lambda: app.test_client().patch("/towns/ulm", json={"population": 10}),
            lambda: app.test_client().patch("/towns/ulm", json={"name": "Neu-Ulm"}),
        ],
    )
    assert statuses == [200, 200]
    town = Town.get_or_raise("ulm")
    assert (town.name, town.population) == ("Neu-Ulm", 10)


def test_of_those_who_make_a_view_under_one_id_only_one_does(
    app: Flask, client: FlaskClient, boiler: Boiler
) -> None:
    new = {"If-None-Match": "*"}
    statuses = concurrently(
        boiler,
        [
            lambda n=n: app.test_client().put(  # type: ignore[misc]
                "/towns/new", json={**WHOLE, "leader": None, "population": n}, headers=new
            )
            for n in range(4)
        ],
    )
    assert sorted(statuses) == [201, 412, 412, 412]
    made = Town.get_or_raise("new")
    assert made.population == statuses.index(201)


def concurrently(boiler: Boiler, requests: list[Callable[[], TestResponse]]) -> list[int]:
    barrier = threading.Barrier(len(requests))
    statuses: list[int] = [0] * len(requests)

    def run(number: int) -> None:
        with boiler.context.activated():
            barrier.wait()
            statuses[number] = requests[number]().status_code

    threads = [threading.Thread(target=run, args=(n,)) for n in range(len(requests))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return statuses


@pytest.mark.parametrize(
    ("error", "status"),
    [(ConflictError("lost to 10.0.0.1"), 409), (UnavailableError("no way to 10.0.0.1"), 503)],
)
def test_what_goes_wrong_below_has_its_status(
    client: FlaskClient,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    status: int,
) -> None:
    def fail(cls: type, doc_id: str, data: Any) -> None:
        raise error

    monkeypatch.setattr(TownMutation, "mutate_patch", classmethod(fail))
    answer = client.patch("/towns/ulm", json={})
    detail = problem(answer, status)["detail"]
    assert ("Retry-After" in answer.headers) == (status == 503)
    # What Firestore cannot be reached by is not for whoever asks; it is in the log.
    assert ("10.0.0.1" in detail) == (status == 409)
    assert ("10.0.0.1" in caplog.text) == (status == 503)


def test_nobody_is_asked_to_repeat_what_may_have_been_done(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(cls: type, doc_id: str, data: Any) -> None:
        raise UnavailableError("no answer", outcome_unknown=True)

    monkeypatch.setattr(TownMutation, "mutate_patch", classmethod(fail))
    answer = client.patch("/towns/ulm", json={})
    assert "before you repeat" in problem(answer, 503)["detail"]
    assert "Retry-After" not in answer.headers


def test_a_getter_that_fails_is_a_500_that_tells_nothing(
    client: FlaskClient, ulm: Town, caplog: pytest.LogCaptureFixture
) -> None:
    CTX.db.document("Leader/l1").update({"party": "Nonsense"})
    body = problem(client.get("/towns/ulm"), 500)
    assert "Nonsense" not in body["detail"]
    assert "Nonsense" in caplog.text


# -- many views


@pytest.fixture
def towns(ulm: Town) -> None:
    Town.new(doc_id="berlin", name="Berlin", population=9, capital=True).save()
    Town.new(doc_id="bonn", name="Bonn", population=5, capital=False, leader="l1").save()


def ids(answer: TestResponse) -> list[str]:
    assert answer.status_code == 200, answer.text
    return list(json.loads(answer.data)["results"])


@pytest.mark.usefixtures("towns")
def test_a_list_shows_views_by_id_with_one_read_per_level(
    client: FlaskClient, calls: Counter[str]
) -> None:
    body = json.loads(client.get("/towns").data)
    assert calls == {"_query": 1, "_get": 2}
    assert list(body["results"]) == ["berlin", "bonn", "ulm"]
    assert body["results"]["bonn"]["leaderName"] == "Ada (Sparrows)"
    assert body["next_page_token"] is None


@pytest.mark.usefixtures("towns")
def test_a_view_that_fails_leaves_the_rest_of_a_list_to_be_seen(
    client: FlaskClient, calls: Counter[str], caplog: pytest.LogCaptureFixture
) -> None:
    CTX.db.document("Town/bonn").update({"population": "many, Ann says"})
    calls.clear()
    body = json.loads(client.get("/towns").data)
    assert list(body["results"]) == ["berlin", "ulm"]
    assert body["errors"] == {"bonn": json.loads(client.get("/towns/bonn").data)}
    assert body["errors"]["bonn"]["status"] == 500
    assert "Ann" not in str(body)
    assert "Town/bonn cannot be shown" in caplog.text
    # In pages, what fails counts as what it would have been.
    first = json.loads(client.get("/towns?limit=2").data)
    assert (list(first["results"]), list(first["errors"])) == (["berlin"], ["bonn"])
    second = json.loads(client.get(f"/towns?limit=2&page_token={first['next_page_token']}").data)
    assert (list(second["results"]), second.get("errors")) == (["ulm"], None)


def test_a_list_of_failures_is_answered_and_says_each_ones_reason(
    app: Flask, client: FlaskClient, boiler: Boiler
) -> None:
    class StrictTown(DomainModel):
        name: Attr[str]

        class Meta:
            extra = "forbid"

    class StrictStore(Store):
        town = reference(StrictTown)

    class StrictView(ViewModel):
        store: StrictStore

        @attrs.computed
        def initial(self) -> str:
            town = self.store.town
            assert town is not None
            if town.name == "gone":
                Party.get_or_raise("p9")
            if town.name == "badly asked":
                raise QueryError("what no query can ask")
            return town.name[9]

    mediator = view.RestMediator(StrictView, app=app)
    mediator.add_list_get("/strict")
    mediator.add_instance_get("/strict/<string:doc_id>")
    stored: dict[str, dict[str, Any]] = {
        "raises": {"name": "Ulm"},
        "gone": {"name": "gone"},
        "badly": {"name": "badly asked"},
        "undeclared": {"name": "Bonn", "more": 1},
    }
    for doc_id, fields in stored.items():
        CTX.db.document(f"StrictTown/{doc_id}").set({"obj_type": "StrictTown", **fields})
    body = json.loads(client.get("/strict").data)
    assert body["results"] == {}
    assert {doc_id: details["status"] for doc_id, details in body["errors"].items()} == {
        "badly": 500,
        "gone": 500,
        "raises": 500,
        "undeclared": 500,
    }
    for doc_id in ("gone", "badly"):
        # It is there, and what its getter missed is no business of the client's.
        assert problem(client.get(f"/strict/{doc_id}"), 500) == body["errors"][doc_id]
        assert "p9" not in str(body["errors"][doc_id])


def test_a_query_that_has_no_index_fails_the_views_that_ask_it_and_no_others(
    app: Flask, client: FlaskClient, boiler: Boiler, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Street(DomainModel):
        name: Attr[str]

    class Quarter(DomainModel):
        name: Attr[str]

    class QuarterStore(Store):
        quarter = reference(Quarter)

    class QuarterView(ViewModel):
        store: QuarterStore

        @attrs.computed
        def streets(self) -> list[str]:
            quarter = self.store.quarter
            assert quarter is not None
            if quarter.name == "none":
                return []
            return [street.name for street in Street.where(name=quarter.name)]

    mediator = view.RestMediator(QuarterView, app=app)
    mediator.add_list_get("/quarters")
    mediator.add_instance_get("/quarters/<string:doc_id>")
    for name in ("none", "north", "south"):
        Quarter.new(doc_id=name, name=name).save()
    datastore = boiler.context.datastore
    run_query = datastore.run_query

    # A mock, as neither Firestore here has indexes that could be missing.
    def miss_an_index(target: QueryTarget, **options: Any) -> Any:
        if "Street" in str(target) and "north" in str(target):
            raise MissingIndexError("The query requires an index.", create_url=None)
        return run_query(target, **options)

    monkeypatch.setattr(datastore, "run_query", miss_an_index)
    body = json.loads(client.get("/quarters").data)
    assert list(body["results"]) == ["none", "south"]
    assert body["errors"] == {"north": problem(client.get("/quarters/north"), 500)}


@pytest.mark.usefixtures("ulm")
def test_a_write_that_is_made_is_no_404_because_a_getter_misses_a_document(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(view: TownView) -> None:
        raise DocumentNotFoundError("Party/p9")

    monkeypatch.setattr(TownView, "to_document", fail)
    refused = problem(client.patch("/towns/ulm", json={"population": 5}), 500)
    assert "The change was made" in refused["detail"]
    assert Town.get_or_raise("ulm").population == 5


@pytest.mark.usefixtures("towns")
def test_a_list_is_not_answered_in_part_while_firestore_is_away(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(view: TownView) -> None:
        raise UnavailableError("no way to 10.0.0.1")

    monkeypatch.setattr(TownView, "to_document", fail)
    answer = client.get("/towns")
    problem(answer, 503)
    assert "Retry-After" in answer.headers


@pytest.mark.usefixtures("towns")
def test_a_list_is_filtered_and_sorted(client: FlaskClient) -> None:
    assert ids(client.get("/towns?name=Bonn")) == ["bonn"]
    assert ids(client.get("/towns?population=9")) == ["berlin"]
    assert ids(client.get("/towns?capital=true")) == ["berlin"]
    assert ids(client.get("/towns?capital=false")) == ["bonn"]
    assert ids(client.get("/towns?leader=Leader/l1&population=3")) == ["ulm"]
    assert ids(client.get("/towns?order_by=-population")) == ["berlin", "bonn", "ulm"]
    assert ids(client.get("/towns?order_by=population,name")) == ["ulm", "bonn", "berlin"]


@pytest.mark.usefixtures("towns")
def test_a_list_has_pages(client: FlaskClient) -> None:
    first = json.loads(client.get("/towns?limit=2&order_by=name").data)
    assert list(first["results"]) == ["berlin", "bonn"]
    more = {"limit": 2, "order_by": "name", "page_token": first["next_page_token"]}
    second = json.loads(client.get("/towns", query_string=more).data)
    assert (list(second["results"]), second["next_page_token"]) == (["ulm"], None)
    other = {"order_by": "population", "page_token": first["next_page_token"]}
    problem(client.get("/towns", query_string=other), 400)


@pytest.mark.parametrize("order", ["name", "-name,population"])
def test_pages_of_long_values_lose_and_double_nothing(
    client: FlaskClient, boiler: Boiler, order: str
) -> None:
    # They agree in all that an index holds, and their names are in another order than they.
    for n in range(5):
        Town.new(doc_id=f"t{n}", name="é" * 1000 + str(9 - n), population=n).save()
    Town.new(doc_id="short", name="a").save()
    seen: list[str] = []
    more: dict[str, Any] = {"limit": 2, "order_by": order}
    while True:
        page = json.loads(client.get("/towns", query_string=more).data)
        seen += page["results"]
        more["page_token"] = page["next_page_token"]
        if more["page_token"] is None:
            break
        assert len(more["page_token"]) < 2500
        # The document that the next page continues after is gone.
        Town.get_or_raise(seen[-1]).delete()
    assert sorted(seen) == ["short", "t0", "t1", "t2", "t3", "t4"]
    assert seen.index("short") == (5 if order.startswith("-") else 0)


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ("nmae=x", "nmae"),
        ("secret=x", "secret"),
        ("leaderName=Ada", "leaderName"),
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("limit=many", "limit"),
        ("order_by=secret", "order_by"),
        ("order_by=", "order_by"),
        ("population=many", "population"),
        ("founded=tomorrow", "founded"),
        ("name=a&name=b", "name"),
    ],
)
def test_a_wrong_parameter_is_named(client: FlaskClient, ulm: Town, query: str, wrong: str) -> None:
    body = problem(client.get(f"/towns?{query}"), 400)
    assert set(body["errors"]) == {wrong}


def test_an_unknown_parameter_is_told_the_known_ones(client: FlaskClient, ulm: Town) -> None:
    [message] = problem(client.get("/towns?nmae=x"), 400)["errors"]["nmae"]
    for known in ("name", "population", "limit", "page_token", "order_by"):
        assert known in message
    assert "secret" not in message


def test_a_garbage_page_token_is_refused(client: FlaskClient, ulm: Town) -> None:
    problem(client.get("/towns?page_token=garbage"), 400)


@pytest.mark.usefixtures("ulm")
def test_a_list_may_name_filters_of_its_own(app: Flask, client: FlaskClient) -> None:
    class Secretive(ListGet):
        filters = ("secret",)

    view.RestMediator(TownView, app=app).add_list_get("/secret", list_get_view=Secretive)
    assert ids(client.get("/secret?secret=x")) == ["ulm"]
    assert ids(client.get("/secret?secret=y")) == []


# -- mounting


@pytest.mark.usefixtures("ulm")
def test_a_view_class_of_the_users_own_is_used(app: Flask, client: FlaskClient) -> None:
    class Own(MethodView):
        def get(self, doc_id: str) -> str:
            return f"mine: {doc_id}"

    view.RestMediator(view_model_cls=TownView, app=app).add_instance_get(
        rule="/own/<string:doc_id>", instance_get_view=Own
    )
    assert client.get("/own/ulm").text == "mine: ulm"


def test_an_id_that_a_rule_converts_is_still_the_documents(app: Flask, client: FlaskClient) -> None:
    mediator = view.RestMediator(TownView, TownMutation, app=app)
    ids = {"int": "7", "uuid": "8a6e0804-2bd0-4672-b79d-d97027f9071a"}
    for kind, doc_id in ids.items():
        mediator.add_instance_get(f"/{kind}/<{kind}:doc_id>")
        mediator.add_instance_patch(f"/{kind}/<{kind}:doc_id>")
        Town.new(doc_id=doc_id, name=kind).save()
    for kind, doc_id in ids.items():
        assert client.get(f"/{kind}/{doc_id}").json["name"] == kind  # type: ignore[index]
        changed = client.patch(f"/{kind}/{doc_id}", json={"population": 2})
        assert (changed.status_code, changed.json["population"]) == (200, 2)  # type: ignore[index]


@pytest.mark.usefixtures("ulm")
def test_mediators_of_one_class_do_not_collide(app: Flask, client: FlaskClient) -> None:
    again = view.RestMediator(TownView, TownMutation, app=app)
    again.add_instance_get("/again/<string:doc_id>")
    again.add_list_post("/again")
    assert client.get("/again/ulm").json == client.get("/towns/ulm").json
    made = client.post("/again", json={"name": "x"})
    assert made.headers["Location"].startswith("/again/")


@pytest.mark.usefixtures("ulm")
def test_a_blueprint_can_be_given(boiler: Boiler) -> None:
    blueprint = Blueprint("api", __name__, url_prefix="/api")
    mediator = view.RestMediator(TownView, TownMutation, app=blueprint)
    mediator.add_instance_get(ONE)
    mediator.add_list_post("/towns")
    app = Flask(__name__)
    boiler.init_app(app)
    app.register_blueprint(blueprint)
    client = app.test_client()
    made = client.post("/towns", json={"name": "x"}, base_url="http://localhost/api")
    assert made.status_code == 404
    made = client.post("/api/towns", json={"name": "x"})
    assert made.headers["Location"].startswith("/api/towns/")
    assert client.get(made.headers["Location"]).json == made.json


def test_writing_without_a_mutation_is_refused_when_it_is_mounted(app: Flask) -> None:
    mediator = view.RestMediator(view_model_cls=TownView, app=app)
    with pytest.raises(ConfigurationError, match="mutation_cls"):
        mediator.add_instance_patch(ONE)


def test_no_request_leaves_a_listener(
    client: FlaskClient, ulm: Town, calls: Counter[str], boiler: Boiler
) -> None:
    client.get("/towns/ulm")
    client.get("/towns")
    client.patch("/towns/ulm", json={"population": 4})
    client.patch("/towns/ulm", json={"wrong": 4})
    client.delete("/towns/ulm")
    assert calls["_listen"] == 0


# -- what somebody is told who does not know the routes


def test_a_write_with_if_none_match_is_for_a_view_that_is_another_one(
    client: FlaskClient, ulm: Town
) -> None:
    tag = client.get("/towns/ulm").headers["ETag"]
    for condition in ("*", tag, f'"other", {tag}', f"W/{tag}"):
        headers = {"If-None-Match": condition}
        problem(client.patch("/towns/ulm", json={"population": 7}, headers=headers), 412)
        problem(client.put("/towns/ulm", json=WHOLE, headers=headers), 412)
        problem(client.delete("/towns/ulm", headers=headers), 412)
    assert Town.get_or_raise("ulm").population == 3
    other = {"If-None-Match": '"other"'}
    assert client.patch("/towns/ulm", json={"population": 7}, headers=other).status_code == 200
    problem(client.patch("/towns/none", json={}, headers={"If-None-Match": "*"}), 404)


def test_a_put_makes_a_view_under_the_clients_own_id(client: FlaskClient, boiler: Boiler) -> None:
    new = {"If-None-Match": "*"}
    made = client.put("/towns/new", json={"name": "New"}, headers=new)
    assert made.status_code == 201, made.text
    assert made.headers["Location"] == "/towns/new"
    found = client.get(made.headers["Location"], headers={"If-Match": made.headers["ETag"]})
    assert (found.status_code, found.json) == (200, made.json)
    assert READ_TIME_HEADER in made.headers
    problem(client.put("/towns/new", json={"name": "Newer"}, headers=new), 412)
    problem(client.put("/towns/__x__", json={"name": "Newer"}, headers=new), 404)
    assert Town.get_or_raise("new").name == "New"


def test_a_field_that_is_not_taken_is_told_why(client: FlaskClient, ulm: Town) -> None:
    sent = {"leaderName": "Ada", "popluation": 7, "zzz": 1}
    assert problem(client.patch("/towns/ulm", json=sent), 422)["errors"] == {
        "leaderName": ["Read-only field: input may not set it."],
        "popluation": ["Unknown field; did you mean 'population'?"],
        "zzz": ["Unknown field."],
    }


def test_refusals_say_what_would_be_taken(client: FlaskClient, ulm: Town) -> None:
    json_type = {"Content-Type": "application/json"}
    empty = problem(client.patch("/towns/ulm", headers=json_type), 400)
    assert empty["detail"] == "Expected a JSON object; the body is empty."
    untyped = problem(client.patch("/towns/ulm", data=b"{}"), 415)
    assert untyped["detail"] == "Expected application/json, and no content type is given."
    deleted = problem(client.delete("/towns"), 405)
    assert deleted["detail"] == "DELETE is not allowed here; allowed are GET, HEAD, OPTIONS, POST."
    assert problem(client.get("/towns/ulm/"), 404)["detail"] == "No route has this path."
    said = problem(client.get("/towns/__x__"), 404)["detail"]
    assert said == "There is no such document: '__x__' is reserved by Firestore."


@pytest.mark.usefixtures("towns")
def test_a_list_is_asked_for_each_time(client: FlaskClient) -> None:
    assert client.get("/towns").headers["Cache-Control"] == "no-cache"


def test_what_cannot_be_stored_is_told_without_the_servers_words(
    client: FlaskClient, ulm: Town, caplog: pytest.LogCaptureFixture
) -> None:
    too_large = {"name": "x" * 1_048_500}
    refused = problem(client.patch("/towns/ulm", json=too_large), 422)
    assert refused["detail"] == "The result cannot be stored: it may be too large."
    assert "errors" not in refused
    assert "1 write(s)" in caplog.text
