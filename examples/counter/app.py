"""The application: it keeps the total, and counts visits."""

from __future__ import annotations

from flask import Flask

from examples.counter.models import count
from examples.counter.views import CounterView
from flask_boiler import Boiler, Config, QueryMediator

__all__ = ["create_app"]


def create_app(config: Config | None = None) -> Flask:
    """The application with its mediator, which does not run yet.

    :param config: instead of the app's configuration and the environment.
    """
    app = Flask(__name__, static_folder=None)
    boiler = Boiler(app, config=config)
    boiler.add(QueryMediator(CounterView))
    boiler.expose(CounterView, rule="/visits")

    @app.post("/visits")
    def visit() -> tuple[str, int]:
        count()
        return "", 204

    return app
