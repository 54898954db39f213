"""Input that no client should send, and some does: each is answered by what is wrong with it."""

# mypy: disable-error-code="index"

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from flask_boiler import CTX, Boiler
from tests.firestore.kinds import Jug, JugMutation, create_jugs_app, save_a_jug
from tests.firestore.test_rest import problem


@pytest.fixture
def app(boiler: Boiler) -> Flask:
    return create_jugs_app(boiler)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    save_a_jug()
    return app.test_client()


def patch(client: FlaskClient, body: str) -> Any:
    return client.patch("/jugs/brown", data=body.encode(), content_type="application/json")


@pytest.mark.parametrize(
    "doc_id",
    [
        *("..", "%2e%2e", "__x__", "x" * 1501, "%F0%9F%98%80" * 400),
        *("a%00b", "a%2Fb", "%2Fa", "%ff", "%ED%A0%80", "%0A", "%20"),
    ],
)
def test_an_id_that_nothing_has_is_not_found(client: FlaskClient, doc_id: str) -> None:
    for method, body in (("GET", None), ("PATCH", {}), ("DELETE", None)):
        problem(client.open(f"/jugs/{doc_id}", method=method, json=body), 404)


def nested(levels: int) -> str:
    return '{"a":' * levels + "1" + "}" * levels


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("whole", "9223372036854775808"),
        ("whole", "-9223372036854775809"),
        ("whole", "1e400"),
        ("ratio", "1" + "0" * 400),
        ("ratio", "1e999"),
        ("flag", "1"),
        ("flag", '"true"'),
        ("moment", '"0001-01-01T00:00:00+23:59"'),
        ("moment", '"9999-12-31T23:59:59-23:59"'),
        ("clock", '"0001-01-01T00:00:00"'),
        ("clock", '"9999-12-31T23:59:59-23:00"'),
        ("clock", '"2024-03-31T02:30:00"'),
        ("vector", "[]"),
        ("vector", json.dumps([0.5] * 2049)),
        ("table", '{"": 1}'),
        ("table", '{"__x__": 1}'),
        ("table", '{"a": null}'),
        ("table", json.dumps({"k" * 1501: 1})),
        ("marks", '{"": {"colour": "x"}}'),
        ("mark", '{"obj_type": null, "colour": "x"}'),
        ("mark", '{"obj_type": "Jug", "colour": "x"}'),
        ("others", '["__x__"]'),
        ("others", '{"a": "b/.."}'),
        ("elsewhere", '"a"'),
        ("potter", '{"town": "Ulm"}'),
        ("potter", '{"fullName": 1}'),
        ("potter", '"Potter/a/b"'),
        ("elsewhere", '"a/__b__"'),
        ("elsewhere", f'"{"x" * 1501}/b"'),
        ("anything", "9223372036854775808"),
        ("anything", "[[1]]"),
        ("anything", '{"x": [{"y": [1, [2]]}]}'),
        ("anything", '{"": 1}'),
        ("anything", '[{"__x__": 1}]'),
        ("anything", nested(21)),
        ("anything", nested(500)),
        ("anything", "[" * 900 + "]" * 900),
    ],
)
def test_a_value_that_cannot_be_stored_names_its_field(
    client: FlaskClient, field: str, value: str
) -> None:
    errors = problem(patch(client, f'{{"{field}": {value}}}'), 422)["errors"]
    assert {name.partition(".")[0] for name in errors} == {field}


def test_what_is_still_stored_is_taken(client: FlaskClient) -> None:
    whole = {
        "whole": 2**63 - 1,
        "text": "\x00",
        "anything": json.loads(nested(20)),
        "clock": "2024-02-29T02:30:00",
        "vector": [0.5] * 2048,
        "marks": {"a": {"obj_type": "WideMark", "colour": "x", "width": 1}},
    }
    answer = client.patch("/jugs/brown", json=whole)
    assert answer.status_code == 200, answer.text
    shown = {**whole, "marks": {"a": {"colour": "x", "size": 1, "width": 1.0}}}
    assert {name: answer.json[name] for name in whole} == shown


@pytest.mark.parametrize(
    "body",
    [
        *('{"text": "\\ud800"}', '{"\\ud800": 1}', '{"table": {"\\udfff": 1}}'),
        *('{"anything": {"\\ud800": {"x": 1}}}', '{"elsewhere": "a/\\ud800"}'),
        *('{"ratio": NaN}', '{"ratio": -Infinity}', '{"text": "a"} x', "\x00{}"),
        f'{{"anything": {nested(90_000)}}}',
    ],
)
def test_a_body_that_is_no_text_of_json_is_refused(client: FlaskClient, body: str) -> None:
    assert "not JSON" in problem(patch(client, body), 400)["detail"]


@pytest.mark.parametrize(
    "body",
    [
        # Halves of surrogate pairs, as bytes and in an encoding whose escapes look different.
        b'{"table": {"\xed\xa0\x80": 1}}',
        b'{"text": "\xed\xa0\x80"}',
        '{"marks": {"\\ud800": {"colour": "x"}}}'.encode("utf-16"),
    ],
)
def test_a_body_whose_bytes_are_no_text_is_refused(client: FlaskClient, body: bytes) -> None:
    answer = client.patch("/jugs/brown", data=body, content_type="application/json")
    assert "not JSON" in problem(answer, 400)["detail"]


def test_a_dict_is_told_what_is_wrong_with_it_where_a_list_is_taken_too(
    client: FlaskClient,
) -> None:
    errors = problem(patch(client, '{"marks": {"a": {"size": 1}}}'), 422)["errors"]
    assert list(errors) == ["marks.a.colour"]


