"""The Query mediator: every document of a query's result has its view, or its handler.

Read: Document -> Document. Write: Document -> Document. At least once: a change counts as
seen only after what it causes is published.
"""

from __future__ import annotations

import os
import threading
from types import TracebackType
from typing import Any, ClassVar, Self

from flask_boiler.context import ApplicationContext, current_context
from flask_boiler.engine.live_view import LiveView
from flask_boiler.engine.population import Population
from flask_boiler.engine.runtime import Engine
from flask_boiler.errors import ConfigurationError
from flask_boiler.firestore.query import targets_of
from flask_boiler.ports import provided
from flask_boiler.values import Snapshot
from flask_boiler.view.keeping import DocumentHandler, Keeper, Run, ViewKeeper, collecting
from flask_boiler.view_model import ViewModel

__all__ = ["ProtocolBase", "QueryMediator"]


class ProtocolBase:
    """What to do when a document enters a query's result, changes, or leaves it.

    Handlers run one at a time for each document, on the newest state: changes that come while
    one is running are handled once. A handler that raises parks its document, and runs again
    on the document's next change or by ``boiler.retry``. After a restart every document is
    created anew.
    """

    @staticmethod
    def on_create(snapshot: Snapshot, mediator: QueryMediator) -> None:
        """A document is there."""

    @staticmethod
    def on_update(snapshot: Snapshot, mediator: QueryMediator) -> None:
        """A document changed."""

    @staticmethod
    def on_delete(snapshot: Snapshot, mediator: QueryMediator) -> None:
        """A document left the result; ``snapshot`` is the last one that was seen.

        The views that its handlers published are removed.
        """


class QueryMediator:
    """Keeps a view for every document of a query's result.

    ::

        mediator = QueryMediator(CityView, query=City.get_query())
        with mediator:
            ...

    Or, in the second form, calls the handlers of a ``Protocol``::

        class CityFormMediator(QueryMediator):
            class Protocol(ProtocolBase):
                @staticmethod
                def on_create(snapshot, mediator):
                    form = CityForm.new(doc_id=snapshot.id)
                    form.update_vals(with_raw=snapshot.to_dict())
                    form.propagate_change()

    :param view_model_cls: the view, whose root is the document.
    :param query: a :class:`~flask_boiler.query.Query`, or google's own.
    :param name: what its views are remembered by from one run to the next; by default the
        class of the view or mediator. Two mediators of one name cannot run together.
    :raises ConfigurationError: neither a view nor a protocol is given, or both, or the view
        cannot be built from one document or has no place to be kept at.
    """

    Protocol: ClassVar[type[ProtocolBase] | None] = None

    def __init__(
        self,
        view_model_cls: type[ViewModel] | None = None,
        *,
        query: Any,
        name: str | None = None,
    ) -> None:
        if (view_model_cls is None) == (self.Protocol is None):
            raise ConfigurationError(
                f"{type(self).__name__} needs either view_model_cls or a Protocol class of its "
                "own, and not both"
            )
        self.view_model_cls = view_model_cls
        self.query = query
        self.name = name or self._default_name()
        self._keeper: Keeper = self._choose_keeper()
        # With the process, as a forked child has no threads of its parent's engine.
        self._running: tuple[int, Engine, Population] | None = None
        self._lock = threading.Lock()

    def start(self) -> None:
        """Begin to keep the views, on the current context's engine.

        :raises ConfigurationError: it runs already, or another of its name does.
        """
        context = current_context()
        engine: Engine = provided("live_views")(context).engine
        with self._lock:
            if self._running is not None and self._running[0] == os.getpid():
                raise ConfigurationError(f"the mediator {self.name!r} is running already")
            population = self._populate(context, engine)
            self._running = os.getpid(), engine, population

    def stop(self) -> None:
        """Keep the views no longer; they stay as they are. What is in hand is finished."""
        with self._lock:
            running, self._running = self._running, None
        if running is not None and running[0] == os.getpid():
            _, engine, population = running
            engine.depopulate(population)

    def notify(self, obj: ViewModel) -> None:
        """Publish a view.

        Inside a handler it becomes one of its document's views, with all that this promises
        (written if it changed, conditional, removed with the document); elsewhere it is saved.
        """
        collected = collecting()
        if collected is None:
            obj.save()
        else:
            collected.append(obj)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _default_name(self) -> str:
        return (self.view_model_cls or type(self)).__name__

    def _choose_keeper(self) -> Keeper:
        if self.view_model_cls is not None:
            return ViewKeeper(self.view_model_cls)
        assert self.Protocol is not None
        return DocumentHandler(self, self.Protocol)

    def _populate(self, context: ApplicationContext, engine: Engine) -> Population:
        population = Population(self.name, targets_of(self.query, context.datastore.codec))
        run = Run(context, engine.publisher, population)
        engine.populate(
            population,
            lambda key: LiveView(key, self._keeper.computation(key, run), engine.publisher),
        )
        return population
