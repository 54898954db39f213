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
from flask_boiler.ground.values import Target, names_document
from flask_boiler.view.mediation.keeping.handlers import HandlerKeeping, ProtocolBase, collecting
from flask_boiler.view.mediation.keeping.keeping import Keeping, Run, ViewKeeping
from flask_boiler.view.mediation.keeping.named_subjects import NamedSubjects
from flask_boiler.view.mediation.keeping.subject_keeping import SubjectKeeping, has_each
from flask_boiler.view.mediation.live import live_views
from flask_boiler.view.mediation.mediator import MediatorBase
from flask_boiler.viewmodels.view_model import ViewModel

__all__ = ["Opened", "PopulatedMediator", "keeping_of", "kept_in_documents"]


class Opened(NamedTuple):
    """The work of a mediator between start and stop.

    :param make: makes what the engine keeps for a document of the population.
    :param sink: publishes what is computed of them.
    :param first: the keys of what is kept from the start, whatever the population is.
    :param close: called at the stop, when the engine keeps none of it any more.
    """

    make: Callable[[ViewKey], AnyView]
    sink: Sink[Any]
    first: Sequence[ViewKey] = ()
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
        population.remembered |= recorder.begin(self.name, self._is_view)
        with ExitStack() as undoing:
            undoing.callback(recorder.end, self.name)
            opened = self._open(Run(context, engine.publisher, population, engine.keep), engine)
            ends.callback(opened.close)
            engine.populate(population, opened.make, opened.sink)
            ends.callback(engine.depopulate, population)
            engine.keep(opened.first)
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

    def _is_view(self, subject: str) -> bool:
        """Whether something by that name may be a view of it: the path of a document."""
        return names_document(subject)

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
    named: NamedSubjects | None = None,
) -> Keeping:
    """The keeping of a mediator that is given either a view or a protocol.

    :param named: the subjects of the views, unless each document of the population is one.
    :raises ConfigurationError: it is given neither, or both; or the view cannot be kept.
    """
    if view_cls is not None and protocol is None:
        if named is None and not has_each(view_cls):
            return ViewKeeping(view_cls)
        return SubjectKeeping(view_cls, named)
    if protocol is not None and view_cls is None:
        return HandlerKeeping(mediator, protocol)
    raise ConfigurationError(
        f"{type(mediator).__name__} needs view_model_cls or its own Protocol class, but not both"
    )


def kept_in_documents(keeping: Keeping, run: Run) -> Opened:
    """The work that keeps views in documents, as ``keeping`` computes them."""
    first = keeping.first_keys(run.population.mediator)
    return Opened(lambda key: keeping.live_view(key, run), run.publisher, first)
