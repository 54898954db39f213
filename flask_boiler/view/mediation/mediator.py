"""The life of a mediator, and what every mediator says of itself.

::

    declared ──start()──► running ──stop()──► stopped
                             ▲                   │
                             └──────start()──────┘

Whoever runs mediators asks each of them, and never what class it is of.
"""

from __future__ import annotations

import enum
import logging
import os
from abc import abstractmethod
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, NamedTuple, Protocol, runtime_checkable

from flask_boiler.context.context import ApplicationContext, current_context
from flask_boiler.errors import ConfigurationError
from flask_boiler.ground.callbacks import require_plain, require_plain_members
from flask_boiler.ground.lifecycle import ProcessLock, Startable, time_to_end_s
from flask_boiler.view.mediation.inbox import CommandKind, Inbox
from flask_boiler.viewmodels.view_model import ViewModel

__all__ = ["Mediator", "MediatorBase", "MediatorState", "mediator_of"]

logger = logging.getLogger(__name__)


@runtime_checkable
class Mediator(Protocol):
    """A mediator as ``boiler.add`` takes it: it can start and stop. You may write your own."""

    def start(self) -> None:
        """Begin to mediate."""
        ...

    def stop(self) -> None:
        """Finish the work that has begun, and mediate no longer."""
        ...


class MediatorState(enum.Enum):
    """The state of a mediator in this process."""

    DECLARED = "declared"
    RUNNING = "running"
    STOPPED = "stopped"


class _Running(NamedTuple):
    # With the process, as a forked child has no threads of its parent's.
    process_id: int
    ends: ExitStack


class MediatorBase(Startable):
    """A mediator with its life: it is declared, runs between start and stop, and says how it fares.

    :param name: what the mediator is called, and remembered by from one run to the next.
    :param view_cls: the class of the views that it computes, if it computes any.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        require_plain_members(cls)

    def __init__(self, name: str, view_cls: type[ViewModel] | None = None) -> None:
        self.name = name
        #: The classes of the views that it computes.
        self.view_classes: list[type[ViewModel]] = [] if view_cls is None else [view_cls]
        self._context: Callable[[], ApplicationContext] = current_context
        # An application's own mediator may end everything in its start, say.
        self._life_lock = ProcessLock()
        #: The process in which a start goes on.
        self._starting_in: int | None = None
        self._running: _Running | None = None
        self._stopped = False

    def belong_to(self, context: Callable[[], ApplicationContext]) -> None:
        """Use this application's context, wherever it is called; ``boiler.add`` does this."""
        self._context = context

    @property
    def state(self) -> MediatorState:
        """The state of the mediator in this process: declared, running or stopped."""
        running = self._running
        if running is not None and running.process_id == os.getpid():
            return MediatorState.RUNNING
        return MediatorState.STOPPED if self._stopped else MediatorState.DECLARED

    @property
    def running(self) -> bool:
        """Whether it was started in this process, and not stopped since."""
        return self.state is MediatorState.RUNNING

    @property
    def needs_stop(self) -> bool:
        """Whether a stop would end something: it runs in this process, or its start goes on."""
        return self.running or self._starting_in == os.getpid()

    @property
    def mediates(self) -> bool:
        """Whether something is computed, applied or told here when a document changes."""
        return self.running

    @property
    def keeps_views(self) -> bool:
        """Whether it keeps views in documents, so that a view of its name may be parked."""
        return False

    @property
    def inbox(self) -> Inbox | None:
        """The documents that are commands to it; ``None`` if none are."""
        return None

    @property
    def command_kind(self) -> CommandKind | None:
        """The kind of its documents, if each has an effect once; ``None`` if they have views."""
        return None

    def start(self) -> None:
        """Begin to mediate, on the engine of its application's context, or of the current one.

        :raises ConfigurationError: it runs already, or another of its name does.
        :raises DeclarationError: a model was declared meanwhile whose documents lie where it
            writes.
        """
        with self._life_lock:
            if self.running:
                raise ConfigurationError(f"the mediator {self.name!r} is running already")
            self._starting_in = os.getpid()
            try:
                with ExitStack() as ends:
                    self._begin(ends)
                    self._running = _Running(os.getpid(), ends.pop_all())
            finally:
                self._starting_in = None

    def stop(self) -> None:
        """Finish the work that has begun, and mediate no longer; does nothing if it does not run.

        What it has written stays as it is. A start that is still going on is waited for as long
        as the end may take, and is left then.
        """
        if not self._life_lock.acquire(time_to_end_s()):
            logger.warning(
                "the mediator %r is left: its start takes longer than the end may", self.name
            )
            return
        try:
            running, self._running = self._running, None
            self._stopped = True
        finally:
            self._life_lock.release()
        if running is not None and running.process_id == os.getpid():
            running.ends.close()

    @abstractmethod
    def _begin(self, ends: ExitStack) -> None:
        """Begin the work of the mediator.

        :param ends: takes what undoes it, which is called at the stop, the last one first.
        """


def mediator_of(added: Mediator) -> MediatorBase:
    """A mediator with its life; an application's own needs no more than a start and a stop.

    :raises ConfigurationError: it is not a mediator, or its class does not set it up as one.
    """
    if isinstance(added, MediatorBase):
        if "_life_lock" not in vars(added):
            name = type(added).__name__
            raise ConfigurationError(f"{name}.__init__ does not call super().__init__(): let it")
        return added
    if isinstance(added, type) or not isinstance(added, Mediator):
        said = added.__name__ if isinstance(added, type) else f"{added!r:.80}"
        raise ConfigurationError(
            f"{said} is not a mediator that can be started: expected one such as "
            "QueryMediator(CityView, query=City.get_query())"
        )
    for name in ("start", "stop"):
        require_plain(getattr(added, name), f"{type(added).__name__}.{name}")
    return _OwnMediator(added)


class _OwnMediator(MediatorBase):
    """The life of a mediator that an application wrote, of which only start and stop are known."""

    def __init__(self, mediator: Mediator) -> None:
        super().__init__(
            str(getattr(mediator, "name", "") or type(mediator).__name__),
            getattr(mediator, "view_model_cls", None),
        )
        self._mediator = mediator

    @property
    def keeps_views(self) -> bool:
        """It may."""
        return True

    def _begin(self, ends: ExitStack) -> None:
        self._mediator.start()
        ends.callback(self._mediator.stop)
