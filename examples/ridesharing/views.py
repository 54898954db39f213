"""The views that front ends read: what can be booked, and both ends of what is booked."""

from __future__ import annotations

from typing import Any

from google.cloud.firestore import DocumentReference

from examples.ridesharing.models import Booking, Ride, User
from flask_boiler import Query, Store, ViewModel, attrs, reference, root

__all__ = ["BookingView", "DriverView", "RideView"]


class RideStore(Store):
    """The documents that everybody's view of a ride is computed from."""

    ride = root(Ride)
    driver = reference(User, source=lambda store: store.ride.driver)


class RideView(ViewModel):
    """A ride as everybody sees it, at ``rideView/<id>``."""

    store: RideStore

    class Meta:
        path = "rideView/{ride.doc_id}"

    destination = attrs.through("ride.destination", import_enabled=False, doc="Where it goes.")
    driver = attrs.through("driver.full_name", import_enabled=False, doc="Who drives.")
    departed = attrs.through("ride.departed", import_enabled=False, doc="Whether it has left.")

    @attrs.computed
    def free(self) -> int:
        """The number of seats that are left."""
        return self.store.ride.free


class PassengerStore(Store):
    """The documents that the driver's view of a ride is computed from."""

    ride = root(Ride)

    @reference(Booking, many=True)
    def bookings(self) -> Query[Booking]:
        return Booking.where(ride=self.ride, cancelled=False)

    @reference(User, many=True)
    def riders(self) -> dict[str, DocumentReference | None]:
        """By the ids of their bookings."""
        return {doc_id: booking.rider for doc_id, booking in self.bookings.items()}


class DriverView(ViewModel):
    """A ride as its driver sees it, at ``users/<uid>/rides/<id>``: with the passengers."""

    store: PassengerStore

    class Meta:
        path = "users/{ride.driver.id}/rides/{ride.doc_id}"

    destination = attrs.through("ride.destination", import_enabled=False, doc="Where it goes.")
    seats = attrs.through("ride.seats", import_enabled=False, doc="How many seats there are.")
    departed = attrs.through("ride.departed", import_enabled=False, doc="Whether it has left.")

    @attrs.computed
    def passengers(self) -> list[dict[str, Any]]:
        """Who has booked, and how many seats."""
        return [
            {"name": rider.full_name, "seats": self.store.bookings[doc_id].seats}
            for doc_id, rider in self.store.riders.items()
        ]


class BookingStore(Store):
    """The documents that the view of a booking is computed from."""

    booking = root(Booking)
    ride = reference(Ride, source=lambda store: store.booking.ride)

    @reference(User)
    def driver(self) -> DocumentReference | None:
        return self.ride.driver if self.ride else None


class BookingView(ViewModel):
    """A booking as its rider sees it, at ``users/<uid>/bookings/<id>``."""

    store: BookingStore

    class Meta:
        path = "users/{booking.rider.id}/bookings/{booking.doc_id}"

    destination = attrs.through("ride.destination", import_enabled=False, doc="Where it goes.")
    driver = attrs.through("driver.full_name", import_enabled=False, doc="Who drives.")
    seats = attrs.through("booking.seats", import_enabled=False, doc="How many seats are booked.")

    @attrs.computed
    def state(self) -> str:
        """The state of the booking: ``booked``, ``cancelled``, or ``on the way``."""
        if self.store.booking.cancelled:
            return "cancelled"
        return "on the way" if self.store.ride and self.store.ride.departed else "booked"
