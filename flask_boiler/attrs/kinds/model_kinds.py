"""Kinds that lead to other models: embedded in the document, or referred to by it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from flask_boiler.attrs.kinds.plain_kinds import (
    DictKind,
    Kind,
    ListKind,
    Mismatch,
    mismatch_of,
    shown,
)
from flask_boiler.firestore.native import BaseDocumentReference
from flask_boiler.ground.errors import DeclarationError, UnknownModelError, ValidationError
from flask_boiler.ground.values import HasPath, document_path

if TYPE_CHECKING:
    from flask_boiler.models.model import Model

__all__ = ["EmbedKind", "ManyKind", "RelationKind", "google_reference", "is_document"]


class _ModelKind(Kind):
    """A kind that is about one model.

    :param model: the class; or its name, if it is declared later.
    :param owner: the class that declares the attribute, near which a name is looked up.
    """

    def __init__(self, model: type[Any] | str, owner: type | None = None) -> None:
        self._model = model
        self._owner = owner
        if isinstance(model, type):
            self._check(model)

    @property
    def model(self) -> type[Model]:
        """The class.

        :raises UnknownModelError: no class has that name.
        """
        if isinstance(self._model, str):
            from flask_boiler.attrs import registry

            self._model = registry.find(self._model, near=self._owner)
            self._check(self._model)
        return self._model

    def declare_owner(self, owner: type) -> None:
        """Look the name up near this class, unless another declared it first."""
        self._owner = self._owner or owner

    def _check(self, model: type[Any]) -> None:
        from flask_boiler.models.model import Model

        if not issubclass(model, Model):
            raise DeclarationError(f"{model.__qualname__} is no model of flask_boiler")


class EmbedKind(_ModelKind):
    """A model stored inside the document, as a map."""

    has_attributes = True

    @property
    def label(self) -> str:  # type: ignore[override]
        """The name of the class."""
        return self.model.__name__

    def load(self, stored: Any) -> Any:
        """An instance of the class that ``obj_type`` names, or of the declared one."""
        if not isinstance(stored, Mapping):
            raise Mismatch(f"expected a map for {self.label}, not {shown(stored)}")
        try:
            return self.model._from_stored(stored)
        except UnknownModelError as error:
            raise Mismatch(str(error)) from error

    def dump(self, value: Any, *, bare: bool = False) -> Any:
        """The model's own stored form."""
        if not isinstance(value, self.model):
            raise Mismatch(
                f"expected {self.label}, not {shown(value)}; from a dict, make one with "
                f"{self.label}.new(...) or {self.label}.from_dict(...)"
            )
        state = value._model_state
        if state.unknown_type is not None and not state.is_stored:
            # What is stored is read all the same; nothing of the kind is taken from outside.
            raise Mismatch({"obj_type": [f"no class is known that has {state.unknown_type!r:.60}"]})
        try:
            return value.to_view_dict() if bare else value.to_dict()
        except ValidationError as error:
            raise mismatch_of(error) from error

    def models_in(self, value: Any) -> Iterable[Any]:
        """The model itself."""
        return [value] if isinstance(value, self.model) else ()

    def same(self, value: Any, stored: Any) -> bool:
        """Whether nothing in it was changed; that does not need all of it to be valid."""
        from flask_boiler.models.changes import is_unchanged

        if isinstance(value, self.model) and value._model_state.stored is stored:
            return is_unchanged(value)
        return super().same(value, stored)

    def adopt(self, value: Any) -> Any:
        """A new instance from a dict by attribute names, which is checked like any input."""
        if not isinstance(value, Mapping):
            return value
        try:
            instance = self.model.new()
            instance.update_vals(with_dict=value)
        except ValidationError as error:
            raise mismatch_of(error) from error
        return instance

    def part(self, name: str) -> tuple[str, Kind]:
        """One of the model's attributes."""
        attribute = self.model.attributes()[name]
        return attribute.data_key, attribute.kind

    @property
    def part_names(self) -> Collection[str]:
        """The model's attributes."""
        return self.model.attributes().keys()


