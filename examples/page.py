"""The page of an example: its own files, and those that several pages share."""

from __future__ import annotations

from pathlib import Path

from flask import Flask, Response, send_from_directory

__all__ = ["add_page"]

_SHARED = Path(__file__).with_name("shared")


def add_page(app: Flask, folder: Path) -> None:
    """Serve ``index.html`` of a folder at ``/``, its other files below ``/page``.

    What pages share, such as Firebase's SDK, is below ``/shared``.
    """

    @app.get("/")
    def page() -> Response:
        shown = send_from_directory(folder, "index.html")
        # No other page may have it in a frame, and have people click there what they do not see.
        shown.headers["X-Frame-Options"] = "DENY"
        shown.headers["X-Content-Type-Options"] = "nosniff"
        return shown

    @app.get("/page/<path:name>")
    def asset(name: str) -> Response:
        return send_from_directory(folder, name)

    @app.get("/shared/<path:name>")
    def shared(name: str) -> Response:
        return send_from_directory(_SHARED, name)
