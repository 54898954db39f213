"""The domain models: users, locations, tickets and meetings."""

from __future__ import annotations

from typing import Literal

from flask_boiler import Attr, DomainModel, attrs

__all__ = ["Location", "Meeting", "Status", "Ticket", "User"]

Status = Literal["not-started", "in-session", "closed"]


class User(DomainModel):
    """A user who takes part in meetings, at ``users/<uid>``."""

    first_name: Attr[str]
    last_name: Attr[str]
    organization: Attr[str | None] = attrs.bproperty(default=None)
    hearing_aid_requested: Attr[bool] = attrs.bproperty(default=False)

    class Meta:
        collection_name = "users"

    @property
    def display_name(self) -> str:
        """The name that others see."""
        return f"{self.first_name} {self.last_name}"


class Location(DomainModel):
    """A place where people meet."""

    latitude: Attr[float]
    longitude: Attr[float]
    address: Attr[str]

    class Meta:
        collection_name = "locations"


class Ticket(DomainModel):
    """The part of a user in one meeting, and whether they attend it."""

    role: Attr[str] = attrs.bproperty(default="Participant")
    user = attrs.relation(User)
    attendance: Attr[bool] = attrs.bproperty(default=False)

    class Meta:
        collection_name = "tickets"


class Meeting(DomainModel):
    """A meeting: ``users`` are its participants, ``tickets`` their tickets by user id."""

    location = attrs.relation(Location)
    users = attrs.relation(User, many=True, default_factory=list)
    tickets = attrs.relation(Ticket, many=True, default_factory=dict)
    status: Attr[Status] = attrs.bproperty(default="not-started")

    class Meta:
        collection_name = "meetings"
