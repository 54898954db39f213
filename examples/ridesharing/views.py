"""The views that front ends read: each rider's bookings, and the seats that are left."""

from __future__ import annotations

from examples.ridesharing.models import Booking, Ride
from flask_boiler import Store, ViewModel, attrs, reference

__all__ = ["BookingStore", "BookingView", "RideStore", "RideView"]


class BookingStore(Store):
    """The documents that the view of a booking is computed from."""

    booking = reference(Booking)
    ride = reference(Ride, source=lambda store: store.booking.ride)


class BookingView(ViewModel):
    """A booking as its rider sees it, at ``users/<uid>/bookings/<id>``."""

    store: BookingStore

    @property
    def doc_ref(self) -> str:
        """The place below the rider, where nobody else may read."""
        return f"users/{self.booking.rider_id}/bookings/{self.booking.doc_id}"

    @property
    def booking(self) -> Booking:
        """The root of the view; every view has one."""
        booking = self.store.booking
        assert booking is not None
        return booking

    destination = attrs.through(
        "ride.destination", import_enabled=False, doc="Where the ride goes."
    )
    seats = attrs.through("booking.seats", import_enabled=False, doc="How many seats are booked.")

    @attrs.computed
    def state(self) -> str:
        """The state of the booking, ``booked`` or ``cancelled``."""
        return "cancelled" if self.booking.cancelled else "booked"


class RideStore(Store):
    """The documents that the view of a ride is computed from."""

    ride = reference(Ride)


class RideView(ViewModel):
    """A ride as everybody sees it, at ``rideView/<id>``."""

    store: RideStore

    class Meta:
        path = "rideView/{ride.doc_id}"

    destination = attrs.through("ride.destination", import_enabled=False, doc="Where it goes.")

    @attrs.computed
    def free(self) -> int:
        """The number of seats that are left."""
        assert self.store.ride is not None
        return self.store.ride.free
