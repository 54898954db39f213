"""The declaration of a model: its attributes, its options, its ``obj_type``."""

from __future__ import annotations

import functools
import logging
from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Self

from flask_boiler.attrs import registry
from flask_boiler.attrs.annotations import is_annotated
from flask_boiler.attrs.attribute import Attr
from flask_boiler.attrs.attributed import Attributed
from flask_boiler.attrs.kinds.kind import Kind, dotted
from flask_boiler.attrs.relations import NestedRelationAttr
from flask_boiler.errors import StoredDataError, UnknownModelError, ValidationError
from flask_boiler.models.model_options import METADATA, ModelOptions
from flask_boiler.models.schema.annotated_schema import AnnotatedSchema

__all__ = ["DeclaredModel", "is_framework_class"]

_log = logging.getLogger(__name__)


def is_framework_class(cls: type) -> bool:
    """Whether a class is part of this package, so has no documents of its own."""
    return cls.__module__.partition(".")[0] == "flask_boiler"


class DeclaredModel(Attributed):
    """A model as its class declares it, whatever its instances hold.

    What is here is known of a class alone; it is taken from the class body by
    :class:`~flask_boiler.Model`, which adds the values.
    """

    #: What ``Meta`` may say.
    META_OPTIONS: ClassVar[frozenset[str]] = frozenset(
        {"abstract", "obj_type", "case_conversion", "exclude", "exclude_unset", "extra"}
        | {"schema_cls", "was"}
    )

    _attributes: ClassVar[Mapping[str, Attr[Any]]] = MappingProxyType({})
    _nested: ClassVar[tuple[NestedRelationAttr[Any], ...]] = ()
    _declared_names: ClassVar[tuple[str, ...]] = ()
    _data_keys: ClassVar[frozenset[str]] = frozenset(METADATA)
    _meta: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    _options: ClassVar[ModelOptions] = ModelOptions(abstract=True)
    _type_name: ClassVar[str] = ""

    @classmethod
    def attributes(cls) -> Mapping[str, Attr[Any]]:
        """The attributes by name: the parents' first, in the order of their declaration."""
        return cls._attributes

    @classmethod
    def meta(cls, name: str) -> Any:
        """The value that ``Meta`` gives an option here or in a parent, or else its default."""
        return cls._meta.get(name, getattr(cls._options, name, None))

    @classmethod
    def schema(cls, **options: Any) -> AnnotatedSchema:
        """A marshmallow schema that loads and dumps the attributes, by their field names."""
        raise NotImplementedError

    @classmethod
    def new(cls, *args: Any, **kwargs: Any) -> Self:
        """A new object with these values: ``new(**fields)``."""
        raise NotImplementedError

    # -- the obj_type

    @classmethod
    def type_name(cls) -> str:
        """The ``obj_type`` that documents of exactly this class carry."""
        return cls._type_name

    @classmethod
    def own_type_names(cls) -> tuple[str, ...]:
        """The ``obj_type`` of exactly this class, and those that it had before it was renamed."""
        return (cls._type_name, *cls._options.was)

    @classmethod
    def _class_of(cls, fields: Mapping[str, Any], path: str = "") -> type[Self]:
        name = fields.get("obj_type")
        if name is None or name == cls._type_name or "obj_type" in cls._options.exclude:
            return cls
        if not isinstance(name, str):
            kind = StoredDataError if path else ValidationError
            raise kind({"obj_type": [f"expected a str, not {name!r:.60}"]}, where=path)
        collection = path.split("/")[-2] if path else None
        return registry.resolve(cls, name, where=path, collection=collection)

    @classmethod
    def _class_of_stored(cls, fields: Mapping[str, Any], path: str = "") -> tuple[type[Self], Any]:
        # What a newer version of the application has stored is read as far as this one can.
        try:
            return cls._class_of(fields, path), None
        except (UnknownModelError, ValidationError):
            name = fields["obj_type"]
            if is_framework_class(cls) or cls._options.abstract:
                raise
            collection = path.split("/")[-2] if path else None
            if isinstance(name, str) and registry.is_known(name, collection=collection):
                raise
        _report_unknown(path or "what is embedded", str(name), cls.__qualname__)
        return cls, name

    @classmethod
    def _scopes(cls) -> set[type | str]:
        # See the registry.
        own = [c for c in cls.__mro__ if issubclass(c, DeclaredModel) and not is_framework_class(c)]
        return {own[-1]}

    @classmethod
    def _collection_id(cls) -> str | None:
        return None

    # -- fields

    @classmethod
    def _part(cls, name: str) -> tuple[str, Kind]:
        attribute = cls._attributes[name]
        return attribute.data_key, attribute.kind

    @classmethod
    def _part_names(cls) -> Collection[str]:
        return cls._attributes.keys()

    @classmethod
    def _by_field(cls) -> dict[str, Attr[Any]]:
        return {attribute.data_key: attribute for attribute in cls._attributes.values()}

    @classmethod
    def _takes_undeclared(cls) -> bool:
        """Whether code may give a new object fields that are not declared."""
        if cls._options.extra is not None:
            return cls._options.extra == "keep"
        return not any(attribute.has_declared_type for attribute in cls._attributes.values())

    @classmethod
    def _is_bare(cls, name: str) -> bool:
        """Whether it is annotated, and so meant to be an attribute, but is none."""
        return cls._options.extra is None and is_annotated(cls, name)

    def _required_paths(self, name: str) -> Iterable[tuple[str, str]]:
        for part, attribute in self._attributes.items():
            yield from attribute.kind.required_paths(attribute.held_by(self), dotted(name, part))


@functools.lru_cache(maxsize=4096)
def _report_unknown(where: str, type_name: str, read_as: str) -> None:
    """Log it once: what is remembered is what was logged."""
    _log.warning(
        "%s has the obj_type %r, which no class in this process has: it is read as %s, and fields "
        "that this class does not declare are in extra",
        where,
        type_name,
        read_as,
    )
