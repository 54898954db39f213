"""The Flask extension: one object that configures, starts and stops everything."""

from __future__ import annotations

import logging
import os
import uuid
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from flask import Blueprint, Flask, current_app, has_app_context

from flask_boiler.context.config import Config
from flask_boiler.context.context import ApplicationContext, WebSettings, register_resolver
from flask_boiler.context.reloader import before_child
from flask_boiler.engine.engine import Engine
from flask_boiler.engine.phases import Statistics
from flask_boiler.engine.view_key import Parked, ViewKey
from flask_boiler.errors import ConfigurationError, UnavailableError
from flask_boiler.firestore.patience import DEFAULT_PATIENCE_S, waiting_at_most
from flask_boiler.ground.callbacks import require_plain_members
from flask_boiler.ground.lifecycle import ProcessLock, Startable, ending_within
from flask_boiler.ground.ports import Datastore
from flask_boiler.ground.values import Write
from flask_boiler.operate.health import Health
from flask_boiler.transactions.running import execute_transaction, transaction
from flask_boiler.transactions.transaction import Transaction
from flask_boiler.view.exposure import Exposure, mount, socket_io_of
from flask_boiler.view.http.mounting import is_prepared
from flask_boiler.view.mediation.inbox import Inbox, inbox_of
from flask_boiler.view.mediation.live import live_views
from flask_boiler.view.mediation.mediator import Mediator, MediatorBase, mediator_of
from flask_boiler.view.mediation.secret_keys import require_secret_key
from flask_boiler.view.triggers import trigger_blueprint
from flask_boiler.viewmodels.cycles import refuse_cycles
from flask_boiler.viewmodels.mutation import Mutation
from flask_boiler.viewmodels.view_model import ViewModel

__all__ = ["Boiler"]

R = TypeVar("R")

logger = logging.getLogger(__name__)

_EXTENSION = "boiler"

#: How long an end may take by default, as long as Firestore answers.
_FINISH_WITHIN_S = 30.0


M = TypeVar("M", bound=Mediator)


@dataclass(frozen=True, eq=False, slots=True)
class _Run:
    """A run of a Boiler, from a start to the next stop."""

    #: A forked child has none of its parent's threads.
    process_id: int


