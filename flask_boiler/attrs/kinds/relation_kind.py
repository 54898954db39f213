"""The kind of references to other documents."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask_boiler.attrs.kinds.mismatch import Mismatch, shown
from flask_boiler.attrs.kinds.model_kind import ModelKind
from flask_boiler.context.context import current_context
from flask_boiler.firestore.native import BaseDocumentReference
from flask_boiler.ground.values import HasPath, document_path

__all__ = ["RelationKind", "google_reference", "is_document"]


class RelationKind(ModelKind):
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
    return current_context().decoder.reference(path)


def is_document(value: object) -> bool:
    """Whether a value is a model that lies at a path of its own."""
    from flask_boiler.models.model import Model

    return isinstance(value, Model) and value._is_document
