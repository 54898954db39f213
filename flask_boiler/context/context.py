"""The context of an application: its configuration, its clients, its datastore.

The framework's own code is handed an :class:`ApplicationContext`. Applications may also ask
the proxy, ``from flask_boiler import CTX``, which stands for the first of these that there is:

1. the context that is active here (``with context.activated():``),
2. the current application's (whatever a resolver finds: the Flask extension registers one),
3. the one that ``CTX.read`` or ``CTX.load`` made last,
4. that of the one Boiler that runs in this process, as threads of an application ask for it.
"""

from __future__ import annotations

import os
import re
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

from flask_boiler.context.config import Config
from flask_boiler.context.reloader import before_child
from flask_boiler.errors import ConfigurationError, MissingExtraError
from flask_boiler.ground.addresses import EMULATOR_VARIABLE, emulator_host, host_and_port
from flask_boiler.ground.ports import LocalFirestore, provided

if TYPE_CHECKING:
    from google.cloud.firestore import Client

    from flask_boiler.firestore.codec import Codec
    from flask_boiler.firestore.datastore import FirestoreDatastore
    from flask_boiler.firestore.reachability import Reachability

__all__ = [
    "CTX",
    "ApplicationContext",
    "Context",
    "ContextProxy",
    "WebSettings",
    "current_context",
    "register_resolver",
]

_PROJECT_VARIABLES = ("GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT")


class FirebaseOptions(TypedDict):
    """The argument of ``initializeApp`` in Firebase's web SDK."""

    projectId: str
    apiKey: NotRequired[str]


class EmulatorAddress(TypedDict):
    """The arguments of ``connectFirestoreEmulator`` in Firebase's web SDK."""

    host: str
    port: int


class WebSettings(TypedDict):
    """The settings that a page needs to reach Firestore.

    ``firebase`` is for ``initializeApp``, ``database`` for ``getFirestore``, and ``emulator`` for
    ``connectFirestoreEmulator``; the last is ``None`` where Firestore is Google's.
    """

    firebase: FirebaseOptions
    database: str
    emulator: EmulatorAddress | None


