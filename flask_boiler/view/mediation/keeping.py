"""What a mediator does for one document: compute its view, or call its handlers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from flask_boiler.context.context import ApplicationContext
from flask_boiler.engine.cut_reader import CutReader
from flask_boiler.engine.live_view import AnyView, LiveView
from flask_boiler.engine.population import Population
from flask_boiler.engine.sink import Computed, Documents, DocumentSink
from flask_boiler.engine.view_key import ViewKey
from flask_boiler.ground.callbacks import as_exception, misfit, require_plain, require_result
from flask_boiler.ground.errors import ConfigurationError
from flask_boiler.ground.naming import nearest
from flask_boiler.ground.ports import Incomplete
from flask_boiler.ground.readers import reading_through
from flask_boiler.ground.values import Snapshot
from flask_boiler.view.mediation.materializer import render
from flask_boiler.view.mediation.view_builder import builder_of
from flask_boiler.viewmodels.view_model import ViewModel

if TYPE_CHECKING:
    from flask_boiler.view.mediation.populated_mediator import PopulatedMediator
    from flask_boiler.view.query_mediator import ProtocolBase

__all__ = [
    "DocumentHandler",
    "Keeper",
    "Run",
    "ViewKeeper",
    "collecting",
    "keeper_of",
]

_HANDLERS = ("on_create", "on_update", "on_delete")

logger = logging.getLogger(__name__)

_collected: ContextVar[list[ViewModel] | None] = ContextVar("flask_boiler_collected", default=None)


def collecting() -> list[ViewModel] | None:
    """Where views that are published here are collected; ``None`` outside a handler."""
    return _collected.get()


@dataclass(frozen=True, slots=True)
class Run:
    """What a mediator works with between start and stop."""

    context: ApplicationContext
    publisher: DocumentSink
    population: Population


class Keeper(Protocol):
    """Makes what the engine keeps for each document of a mediator."""

    def live_view(self, key: ViewKey, run: Run) -> AnyView:
        """What keeps the view, or views, of the document ``key.root``."""
        ...


class ViewKeeper:
    """Keeps one view for each document.

    :raises ConfigurationError: the view cannot be built from one document, or has no place.
    """

    def __init__(self, view_cls: type[ViewModel]) -> None:
        self._build = builder_of(view_cls)
        view_cls.require_place()
        view_cls.on_delete()
        self._view_cls = view_cls

    def live_view(self, key: ViewKey, run: Run) -> LiveView[Documents]:
        """A view that is built of the newest root, and takes leave of it."""

        def compute(reader: CutReader) -> Computed[Documents]:
            root = run.population.member(key.root, reader.cut)
            with run.context.activated():
                if root is None:
                    return self._take_leave(key, run)
                reader.given[root.path] = root
                with reading_through(reader):
                    return self._computed(self._build(root), key, run)

        return LiveView(key, compute, run.publisher)

    def _computed(self, view: ViewModel, key: ViewKey, run: Run) -> Computed[Documents]:
        try:
            documents = render(view, key, run.context.datastore.codec)
            adopted = documents.keys() if view.adopts() else ()
            return Documents(documents, adopted).computed()
        except Incomplete as incomplete:
            incomplete.places = _places_of(view)
            raise
        except BaseException as error:
            wanted = _places_of(view)
            if wanted is None:
                raise
            return Computed(places=wanted, error=as_exception(error, str(key)))

    def _take_leave(self, key: ViewKey, run: Run) -> Computed[Documents]:
        choice = self._view_cls.on_delete()
        if choice == "delete":
            return Documents().computed(gone=True)
        if not callable(choice):
            return Documents(dict.fromkeys(run.publisher.owned(key))).computed(gone=True)
        documents: dict[str, Any] = {}
        # Where another process has taken leave already, what is stored is what it left.
        for place, stored in run.publisher.stored(key).items():
            left = choice(stored.to_dict())
            if left is not None:
                documents[place] = run.context.datastore.codec.encode(left, where=place)
        return Documents(documents).computed(gone=True)


@dataclass(frozen=True, slots=True)
class HandledDocuments(Documents):
    """The documents that handlers have published.

    :param snapshot: what they were told of; ``None`` if the document is gone.
    """

    snapshot: Snapshot | None = None


class DocumentHandler:
    """Calls the handlers of a protocol, and keeps the views that they publish.

    :raises ConfigurationError: the protocol has a handler that is never called, or cannot be.
    """

    def __init__(self, mediator: PopulatedMediator, protocol: type[ProtocolBase]) -> None:
        _check_handlers(protocol)
        self._mediator = mediator
        self._protocol = protocol

    def live_view(self, key: ViewKey, run: Run) -> LiveView[HandledDocuments]:
        """A view that calls the handler which the document's newest state asks for."""
        handled: Snapshot | None = None

        def compute(reader: CutReader) -> Computed[HandledDocuments]:
            snapshot = run.population.member(key.root, reader.cut)
            owned = run.publisher.owned(key)
            if snapshot is None and handled is None and not owned:
                return HandledDocuments().computed(gone=True)
            with run.context.activated(), _collect() as views:
                self._call(handled, snapshot, key, run)
                documents = self._documents(views, owned, key, run, snapshot)
            return documents.computed(gone=snapshot is None)

        def keep_progress(published: HandledDocuments | None) -> None:
            nonlocal handled
            if published is not None:
                handled = published.snapshot

        return LiveView(key, compute, run.publisher, on_published=keep_progress)

    def _call(
        self, handled: Snapshot | None, snapshot: Snapshot | None, key: ViewKey, run: Run
    ) -> None:
        if snapshot is None:
            last = handled or run.context.datastore.codec.missing(key.root)
            self._hand(self._protocol.on_delete, last)
        elif handled is None:
            self._hand(self._protocol.on_create, snapshot)
        elif handled.update_time_ns != snapshot.update_time_ns:
            self._hand(self._protocol.on_update, snapshot)

    def _hand(self, handler: Callable[[Snapshot, Any], object], snapshot: Snapshot) -> None:
        require_result(handler(snapshot, self._mediator), handler.__qualname__)

    def _documents(
        self,
        views: list[ViewModel],
        owned: frozenset[str],
        key: ViewKey,
        run: Run,
        snapshot: Snapshot | None,
    ) -> HandledDocuments:
        # What earlier handlers published stays until the document goes.
        documents: dict[str, Any] = {} if snapshot is None else dict.fromkeys(owned)
        adopted: set[str] = set()
        for view in views:
            rendered = render(view, key, run.context.datastore.codec)
            documents |= rendered
            adopted |= set(rendered) if view.adopts() else set()
        return HandledDocuments(documents, adopted, snapshot)


