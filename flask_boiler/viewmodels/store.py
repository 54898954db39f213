"""Stores: the documents that a view reads, declared as references.

A reference with a ``source`` is computed from what the store already holds; one
without is a *root*, handed in by whoever builds the view. Nothing is read before it
is asked for, and everything is read through the reader that is in force, so one
declaration serves requests, transactions and live views.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, Self, TypeVar, overload

from flask_boiler.attrs import registry
from flask_boiler.context.context import current_context
from flask_boiler.errors import (
    BoilerError,
    DeclarationError,
    MaterializationError,
    MissingIndexError,
    QueryError,
)
from flask_boiler.ground.callbacks import is_failure, misfit, require_plain, require_plain_members
from flask_boiler.ground.naming import nearest
from flask_boiler.ground.ports import Incomplete, Reader
from flask_boiler.ground.readers import DirectReader, current_reader
from flask_boiler.ground.values import HasPath, Snapshot, document_path
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.models.model import Model
from flask_boiler.models.query.query import Query
from flask_boiler.viewmodels.stored_view import StoredView

__all__ = ["ManyReference", "Reference", "SingleReference", "Store", "reference"]

logger = logging.getLogger(__name__)

M = TypeVar("M")

#: Computes what a reference points to, from the store that it belongs to.
Source = Callable[[Any], Any]


class Reference(Generic[M]):
    """A slot of a store; see :func:`reference`."""

    many: ClassVar[bool] = False

    def __init__(self, model: type[M] | str | None, source: Source | None) -> None:
        require_plain(
            source, "the source of a reference", may_yield=self.many, error=DeclarationError
        )
        if not (model is None or isinstance(model, str) or _is_model(model)):
            raise DeclarationError(
                "a reference needs a model or its name, as in reference(City), and not "
                f"{model!r:.80}"
            )
        self._model = model
        self._declared_in: type | None = None
        self.source = source
        self.name = ""
        self.owner = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name
        self.owner = owner.__name__
        self._declared_in = owner

    def check_source(self) -> None:
        """Check that the source can be called.

        :raises DeclarationError: it cannot.
        """
        wrong = None if self.source is None else misfit(self.source, "store")
        if wrong is not None:
            raise DeclarationError(f"{self.owner}.{self.name}: its source {wrong}")

    @property
    def model(self) -> type[M] | None:
        """The declared class; ``None`` takes the one that each document names.

        :raises UnknownModelError: no class has the name that was declared.
        """
        if isinstance(self._model, str):
            self._model = registry.find(self._model, near=self._declared_in)  # type: ignore[assignment]
        return self._model  # type: ignore[return-value]

    @property
    def is_root(self) -> bool:
        """Whether it is handed in rather than computed."""
        return self.source is None

    def resolve(self, pointed: Any) -> Any:
        """The models that the slot's source, or whoever fed it, points to."""
        raise NotImplementedError

    def load(self, snapshot: Snapshot) -> Any:
        """The model of a snapshot; ``None`` if there is no document."""
        model: Any = self.model or DomainModel
        return model.from_snapshot(snapshot) if snapshot.exists else None

    def path_of(self, pointed: Any) -> str:
        """The path of a document, from a path, an id, a reference or a model.

        :raises DeclarationError: it is none of these.
        """
        if isinstance(pointed, str):
            return document_path(pointed if "/" in pointed else self._path_of_id(pointed))
        if isinstance(pointed, Snapshot | HasPath):
            return document_path(pointed.path)
        if not is_named(pointed):
            raise DeclarationError(
                f"{self.owner}.{self.name} cannot be {pointed!r:.80}: expected a document id, a "
                "path, a reference, a snapshot, a model or a query"
            )
        return document_path(pointed.doc_ref)

    def _path_of_id(self, doc_id: str) -> str:
        model: Any = self.model
        if model is None or not _is_collection(model) or model.keyed_by_path():
            raise DeclarationError(
                f"{self.owner}.{self.name} does not know the collection of {doc_id!r}: give a "
                "whole path or a reference"
            )
        return f"{model.collection_path()}/{doc_id}"


class SingleReference(Reference[M]):
    """A reference to one document: its model, or ``None`` if there is no such document."""

    @overload
    def __get__(self, store: None, owner: type) -> Self: ...
    @overload
    def __get__(self, store: Store, owner: type) -> M | None: ...
    def __get__(self, store: Store | None, owner: type) -> Any:
        return self if store is None else store._value(self)

    def resolve(self, pointed: Any) -> Any:
        """The model, or ``None``; for a query, the first of its result."""
        if pointed is None or isinstance(pointed, DomainModel):
            return pointed
        if isinstance(pointed, Query):
            return next(iter(pointed.limit(1)), None)
        if _is_snapshot(pointed):
            return self.load(pointed)
        path = self.path_of(pointed)
        return self.load(_reader().documents([path])[path])


