"""The application: ``flask --app examples.ridesharing.app boiler run`` runs its mediators."""

from __future__ import annotations

from flask import Flask

from examples.ridesharing.forms import BookingForm, CancellationForm
from examples.ridesharing.models import Booking, Ride
from examples.ridesharing.views import BookingView, RideView
from flask_boiler import Boiler, Config, QueryMediator, QueryTaskMediator

__all__ = ["create_app"]

#: Many want a seat on the same ride at the same time, and only one commit can win each time.
_MAX_RETRIES = 50


def create_app(config: Config | None = None) -> Flask:
    """The application with its mediators, which do not run yet.

    :param config: instead of the app's configuration and the environment.
    """
    app = Flask(__name__)
    boiler = Boiler(app, config=config)
    boiler.add(QueryTaskMediator(BookingForm, max_retries=_MAX_RETRIES))
    boiler.add(QueryTaskMediator(CancellationForm, max_retries=_MAX_RETRIES))
    boiler.add(QueryMediator(BookingView, query=Booking.get_query()))
    boiler.add(QueryMediator(RideView, query=Ride.get_query()))
    return app
