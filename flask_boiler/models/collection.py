"""The collection of a model: where its documents lie, and what they are called."""

from __future__ import annotations

import secrets
import string
from collections.abc import Collection, Iterator, Sequence
from typing import Any, ClassVar, Self, overload

from flask_boiler.attrs import registry
from flask_boiler.attrs.kinds.kind import Kind
from flask_boiler.attrs.kinds.mismatch import Mismatch, shown
from flask_boiler.attrs.kinds.relation_kind import RelationKind, google_reference
from flask_boiler.attrs.operators import FieldOperators
from flask_boiler.attrs.relations import NestingDocument
from flask_boiler.errors import DeclarationError, ValidationError
from flask_boiler.ground.naming import FRAMEWORK_PREFIX, id_fault
from flask_boiler.ground.ports import Reader
from flask_boiler.ground.values import HasPath, QuerySpec, document_path
from flask_boiler.models.declared_model import is_framework_class
from flask_boiler.models.model import Model

__all__ = ["CollectionModel", "DocumentId", "Parent", "new_id"]

_ID_ALPHABET = string.ascii_letters + string.digits
_ID_LENGTH = 20

#: What names a parent document: a model, a reference, a path, or an id.
Parent = str | HasPath | Model


class DocumentId(FieldOperators):
    """A document's id: fixed when the object is made; in queries, its name."""

    @overload
    def __get__(self, instance: None, owner: type[Any]) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type[Any] | None = None) -> str: ...
    def __get__(self, instance: Any, owner: type[Any] | None = None) -> Any:
        if instance is None:
            return self
        return instance._model_state.path.rpartition("/")[2]

    def __set__(self, instance: Any, value: str | None) -> None:
        raise AttributeError("the id of a document cannot change after the object is made")

    def _field_names(self) -> tuple[str, ...]:
        return ("__name__",)

    @property
    def stored_path(self) -> str:
        """The document's own name."""
        return "__name__"

    def _kind(self) -> Kind:
        return _NameKind(None)

    def __repr__(self) -> str:
        return "doc_id"


class _NameKind(RelationKind):
    """A document's name in a filter: an id or a path as it is, or a reference."""

    def dump(self, value: Any, *, bare: bool = False) -> Any:
        if isinstance(value, str):
            return value
        try:
            return super().dump(value)
        except Mismatch as mismatch:
            raise Mismatch(
                f"expected an id, a path, a reference or a model, not {shown(value)}"
            ) from mismatch


