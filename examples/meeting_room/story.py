"""A meeting, and what its participants do; the demo and the tests run it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from examples.meeting_room.models import Location, Meeting, Ticket, User
from flask_boiler import transaction

__all__ = ["MEETING", "STORY", "Proposal", "Request", "Step", "save_a_meeting"]

MEETING = "planning"

_PEOPLE = {
    "ada": ("Ada", "Lovelace", "Analytical Engines", False),
    "bob": ("Bob", "Kahn", "Open Networks", True),
    "cleo": ("Cleo", "Nunez", None, False),
}
_PARTICIPANTS = ("ada", "bob")


def save_a_meeting() -> None:
    """Save a running meeting, two participants who do not attend yet, and a third person."""
    with transaction():
        for uid, (first_name, last_name, organization, hearing_aid) in _PEOPLE.items():
            user = User.new(
                doc_id=uid,
                first_name=first_name,
                last_name=last_name,
                organization=organization,
                hearing_aid_requested=hearing_aid,
            )
            user.save()
        for uid in _PARTICIPANTS:
            Ticket.new(doc_id=f"{MEETING}-{uid}", user=uid).save()
        place = Location.new(
            doc_id="library", latitude=51.5081, longitude=-0.0759, address="Tower Hill, London"
        )
        place.save()
        meeting = Meeting.new(
            doc_id=MEETING,
            location=place,
            users=list(_PARTICIPANTS),
            tickets={uid: f"{MEETING}-{uid}" for uid in _PARTICIPANTS},
            status="in-session",
        )
        meeting.save()


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request, and the status of its answer."""

    method: str
    path: str
    body: Mapping[str, Any] | None
    status: int


@dataclass(frozen=True, slots=True)
class Proposal:
    """A document that a front end writes into a collection, for the application to apply."""

    collection: str
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Step:
    """A step: what somebody does, and what the others see.

    :param seen: for each participant, what their copy of the meeting has then.
    """

    title: str
    act: Request | Proposal
    seen: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])


def _seen_by(*uids: str, **fields: Any) -> Mapping[str, Mapping[str, Any]]:
    return {uid: fields for uid in uids}


STORY = (
    Step(
        "Bob attends: both participants see it",
        Request("PATCH", "/tickets/planning-bob", {"attendance": True}, 200),
        _seen_by("ada", "bob", attending=["Bob Kahn"], numHearingAidRequested=1),
    ),
    Step(
        "Ada attends, too",
        Request("PATCH", "/tickets/planning-ada", {"attendance": True}, 200),
        _seen_by("ada", "bob", attending=["Ada Lovelace", "Bob Kahn"]),
    ),
    Step(
        "Bob changes his name: whoever sees it sees it change",
        Request("PATCH", "/users/bob", {"lastName": "Cerf"}, 200),
        _seen_by("ada", "bob", attending=["Ada Lovelace", "Bob Cerf"]),
    ),
    Step(
        "Cleo takes part from now on: she gets a copy of her own",
        Request("PATCH", f"/meeting_sessions/{MEETING}", {"addParticipant": "cleo"}, 200),
        _seen_by("cleo", attending=["Ada Lovelace", "Bob Cerf"], inSession=True),
    ),
    Step(
        "Ada closes the meeting, by a document that her front end writes",
        Proposal(
            "users/ada/MeetingSession_PATCH", {"target_meeting_id": MEETING, "inSession": False}
        ),
        _seen_by("ada", "bob", "cleo", inSession=False),
    ),
    Step(
        "What is closed cannot be closed again",
        Request("PATCH", f"/meeting_sessions/{MEETING}", {"inSession": False}, 409),
    ),
    Step(
        "The meetings that are closed",
        Request("GET", "/meeting_sessions?status=closed", None, 200),
    ),
)