class Boiler(Startable):
    """Configuration, context and mediators of one application.

    ::

        app = Flask(__name__)
        boiler = Boiler(app)
        boiler.add(QueryMediator(CityView, query=City.get_query()))

        if __name__ == "__main__":
            with boiler:          # starts the mediators, and stops them at the end
                app.run()

    In production, ``flask boiler run`` runs the mediators in a process of their own.

    Keys of ``app.config``: each of :class:`~flask_boiler.Config`, in capitals after
    ``BOILER_`` (``BOILER_PROJECT`` …). Environment variables of the same names win.

    :param app: the application; or call :meth:`init_app` later.
    :param config: the configuration, instead of ``app.config``'s.
    :param io: the ``flask_socketio.SocketIO`` that :meth:`expose` mounts namespaces on; by default
        the application's, or else one that is made when it is needed.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        require_plain_members(cls)

    def __init__(
        self, app: Flask | None = None, *, config: Config | None = None, io: Any = None
    ) -> None:
        self._config = config
        self._io = io
        self._app: Flask | None = None
        self._context: ApplicationContext | None = None
        #: As they were added, and with their lives, in the same order.
        self._added: list[Mediator] = []
        self._mediators: list[MediatorBase] = []
        #: Guards what is below; nothing is started or stopped while it is held.
        self._lock = ProcessLock()
        self._run: _Run | None = None
        if app is not None:
            self.init_app(app)
        elif config is not None:
            self._context = ApplicationContext(config)

    def init_app(self, app: Flask) -> None:
        """Configure from the application, and be found from its context.

        :raises ConfigurationError: the application has a Boiler already; or it serves REST
            mediators in production without a ``SECRET_KEY``.
        """
        if _EXTENSION in app.extensions:
            raise ConfigurationError(
                f"{app.name} has a Boiler already: use app.extensions[{_EXTENSION!r}], or create "
                "another app"
            )
        app.extensions[_EXTENSION] = self
        self._app = app
        if self._context is None:
            self._context = ApplicationContext(self._config or Config.load(over=app.config))
        if is_prepared(app):
            require_secret_key(app)

    @property
    def context(self) -> ApplicationContext:
        """The context: configuration, clients, datastore.

        :raises ConfigurationError: there is neither an app nor a configuration yet.
        """
        if self._context is None:
            raise ConfigurationError(
                "this Boiler is not configured: give it an app or a config, or call init_app(app)"
            )
        return self._context

    @property
    def engine(self) -> Engine:
        """The engine, started if it was not running."""
        return live_views(self.context).engine

    @property
    def mediators(self) -> list[Mediator]:
        """The mediators that were added."""
        return list(self._added)

    @property
    def inboxes(self) -> list[Inbox]:
        """The inboxes of the mediators to which documents are commands: tasks, forms, patches."""
        return [m.inbox for m in self._mediators if m.inbox is not None]

    def add(self, mediator: M) -> M:
        """Have a mediator started and stopped with the others; gives it back.

        Where the others run already, it is started at once.

        :raises ConfigurationError: it is none.
        """
        living = mediator_of(mediator)
        living.belong_to(lambda: self.context)
        with self._lock:
            self._added.append(mediator)
            self._mediators.append(living)
            run = self._current_run
        if run is not None:
            refuse_cycles(self._views())
            self._start([living], run)
        return mediator

    @property
    def io(self) -> Any:
        """The application's ``flask_socketio.SocketIO``; made, for threads, if there is none.

        :raises ConfigurationError: there is no app yet.
        :raises MissingExtraError: Flask-SocketIO is not installed.
        """
        if self._io is None:
            self._io = socket_io_of(self._require_app("io"))
        return self._io

    def expose(
        self,
        view_model_cls: type[ViewModel],
        mutation_cls: type[Mutation[Any]] | None = None,
        *,
        query: Any = None,
        rule: str | None = None,
        namespace: str | None = None,
        filters: Sequence[str] = (),
    ) -> Exposure:
        """Mount all ways to a view at once; what is not asked for is left out.

        ::

            boiler.expose(
                CityView, CityMutation, query=City.get_query(), rule="/cities", namespace="/cities"
            )

        :param query: keep the views of its documents, by a ``QueryMediator``, which takes a
            mapping by slot, too; ``{}`` keeps a view that there is one of.
        :param rule: serve them over HTTP: lists at the rule, and each at ``/<doc_id>`` below it;
            with a mutation, for writing too. If the view is of other slots, too, the rule may name
            some of them (``/tables/<season>``), and the others stand below it
            (``/tables/<season>/<team_id>``); what cannot be listed, made or deleted has no route.
        :param namespace: serve them live over Socket.IO, on :attr:`io`.
        :param filters: attributes of the root that lists may be filtered and sorted by, beside
            those that the view passes through; whoever may do so can find out their values.
        :raises ConfigurationError: none of these is given, there is no app to mount on, the
            namespace is served already, or there are filters and no lists.
        """
        mounted = rule is not None or namespace is not None
        app = self._require_app("expose()") if mounted else None
        exposed = mount(
            view_model_cls,
            mutation_cls,
            app=app,
            io=self.io if namespace is not None else None,
            query=query,
            rule=rule,
            namespace=namespace,
            filters=filters,
        )
        for mediator in (exposed.query, exposed.websocket):
            if mediator is not None:
                self.add(mediator)
        return exposed

    def start(self, *, wait_s: float = DEFAULT_PATIENCE_S) -> None:
        """Start every mediator that was added.

        What does not answer, and where, is logged within a second, and again now and then. If it
        is stopped meanwhile, as another thread may, nothing runs when this returns.

        :param wait_s: for how long a Firestore that does not answer is waited for; ``math.inf``
            to wait for ever.
        :raises UnavailableError: it still did not; nothing runs.
        :raises ConfigurationError: they are running already.
        :raises CyclicViewError: views are declared to read each other in a circle.
        """
        refuse_cycles(self._views())
        with self._lock:
            if self._current_run is not None:
                raise ConfigurationError("this Boiler is running already: stop() it first")
            run = self._run = _Run(os.getpid())
            mediators = list(self._mediators)
        # Whatever mediates in the process that only watches files does so by what they were.
        _running.add(self)
        before_child(_stop_all, first=True)
        try:
            with waiting_at_most(wait_s):
                self._start(mediators, run)
        except BaseException:
            if self._run in (run, None):
                self.stop()
            raise

    def stop(self, *, within_s: float = _FINISH_WITHIN_S) -> None:
        """Stop the mediators, finish what is in hand, end every thread and listener.

        A Firestore that is silent is not waited for: what is not written then is made good at the
        next start. Nor is what takes longer than ``within_s``, as a getter may; it is left, and
        logged.
        """
        with self._ending(within_s):
            self._stop()

    @contextmanager
    def _ending(self, within_s: float) -> Iterator[None]:
        reachability = self.context.reachability
        with ExitStack() as bounds:
            bounds.enter_context(ending_within(within_s))
            if reachability is not None:
                bounds.enter_context(reachability.ending(within_s))
            yield

    def _stop(self) -> None:
        _running.discard(self)
        with self._lock:
            self._run = None
            mediators = list(self._mediators)
        # Whatever one of them raises, all the others are stopped, and at last the engine.
        with ExitStack() as ends:
            ends.callback(live_views(self.context).stop)
            for mediator in mediators:
                ends.callback(_stop_if_needed, mediator)

    def close(self, *, within_s: float = _FINISH_WITHIN_S) -> None:
        """Stop, and close the context's clients and a local Firestore that it started."""
        try:
            self.stop(within_s=within_s)
        finally:
            self.context.close()

    @property
    def parked(self) -> list[Parked]:
        """The views and tasks that failed and were set aside, with their errors.

        Tasks are parked in Firestore, so those of other processes are among them.
        """
        views: list[Parked] = self._engine_if_running(lambda engine: engine.parked, [])
        with self.context.activated():
            return [*views, *(task for inbox in self.inboxes for task in inbox.parked)]

    def retry(self, key: ViewKey) -> bool:
        """Compute a parked view, or apply a parked task, again; whether there was one."""
        if self._engine_if_running(lambda engine: engine.retry(key), False):
            return True
        with self.context.activated():
            inbox = inbox_of(self.inboxes, key.mediator, key.subject)
            return inbox is not None and inbox.retry(key.subject)

    @property
    def mediates(self) -> bool:
        """Whether anything here keeps views, applies tasks or patches, or serves them live."""
        return any(m.mediates for m in self._mediators) or live_views(self.context).running

    @property
    def health(self) -> Health:
        """The health of the mediators, as far as this process knows: nothing is read for it."""
        reachability = self.context.reachability
        heard = {inbox.name: inbox.parked_as_heard for inbox in self.inboxes}
        live = live_views(self.context)
        engine = live.engine if live.running else None
        hindrance = None if engine is None else engine.acceptance.hindrance
        return Health(
            running=self._current_run is not None and all(m.running for m in self._mediators),
            firestore=None if reachability is None else reachability.where,
            answers=reachability is None
            or (reachability.has_answered and not reachability.is_silent),
            silent_s=0.0 if reachability is None else reachability.silent_s,
            stream_silent_s=None if reachability is None else reachability.stream_silent_s,
            lag_s=0.0 if engine is None else engine.lag_s,
            views=0 if engine is None else engine.views,
            counts=Statistics() if engine is None else engine.statistics,
            tasks_done={inbox.name: inbox.done for inbox in self.inboxes},
            parked=[
                *([] if engine is None else engine.parked),
                *(task for tasks in heard.values() for task in tasks or ()),
            ],
            unheard=[name for name, tasks in heard.items() if tasks is None],
            fault=None if engine is None else engine.fault,
            deaf_s=0.0 if engine is None else engine.feed.refused_s,
            refused_s=0.0 if engine is None else engine.acceptance.hindered_s,
            refusal=None if hindrance is None else hindrance.error,
        )

    @property
    def lag_s(self) -> float:
        """The age of the oldest change that is not yet published, or 0."""
        return self._engine_if_running(lambda engine: engine.lag_s, 0.0)

    def settle(self, *, timeout_s: float = 30.0) -> None:
        """Wait until all that was committed before is published, and what that caused too.

        For tests and scripts: it writes a document of its own each time.

        :raises TimeoutError: naming what is still busy.
        """
        canary = f"_boiler_canaries/{uuid.uuid4().hex}"
        datastore = self.context.datastore

        def write() -> int:
            content = {"nonce": uuid.uuid4().hex}
            return datastore.commit([Write("set", canary, content)]).commit_time_ns

        try:
            self.engine.settle(canary, write, timeout_s=timeout_s)
        finally:
            _remove_canary(datastore, canary)

    def run_transaction(
        self,
        function: Callable[..., R],
        *,
        max_attempts: int = 5,
        locking: bool = False,
    ) -> R:
        """The result of a function that ran in a transaction; after a conflict it runs again.

        :raises ConflictError: every attempt lost.
        """
        return execute_transaction(
            function, context=self.context, max_attempts=max_attempts, locking=locking
        )

    def transaction(self, *, locking: bool = False) -> AbstractContextManager[Transaction]:
        """One attempt at a transaction, as a ``with`` block."""
        return transaction(context=self.context, locking=locking)

    def trigger_blueprint(self, name: str = "boiler_triggers") -> Blueprint:
        """A route that takes the events of Firestore's triggers, for tasks, forms and patches.

        ::

            app.register_blueprint(boiler.trigger_blueprint(), url_prefix="/triggers")

        Then ``POST /triggers/`` answers 2xx when the document is applied, 4xx when it can never be,
        and 5xx when the event should come again. Nothing has to be started for that.

        :raises MissingExtraError: ``flask-boiler[triggers]`` is not installed.
        """
        return trigger_blueprint(name, lambda: self.context, lambda: self.inboxes)

    def web_settings(self) -> WebSettings:
        """The settings that a page needs to reach Firestore with Firebase's web SDK; JSON as it is.

        ::

            @app.get("/settings")
            def settings():
                return boiler.web_settings()

        :raises ConfigurationError: it is a project in the cloud, and there is no ``web_api_key``.
        """
        return self.context.web_settings()

    def _require_app(self, wanted: str) -> Flask:
        if self._app is None:
            raise ConfigurationError(
                f"{wanted} needs an application, and this Boiler has none yet: give it one, or "
                "call init_app(app) first"
            )
        return self._app

    @property
    def _current_run(self) -> _Run | None:
        """The run of this process, if it is one; a parent's is none of its forked child's."""
        run = self._run
        return run if run is not None and run.process_id == os.getpid() else None

    def _start(self, mediators: Sequence[MediatorBase], run: _Run) -> None:
        """Start mediators, as long as the run that they belong to goes on."""
        for mediator in mediators:
            # Another Boiler may have taken it meanwhile.
            mediator.belong_to(lambda: self.context)
            with self.context.activated():
                mediator.start()
            if self._run is not run:
                if self._run is None:
                    # What was stopped does not know of it.
                    self.stop()
                return

    def _views(self) -> list[type[ViewModel]]:
        return [view_cls for mediator in self._mediators for view_cls in mediator.view_classes]

    def _engine_if_running(self, ask: Callable[[Engine], R], otherwise: R) -> R:
        live = live_views(self.context)
        return ask(live.engine) if live.running else otherwise


