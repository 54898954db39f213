"""The attribute: a descriptor that reads, writes, dumps and queries one field of a model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar, overload

from flask_boiler.attrs.attributed import Attributed, Link
from flask_boiler.attrs.declared_attr import DeclaredAttr
from flask_boiler.attrs.kinds.mismatch import Mismatch, StoredMismatch
from flask_boiler.attrs.model_state import OMIT, UNSET, ModelState, Omit
from flask_boiler.attrs.validating import require_valid
from flask_boiler.errors import ValidationError
from flask_boiler.firestore.native import DELETE_FIELD, copied, is_transform
from flask_boiler.ground.callbacks import require_result

__all__ = ["MISSING", "READ_ONLY", "Attr"]

T = TypeVar("T")
S = TypeVar("S")

MISSING = "Missing data for required field."
NULL = "Field may not be null."
READ_ONLY = "Read-only field: input may not set it."
NO_VALUE = "OMIT is no value: only a getter may return it, which leaves the field out."


class Attr(DeclaredAttr[T]):
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

    if TYPE_CHECKING:
        # Nobody assigns what leaves a field out, so no setter has to take it.
        @overload
        def setter(self: Attr[S | Omit], fset: Callable[[Any, S], None]) -> Attr[S | Omit]: ...
        @overload
        def setter(self, fset: Callable[[Any, T], None]) -> Self: ...
        def setter(self, fset: Any) -> Any:
            """Have ``fset`` assign the attribute; see :meth:`getter`."""

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
        if value is OMIT:
            raise self._error(instance, Mismatch(NO_VALUE))
        if self._fset is not None:
            require_result(self._fset(instance, value), f"the setter of {self!r}")
        elif self._fget is not None:
            raise AttributeError(f"{self!r} has a getter but no setter, so it cannot be set")
        else:
            self.put(instance, value)

    def __delete__(self, instance: Any) -> None:
        if self._fdel is not None:
            require_result(self._fdel(instance), f"the deleter of {self!r}")
        elif self._fget is not None:
            raise AttributeError(f"{self!r} has a getter but no deleter, so it cannot be deleted")
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
        """A value from outside, as it can be assigned to an instance that has a value already.

        :raises Mismatch: nothing can be made of it.
        """
        return self.adopt(value)

    def is_omitted(self, fields: Mapping[str, Any]) -> bool:
        """Whether a document does not have it because its getter gave ``OMIT``."""
        return self.data_key not in fields and self.may_omit and self.stored_in(fields) is UNSET

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

        It is ``OMIT`` if a getter says so.

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
        """The stored form of no value: null if ``None`` is declared, or else nothing.

        A query finds null, and an order keeps it; a field that is not there it does not.
        """
        if not (self._resolved or self._resolve()).stored_as_null:
            return UNSET
        removed = self.attribute_name in instance._model_state.removed
        return UNSET if removed or instance._exclude_unset else None

    def held_by(self, instance: Attributed) -> Any:
        """The value that the instance has now, by the getter if there is one; ``UNSET`` if none.

        :raises Mismatch: what is stored is not of the declared type.
        """
        return self._current(instance) if self._fget is None else self._fget(instance)

    def dump_held(self, value: Any, *, bare: bool = False) -> Any:
        """The stored form of what ``held_by`` gave: ``OMIT`` stays what it is.

        :raises Mismatch: it is not of the declared type, or fails a validator.
        """
        if value is UNSET:
            if self.required:
                raise Mismatch(MISSING)
            return UNSET
        return self._dump_value(value, bare=bare)

    def stored_in(self, fields: Mapping[str, Any]) -> Any:
        """The stored value in the fields of a document, also under an earlier name.

        ``UNSET`` if there is none.
        """
        stored = fields.get(self.data_key, UNSET)
        if stored is UNSET and self.was:
            return next((fields[name] for name in self.was if name in fields), UNSET)
        return stored

    def earlier_fields(self, fields: Mapping[str, Any]) -> list[str]:
        """Those of its earlier names that are among the fields of a document."""
        return [name for name in self.was if name in fields] if self.was else []

    def same(self, value: Any, stored: Any) -> bool:
        """Whether storing a value would leave what is stored as it is."""
        if value is None or stored is None or is_transform(value) or is_transform(stored):
            return value is stored
        return self.kind.same(value, stored)

    def check(self, value: Any) -> None:
        """Raise :class:`Mismatch` if the value is not valid."""
        self._dump_given(value)

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
            return self._dump_given(value)
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
        """The Python value of a stored one; in a document, what is wrong is known as stored so."""
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

    def _dump_given(self, value: Any) -> Any:
        """The stored form of a value that no getter has returned."""
        if value is OMIT:
            raise Mismatch(NO_VALUE)
        return self._dump_value(value)

    def _dump_value(self, value: Any, *, bare: bool = False) -> Any:
        if type(value) in self._stored_as_is:
            return value
        if value is OMIT:
            return self._omitted()
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

    def _omitted(self) -> Any:
        """The stored form of what a getter leaves out."""
        if not self.computed:
            raise Mismatch(NO_VALUE)
        if not self.may_omit:
            raise Mismatch(
                "OMIT, and the declared type has only values: let it say so, as in 'int | Omit'"
            )
        return OMIT

    def _error(self, instance: Attributed, mismatch: Mismatch) -> ValidationError:
        return mismatch.error(self.attribute_name, where=instance._where())
