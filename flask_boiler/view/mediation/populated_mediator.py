"""The mediator of a population: it keeps something for each document of some queries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple

from flask_boiler.context.context import ApplicationContext
from flask_boiler.engine.engine import Engine
from flask_boiler.engine.live_view import AnyView
from flask_boiler.engine.population import Population
from flask_boiler.engine.sink import Sink
from flask_boiler.engine.view_key import ViewKey
from flask_boiler.errors import ConfigurationError
from flask_boiler.ground.values import Target
from flask_boiler.view.mediation.keeping.handlers import HandlerKeeping, ProtocolBase, collecting
from flask_boiler.view.mediation.keeping.keeping import Keeping, Run, ViewKeeping
from flask_boiler.view.mediation.live import live_views
from flask_boiler.view.mediation.mediator import MediatorBase
from flask_boiler.viewmodels.view_model import ViewModel

__all__ = ["Opened", "PopulatedMediator", "keeping_of", "kept_in_documents"]


class Opened(NamedTuple):
    """The work of a mediator between start and stop.

    :param make: makes what the engine keeps for a document of the population.
    :param sink: publishes what is computed of them.
    :param close: called at the stop, when the engine keeps none of it any more.
    """

    make: Callable[[ViewKey], AnyView]
    sink: Sink[Any]
    close: Callable[[], None] = lambda: None


class PopulatedMediator(MediatorBase):
    """A mediator that keeps something for each document of a population, while it runs."""

    @property
    def keeps_views(self) -> bool:
        """Whether it keeps views, and none of its documents is a command."""
        return self.command_kind is None

    def _begin(self, ends: ExitStack) -> None:
        for view_cls in self.view_classes:
            view_cls.require_free_places()
        context = self._context()
        live = live_views(context)
        engine, recorder = live.engine, live.recorder
        population = Population(self.name, self._targets(context))
        # What was parked and has gone since is to be found out, as what was kept is.
        population.remembered |= recorder.begin(self.name)
        with ExitStack() as undoing:
            undoing.callback(recorder.end, self.name)
            opened = self._open(Run(context, engine.publisher, population), engine)
            ends.callback(opened.close)
            engine.populate(population, opened.make, opened.sink)
            ends.callback(engine.depopulate, population)
            # First: what is parked then is not well because its views are kept no longer.
            ends.callback(recorder.end, self.name)
            undoing.pop_all()

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

    def _targets(self, context: ApplicationContext) -> Sequence[Target]:
        """The documents and queries that the population consists of."""
        raise NotImplementedError

    def _open(self, run: Run, engine: Engine) -> Opened:
        """Set up the work from the start to the stop."""
        raise NotImplementedError


def keeping_of(
    mediator: object,
    view_cls: type[ViewModel] | None,
    protocol: type[ProtocolBase] | None,
) -> Keeping:
    """The keeping of a mediator that is given either a view or a protocol.

    :raises ConfigurationError: it is given neither, or both; or the view cannot be kept.
    """
    if view_cls is not None and protocol is None:
        return ViewKeeping(view_cls)
    if protocol is not None and view_cls is None:
        return HandlerKeeping(mediator, protocol)
    raise ConfigurationError(
        f"{type(mediator).__name__} needs view_model_cls or its own Protocol class, but not both"
    )


def kept_in_documents(keeping: Keeping, run: Run) -> Opened:
    """The work that keeps views in documents, as ``keeping`` computes them."""
    return Opened(lambda key: keeping.live_view(key, run), run.publisher)
