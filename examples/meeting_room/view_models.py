"""The views that front ends read and change: a meeting for its participants, a user, a ticket."""

from __future__ import annotations

from typing import Any

from examples.meeting_room.models import Location, Meeting, Ticket, User
from flask_boiler import Attr, Mutation, Query, Store, ViewModel, attrs, reference, root
from flask_boiler.errors import RefusedError, ValidationError

__all__ = [
    "MeetingSession",
    "MeetingSessionMutation",
    "TicketMutation",
    "TicketView",
    "UserMutation",
    "UserView",
]


class MeetingSessionStore(Store):
    """The documents that the view of a meeting is computed from."""

    meeting = root(Meeting)
    users = reference(User, many=True, source=lambda store: store.meeting.users)
    tickets = reference(Ticket, many=True, source=lambda store: store.meeting.tickets)
    location = reference(Location, source=lambda store: store.meeting.location)


class MeetingSession(ViewModel):
    """The view of a meeting, stored at ``users/<uid>/MeetingSession/<meeting>`` for each user."""

    store: MeetingSessionStore

    @property
    def doc_refs(self) -> list[str]:
        """The places of the view: one for each participant."""
        meeting = self.store.meeting
        return [f"users/{user.id}/MeetingSession/{meeting.doc_id}" for user in meeting.users]

    @attrs.computed
    def in_session(self) -> bool:
        """Whether the meeting is running."""
        return self.store.meeting.status == "in-session"

    @in_session.setter
    def _set_in_session(self, value: bool) -> None:
        """Close a running meeting, or reopen a closed one.

        :raises RefusedError: it is in another state.
        """
        meeting = self.store.meeting
        if value and meeting.status == "closed":
            meeting.status = "in-session"
        elif not value and meeting.status == "in-session":
            meeting.status = "closed"
        else:
            raise RefusedError(
                f"A meeting that is {meeting.status} cannot be {'reopened' if value else 'closed'}."
            )

    add_participant: Attr[str] = attrs.bproperty(export_enabled=False)

    latitude = attrs.through(
        "location.latitude", import_enabled=False, doc="The latitude, in degrees north."
    )
    longitude = attrs.through(
        "location.longitude", import_enabled=False, doc="The longitude, in degrees east."
    )
    address = attrs.through("location.address", import_enabled=False, doc="The address.")

    @attrs.computed
    def attending(self) -> list[dict[str, Any]]:
        """The participants who attend, by user id; none before the meeting starts."""
        return [
            {
                "name": user.display_name,
                "organization": user.organization,
                "hearing_aid_requested": user.hearing_aid_requested,
            }
            for user in self._attendees()
        ]

    @attrs.computed
    def num_hearing_aid_requested(self) -> int:
        """The number of those who attend and asked for a hearing aid."""
        return sum(user.hearing_aid_requested for user in self._attendees())

    @add_participant.setter
    def _add_participant(self, user_id: str) -> None:
        """Add a participant, with a ticket.

        :raises RefusedError: there is no such user, or they take part already.
        """
        meeting, user = self.store.meeting, _find_user(user_id)
        if user is None:
            raise RefusedError(f"There is no user {user_id!r:.60}.")
        if user_id in {known.id for known in meeting.users}:
            raise RefusedError(f"{user.display_name} takes part already.")
        ticket = Ticket.new(user=user)
        ticket.save(create=True)
        meeting.users = [*meeting.users, user]
        meeting.tickets = {**meeting.tickets, user_id: ticket}

    def _attendees(self) -> list[User]:
        if self.store.meeting.status == "not-started":
            return []
        users, tickets = self.store.users, self.store.tickets
        return [users[uid] for uid in sorted(users) if uid in tickets and tickets[uid].attendance]


class UserStore(Store):
    """The documents that the view of a user is computed from."""

    user = root(User)

    @reference(Meeting, many=True)
    def meetings(self) -> Query[Meeting]:
        """The meetings that the user takes part in."""
        return Meeting.where(Meeting.users.contains(self.user))


class UserView(ViewModel):
    """The view of a user with their meetings, at ``userView/<uid>``."""

    store: UserStore

    class Meta:
        path = "userView/{user.doc_id}"

    first_name = attrs.through("user.first_name", import_enabled=False, doc="The first name.")
    last_name: Attr[str] = attrs.through("user.last_name", doc="The last name.")
    organization = attrs.through(
        "user.organization", import_enabled=False, doc="Where the user comes from."
    )
    hearing_aid_requested = attrs.through(
        "user.hearing_aid_requested",
        import_enabled=False,
        doc="Whether the user asked for a hearing aid.",
    )

    @attrs.computed
    def meetings(self) -> list[dict[str, Any]]:
        """The meetings that the user takes part in, by id."""
        meetings = self.store.meetings
        return [{"id": doc_id, "status": meetings[doc_id].status} for doc_id in sorted(meetings)]


class TicketStore(Store):
    """The document that the view of a ticket is computed from."""

    ticket = root(Ticket)


class TicketView(ViewModel):
    """The view of a ticket, which is only read and changed through REST."""

    store: TicketStore

    attendance: Attr[bool] = attrs.through(
        "ticket.attendance", doc="Whether the user attends the meeting."
    )
    role = attrs.through(
        "ticket.role", import_enabled=False, doc="What the user is in the meeting."
    )

    @attrs.computed
    def user_id(self) -> str | None:
        """The id of the user whose ticket it is."""
        user = self.store.ticket.user
        return None if user is None else str(user.id)


def _find_user(user_id: str) -> User | None:
    try:
        return User.get(user_id)
    except ValidationError:
        # No document can have such an id, so no user has.
        return None


class MeetingSessionMutation(Mutation[MeetingSession]):
    """The changes of meetings."""


class UserMutation(Mutation[UserView]):
    """The changes of users."""


class TicketMutation(Mutation[TicketView]):
    """The changes of tickets."""
