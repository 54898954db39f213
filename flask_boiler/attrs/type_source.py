"""Declared types and the kinds that they stand for."""

from __future__ import annotations

import datetime
import enum
import inspect
import re
import sys
import types
import typing
from collections import abc
from collections.abc import Callable, Mapping
from typing import Any

from marshmallow.fields import Field

from flask_boiler.attrs import registry
from flask_boiler.attrs.attributed import Attributed, AttributedDocument
from flask_boiler.attrs.kinds.any_kind import AnyKind
from flask_boiler.attrs.kinds.choice_kinds import EnumKind, LiteralKind, OptionalKind, UnionKind
from flask_boiler.attrs.kinds.container_kinds import DictKind, ListKind, TupleKind
from flask_boiler.attrs.kinds.embed_kind import EmbedKind
from flask_boiler.attrs.kinds.field_kind import FieldKind
from flask_boiler.attrs.kinds.kind import Kind
from flask_boiler.attrs.kinds.relation_kind import RelationKind
from flask_boiler.attrs.kinds.scalar_kinds import (
    BYTES,
    GEO_POINT,
    TIMESTAMP,
    VECTOR,
    IntegerKind,
    ScalarKind,
)
from flask_boiler.attrs.model_state import Omit
from flask_boiler.errors import DeclarationError, UnknownModelError
from flask_boiler.firestore.native import BaseDocumentReference, GeoPoint, Vector

__all__ = ["BYTES", "GEO_POINT", "TIMESTAMP", "VECTOR", "TypeSource", "return_type"]


_SCALARS: dict[Any, Kind] = {
    str: ScalarKind("str", str),
    int: IntegerKind(),
    float: ScalarKind("float", float, int),
    bool: ScalarKind("bool", bool),
    bytes: BYTES,
    datetime.datetime: TIMESTAMP,
    GeoPoint: GEO_POINT,
    Vector: VECTOR,
}
_LISTS = (list, abc.Sequence, abc.MutableSequence)
_DICTS = (dict, abc.Mapping, abc.MutableMapping)
_BUILTINS = sys.modules["builtins"]


class TypeSource:
    """A declared type, understood when it is first needed.

    :param annotation: a type; or the text of one, which may name a class that comes later.
    """

    def __init__(self, annotation: Any) -> None:
        self._annotation = annotation
        self._scope: dict[str, Any] = {}

    @property
    def is_given(self) -> bool:
        """Whether there is a type; a getter may return whatever it likes, without saying so."""
        return self._annotation is not inspect.Parameter.empty

    def words(self) -> set[str]:
        """The names in it, as far as it is text."""
        return set(_words(self._annotation))

    def add_names(self, names: Mapping[str, Any]) -> None:
        """Say what names mean that are no globals of the module."""
        self._scope.update(names)

    def allows_none(self, owner: type | None) -> bool:
        """Whether ``None`` is of the type.

        :raises DeclarationError: the text cannot be understood.
        """
        return _Reading(owner, self._scope).allows_none(self._annotation)

    def names_none(self, owner: type | None) -> bool:
        """Whether it says that ``None`` is a value, as ``str | None`` does and ``Any`` does not.

        :raises DeclarationError: the text cannot be understood.
        """
        if self._annotation is inspect.Parameter.empty:
            return False
        return _Reading(owner, self._scope).names_none(self._annotation)

    def names_omit(self, owner: type | None) -> bool:
        """Whether it says that ``OMIT`` is returned, as ``int | Omit`` does.

        :raises DeclarationError: the text cannot be understood.
        """
        if self._annotation is inspect.Parameter.empty:
            return False
        return _Reading(owner, self._scope).names_omit(self._annotation)

    def mentions_omit(self) -> bool:
        """Whether it seems to say that, as far as can be told without looking up names."""
        if isinstance(self._annotation, str | typing.ForwardRef):
            return Omit.__name__ in self.words()
        return Omit in _members_of(self._annotation)

    def kind(self, owner: type | None) -> Kind | None:
        """The kind of the type, but for ``Omit``; ``None`` if there is no annotation at all.

        :param owner: the class that declares the attribute.
        :raises DeclarationError: the type cannot be stored.
        :raises UnknownModelError: a name in it means nothing.
        """
        if self._annotation is inspect.Parameter.empty:
            return None
        return _Reading(owner, self._scope).whole(self._annotation)


def return_type(function: Callable[..., Any]) -> TypeSource:
    """The declared type of what a function returns."""
    annotations = getattr(function, "__annotations__", {})
    return TypeSource(annotations.get("return", inspect.Parameter.empty))


def _members_of(annotation: Any) -> tuple[Any, ...]:
    """The members of a union that is understood; the type alone if it is none."""
    if typing.get_origin(annotation) is typing.Annotated:
        return _members_of(typing.get_args(annotation)[0])
    is_union = typing.get_origin(annotation) in (typing.Union, types.UnionType)
    return typing.get_args(annotation) if is_union else (annotation,)


def _words(annotation: Any) -> list[str]:
    if isinstance(annotation, str):
        return re.findall(r"\w+", annotation)
    if isinstance(annotation, typing.ForwardRef):
        return _words(annotation.__forward_arg__)
    return [word for argument in typing.get_args(annotation) for word in _words(argument)]


