"""The attribute: a descriptor that reads, writes, dumps and queries one field of a model."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, overload

from flask_boiler.attrs.attributed import Attributed, Link
from flask_boiler.attrs.kinds.any_kind import AnyKind
from flask_boiler.attrs.kinds.choice_kinds import OptionalKind
from flask_boiler.attrs.kinds.kind import Kind
from flask_boiler.attrs.kinds.mismatch import Mismatch, StoredMismatch
from flask_boiler.attrs.model_state import UNSET, ModelState
from flask_boiler.attrs.operators import FieldOperators, NestedField, nested
from flask_boiler.attrs.type_source import TypeSource
from flask_boiler.attrs.validating import require_valid
from flask_boiler.firestore.native import DELETE_FIELD, copied, is_transform
from flask_boiler.ground.callbacks import require_plain, require_result
from flask_boiler.ground.errors import DeclarationError, QueryError, ValidationError
from flask_boiler.ground.naming import is_reserved_field

__all__ = ["Attr", "AttributeOptions", "Resolved"]

T = TypeVar("T")

MISSING = "Missing data for required field."
NULL = "Field may not be null."
_ROLES = {"_fget": "a getter", "_fset": "a setter", "_fdel": "a deleter", "_finit": "an init"}
READ_ONLY = "Read-only field: input may not set it."


@dataclass(frozen=True, slots=True)
class AttributeOptions:
    """What an attribute was declared with; see :func:`flask_boiler.attrs.bproperty`."""

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


class Attr(FieldOperators, Generic[T]):
    """One attribute of a model.

    On an instance it is the value; on the class it is the attribute itself, and comparisons
    make query conditions. ``Attr[int]`` as an annotation declares a typed one::

        class City(DomainModel):
            city_name: Attr[str]
            population: Attr[int] = attrs.bproperty(default=0)

        City(city_name="Berlin").population     # 0
        City.where(City.population > 1_000_000)

    Of an embedded model, ``City.address.street`` is the field inside; where the name is taken
    by a member of this class, ``City.address["street"]`` is the same.

    :param kind: how values are stored; without it, the type tells.
    :param type: where the declared type is to be found.
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
        """Where its declared type is to be found."""
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
        """How its values are stored.

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
        """What input is validated by, beside its type."""
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

    # -- the descriptor

    @overload
    def __get__(self, instance: None, owner: type[Any]) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type[Any] | None = None) -> T: ...
    def __get__(self, instance: Any, owner: type[Any] | None = None) -> Any:
        if instance is None:
            return self
        if self._fget is not None:
            return self._fget(instance)
        # What follows is value_of() for the case that matters: a view reads many attributes,
        # and most of them are scalars that are taken as they are.
        state, name = instance._model_state, self.attribute_name
        if name not in state.values:
            stored = state.stored.get(self.data_key)
            if type(stored) in self._taken_as_is:
                state.values[name] = stored
                return stored
        elif (value := state.values[name]) is not UNSET:
            return value
        return self.value_of(instance)

    def __set__(self, instance: Any, value: T) -> None:
        if self._fset is not None:
            require_result(self._fset(instance, value), f"the setter of {self!r}")
        elif self._fget is not None:
            raise AttributeError(f"{self!r} has a getter and no setter, so it cannot be set")
        else:
            self.put(instance, value)

    def __delete__(self, instance: Any) -> None:
        if self._fdel is not None:
            require_result(self._fdel(instance), f"the deleter of {self!r}")
        elif self._fget is not None:
            raise AttributeError(f"{self!r} has a getter and no deleter, so it cannot be deleted")
        else:
            self.put(instance, UNSET)

    # -- values

    def value_of(self, instance: Attributed) -> T:
        """The value that lies under a getter: what was read from the document, or put.

        :raises StoredDataError: what a document has is not of the declared type, or is required
            and missing.
        :raises ValidationError: the same of what is in no document.
        """
        try:
            value = self._current(instance)
        except Mismatch as mismatch:
            raise self._error(instance, mismatch) from mismatch
        if value is UNSET:
            if self.required:
                raise self._error(instance, self._missing_in(instance))
            return None  # type: ignore[return-value]
        return value  # type: ignore[no-any-return]

    def read(self, fields: Mapping[str, Any], *, where: str = "") -> Any:
        """The value in a stored document; ``None`` if it has none, whatever the type.

        :raises ValidationError: what is stored is not of the declared type.
        """
        stored = self.stored_in(fields)
        try:
            return None if stored is None or stored is UNSET else self.load(stored)
        except Mismatch as mismatch:
            raise ValidationError(mismatch.below(self.attribute_name), where=where) from mismatch

    def is_unset(self, instance: Attributed) -> bool:
        """Whether it has neither a getter nor a value nor a default.

        :raises ValidationError: as ``value_of`` does.
        """
        if self._fget is not None:
            return False
        try:
            return self._current(instance) is UNSET
        except Mismatch as mismatch:
            raise self._error(instance, mismatch) from mismatch

    def put(self, instance: Attributed, value: Any) -> None:
        """Set the value that lies under a getter or a setter."""
        state = instance._model_state
        if value is DELETE_FIELD:
            value = UNSET
            state.removed |= {self.attribute_name}
        elif state.removed:
            state.removed -= {self.attribute_name}
        state.values[self.attribute_name] = value
        state.defaulted.pop(self.attribute_name, None)

    def initialize(self, instance: Attributed) -> None:
        """Give a new object the value that ``initialize`` or ``.init`` computes."""
        if self._finit is not None:
            self.__set__(instance, self._finit(instance))
        elif self.options.initialize is not None:
            self.__set__(instance, self.options.initialize())

    def adopt(self, value: Any) -> Any:
        """A value from outside, by attribute names, as it can be assigned.

        :raises Mismatch: nothing can be made of it.
        """
        return value if value is None or is_transform(value) else self.kind.adopt(value)

    def adopt_for(self, instance: Attributed, value: Any) -> Any:
        """As ``adopt`` does, for an instance whose present value may matter.

        :raises Mismatch: nothing can be made of it.
        """
        return self.adopt(value)

    def has_own_value(self, instance: Attributed) -> bool:
        """Whether what it reads as may be another value than the stored one."""
        state, name = instance._model_state, self.attribute_name
        return self._fget is not None or name in state.values or name in state.related

    def load(self, stored: Any) -> Any:
        """The Python value of a stored one.

        :raises Mismatch: it is not of the declared type.
        """
        resolved = self._resolved or self._resolve()
        if stored is not None:
            return resolved.load(stored)
        if not resolved.nullable:
            raise Mismatch(NULL)
        return None

    def dump(self, instance: Attributed, *, bare: bool = False) -> Any:
        """The stored form of the instance's value, validated; ``UNSET`` if it has none.

        :param bare: leave out what the framework adds to embedded models.
        :raises Mismatch: the value is not of the declared type, or fails a validator.
        """
        return self._dump_of(instance, self.held_by(instance), bare=bare)

    def _dump_of(self, instance: Attributed, held: Any, *, bare: bool) -> Any:
        if held is not UNSET:
            return self.dump_held(held, bare=bare)
        if self.required:
            raise self._missing_in(instance)
        return self.unset_form(instance)

    def unset_form(self, instance: Attributed) -> Any:
        """What is stored while it has no value: null if ``None`` is declared, or else nothing.

        A query finds null, and an order keeps it; a field that is not there it does not.
        """
        if not (self._resolved or self._resolve()).stored_as_null:
            return UNSET
        removed = self.attribute_name in instance._model_state.removed
        return UNSET if removed or instance._exclude_unset else None

    def held_by(self, instance: Attributed) -> Any:
        """What the instance has now, by its getter if there is one; ``UNSET`` if it has nothing.

        :raises Mismatch: what is stored is not of the declared type.
        """
        return self._current(instance) if self._fget is None else self._fget(instance)

    def dump_held(self, value: Any, *, bare: bool = False) -> Any:
        """The stored form of what ``held_by`` gave.

        :raises Mismatch: it is not of the declared type, or fails a validator.
        """
        if value is UNSET:
            if self.required:
                raise Mismatch(MISSING)
            return UNSET
        return self._dump_value(value, bare=bare)

    def stored_in(self, fields: Mapping[str, Any]) -> Any:
        """The stored value in the fields of a document, be it under an earlier name.

        ``UNSET`` if there is none.
        """
        stored = fields.get(self.data_key, UNSET)
        if stored is UNSET and self.was:
            return next((fields[name] for name in self.was if name in fields), UNSET)
        return stored

    def earlier_fields(self, fields: Mapping[str, Any]) -> list[str]:
        """Which of its earlier names there are in the fields of a document."""
        return [name for name in self.was if name in fields] if self.was else []

    def same(self, value: Any, stored: Any) -> bool:
        """Whether storing a value would leave what is stored as it is."""
        if value is None or stored is None or is_transform(value) or is_transform(stored):
            return value is stored
        return self.kind.same(value, stored)

    def check(self, value: Any) -> None:
        """Raise :class:`Mismatch` if the value is not valid."""
        self._dump_value(value)

    def required_paths(self, value: Any) -> Iterable[tuple[str, str]]:
        """The documents that have to exist where a value refers to them: names and paths."""
        return self.kind.required_paths(value)

    def links_in(self, value: Any) -> Iterable[Link]:
        """The references in a value that have to lead to documents of a class, if to any."""
        return ()

    def to_stored(self, value: Any) -> Any:
        """The stored form of a value.

        :raises ValidationError: it is not of the declared type.
        """
        try:
            return self._dump_value(value)
        except Mismatch as mismatch:
            raise mismatch.error(self.attribute_name) from mismatch

    def _current(self, instance: Attributed) -> Any:
        state = instance._model_state
        if self.data_key in state.stale and self.attribute_name not in state.values:
            instance._reread()
        value = state.values.get(self.attribute_name)
        if value is None and self.attribute_name not in state.values:
            stored = self.stored_in(state.stored)
            value = UNSET if stored is UNSET else self._load_for(instance, stored)
            if value is not UNSET:
                state.values[self.attribute_name] = value
        return self._default(state) if value is UNSET else value

    def _load_for(self, instance: Attributed, stored: Any) -> Any:
        """As ``load`` does; of a document, what is wrong is known as stored so, also in parts."""
        state = instance._model_state
        if not state.is_stored:
            return self.load(stored)
        try:
            value = self.load(stored)
        except Mismatch as mismatch:
            raise StoredMismatch(mismatch.messages) from mismatch
        for part in self.kind.models_in(value):
            part._model_state.part_of = f"{instance._where()}, {self.attribute_name}"
        return value

    def _missing_in(self, instance: Attributed) -> Mismatch:
        state = instance._model_state
        # It may be input that took away what the document has.
        as_stored = state.is_stored and self.attribute_name not in state.values
        return (StoredMismatch if as_stored else Mismatch)(MISSING)

    def _default(self, state: ModelState) -> Any:
        options = self.options
        if not options.has_default:
            return UNSET
        factory = options.default_factory
        value = copied(options.default) if factory is None else factory()
        state.values[self.attribute_name] = value
        try:
            state.defaulted[self.attribute_name] = self._dump_value(value)
        except Mismatch:
            # Said when it is to be stored; there is nothing that it could be equal to.
            state.defaulted[self.attribute_name] = UNSET
        return value

    def _dump_value(self, value: Any, *, bare: bool = False) -> Any:
        if type(value) in self._stored_as_is:
            return value
        if is_transform(value):
            return value
        if value is None:
            if not self.nullable:
                raise Mismatch(NULL)
            return None
        stored = self.kind.dump(value, bare=bare)
        if self.options.validators:
            require_valid(self.options.validators, value)
        return stored

    def _error(self, instance: Attributed, mismatch: Mismatch) -> ValidationError:
        return mismatch.error(self.attribute_name, where=instance._where())

    # -- queries

    def _field_names(self) -> tuple[str, ...]:
        if not self.options.export_enabled:
            raise QueryError(f"{self!r} is not stored (export_enabled=False), so no query sees it")
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
    """What the declared type says."""

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
