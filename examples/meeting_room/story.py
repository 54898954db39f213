"""A meeting for the demo and the tests, and who takes part in it."""

from __future__ import annotations

from examples.meeting_room.models import Location, Meeting, Ticket, User
from flask_boiler.transaction import transaction

__all__ = ["MEETING", "save_a_meeting"]

MEETING = "planning"

_PEOPLE = {
    "ada": ("Ada", "Lovelace", "Analytical Engines", False),
    "bob": ("Bob", "Kahn", "Open Networks", True),
    "cleo": ("Cleo", "Nunez", None, False),
}
_PARTICIPANTS = ("ada", "bob")


def save_a_meeting() -> None:
    """A meeting that is running, two participants who do not attend yet, and a third person."""
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
