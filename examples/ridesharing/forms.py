"""The forms that front ends write: drivers offer rides and depart, riders book and cancel.

A user creates ``users/<uid>/bookings_POST/<id>``, with an id of their own making. What comes of it
is there to be read at ``users/<uid>/bookings/<id>``, or else ``users/<uid>/refusals/<id>`` says why
nothing does. The form itself is gone then.
"""

from __future__ import annotations

from typing import ClassVar

from examples.ridesharing.models import Booking, Ride, User
from flask_boiler import Attr, Form, Store, attrs, reference, root
from flask_boiler.errors import DocumentNotFoundError, RefusedError

__all__ = ["BookingForm", "CancellationForm", "DepartureForm", "RideForm"]


class NewRide(Store):
    """A new ride, and the user who drives it."""

    ride = root(Ride)
    driver = root(User)


class RideForm(Form):
    """A form with which a driver offers a ride."""

    store: NewRide

    destination: Attr[str] = attrs.through("ride.destination", required=True)
    seats: Attr[int] = attrs.through("ride.seats", required=True)

    class Meta:
        form_path = "users/{uid}/rides_POST/{ride_id}"
        refusal_path = "users/{uid}/refusals/{ride_id}"
        target: ClassVar = {"driver": "uid"}

    def submit(self) -> None:
        """Store the ride."""
        self.store.ride.driver = self.store.driver
        super().submit()


class OneRide(Store):
    """A ride that is there."""

    ride = root(Ride)


class DepartureForm(Form):
    """A form with which the driver of the ride with the form's id departs."""

    store: OneRide

    class Meta:
        form_path = "users/{uid}/departures_POST/{ride_id}"
        refusal_path = "users/{uid}/refusals/{ride_id}"
        target = "ride_id"

    def submit(self) -> None:
        """Depart, if the ride is the user's own; from now on, nobody books or cancels."""
        ride = self.store.ride
        if not ride.is_driven_by(self.placeholders["uid"]):
            raise DocumentNotFoundError(ride.doc_path)
        ride.depart()
        super().submit()


class NewBooking(Store):
    """A new booking, the user who books, and the ride."""

    booking = root(Booking)
    rider = root(User)
    ride = root(Ride)


class BookingForm(Form):
    """A form that books seats on a ride, if enough are left."""

    store: NewBooking

    ride: Attr[str] = attrs.bproperty(doc="The id of the ride.")
    seats: Attr[int] = attrs.through("booking.seats")

    class Meta:
        form_path = "users/{uid}/bookings_POST/{booking_id}"
        refusal_path = "users/{uid}/refusals/{booking_id}"
        target: ClassVar = {"rider": "uid", "ride": "ride"}

    def submit(self) -> None:
        """Take the seats, and store the booking."""
        booking, ride = self.store.booking, self.store.ride
        ride.take(booking.seats)
        booking.rider, booking.ride = self.store.rider, ride
        super().submit()


class OneBooking(Store):
    """A booking that is there, and its ride."""

    booking = root(Booking)
    ride = reference(Ride, source=lambda store: store.booking.ride)


class CancellationForm(Form):
    """A form that cancels the booking with the form's id."""

    store: OneBooking

    class Meta:
        form_path = "users/{uid}/cancellations_POST/{booking_id}"
        refusal_path = "users/{uid}/refusals/{booking_id}"
        target = "booking_id"

    def submit(self) -> None:
        """Cancel the booking, if it is the user's own, and give the seats back."""
        booking, ride = self.store.booking, self.store.ride
        if not booking.is_of(self.placeholders["uid"]):
            # As if there were none: what others have booked is nobody's business.
            raise DocumentNotFoundError(booking.doc_path)
        if booking.cancelled:
            raise RefusedError(f"{booking.doc_id} is cancelled already")
        booking.cancelled = True
        if ride is not None:
            ride.give_back(booking.seats)
        super().submit()
