"""The application: its mediators and its page.

``flask --app examples.ridesharing.app boiler run`` runs the mediators in a process of their own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flask import Flask

from examples.page import add_page
from examples.ridesharing.forms import BookingForm, CancellationForm, DepartureForm, RideForm
from examples.ridesharing.models import Booking, Ride
from examples.ridesharing.views import BookingView, DriverView, RideView
from flask_boiler import Boiler, Config, QueryMediator, QueryTaskMediator

__all__ = ["create_app"]

#: Many want a seat on the same ride at the same time, and only one commit can win each time.
_MAX_RETRIES = 50


def create_app(config: Config | None = None) -> Flask:
    """The application with its mediators, which do not run yet.

    :param config: instead of the app's configuration and the environment.
    """
    app = Flask(__name__, static_folder=None)
    boiler = Boiler(app, config=config)
    for form in (RideForm, DepartureForm, BookingForm, CancellationForm):
        boiler.add(QueryTaskMediator(form, max_retries=_MAX_RETRIES))
    boiler.add(QueryMediator(RideView, query=Ride.get_query()))
    boiler.add(QueryMediator(DriverView, query=Ride.get_query()))
    boiler.add(QueryMediator(BookingView, query=Booking.get_query()))
    add_page(app, Path(__file__).with_name("page"))

    @app.get("/firestore")
    def firestore() -> dict[str, Any]:
        """Where the page finds Firestore."""
        return {**boiler.web_settings()}

    return app
