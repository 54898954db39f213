"""The routes of REST mediators in an application, and what it answers where they end.

A path below them that no rule matches, and a method that none allows, are Flask's to refuse: in
HTML, unless the application says otherwise; so are exceptions that nobody catches. Here they get
what clients of these routes expect, and the rest of the application is left as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

from flask import Blueprint, Flask, Response, current_app, request
from flask.blueprints import BlueprintSetupState
from flask.views import View
from werkzeug.exceptions import (
    HTTPException,
    MethodNotAllowed,
    NotFound,
    default_exceptions,
)
from werkzeug.routing import Rule

from flask_boiler.ground.ports import provided
from flask_boiler.view.http.routes import RestServer, RestView
from flask_boiler.view.mediation.problems import PROBLEM_TYPE, problem_of
from flask_boiler.view.mediation.secret_keys import require_secret_key

__all__ = ["ApiPage", "Route", "is_prepared", "mark", "mounted_routes", "prepare"]

_MARK = "boiler_route"
_EXTENSION = "boiler_rest"

#: The blueprint of the page that shows what the routes of an application take and answer.
_PAGE = "flasgger"


class Route(NamedTuple):
    """One route of a mediator.

    :param kind: which of the six it is: ``list_get``, ``list_post``, ``instance_get`` …
    """

    mediator: RestServer
    kind: str
    method: str
    rule: str
    endpoint: str
    view: type[View]
    #: An instance of it, if it is one of the mediator's family.
    instance: RestView | None = None

    @property
    def answers_problems(self) -> bool:
        """Whether its errors are problem documents; a view of another family has its own ways."""
        return issubclass(self.view, RestView)


class ApiPage(Protocol):
    """The role ``api_page``: has flasgger's page show the routes."""

    def before_request(self) -> None:
        """Complete what the page is about to show."""
        ...

    def after_request(self, response: Response) -> Response:
        """The answer of the page, with headers that say what a browser may do with it."""
        ...


def mark(function: Any, route: Route) -> None:
    """Remember which route a view function serves."""
    setattr(function, _MARK, route)


def mounted_routes(app: Flask) -> Iterator[tuple[Rule, Route]]:
    """The mediators' routes with the rules that they have in an application, in its order."""
    for rule in app.url_map.iter_rules():
        route = _route_of(app, rule)
        if route is not None:
            yield rule, route


def prepare(app: Flask | Blueprint) -> None:
    """Have the application, or the one that the blueprint is registered with, know the routes.

    :raises ConfigurationError: it has no ``SECRET_KEY``, and runs in production.
    """
    if isinstance(app, Blueprint):
        app.record_once(_prepare_registered)
        return
    require_secret_key(app)
    if _EXTENSION not in app.extensions:
        app.extensions[_EXTENSION] = None
        app.before_request(_refuse_unrouted)
        app.after_request(_as_problem)
        app.before_request_funcs.setdefault(_PAGE, []).append(lambda: _page().before_request())
        app.after_request_funcs.setdefault(_PAGE, []).append(lambda r: _page().after_request(r))


def is_prepared(app: Flask) -> bool:
    """Whether it has routes of mediators."""
    return _EXTENSION in app.extensions


def _page() -> ApiPage:
    page: ApiPage = provided("api_page")
    return page


def _prepare_registered(state: BlueprintSetupState) -> None:
    prepare(state.app)  # type: ignore[arg-type] # Flask's own annotation is of its base


def _route_of(app: Flask, rule: Rule) -> Route | None:
    return getattr(app.view_functions.get(rule.endpoint), _MARK, None)


def _refuse_unrouted() -> Response | None:
    """The problem document for a request that no rule matches, if it is the mediators' matter."""
    refused = request.routing_exception
    if refused is not None and "//" in request.path and _is_below_a_route():
        # Werkzeug would have the slashes merged; but an id that begins with an encoded slash is
        # not that of the document without it.
        refused = NotFound()
    match refused:
        case MethodNotAllowed() if _is_of_a_route(refused):
            allowed = ", ".join(sorted(refused.valid_methods or ()))
            said = f"{request.method:.20} is not allowed here; allowed are {allowed}."
            answer = problem_of(MethodNotAllowed(description=said), {})
            answer.headers["Allow"] = allowed
            return answer
        case NotFound() if _is_below_a_route():
            return problem_of(NotFound("No route has this path."), {})
    return None


def _as_problem(response: Response) -> Response:
    """The response that clients of a route expect where the error was not its own to answer.

    That is Flask's page for an exception that nobody caught, or for an ``abort`` of a function
    that runs before each request.
    """
    _forbid_sniffing(response)
    if response.status_code < 400 or response.mimetype != "text/html" or request.url_rule is None:
        return response
    app: Any = current_app
    route = _route_of(app, request.url_rule)
    known = default_exceptions.get(response.status_code)
    if route is not None and route.answers_problems and known is not None:
        # Its headers stay: one may say how to sign in, say.
        response.set_data(problem_of(known(), {}).get_data())
        response.mimetype = PROBLEM_TYPE
    return response


def _forbid_sniffing(response: Response) -> None:
    """Have no browser take what a route answers for anything but what it is said to be."""
    app: Any = current_app
    if request.url_rule is not None and _route_of(app, request.url_rule) is not None:
        response.headers.setdefault("X-Content-Type-Options", "nosniff")


def _is_of_a_route(refused: MethodNotAllowed) -> bool:
    adapter = current_app.create_url_adapter(request)
    if adapter is None:
        return False
    app: Any = current_app
    for method in refused.valid_methods or ():
        try:
            rule, _ = adapter.match(method=method, return_rule=True)
        except HTTPException:
            continue
        if _route_of(app, rule) is not None:
            return True
    return False


def _is_below_a_route() -> bool:
    return any(pattern.match(request.path) for pattern in _grounds())


def _grounds() -> list[re.Pattern[str]]:
    """The patterns of paths below each route; found once, as routes cannot be added."""
    app: Any = current_app
    grounds: list[re.Pattern[str]] | None = app.extensions[_EXTENSION]
    if grounds is None:
        found = {_ground(rule) for rule, _ in mounted_routes(app)} - {None}
        grounds = app.extensions[_EXTENSION] = [re.compile(each) for each in found if each]
    return grounds


def _ground(rule: Rule) -> str | None:
    """The pattern of paths that begin as the rule does, up to its last fixed segment.

    ``None`` if it has none: then everything in the application would be below it.
    """
    segments = rule.rule.strip("/").split("/")
    fixed = [number for number, segment in enumerate(segments) if segment and "<" not in segment]
    if not fixed:
        return None
    shown = ("[^/]+" if "<" in segment else re.escape(segment) for segment in segments)
    return "/" + "/".join(list(shown)[: fixed[-1] + 1]) + "(/|$)"