_running: weakref.WeakSet[Boiler] = weakref.WeakSet()


def _stop_if_needed(mediator: MediatorBase) -> None:
    """Stop a mediator that works; a stop that a subclass defines expects its own start before."""
    if mediator.needs_stop:
        mediator.stop()


def _stop_all() -> None:
    for boiler in list(_running):
        boiler.stop()


def _remove_canary(datastore: Datastore, canary: str) -> None:
    try:
        datastore.commit([Write("delete", canary)])
    except UnavailableError as error:
        # Nothing reads it any more, so what was waited for is not to fail over it.
        logger.warning("%s is left: %s", canary, error)


def _context_of_current_app() -> ApplicationContext | None:
    boiler: Any = current_app.extensions.get(_EXTENSION) if has_app_context() else None
    return None if boiler is None else boiler.context


def _context_of_running_boiler() -> ApplicationContext | None:
    running = [boiler for boiler in _running if boiler._current_run is not None]
    if len(running) > 1:
        raise ConfigurationError(
            f"{len(running)} Boilers run in this process, and it is not clear which of them to "
            "use: be inside 'with app.app_context():' or 'with boiler.context.activated():'"
        )
    return running[0].context if running else None


register_resolver(_context_of_current_app)
register_resolver(_context_of_running_boiler, last=True)