class ManyReference(Reference[M]):
    """A reference to many documents: a mapping of those that exist."""

    many = True

    @overload
    def __get__(self, store: None, owner: type) -> Self: ...
    @overload
    def __get__(self, store: Store, owner: type) -> Mapping[str, M]: ...
    def __get__(self, store: Store | None, owner: type) -> Any:
        return self if store is None else store._value(self)

    def resolve(self, pointed: Any) -> Mapping[str, Any]:
        """Models by the source's keys, or else by id or path; missing documents are left out.

        By path if they may lie in several collections: of a collection group, or of a model whose
        documents lie below others.

        :raises DeclarationError: two documents of a list have one id.
        """
        if pointed is None:
            return MappingProxyType({})
        if isinstance(pointed, Query):
            return MappingProxyType({pointed.key_of(model): model for model in pointed})
        return MappingProxyType(self._load_all(self._entries(pointed)))

    def _entries(self, pointed: Any) -> list[tuple[str | None, Any]]:
        if isinstance(pointed, Mapping):
            return list(pointed.items())
        if isinstance(pointed, str) or not isinstance(pointed, Iterable):
            raise DeclarationError(
                f"{self.owner}.{self.name} is a reference to many: its source must return a list, "
                f"a dict or a query, not {pointed!r:.80}"
            )
        return [(None, item) for item in pointed]

    def _load_all(self, entries: list[tuple[str | None, Any]]) -> dict[str, Any]:
        paths = [
            None if _is_snapshot(item) else self.path_of(item)
            for _, item in entries
            if item is not None
        ]
        found = _reader().documents([path for path in paths if path is not None])
        pointed_to = [(key, item) for key, item in entries if item is not None]
        snapshots = [
            (key, item if path is None else found[path])
            for (key, item), path in zip(pointed_to, paths, strict=True)
        ]
        existing = [(key, snapshot) for key, snapshot in snapshots if snapshot.exists]
        models = self._together([snapshot for _, snapshot in existing])
        keys = [self._key_of(snapshot) if key is None else key for key, snapshot in existing]
        self._require_distinct(keys, [snapshot for _, snapshot in existing])
        return dict(zip(keys, models, strict=True))

    def _key_of(self, snapshot: Any) -> str:
        model: Any = self.model or DomainModel
        return str(model.key_of(_path(snapshot)) if _is_collection(model) else snapshot.id)

    def _require_distinct(self, keys: list[str], snapshots: list[Any]) -> None:
        paths: dict[str, str] = {}
        for key, snapshot in zip(keys, snapshots, strict=True):
            path = _path(snapshot)
            other = paths.setdefault(key, path)
            if other != path:
                raise DeclarationError(
                    f"{self.owner}.{self.name} would have {other} and {path} under the same key "
                    f"{key!r}: have its source return a dict with different keys"
                )

    def _together(self, snapshots: list[Any]) -> list[Any]:
        model: Any = self.model or DomainModel
        if issubclass(model, DomainModel):
            return list(model.from_snapshots(snapshots))
        return [self.load(snapshot) for snapshot in snapshots]


@overload
def reference(
    model: type[M], *, many: Literal[False] = ..., source: Source | None = ...
) -> SingleReference[M]: ...
@overload
def reference(
    model: type[M], *, many: Literal[True], source: Source | None = ...
) -> ManyReference[M]: ...
@overload
def reference(
    model: str | None = ..., *, many: Literal[False] = ..., source: Source | None = ...
) -> SingleReference[Any]: ...
@overload
def reference(
    model: str | None = ..., *, many: Literal[True], source: Source | None = ...
) -> ManyReference[Any]: ...
def reference(
    model: type[Any] | str | None = None, *, many: bool = False, source: Source | None = None
) -> Any:
    """Declare a slot of a store.

    ::

        class MeetingStore(Store):
            meeting = reference(Meeting)
            users = reference(User, many=True, source=lambda store: store.meeting.users)

    :param model: the domain model (or the view, for a view's own document), or its name if it
        is declared later; ``None`` takes the class that the document's ``obj_type`` names.
    :param many: a mapping of models rather than one.
    :param source: computes a reference, a list or dict of them, or a :class:`Query`, from the
        store; of many, it may yield them. Without it the slot is a root.
    :raises DeclarationError: the source is a coroutine function, or a generator of one reference;
        or the model is none.
    """
    return (ManyReference if many else SingleReference)(model, source)


