"""Every route of the meeting room, with good and with bad input."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from examples.meeting_room.app import create_app
from examples.meeting_room.models import User
from examples.meeting_room.story import save_a_meeting
from flask_boiler import CTX, Boiler, Config
from flask_boiler.ground.ports import LocalFirestore
from flask_boiler.view.http.mounting import mounted_routes
from flask_boiler.view.http.requests import READ_TIME_HEADER

TIMEOUT_S = 60.0
LIST = "/meeting_sessions"


@dataclass(frozen=True)
class One:
    """A rule that shows one view and changes it.

    :param shown: the path of the document whose update time it carries.
    :param changes: what two clients may write, one after the other and at once.
    :param changed: what a view shows after the first of them.
    :param wrong: input that is refused, by the field that is named for it.
    """

    collection: str
    doc_id: str
    shown: str
    changes: tuple[Mapping[str, Any], Mapping[str, Any]]
    changed: Mapping[str, Any]
    wrong: Mapping[str, Mapping[str, Any]]

    @property
    def rule(self) -> str:
        return f"/{self.collection}/<string:doc_id>"

    @property
    def path(self) -> str:
        return f"/{self.collection}/{self.doc_id}"


ONES = [
    One(
        "meeting_sessions",
        "planning",
        # No place of it follows from the route, so it is computed: that is the newest document.
        shown="meetings/planning",
        changes=({"addParticipant": "cleo"}, {"addParticipant": "dora"}),
        changed={"inSession": True},
        wrong={
            "sttatus": {"inSession": False, "sttatus": "closed"},
            "in_session": {"in_session": False},
            "attending": {"inSession": False, "attending": []},
            "numHearingAidRequested": {"numHearingAidRequested": 0},
            "inSession": {"inSession": "no"},
            "addParticipant": {"addParticipant": ["cleo"], "inSession": False},
        },
    ),
    One(
        "users",
        "ada",
        shown="userView/ada",
        changes=({"lastName": "King"}, {"lastName": "Byron"}),
        changed={"firstName": "Ada", "lastName": "King"},
        wrong={
            "displayName": {"lastName": "x", "displayName": "y"},
            "firstName": {"lastName": "x", "firstName": "y"},
            "meetings": {"meetings": []},
            "lastName": {"lastName": 5},
        },
    ),
    One(
        "tickets",
        "planning-ada",
        shown="tickets/planning-ada",
        changes=({"attendance": True}, {"attendance": True}),
        changed={"attendance": True, "userId": "ada"},
        wrong={
            "attending": {"attendance": True, "attending": True},
            "role": {"attendance": True, "role": "Chair"},
            "userId": {"userId": "bob"},
            "attendance": {"attendance": None},
        },
    ),
]
each = pytest.mark.parametrize("one", ONES, ids=lambda one: one.collection)


class Room:
    """The running application, and requests to it."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.boiler: Boiler = app.extensions["boiler"]
        self.client = app.test_client()

    def get(self, path: str, **headers: str) -> TestResponse:
        return self.client.get(path, headers={n.replace("_", "-"): v for n, v in headers.items()})

    def patch(self, path: str, data: Any, *, kind: str = "application/json", **headers: str) -> Any:
        named = {n.replace("_", "-"): v for n, v in headers.items()}
        body = data if isinstance(data, bytes) else json.dumps(data).encode()
        # One for each call, so that threads do not share it.
        client = self.app.test_client()
        return client.patch(path, data=body, content_type=kind or None, headers=named)

    def at_once(self, path: str, bodies: tuple[Any, ...], **headers: str) -> list[int]:
        """The statuses, in order of their size."""
        together = threading.Barrier(len(bodies))
        statuses: list[int] = []

        def run(body: Any) -> None:
            together.wait(TIMEOUT_S)
            statuses.append(self.patch(path, body, **headers).status_code)

        threads = [threading.Thread(target=run, args=(body,)) for body in bodies]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sorted(statuses)

    @property
    def listened(self) -> int:
        """How many documents and queries are listened to, when all is quiet."""
        self.boiler.settle()
        feed: Any = self.boiler.engine.feed
        targets: int = feed.statistics().targets
        return targets


