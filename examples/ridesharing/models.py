"""The domain models: riders, rides and bookings."""

from __future__ import annotations

from flask_boiler import Attr, DomainModel, attrs

__all__ = ["Booking", "Ride", "Rider"]


class Rider(DomainModel):
    """A user who may book, at ``users/<uid>``; their forms lie below."""

    full_name: Attr[str]

    class Meta:
        collection_name = "users"


class Ride(DomainModel):
    """A ride with a number of seats."""

    destination: Attr[str]
    seats: Attr[int]
    #: How many of them are booked. It is kept here, so that whoever books must look at it.
    taken: Attr[int] = attrs.bproperty(default=0)

    class Meta:
        collection_name = "rides"

    @property
    def free(self) -> int:
        """The number of seats that are left."""
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
        """The id of the rider; every booking has one."""
        assert self.rider is not None
        return str(self.rider.id)
