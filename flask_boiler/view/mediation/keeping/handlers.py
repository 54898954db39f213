"""Handlers: what an application does itself when a document comes, changes or goes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flask_boiler.engine.cut_reader import CutReader
from flask_boiler.engine.live_view import LiveView
from flask_boiler.engine.sink import Computed, Documents
from flask_boiler.engine.view_key import ViewKey
from flask_boiler.errors import ConfigurationError
from flask_boiler.ground.callbacks import (
    misfit,
    require_plain,
    require_plain_members,
    require_result,
)
from flask_boiler.ground.naming import nearest
from flask_boiler.ground.readers import reading_through
from flask_boiler.ground.values import Snapshot, names_document
from flask_boiler.view.mediation.keeping.keeping import Run
from flask_boiler.view.mediation.keeping.materializer import materialize
from flask_boiler.viewmodels.view_model import ViewModel

__all__ = ["HandlerKeeping", "ProtocolBase", "collecting"]

_HANDLERS = ("on_create", "on_update", "on_delete")
#: The parameter of ``on_update`` that takes the document as it was before.
_BEFORE = "before"

_collected: ContextVar[list[ViewModel] | None] = ContextVar("flask_boiler_collected", default=None)


def collecting() -> list[ViewModel] | None:
    """The list that collects the views published here; ``None`` outside a handler."""
    return _collected.get()


class ProtocolBase:
    """The handlers of a mediator, for documents that enter a query's result, change, or leave it.

    Handlers run one at a time for each document, on the newest state: changes that come while
    one is running are handled once. A handler that raises parks its document, and runs again
    on the document's next change or by ``boiler.retry``. After a restart every document is
    created anew.

    ``on_update`` may take a third parameter of the name ``before``.

    :raises DeclarationError: a handler is a coroutine function or a generator function.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        require_plain_members(cls)

    @staticmethod
    def on_create(snapshot: Snapshot, mediator: Any) -> None:
        """A document is there."""

    if TYPE_CHECKING:
        # Handlers with and without `before` are both right; only this signature lets type checkers
        # agree.
        @staticmethod
        def on_update(*args: Any, **kwargs: Any) -> None:
            """A document changed: ``on_update(snapshot, mediator)``, or with ``before``, too."""

    else:

        @staticmethod
        def on_update(snapshot: Snapshot, mediator: Any, before: Snapshot) -> None:
            """A document changed.

            A handler that takes only ``(snapshot, mediator)`` will do.

            :param before: the document as it was when a handler was last called with it and what
                that published was written. Changes in between are none of their own.
            """

    @staticmethod
    def on_delete(snapshot: Snapshot, mediator: Any) -> None:
        """A document left the result; ``snapshot`` is the last one that was seen.

        The views that its handlers published are removed.
        """


@dataclass(frozen=True, slots=True)
class HandledDocuments(Documents):
    """The documents that handlers have published.

    :param snapshot: what they were told of; ``None`` if the document is gone.
    """

    snapshot: Snapshot | None = None


class HandlerKeeping:
    """Calls the handlers of a protocol, and keeps the views that they publish.

    :raises ConfigurationError: the protocol has a handler that is never called, or cannot be.
    """

    def __init__(self, mediator: object, protocol: type[ProtocolBase]) -> None:
        _check_handlers(protocol)
        self._takes_before = _takes_before(protocol.on_update)
        self._mediator = mediator
        self._protocol = protocol

    def first_keys(self, mediator: str) -> list[ViewKey]:
        """The keys of what is kept from the start, whatever the population is: of nothing."""
        return []

    def knows(self, subject: str) -> bool:
        """Whether it is the path of a document."""
        return names_document(subject)

    def live_view(self, key: ViewKey, run: Run) -> LiveView[HandledDocuments]:
        """A view that calls the handler which the document's newest state asks for."""
        handled: Snapshot | None = None

        def compute(reader: CutReader) -> Computed[HandledDocuments]:
            snapshot = run.population.member(key.subject, reader.cut)
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
            last = handled or run.context.datastore.codec.missing(key.subject)
            self._hand(self._protocol.on_delete, last)
        elif handled is None:
            self._hand(self._protocol.on_create, snapshot)
        elif handled.update_time_ns != snapshot.update_time_ns:
            further = {_BEFORE: handled} if self._takes_before else {}
            self._hand(self._protocol.on_update, snapshot, **further)

    def _hand(
        self, handler: Callable[..., object], snapshot: Snapshot, **further: Snapshot
    ) -> None:
        require_result(handler(snapshot, self._mediator, **further), handler.__qualname__)

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
            stored = materialize(view, key, run.context.datastore.codec)
            documents |= stored
            adopted |= set(stored) if view.adopts() else set()
        return HandledDocuments(documents, adopted, snapshot)


def _check_handlers(protocol: type[ProtocolBase]) -> None:
    for name in dir(protocol):
        if not name.startswith("on_"):
            continue
        where = f"{protocol.__qualname__}.{name}"
        if name not in _HANDLERS:
            raise ConfigurationError(
                f"{where} is never called{nearest(name, _HANDLERS)}; the handlers are "
                f"{', '.join(_HANDLERS)}"
            )
        handler = getattr(protocol, name)
        require_plain(handler, where)
        if name == "on_update":
            _check_third(handler, where)
        further = [_BEFORE] if name == "on_update" and _takes_before(handler) else []
        wrong = misfit(handler, "snapshot", "mediator", named=further)
        if wrong is not None:
            raise ConfigurationError(f"{where}: {wrong}; is it a @staticmethod?")


def _takes_before(on_update: Callable[..., object]) -> bool:
    """Whether a handler asks for the document as it was before."""
    return _BEFORE in _further_parameters(on_update)


def _check_third(on_update: Callable[..., object], where: str) -> None:
    """Check that a handler asks for nothing besides that it would not be given.

    :raises ConfigurationError: it does, or seems to.
    """
    for name, parameter in _further_parameters(on_update).items():
        similar = nearest(name, [_BEFORE])
        if name != _BEFORE and (similar or parameter.default is parameter.empty):
            raise ConfigurationError(
                f"{where} has the parameter {name!r}, which is never passed{similar}; it is called "
                f"with (snapshot, mediator), or with (snapshot, mediator, {_BEFORE})"
            )


def _further_parameters(handler: Callable[..., object]) -> dict[str, inspect.Parameter]:
    """The parameters of a handler that come after the snapshot and the mediator, by name."""
    try:
        parameters = list(inspect.signature(handler).parameters.values())
    except (TypeError, ValueError):
        return {}
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    named = [p for p in parameters if p.kind is p.KEYWORD_ONLY]
    if positional and positional[0].name == "self":
        # A method, which is refused for that.
        return {}
    # In the place of another it would be given that one.
    misplaced = [p for p in positional[:2] if p.name == _BEFORE]
    return {p.name: p for p in [*misplaced, *positional[2:], *named]}


@contextmanager
def _collect() -> Iterator[list[ViewModel]]:
    views: list[ViewModel] = []
    token = _collected.set(views)
    try:
        with reading_through(None):
            yield views
    finally:
        _collected.reset(token)
