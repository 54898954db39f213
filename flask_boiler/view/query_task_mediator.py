"""The Query+Task mediator: every document of a query's result is a task, applied once.

Read: Document -> Document. Write: Document -> Document. Exactly once: the effect of a task and
its mark are one commit, which goes through only if the task is still as it was read.
"""

from __future__ import annotations

from typing import Any

from flask_boiler.errors import ConfigurationError
from flask_boiler.firestore.codec import Codec
from flask_boiler.view.inbox.effects import AuthorizeTask, OnTask, effect_of
from flask_boiler.view.inbox.forms import FormEffect
from flask_boiler.view.inbox.handling import Commands
from flask_boiler.view.inbox.inbox_mediator import InboxMediator, require_authorize
from flask_boiler.view.inbox.marks import MarkOption, mark_of
from flask_boiler.view.inbox.queue import FormQuery, TaskQueue, key_of, task_class
from flask_boiler.view.mediation.inbox import CommandKind
from flask_boiler.viewmodels.form import Form
from flask_boiler.viewmodels.view_model import ViewModel, require_view_class

__all__ = ["QueryTaskMediator"]


class QueryTaskMediator(InboxMediator):
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
    :param authorize: whether a task may have its effect; asked before it, and what it reads is part
        of the transaction. It takes the task (as ``on_task`` does), and the transaction, or the
        view that is to be stored. Of a form it takes the :class:`Submission`, and the form before
        it is filled in; whoever sent one that is not allowed is told the same as if there were
        nothing that it could be about. Nobody is told of other tasks, so these are parked.
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
        authorize: AuthorizeTask | None = None,
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
        require_authorize(authorize, self, "task", "view")
        self._authorize = authorize
        asked = authorize is not None or type(self).authorize is not QueryTaskMediator.authorize
        effect = effect_of(
            view_model_cls,
            on_task,
            self.query,
            self.authorize if asked else None,
            where=type(self).__name__,
        )
        chosen_mark = mark_of(mark, task_class(self.query))
        if view_model_cls is not None:
            view_model_cls.require_free_places()
        if view_model_cls is not None and issubclass(view_model_cls, Form):
            view_model_cls.require_begin()
            _require_place_of_refusals(view_model_cls, mark)
        chosen_key = key_of(key, self.query)

        def queue(codec: Codec) -> TaskQueue:
            return TaskQueue(self.query, chosen_key, codec, window=window)

        self._declared = Commands(
            queue,
            effect,
            chosen_mark,
            effect.sender() if isinstance(effect, FormEffect) else None,
            max_attempts=max_retries + 1,
            threads=threads,
            locking=locking,
        )

    def authorize(self, task: Any, view: Any) -> object:
        """Whether a task may have its effect; a subclass may say so here instead of by a parameter.

        :raises PermissionDeniedError: it may not, for the reason that the error tells.
        """
        return True if self._authorize is None else self._authorize(task, view)

    @property
    def command_kind(self) -> CommandKind:
        """Forms, if a Form is filled in from them, and tasks otherwise."""
        view_cls = self.view_model_cls
        is_form = view_cls is not None and issubclass(view_cls, Form)
        return CommandKind.FORM if is_form else CommandKind.TASK

    @property
    def _commands(self) -> Commands:
        return self._declared


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
