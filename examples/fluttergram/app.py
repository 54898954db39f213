"""The application: feeds as documents, changes over REST, and the page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flask import Flask

from examples.fluttergram.models import Post, User
from examples.fluttergram.views import (
    AuthorMutation,
    AuthorView,
    FeedEntry,
    PostMutation,
    PostView,
)
from examples.page import add_page
from flask_boiler import Boiler, Config, QueryMediator

__all__ = ["create_app"]


def create_app(config: Config | None = None) -> Flask:
    """The application with its mediators, which do not run yet.

    :param config: instead of the app's configuration and the environment.
    """
    app = Flask(__name__, static_folder=None)
    boiler = Boiler(app, config=config)
    boiler.add(QueryMediator(FeedEntry, query=Post.get_query()))
    boiler.expose(PostView, PostMutation, rule="/posts")
    boiler.expose(AuthorView, AuthorMutation, query=User.get_query(), rule="/authors")
    add_page(app, Path(__file__).with_name("page"))

    @app.get("/firestore")
    def firestore() -> dict[str, Any]:
        """Where the page finds Firestore."""
        return {**boiler.web_settings()}

    return app