@contextmanager
def meeting_room(local: LocalFirestore) -> Iterator[Room]:
    project = f"test-{uuid.uuid4().hex[:20]}"
    room = Room(create_app(Config(testing=True, project=project, emulator_host=local.host)))
    try:
        with room.boiler.context.activated():
            save_a_meeting()
            User.new("dora", first_name="Dora", last_name="Maar").save()
            room.boiler.start()
            room.boiler.settle()
            yield room
    finally:
        room.boiler.close()


@pytest.fixture
def room(firestore_emulator: LocalFirestore) -> Iterator[Room]:
    with meeting_room(firestore_emulator) as room:
        yield room


@pytest.fixture(scope="module")
def unchanged(firestore_emulator: LocalFirestore) -> Iterator[Room]:
    """One for all tests of what is refused; afterwards it must be as it was, and listen as much."""
    with meeting_room(firestore_emulator) as room:
        listened, stored = room.listened, everything()
        yield room
        assert (room.listened, room.boiler.parked) == (listened, [])
        assert everything() == stored


def everything() -> dict[str, Any]:
    """When each document was written."""
    collections = (
        *("users", "locations", "tickets", "meetings", "userView"),
        *(f"users/{uid}/MeetingSession" for uid in ("ada", "bob", "cleo", "dora")),
    )
    found = (document for name in collections for document in CTX.db.collection(name).get())
    return {document.reference.path: document.update_time for document in found}


def problem(answer: TestResponse, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.mimetype == "application/problem+json"
    said: dict[str, Any] = json.loads(answer.data)
    assert said["status"] == status
    return said


def test_no_route_is_left_out(unchanged: Room) -> None:
    mounted = {(route.method, rule.rule) for rule, route in mounted_routes(unchanged.app)}
    assert mounted == {("GET", LIST)} | {(m, one.rule) for m in ("GET", "PATCH") for one in ONES}


# -- good input


@each
def test_a_view_is_shown_with_its_tag_and_its_time(room: Room, one: One) -> None:
    answer = room.get(one.path)
    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    updated = CTX.db.document(one.shown).get().update_time
    assert answer.last_modified == updated.replace(microsecond=0)
    assert room.get(one.path, If_None_Match=answer.headers["ETag"]).status_code == 304
    assert room.get(one.path, If_Modified_Since=answer.headers["Last-Modified"]).status_code == 304
    assert room.get(one.path, If_Match=answer.headers["ETag"]).status_code == 200


@each
def test_a_change_is_answered_with_the_view_and_a_token(room: Room, one: One) -> None:
    before = room.get(one.path)
    answer = room.patch(one.path, one.changes[0], If_Match=before.headers["ETag"])
    assert answer.status_code == 200, answer.text
    assert one.changed.items() <= answer.json.items()
    assert "addParticipant" not in answer.json
    token = answer.headers[READ_TIME_HEADER]
    # At once, published or not; and then also what is stored.
    assert room.get(one.path, **{READ_TIME_HEADER: token}).json == answer.json
    room.boiler.settle()
    assert room.get(one.path).json == answer.json


@each
def test_of_two_writers_with_one_tag_one_wins(room: Room, one: One) -> None:
    if one.collection == "meeting_sessions":
        # A participant who does not attend is not in the view, and so not in its tag.
        bodies: tuple[Any, ...] = ({"inSession": False}, {"inSession": False})
    else:
        bodies = one.changes
    tag = room.get(one.path).headers["ETag"]
    assert room.at_once(one.path, bodies, If_Match=tag) == [200, 412]


@each
def test_two_writers_without_a_tag_both_have_their_way(room: Room, one: One) -> None:
    assert room.at_once(one.path, one.changes) == [200, 200]
    if one.collection == "meeting_sessions":
        tickets = CTX.db.document("meetings/planning").get().get("tickets")
        assert sorted(tickets) == ["ada", "bob", "cleo", "dora"]
    else:
        shown: Any = room.get(one.path, **{READ_TIME_HEADER: "1"}).json
        assert any(change.items() <= shown.items() for change in one.changes)


def test_the_state_of_a_meeting_decides_between_two_writers(room: Room) -> None:
    closing = {"inSession": False}
    assert room.at_once("/meeting_sessions/planning", (closing, closing)) == [200, 409]


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("", ["planning"]),
        ("?status=in-session", ["planning"]),
        ("?status=closed", []),
        ("?status=in-session&limit=1&order_by=-status", ["planning"]),
    ],
)
def test_meetings_are_listed(unchanged: Room, query: str, ids: list[str]) -> None:
    answer = unchanged.get(f"{LIST}{query}")
    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    assert answer.json == {
        "results": {doc_id: unchanged.get(f"{LIST}/{doc_id}").json for doc_id in ids},
        "next_page_token": None,
    }


