"""The application: rainbows over REST and WebSocket, colours over REST, and the page."""

from __future__ import annotations

from pathlib import Path

import flask_socketio
from flask import Flask, Response, send_from_directory

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

    @app.get("/")
    def page() -> Response:
        shown = send_from_directory(_PAGE, "index.html")
        # No other page may have it in a frame, and have people click there what they do not see.
        shown.headers["X-Frame-Options"] = "DENY"
        shown.headers["X-Content-Type-Options"] = "nosniff"
        return shown

    @app.get("/page/<path:name>")
    def asset(name: str) -> Response:
        return send_from_directory(_PAGE, name)

    return app
