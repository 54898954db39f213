"""Objects that have attributes, as attributes and their kinds see them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from flask_boiler.attrs.kinds.kind import Kind, dotted
from flask_boiler.attrs.model_state import ModelState

__all__ = ["Attributed", "AttributedDocument", "Link"]


class Attributed:
    """An object that has attributes: a model, or a view.

    Here stands all that an attribute, its kind or the registry asks of the object and of its class.
    The models answer it.
    """

    _model_state: ModelState

    #: Whether an attribute that takes ``None`` and has no value is stored as nothing, not as null.
    _exclude_unset: ClassVar[bool] = False

    # -- the class

    @classmethod
    def meta(cls, name: str) -> Any:
        """The value of an option of ``Meta``, here or in a parent, or else its default."""
        raise NotImplementedError

    @classmethod
    def type_name(cls) -> str:
        """The ``obj_type`` that documents of exactly this class carry."""
        raise NotImplementedError

    @classmethod
    def own_type_names(cls) -> tuple[str, ...]:
        """The ``obj_type`` of exactly this class, and those that it had before it was renamed."""
        raise NotImplementedError

    @classmethod
    def _scopes(cls) -> set[type | str]:
        """The classes and collections in which its ``obj_type`` has to be unique."""
        raise NotImplementedError

    @classmethod
    def _collection_id(cls) -> str | None:
        """The name of the collection that its documents lie in, if it has any."""
        raise NotImplementedError

    @classmethod
    def _collections(cls) -> Iterable[list[str]]:
        """The collections of its documents and of those of the classes below it, by segments.

        ``*`` stands for any id. None if that is not known: the class is no document, say.
        """
        return ()

    @classmethod
    def _class_of(cls, fields: Mapping[str, Any], path: str = "") -> type[Self]:
        """The class that the ``obj_type`` of a stored form names.

        :raises UnknownModelError: it is not of this class or one below.
        """
        raise NotImplementedError

    @classmethod
    def _class_of_stored(cls, fields: Mapping[str, Any], path: str = "") -> tuple[type[Self], Any]:
        """The class that a stored form is read as, and its ``obj_type`` if nobody here knows it.

        :raises UnknownModelError: it is of a class that is known, and is not of this one.
        """
        raise NotImplementedError

    @classmethod
    def _from_stored(cls, fields: Mapping[str, Any]) -> Self:
        """The object of a stored form, also of a class that is not known here."""
        raise NotImplementedError

    @classmethod
    def _from_input(cls, values: Mapping[str, Any]) -> Self:
        """A new object with values from outside, by attribute name, which are checked.

        :raises ValidationError: one is unknown or read-only, or does not fit.
        """
        raise NotImplementedError

    @classmethod
    def _part(cls, name: str) -> tuple[str, Kind]:
        """The field name and the kind of an attribute.

        :raises KeyError: there is no such attribute.
        """
        raise NotImplementedError

    @classmethod
    def _part_names(cls) -> Collection[str]:
        """The names of the attributes."""
        raise NotImplementedError

    # -- the object

    def to_dict(self) -> dict[str, Any]:
        """The stored form, validated: field names, and what names the document and its class.

        :raises ValidationError: a value is not what its attribute declares.
        """
        raise NotImplementedError

    def to_view_dict(self) -> dict[str, Any]:
        """The attributes and extra fields by field name, validated, and nothing else.

        :raises ValidationError: a value is not what its attribute declares.
        """
        raise NotImplementedError

    def accepted(
        self,
        *,
        with_dict: Mapping[str, Any] | None = None,
        with_raw: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Values from outside as the attributes take them; nothing is assigned.

        :param with_dict: Python values by attribute name.
        :param with_raw: stored values by field name.
        :raises ValidationError: a field is unknown or read-only, or its value does not fit.
        """
        raise NotImplementedError

    def _stored_type_name(self) -> str:
        """The ``obj_type`` that it is stored with."""
        raise NotImplementedError

    def _is_unchanged(self) -> bool:
        """Whether it is still what it was made from."""
        raise NotImplementedError

    def _required_paths(self, name: str) -> Iterable[tuple[str, str]]:
        """The documents that its values refer to and that have to exist; see ``Kind``."""
        raise NotImplementedError

    def _where(self) -> str:
        """The words that messages have for the object: its path, or its class."""
        raise NotImplementedError

    def _reread(self) -> None:
        """Read what the server computed in the last write."""
        raise NotImplementedError


class AttributedDocument(Attributed):
    """An attributed object that is a document by itself, so that a relation can lead to it."""

    @classmethod
    def collection_path(cls) -> str:
        """The path of the collection that its documents lie in.

        :raises ValueError: it lies below a document that has to be named.
        """
        raise NotImplementedError

    @property
    def doc_path(self) -> str:
        """The document's path, relative to the database."""
        return self._model_state.path


@dataclass(frozen=True, slots=True)
class Link:
    """A reference in a value from outside.

    :param name: the dotted way to it.
    :param path: where it leads.
    :param target: the class that the document has to be of.
    """

    name: str
    path: str
    target: type[Attributed]

    def below(self, name: str) -> Link:
        """The link with its name below ``name``, the name of the value that has it as a part."""
        return replace(self, name=dotted(name, self.name))