def keeper_of(
    mediator: PopulatedMediator,
    view_cls: type[ViewModel] | None,
    protocol: type[ProtocolBase] | None,
) -> Keeper:
    """What keeps the views of a mediator that is given either a view or a protocol.

    :raises ConfigurationError: it is given neither, or both; or the view cannot be kept.
    """
    if view_cls is not None and protocol is None:
        return ViewKeeper(view_cls)
    if protocol is not None and view_cls is None:
        return DocumentHandler(mediator, protocol)
    raise ConfigurationError(
        f"{type(mediator).__name__} needs either view_model_cls or a Protocol class of its own, "
        "and not both"
    )


def _check_handlers(protocol: type[ProtocolBase]) -> None:
    for name in dir(protocol):
        if not name.startswith("on_"):
            continue
        where = f"{protocol.__qualname__}.{name}"
        if name not in _HANDLERS:
            raise ConfigurationError(
                f"{where} is never called{nearest(name, _HANDLERS)}; there are "
                f"{', '.join(_HANDLERS)}"
            )
        require_plain(getattr(protocol, name), where)
        wrong = misfit(getattr(protocol, name), "snapshot", "mediator")
        if wrong is not None:
            raise ConfigurationError(f"{where}: {wrong}; is it a @staticmethod?")


def _places_of(view: ViewModel) -> list[str] | None:
    """Where a view that cannot be computed wants to be kept, if at least that can be told."""
    try:
        return view.wanted_places()
    except BaseException as error:
        logger.debug("the places of a %s are not known: %s", type(view).__name__, error)
        return None


@contextmanager
def _collect() -> Iterator[list[ViewModel]]:
    views: list[ViewModel] = []
    token = _collected.set(views)
    try:
        with reading_through(None):
            yield views
    finally:
        _collected.reset(token)
