"""The route that Firestore's triggers post their events to."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from flask import Blueprint, Response, request
from werkzeug.exceptions import BadRequest, HTTPException, MethodNotAllowed

from flask_boiler.context.context import ApplicationContext
from flask_boiler.errors import BoilerError, MissingExtraError, UnavailableError
from flask_boiler.firestore.deliverer import DelivererCheck
from flask_boiler.view.http.requests import bounded_body
from flask_boiler.view.inbox.delivery import MAX_EVENT_BYTES, answer_of, deliver
from flask_boiler.view.mediation.inbox import Inbox
from flask_boiler.view.mediation.problems import Refusal, problem_of

__all__ = ["trigger_blueprint"]

logger = logging.getLogger(__name__)

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_NO_CERTIFICATES = "The token cannot be checked at the moment: the event should be delivered again."


def trigger_blueprint(
    name: str,
    context: Callable[[], ApplicationContext],
    inboxes: Callable[[], Sequence[Inbox]],
) -> Blueprint:
    """A blueprint with one route, ``POST /``, for the events of all inboxes.

    Every error is answered with a problem document.

    :param context: the application's, asked for with each event.
    :param inboxes: those that there are, asked for with each event.
    :raises MissingExtraError: what reads CloudEvents is not installed.
    """
    parse = _parser()
    blueprint = Blueprint(name, __name__)
    checks: dict[ApplicationContext, DelivererCheck | None] = {}

    def check_deliverer() -> None:
        current = context()
        if current not in checks:
            checks[current] = _check_of(current)
        check = checks[current]
        if check is None:
            return
        try:
            check.check(request.headers.get("Authorization"))
        except UnavailableError as error:
            logger.warning("an event was refused: %s", error)
            raise Refusal(503, _NO_CERTIFICATES) from error

    # Deliverers do not follow a redirection to the same address with a slash at its end.
    @blueprint.route("/", methods=_METHODS, strict_slashes=False)
    def trigger() -> Response:
        try:
            if request.method != "POST":
                return _not_allowed()
            check_deliverer()
            attributes, data = parse()
            with context().activated():
                deliver(attributes, data, inboxes(), context())
        except HTTPException as problem:
            return answer_of(problem)
        except BoilerError as error:
            return _refused(error)
        except Exception as error:
            logger.exception("an event could not be handled")
            return problem_of(BoilerError(str(error)), {})
        return Response(status=204)

    return blueprint


def _check_of(context: ApplicationContext) -> DelivererCheck | None:
    """The check of who delivers, if the configuration names one."""
    config = context.config
    if config.trigger_audience is None or config.trigger_email is None:
        return None
    return DelivererCheck(config.trigger_audience, config.trigger_email, config.trigger_certs_url)


def _not_allowed() -> Response:
    said = f"{request.method:.20} is not allowed here; allowed is POST."
    answer = problem_of(MethodNotAllowed(description=said), {})
    answer.headers["Allow"] = "POST"
    return answer


def _refused(error: BoilerError) -> Response:
    answer = problem_of(error, {})
    if answer.status_code == 401:
        answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


def _parser() -> Callable[[], tuple[dict[str, Any], Any]]:
    try:
        from cloudevents.http import from_http
    except ImportError as error:
        raise MissingExtraError("triggers", "trigger_blueprint()") from error

    def parse() -> tuple[dict[str, Any], Any]:
        body = bounded_body(request, MAX_EVENT_BYTES)
        try:
            event = from_http(dict(request.headers), body)
        except Exception as error:
            # What reads events does not foresee every form that a stranger may give them.
            raise BadRequest(f"the request is not a CloudEvent: {error!s:.200}") from error
        return dict(event.get_attributes()), event.get_data()

    return parse