# -- bad input


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("state=closed", "state"),
        ("users=users/ada", "users"),
        ("inSession=true", "inSession"),
        ("status=over", "status"),
        ("status=closed&status=closed", "status"),
        ("limit=0", "limit"),
        ("order_by=users", "order_by"),
    ],
)
def test_a_wrong_parameter_is_named(unchanged: Room, query: str, named: str) -> None:
    assert list(problem(unchanged.get(f"{LIST}?{query}"), 400)["errors"]) == [named]


def test_a_page_token_of_nobody_is_refused(unchanged: Room) -> None:
    assert "page token" in problem(unchanged.get(f"{LIST}?page_token=x"), 400)["detail"]


@each
@pytest.mark.parametrize("doc_id", ["nobody", "__x__", "a%2Fb", "%2e%2e", "x" * 1501, "%ff"])
def test_what_is_not_there_is_not_found(unchanged: Room, one: One, doc_id: str) -> None:
    path = f"/{one.collection}/{doc_id}"
    problem(unchanged.get(path), 404)
    problem(unchanged.patch(path, one.changes[0]), 404)
    problem(unchanged.patch(path, one.changes[0], If_Match='"stale"'), 404)


@pytest.mark.parametrize(
    ("one", "field"),
    [pytest.param(o, field, id=f"{o.collection}-{field}") for o in ONES for field in o.wrong],
)
def test_a_wrong_field_is_named_and_nothing_is_changed(
    unchanged: Room, one: One, field: str
) -> None:
    body = one.wrong[field]
    assert list(problem(unchanged.patch(one.path, body), 422)["errors"]) == [field]
    # It is refused for that reason, whatever else is wrong.
    problem(unchanged.patch(one.path, body, If_Match='"stale"'), 422)


@each
def test_a_body_that_is_none_is_refused(unchanged: Room, one: One) -> None:
    for malformed in (b"", b"{", b"\xff", b'{"a": NaN}', b'{"a": "\xed\xa0\x80"}', b"[" * 9999):
        problem(unchanged.patch(one.path, malformed), 400)
    for no_object in ([], None, "x", [one.changes[0]]):
        problem(unchanged.patch(one.path, no_object), 422)
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        problem(unchanged.patch(one.path, one.changes[0], kind=kind), 415)
    too_large = b'{"x": "' + b"x" * 1024 * 1024 + b'"}'
    problem(unchanged.patch(one.path, too_large), 413)


@each
def test_a_stale_tag_is_refused(unchanged: Room, one: One) -> None:
    tag = unchanged.get(one.path).headers["ETag"]
    for stale in ('"stale"', f"W/{tag}"):
        problem(unchanged.patch(one.path, one.changes[0], If_Match=stale), 412)
        problem(unchanged.get(one.path, If_Match=stale), 412)


@each
def test_a_token_of_nobody_is_refused(unchanged: Room, one: One) -> None:
    refused = problem(unchanged.get(one.path, **{READ_TIME_HEADER: "yesterday"}), 400)
    assert list(refused["errors"]) == [READ_TIME_HEADER]


@pytest.mark.parametrize("path", [LIST, *(one.path for one in ONES)])
def test_a_method_that_there_is_not_is_refused(unchanged: Room, path: str) -> None:
    for method in ("POST", "PUT", "DELETE", *(["PATCH"] if path == LIST else [])):
        answer = unchanged.client.open(path, method=method, json={})
        problem(answer, 405)
        assert method not in answer.headers["Allow"]
