"""The exposure of a view: its mediators, made and mounted together (``boiler.expose``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from flask_boiler.errors import ConfigurationError, MissingExtraError
from flask_boiler.view.http.listed_views import listed_views
from flask_boiler.view.http.route_rules import outer_name, require_slots, taking_paths
from flask_boiler.view.query_mediator import QueryMediator
from flask_boiler.view.rest_mediator import RestMediator
from flask_boiler.view.ws_mediator import WsMediator
from flask_boiler.viewmodels.mutation import Mutation
from flask_boiler.viewmodels.view_model import ViewModel
from flask_boiler.viewmodels.view_subject import ViewSubject

if TYPE_CHECKING:
    from flask import Flask

__all__ = ["Exposure", "mount", "socket_io_of"]


class Exposure(NamedTuple):
    """The mediators of a view; ``None`` for what was not asked for."""

    query: QueryMediator | None
    rest: RestMediator | None
    websocket: WsMediator | None


def mount(
    view_model_cls: type[ViewModel],
    mutation_cls: type[Mutation[Any]] | None,
    *,
    app: Flask | None,
    io: Any,
    query: Any,
    rule: str | None,
    namespace: str | None,
    filters: Sequence[str] = (),
) -> Exposure:
    """The mediators that are asked for, mounted on the application and its Socket.IO server.

    All are made before anything is mounted.

    :raises ConfigurationError: nothing is asked for, or the view does not fit what is.
    """
    if query is None and rule is None and namespace is None:
        raise ConfigurationError(
            f"expose({view_model_cls.__name__}) needs at least one of query, rule and namespace"
        )
    if filters and rule is None:
        raise ConfigurationError(
            f"filters={filters!r} is for lists of {view_model_cls.__name__}: give a rule"
        )
    exposure = Exposure(
        _kept(view_model_cls, query) if query is not None else None,
        None
        if rule is None or app is None
        else RestMediator(view_model_cls, mutation_cls, app=app),
        None
        if namespace is None
        else WsMediator(view_model_cls, mutation_cls, namespace=namespace),
    )
    if exposure.rest is not None and rule is not None:
        _add_routes(exposure.rest, rule.rstrip("/"), filters)
    if exposure.websocket is not None:
        io.on_namespace(exposure.websocket)
    return exposure


def socket_io_of(app: Flask) -> Any:
    """The Socket.IO server of an application; a new one, for threads, if it has none.

    :raises MissingExtraError: Flask-SocketIO is not installed.
    """
    found = app.extensions.get("socketio")
    if found is not None:
        return found
    try:
        from flask_socketio import SocketIO
    except ModuleNotFoundError as error:
        raise MissingExtraError("websocket", "a namespace") from error
    return SocketIO(app, async_mode="threading")


def _kept(view_model_cls: type[ViewModel], query: Any) -> QueryMediator:
    # Where there is one view, no slot of it has values to be named.
    of_one = isinstance(query, Mapping) and not query
    return QueryMediator(view_model_cls, query=None if of_one else query)


def _add_routes(mediator: RestMediator, rule: str, filters: Sequence[str]) -> None:
    subject: ViewSubject[Any] = ViewSubject(mediator.view_model_cls)
    named = require_slots(subject, taking_paths(subject, rule))
    below = [
        "<string:doc_id>" if subject.is_document else f"<{outer_name(subject, slot)}>"
        for slot in subject.slots
        if slot not in named
    ]
    whole, one = rule or "/", "/".join([rule, *below]) or "/"
    if filters or _can_be_listed(subject, named):
        mediator.add_list_get(whole, filters=filters)
    mediator.add_instance_get(one)
    if mediator.mutation_cls is None:
        return
    if mediator.mutation_cls.can_create_unnamed() and below and not named:
        mediator.add_list_post(whole)
    mediator.add_instance_put(one)
    mediator.add_instance_patch(one)
    if mediator.mutation_cls.can("delete"):
        mediator.add_instance_delete(one)


def _can_be_listed(subject: ViewSubject[Any], named: Sequence[str]) -> bool:
    try:
        listed_views(subject, named)
    except ConfigurationError:
        # Several slots are left open, say, or none: then there are the views alone.
        return subject.is_document
    return True