class Store:
    """The documents that one computation of a view reads; made anew for each.

    :param roots: what the roots point to: ids, paths, references, snapshots or models.
    :raises DeclarationError: there is no such root.
    """

    _references: ClassVar[Mapping[str, Reference[Any]]] = MappingProxyType({})

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        require_plain_members(cls)
        own = {k: v for k, v in vars(cls).items() if isinstance(v, Reference)}
        for slot in own.values():
            slot.check_source()
        cls._references = MappingProxyType({**cls._references, **own})

    def __init__(self, **roots: Any) -> None:
        self._fed: dict[str, Any] = {}
        self._held: dict[str, Any] = {}
        self._looking_ahead = False
        for name, pointed in roots.items():
            self.feed(name, pointed)

    @classmethod
    def references(cls) -> Mapping[str, Reference[Any]]:
        """The declared slots by name, in order."""
        return cls._references

    @classmethod
    def roots(cls) -> list[str]:
        """The names of the slots that have to be handed in."""
        return [name for name, slot in cls._references.items() if slot.is_root]

    def feed(self, name: str, pointed: Any) -> None:
        """Hand in what a slot points to; it is read when it is first asked for.

        :raises DeclarationError: the store has no such slot.
        """
        if name not in self._references:
            raise DeclarationError(self._unknown(name))
        self._fed[name] = pointed
        self._held.pop(name, None)

    def add_snapshot(self, name: str, *, dm_cls: type[Any] | None = None, snapshot: Any) -> None:
        """Hand in a snapshot for a slot; ``refresh`` makes it the slot's model.

        A store that declares no slots at all takes any name.

        :param dm_cls: the domain model, if the slot is not declared with one.
        :raises DeclarationError: the store declares slots, and none of this name.
        """
        if not self._references:
            slot: SingleReference[Any] = SingleReference(dm_cls, None)
            slot.name, slot.owner = name, type(self).__name__
            self._held[name] = slot.resolve(snapshot)
            return
        self.feed(name, snapshot)

    def refresh(self) -> None:
        """Forget what was computed from the slots; it is computed again from what they hold now."""
        self._held = {k: v for k, v in self._held.items() if k not in self._references}

    def models(self) -> list[Any]:
        """The models that were read through this store so far."""
        found: list[Any] = []
        for value in self._held.values():
            found.extend(value.values() if isinstance(value, Mapping) else [value])
        return [model for model in found if model is not None]

    if not TYPE_CHECKING:
        # Hidden from type checkers, which would no longer find misspelled slots otherwise.
        def __getattr__(self, name: str) -> Any:
            if name.startswith("_") or hasattr(type(self), name):
                # A property that raised: its error is the one to be seen, not that it is missing.
                return object.__getattribute__(self, name)
            if name in self._held:
                return self._held[name]
            raise AttributeError(self._unknown(name))

    def _unknown(self, name: str) -> str:
        known = ", ".join(self._references) or "none"
        hint = nearest(name, (*self._references, *self._held))
        return f"{type(self).__name__} has no reference {name!r}{hint} (it has: {known})"

    def _value(self, slot: Reference[Any]) -> Any:
        if slot.name not in self._held:
            try:
                self._held[slot.name] = self._read(slot)
            except Incomplete as incomplete:
                raise Incomplete(incomplete.missing | self._missing_elsewhere()) from None
        return self._held[slot.name]

    def _read(self, slot: Reference[Any]) -> Any:
        """The value of a slot: what it points to.

        Whatever else goes wrong is told with the slot's name. An AttributeError in particular must
        not come through: Python would take it for the slot's being missing.
        """
        step = "its source"
        try:
            pointed = self._pointed(slot)
            step = "reading it"
            return slot.resolve(pointed)
        except Incomplete:
            raise
        except BaseException as error:
            if not is_failure(error):
                raise
            unasked = isinstance(error, QueryError) and not isinstance(error, MissingIndexError)
            if isinstance(error, BoilerError) and not unasked:
                raise
            raise MaterializationError(
                f"{type(self).__name__}.{slot.name}: {step} raised {type(error).__name__}: {error}",
                key=type(self).__name__,
                attribute=slot.name,
            ) from error

    def _pointed(self, slot: Reference[Any]) -> Any:
        if slot.name in self._fed:
            return self._fed[slot.name]
        if slot.source is None:
            raise DeclarationError(
                f"{slot.owner}.{slot.name} has no document yet: pass it to new() or "
                "add_snapshot(), or give the reference a source"
            )
        return slot.source(self)

    def _missing_elsewhere(self) -> frozenset[Any]:
        """The targets that the other slots miss too, so that one round of reads serves them all."""
        if self._looking_ahead:
            return frozenset()
        self._looking_ahead = True
        missing: set[Any] = set()
        try:
            for name in self._references:
                try:
                    getattr(self, name)
                except Incomplete as incomplete:
                    missing |= incomplete.missing
                except Exception as error:
                    # Only a look ahead: whoever really reads the slot gets the error.
                    logger.debug("looking ahead at %s failed: %s", name, error)
        finally:
            self._looking_ahead = False
        return frozenset(missing)


def is_named(pointed: Any) -> bool:
    """Whether something says by ``doc_ref`` which document it is; it is not asked to."""
    # hasattr would take an error in a property for its being missing.
    return inspect.getattr_static(pointed, "doc_ref", None) is not None


def _is_model(model: Any) -> bool:
    return isinstance(model, type) and issubclass(model, Model)


def _is_collection(model: Any) -> bool:
    return issubclass(model, DomainModel)


def _path(snapshot: Any) -> str:
    """The path of a snapshot, ours or google's."""
    return str(snapshot.path if isinstance(snapshot, Snapshot) else snapshot.reference.path)


def _is_snapshot(pointed: Any) -> bool:
    if isinstance(pointed, Model | StoredView):
        # It may have an attribute of that name.
        return False
    return isinstance(pointed, Snapshot) or hasattr(pointed, "exists")


def _reader() -> Reader:
    return current_reader() or DirectReader(current_context().datastore)
