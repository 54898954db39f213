"""The effects that tasks have: the application's function, a view that is stored, a form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flask_boiler.errors import BoilerError, ConfigurationError, PermissionDeniedError
from flask_boiler.firestore.codec import encoded_fields
from flask_boiler.firestore.failures import is_refusal
from flask_boiler.ground.callbacks import misfit, require_plain, require_result
from flask_boiler.ground.values import Snapshot, Write
from flask_boiler.models.query.query import Query
from flask_boiler.transactions.transaction import Transaction
from flask_boiler.view.inbox.forms import FormEffect
from flask_boiler.view.mediation.keeping.named_subjects import (
    DocumentNaming,
    is_of_one_document,
)
from flask_boiler.viewmodels.form import Form
from flask_boiler.viewmodels.view_builder import ViewBuilder, require_root_of
from flask_boiler.viewmodels.view_model import ViewModel, overrides_notify, publishes

__all__ = ["AuthorizeTask", "Effect", "OnTask", "effect_of", "is_tried_again"]

#: Has the effect of one task, through the transaction that is in force.
Effect = Callable[[Snapshot, Transaction], None]
#: The application's function: takes the task as the queried model, or as a snapshot.
OnTask = Callable[[Any, Transaction], object]
#: Whether a task may have its effect: takes the task likewise (of a form, the ``Submission``), and
#: the view that it is for, or the transaction.
AuthorizeTask = Callable[[Any, Any], object]


def effect_of(
    view_model_cls: type[ViewModel] | None,
    on_task: OnTask | None,
    query: Any,
    authorize: AuthorizeTask | None = None,
    *,
    where: str,
) -> Effect:
    """The effect of a mediator's tasks.

    :raises ConfigurationError: neither a view nor a function is given, or both; or the view is
        none, or of another model than the query's.
    """
    if (view_model_cls is None) == (on_task is None):
        raise ConfigurationError(f"{where} needs view_model_cls or on_task, but not both")
    if on_task is not None:
        require_plain(on_task, f"on_task of {where}")
        wrong = misfit(on_task, "task", "transaction")
        if wrong is not None:
            raise ConfigurationError(f"{where}: on_task {wrong}")
        return _calling(on_task, query, authorize)
    assert view_model_cls is not None
    if issubclass(view_model_cls, Form):
        return FormEffect(view_model_cls, authorize)
    return _storing(view_model_cls, query, authorize)


def _calling(on_task: OnTask, query: Any, authorize: AuthorizeTask | None) -> Effect:
    def call(task: Snapshot, transaction: Transaction) -> None:
        known = _as_queried(task, query)
        _require_allowed(authorize, known, transaction, task)
        require_result(on_task(known, transaction), "on_task")

    return call


def _as_queried(task: Snapshot, query: Any) -> Any:
    return query.model_cls.from_snapshot(task) if isinstance(query, Query) else task


def _require_allowed(
    authorize: AuthorizeTask | None, known: Any, about: Any, task: Snapshot
) -> None:
    """Ask whether a task may have its effect; nobody is told if it may not, so it is parked."""
    if authorize is not None and not require_result(authorize(known, about), "authorize"):
        raise PermissionDeniedError(f"authorize does not allow {task.path}")


def _storing(view_cls: type[ViewModel], query: Any, authorize: AuthorizeTask | None) -> Effect:
    build = _building(view_cls, query)
    view_cls.require_place()
    notifies = overrides_notify(view_cls)

    def store(task: Snapshot, transaction: Transaction) -> None:
        view = build(task)
        if authorize is not None:
            _require_allowed(authorize, _as_queried(task, query), view, task)
        fields = view.to_document()
        documents = {place: {**fields, **view.identity(place)} for place in view.places()}
        if not view.adopts():
            view.require_own(transaction.reader.documents(list(documents)).values())
        if notifies and _withholds(view, documents, transaction):
            return
        for place, document in documents.items():
            transaction.write(Write("set", place, document))

    return store


def _building(view_cls: type[ViewModel], query: Any) -> Callable[[Snapshot], ViewModel]:
    """Makes the view that a task says it is: by itself as the root, and by its attributes."""
    if is_of_one_document(view_cls):
        require_root_of(view_cls, query)
        return ViewBuilder(view_cls).build
    named = DocumentNaming.of_one_view(view_cls, query)
    return lambda task: view_cls.new(**named.values_of(task))


def _withholds(
    view: ViewModel, documents: Mapping[str, Mapping[str, Any]], transaction: Transaction
) -> bool:
    """Whether a view is new, and its ``notify`` does not publish it."""
    return _is_news(documents, transaction) and not publishes(view, but=is_tried_again)


def _is_news(documents: Mapping[str, Mapping[str, Any]], transaction: Transaction) -> bool:
    """Whether documents, by place, are not what is stored there."""
    encode = transaction.context.datastore.codec.encode
    stored = transaction.reader.documents(list(documents))
    return any(
        not stored[place].exists
        or encoded_fields(stored[place].raw) != encoded_fields(encode(document, where=place))
        for place, document in documents.items()
    )


def is_tried_again(error: BaseException) -> bool:
    """Whether an error is none of the effect's: the task is tried again when it is over."""
    # What is refused may be refused to everybody at present, and so would be what is parked.
    return isinstance(error, BoilerError) and (error.retryable or is_refusal(error))
