"""The route that Firestore's triggers post their events to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from flask import Blueprint, Response, request
from werkzeug.exceptions import BadRequest, HTTPException

from flask_boiler.context import ApplicationContext
from flask_boiler.errors import MissingExtraError
from flask_boiler.view.problems import problem_of
from flask_boiler.view.query_task.delivery import deliver
from flask_boiler.view.query_task.mediator import QueryTaskMediator

__all__ = ["trigger_blueprint"]


def trigger_blueprint(
    name: str,
    context: Callable[[], ApplicationContext],
    mediators: Callable[[], Sequence[QueryTaskMediator]],
) -> Blueprint:
    """A blueprint with one route, ``POST /``, for the events of all task mediators.

    :param context: the application's, asked for with each event.
    :param mediators: those that there are, asked for with each event.
    :raises MissingExtraError: what reads CloudEvents is not installed.
    """
    parse = _parser()
    blueprint = Blueprint(name, __name__)

    # Deliverers do not follow a redirection to the same address with a slash at its end.
    @blueprint.post("/", strict_slashes=False)
    def trigger() -> Response:
        try:
            attributes, data = parse()
            with context().activated():
                deliver(attributes, data, mediators(), context())
        except HTTPException as problem:
            return problem_of(problem, {})
        return Response(status=204)

    return blueprint


def _parser() -> Callable[[], tuple[dict[str, Any], Any]]:
    try:
        from cloudevents.exceptions import GenericException
        from cloudevents.http import from_http
    except ImportError as error:
        raise MissingExtraError("triggers", "trigger_blueprint()") from error

    def parse() -> tuple[dict[str, Any], Any]:
        try:
            event = from_http(dict(request.headers), request.get_data())
        except (GenericException, ValueError, RecursionError) as error:
            raise BadRequest(f"the request is no CloudEvent: {error}") from error
        return dict(event.get_attributes()), event.get_data()

    return parse
