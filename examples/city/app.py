"""The application: ``flask --app examples.city.app boiler run`` runs its mediators."""

from __future__ import annotations

from flask import Flask

from examples.city.forms import CityFormMediator, FilledForm
from examples.city.models import City
from examples.city.views import CityView
from flask_boiler import Boiler, Config, QueryMediator

__all__ = ["create_app"]


def create_app(config: Config | None = None) -> Flask:
    """The application with its mediators, which do not run yet.

    :param config: instead of the app's configuration and the environment.
    """
    app = Flask(__name__)
    boiler = Boiler(app, config=config)
    boiler.add(QueryMediator(CityView, query=City.get_query()))
    boiler.add(CityFormMediator(query=FilledForm.get_query()))
    return app
