"""The forms that front ends write: drivers offer rides and depart, riders book and cancel.

A user creates ``users/<uid>/bookings_POST/<id>``, with an id of their own making. What comes of it
is there to be read at ``users/<uid>/bookings/<id>``, or else ``users/<uid>/refusals/<id>`` says why
nothing does. The form itself is gone then.
"""

from __future__ import annotations

from typing import Self

from examples.ridesharing.models import Booking, Ride, User
from flask_boiler import Attr, Form, Store, attrs, reference, root
from flask_boiler.errors import DocumentNotFoundError, RefusedError

__all__ = ["BookingForm", "CancellationForm", "DepartureForm", "RideForm"]


class OneRide(Store):
    """The store of a driver's form."""

    ride = root(Ride)


class RideForm(Form):
    """A form with which a driver offers a ride."""

    store: OneRide

    destination: Attr[str] = attrs.through("ride.destination", required=True)
    seats: Attr[int] = attrs.through("ride.seats", required=True)

    class Meta:
        form_path = "users/{uid}/rides_POST/{ride_id}"
        refusal_path = "users/{uid}/refusals/{ride_id}"

    @classmethod
    def begin(cls, doc_id: str, **placeholders: str) -> Self:
        """The form of a new ride, which the user in the form's path drives."""
        driver = User.get_or_raise(placeholders["uid"])
        return cls.new(ride=Ride.new(doc_id=doc_id, driver=driver))


class DepartureForm(Form):
    """A form with which the driver of the ride with the form's id departs."""

    store: OneRide

    class Meta:
        form_path = "users/{uid}/departures_POST/{ride_id}"
        refusal_path = "users/{uid}/refusals/{ride_id}"

    @classmethod
    def begin(cls, doc_id: str, **placeholders: str) -> Self:
        """The form of a ride, if it is the user's own."""
        ride = Ride.get_or_raise(doc_id)
        if ride.driver.id != placeholders["uid"]:
            raise DocumentNotFoundError(ride.doc_path)
        return cls.new(ride=ride)

    def submit(self) -> None:
        """Depart; from now on, nobody books or cancels."""
        if self.store.ride.departed:
            raise RefusedError("The ride has departed already")
        self.store.ride.departed = True
        super().submit()


class OneBooking(Store):
    """The store of a rider's form: a booking, and the ride that it is for."""

    booking = root(Booking)
    ride = reference(Ride, source=lambda store: store.booking.ride)

    def open_ride(self) -> Ride:
        """The ride, which has not departed.

        :raises DocumentNotFoundError: there is none.
        :raises RefusedError: it has departed.
        """
        if self.ride is None:
            raise DocumentNotFoundError(f"the ride of {self.booking.doc_path}")
        if self.ride.departed:
            raise RefusedError(f"The ride to {self.ride.destination} has departed")
        return self.ride


class BookingForm(Form):
    """A form that books seats on a ride, if enough are left."""

    store: OneBooking

    ride: Attr[str] = attrs.bproperty(required=True, doc="The id of the ride.")
    seats: Attr[int] = attrs.through("booking.seats")

    class Meta:
        form_path = "users/{uid}/bookings_POST/{booking_id}"
        refusal_path = "users/{uid}/refusals/{booking_id}"

    @classmethod
    def begin(cls, doc_id: str, **placeholders: str) -> Self:
        """The form of a new booking for the user in the form's path."""
        rider = User.get_or_raise(placeholders["uid"])
        return cls.new(booking=Booking.new(doc_id=doc_id, rider=rider))

    @ride.setter
    def _set_ride(self, ride_id: str) -> None:
        self.store.booking.ride = ride_id

    def submit(self) -> None:
        """Take the seats, and store the booking."""
        ride, wanted = self.store.open_ride(), self.store.booking.seats
        if ride.free < wanted:
            raise RefusedError(
                f"{wanted} seat(s) to {ride.destination} were asked for, and {ride.free} are left"
            )
        ride.taken += wanted
        super().submit()


class CancellationForm(Form):
    """A form that cancels the rider's booking with the form's id."""

    store: OneBooking

    class Meta:
        form_path = "users/{uid}/cancellations_POST/{booking_id}"
        refusal_path = "users/{uid}/refusals/{booking_id}"

    @classmethod
    def begin(cls, doc_id: str, **placeholders: str) -> Self:
        """The form of a booking, if it is the user's own."""
        booking = Booking.get_or_raise(doc_id)
        if booking.rider.id != placeholders["uid"]:
            # As if there were none: what others have booked is nobody's business.
            raise DocumentNotFoundError(booking.doc_path)
        return cls.new(booking=booking)

    def submit(self) -> None:
        """Give the seats back."""
        booking = self.store.booking
        if booking.cancelled:
            raise RefusedError(f"{booking.doc_id} is cancelled already")
        self.store.open_ride().taken -= booking.seats
        booking.cancelled = True
        super().submit()
