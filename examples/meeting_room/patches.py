"""The changes that front ends ask for by writing documents, without calling a server.

A document in ``users/<uid>/MeetingSession_PATCH``, such as
``{"target_meeting_id": "planning", "inSession": false}``, is applied once, if that user takes part
in the meeting, and is then marked with its ``result`` or its ``error``. Whoever does not take part
is told no more than if there were no such meeting. Firestore's rules see to it that only the user
writes below ``users/<uid>``.
"""

from __future__ import annotations

from examples.meeting_room.view_models import MeetingSession, MeetingSessionMutation
from flask_boiler import DocumentMediator, Patch

__all__ = ["session_patches"]


def session_patches() -> DocumentMediator:
    """The mediator that applies the patches of participants to their meetings."""
    return DocumentMediator(
        MeetingSession,
        mutation_cls=MeetingSessionMutation,
        patches="users/{uid}/MeetingSession_PATCH",
        authorize=_takes_part,
    )


def _takes_part(patch: Patch, view: MeetingSession) -> bool:
    """Whether the user takes part; nobody else learns that the meeting exists."""
    return patch.placeholders["uid"] in {user.id for user in view.store.meeting.users}
