"""The declaration of an attribute: its options, its type, its getter and setter, its field."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from flask_boiler.attrs.class_body import body_decorating
from flask_boiler.attrs.kinds.any_kind import AnyKind
from flask_boiler.attrs.kinds.choice_kinds import OptionalKind
from flask_boiler.attrs.kinds.kind import Kind
from flask_boiler.attrs.model_state import OMIT, UNSET
from flask_boiler.attrs.operators import FieldOperators, NestedField, nested
from flask_boiler.attrs.type_source import TypeSource, return_type
from flask_boiler.errors import DeclarationError, QueryError
from flask_boiler.ground.callbacks import require_plain
from flask_boiler.ground.naming import is_reserved_field

__all__ = ["AttributeOptions", "DeclaredAttr", "Resolved"]

T = TypeVar("T")

_ROLES = {"_fget": "getter", "_fset": "setter", "_fdel": "deleter", "_finit": "init"}
_NO_NAMES: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class AttributeOptions:
    """The options of an attribute; see :func:`flask_boiler.attrs.bproperty`."""

    default: Any = UNSET
    default_factory: Callable[[], Any] | None = None
    required: bool | None = None
    import_enabled: bool = True
    export_enabled: bool = True
    data_key: str | None = None
    was: str | tuple[str, ...] = ()
    initialize: Callable[[], Any] | None = None
    validators: tuple[Callable[[Any], Any], ...] = ()
    doc: str | None = None
    as_string: bool = False

    def __post_init__(self) -> None:
        if self.default is OMIT:
            raise DeclarationError(
                "an attribute has default=OMIT, which is no value: only a getter may return it"
            )
        for name in ("default_factory", "initialize"):
            _require_plain(getattr(self, name), f"the {name} of an attribute")
        for validator in self.validators:
            _require_plain(validator, "a validator of an attribute")

    @property
    def has_default(self) -> bool:
        """Whether there is a value when none was given."""
        return self.default is not UNSET or self.default_factory is not None


class DeclaredAttr(FieldOperators, Generic[T]):
    """An attribute as it is declared, whatever values it has.

    It is a field of documents, so comparing it makes conditions.

    :param kind: how values are stored; without it, the type tells.
    :param type: the source of the declared type.
    :param nullable: whether ``None`` is a value, if it is not the type that says so.
    """

    def __init__(
        self,
        kind: Kind | None = None,
        *,
        type: TypeSource | None = None,
        options: AttributeOptions | None = None,
        nullable: bool | None = None,
    ) -> None:
        self.options = options or AttributeOptions()
        #: The name that it is declared under.
        self.attribute_name = ""
        #: The name of the field in documents.
        self.data_key = self.options.data_key or ""
        was = self.options.was
        #: The fields that documents had for it before, in the order in which they are looked at.
        self.was: tuple[str, ...] = tuple(was) if isinstance(was, tuple | list) else (was,)
        self.__doc__ = self.options.doc
        self._owner: Any = None
        self._explicit_kind = kind
        self._type = type
        self._nullable = nullable
        self._resolved: Resolved | None = None
        self._taken_as_is: frozenset[Any] = frozenset()
        self._stored_as_is: frozenset[Any] = frozenset()
        self._fget: Callable[[Any], Any] | None = None
        self._fset: Callable[[Any, Any], None] | None = None
        self._fdel: Callable[[Any], None] | None = None
        self._finit: Callable[[Any], Any] | None = None
        self._accessors: Mapping[str, str] = _NO_NAMES
        self._parent_attr: Self | None = None

    # -- declaring

    def __set_name__(self, owner: type[Any], name: str) -> None:
        self.attribute_name = name
        self._owner = owner

    def bind(self, owner: type[Any], name: str, data_key: str) -> None:
        """Belong to a model under this name, and to its documents under ``data_key``.

        :raises DeclarationError: Firestore does not allow such a field; or a getter or setter is
            that of a class that the model is not derived from, or has another attribute's name.
        """
        for key in self.was:
            if not isinstance(key, str) or not key:
                raise DeclarationError(f"{owner.__qualname__}.{name}: was={key!r} names no field")
        if not data_key or is_reserved_field(data_key) or len(data_key.encode()) > 1500:
            raise DeclarationError(
                f"{owner.__qualname__}.{name} would be stored as {data_key!r}, which Firestore "
                "does not allow: give it another data_key"
            )
        self._require_own_functions(owner, name)
        self.attribute_name, self._owner, self.data_key = name, owner, data_key
        if not self.computed and self._type is not None and self._type.mentions_omit():
            raise self._never_omitted()
        if self._explicit_kind is not None:
            self._explicit_kind.declare_owner(owner)

    @property
    def type_source(self) -> TypeSource | None:
        """The source of its declared type, if there is one."""
        return self._type

    @property
    def has_declared_type(self) -> bool:
        """Whether its type is written down: as an annotation, or as ``type``."""
        return self._type is not None and self._type.is_given

    def declare_type(self, type: TypeSource) -> None:
        """Take the type from an annotation, if the declaration gave none."""
        if self._type is None:
            self._type = type
            self._resolved = None

    def unbound_copy(self) -> Self:
        """The same attribute, for another class."""
        return copy.copy(self)

    def getter(self, fget: Callable[[Any], T]) -> Self:
        """Have ``fget`` compute the attribute whenever it is read or stored.

        As a decorator in a class body, this is said of the attribute whatever the function is
        called. Type checkers want a name of its own for it; the specification's spelling gives
        it the attribute's::

            @in_session.setter
            def _set_in_session(self, value: bool) -> None: ...

        If a subclass says it of an attribute that it inherits, its parent does not change. Called
        otherwise, it returns a copy of the attribute with the getter.

        :raises DeclarationError: the attribute has a getter from this class body already, or the
            function has the name of another attribute.
        """
        return self._accessed("_fget", fget)

    def setter(self, fset: Callable[[Any, T], None]) -> Self:
        """Have ``fset`` assign the attribute; see :meth:`getter`."""
        return self._accessed("_fset", fset)

    def deleter(self, fdel: Callable[[Any], None]) -> Self:
        """Have ``fdel`` delete the attribute; see :meth:`getter`."""
        return self._accessed("_fdel", fdel)

    def init(self, finit: Callable[[Any], T]) -> Self:
        """Have ``finit`` give a new object's value if the caller does not; see :meth:`getter`."""
        return self._accessed("_finit", finit)

    def _accessed(self, role: str, function: Callable[..., Any]) -> Self:
        body = body_decorating(function)
        own_name = None if body is None else self._name_in(body)
        if body is None or own_name is None:
            return self._with(role, function)
        if function.__name__ == own_name:
            self._require_first(role, function, own_name)
            return self._with(role, function)
        if isinstance(body.get(function.__name__), DeclaredAttr):
            raise DeclarationError(
                f"{function.__qualname__} is {_spelled(role)} of {own_name} and has the name of "
                f"another attribute: call it {_suggested(role, own_name)}"
            )
        base = self._declared_in(body, own_name, function)
        base._require_first(role, function, own_name, other_name=True)
        body[own_name] = base._with(role, function)
        # So that the class has the function under its name, and not the attribute once more.
        return function  # type: ignore[return-value]

    def _name_in(self, body: Mapping[str, Any]) -> str | None:
        """The name that it has in a class body, or else in its own class."""
        here = next((name for name, value in body.items() if value is self), None)
        return self.attribute_name if here is None and self._owner is not None else here

    def _declared_in(self, body: Mapping[str, Any], own_name: str, function: Any) -> Self:
        """What a class body has of the attribute so far, which may be inherited."""
        held: Any = body.get(own_name, self)
        if held is self or getattr(held, "_parent_attr", None) is self:
            return held  # type: ignore[no-any-return]
        raise DeclarationError(
            f"{function.__qualname__} changes {self!r}, and the class declares another "
            f"{own_name}: decorate it with @{own_name} instead of @{self!r}"
        )

    def _require_first(
        self, role: str, function: Any, own_name: str, *, other_name: bool = False
    ) -> None:
        known = self._accessors.get(role) if self._owner is None else None
        if known is not None and (other_name or known != own_name):
            raise DeclarationError(
                f"{function.__qualname__} is a second {_ROLES[role]} of {own_name}, beside "
                f"{known}: leave one of them out"
            )

    def _function_names(self, name: str) -> dict[str, str]:
        """The names of its functions in the class body, other than its own, and what each is for.

        :param name: its own.
        """
        given = self._accessors.items()
        return {known: _spelled(role) for role, known in given if known != name}

    def _require_own_functions(self, owner: type[Any], name: str) -> None:
        parent = self._parent_attr
        for function_name, role in self._function_names(name).items():
            said = f"{owner.__qualname__}.{function_name} is {role} of"
            if parent is not None and parent._owner not in owner.__mro__:
                raise DeclarationError(
                    f"{said} {parent!r}, and {owner.__name__} is not derived from "
                    f"{parent._owner.__name__}: declare an attribute {name} here"
                )
            if any(isinstance(vars(c).get(function_name), DeclaredAttr) for c in owner.__mro__):
                raise DeclarationError(
                    f"{said} {name} and has the name of another attribute: give the function "
                    "another name"
                )

    def _with(self, role: str, function: Any) -> Self:
        # A copy, as of a property: what a subclass redefines leaves the parent as it is.
        name = getattr(function, "__qualname__", self.attribute_name)
        _require_plain(function, f"{name}, {_spelled(role)},")
        changed = copy.copy(self)
        vars(changed).update({role: function}, _resolved=None)
        if self._owner is not None:
            changed._owner, changed._parent_attr, changed._accessors = None, self, _NO_NAMES
        named = getattr(function, "__name__", "")
        changed._accessors = {**changed._accessors, role: named}
        if changed.__doc__ is None and role == "_fget":
            changed.__doc__ = function.__doc__
        return changed

    # -- what it is

    @property
    def kind(self) -> Kind:
        """The kind that says how its values are stored.

        :raises DeclarationError: the annotation cannot be understood.
        """
        return (self._resolved or self._resolve()).kind

    @property
    def nullable(self) -> bool:
        """Whether ``None`` is a value."""
        return (self._resolved or self._resolve()).nullable

    @property
    def required(self) -> bool:
        """Whether a document without it is invalid."""
        return (self._resolved or self._resolve()).required

    @property
    def may_omit(self) -> bool:
        """Whether its getter may return ``OMIT``: its type says so, or it has none."""
        return (self._resolved or self._resolve()).may_omit

    @property
    def says_omit(self) -> bool:
        """Whether it is declared that its getter may return ``OMIT``."""
        said = (self._resolved or self._resolve()).says_omit
        getter = self._fget
        return said or (
            self.may_omit and getter is not None and return_type(getter).mentions_omit()
        )

    @property
    def computed(self) -> bool:
        """Whether a getter gives its value."""
        return self._fget is not None

    @property
    def read_only(self) -> bool:
        """Whether input from outside may not set it."""
        return not self.options.import_enabled or not self.assignable

    @property
    def input_validators(self) -> tuple[Callable[[Any], Any], ...]:
        """The validators of input, beside its type."""
        return self.options.validators

    @property
    def assignable(self) -> bool:
        """Whether code may assign it."""
        return self._fget is None or self._fset is not None

    def _resolve(self) -> Resolved:
        typed = self._typed_kind()
        untyped = self._type is None or typed is None or isinstance(typed, AnyKind)
        nullable = untyped or isinstance(typed, OptionalKind)
        required = self.options.required
        if required is None:
            given = self.options.has_default or self.computed or self._initialized
            required = not nullable and not given
        elif required and untyped:
            nullable = False
        if self._nullable is not None:
            nullable = self._nullable
        kind = typed.inner if isinstance(typed, OptionalKind) else typed or AnyKind()
        says_none = self._type is not None and self._type.names_none(self._owner)
        null = nullable and says_none
        resolved = Resolved(kind, nullable, required, stored_as_null=null)
        resolved.says_omit = self._type is not None and self._type.names_omit(self._owner)
        if resolved.says_omit and not self.computed:
            raise self._never_omitted()
        resolved.may_omit = self.computed and (untyped or resolved.says_omit)
        return self._take(resolved)

    def _never_omitted(self) -> DeclarationError:
        return DeclarationError(
            f"{self._owner.__qualname__}.{self.attribute_name} has a type with Omit, and no getter "
            "that could return OMIT: give it one, or leave Omit out"
        )

    def _take(self, resolved: Resolved) -> Resolved:
        self._resolved = resolved
        self._taken_as_is = resolved.kind.taken_as_is
        if not self.options.validators:
            self._stored_as_is = resolved.kind.stored_as_is
        return resolved

    def _typed_kind(self) -> Kind | None:
        """The kind, but for one that was given without a type: it takes ``None`` too."""
        if self._explicit_kind is None:
            return None if self._type is None else self._type.kind(self._owner)
        if self._type is None or self._type.allows_none(self._owner):
            return OptionalKind(self._explicit_kind)
        return self._explicit_kind

    @property
    def _initialized(self) -> bool:
        return self.options.initialize is not None or self._finit is not None

    # -- queries

    def _field_names(self) -> tuple[str, ...]:
        if not self.options.export_enabled:
            raise QueryError(
                f"{self!r} is not stored (export_enabled=False), so no query can use it"
            )
        return (self.data_key,)

    def _kind(self) -> Kind:
        return self.kind

    def _may_be_null(self) -> bool:
        return self.nullable

    def _declared_by(self) -> type | None:
        return self._owner  # type: ignore[no-any-return]

    if not TYPE_CHECKING:
        # Hidden from type checkers, which would no longer find misspelled members otherwise.
        def __getattr__(self, name: str) -> NestedField:
            return nested(self, name)

    def __repr__(self) -> str:
        owner = "?" if self._owner is None else self._owner.__name__
        return f"{owner}.{self.attribute_name or '?'}"


class Resolved:
    """The outcome of reading the declared type."""

    __slots__ = (
        "kind",
        "load",
        "may_omit",
        "nullable",
        "required",
        "says_omit",
        "stored_as_null",
    )

    def __init__(
        self, kind: Kind, nullable: bool, required: bool, *, stored_as_null: bool = False
    ) -> None:
        self.kind = kind
        self.nullable = nullable
        self.required = required
        self.stored_as_null = stored_as_null
        #: Whether a getter may return ``OMIT``, and whether the type says so.
        self.may_omit = False
        self.says_omit = False
        self.load = kind.load


def _spelled(role: str) -> str:
    return f"{'an' if role == '_finit' else 'a'} {_ROLES[role]}"


def _suggested(role: str, name: str) -> str:
    verbs = {"_fget": "get", "_fset": "set", "_fdel": "delete", "_finit": "init"}
    return f"_{verbs[role]}_{name}"


def _require_plain(function: Any, what: str) -> None:
    require_plain(function, what, error=DeclarationError)