class _Reading:
    """Turns annotations into kinds, as seen from one class."""

    def __init__(self, owner: type | None, scope: Mapping[str, Any]) -> None:
        self._owner = owner
        self._scope = scope

    def allows_none(self, annotation: Any) -> bool:
        """Whether ``None`` is of the type."""
        members = self._members(annotation)
        return any(member in (Any, object, None, type(None)) for member in members)

    def names_none(self, annotation: Any) -> bool:
        """Whether ``None`` is named as one of its members."""
        members = self._members(annotation)
        return any(member in (None, type(None)) for member in members) and not any(
            member in (Any, object) for member in members
        )

    def names_omit(self, annotation: Any) -> bool:
        """Whether ``Omit`` is one of its members."""
        return Omit in self._members(annotation)

    def _members(self, annotation: Any) -> tuple[Any, ...]:
        """The members of a union; the type alone if it is none."""
        annotation = self._understood(annotation)
        if typing.get_origin(annotation) is typing.Annotated:
            # Inside of it may be text.
            return self._members(typing.get_args(annotation)[0])
        return _members_of(annotation)

    def whole(self, annotation: Any) -> Kind:
        """The kind of the whole type: of all its members but ``Omit``."""
        if not self.names_omit(annotation):
            return self.kind(annotation)
        return self._union(tuple(m for m in self._members(annotation) if m is not Omit))

    def kind(self, annotation: Any) -> Kind:
        """The kind of a type."""
        annotation = self._understood(annotation)
        origin = typing.get_origin(annotation)
        return self._plain(annotation) if origin is None else self._generic(annotation, origin)

    def _understood(self, annotation: Any) -> Any:
        if isinstance(annotation, typing.ForwardRef):
            annotation = annotation.__forward_arg__
        return self._evaluate(annotation) if isinstance(annotation, str) else annotation

    def _evaluate(self, text: str) -> Any:
        module = sys.modules.get(getattr(self._owner, "__module__", ""))
        names = vars(module) if module else {}
        try:
            return eval(text, dict(names), _Names(self._owner, self._scope, names))
        except UnknownModelError:
            raise
        except Exception as error:
            raise DeclarationError(
                f"the annotation {text!r} in {_name(self._owner)} cannot be evaluated: {error}"
            ) from error

    def _plain(self, annotation: Any) -> Kind:
        if annotation in (Any, object) or isinstance(annotation, typing.TypeVar):
            return AnyKind()
        if annotation in _SCALARS:
            return _SCALARS[annotation]
        if annotation in _LISTS or annotation is tuple:
            return (TupleKind if annotation is tuple else ListKind)(AnyKind())
        if annotation in _DICTS or typing.is_typeddict(annotation):
            return DictKind(AnyKind())
        if hasattr(annotation, "__supertype__"):
            return self.kind(annotation.__supertype__)
        if annotation is Omit:
            raise DeclarationError(
                f"{_name(self._owner)} has Omit inside of a type: a getter leaves out its whole "
                "field, as in 'list[int] | Omit'"
            )
        if isinstance(annotation, type):
            if issubclass(annotation, enum.Enum):
                return EnumKind(annotation)
            if issubclass(annotation, Attributed):
                return self._embedded(annotation)
            if issubclass(annotation, BaseDocumentReference):
                return RelationKind(None)
        return self._field(annotation)

    def _embedded(self, model: type[Attributed]) -> Kind:
        if not issubclass(model, AttributedDocument):
            return EmbedKind(model, self._owner)
        raise DeclarationError(
            f"{_name(self._owner)} declares an attribute of type {model.__name__}, which has "
            f"documents of its own: use attrs.relation({model.__name__}) for a reference to one, "
            f"or attrs.embed({model.__name__}) to store a copy"
        )

    def _field(self, annotation: Any) -> Kind:
        if isinstance(annotation, type) and issubclass(annotation, Field):
            annotation = annotation()
        if isinstance(annotation, Field):
            return FieldKind(annotation)
        raise DeclarationError(
            f"{_name(self._owner)} declares an attribute of type {annotation!r}, which Firestore "
            "cannot store: use another type, or give a marshmallow field that converts it "
            "(attrs.bproperty(type=fields.Date()))"
        )

    def _generic(self, annotation: Any, origin: Any) -> Kind:
        arguments = typing.get_args(annotation)
        if origin is typing.Annotated:
            return self.kind(arguments[0])
        if origin is typing.Literal:
            return LiteralKind(arguments)
        if origin in (typing.Union, types.UnionType):
            return self._union(arguments)
        if origin in _LISTS:
            return ListKind(self.kind(arguments[0]))
        if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
            return TupleKind(self.kind(arguments[0]))
        if origin is tuple:
            return TupleKind(AnyKind())
        if origin in _DICTS:
            return DictKind(self.kind(arguments[1]))
        return self._field(annotation)

    def _union(self, members: tuple[Any, ...]) -> Kind:
        kinds = [self.kind(member) for member in members if member not in (None, type(None))]
        if not kinds:
            raise DeclarationError(
                f"{_name(self._owner)} declares an attribute that has no value but None or OMIT: "
                "say what it has else, as in 'int | Omit'"
            )
        if any(isinstance(kind, AnyKind) for kind in kinds):
            return AnyKind()
        kind = kinds[0] if len(kinds) == 1 else UnionKind(kinds)
        return OptionalKind(kind) if len(kinds) < len(members) else kind


class _Names(dict[str, Any]):
    """Names in an annotation that are no globals: of the class body, or of models elsewhere."""

    def __init__(
        self, owner: type | None, scope: Mapping[str, Any], module_names: Mapping[str, Any]
    ) -> None:
        super().__init__(scope)
        self._owner = owner
        self._module_names = module_names

    def __missing__(self, name: str) -> Any:
        if name in self._module_names or name in vars(_BUILTINS):
            raise KeyError(name)
        if name == Omit.__name__:
            # Imported for type checkers only.
            return Omit
        return registry.find(name, near=self._owner)


def _name(owner: type | None) -> str:
    return "an attribute" if owner is None else owner.__qualname__
