"""The kind of references to other documents."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flask_boiler.attrs.attributed import AttributedDocument
from flask_boiler.attrs.kinds.mismatch import Mismatch, shown
from flask_boiler.attrs.kinds.model_kind import ModelKind
from flask_boiler.attrs.model_state import UNSET
from flask_boiler.context.context import current_context
from flask_boiler.firestore.native import BaseDocumentReference, is_transform
from flask_boiler.ground.values import HasPath, document_path

__all__ = ["RelationKind", "google_reference"]


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

    def required_paths(self, value: Any, name: str = "") -> Iterable[tuple[str, str]]:
        """The document itself, if it has to exist."""
        if not self.must_exist or value is None or value is UNSET or is_transform(value):
            return ()
        return [(name, self.path_of(value))]

    def collections(self) -> list[list[str]]:
        """The collections of the model's documents, by segments; empty for anywhere.

        ``*`` stands for any id.
        """
        return [] if self._open else list(self.model._collections())

    def require_collection(self, path: str) -> None:
        """Check that documents of the model lie where a path leads; reads nothing.

        :raises Mismatch: they do not.
        """
        if self._open:
            return
        known = False
        for collection in self.model._collections():
            known = True
            if _lies_in(path, collection):
                return
        if known:
            raise Mismatch(f"{path:.200} is no {self.model.__name__}.")

    def _path(self, value: Any) -> str:
        if isinstance(value, AttributedDocument):
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

    def _path_of_model(self, value: AttributedDocument) -> str:
        if not self._open and not isinstance(value, self.model):
            raise Mismatch(f"expected {self.model.__name__}, not {shown(value)}")
        return value.doc_path

    def _collection(self) -> str:
        model = self.model
        if not issubclass(model, AttributedDocument):
            raise Mismatch(
                f"{model.__name__} is not a model of documents, so an id is not enough: give a "
                "whole path"
            )
        return model.collection_path()


def _lies_in(path: str, collection: list[str]) -> bool:
    segments = path.split("/")[:-1]
    return len(segments) == len(collection) and all(
        wanted in ("*", segment) for segment, wanted in zip(segments, collection, strict=True)
    )


def google_reference(path: str) -> Any:
    """Google's reference to a document of the current context's database."""
    return current_context().decoder.reference(path)
