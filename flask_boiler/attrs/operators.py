"""Comparisons of a stored field with a value, which make conditions for queries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, get_args

from flask_boiler.attrs.attributed import AttributedDocument
from flask_boiler.attrs.condition import Condition
from flask_boiler.attrs.kinds.any_kind import AnyKind
from flask_boiler.attrs.kinds.kind import Kind
from flask_boiler.attrs.kinds.mismatch import Mismatch
from flask_boiler.attrs.kinds.relation_kind import RelationKind
from flask_boiler.errors import QueryError
from flask_boiler.firestore.field_path import field_path, read_field_path
from flask_boiler.firestore.native import is_transform
from flask_boiler.ground.naming import is_reserved_field, nearest
from flask_boiler.ground.values import FieldFilter, Operator

__all__ = ["F", "FieldOperators", "NestedField", "nested"]

#: What looks like a comparison where a value is expected.
_OPERATOR_TEXTS = frozenset(
    {*get_args(Operator), "=", "<>", "not in", "contains", "contains_any"}
    | {operator.replace("-", "_") for operator in get_args(Operator)}
)


class FieldOperators:
    """Comparisons of a stored field with values; each gives a condition.

    ::

        City.population >= 1_000_000
        City.country.in_(["USA", "Canada"])
        City.regions.contains("west_coast")
        City.address["street"] == "Main St"

    A value that the field can never have, or that no query can express, is a
    :class:`~flask_boiler.errors.QueryError`.
    """

    @property
    def stored_path(self) -> str:
        """The field's path in Firestore's notation.

        :raises QueryError: the field is not stored.
        """
        return field_path(*self._field_names())

    def _may_be_null(self) -> bool:
        """Whether a document may have null there, as far as that is declared."""
        return True

    def _declared_by(self) -> type | None:
        """The class of the attribute that it is, or that it lies in, if there is one."""
        return None

    def _field_names(self) -> tuple[str, ...]:
        raise NotImplementedError

    def _kind(self) -> Kind:
        raise NotImplementedError

    def __eq__(self, other: object) -> Condition:  # type: ignore[override]
        if other is None and not self._may_be_null():
            raise QueryError(
                f"{self!r} is never None, so no document would be found. For a null that others "
                f"have stored, write F({self.stored_path!r}) == None"
            )
        return self._condition("==", self._operand(other))

    def __ne__(self, other: object) -> Condition:  # type: ignore[override]
        return self._condition("!=", self._operand(other))

    def __lt__(self, other: object) -> Condition:
        return self._condition("<", self._ordered(other))

    def __le__(self, other: object) -> Condition:
        return self._condition("<=", self._ordered(other))

    def __gt__(self, other: object) -> Condition:
        return self._condition(">", self._ordered(other))

    def __ge__(self, other: object) -> Condition:
        return self._condition(">=", self._ordered(other))

    def to_stored(self, value: Any) -> Any:
        """The stored form of a value that is to be written there.

        :raises ValidationError: the field can never have it.
        """
        if value is None or is_transform(value):
            return value
        try:
            return self._kind().dump(value)
        except Mismatch as mismatch:
            raise mismatch.error(self) from mismatch

    def in_(self, values: Iterable[Any] | Mapping[Any, Any]) -> Condition:
        """The field has one of these values; of none, no document has any.

        :param values: of a mapping, those that it has. For relations they may be models.
        """
        return self._condition("in", self._operands(values))

    def not_in(self, values: Iterable[Any] | Mapping[Any, Any]) -> Condition:
        """The field exists and has none of these values; of no values, whether or not it exists.

        :param values: as for ``in_``.
        """
        return self._condition("not-in", self._operands(values))

    def contains(self, value: Any) -> Condition:
        """The field is an array with this element."""
        return self._condition("array-contains", self._operand(value, of_item=True))

    def contains_any(self, values: Iterable[Any] | Mapping[Any, Any]) -> Condition:
        """The field is an array with at least one of these elements.

        :param values: as for ``in_``.
        """
        return self._condition("array-contains-any", self._operands(values, of_item=True))

    # Two attributes are the same only if they are one: __eq__ is taken.
    __hash__ = object.__hash__

    def __getitem__(self, name: str) -> NestedField:
        """The field inside an embedded model (by attribute name) or a map (by key)."""
        try:
            stored_name, kind = self._kind().part(name)
        except KeyError:
            hint = nearest(name, self._kind().part_names)
            raise QueryError(f"{self!r} has no part {name!r}{hint}") from None
        return NestedField((*self._field_names(), stored_name), kind, self._declared_by())

    # Otherwise Python would take __getitem__ for a sequence's and count up from 0.
    __iter__ = None

    def __contains__(self, value: object) -> bool:
        raise TypeError(f"'in' does not make a condition: write {self!r}.contains({value!r})")

    def _condition(self, operator: Operator, value: Any) -> Condition:
        return Condition(FieldFilter(self.stored_path, operator, value), self._declared_by())

    def _ordered(self, value: Any) -> Any:
        if value is None:
            raise QueryError(f"{self!r} cannot be compared with None by an order: use == or !=")
        return self._operand(value)

    def _operands(self, values: Iterable[Any], *, of_item: bool = False) -> list[Any]:
        if isinstance(values, str) or not isinstance(values, Iterable):
            raise QueryError(f"{self!r} needs a list of values, not {values!r:.80}")
        listed = values.values() if isinstance(values, Mapping) else values
        return [self._operand(value, of_item=of_item) for value in listed]

    def _operand(self, value: Any, *, of_item: bool = False) -> Any:
        if value is None:
            return None
        if _is_comparison(value):
            raise QueryError(
                f"{self!r} cannot be compared with {value!r:.80}: a keyword means equality. Write "
                "other comparisons as in City.population > 1_000_000"
            )
        if is_transform(value) or isinstance(value, FieldOperators):
            raise QueryError(f"{self!r} can only be compared with values, not with {value!r:.80}")
        try:
            kind = self._kind().item() if of_item else self._kind()
            return self._dump_operand(kind, value)
        except Mismatch as mismatch:
            texts = "; ".join(text for part in mismatch.messages.values() for text in part)
            raise QueryError(f"{self!r}: {texts}") from mismatch

    def _dump_operand(self, kind: Kind, value: Any) -> Any:
        if isinstance(kind, AnyKind) and isinstance(value, AttributedDocument):
            # What has no type is compared with what a relation would have stored.
            return RelationKind(None).dump(value)
        return kind.dump(value)


def _is_comparison(value: Any) -> bool:
    """Whether a value is an operator with an operand, as other libraries take them."""
    return (
        isinstance(value, tuple)
        and len(value) == 2
        and isinstance(value[0], str)
        and value[0] in _OPERATOR_TEXTS
    )


class NestedField(FieldOperators):
    """A field inside a map of the document."""

    def __init__(self, names: tuple[str, ...], kind: Kind, declared_by: type | None = None) -> None:
        self._names = names
        self._kind_of_field = kind
        self._owner = declared_by

    def _declared_by(self) -> type | None:
        return self._owner

    def _field_names(self) -> tuple[str, ...]:
        return self._names

    def _kind(self) -> Kind:
        return self._kind_of_field

    if not TYPE_CHECKING:
        # Hidden from type checkers, which would no longer find misspelled members otherwise.
        def __getattr__(self, name: str) -> NestedField:
            return nested(self, name)

    def __repr__(self) -> str:
        return ".".join(self._names)


class F(FieldOperators):
    """A stored field that no attribute declares, by its path.

    ::

        City.where(F("population_density") > 1_000).order_by(F("founded"))

    It stands wherever an attribute may be given: in ``where``, ``order_by``, aggregations, and in
    ``key`` and ``mark`` of a QueryTaskMediator. Nothing is known of such a field, so it may be
    compared with whatever Firestore stores.

    :param path: the field's path exactly as it is stored: names of maps and fields, joined by
        dots. One that has a dot itself is written in backticks.
    :raises QueryError: it is no path, or Firestore keeps the name for itself.
    """

    def __init__(self, path: str) -> None:
        try:
            self._names = read_field_path(path)
        except (TypeError, ValueError) as error:
            raise QueryError(f"F({path!r:.80}): expected a field's path: {error}") from error
        if any(map(is_reserved_field, self._names)):
            raise QueryError(
                f"F({path!r:.80}): Firestore reserves such names. For the document's id, use "
                "City.doc_id"
            )
        self._kind_of_field = AnyKind()

    def _field_names(self) -> tuple[str, ...]:
        return self._names

    def _kind(self) -> Kind:
        return self._kind_of_field

    def __repr__(self) -> str:
        return f"F({field_path(*self._names)!r})"


def nested(field: FieldOperators, name: str) -> NestedField:
    """The field that an attribute access means: ``City.address.street``.

    :raises AttributeError: the field has no such part.
    """
    if hasattr(type(field), name):
        # A property that raised: its error is the one to be seen, not that it is missing.
        return object.__getattribute__(field, name)  # type: ignore[no-any-return]
    if name.startswith("_"):
        # Asked by copy and the like of what is only half made: too early to say more.
        raise AttributeError(name)
    if not field._kind().has_attributes:
        hint = nearest(name, [known for known in dir(type(field)) if not known.startswith("_")])
        raise AttributeError(f"{type(field).__name__} {field!r} has no attribute {name!r}{hint}")
    try:
        return field[name]
    except QueryError as error:
        raise AttributeError(str(error)) from None