class _Connections:
    """The connections that one process opened for one context."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.client: Client | None = None
        self.datastore: FirestoreDatastore | None = None
        self.firebase_app: Any = None
        self.local_firestore: LocalFirestore | None = None
        #: Where the local Firestore is, also in children of the process that started it.
        self.local_host: str | None = None


class ApplicationContext:
    """The configuration of one application, and the connections that it opens, once per process.

    A process that is forked opens its own; a local Firestore that the parent had started is
    shared, and ends with the parent.

    :param datastore: the database, in place of the one that the configuration names; closed with
        this context.
    """

    def __init__(self, config: Config, *, datastore: FirestoreDatastore | None = None) -> None:
        self.config = config
        self._connections = _Connections()
        if datastore is not None:
            self._connections.datastore, self._connections.client = datastore, datastore.client
        _contexts.add(self)

    @property
    def db(self) -> Client:
        """Google's own client, for everything that the framework does not do.

        :raises ConfigurationError: nothing says which database, and the runtime is production.
        """
        opened = self._connections
        with opened.lock:
            if opened.client is None:
                opened.client = self._build_client(opened)
            return opened.client

    @property
    def datastore(self) -> FirestoreDatastore:
        """The framework's own access to the same database, over the same connection."""
        opened = self._connections
        if opened.datastore is None:
            with opened.lock:
                if opened.datastore is None:
                    opened.datastore = self._build_datastore()
        return opened.datastore

    @property
    def reachability(self) -> Reachability | None:
        """The record of whether Firestore answers; ``None`` before the first call to it."""
        opened = self._connections.datastore
        return None if opened is None else opened.reachability

    @property
    def decoder(self) -> Codec:
        """The codec of the documents in this database."""
        return self.datastore.codec

    @property
    def firebase_app(self) -> Any:
        """The Firebase app, for what firebase_admin has beside Firestore.

        :raises MissingExtraError: firebase_admin is not installed.
        """
        opened = self._connections
        with opened.lock:
            if opened.firebase_app is None:
                opened.firebase_app = self._build_firebase_app()
            return opened.firebase_app

    @property
    def project(self) -> str:
        """The project of the database."""
        return str(self.db.project)

    @property
    def local_project(self) -> str:
        """The project of the database if Firestore is a local one."""
        return self.config.project or _demo_project(self.config.app_name)

    @property
    def local_host(self) -> str | None:
        """The address ``HOST:PORT`` of the local Firestore that was started for this context."""
        return self._connections.local_host

    def web_settings(self) -> WebSettings:
        """The settings that a page needs to reach this Firestore with Firebase's web SDK, for JSON.

        :raises ConfigurationError: it is a project in the cloud, and there is no ``web_api_key``.
        """
        host: str | None = self.db._emulator_host
        firebase: FirebaseOptions = {"projectId": self.project}
        if host is None:
            if self.config.web_api_key is None:
                raise ConfigurationError(
                    f"a page needs a key to reach the project {self.project}, and none is "
                    "configured: set web_api_key (BOILER_WEB_API_KEY) to the Web API key that the "
                    "Firebase console shows with the project's settings"
                )
            firebase["apiKey"] = self.config.web_api_key
            return {"firebase": firebase, "database": self.config.database, "emulator": None}
        name, port = host_and_port(host)
        return {
            "firebase": firebase,
            "database": self.config.database,
            "emulator": {"host": name, "port": port},
        }

    def close(self) -> None:
        """Close the connections, and end the local Firestore that this context has started.

        Whoever uses the context afterwards opens them anew.
        """
        opened, self._connections = self._connections, _Connections()
        if opened.local_firestore is None:
            # It is the parent's, and still the one that holds the data.
            self._connections.local_host = opened.local_host
        with opened.lock:
            if opened.datastore is not None:
                opened.datastore.close()
            if opened.client is not None:
                from flask_boiler.context.clients import close_client

                close_client(opened.client)
            if opened.firebase_app is not None:
                import firebase_admin

                firebase_admin.delete_app(opened.firebase_app)
            if opened.local_firestore is not None:
                opened.local_firestore.stop()

    @contextmanager
    def activated(self) -> Iterator[ApplicationContext]:
        """Make this the current context inside the block."""
        token = _active.set(self)
        try:
            yield self
        finally:
            _active.reset(token)

    def __repr__(self) -> str:
        return f"<ApplicationContext {self.config.app_name} ({self.config.runtime})>"

    def _build_client(self, opened: _Connections) -> Client:
        from flask_boiler.context.clients import google_client, local_client
        from flask_boiler.firestore.protocol import hook_grpc

        # Before a local Firestore is started, which may be in this process.
        hook_grpc()
        config = self.config
        host = self._named_host()
        if host is None and config.chosen_firestore != "cloud":
            host = self._local_host(opened)
        if host is not None:
            return local_client(host, project=self.local_project, database=config.database)
        return google_client(
            certificate=config.certificate,
            project=self._google_project(),
            database=config.database,
        )

    def _named_host(self) -> str | None:
        """The running local Firestore that the configuration or the environment names."""
        of_environment = emulator_host()
        if of_environment and self.config.firestore == "cloud":
            # Google's client would go there whatever it is told.
            raise ConfigurationError(
                f"firestore is cloud, and {EMULATOR_VARIABLE} is {of_environment}: unset one of "
                "them"
            )
        return self.config.emulator_host or of_environment

    def _google_project(self) -> str | None:
        config = self.config
        named = config.project
        if named is None and (config.runtime == "production" or config.firestore == "cloud"):
            # Else not: a developer's shell often names a project of Google's for other purposes.
            found = (os.environ.get(variable) for variable in _PROJECT_VARIABLES)
            named = next(filter(None, found), None)
        if named is None and config.certificate is None:
            raise ConfigurationError(_unnamed(config))
        return named

    def _local_host(self, opened: _Connections) -> str:
        if opened.local_host is None:
            before_child(_close_all)
            started: LocalFirestore = provided("local_firestore")(self.config)
            opened.local_firestore = started
            opened.local_host = started.host
        return opened.local_host

    def _build_datastore(self) -> FirestoreDatastore:
        from flask_boiler.firestore.datastore import FirestoreDatastore

        return FirestoreDatastore(self.db)

    def _build_firebase_app(self) -> Any:
        try:
            import firebase_admin
            from firebase_admin import credentials
        except ImportError as error:
            raise MissingExtraError("firebase", "CTX.firebase_app") from error
        certificate = self.config.certificate
        options = {
            "projectId": self.project,
            "storageBucket": self.config.storage_bucket_name,
        }
        app = firebase_admin.initialize_app(
            credentials.Certificate(str(certificate)) if certificate else self._anonymous(),
            {name: value for name, value in options.items() if value is not None},
            name=f"flask_boiler-{os.getpid()}-{id(self):x}",
        )
        if self.db._emulator_host is not None:
            _lead_to(self.db, app)
        return app

    def _anonymous(self) -> Any:
        """Credentials without a user for a local Firestore; ``None`` for Google's."""
        from google.auth.credentials import AnonymousCredentials

        return None if self.db._emulator_host is None else AnonymousCredentials()

    def _inherit(self) -> None:
        """Forget the connections in a forked child, where the parent's do not work."""
        inherited = self._connections
        # Never let go: gRPC hangs when a channel of the parent is torn down in the child.
        _inherited.append(inherited)
        self._connections = _Connections()
        self._connections.local_host = inherited.local_host


