"""The application: rainbows over REST and WebSocket, colours over REST, and the page."""

from __future__ import annotations

from pathlib import Path

import flask_socketio
from flask import Flask

from examples.page import add_page
from examples.palette.views import ColorMutation, ColorView, RainbowMutation, RainbowView
from flask_boiler import Boiler, Config

__all__ = ["create_app"]

_PAGE = Path(__file__).with_name("page")


def create_app(config: Config | None = None) -> Flask:
    """The application; its ``SocketIO`` is ``app.extensions["socketio"]``.

    :param config: instead of the app's configuration and the environment.
    """
    app = Flask(__name__, static_folder=None)
    io = flask_socketio.SocketIO(app, async_mode="threading")
    boiler = Boiler(app, config=config, io=io)
    boiler.expose(RainbowView, RainbowMutation, rule="/rainbows", namespace="/palette")
    boiler.expose(ColorView, ColorMutation, rule="/colors")
    add_page(app, _PAGE)
    return app
