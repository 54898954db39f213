"""The domain models: users, rides and bookings."""

from __future__ import annotations

from marshmallow import validate

from flask_boiler import Attr, DomainModel, attrs

__all__ = ["Booking", "Ride", "User", "save_users"]


class User(DomainModel):
    """Somebody who drives or rides, at ``users/<uid>``; their forms and views lie below."""

    full_name: Attr[str]

    class Meta:
        collection_name = "users"


class Ride(DomainModel):
    """A ride that a driver offers."""

    driver = attrs.relation(User, required=True)
    destination: Attr[str] = attrs.bproperty(validate=validate.Length(min=1, max=80))
    seats: Attr[int] = attrs.bproperty(validate=validate.Range(min=1, max=60))
    #: How many of them are booked. It is kept here, so that whoever books must look at it.
    taken: Attr[int] = attrs.bproperty(default=0)
    departed: Attr[bool] = attrs.bproperty(default=False)

    class Meta:
        collection_name = "rides"

    @property
    def free(self) -> int:
        """The number of seats that are left."""
        return self.seats - self.taken


class Booking(DomainModel):
    """Seats that a rider has booked on a ride."""

    rider = attrs.relation(User, required=True)
    ride = attrs.relation(Ride, required=True)
    seats: Attr[int] = attrs.bproperty(default=1, validate=validate.Range(min=1, max=8))
    cancelled: Attr[bool] = attrs.bproperty(default=False)

    class Meta:
        collection_name = "bookings"


def save_users() -> None:
    """Save a driver, and a rider or two; the page shows the ends of the first two."""
    for uid, full_name in {"dora": "Dora", "ada": "Ada", "ben": "Ben"}.items():
        User.new(doc_id=uid, full_name=full_name).save()
