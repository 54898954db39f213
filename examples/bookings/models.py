"""Riders, rides and bookings, as the application knows them."""

from __future__ import annotations

from flask_boiler import Attr, DomainModel, attrs

__all__ = ["Booking", "Ride", "Rider"]


class Rider(DomainModel):
    """Somebody who may book, at ``users/<uid>``; what they send lies below."""

    full_name: Attr[str]

    class Meta:
        collection_name = "users"


class Ride(DomainModel):
    """A ride, with so many seats."""

    destination: Attr[str]
    seats: Attr[int]
    #: How many of them are booked. It is kept here, so that whoever books must look at it.
    taken: Attr[int] = attrs.bproperty(default=0)

    class Meta:
        collection_name = "rides"

    @property
    def free(self) -> int:
        """How many seats are left."""
        return self.seats - self.taken


class Booking(DomainModel):
    """Seats that a rider has booked on a ride."""

    rider = attrs.relation(Rider)
    ride = attrs.relation(Ride)
    seats: Attr[int]
    cancelled: Attr[bool] = attrs.bproperty(default=False)

    class Meta:
        collection_name = "bookings"

    @property
    def rider_id(self) -> str:
        """Whose booking it is; there is none without a rider."""
        assert self.rider is not None
        return str(self.rider.id)