def test_a_body_in_chunks_is_not_read_beyond_the_limit(client: FlaskClient) -> None:
    body = io.BytesIO(b"x" * 8 * 1024 * 1024)
    # As a server hands over what comes with Transfer-Encoding: chunked.
    chunked: dict[str, Any] = {
        "headers": {"Transfer-Encoding": "chunked"},
        "content_type": "application/json",
        "environ_overrides": {"wsgi.input_terminated": True, "CONTENT_LENGTH": ""},
    }
    problem(client.patch("/jugs/brown", input_stream=body, **chunked), 413)
    assert 1024 * 1024 < body.tell() < 2 * 1024 * 1024
    small = io.BytesIO(b'{"text": "y"}')
    assert client.patch("/jugs/brown", input_stream=small, **chunked).status_code == 200


@pytest.mark.parametrize(
    ("query", "status"),
    [
        *(("whole=9223372036854775808", 400), ("whole=%221%22", 400), ("ratio=NaN", 400)),
        *(("ratio=1e999", 400), ("clock=0001-01-01T00:00:00", 400), ("flag=yes", 400)),
        *(("elsewhere=__x__/y", 400), ("words=a", 400), ("mark=x", 400), ("page_token=%00", 400)),
        *(("flag=null", 400), ("stand=null", 200), ("stand=birch", 400), ("either=x", 200)),
        *(("potter=Potter/ann", 200), ("potter=ann", 200), ("potter=a/b/c", 400)),
        *(("order_by=text,-text", 200), ("order_by=-words", 200), ("text=%00", 200)),
        *(("order_by=-mark", 400), ("order_by=marks", 400)),
    ],
)
def test_parameters_are_taken_as_documented(client: FlaskClient, query: str, status: int) -> None:
    answer = client.get(f"/jugs?{query}")
    assert answer.status_code == status, answer.text
    if status == 400:
        problem(answer, 400)


def test_conditions_of_a_get_are_looked_at(client: FlaskClient) -> None:
    tag = client.get("/jugs/brown").headers["ETag"]

    def get(**headers: str) -> int:
        return client.get("/jugs/brown", headers=headers).status_code

    assert get(**{"If-Match": tag}) == get(**{"If-Match": "*"}) == 200
    problem(client.get("/jugs/brown", headers={"If-Match": '"other"'}), 412)
    assert get(**{"If-None-Match": "*"}) == get(**{"If-None-Match": f'"x", {tag}'}) == 304
    assert get(**{"If-None-Match": '"x"'}) == 200


def test_what_would_be_refused_anyway_is_refused_for_that_reason(client: FlaskClient) -> None:
    stale = {"If-Match": '"stale"'}
    problem(client.put("/jugs/brown", json={"text": "x"}, headers=stale), 422)
    problem(client.patch("/jugs/brown", json={"text": 1}, headers=stale), 422)
    problem(client.patch("/jugs/brown", json={"text": "x"}, headers=stale), 412)


def test_what_is_stored_wrongly_is_not_the_clients_fault(
    client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    # A stored view of an older shape is computed anew ...
    CTX.db.document("jugView/brown").set({"obj_type": "JugView", "whole": "no"})
    assert client.get("/jugs/brown").json["whole"] == 0
    # ... and a root that cannot be read is the server's matter.
    CTX.db.document("Jug/brown").update({"whole": "no"})
    for answer in (
        client.get("/jugs/brown"),
        client.patch("/jugs/brown", json={}),
        client.patch("/jugs/brown", json={}, headers={"If-Match": '"x"'}),
    ):
        problem(answer, 500)
    assert "expected int" in caplog.text
    assert client.patch("/jugs/brown", json={"whole": 1}).status_code == 200
    assert Jug.get_or_raise("brown").whole == 1


def test_a_nested_relation_takes_documents_of_its_class_only(client: FlaskClient) -> None:
    refused = problem(client.patch("/jugs/brown", json={"potter": "Jug/brown"}), 422)
    assert refused["errors"] == {"potter": ["Jug/brown is no Potter."]}
    assert client.patch("/jugs/brown", json={"potter": {"fullName": "Ada"}}).status_code == 200


def test_what_is_stored_wrongly_in_a_part_is_not_the_clients_fault(client: FlaskClient) -> None:
    marks = [{"obj_type": "Mark", "colour": 7, "size": 1}]
    CTX.db.document("Jug/brown").update({"mark": marks[0], "marks": marks})
    problem(client.get("/jugs/brown"), 500)
    # The write is made, for it does not touch them; what it leads to cannot be shown.
    assert "was made" in problem(client.patch("/jugs/brown", json={"whole": 3}), 500)["detail"]
    refused = problem(client.patch("/jugs/brown", json={"mark": {"colour": 7}}), 422)
    assert set(refused["errors"]) == {"mark.colour"}
    mended = {"mark": {"colour": "red"}, "marks": []}
    assert client.patch("/jugs/brown", json=mended).status_code == 200


def test_a_setter_that_changes_a_part_which_is_stored_wrongly_is_a_500(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    CTX.db.document("Jug/brown").update({"mark": {"obj_type": "Mark", "colour": 7, "size": 1}})

    def grow(cls: type, doc_id: str, data: Any) -> Any:
        jug = Jug.get_or_raise(doc_id)
        jug.mark.size = data["whole"]
        jug.save()

    monkeypatch.setattr(JugMutation, "mutate_patch", classmethod(grow))
    problem(client.patch("/jugs/brown", json={"whole": 3}), 500)
