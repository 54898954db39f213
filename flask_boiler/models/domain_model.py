"""Domain models: documents of a collection, as objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

from flask_boiler.attrs.model_state import ModelState
from flask_boiler.attrs.relations import NestedRelationAttr
from flask_boiler.context.context import current_context
from flask_boiler.errors import DocumentNotFoundError
from flask_boiler.ground.ports import Reader
from flask_boiler.ground.readers import DirectReader, current_reader
from flask_boiler.ground.values import HasPath, Snapshot
from flask_boiler.models import nesting, saving
from flask_boiler.models.changes import rebase
from flask_boiler.models.collection import CollectionModel, Parent, new_id
from flask_boiler.models.query.query import Query
from flask_boiler.transactions.running import current_transaction
from flask_boiler.transactions.transaction import Transaction, TransactionReader

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
        """The document with this id.

        :raises DocumentNotFoundError: there is none.
        """
        found = cls.get(doc_id, doc_ref=doc_ref, parent=parent, transaction=transaction)
        if found is None:
            raise DocumentNotFoundError(cls._path_of(doc_id, doc_ref, parent))
        return found

    @classmethod
    def get_query(cls, *, parent: Parent | None = None) -> Query[Self]:
        """The query of all documents of this class and those below it.

        :param parent: only those below this document.
        """
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
        saving.save(self, transaction or current_transaction(), create=create, force=force)

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
        known = self._model_state.update_time_ns
        declared = {k: v for k, v in fields.items() if k in self._attributes}
        self._take_undeclared({k: v for k, v in fields.items() if k not in declared})
        for name, value in declared.items():
            setattr(self, name, value)
        at = None if force else known
        saving.update(self, list(fields), transaction or current_transaction(), at=at, force=force)

    def delete(self, *, transaction: Transaction | None = None) -> None:
        """Delete the document, whatever is stored there now; it may be gone already.

        What it refers to stays, nested or not. The object keeps its values; saving it again
        makes the document anew.
        """
        saving.delete(self, transaction or current_transaction())

    def _load_related(self, attribute: NestedRelationAttr[Any]) -> None:
        nesting.resolve(self, attribute)

    def _reread(self) -> None:
        path = self.doc_path
        snapshot = _documents([path], current_reader())[path]
        if not snapshot.exists:
            raise DocumentNotFoundError(path)
        rebase(self, snapshot)

    # -- inside

    @classmethod
    def _together(cls, snapshots: Sequence[Any], reader: Reader | None) -> list[Self]:
        models = [cls._of_snapshot(snapshot, reader) for snapshot in snapshots]
        if any(model._nested for model in models):
            nesting.join(models, max(map(_read_time_ns, snapshots)), reader)
        return models

    @classmethod
    def _of_snapshot(cls, snapshot: Any, reader: Reader | None) -> Self:
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
            if transaction.is_current(path, saving.baseline(held, transaction), known):
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


def _documents(paths: Sequence[str], reader: Reader | None) -> Mapping[str, Snapshot]:
    return (reader or DirectReader(current_context().datastore)).documents(paths)


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
