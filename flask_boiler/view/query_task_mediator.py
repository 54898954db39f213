"""The Query+Task mediator: every document of a query's result is a task, applied once.

Read: Document -> Document. Write: Document -> Document. Exactly once: the effect of a task and
its mark are one commit, which goes through only if the task is still as it was read.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import ExitStack
from typing import Any

from werkzeug.exceptions import HTTPException

from flask_boiler.context.context import ApplicationContext
from flask_boiler.engine.engine import Engine
from flask_boiler.engine.live_view import LiveView
from flask_boiler.engine.view_key import Parked, ViewKey
from flask_boiler.errors import BoilerError, ConfigurationError
from flask_boiler.view.inbox.attempt import Handling, Statistics
from flask_boiler.view.inbox.delivery import answer_of, deliver
from flask_boiler.view.inbox.effects import OnTask, effect_of
from flask_boiler.view.inbox.forms import FormEffect, FormQuery
from flask_boiler.view.inbox.marks import MarkOption, mark_of
from flask_boiler.view.inbox.queue import TaskQueue, key_of, task_class
from flask_boiler.view.inbox.records import TaskRecords
from flask_boiler.view.inbox.task_processor import Memory, TaskProcessor
from flask_boiler.view.inbox.worker import Worker
from flask_boiler.view.mediation.inbox import CommandKind, Inbox, ParkedTask, Result
from flask_boiler.view.mediation.live import live_views
from flask_boiler.view.mediation.mediator import MediatorBase
from flask_boiler.viewmodels.form import Form
from flask_boiler.viewmodels.view_model import ViewModel, require_view_class

__all__ = ["QueryTaskMediator"]


class QueryTaskMediator(MediatorBase):
    """Applies every document of a query's result as a task, exactly once.

    ::

        def deposit(task, transaction):
            account = Account.get_or_raise(task.account)
            account.balance += task.amount
            account.save()

        boiler.add(QueryTaskMediator(query=Deposit.get_query(), on_task=deposit))

    What ``on_task`` reads and saves is part of one transaction, as in ``run_transaction``; so is
    the mark. It may run several times, so it should have no other effects. However many
    processes run the mediator, and wherever they die, one commit has the effect.

    A task that raises is parked: it is set aside with its error, and ``boiler.parked`` or
    ``flask boiler tasks list`` show it, until it is retried, dropped, or written anew.

    :param view_model_cls: a view that is built from the task's document and stored; or a
        :class:`~flask_boiler.Form`, which is filled in from it and submitted.
    :param query: a :class:`~flask_boiler.Query`, or google's own, without a limit; for a
        Form, by default all that lie where its ``Meta.form_path`` says.
    :param on_task: called instead with the task (the queried model; a snapshot for google's
        query) and the transaction.
    :param mark: how a task is marked as processed: ``"delete"``; the attributes to set with their
        values (``F(...)`` for fields that the tasks' class does not declare, and stored fields for
        google's query), after which the query should not find it any more; ``"ledger"`` or a
        :class:`Ledger`, which leave the task's document alone.
    :param key: tasks of one key are applied in the order of their creation, then of their paths:
        an attribute (as in ``mark``), or the beginning of the path, as in ``"users/{uid}"``. By
        default nothing waits for anything else.
    :param max_retries: how often a task is tried again after it lost to somebody else's commit.
    :param window: how many tasks a worker listens to at a time.
    :param threads: how many tasks this process applies at a time.
    :param locking: have the server lock what is read, instead of verifying it at the end.
    :param name: what records of its tasks are kept by; by default the name of the view or the
        function. All processes that run the mediator have to agree on it.
    :raises ConfigurationError: the parameters do not make a mediator.
    """

    def __init__(
        self,
        view_model_cls: type[ViewModel] | None = None,
        *,
        query: Any = None,
        on_task: OnTask | None = None,
        mark: MarkOption = "delete",
        key: Any = None,
        max_retries: int = 10,
        window: int = 50,
        threads: int = 1,
        locking: bool = False,
        name: str | None = None,
    ) -> None:
        self.view_model_cls = view_model_cls
        if view_model_cls is not None:
            require_view_class(view_model_cls)
        self.query = _query_of(view_model_cls) if query is None else query
        super().__init__(name or _name_of(view_model_cls or on_task or type(self)), view_model_cls)
        for option, value, least in (
            ("max_retries", max_retries, 0),
            ("window", window, 1),
            ("threads", threads, 1),
        ):
            if value < least:
                raise ConfigurationError(
                    f"the mediator {self.name!r} has {option}={value}: at least {least} is needed"
                )
        self._effect = effect_of(view_model_cls, on_task, self.query, where=type(self).__name__)
        self._mark = mark_of(mark, task_class(self.query))
        if view_model_cls is not None:
            view_model_cls.require_free_places()
        if view_model_cls is not None and issubclass(view_model_cls, Form):
            view_model_cls.require_begin()
            _require_place_of_refusals(view_model_cls, mark)
        self._key = key_of(key, self.query)
        self._max_retries = max_retries
        self._window = window
        self._threads = threads
        self._locking = locking
        #: What this process has done, since the mediator was made.
        self.statistics = Statistics()
        # By database, from one delivered task to the next.
        self._memories: defaultdict[str, Memory] = defaultdict(Memory)
        #: What works off the queue, while the mediator runs.
        self._worker: Worker | None = None

    def _begin(self, ends: ExitStack) -> None:
        if self.view_model_cls is not None:
            self.view_model_cls.require_free_places()
        context = self._context()
        live = live_views(context)
        engine, recorder = live.engine, live.recorder
        worker = self._new_worker(context, engine)
        try:
            engine.add(LiveView(self._view_key, worker.compute, worker))
        except BoilerError as error:
            raise ConfigurationError(
                f"two mediators are called {self.name!r}: give one of them a name= of its own"
            ) from error
        ends.callback(engine.discard, self._view_key)
        recorder.begin(self.name)
        ends.callback(worker.stop)
        ends.callback(recorder.end, self.name)
        worker.start()
        self._worker = worker
        # It keeps all that the engine does, such as the documents of the newest cut.
        ends.callback(self._forget_worker)

    def apply(self, path: str) -> Result:
        """Apply the task at a path, and before it the earlier ones of its key.

        What a trigger calls; needs no ``start``. It may be called for documents that are no
        tasks, or none any more, and any number of times.

        :raises UnavailableError: Firestore could not be reached; try again later.
        """
        return self._processor(self._context()).apply_in_order(path)

    def cloud_event(self, event: Any) -> None:
        """Apply the task that a Firestore trigger tells of; a target for functions-framework.

        ::

            @functions_framework.cloud_event
            def on_transfer(event):
                mediator.cloud_event(event)

        Returns when the commit is made, or there is nothing to do.

        :param event: a CloudEvent, with ``get_attributes()`` and ``get_data()``.
        :raises HTTPException: of werkzeug: 4xx if it can never succeed, the task being parked
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
    def inbox(self) -> Inbox:
        """The queue: each task is a command."""
        return self

    @property
    def command_kind(self) -> CommandKind:
        """Forms, if a Form is filled in from them, and tasks otherwise."""
        view_cls = self.view_model_cls
        is_form = view_cls is not None and issubclass(view_cls, Form)
        return CommandKind.FORM if is_form else CommandKind.TASK

    @property
    def done(self) -> int:
        """The number of tasks that this process has done, since the mediator was made."""
        return self.statistics.done

    def may_hold(self, path: str) -> bool:
        """Whether a document at this path can be one of the tasks."""
        return self._queue(self._context()).may_hold(path)

    @property
    def parked_tasks(self) -> list[ParkedTask]:
        """The tasks that are set aside, wherever that was done; read from Firestore."""
        context = self._context()
        found = self._records(context).parked(context.datastore)
        return sorted(found, key=lambda task: task.since)

    @property
    def parked(self) -> list[Parked]:
        """The parked tasks as ``boiler.parked`` lists them."""
        return [task.as_parked() for task in self.parked_tasks]

    @property
    def parked_as_heard(self) -> list[Parked] | None:
        """The parked tasks that the running mediator has heard of, so that nothing is read.

        ``None`` if it does not run here, or has not heard of them yet.
        """
        worker = self._worker
        if worker is None or not self.running:
            return None
        found = worker.parked
        return None if found is None else [task.as_parked() for task in found]

    def retry(self, path: str) -> bool:
        """Have a parked task tried again, and then those that waited for it.

        Where the mediator runs it does so by itself; otherwise it is done before this returns.

        :returns: whether the task was parked.
        :raises UnavailableError: Firestore could not be reached.
        """
        processor = self._processor(self._context())
        return processor.release(path) if self.running else processor.retry(path)

    def drop(self, path: str) -> bool:
        """Mark a parked task as processed, without its effect; those that waited for it go on.

        :returns: whether the task was parked.
        :raises UnavailableError: Firestore could not be reached.
        """
        processor = self._processor(self._context())
        task = processor.drop(path)
        if task is not None and not self.running:
            processor.resume(task)
        return task is not None

    @property
    def _view_key(self) -> ViewKey:
        return ViewKey(self.name, "the queue")

    def _forget_worker(self) -> None:
        self._worker = None

    def _new_worker(self, context: ApplicationContext, engine: Engine) -> Worker:
        return Worker(
            self._queue(context),
            self._records(context),
            self._processor(context),
            engine.feed,
            mark=self._mark,
            window=self._window,
            threads=self._threads,
            name=self.name,
            acceptance=engine.acceptance,
            on_failure=engine.break_down,
        )

    def _processor(self, context: ApplicationContext) -> TaskProcessor:
        effect = self._effect
        handling = Handling(
            self._queue(context),
            self._records(context),
            effect,
            self._mark,
            self.statistics,
            refuse=effect.refuse if isinstance(effect, FormEffect) else None,
        )
        return TaskProcessor(
            context,
            handling,
            max_retries=self._max_retries,
            locking=self._locking,
            memory=self._memories[context.datastore.database],
        )

    def _queue(self, context: ApplicationContext) -> TaskQueue:
        return TaskQueue(self.query, self._key, context.datastore.codec)

    def _records(self, context: ApplicationContext) -> TaskRecords:
        return TaskRecords(self.name, context.datastore.codec)


def _query_of(view_cls: type[ViewModel] | None) -> FormQuery:
    if view_cls is not None and issubclass(view_cls, Form):
        return FormQuery(view_cls)
    raise ConfigurationError("a QueryTaskMediator needs a query, which finds the tasks")


def _require_place_of_refusals(view_cls: type[Form], mark: MarkOption) -> None:
    if mark != "delete":
        return
    if view_cls.meta("refusal_path") in (None, view_cls.meta("form_path")):
        raise ConfigurationError(
            f"if a {view_cls.__name__} is refused, the reason would be deleted with it: give it a "
            "Meta.refusal_path, or the mediator a mark that keeps the form"
        )


def _name_of(named: Any) -> str:
    return str(getattr(named, "__name__", None) or type(named).__name__)
