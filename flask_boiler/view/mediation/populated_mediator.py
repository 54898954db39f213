"""What mediators have in common that keep something for each document of a population."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple

from flask_boiler.context.context import ApplicationContext, current_context
from flask_boiler.engine.engine import Engine
from flask_boiler.engine.live_view import AnyView
from flask_boiler.engine.parking.recorder import Recorder
from flask_boiler.engine.population import Population
from flask_boiler.engine.sink import Sink
from flask_boiler.engine.view_key import ViewKey
from flask_boiler.ground.callbacks import require_plain_members
from flask_boiler.ground.errors import ConfigurationError
from flask_boiler.ground.lifecycle import Startable
from flask_boiler.ground.ports import provided
from flask_boiler.ground.values import Target
from flask_boiler.view.mediation.keeping import Keeper, Run, collecting
from flask_boiler.viewmodels.view_model import ViewModel

__all__ = ["Opened", "PopulatedMediator", "keeping"]


class Opened(NamedTuple):
    """What works for a mediator between start and stop.

    :param make: makes what the engine keeps for a document of the population.
    :param sink: publishes what is computed of them.
    :param close: called at the stop, when the engine keeps none of it any more.
    """

    make: Callable[[ViewKey], AnyView]
    sink: Sink[Any]
    close: Callable[[], None] = lambda: None


class _Running(NamedTuple):
    # With the process, as a forked child has no threads of its parent's engine.
    process_id: int
    engine: Engine
    recorder: Recorder
    population: Population
    close: Callable[[], None]


class PopulatedMediator(Startable):
    """Keeps something for each document of a population, while it runs.

    :param name: what it is remembered by from one run to the next.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        require_plain_members(cls)

    def __init__(self, name: str) -> None:
        self.name = name
        self._running: _Running | None = None
        self._lock = threading.Lock()

    def start(self) -> None:
        """Begin to mediate, on the current context's engine.

        :raises ConfigurationError: it runs already, or another of its name does.
        :raises DeclarationError: a model was declared meanwhile whose documents lie at the places
            of its view.
        """
        view_cls: type[ViewModel] | None = getattr(self, "view_model_cls", None)
        if view_cls is not None:
            view_cls.require_free_places()
        context = current_context()
        live = provided("live_views")(context)
        engine: Engine = live.engine
        recorder: Recorder = live.recorder
        with self._lock:
            if self._running is not None and self._running.process_id == os.getpid():
                raise ConfigurationError(f"the mediator {self.name!r} is running already")
            population = Population(self.name, self._targets(context))
            with ExitStack() as undoing:
                # What was parked and has gone since is to be found out, as what was kept is.
                population.remembered |= recorder.begin(self.name)
                undoing.callback(recorder.end, self.name)
                opened = self._open(Run(context, engine.publisher, population), engine)
                undoing.callback(opened.close)
                engine.populate(population, opened.make, opened.sink)
                undoing.pop_all()
            self._running = _Running(os.getpid(), engine, recorder, population, opened.close)

    def stop(self) -> None:
        """Mediate no longer; what is kept stays as it is. What is in hand is finished."""
        with self._lock:
            running, self._running = self._running, None
        if running is not None and running.process_id == os.getpid():
            # What is parked then is not well because its views are kept no longer.
            running.recorder.end(self.name)
            running.engine.depopulate(running.population)
            running.close()

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
        """What the population consists of."""
        raise NotImplementedError

    def _open(self, run: Run, engine: Engine) -> Opened:
        """Set up what works from here to the stop."""
        raise NotImplementedError


def keeping(keeper: Keeper, run: Run) -> Opened:
    """What keeps views in documents, as ``keeper`` makes them."""
    return Opened(lambda key: keeper.live_view(key, run), run.publisher)
