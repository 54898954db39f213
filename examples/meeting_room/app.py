"""The application: its mediators, its routes, and its page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flasgger import Swagger
from flask import Flask, abort

from examples.meeting_room.models import Meeting, User
from examples.meeting_room.patches import session_patches
from examples.meeting_room.story import MEETING
from examples.meeting_room.view_models import (
    MeetingSession,
    MeetingSessionMutation,
    TicketMutation,
    TicketView,
    UserMutation,
    UserView,
)
from examples.page import add_page
from flask_boiler import Boiler, Config, ListGet, QueryMediator, RestMediator

__all__ = ["MeetingList", "create_app"]

_PAGE = Path(__file__).with_name("page")


class MeetingList(ListGet):
    """The list of meetings; ``?status=in-session`` gives those that are running."""

    filters = ("status",)


def create_app(config: Config | None = None) -> Flask:
    """The application with its mediators, which do not run yet.

    :param config: instead of the app's configuration and the environment.
    """
    app = Flask(__name__, static_folder=None)
    boiler = Boiler(app, config=config)
    boiler.add(QueryMediator(MeetingSession, query=Meeting.get_query()))
    boiler.add(QueryMediator(UserView, query=User.get_query()))
    boiler.add(session_patches())
    _add_routes(app)
    _add_setting(app, boiler)
    add_page(app, _PAGE)
    app.config["SWAGGER"] = {"title": "Meeting room"}
    Swagger(app)
    return app


def _add_routes(app: Flask) -> None:
    meetings = RestMediator(MeetingSession, MeetingSessionMutation, app=app)
    meetings.add_list_get("/meeting_sessions", MeetingList)
    meetings.add_instance_get("/meeting_sessions/<string:doc_id>")
    meetings.add_instance_patch("/meeting_sessions/<string:doc_id>")

    users = RestMediator(UserView, UserMutation, app=app)
    users.add_instance_get("/users/<string:doc_id>")
    users.add_instance_patch("/users/<string:doc_id>")

    tickets = RestMediator(TicketView, TicketMutation, app=app)
    tickets.add_instance_get("/tickets/<string:doc_id>")
    tickets.add_instance_patch("/tickets/<string:doc_id>")


def _add_setting(app: Flask, boiler: Boiler) -> None:
    @app.get("/setting")
    def setting() -> dict[str, Any]:
        """What the page is about, and where it finds Firestore."""
        meeting = Meeting.get(MEETING)
        if meeting is None:
            abort(404, f"There is no meeting {MEETING!r} yet: `make demo` saves one.")
        return {
            "firestore": boiler.web_settings(),
            "meeting": MEETING,
            "tickets": {uid: ticket.id for uid, ticket in meeting.tickets.items()},
        }
