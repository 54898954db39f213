"""The declaration of an attribute: its options, its type, its getter and setter, its field."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from flask_boiler.attrs.kinds.any_kind import AnyKind
from flask_boiler.attrs.kinds.choice_kinds import OptionalKind
from flask_boiler.attrs.kinds.kind import Kind
from flask_boiler.attrs.model_state import UNSET
from flask_boiler.attrs.operators import FieldOperators, NestedField, nested
from flask_boiler.attrs.type_source import TypeSource
from flask_boiler.errors import DeclarationError, QueryError
from flask_boiler.ground.callbacks import require_plain
from flask_boiler.ground.naming import is_reserved_field

__all__ = ["AttributeOptions", "DeclaredAttr", "Resolved"]

_ROLES = {"_fget": "a getter", "_fset": "a setter", "_fdel": "a deleter", "_finit": "an init"}


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
        for name in ("default_factory", "initialize"):
            _require_plain(getattr(self, name), f"the {name} of an attribute")
        for validator in self.validators:
            _require_plain(validator, "a validator of an attribute")

    @property
    def has_default(self) -> bool:
        """Whether there is a value when none was given."""
        return self.default is not UNSET or self.default_factory is not None


class DeclaredAttr(FieldOperators):
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

    # -- declaring

    def __set_name__(self, owner: type[Any], name: str) -> None:
        self.attribute_name = name
        self._owner = owner

    def bind(self, owner: type[Any], name: str, data_key: str) -> None:
        """Belong to a model under this name, and to its documents under ``data_key``.

        :raises DeclarationError: Firestore does not allow such a field.
        """
        for key in self.was:
            if not isinstance(key, str) or not key:
                raise DeclarationError(f"{owner.__qualname__}.{name}: was={key!r} names no field")
        if not data_key or is_reserved_field(data_key) or len(data_key.encode()) > 1500:
            raise DeclarationError(
                f"{owner.__qualname__}.{name} would be stored as {data_key!r}, which Firestore "
                "does not allow: give it another data_key"
            )
        self.attribute_name, self._owner, self.data_key = name, owner, data_key
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

    def getter(self, fget: Callable[[Any], Any]) -> Self:
        """The same attribute, computed by ``fget`` whenever it is read or stored."""
        return self._with(_fget=fget)

    def setter(self, fset: Callable[[Any, Any], None]) -> Self:
        """The same attribute, assigned by ``fset``."""
        return self._with(_fset=fset)

    def deleter(self, fdel: Callable[[Any], None]) -> Self:
        """The same attribute, deleted by ``fdel``."""
        return self._with(_fdel=fdel)

    def init(self, finit: Callable[[Any], Any]) -> Self:
        """The same attribute; ``finit`` gives a new object's value if the caller does not."""
        return self._with(_finit=finit)

    def _with(self, **changes: Any) -> Self:
        # A copy, as of a property: what a subclass redefines leaves the parent as it is.
        for role, function in changes.items():
            name = getattr(function, "__qualname__", self.attribute_name)
            _require_plain(function, f"{name}, {_ROLES[role]},")
        changed = copy.copy(self)
        vars(changed).update(changes, _resolved=None)
        if changed.__doc__ is None and "_fget" in changes:
            changed.__doc__ = changes["_fget"].__doc__
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
        return self._take(Resolved(kind, nullable, required, stored_as_null=null))

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

    __slots__ = ("kind", "load", "nullable", "required", "stored_as_null")

    def __init__(
        self, kind: Kind, nullable: bool, required: bool, *, stored_as_null: bool = False
    ) -> None:
        self.kind = kind
        self.nullable = nullable
        self.required = required
        self.stored_as_null = stored_as_null
        self.load = kind.load


def _require_plain(function: Any, what: str) -> None:
    require_plain(function, what, error=DeclarationError)
