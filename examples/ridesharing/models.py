"""The domain models: users, rides and bookings."""

from __future__ import annotations

from marshmallow import validate

from flask_boiler import Attr, DomainModel, attrs
from flask_boiler.errors import RefusedError

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

    def is_driven_by(self, uid: str) -> bool:
        """Whether a user is the driver."""
        return bool(self.driver and self.driver.id == uid)

    def take(self, seats: int) -> None:
        """Take seats, if enough are left and the ride has not departed.

        :raises RefusedError: otherwise.
        """
        self._require_open()
        if self.free < seats:
            raise RefusedError(
                f"{seats} seat(s) to {self.destination} were asked for, and {self.free} are left"
            )
        self.taken += seats

    def give_back(self, seats: int) -> None:
        """Give seats back, if the ride has not departed.

        :raises RefusedError: it has.
        """
        self._require_open()
        self.taken -= seats

    def depart(self) -> None:
        """Depart, once.

        :raises RefusedError: the ride has departed already.
        """
        self._require_open()
        self.departed = True

    def _require_open(self) -> None:
        if self.departed:
            raise RefusedError(f"The ride to {self.destination} has departed")


class Booking(DomainModel):
    """Seats that a rider has booked on a ride."""

    rider = attrs.relation(User, required=True)
    ride = attrs.relation(Ride, required=True)
    seats: Attr[int] = attrs.bproperty(default=1, validate=validate.Range(min=1, max=8))
    cancelled: Attr[bool] = attrs.bproperty(default=False)

    class Meta:
        collection_name = "bookings"

    def is_of(self, uid: str) -> bool:
        """Whether a user has booked it."""
        return bool(self.rider and self.rider.id == uid)


def save_users() -> None:
    """Save a driver, and a rider or two; the page shows the ends of the first two."""
    for uid, full_name in {"dora": "Dora", "ada": "Ada", "ben": "Ben"}.items():
        User.new(doc_id=uid, full_name=full_name).save()
