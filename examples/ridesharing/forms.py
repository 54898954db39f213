"""The forms that a front end writes: to book, and to cancel.

A rider creates ``users/<uid>/bookings_POST/<id>``, with an id of their own making. What comes of it
is there to be read at ``users/<uid>/bookings/<id>``, or else ``users/<uid>/refusals/<id>`` says why
nothing does. The form itself is gone then.
"""

from __future__ import annotations

from typing import Self

from marshmallow import validate

from examples.ridesharing.models import Booking, Ride, Rider
from flask_boiler import Attr, Form, Store, attrs, reference
from flask_boiler.errors import DocumentNotFoundError, RefusedError

__all__ = ["BookingForm", "CancellationForm", "NewBooking"]

#: What is no id is said of the field that has it, rather than of the document that there is not.
_RIDE_ID = validate.Regexp(r"[A-Za-z0-9][\w-]{0,127}\Z", error="Expected the id of a ride.")


class NewBooking(Store):
    """The store of a form: a new booking, and the ride that it is for."""

    booking = reference(Booking)
    ride = reference(Ride, source=lambda store: store.booking.ride)


class BookingForm(Form):
    """A form that books seats on a ride, if enough are left."""

    store: NewBooking

    ride: Attr[str] = attrs.bproperty(required=True, validate=_RIDE_ID)
    seats: Attr[int] = attrs.bproperty(default=1, validate=validate.Range(min=1, max=8))

    class Meta:
        form_path = "users/{uid}/bookings_POST/{booking_id}"
        refusal_path = "users/{uid}/refusals/{booking_id}"

    @classmethod
    def begin(cls, doc_id: str, **placeholders: str) -> Self:
        """The form of a new booking for the rider in the form's path."""
        rider = Rider.get_or_raise(placeholders["uid"])
        return cls.new(booking=Booking.new(doc_id=doc_id, rider=rider.doc_ref, seats=1))

    @property
    def booking(self) -> Booking:
        """The booking that the form makes."""
        booking = self.store.booking
        assert booking is not None
        return booking

    @ride.setter
    def _set_ride(self, ride_id: str) -> None:
        self.booking.ride = Ride.get_or_raise(ride_id).doc_ref

    @seats.setter
    def _set_seats(self, count: int) -> None:
        self.booking.seats = count

    def submit(self) -> None:
        """Take the seats, and store the booking."""
        ride, wanted = self.store.ride, self.booking.seats
        assert ride is not None
        if ride.free < wanted:
            raise RefusedError(
                f"{wanted} seat(s) to {ride.destination} were asked for, and {ride.free} are left"
            )
        ride.taken += wanted
        super().submit()


class CancellationForm(Form):
    """A form that cancels the rider's booking with the form's id."""

    store: NewBooking

    class Meta:
        form_path = "users/{uid}/cancellations_POST/{booking_id}"
        refusal_path = "users/{uid}/refusals/{booking_id}"

    @classmethod
    def begin(cls, doc_id: str, **placeholders: str) -> Self:
        """The form of a booking, if it is the rider's own."""
        booking = Booking.get_or_raise(doc_id)
        if booking.rider_id != placeholders["uid"]:
            # As if there were none: what others have booked is nobody's business.
            raise DocumentNotFoundError(booking.doc_path)
        return cls.new(booking=booking)

    def submit(self) -> None:
        """Give the seats back."""
        booking, ride = self.store.booking, self.store.ride
        assert booking is not None
        if booking.cancelled:
            raise RefusedError(f"{booking.doc_id} is cancelled already")
        booking.cancelled = True
        if ride is not None:
            ride.taken -= booking.seats
        super().submit()
