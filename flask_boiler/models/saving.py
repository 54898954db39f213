"""Saving documents: what is written of them and of what belongs to them, in one commit."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from flask_boiler.attrs.kinds.mismatch import Mismatch
from flask_boiler.context.context import current_context
from flask_boiler.errors import ConflictError, DocumentNotFoundError, ValidationError
from flask_boiler.ground.values import Precondition, Write
from flask_boiler.models.changes import Change, changed, only, take, whole
from flask_boiler.models.collection import CollectionModel
from flask_boiler.models.link_checks import require_existing
from flask_boiler.models.nesting import with_related
from flask_boiler.transactions.transaction import Transaction

__all__ = ["baseline", "delete", "save", "update"]

#: A model, and what saving it writes.
_Saving = tuple[CollectionModel, Change | None]


def save(
    model: CollectionModel, transaction: Transaction | None, *, create: bool, force: bool
) -> None:
    """Write what is different of a document, and of the models that its nested relations hold.

    :param create: there must be no such document yet.
    :param force: even if somebody else changed the document.
    """
    own = _change(model, transaction, create=create, force=force)
    related = _related_changes(model, None, transaction, create=create, force=force)
    _commit([(model, own), *related], transaction)


def update(
    model: CollectionModel,
    names: Collection[str],
    transaction: Transaction | None,
    *,
    at: int | None,
    force: bool,
) -> None:
    """Write these attributes and undeclared fields, and what nested relations among them hold.

    :param at: the update time that the document still has to have; ``None`` for any.
    :param force: even if somebody else changed one of the related documents.
    """
    condition = Precondition(exists=True) if at is None else Precondition(update_time_ns=at)
    stored = baseline(model, transaction) or {}
    if transaction is not None and at is not None:
        transaction.require_current(model.doc_path, stored)
    own = only(model, names, stored, condition)
    _require_referred(model, own, transaction)
    related = _related_changes(model, names, transaction, create=False, force=force)
    _commit([(model, own), *related], transaction)


def delete(model: CollectionModel, transaction: Transaction | None) -> None:
    """Delete a document, whatever is stored there now."""
    _write(Write("delete", model.doc_path), transaction, lambda _: _forget_stored(model))
    if transaction is not None:
        _note_pending(model, transaction, None)


def baseline(model: CollectionModel, transaction: Transaction | None) -> Mapping[str, Any] | None:
    """The document that a write changes, as the transaction has it; ``None`` if there is none.

    What was written in the transaction before counts, though it is not committed yet.
    """
    state = model._model_state
    if transaction is not None and state.pending is not None:
        writer, stored = state.pending
        if writer is transaction:
            return stored
    return None if state.update_time_ns is None else state.stored


def _change(
    model: CollectionModel, transaction: Transaction | None, *, create: bool, force: bool
) -> Change | None:
    """The change that saving this document alone would write."""
    change = _unchecked_change(model, transaction, create=create, force=force)
    _require_referred(model, change, transaction)
    return change


def _unchecked_change(
    model: CollectionModel, transaction: Transaction | None, *, create: bool, force: bool
) -> Change | None:
    stored = baseline(model, transaction)
    if stored is None or create:
        return whole(model, Precondition(exists=False) if create else None)
    known = model._model_state.update_time_ns
    unchanged = None if force or known is None else Precondition(update_time_ns=known)
    change = changed(model, stored, unchanged)
    if change is not None and transaction is not None and not force:
        transaction.require_current(model.doc_path, stored)
    return change


def _require_referred(
    model: CollectionModel, change: Change | None, transaction: Transaction | None
) -> None:
    """Check that the documents exist whose references are written, where they have to."""
    reader = None if transaction is None else transaction.reader
    for name in () if change is None else change.written:
        attribute = model.attributes()[name]
        if attribute.options.export_enabled and not attribute.computed:
            paths = attribute.kind.required_paths(attribute.held_by(model), name)
            try:
                require_existing(paths, reader)
            except Mismatch as mismatch:
                raise ValidationError(mismatch.messages, where=model.doc_path) from mismatch


def _related_changes(
    model: CollectionModel,
    names: Iterable[str] | None,
    transaction: Transaction | None,
    *,
    create: bool,
    force: bool,
) -> list[_Saving]:
    """The changes that saving writes of the models that its nested relations hold."""
    if not model._nested:
        return []
    savings: list[_Saving] = []
    for related in with_related(model, names)[1:]:
        if not _is_deleted(related, transaction):
            new = create and baseline(related, transaction) is None
            savings.append((related, _change(related, transaction, create=new, force=force)))
    return savings


def _is_deleted(model: CollectionModel, transaction: Transaction | None) -> bool:
    state = model._model_state
    if transaction is not None and state.pending is not None:
        writer, stored = state.pending
        if writer is transaction:
            return stored is None
    return state.deleted


def _note_pending(
    model: CollectionModel, transaction: Transaction, stored: Mapping[str, Any] | None
) -> None:
    model._model_state.pending = (transaction, stored)
    transaction.identities.note_saved(model.doc_path, model, stored)


def _forget_stored(model: CollectionModel) -> None:
    state = model._model_state
    state.update_time_ns = None
    state.pending = None
    state.deleted = True


def _commit(savings: Sequence[_Saving], transaction: Transaction | None) -> None:
    """Write all of it in one commit: that of the transaction, or else now."""
    writing = [(model, change) for model, change in savings if change is not None]
    if not writing:
        return
    _require_one_of_each([model for model, _ in writing])
    if transaction is not None:
        transaction.write_all(_writes(writing))
        for model, change in writing:
            _note_pending(model, transaction, change.stored)
    elif len(writing) == 1:
        ((model, change),) = writing
        _write(change.write, None, partial(take, model, change))
    else:
        _commit_together(writing)


def _require_one_of_each(models: Sequence[CollectionModel]) -> None:
    seen: set[str] = set()
    for model in models:
        if model.doc_path in seen:
            raise ConflictError(
                f"{model.doc_path} would be written twice, from two objects that were both "
                "changed: change only one of them",
                path=model.doc_path,
            )
        seen.add(model.doc_path)


def _writes(
    writing: Sequence[tuple[CollectionModel, Change]],
) -> list[tuple[Write, Callable[[int], None]]]:
    return [(change.write, partial(take, model, change)) for model, change in writing]


def _commit_together(writing: Sequence[tuple[CollectionModel, Change]]) -> None:
    # A transaction that reads nothing: one request, and nothing beside these documents counts.
    begun = Transaction(current_context())
    paths = ", ".join(model.doc_path for model, _ in writing)
    try:
        begun.write_all(_writes(writing))
        begun.commit()
    except ConflictError as error:
        raise ConflictError(
            f"{paths} are saved together, and somebody else has changed or created one of them. "
            "Nothing was written. Get them again and repeat the change, or overwrite with "
            "force=True",
            path=error.path or None,
        ) from error


def _write(write: Write, transaction: Transaction | None, on_commit: Callable[[int], None]) -> None:
    """Write in a transaction's commit, or else now; ``on_commit`` takes the new update time."""
    if transaction is not None:
        transaction.write(write, on_commit)
        return
    try:
        result = current_context().datastore.commit([write])
    except DocumentNotFoundError as error:
        raise DocumentNotFoundError(write.path) from error
    except ConflictError as error:
        raise ConflictError(_complaint(write), path=write.path) from error
    on_commit(result.update_times_ns[0])


def _complaint(write: Write) -> str:
    if write.precondition is not None and write.precondition.exists is False:
        return (
            f"{write.path} exists already: get it, or use save() without create=True to replace it"
        )
    return (
        f"{write.path} was changed by somebody else since it was read: get it again and repeat the "
        "change, or overwrite with force=True"
    )