class CollectionModel(Model, NestingDocument):
    """A model whose instances are documents of a collection.

    Classes below one share its collection, unless they have a ``Meta.collection_name`` of their
    own. ``Meta.parent`` names the model below whose documents the collection lies.
    """

    META_OPTIONS = Model.META_OPTIONS | {"collection_name", "parent"}

    #: What was found for this class itself, and not for a parent.
    _found_collection_name: ClassVar[str]

    doc_id: DocumentId = DocumentId()

    @classmethod
    def collection_path(cls, parent: Parent | None = None) -> str:
        """The path of the collection.

        :param parent: the document below which it lies; an id is enough if ``Meta.parent`` is
            declared.
        :raises ValueError: there is a ``Meta.parent`` and no parent is given.
        """
        name = cls._collection_name()
        if parent is not None:
            return f"{cls._parent_path(parent)}/{name}"
        if cls._options.parent is not None:
            raise ValueError(
                f"documents of {cls.__name__} are below those of {cls._parent_model().__name__}: "
                "give the parent, or the whole path as doc_ref"
            )
        return name

    @classmethod
    def collection_segments(cls) -> list[str] | None:
        """The path of the collection by segments, with ``*`` for the ids of documents above.

        ``None`` while that cannot be told: an abstract class has no collection, and the model of
        ``Meta.parent`` may not be declared yet.
        """
        if cls._options.abstract or is_framework_class(cls):
            return None
        name = cls._collection_name().split("/")
        if cls._options.parent is None:
            return name
        try:
            above = cls._parent_model().collection_segments()
        except DeclarationError:
            return None
        return None if above is None else [*above, "*", *name]

    @classmethod
    def _collections(cls) -> Iterator[list[str]]:
        # Its own come first, and mostly do.
        if is_framework_class(cls):
            return
        for model in dict.fromkeys([cls, *registry.descendants(cls)]):
            segments = model.collection_segments()
            if segments is not None:
                yield segments

    @classmethod
    def type_names(cls) -> list[str] | None:
        """The ``obj_type`` of this class and all below it that share its collection.

        With the names that they had before (``Meta.was``).
        ``None`` for the first class of a collection: all documents there are its own.
        """
        if cls._collection_root() is cls:
            return None
        return [name for c in cls.collection_classes() for name in c.own_type_names()]

    @classmethod
    def type_names_having(cls, names: Collection[str]) -> list[str]:
        """The ``obj_type`` of those of these classes that have all of some attributes."""
        classes = cls.collection_classes()
        having = (c for c in classes if c.attributes().keys() >= set(names))
        return [name for c in having for name in c.own_type_names()]

    @classmethod
    def collection_classes(cls) -> list[type[Self]]:
        """This class and all below it that share its collection, but for abstract ones."""
        return [c for c in registry.descendants(cls) if cls._shares_collection(c)]

    @property
    def doc_ref(self) -> Any:
        """Google's reference to the document."""
        return google_reference(self._model_state.path)

    @classmethod
    def _path_of(
        cls, doc_id: str | None, doc_ref: str | HasPath | None, parent: Parent | None
    ) -> str:
        if doc_ref is not None:
            path = document_path(doc_ref)
            if doc_id is not None and path.rpartition("/")[2] != doc_id:
                raise ValueError(f"doc_id {doc_id!r} and doc_ref {path!r} are different documents")
            return path
        if doc_id is None:
            raise ValueError(f"no document of {cls.__name__} is named: give a doc_id or a doc_ref")
        _check_id(doc_id, cls.__name__)
        return f"{cls.collection_path(parent)}/{doc_id}"

    @classmethod
    def keyed_by_path(cls) -> bool:
        """Whether documents are told apart by their paths: they lie in many collections.

        An id is then no name: two parents may both have a document of it.
        """
        return cls._options.parent is not None

    @classmethod
    def key_of(cls, path: str) -> str:
        """The key that names the document at a path among all of the model: its id, or its path."""
        return path if cls.keyed_by_path() else path.rpartition("/")[2]

    @classmethod
    def path_of_key(cls, key: str) -> str:
        """The path of the document that ``key_of`` names so.

        :raises ValidationError: it names none, or one that no query of the model finds.
        """
        if not cls.keyed_by_path():
            return cls._path_of(key, None, None)
        segments = key.split("/") if isinstance(key, str) else []
        fits = len(segments) % 2 == 0 and segments[-2:-1] == [cls._collection_id()]
        if not fits or any(id_fault(segment) for segment in segments):
            shape = cls._collection_pattern().replace("*", "<id>")
            fault = f"{key!r:.60} is not a path of a {cls.__name__}: expected {shape}/<id>"
            raise ValidationError({"doc_id": [fault]}, where=cls.__name__)
        return key

    @classmethod
    def require_own_place(cls, path: str) -> None:
        """Check that a new document may lie at a path: below documents of the declared models.

        A query of a collection group finds others, too.

        :raises ValidationError: it is that of another collection of the same name.
        """
        known, given = cls.collection_segments(), path.split("/")[:-1]
        if known is None:
            return
        if len(known) == len(given) and all(
            k in ("*", g) for k, g in zip(known, given, strict=True)
        ):
            return
        shape = cls._collection_pattern().replace("*", "<id>")
        fault = f"{path!r:.60} is not a path for a {cls.__name__}: expected {shape}/<id>"
        raise ValidationError({"doc_id": [fault]}, where=cls.__name__)

    @classmethod
    def _query_spec(cls, parent: Parent | None) -> QuerySpec:
        if parent is None and cls._options.parent is not None:
            return QuerySpec(cls._collection_id(), all_descendants=True)
        above, _, collection = cls.collection_path(parent).rpartition("/")
        return QuerySpec(collection, above)

    @classmethod
    def _collection_name(cls) -> str:
        if cls._options.collection_name is not None:
            return cls._options.collection_name
        # Asked for each id that becomes a path; a class's parents are always the same.
        known: str | None = vars(cls).get("_found_collection_name")
        if known is None:
            known = cls._found_collection_name = cls._find_collection_name()
        return known

    @classmethod
    def _find_collection_name(cls) -> str:
        concrete = [c for c in cls._lineage() if not c._options.abstract]
        if not concrete:
            raise DeclarationError(f"{cls.__name__} is abstract, so it has no collection")
        return concrete[-1].__name__

    @classmethod
    def _collection_id(cls) -> str:
        return cls._collection_name().rpartition("/")[2]

    @classmethod
    def _collection_pattern(cls) -> str:
        if cls._options.parent is None:
            return cls._collection_name()
        above = cls._options.parent
        pattern = above if isinstance(above, str) else above._collection_pattern()
        return f"{pattern}/*/{cls._collection_name()}"

    @classmethod
    def _lineage(cls) -> list[type[CollectionModel]]:
        """The application's classes at and above this one, nearest first."""
        return [
            c for c in cls.__mro__ if issubclass(c, CollectionModel) and not is_framework_class(c)
        ]

    @classmethod
    def _collection_root(cls) -> type[CollectionModel] | None:
        sharing = [c for c in cls._lineage() if not c._options.abstract and c._shares(cls)]
        return sharing[-1] if sharing else None

    @classmethod
    def _shares(cls, other: type[CollectionModel]) -> bool:
        return cls._collection_pattern() == other._collection_pattern()

    @classmethod
    def _shares_collection(cls, other: Any) -> bool:
        return not other._options.abstract and cls._shares(other)

    @classmethod
    def _parent_model(cls) -> type[CollectionModel]:
        declared = cls._options.parent
        found = registry.find(declared, near=cls) if isinstance(declared, str) else declared
        if isinstance(found, type) and issubclass(found, CollectionModel):
            return found
        raise DeclarationError(
            f"{cls.__name__}.Meta.parent is {found!r}, which is not a model with a collection"
        )

    @classmethod
    def _parent_path(cls, parent: Parent) -> str:
        if isinstance(parent, CollectionModel):
            return parent.doc_path
        if isinstance(parent, str) and "/" not in parent and cls._options.parent is not None:
            return f"{cls._parent_model().collection_path()}/{parent}"
        if isinstance(parent, Model):
            raise ValueError(f"{parent!r} is not a document, so no collection can be below it")
        return document_path(parent)

    @classmethod
    def _scopes(cls) -> set[type | str]:
        concrete = [c for c in cls._lineage() if not c._options.abstract]
        if not concrete:
            return {cls}
        return {concrete[-1], f"{cls.__module__}: {cls._collection_pattern()}"}

    @classmethod
    def _check_declaration(cls) -> None:
        if is_framework_class(cls) or cls._options.abstract:
            return
        if isinstance(cls._options.parent, type):
            cls._parent_model()
        name = cls._collection_name()
        if not name or name.count("/") % 2 or not all(name.split("/")):
            raise DeclarationError(
                f"{cls.__qualname__}.Meta.collection_name is {name!r}, which is not a collection: "
                "expected a name, or a path with an odd number of segments"
            )
        if any(part.startswith(FRAMEWORK_PREFIX) for part in name.split("/")[::2]):
            raise DeclarationError(
                f"the collection of {cls.__qualname__} is {name!r}, and collections whose names "
                f"begin with {FRAMEWORK_PREFIX!r} are reserved for the framework: give the model "
                "another Meta.collection_name"
            )
        if "parent" in cls._attributes and cls._options.parent is not None:
            raise DeclarationError(
                f"{cls.__qualname__}.parent is the parent document, because of Meta.parent: give "
                "the attribute another name, such as parent_ = attrs.bproperty(data_key='parent')"
            )
        root = cls._collection_root()
        if "obj_type" in cls._options.exclude and root is not None and root is not cls:
            raise DeclarationError(
                f"{cls.__qualname__} shares a collection with {root.__name__}, "
                "and only obj_type tells their documents apart: do not exclude it"
            )

    @classmethod
    def _of_snapshot(cls, snapshot: Any, reader: Reader | None) -> Self:
        """The object of a snapshot; in a transaction the one that is there already.

        :param reader: what it was read through.
        """
        raise NotImplementedError

    @classmethod
    def _together(cls, snapshots: Sequence[Any], reader: Reader | None) -> Sequence[Self]:
        """The objects of snapshots that were read together, with what they refer to."""
        raise NotImplementedError

    def _identity(self) -> dict[str, Any]:
        return {**super()._identity(), "doc_id": self.doc_id, "doc_ref": self.doc_path}


def new_id() -> str:
    """A random id, as google's clients make them."""
    return "".join(secrets.choice(_ID_ALPHABET) for _ in range(_ID_LENGTH))


def _check_id(doc_id: object, model: str) -> None:
    fault = id_fault(doc_id) if isinstance(doc_id, str) else f"expected a str, not {doc_id!r:.60}"
    if fault is not None:
        raise ValidationError({"doc_id": [fault]}, where=model)