class RelationKind(_ModelKind):
    """A reference to another document.

    :param model: what lies there; ``None`` leaves it open.
    :param must_exist: the document has to be there when the reference is stored.
    """

    label = "a reference"

    def __init__(
        self,
        model: type[Any] | str | None,
        owner: type | None = None,
        *,
        must_exist: bool = False,
    ) -> None:
        self._open = model is None
        self.must_exist = must_exist
        super().__init__(model or "", owner)

    @property
    def has_model(self) -> bool:
        """Whether it is said what lies there, so that an id tells the rest of the path."""
        return not self._open

    def load(self, stored: Any) -> Any:
        """Google's ``DocumentReference``."""
        if not isinstance(stored, BaseDocumentReference):
            raise self.refuse(stored)
        return stored

    def dump(self, value: Any, *, bare: bool = False) -> Any:
        """The reference to a model, a reference, a path, or an id in the model's collection."""
        if isinstance(value, BaseDocumentReference):
            self.require_collection(value.path)
            return value
        return google_reference(self._path(value))

    def same(self, value: Any, stored: Any) -> bool:
        """Whether it leads to the same document, be that where it may or not."""
        if isinstance(value, BaseDocumentReference) and isinstance(stored, BaseDocumentReference):
            return bool(value.path == stored.path)
        return super().same(value, stored)

    def path_of(self, value: Any) -> str:
        """The path that a reference, a path or an id means.

        :raises Mismatch: it is none of these.
        """
        return value.path if isinstance(value, BaseDocumentReference) else self._path(value)

    def collections(self) -> list[list[str]]:
        """Where documents of the model lie: segments, ``*`` for any id; empty for anywhere."""
        return [] if self._open else list(_collections_of(self.model))

    def require_collection(self, path: str) -> None:
        """Check that documents of the model lie where a path leads; reads nothing.

        :raises Mismatch: they do not.
        """
        if self._open:
            return
        known = False
        for collection in _collections_of(self.model):
            known = True
            if _lies_in(path, collection):
                return
        if known:
            raise Mismatch(f"{path:.200} is no {self.model.__name__}.")

    def _path(self, value: Any) -> str:
        from flask_boiler.models.domain_model import DomainModel

        if isinstance(value, DomainModel):
            return self._path_of_model(value)
        try:
            if isinstance(value, str) and "/" not in value and not self._open:
                return document_path(f"{self._collection()}/{value}")
            if isinstance(value, str | HasPath):
                path = document_path(value)
                self.require_collection(path)
                return path
        except ValueError as error:
            raise Mismatch(str(error)) from error
        raise Mismatch(
            f"expected a model, a reference, a document path or an id, not {shown(value)}"
        )

    def _path_of_model(self, value: Any) -> str:
        if not self._open and not isinstance(value, self.model):
            raise Mismatch(f"expected {self.model.__name__}, not {shown(value)}")
        return str(value.doc_path)

    def _collection(self) -> str:
        return str(self.model.collection_path())  # type: ignore[attr-defined]


class ManyKind(Kind):
    """A list or a dict of one kind; the shape that is given is kept."""

    def __init__(self, of: Kind) -> None:
        self.of = of
        self._list = ListKind(of)
        self._dict = DictKind(of)

    @property
    def label(self) -> str:  # type: ignore[override]
        """Both shapes."""
        return f"a list or a dict of {self.of.label}"

    def load(self, stored: Any) -> Any:
        """A list for an array, a dict for a map."""
        return self._shape(stored).load(stored)

    def dump(self, value: Any, *, bare: bool = False) -> Any:
        """An array for a list, a map for a dict."""
        return self._shape(value).dump(value, bare=bare)

    def same(self, value: Any, stored: Any) -> bool:
        """Whether that holds for each."""
        return (self._dict if isinstance(value, Mapping) else self._list).same(value, stored)

    def adopt(self, value: Any) -> Any:
        """As the inner kind does, one by one."""
        return self._shape(value).adopt(value)

    def models_in(self, value: Any) -> Iterable[Any]:
        """Those of both shapes."""
        return (self._dict if isinstance(value, Mapping) else self._list).models_in(value)

    def declare_owner(self, owner: type) -> None:
        """Pass it on."""
        self.of.declare_owner(owner)

    def item(self) -> Kind:
        """The kind of the elements."""
        return self.of

    def part(self, name: str) -> tuple[str, Kind]:
        """The element under a key."""
        return name, self.of

    def _shape(self, value: Any) -> Kind:
        if isinstance(value, Mapping):
            return self._dict
        if isinstance(value, list | tuple):
            return self._list
        raise self.refuse(value)


def is_document(value: object) -> bool:
    """Whether a value is a model that lies at a path of its own."""
    from flask_boiler.models.model import Model

    return isinstance(value, Model) and value._is_document


def _collections_of(model: type[Any]) -> Iterator[list[str]]:
    """Where documents of a model, and of the classes below it, lie, by segments.

    Nothing if that is not known: the model is no document, say. Its own come first, and mostly do.
    """
    from flask_boiler.attrs import registry
    from flask_boiler.models.collection import CollectionModel
    from flask_boiler.models.declaration import is_framework_class

    if not issubclass(model, CollectionModel) or is_framework_class(model):
        return
    own = model.collection_segments()
    if own is not None:
        yield own
    for below in registry.descendants(model):
        segments = below.collection_segments() if issubclass(below, CollectionModel) else None
        if segments is not None:
            yield segments


def _lies_in(path: str, collection: list[str]) -> bool:
    segments = path.split("/")[:-1]
    return len(segments) == len(collection) and all(
        wanted in ("*", segment) for segment, wanted in zip(segments, collection, strict=True)
    )


def google_reference(path: str) -> Any:
    """Google's reference to a document of the current context's database."""
    from flask_boiler.context.context import current_context

    return current_context().decoder.reference(path)
