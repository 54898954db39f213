"""The slots for documents that a source names, computed from what the store already holds."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Literal, Self, TypeVar, overload

from flask_boiler.attrs import registry
from flask_boiler.context.context import current_context
from flask_boiler.errors import DeclarationError, DocumentNotFoundError
from flask_boiler.ground.callbacks import misfit, require_plain
from flask_boiler.ground.ports import Reader
from flask_boiler.ground.readers import DirectReader, current_reader
from flask_boiler.ground.values import HasPath, Snapshot, document_path
from flask_boiler.models.domain_model import DomainModel
from flask_boiler.models.model import Model
from flask_boiler.models.query.query import Query
from flask_boiler.viewmodels.slots.slot import HasSlots, Slot, require_parentheses
from flask_boiler.viewmodels.stored_view import StoredView

__all__ = [
    "ManyReference",
    "OneDocument",
    "Pointed",
    "Reference",
    "SingleReference",
    "Source",
    "reference",
]

M = TypeVar("M")
#: A model that a reference may lead to.
R = TypeVar("R", bound=Model)

#: Computes what a slot points to, from the store that it belongs to.
Source = Callable[[Any], Any]
#: A document, as the source of a slot may say which it is, other than by its model.
Pointed = StoredView | Snapshot | HasPath | str


class Reference(Slot[M]):
    """A slot that holds a document, or several; see :func:`reference`."""

    many: ClassVar[bool] = False
    #: Whether the source may be a generator function.
    _may_yield: ClassVar[bool] = False

    def __init__(self, model: type[M] | str | None, source: Source | None = None) -> None:
        super().__init__()
        require_parentheses("reference", model)
        if not (model is None or isinstance(model, str) or _is_model(model)):
            raise DeclarationError(
                "a reference needs a model or its name, as in reference(City), and not "
                f"{model!r:.80}"
            )
        self._model = model
        self.source: Source | None = None
        if source is not None:
            self._take(source)

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
        """Whether it is a document that is handed in rather than computed."""
        return self.source is None

    @property
    def from_outside(self) -> tuple[str, ...]:
        """The slot's name, and that with ``_id``."""
        return (self.name, f"{self.name}_id")

    def check(self) -> None:
        """Check that the source can be called.

        :raises DeclarationError: it cannot.
        """
        wrong = None if self.source is None else misfit(self.source, "store")
        if wrong is not None:
            raise DeclarationError(f"{self.owner}.{self.name}: its source {wrong}")

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
        if isinstance(pointed, DomainModel):
            return pointed.doc_path
        if isinstance(pointed, Snapshot | HasPath):
            return document_path(pointed.path)
        if not is_named(pointed):
            raise DeclarationError(
                f"{self.owner}.{self.name} cannot be {pointed!r:.80}: expected a document id, a "
                f"path, a reference, a snapshot, a model or a query{self._hint_at_many(pointed)}"
            )
        return document_path(pointed.doc_ref)

    def _hint_at_many(self, pointed: Any) -> str:
        several = isinstance(pointed, Collection) and type(self) is SingleReference
        return "; for several documents, give the reference many=True" if several else ""

    def part_of(self, value: Any) -> str:
        """The path of the document.

        :raises DeclarationError: it is none.
        """
        return _path(value) if _is_snapshot(value) else self.path_of(value)

    def _take(self, source: Source) -> None:
        if self.source is not None:
            raise DeclarationError(
                f"{getattr(source, '__qualname__', source)} would be the second source of one slot"
            )
        require_plain(
            source, "the source of a slot", may_yield=self._may_yield, error=DeclarationError
        )
        self.source = source

    def pointed_by(self, store: Any) -> Any:
        """What the source says of a store; of a generator, all that it yields."""
        assert self.source is not None  # whoever asks has seen that there is one
        pointed = self.source(store)
        # What goes wrong in it is to be seen here, and not where the documents are read.
        return list(pointed) if inspect.isgenerator(pointed) else pointed

    def _path_of_id(self, doc_id: str) -> str:
        model: Any = self.model
        if model is None or not _is_collection(model) or model.keyed_by_path():
            raise DeclarationError(
                f"{self.owner}.{self.name} does not know the collection of {doc_id!r}: give a "
                "whole path or a reference"
            )
        return f"{model.collection_path()}/{doc_id}"


class OneDocument(Reference[M]):
    """A reference that holds one document."""

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

    def resolve_existing(self, pointed: Any) -> Any:
        """The model, which is there, and of the declared class.

        :raises DocumentNotFoundError: there is no such document.
        :raises DeclarationError: it is a model of another class.
        """
        found = OneDocument.resolve(self, pointed)
        if found is None:
            raise DocumentNotFoundError(self.part_of(pointed))
        model = self.model
        if model is not None and not isinstance(found, model):
            raise DeclarationError(
                f"{self!r} cannot be a {type(found).__name__}: expected a {model.__name__}"
            )
        return found


class SingleReference(OneDocument[M]):
    """A reference to one document: its model, or ``None`` if there is no such document."""

    @overload
    def __get__(self, store: None, owner: type) -> Self: ...
    @overload
    def __get__(self, store: HasSlots, owner: type) -> M | None: ...
    def __get__(self, store: HasSlots | None, owner: type) -> Any:
        return self if store is None else store._value(self)

    def __call__(self, source: Callable[[Any], M | Pointed | Query[M] | None]) -> Self:
        """Take a method of the store as the source: ``@reference(City)`` above it.

        :raises DeclarationError: there is a source already.
        """
        self._take(source)
        return self


class ManyReference(Reference[M]):
    """A reference to many documents: a mapping of those that exist."""

    many = True
    _may_yield = True

    @overload
    def __get__(self, store: None, owner: type) -> Self: ...
    @overload
    def __get__(self, store: HasSlots, owner: type) -> Mapping[str, M]: ...
    def __get__(self, store: HasSlots | None, owner: type) -> Any:
        return self if store is None else store._value(self)

    def __call__(
        self,
        source: Callable[
            [Any],
            Mapping[str, M | Pointed | None] | Iterable[M | Pointed | None] | None,
        ],
    ) -> Self:
        """Take a method of the store as the source: ``@reference(User, many=True)`` above it.

        :raises DeclarationError: there is a source already.
        """
        self._take(source)
        return self

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
    model: type[R], *, many: Literal[False] = ..., source: Source | None = ...
) -> SingleReference[R]: ...
@overload
def reference(
    model: type[R], *, many: Literal[True], source: Source | None = ...
) -> ManyReference[R]: ...
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
            meeting = root(Meeting)
            users = reference(User, many=True, source=lambda store: store.meeting.users)

    :param model: the domain model (or the view, for a view's own document), or its name if it
        is declared later; ``None`` takes the class that the document's ``obj_type`` names.
    :param many: a mapping of models rather than one.
    :param source: computes a reference, a list or dict of them, or a :class:`Query`, from the
        store; of many, it may yield them. It may also be a method of the store, with
        ``@reference(…)`` above it. Without it the slot is a root that may be missing; better
        declare it by :func:`root`.
    :raises DeclarationError: the source is a coroutine function, or a generator of one reference;
        or the model is none.
    """
    return (ManyReference if many else SingleReference)(model, source)


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