def _lead_to(client: Client, firebase_app: Any) -> None:
    """Have ``firebase_admin.firestore.client(app)`` be this one.

    A client of its own would know of a local Firestore by the environment alone.
    """
    from firebase_admin import _utils, firestore

    service = _utils.get_app_service(firebase_app, "_firestore", firestore._FirestoreService)
    service._clients[client._database] = client


def _unnamed(config: Config) -> str:
    why = "in production" if config.firestore is None else "where firestore is cloud"
    return (
        f"{why} the database must be named: set project (BOILER_PROJECT, if Google's default "
        "credentials are available) or certificate_path (BOILER_CERTIFICATE_PATH)"
    )


def _demo_project(app_name: str) -> str:
    # Google's tools never reach for a cloud when a project is called demo-something.
    words = re.sub(r"[^a-z0-9]+", "-", app_name.lower()).strip("-")
    return f"demo-{words or 'app'}"[:30].rstrip("-")


_contexts: weakref.WeakSet[ApplicationContext] = weakref.WeakSet()
_inherited: list[_Connections] = []


def _close_all() -> None:
    for context in list(_contexts):
        context.close()


def _inherit_all() -> None:
    for context in list(_contexts):
        context._inherit()


os.register_at_fork(after_in_child=_inherit_all)


_active: ContextVar[ApplicationContext | None] = ContextVar("flask_boiler_context", default=None)

#: Finds the context of the application at work, or ``None``.
Resolver = Callable[[], "ApplicationContext | None"]
_resolvers: list[Resolver] = []
_last_resorts: list[Resolver] = []


def register_resolver(resolver: Resolver, *, last: bool = False) -> None:
    """Register a function that finds a context; ``current_context`` asks it before the others.

    :param last: ask only when there is no other context.
    """
    known = _last_resorts if last else _resolvers
    if resolver not in known:
        known.insert(0, resolver)


def current_context() -> ApplicationContext:
    """The context that is in force here.

    :raises ConfigurationError: there is none, with how to make one.
    """
    context = _active.get()
    if context is not None:
        return context
    found = _first_of(_resolvers) or Context._last or _first_of(_last_resorts)
    return found or Context.last_read()


def _first_of(resolvers: list[Resolver]) -> ApplicationContext | None:
    return next(filter(None, (resolver() for resolver in resolvers)), None)


class ContextProxy:
    """The proxy of the current context; ``CTX.load()`` and ``CTX.read(...)`` make a context.

    For applications. Every attribute is the current :class:`ApplicationContext`'s.
    """

    def __init__(self) -> None:
        self._last: ApplicationContext | None = None

    def load(self, path: str | os.PathLike[str] | None = None) -> ApplicationContext:
        """Make a context of ``path``, of the file in ``FB_CONFIG_FILENAME``, or of ``boiler.yaml``.

        Environment variables ``BOILER_*`` win over the file.

        :raises ConfigurationError: with the file and line, or the variable.
        """
        return self.read(Config.load(path))

    def read(self, config: Config) -> ApplicationContext:
        """Make a context of a :class:`~flask_boiler.Config`; nothing is opened yet."""
        self._last = ApplicationContext(config)
        return self._last

    def last_read(self) -> ApplicationContext:
        """The context that ``read`` or ``load`` made last.

        :raises ConfigurationError: neither was called.
        """
        if self._last is None:
            raise ConfigurationError(
                "there is no context: call CTX.load() to read boiler.yaml, or CTX.read(Config()), "
                "or create a Boiler(app) and be inside its application context, as in "
                "'with app.app_context():'"
            )
        return self._last

    @contextmanager
    def falling_back_on(self, context: ApplicationContext) -> Iterator[None]:
        """In the block, use this context on every thread where there is no other one."""
        before, self._last = self._last, context
        try:
            yield
        finally:
            self._last = before

    @property
    def config(self) -> Config:
        """The configuration of the current context."""
        return current_context().config

    @property
    def db(self) -> Client:
        """Google's own client of the current context."""
        return current_context().db

    @property
    def datastore(self) -> FirestoreDatastore:
        """The datastore of the current context."""
        return current_context().datastore

    @property
    def firebase_app(self) -> Any:
        """The Firebase app of the current context."""
        return current_context().firebase_app

    def __repr__(self) -> str:
        try:
            return f"<CTX for {current_context()!r}>"
        except ConfigurationError:
            return "<CTX, not configured>"


Context = ContextProxy()

#: The same object, by the name that applications usually give it.
CTX = Context
