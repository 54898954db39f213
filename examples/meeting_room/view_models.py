"""The views that front ends read and change: a meeting for its participants, a user, a ticket."""

from __future__ import annotations

from typing import Any

from examples.meeting_room.models import Location, Meeting, Ticket, User
from flask_boiler import Attr, Mutation, Store, ViewModel, attrs, reference
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

    meeting = reference(Meeting)
    users = reference(User, many=True, source=lambda store: store.meeting.users)
    tickets = reference(Ticket, many=True, source=lambda store: store.meeting.tickets)
    location = reference(Location, source=lambda store: store.meeting.location)


class MeetingSession(ViewModel):
    """The view of a meeting, stored at ``users/<uid>/MeetingSession/<meeting>`` for each user."""

    store: MeetingSessionStore

    @property
    def meeting(self) -> Meeting:
        """The root of the view; every view has one."""
        meeting = self.store.meeting
        assert meeting is not None
        return meeting

    @property
    def doc_refs(self) -> list[str]:
        """The places of the view: one for each participant."""
        return [
            f"users/{user.id}/MeetingSession/{self.meeting.doc_id}" for user in self.meeting.users
        ]

    @attrs.computed
    def in_session(self) -> bool:
        """Whether the meeting is running."""
        return self.meeting.status == "in-session"

    @in_session.setter
    def _set_in_session(self, value: bool) -> None:
        """Close a running meeting, or reopen a closed one.

        :raises RefusedError: it is in another state.
        """
        status = self.meeting.status
        if value and status == "closed":
            self.meeting.status = "in-session"
        elif not value and status == "in-session":
            self.meeting.status = "closed"
        else:
            raise RefusedError(
                f"A meeting that is {status} cannot be {'reopened' if value else 'closed'}."
            )

    add_participant: Attr[str] = attrs.bproperty(export_enabled=False)

    @attrs.computed
    def latitude(self) -> float | None:
        """The latitude of the meeting, in degrees north."""
        return self.store.location.latitude if self.store.location else None

    @attrs.computed
    def longitude(self) -> float | None:
        """The longitude of the meeting, in degrees east."""
        return self.store.location.longitude if self.store.location else None

    @attrs.computed
    def address(self) -> str | None:
        """The address of the meeting."""
        return self.store.location.address if self.store.location else None

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
        user = _find_user(user_id)
        if user is None:
            raise RefusedError(f"There is no user {user_id!r:.60}.")
        if user_id in {known.id for known in self.meeting.users}:
            raise RefusedError(f"{user.display_name} takes part already.")
        ticket = Ticket.new(user=user)
        ticket.save(create=True)
        self.meeting.users = [*self.meeting.users, user]
        self.meeting.tickets = {**self.meeting.tickets, user_id: ticket}

    def _attendees(self) -> list[User]:
        if self.meeting.status == "not-started":
            return []
        users, tickets = self.store.users, self.store.tickets
        return [users[uid] for uid in sorted(users) if uid in tickets and tickets[uid].attendance]


class UserStore(Store):
    """The documents that the view of a user is computed from."""

    user = reference(User)
    meetings = reference(
        Meeting, many=True, source=lambda store: Meeting.where(Meeting.users.contains(store.user))
    )


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

    ticket = reference(Ticket)


class TicketView(ViewModel):
    """The view of a ticket, which is only read and changed through REST."""

    store: TicketStore

    attendance: Attr[bool] = attrs.through(
        "ticket.attendance", doc="Whether the user attends the meeting."
    )
    role = attrs.through(
        "ticket.role", import_enabled=False, doc="What the user is in the meeting."
    )

    @property
    def ticket(self) -> Ticket:
        """The root of the view; every view has one."""
        ticket = self.store.ticket
        assert ticket is not None
        return ticket

    @attrs.computed
    def user_id(self) -> str | None:
        """The id of the user whose ticket it is."""
        return self.ticket.user.id if self.ticket.user else None


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
