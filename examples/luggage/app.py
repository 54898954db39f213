"""The application: the views as documents, and over REST."""

from __future__ import annotations

from flask import Flask

from examples.luggage.models import Luggage, Traveller
from examples.luggage.views import LuggageView, SizeView
from flask_boiler import Boiler, Config

__all__ = ["create_app"]


def create_app(config: Config | None = None) -> Flask:
    """The application with its mediators, which do not run yet.

    :param config: instead of the app's configuration and the environment.
    """
    app = Flask(__name__, static_folder=None)
    boiler = Boiler(app, config=config)
    boiler.expose(LuggageView, query=Traveller.get_query(), rule="/luggage")
    # One view for each size that a piece of luggage has.
    boiler.expose(SizeView, query=Luggage.get_query(), rule="/sizes")
    return app
