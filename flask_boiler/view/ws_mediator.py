"""The WebSocket mediator: subscriptions to views, and mutations, over Socket.IO.

Read: Document -> WebSocket event. Write: WebSocket event -> Document. At most once: an event that
is lost with a connection is not sent again; a client that comes back is brought up to date.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Hashable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, ClassVar, Self

from werkzeug.exceptions import HTTPException

from flask_boiler.context.context import current_context
from flask_boiler.errors import (
    BoilerError,
    ConfigurationError,
    RefusedError,
    ValidationError,
)
from flask_boiler.ground.callbacks import is_failure, misfit, require_result
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.view.mediation.mediator import MediatorBase
from flask_boiler.view.mediation.problems import Refusal, field_names, problem_details
from flask_boiler.view.mediation.waiting import waiting_as_requests_do
from flask_boiler.view.socketio.arguments import ViewArguments, check_size
from flask_boiler.view.socketio.async_mode import prefer_threads, require_threads
from flask_boiler.view.socketio.connections import (
    connection_refusal,
    end_connection,
    has_gone,
    send_away,
    unread_by,
)
from flask_boiler.view.socketio.departures import Departures
from flask_boiler.view.socketio.mutate_event import ClientAccess, apply_command, parts_of
from flask_boiler.view.socketio.namespace import (
    RESERVED,
    as_namespace,
    event_names,
    is_connecting,
    is_disconnecting,
    takes,
)
from flask_boiler.view.socketio.options import SubscriptionOptions, WsLimits
from flask_boiler.view.socketio.rooms import Message
from flask_boiler.view.socketio.slot_arguments import SlotArguments
from flask_boiler.view.socketio.subscriptions import Subscriptions
from flask_boiler.viewmodels.mutation import Mutation, require_changes
from flask_boiler.viewmodels.view_model import ViewModel, require_view_class
from flask_boiler.viewmodels.view_subject import ViewSubject

if TYPE_CHECKING:
    from flask import Flask

__all__ = ["WsMediator", "mounted_mediators"]

logger = logging.getLogger(__name__)

#: Under this name a connection's WSGI environment has when it came to a namespace of ours.
_CONNECTED_AT = "flask_boiler.connected_at"


class WsMediator(MediatorBase):
    """Serves live views of one class to the clients of a Socket.IO namespace.

    ::

        mediator = WsMediator(CityView, CityMutation, namespace="/cities")
        io = flask_socketio.SocketIO(app, async_mode="threading")
        io.on_namespace(mediator)

    An instance is a ``flask_socketio.Namespace``; Flask-SocketIO is imported when there is one.

    Events: ``subscribe_view_model``, ``unsubscribe_view_model`` and ``mutate`` from clients,
    ``updated`` and ``error`` to them. What a subclass defines as ``on_…`` is handled as in any
    namespace.

    :param view_model_cls: the view.
    :param mutation_cls: what ``mutate`` calls; without it, there is nothing to mutate.
    :param namespace: the Socket.IO namespace, such as ``/cities``.
    :param root: the model whose documents ``doc_id`` names, where the view's store does not say.
    :param limits: what clients may ask for.
    :raises MissingExtraError: Flask-SocketIO is not installed.
    :raises ConfigurationError: the mutation is of another view, or clients could not name a view
        or the namespace. So does mounting it where it is not the only one of its namespace, or
        where events do not have threads of their own.
    """

    if TYPE_CHECKING:
        # What it has of flask_socketio.Namespace.
        namespace: str
        server: Any
        socketio: Any

    #: The most that clients may ask for, unless the mediator is given its own.
    limits: ClassVar[WsLimits] = WsLimits()

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """An instance of the class that is a Socket.IO namespace, too."""
        mounted: type[Self] = as_namespace(cls)
        return super().__new__(mounted)

    def __init__(
        self,
        view_model_cls: type[ViewModel],
        mutation_cls: type[Mutation[Any]] | None = None,
        *,
        namespace: str,
        root: type[DomainModel] | None = None,
        limits: WsLimits | None = None,
    ) -> None:
        require_view_class(view_model_cls)
        super().__init__(f"{view_model_cls.__name__} (on {namespace})", view_model_cls)
        # The next of its parents is Socket.IO's.
        parent: Any = super(MediatorBase, self)
        parent.__init__(namespace)
        if not namespace.startswith("/"):
            raise ConfigurationError(f"the namespace {namespace!r} must begin with a slash")
        self.view_model_cls = view_model_cls
        self.mutation_cls = mutation_cls
        #: What names a view that is to be changed, besides its key.
        self._changed: SlotArguments | None = None
        if mutation_cls is not None:
            require_changes(mutation_cls, view_model_cls)
            subject: ViewSubject[Any] = ViewSubject(view_model_cls)
            # Who has changed a view is shown it.
            subject.require_buildable()
            self._changed = SlotArguments(subject)
        self._limits = limits or self.limits
        #: What names a view.
        self.arguments = ViewArguments(view_model_cls, root)
        self._departures = Departures(self._limits.max_connection_s, self._send_away)
        self._fields = field_names(view_model_cls)
        self._events = event_names(type(self))
        _require_fitting(self.authorize, "arguments")
        _require_fitting(self.authorize_mutation, "operation", "doc_id", "data")
        self._subscriptions = Subscriptions(self.name, self._limits, self)

    # --- for subclasses --------------------------------------------------------------------

    def authorize(self, arguments: dict[str, Any]) -> Hashable:
        """Check who may see the view of these arguments; for applications to define.

        Called in the request's context for every subscription (``flask.session``,
        ``flask.request``), before the arguments are checked. Each of them has the name that the
        document of AsyncAPI says, whichever of its names the client used. It may change them, to
        add the user, say. Two clients share a view only if it is of the same and what this returns
        for them is equal; by default it is ``None``, for everybody. A subscription that is there
        is not authorized again: see :attr:`WsLimits.max_connection_s`.

        :raises PermissionDeniedError: this client may not see it.
        """
        return None

    def authorize_mutation(
        self, operation: str, doc_id: str | None, data: dict[str, Any] | None
    ) -> None:
        """Whether the client may mutate so: for applications to define; by default it may.

        :param doc_id: the view's key, also if the client gave arguments in its place;
            :meth:`Mutation.parts_of` takes it apart.
        :raises PermissionDeniedError: it may not.
        """

    # --- life ------------------------------------------------------------------------------

    @property
    def mediates(self) -> bool:
        """Yes: it serves whoever connects, whether or not it was started."""
        return True

    @property
    def needs_stop(self) -> bool:
        """Yes: clients may be connected, whether or not it was started."""
        return True

    def _begin(self, ends: ExitStack) -> None:
        """Take subscriptions again; a mediator that was never stopped takes them anyway."""
        self._departures.start()
        self._subscriptions.start()

    def stop(self) -> None:
        """Release every view and send the clients away; they find another process, or come back.

        Also if it was not started, for it serves all the same.
        """
        super().stop()
        self._subscriptions.stop(self._send_away)
        self._departures.stop()

    @property
    def clients(self) -> int:
        """The number of clients that are connected to this process."""
        return self._subscriptions.clients

    @property
    def views(self) -> int:
        """The number of views that this process keeps live for them."""
        return self._subscriptions.views

    # --- events ----------------------------------------------------------------------------

    def _set_socketio(self, socketio: Any) -> None:
        """Belong to a ``SocketIO``, which calls this before it mounts the mediator."""
        prefer_threads(socketio)
        parent: Any = super()
        parent._set_socketio(socketio)

    def _set_server(self, server: Any) -> None:
        """Be mounted on a Socket.IO server, which calls this.

        :raises ConfigurationError: it cannot be served there as it promises.
        """
        if server.namespace_handlers.get(self.namespace) not in (None, self):
            raise ConfigurationError(
                f"the namespace {self.namespace} is already served by another mediator: use "
                "another name"
            )
        require_threads(server, self.socketio, namespace=self.namespace)
        parent: Any = super()
        parent._set_server(server)

    def trigger_event(self, event: Any, *args: Any) -> Any:
        """Dispatch an event; one that nobody handles, or may send, is answered with an error."""
        sid, given = args[0], args[1:]
        if event == "connect" and is_connecting(self.server, self.namespace, sid, *given):
            return self._connect(sid, *given)
        if event == "disconnect" and is_disconnecting(self.server, self.namespace, sid):
            return self._disconnect(sid, *given)
        if not self._is_heard(sid):
            return None
        if isinstance(event, str) and event in self._events:
            return self._answer(event, sid, lambda: self._handle(event, sid, *given))
        return self._answer(str(event), sid, lambda: self._refuse_event(event))

    def _connect(self, sid: str, environ: dict[str, Any], *auth: Any) -> Any:
        client = self._subscriptions.come(sid)
        answer: Any = False
        try:
            answer = self._admitted(sid, environ, *auth)
            if has_gone(self.server, self.namespace, sid):
                # It has gone meanwhile, and Socket.IO tells that of nobody who is not let in yet.
                answer = False
            elif self._subscriptions.stopping:
                # Told no, the client would not come again, here or to another process.
                end_connection(self.server, self.namespace, sid)
                answer = False
        finally:
            if answer is False:
                self._forget(sid)
        if answer is not False:
            # Who leaves the namespace and comes back in one connection has not come anew: what
            # says who it is is that of the connection.
            now = self._departures.now()
            self._departures.expect(sid, since=environ.setdefault(_CONNECTED_AT, now))
            client.admitted = True
        return answer

    def _admitted(self, sid: str, environ: dict[str, Any], *auth: Any) -> Any:
        """The answer of ``on_connect``, if there is one; an error of it refuses the client.

        The client is told of it as of all errors, in its ``connect_error``. It is not left to the
        error handlers of ``SocketIO``: what they return might let the client in.
        """
        handler: Any = getattr(self, "on_connect", None)
        if handler is None:
            return None
        refusal = connection_refusal()

        def guarded(given: Any = None) -> Any:
            try:
                answer = handler(given) if takes(handler, given) else handler()
                return require_result(answer, "on_connect")
            except refusal:
                raise
            except Exception as error:
                details = self._details_of("connect", error)
                raise refusal(details["detail"], details) from error

        return self.socketio._handle_event(guarded, "connect", self.namespace, sid, environ, *auth)

    def _disconnect(self, sid: str, *given: Any) -> None:
        try:
            self._dispatch("disconnect", sid, *given)
        except BaseException as error:
            if not is_failure(error):
                raise
            # Raised, it would keep Socket.IO from forgetting the client.
            logger.exception("on_disconnect of %s failed; the client is gone", self.namespace)
        finally:
            self._forget(sid)

    def on_subscribe_view_model(self, *given: Any) -> Any:
        """Subscribe to a view: ``(arguments, options={})``."""
        sid = _sid()
        return self._answer("subscribe_view_model", sid, lambda: self._subscribe(sid, *given))

    def on_unsubscribe_view_model(self, *given: Any) -> Any:
        """End a subscription: ``(subscription_id)``."""
        sid = _sid()
        return self._answer("unsubscribe_view_model", sid, lambda: self._unsubscribe(sid, *given))

    def on_mutate(self, *given: Any) -> Any:
        """Mutate a view: ``({"operation", "doc_id" or "arguments", "data"})``."""
        with waiting_as_requests_do():
            return self._answer("mutate", _sid(), lambda: self._mutate(*given))

    # --- what the events do ----------------------------------------------------------------

    def _subscribe(
        self, sid: str, arguments: Any = None, options: Any = None, *rest: Any
    ) -> dict[str, Any]:
        check_size(self._limits, arguments, options, *rest)
        if rest:
            raise ValidationError({"": ["Expected arguments and options, and nothing else."]})
        given = {} if arguments is None else arguments
        if not isinstance(given, dict):
            raise ValidationError({"arguments": ["Expected a JSON object."]})
        asked = SubscriptionOptions.of({} if options is None else options)
        # Whoever decides who may finds each argument by one name only.
        named = self.arguments.named(given)
        scope = self._access().scope_of(named)
        values = self.arguments.checked(named)
        message = self._subscriptions.subscribe(
            sid,
            current_context(),
            self.arguments.canonical(named, values),
            scope,
            lambda: self.arguments.build(values),
            asked,
            threading.current_thread() if self.server.async_handlers else None,
        )
        return {**message.meta, "value": message.body}

    def _unsubscribe(self, sid: str, subscription_id: Any = None, *rest: Any) -> dict[str, Any]:
        if isinstance(subscription_id, dict):
            subscription_id = subscription_id.get("subscription_id")
        self._subscriptions.unsubscribe(sid, subscription_id)
        return {"subscription_id": subscription_id}

    def _mutate(self, command: Any = None, *rest: Any) -> dict[str, Any]:
        check_size(self._limits, command, *rest)
        if self.mutation_cls is None or self._changed is None:
            raise RefusedError(f"A {self.view_model_cls.__name__} cannot be changed here.")
        if not isinstance(command, dict) or rest:
            raise ValidationError({"": ["Expected one JSON object."]})
        operation, doc_id, data = parts_of(command, self._changed)
        access = self._access(data)
        return apply_command(
            self.view_model_cls, self.mutation_cls, operation, doc_id, data, access
        )

    def _access(self, data: dict[str, Any] | None = None) -> ClientAccess:
        return ClientAccess(self.authorize, self.authorize_mutation, data)

    def _handle(self, event: str, sid: str, *given: Any) -> Any:
        if not takes(getattr(self, f"on_{event}"), *given):
            raise ValidationError({"": [f"{event} does not take {len(given)} arguments."]})
        return self._dispatch(event, sid, *given)

    def _refuse_event(self, event: Any) -> dict[str, Any]:
        if isinstance(event, str) and event in RESERVED:
            raise Refusal(400, f"Clients cannot send {event!r}: Socket.IO reserves this name.")
        known = ", ".join(sorted(self._events))
        raise Refusal(404, f"There is no event {str(event)!r:.60}; the events are {known}.")

    def _answer(self, event: str, sid: str, work: Callable[[], Any]) -> Any:
        """The acknowledgement; a failure is told in an event as well, for who asked for none."""
        try:
            return work()
        except Exception as error:
            details = self._details_of(event, error)
        told = {**details, "event": event[:60]}
        self._send("error", told, [sid])
        return {"error": details}

    def _details_of(self, event: str, error: Exception) -> dict[str, Any]:
        """The details that a client is told of a failed event; the rest is logged."""
        if isinstance(error, BoilerError | HTTPException):
            return problem_details(error, self._fields)
        logger.error("the event %.60s on %s failed", event, self.namespace, exc_info=error)
        return problem_details(BoilerError(str(error)), {})

    # --- how clients are told --------------------------------------------------------------

    def update(self, message: Message, sids: list[str]) -> None:
        """Send an update to some clients, encoded once."""
        self._send("updated", (message.body, message.meta), sids)

    def warn(self, error: BoilerError, subscription_id: str, sids: list[str]) -> None:
        """Tell some clients that their view has no value now."""
        details = problem_details(error, self._fields)
        self._send("error", {**details, "subscription_id": subscription_id}, sids)

    def is_ready(self, sid: str) -> bool:
        """Whether a client reads what it is sent."""
        unread = unread_by(self.server, self.namespace, sid)
        return unread is None or unread < self._limits.max_unread

    def _send(self, event: str, data: Any, sids: list[str]) -> None:
        # To the clients of this process alone: each process tells its own, so a message queue
        # between them, if the application has one, must not repeat it.
        if sids:
            self.server.emit(event, data, to=sids, namespace=self.namespace, ignore_queue=True)

    # --- clients ---------------------------------------------------------------------------

    def _is_heard(self, sid: str) -> bool:
        """Whether the events of a client count: it was let in, and reads what it is answered.

        Updates wait until it reads, but each of its events is answered at once: one that asks on
        and on and reads nothing is sent away.
        """
        client = self._subscriptions.client(sid)
        if client is None or not client.admitted:
            return False
        unread = unread_by(self.server, self.namespace, sid)
        if unread is None or unread <= self._limits.most_unread_answers:
            return not client.expelled
        with client.lock:
            expelled, client.expelled = client.expelled, True
        if not expelled:
            logger.warning(
                "a client of %s sent more requests without reading %d messages: it is disconnected",
                self.namespace,
                unread,
            )
            self._send_away(sid)
        return False

    def _send_away(self, sid: str) -> None:
        send_away(self.server, self.namespace, sid)

    def _dispatch(self, event: str, *args: Any) -> Any:
        parent: Any = super()
        return require_result(parent.trigger_event(event, *args), f"on_{event}")

    def _forget(self, sid: str) -> None:
        self._departures.cancel(sid)
        self._subscriptions.forget(sid)


def mounted_mediators(app: Flask) -> list[WsMediator]:
    """The WebSocket mediators that are mounted on an application's ``SocketIO``."""
    io = app.extensions.get("socketio")
    handlers = () if io is None else io.server.namespace_handlers.values()
    return [handler for handler in handlers if isinstance(handler, WsMediator)]


def _require_fitting(decides: Callable[..., object], *parameters: str) -> None:
    """Check that a method that decides who may takes what it is called with.

    :raises ConfigurationError: it does not.
    """
    wrong = misfit(decides, *parameters)
    if wrong is not None:
        raise ConfigurationError(wrong)


def _sid() -> str:
    from flask import request

    sid: str = request.sid  # type: ignore[attr-defined]
    return sid
