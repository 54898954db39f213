"""The mediator with an inbox: each document that its queue finds is a command to it."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import ExitStack
from typing import Any

from werkzeug.exceptions import HTTPException

from flask_boiler.context.context import ApplicationContext
from flask_boiler.engine.engine import Engine
from flask_boiler.engine.view_key import Parked, ViewKey
from flask_boiler.errors import BoilerError, ConfigurationError
from flask_boiler.ground.callbacks import misfit, require_plain
from flask_boiler.view.inbox.delivery import answer_of, deliver
from flask_boiler.view.inbox.handling import Commands, Handling, Statistics
from flask_boiler.view.inbox.records import parked_tasks_in
from flask_boiler.view.inbox.task_processor import TaskProcessor
from flask_boiler.view.inbox.worker import Worker
from flask_boiler.view.mediation.inbox import Inbox, ParkedTask, Result
from flask_boiler.view.mediation.live import live_views
from flask_boiler.view.mediation.mediator import MediatorBase

__all__ = ["InboxMediator", "require_authorize"]


class InboxMediator(MediatorBase):
    """A mediator that applies documents, each of which is a command, exactly once.

    All that is done for one (its effect, its mark, the record that it is parked) is the same for
    tasks, forms and patches; ``_commands`` says how they differ.
    """

    #: What works off the queue, while the mediator runs.
    _worker: Worker | None = None

    @property
    @abstractmethod
    def _commands(self) -> Commands:
        """The commands of the mediator.

        :raises ConfigurationError: it has none.
        """

    def _begin(self, ends: ExitStack) -> None:
        for view_cls in self.view_classes:
            view_cls.require_free_places()
        context = self._context()
        live = live_views(context)
        engine, recorder = live.engine, live.recorder
        worker = self._new_worker(context, engine)
        try:
            engine.add(worker.live_view(self._queue_key))
        except BoilerError as error:
            raise ConfigurationError(
                f"two mediators are called {self.name!r}: give one of them a name= of its own"
            ) from error
        ends.callback(engine.discard, self._queue_key)
        # What is parked of an inbox has records of its own.
        recorder.begin(self.name, lambda subject: False)
        ends.callback(worker.stop)
        ends.callback(recorder.end, self.name)
        worker.start()
        self._worker = worker
        # It keeps all that the engine does, such as the documents of the newest cut.
        ends.callback(self._forget_worker)

    def apply(self, path: str) -> Result:
        """Apply the document at a path, and before it the earlier ones of its key.

        What a trigger calls; needs no ``start``. It may be called for documents that are no
        commands, or none any more, and any number of times.

        :raises UnavailableError: Firestore could not be reached; try again later.
        """
        return self._processor(self._context()).apply_in_order(path)

    def cloud_event(self, event: Any) -> None:
        """Apply the document that a Firestore trigger tells of; a target for functions-framework.

        ::

            @functions_framework.cloud_event
            def on_transfer(event):
                mediator.cloud_event(event)

        Returns when the commit is made, or there is nothing to do.

        :param event: a CloudEvent, with ``get_attributes()`` and ``get_data()``.
        :raises HTTPException: of werkzeug: 4xx if it can never succeed, the document being parked
            then; 503 if it should come again. Flask answers it with a problem document.
        """
        context = self._context()
        try:
            with context.activated():
                deliver(event.get_attributes(), event.get_data(), [self], context)
        except HTTPException as problem:
            problem.response = answer_of(problem)
            raise

    @property
    def inbox(self) -> Inbox | None:
        """The queue: each of its documents is a command."""
        return self

    @property
    def statistics(self) -> Statistics:
        """What this process has done, since the mediator was made."""
        return self._commands.statistics

    @property
    def done(self) -> int:
        """The number of commands that this process has done, since the mediator was made."""
        return self.statistics.done

    def may_hold(self, path: str) -> bool:
        """Whether a document at this path can be one of the commands."""
        return self._handling(self._context()).queue.may_hold(path)

    @property
    def parked_tasks(self) -> list[ParkedTask]:
        """The documents that are set aside, wherever that was done; read from Firestore."""
        found = parked_tasks_in(self._context().datastore, self.name)
        return sorted(found, key=lambda task: task.since)

    @property
    def parked(self) -> list[Parked]:
        """The parked documents as ``boiler.parked`` lists them."""
        return [task.as_parked() for task in self.parked_tasks]

    @property
    def parked_as_heard(self) -> list[Parked] | None:
        """The parked documents that the running mediator has heard of, so that nothing is read.

        ``None`` if it does not run here, or has not heard of them yet.
        """
        worker = self._worker
        if worker is None or not self.running:
            return None
        found = worker.parked
        return None if found is None else [task.as_parked() for task in found]

    def retry(self, path: str) -> bool:
        """Have a parked document tried again, and then those that waited for it.

        Where the mediator runs it does so by itself; otherwise it is done before this returns.

        :returns: whether the document was parked.
        :raises UnavailableError: Firestore could not be reached.
        """
        processor = self._processor(self._context())
        return processor.release(path) if self.running else processor.retry(path)

    def drop(self, path: str) -> bool:
        """Mark a parked document as processed, without its effect; those that waited go on.

        Whoever sent a patch or a form is told that it was given up.

        :returns: whether the document was parked.
        :raises UnavailableError: Firestore could not be reached.
        """
        processor = self._processor(self._context())
        task = processor.drop(path)
        if task is not None and not self.running:
            processor.resume(task)
        return task is not None

    @property
    def _queue_key(self) -> ViewKey:
        return ViewKey(self.name, "the queue")

    def _forget_worker(self) -> None:
        self._worker = None

    def _new_worker(self, context: ApplicationContext, engine: Engine) -> Worker:
        assert self.command_kind is not None
        return Worker(
            self._handling(context),
            self._processor(context),
            engine.feed,
            threads=self._commands.threads or context.config.compute_threads,
            kind=self.command_kind.value,
            acceptance=engine.acceptance,
            on_failure=engine.break_down,
        )

    def _handling(self, context: ApplicationContext) -> Handling:
        return Handling(self._commands, self.name, context.datastore.codec)

    def _processor(self, context: ApplicationContext) -> TaskProcessor:
        return TaskProcessor(context, self._handling(context))


def require_authorize(authorize: Any, mediator: object, *parameters: str) -> None:
    """Check that what decides who may is a function that takes what it is called with.

    :raises ConfigurationError: it is not.
    """
    where = type(mediator).__name__
    require_plain(authorize, f"authorize of {where}")
    wrong = None if authorize is None else misfit(authorize, *parameters)
    if wrong is not None:
        raise ConfigurationError(f"{where}: authorize {wrong}")
