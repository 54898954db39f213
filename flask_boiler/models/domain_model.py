"""Domain models: documents of a collection, as objects."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from flask_boiler.attrs.kinds.mismatch import Mismatch
from flask_boiler.attrs.model_state import ModelState
from flask_boiler.attrs.relations import required_links
from flask_boiler.context.context import current_context
from flask_boiler.ground.errors import ConflictError, DocumentNotFoundError, ValidationError
from flask_boiler.ground.ports import Reader
from flask_boiler.ground.readers import DirectReader, current_reader
from flask_boiler.ground.values import HasPath, Precondition, Snapshot, Write
from flask_boiler.models import changes, nesting
from flask_boiler.models.collection import CollectionModel, Parent, new_id
from flask_boiler.transactions.running import current_transaction
from flask_boiler.transactions.transaction import Transaction, TransactionReader

if TYPE_CHECKING:
    from flask_boiler.models.query.query import Query

__all__ = ["DomainModel"]


class DomainModel(CollectionModel):
    """A document of a collection.

    ::

        class City(DomainModel):
            city_name = attrs.bproperty()
            population: Attr[int] = attrs.bproperty(default=0)

            class Meta:
                collection_name = "City"

        City.new("SF", city_name="San Francisco").save()
        city = City.get("SF")

    Classes below one live in its collection, told apart by ``obj_type``; a class with a
    ``Meta.collection_name`` of its own does not. ``Meta.parent`` names the model below whose
    documents the collection lies; then ``new``, ``get`` and ``get_query`` take the ``parent``.

    :param doc_id: the document's id; random if none is given.
    :param doc_ref: its whole path, or google's reference, instead.
    """

    def __init__(
        self,
        *,
        doc_id: str | None = None,
        doc_ref: str | HasPath | None = None,
        **fields: Any,
    ) -> None:
        parent = fields.pop("parent", None) if self._options.parent is not None else None
        if doc_id is None and doc_ref is None:
            doc_id = new_id()
        self._model_state = ModelState({}, self._path_of(doc_id, doc_ref, parent))
        self._assign_new(fields)

    @classmethod
    def new(
        cls, doc_id: str | None = None, *, doc_ref: str | HasPath | None = None, **fields: Any
    ) -> Self:
        """A new object, not stored yet, with these values and initial ones for the rest.

        :param doc_id: the document's id; random if neither it nor ``doc_ref`` is given.
        :param doc_ref: the document's whole path, or google's reference.
        :param fields: by attribute name; see :class:`~flask_boiler.Model` for undeclared
            ones. For a model with a ``Meta.parent``, ``parent`` is the document below which it
            lies.
        :raises ValidationError: an undeclared field is refused, or a computed one is given, or
            Firestore does not allow the id.
        """
        return cls(doc_id=doc_id, doc_ref=doc_ref, **fields)

    # -- reading

    @classmethod
    def get(
        cls,
        doc_id: str | None = None,
        *,
        doc_ref: str | HasPath | None = None,
        parent: Parent | None = None,
        transaction: Transaction | None = None,
    ) -> Self | None:
        """The document with this id; ``None`` if there is none.

        :param doc_ref: its whole path, or google's reference, instead of the id.
        :param parent: the document below which it lies.
        :param transaction: read through it, instead of what is in force.
        :raises UnknownModelError: it is of another class.
        """
        path = cls._path_of(doc_id, doc_ref, parent)
        reader = current_reader() if transaction is None else transaction.reader
        snapshot = _documents([path], reader)[path]
        return cls._together([snapshot], reader)[0] if snapshot.exists else None

    @classmethod
    def get_or_raise(
        cls,
        doc_id: str | None = None,
        *,
        doc_ref: str | HasPath | None = None,
        parent: Parent | None = None,
        transaction: Transaction | None = None,
    ) -> Self:
        """As ``get``, but there is such a document.

        :raises DocumentNotFoundError: there is none.
        """
        found = cls.get(doc_id, doc_ref=doc_ref, parent=parent, transaction=transaction)
        if found is None:
            raise DocumentNotFoundError(cls._path_of(doc_id, doc_ref, parent))
        return found

    @classmethod
    def get_query(cls, *, parent: Parent | None = None) -> Query[Self]:
        """All documents of this class and those below it, as a query.

        :param parent: only those below this document.
        """
        from flask_boiler.models.query.query import Query

        return Query(cls, cls._query_spec(parent))

    @classmethod
    def all(cls, *, parent: Parent | None = None) -> Query[Self]:
        """The same as ``get_query``: iterating it streams every document."""
        return cls.get_query(parent=parent)

    @classmethod
    def where(cls, *conditions: Any, **equals: Any) -> Query[Self]:
        """The documents that fulfil all of this.

        ::

            City.where(City.population > 1_000_000, country="USA")

        :raises QueryError: Firestore cannot express it.
        """
        return cls.get_query().where(*conditions, **equals)

    @classmethod
    def from_snapshot(cls, snapshot: Any) -> Self:
        """The object of a snapshot, ours or google's, of the class that its ``obj_type`` names.

        Nested relations are loaded through what is in force, or else as of the snapshot's time.

        :raises DocumentNotFoundError: it is the snapshot of a missing document.
        :raises UnknownModelError: the document is of no class at or below this one.
        """
        return cls._together([snapshot], current_reader())[0]

    @classmethod
    def from_snapshots(cls, snapshots: Sequence[Any]) -> list[Self]:
        """The objects of several; nested relations are loaded together, level by level.

        :raises DocumentNotFoundError: one is the snapshot of a missing document.
        :raises UnknownModelError: as for ``from_snapshot``.
        """
        return cls._together(snapshots, current_reader())

    @classmethod
    def from_dict(
        cls,
        fields: Mapping[str, Any],
        *,
        doc_id: str | None = None,
        doc_ref: str | HasPath | None = None,
        parent: Parent | None = None,
    ) -> Self:
        """A new object of a stored form, as ``to_dict`` gives it; of a subclass if it says so.

        Its place is what is given here, or what the fields say, or a new random id.

        :raises UnknownModelError: its ``obj_type`` is not of this class or one below.
        """
        instance = super().from_dict(fields)
        if doc_id is None and doc_ref is None:
            doc_id, doc_ref = fields.get("doc_id"), fields.get("doc_ref")
        if doc_id is None and doc_ref is None:
            doc_id = new_id()
        instance._model_state.path = instance._path_of(doc_id, doc_ref, parent)
        return instance

    # -- writing

    def save(
        self,
        *,
        create: bool = False,
        force: bool = False,
        transaction: Transaction | None = None,
    ) -> None:
        """Store the document.

        A new object replaces what is there. One that was read writes only what changed, and
        nothing if nothing did, provided that nobody else changed the document since.

        Values that the server computes (google's ``Increment``, ``SERVER_TIMESTAMP`` …) may be
        assigned; afterwards the attribute is read again from the database when it is next
        looked at.

        The models of nested relations are saved with it in the same way and in one commit; of
        any, nothing is written if there is nothing to write.

        :param create: there must be no such document yet; nor one of a related object that is
            new.
        :param force: write what changed even if somebody else changed the document.
        :param transaction: write in its commit, instead of the one in force.
        :raises ConflictError: a document is there already, or was changed by somebody else;
            nothing is written.
        :raises ValidationError: a value is not what its attribute declares.
        """
        transaction = transaction or current_transaction()
        own = self._change(transaction, create=create, force=force)
        related = self._related_changes(None, transaction, create=create, force=force)
        _commit([(self, own), *related], transaction)

    def update(
        self, *, force: bool = False, transaction: Transaction | None = None, **fields: Any
    ) -> None:
        """Assign these attributes and store them, and nothing else.

        Models that are given for nested relations are saved too, as ``save`` does.

        :param force: even if somebody else changed the document since it was read.
        :raises ConflictError: somebody did.
        :raises DocumentNotFoundError: there is no such document.
        :raises ValidationError: a value is not what its attribute declares.
        """
        transaction = transaction or current_transaction()
        known = self._model_state.update_time_ns
        declared = {k: v for k, v in fields.items() if k in self._attributes}
        self._take_undeclared({k: v for k, v in fields.items() if k not in declared})
        for name, value in declared.items():
            setattr(self, name, value)
        blind = force or known is None
        condition = Precondition(exists=True) if blind else Precondition(update_time_ns=known)
        if transaction is not None and not blind:
            transaction.require_current(self.doc_path, self._baseline(transaction) or {})
        own = changes.only(self, fields, self._baseline(transaction) or {}, condition)
        self._require_existing(own, transaction)
        related = self._related_changes(fields, transaction, create=False, force=force)
        _commit([(self, own), *related], transaction)

    def delete(self, *, transaction: Transaction | None = None) -> None:
        """Delete the document, whatever is stored there now; it may be gone already.

        What it refers to stays, nested or not. The object keeps its values; saving it again
        makes the document anew.
        """
        transaction = transaction or current_transaction()
        _write(Write("delete", self.doc_path), transaction, lambda _: self._forget_stored())
        if transaction is not None:
            self._note_pending(transaction, None)

    def _change(
        self, transaction: Transaction | None, *, create: bool, force: bool
    ) -> changes.Change | None:
        """What saving this document alone would write."""
        change = self._unchecked_change(transaction, create=create, force=force)
        self._require_existing(change, transaction)
        return change

    def _require_existing(
        self, change: changes.Change | None, transaction: Transaction | None
    ) -> None:
        """Check that the documents exist whose references are written, where they have to."""
        reader = None if transaction is None else transaction.reader
        for name in () if change is None else change.written:
            attribute = self._attributes[name]
            if attribute.options.export_enabled and not attribute.computed:
                links = required_links(attribute.kind, attribute.held_by(self), name)
                try:
                    nesting.require_existing(links, reader)
                except Mismatch as mismatch:
                    raise ValidationError(mismatch.messages, where=self.doc_path) from mismatch

    def _unchecked_change(
        self, transaction: Transaction | None, *, create: bool, force: bool
    ) -> changes.Change | None:
        baseline = self._baseline(transaction)
        if baseline is None or create:
            return changes.whole(self, Precondition(exists=False) if create else None)
        known = self._model_state.update_time_ns
        unchanged = None if force or known is None else Precondition(update_time_ns=known)
        change = changes.changed(self, baseline, unchanged)
        if change is not None and transaction is not None and not force:
            transaction.require_current(self.doc_path, baseline)
        return change

    def _related_changes(
        self,
        names: Iterable[str] | None,
        transaction: Transaction | None,
        *,
        create: bool,
        force: bool,
    ) -> list[_Saving]:
        """What saving writes of the models that its nested relations hold."""
        if not self._nested:
            return []
        savings: list[_Saving] = []
        for model in nesting.with_related(self, names)[1:]:
            if not model._is_deleted(transaction):
                new = create and model._baseline(transaction) is None
                savings.append((model, model._change(transaction, create=new, force=force)))
        return savings

    def _note_pending(self, transaction: Transaction, stored: Mapping[str, Any] | None) -> None:
        self._model_state.pending = (transaction, stored)
        transaction.identities.note_saved(self.doc_path, self, stored)

    def _is_deleted(self, transaction: Transaction | None) -> bool:
        state = self._model_state
        if transaction is not None and state.pending is not None:
            writer, stored = state.pending
            if writer is transaction:
                return stored is None
        return state.deleted

    def _baseline(self, transaction: Transaction | None) -> Mapping[str, Any] | None:
        """The document that a write changes, as the transaction has it; ``None`` if there is none.

        What was written in the transaction before counts, though it is not committed yet.
        """
        state = self._model_state
        if transaction is not None and state.pending is not None:
            writer, stored = state.pending
            if writer is transaction:
                return stored
        return None if state.update_time_ns is None else state.stored

    def _forget_stored(self) -> None:
        self._model_state.update_time_ns = None
        self._model_state.pending = None
        self._model_state.deleted = True

    def _reread(self) -> None:
        path = self.doc_path
        snapshot = _documents([path], current_reader())[path]
        if not snapshot.exists:
            raise DocumentNotFoundError(path)
        changes.rebase(self, snapshot)

    # -- inside

    @classmethod
    def _together(cls, snapshots: Sequence[Any], reader: Reader | None) -> list[Self]:
        """The objects of snapshots that were read together, with what they refer to."""
        models = [cls._of_snapshot(snapshot, reader) for snapshot in snapshots]
        if any(model._nested for model in models):
            nesting.join(models, max(map(_read_time_ns, snapshots)), reader)
        return models

    @classmethod
    def _of_snapshot(cls, snapshot: Any, reader: Reader | None) -> Self:
        """The object of a snapshot; in a transaction the one that is there already.

        :param reader: what it was read through.
        """
        if not isinstance(snapshot, Snapshot):
            path, fields, time_ns = _of_google(snapshot)
        else:
            path, fields, time_ns = _of_ours(snapshot)
        name = fields.get("obj_type")
        model, unknown = (
            (cls, None) if name == cls._type_name else cls._class_of_stored(fields, path)
        )
        if isinstance(reader, TransactionReader):
            return model._identical(fields, path, time_ns, unknown, reader.transaction)
        return model._of_state(ModelState(fields, path, time_ns), unknown)

    @classmethod
    def _identical(
        cls,
        fields: Mapping[str, Any],
        path: str,
        update_time_ns: int | None,
        unknown_type: Any,
        transaction: Transaction,
    ) -> Self:
        if not transaction.is_current(path, fields, update_time_ns):
            # A snapshot from before, or from elsewhere.
            return cls._of_state(ModelState(fields, path, update_time_ns), unknown_type)
        held: Self | None = transaction.identities.find(path, cls)
        if held is not None:
            known = held._model_state.update_time_ns
            if transaction.is_current(path, held._baseline(transaction), known):
                return held
        made = cls._of_state(ModelState(fields, path, update_time_ns), unknown_type)
        transaction.identities.add(path, made)
        return made

    @classmethod
    def _from_stored(cls, fields: Mapping[str, Any]) -> Self:
        instance = super()._from_stored(fields)
        # A copy inside another document still knows where the original lies.
        instance._model_state.path = str(fields.get("doc_ref", ""))
        return instance


#: A model, and what saving it writes.
_Saving = tuple[DomainModel, changes.Change | None]


def _documents(paths: Sequence[str], reader: Reader | None) -> Mapping[str, Snapshot]:
    return (reader or DirectReader(current_context().datastore)).documents(paths)


def _commit(savings: Sequence[_Saving], transaction: Transaction | None) -> None:
    """Write all of it in one commit: that of the transaction, or else now."""
    writing = [(model, change) for model, change in savings if change is not None]
    if not writing:
        return
    _require_one_of_each([model for model, _ in writing])
    if transaction is not None:
        transaction.write_all(_writes(writing))
        for model, change in writing:
            model._note_pending(transaction, change.stored)
    elif len(writing) == 1:
        ((model, change),) = writing
        _write(change.write, None, partial(changes.take, model, change))
    else:
        _commit_together(writing)


def _require_one_of_each(models: Sequence[DomainModel]) -> None:
    seen: set[str] = set()
    for model in models:
        if model.doc_path in seen:
            raise ConflictError(
                f"{model.doc_path} would be written twice, from two objects that were both changed "
                "and know nothing of each other: change one of them",
                path=model.doc_path,
            )
        seen.add(model.doc_path)


def _writes(
    writing: Sequence[tuple[DomainModel, changes.Change]],
) -> list[tuple[Write, Callable[[int], None]]]:
    return [(change.write, partial(changes.take, model, change)) for model, change in writing]


def _commit_together(writing: Sequence[tuple[DomainModel, changes.Change]]) -> None:
    # A transaction that reads nothing: one request, and nothing beside these documents counts.
    begun = Transaction(current_context())
    paths = ", ".join(model.doc_path for model, _ in writing)
    try:
        begun.write_all(_writes(writing))
        begun.commit()
    except ConflictError as error:
        raise ConflictError(
            f"one of {paths}, which are saved together, was changed or made by somebody else; "
            "nothing was written: get them again and repeat the change, or write all the same "
            "with force=True",
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
        return f"{write.path} is there already: get it, or save() without create=True to replace it"
    return (
        f"{write.path} was changed by somebody else since it was read: get it again and repeat the "
        "change, or write all the same with force=True"
    )


def _of_ours(snapshot: Snapshot) -> tuple[str, Mapping[str, Any], int | None]:
    if snapshot.raw is None:
        raise DocumentNotFoundError(snapshot.path)
    return snapshot.path, snapshot.fields, snapshot.update_time_ns


def _of_google(snapshot: Any) -> tuple[str, Mapping[str, Any], int | None]:
    """The path, the fields and the update time of google's own snapshot."""
    path = snapshot.reference.path
    if not snapshot.exists:
        raise DocumentNotFoundError(path)
    updated = snapshot.update_time
    return path, snapshot.to_dict(), None if updated is None else _nanoseconds(updated)


def _read_time_ns(snapshot: Any) -> int:
    if isinstance(snapshot, Snapshot):
        return snapshot.read_time_ns
    return 0 if snapshot.read_time is None else _nanoseconds(snapshot.read_time)


def _nanoseconds(moment: Any) -> int:
    """The nanoseconds since the epoch of google's ``DatetimeWithNanoseconds``."""
    stamp = moment.timestamp_pb()
    return int(stamp.seconds * 1_000_000_000 + stamp.nanos)
