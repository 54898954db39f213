"""The meeting room: what its participants see, and what they may do."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from flask import current_app
from flask.testing import FlaskClient

from examples.meeting_room.app import create_app
from examples.meeting_room.models import Meeting, Ticket, User
from examples.meeting_room.story import save_a_meeting
from flask_boiler import CTX, Boiler, Config
from flask_boiler.ground.ports import LocalFirestore

MEETING = "/meeting_sessions/planning"
ADA = {"name": "Ada Lovelace", "organization": "Analytical Engines", "hearing_aid_requested": False}
BOB = {"name": "Bob Kahn", "organization": "Open Networks", "hearing_aid_requested": True}


@pytest.fixture
def running(firestore_emulator: LocalFirestore) -> Iterator[Boiler]:
    """The example on a project of its own, with its meeting."""
    project = f"test-{uuid.uuid4().hex[:20]}"
    app = create_app(Config(testing=True, project=project, emulator_host=firestore_emulator.host))
    boiler: Boiler = app.extensions["boiler"]
    with app.app_context():
        save_a_meeting()
        boiler.start()
        boiler.settle()
        yield boiler
        boiler.close()


@pytest.fixture
def client(running: Boiler) -> FlaskClient:
    return current_app.test_client()


def stored(path: str) -> dict[str, Any] | None:
    fields: dict[str, Any] | None = CTX.db.document(path).get().to_dict()
    return fields


def session_of(uid: str) -> dict[str, Any] | None:
    fields = stored(f"users/{uid}/MeetingSession/planning")
    if fields is not None:
        assert fields.pop("obj_type") == "MeetingSession"
        assert fields.pop("doc_ref") == f"users/{uid}/MeetingSession/planning"
    return fields


def test_who_attends_is_seen_by_every_participant(running: Boiler, client: FlaskClient) -> None:
    assert client.patch("/tickets/planning-bob", json={"attendance": True}).status_code == 200
    assert client.patch("/tickets/planning-ada", json={"attendance": True}).status_code == 200
    running.settle()
    seen = {
        "inSession": True,
        "latitude": 51.5081,
        "longitude": -0.0759,
        "address": "Tower Hill, London",
        "attending": [ADA, BOB],
        "numHearingAidRequested": 1,
    }
    assert session_of("ada") == session_of("bob") == seen
    assert client.get(MEETING).json == seen

    client.patch("/tickets/planning-bob", json={"attendance": False})
    running.settle()
    assert session_of("ada") == {**seen, "attending": [ADA], "numHearingAidRequested": 0}


def test_nobody_attends_before_the_meeting_starts(running: Boiler, client: FlaskClient) -> None:
    client.patch("/tickets/planning-ada", json={"attendance": True})
    Meeting.get_or_raise("planning").update(status="not-started")
    running.settle()
    seen = session_of("bob")
    assert seen is not None
    assert (seen["inSession"], seen["attending"]) == (False, [])


def test_a_participant_who_is_removed_loses_the_copy(running: Boiler) -> None:
    assert session_of("bob") is not None
    Meeting.get_or_raise("planning").update(users=["ada"], tickets={"ada": "planning-ada"})
    running.settle()
    assert session_of("bob") is None
    assert session_of("ada") is not None


def test_a_meeting_is_closed_and_reopened_and_nothing_else(client: FlaskClient) -> None:
    def set_in_session(value: bool) -> int:
        return client.patch(MEETING, json={"inSession": value}).status_code

    assert [set_in_session(v) for v in (True, False, False, True)] == [409, 200, 409, 200]
    Meeting.get_or_raise("planning").update(status="not-started")
    assert [set_in_session(v) for v in (True, False)] == [409, 409]


def test_a_refusal_says_why(client: FlaskClient) -> None:
    refused = client.patch(MEETING, json={"inSession": True})
    assert refused.json is not None
    assert refused.json["detail"] == "A meeting that is in-session cannot be reopened."


def test_a_participant_is_added_with_a_ticket(running: Boiler, client: FlaskClient) -> None:
    answer = client.patch(MEETING, json={"addParticipant": "cleo"})
    assert answer.status_code == 200
    assert "addParticipant" not in (answer.json or {})
    meeting = Meeting.get_or_raise("planning")
    assert [user.id for user in meeting.users] == ["ada", "bob", "cleo"]
    ticket = Ticket.get_or_raise(doc_ref=meeting.tickets["cleo"])
    assert (ticket.user and ticket.user.id, ticket.attendance) == ("cleo", False)
    running.settle()
    assert session_of("cleo") == session_of("ada")

    assert client.patch(MEETING, json={"addParticipant": "cleo"}).status_code == 409
    for nobody in ("nobody", "no/body"):
        refused = client.patch(MEETING, json={"addParticipant": nobody})
        assert (refused.status_code, refused.json and refused.json["detail"]) == (
            409,
            f"There is no user {nobody!r}.",
        )


def test_a_user_sees_the_meetings_that_they_take_part_in(
    running: Boiler, client: FlaskClient
) -> None:
    seen: dict[str, Any] = {
        "firstName": "Cleo",
        "lastName": "Nunez",
        "organization": None,
        "hearingAidRequested": False,
        "meetings": [],
    }
    assert client.get("/users/cleo").json == seen
    client.patch(MEETING, json={"addParticipant": "cleo"})
    running.settle()
    seen["meetings"] = [{"id": "planning", "status": "in-session"}]
    assert client.get("/users/cleo").json == seen
    client.patch(MEETING, json={"inSession": False})
    running.settle()
    assert (stored("userView/cleo") or {})["meetings"] == [{"id": "planning", "status": "closed"}]


def test_a_last_name_is_the_users_and_changes_everywhere(
    running: Boiler, client: FlaskClient
) -> None:
    client.patch("/tickets/planning-ada", json={"attendance": True})
    assert client.patch("/users/ada", json={"lastName": "King"}).status_code == 200
    assert User.get_or_raise("ada").display_name == "Ada King"
    running.settle()
    assert (session_of("bob") or {})["attending"] == [{**ADA, "name": "Ada King"}]


def test_meetings_are_listed_by_status(client: FlaskClient) -> None:
    def listed(status: str) -> list[str]:
        answer = client.get(f"/meeting_sessions?status={status}")
        assert answer.json is not None
        return list(answer.json["results"])

    assert (listed("in-session"), listed("closed")) == (["planning"], [])
    client.patch(MEETING, json={"inSession": False})
    assert (listed("in-session"), listed("closed")) == ([], ["planning"])
    assert client.get("/meeting_sessions?status=over").status_code == 400
    unknown = client.get("/meeting_sessions?state=closed")
    assert unknown.status_code == 400
    assert "status" in unknown.text


def test_what_is_shown_only_cannot_be_set(client: FlaskClient) -> None:
    answer = client.patch(MEETING, json={"attending": [], "address": "Elsewhere"})
    assert answer.status_code == 422
    assert sorted((answer.json or {})["errors"]) == ["address", "attending"]


def propose(running: Boiler, uid: str, **fields: Any) -> dict[str, Any]:
    """What becomes of a document that a front end writes."""
    _, proposal = CTX.db.collection(f"users/{uid}/MeetingSession_PATCH").add(fields)
    running.settle()
    marked: dict[str, Any] = proposal.get().to_dict()
    return marked


def test_a_participant_closes_the_meeting_by_a_document(running: Boiler) -> None:
    marked = propose(running, "ada", target_meeting_id="planning", inSession=False)
    assert "result" in marked
    assert "error" not in marked
    assert Meeting.get_or_raise("planning").status == "closed"
    assert (session_of("bob") or {})["inSession"] is False


@pytest.mark.parametrize("proposed", [{"inSession": False}, {"inSession": "no"}, {"status": "x"}])
def test_who_does_not_take_part_is_not_told_whether_there_is_a_meeting(
    running: Boiler, proposed: dict[str, Any]
) -> None:
    targets = ("planning", "party")
    told = [propose(running, "cleo", target_meeting_id=of, **proposed)["error"] for of in targets]
    assert told[0] == told[1]


@pytest.mark.parametrize(
    ("uid", "fields", "status"),
    [
        ("cleo", {"target_meeting_id": "planning", "inSession": False}, 404),
        ("ada", {"target_meeting_id": "planning", "inSession": True}, 409),
        ("ada", {"target_meeting_id": "party", "inSession": False}, 404),
        ("ada", {"target_meeting_id": "planning", "attending": []}, 422),
        ("ada", {"target_meeting_id": "planning", "status": "closed"}, 422),
        ("ada", {"target_meeting_id": "planning", "inSession": "no"}, 422),
        ("ada", {"inSession": False}, 422),
    ],
)
def test_what_may_not_be_proposed_is_answered_and_changes_nothing(
    running: Boiler, uid: str, fields: dict[str, Any], status: int
) -> None:
    marked = propose(running, uid, **fields)
    assert marked["error"]["status"] == status
    assert "result" not in marked
    assert Meeting.get_or_raise("planning").status == "in-session"
    assert running.parked == []


def test_the_page_is_told_that_there_is_no_meeting(client: FlaskClient) -> None:
    assert client.get("/setting").status_code == 200
    Meeting.get_or_raise("planning").delete()
    missing = client.get("/setting")
    assert missing.status_code == 404
    assert "make demo" in missing.text
