"""The types of a store's parameters: values that a path can hold, and their texts there."""

from __future__ import annotations

import datetime
import enum
import uuid
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import marshmallow

from flask_boiler.attrs.kinds.choice_kinds import EnumKind
from flask_boiler.attrs.type_source import TypeSource
from flask_boiler.errors import DeclarationError, ValidationError
from flask_boiler.ground.naming import id_fault
from flask_boiler.models.schema.schema import field_for

__all__ = ["ParamType", "refusal_of"]

T = TypeVar("T")

#: Reads a text, which has to be the one that the value is written as.
_READ: dict[type[Any], Callable[[str], Any]] = {
    str: str,
    int: int,
    bool: {"true": True, "false": False}.__getitem__,
    datetime.date: datetime.date.fromisoformat,
    uuid.UUID: uuid.UUID,
}


class ParamType(Generic[T]):
    """The type of a parameter, and what its values are in paths, routes and JSON.

    :raises DeclarationError: no path can hold such values.
    """

    def __init__(self, type_: type[T]) -> None:
        given: Any = type_
        is_enum = isinstance(type_, type) and issubclass(type_, enum.Enum)
        #: The class, if it is an Enum.
        self._enum: Any = given if is_enum else None
        if is_enum and not all(type(member.value) in (str, int) for member in given):
            raise DeclarationError(
                f"a parameter of {type_.__name__} cannot be part of a path: the values of its "
                "members are not all str or int"
            )
        if not is_enum and type_ not in _READ:
            known = ", ".join(each.__name__ for each in _READ)
            raise DeclarationError(
                f"a parameter cannot be {_named(type_)}, which no path can hold: expected "
                f"{known}, or an Enum of str or int"
            )
        self.type = type_

    @property
    def name(self) -> str:
        """The name of the type."""
        return self.type.__name__

    def checked(self, value: Any) -> T:
        """A value of the type; of an Enum, the value of a member is taken for the member.

        :raises ValueError: it is of another type, or can be no part of a path.
        """
        known: T = self._of_type(value)
        fault = id_fault(self._written(known))
        if fault is not None:
            raise ValueError(f"{fault}; it is part of a path")
        return known

    def _of_type(self, value: Any) -> Any:
        if self._enum is not None:
            return value if isinstance(value, self._enum) else self._member(value)
        # Of True, which is an int, another text would be made.
        if type(value) is self.type or (self.type is str and isinstance(value, str)):
            return value
        raise ValueError(f"expected a value of type {self.name}, and not {value!r:.60}")

    def text_of(self, value: Any) -> str:
        """The text of a value in paths.

        :raises ValueError: it is none of the type, or can be no part of a path.
        """
        return self._written(self.checked(value))

    def value_of(self, text: str) -> T:
        """The value that a text says.

        :raises ValueError: it says none, or in another way than :meth:`text_of` does.
        """
        try:
            value = self._read(text)
        except (KeyError, ValueError, OverflowError) as error:
            raise ValueError(f"expected {self._expected()}, and not {text!r:.60}") from error
        known = self.checked(value)
        if self._written(known) != text:
            raise ValueError(f"expected {self._written(known)!r}, and not {text!r:.60}")
        return known

    def field(self, **options: Any) -> marshmallow.fields.Field[Any]:
        """The marshmallow field that reads a value from JSON, and says in schemas what it is."""
        check = [self._validate, *options.pop("validate", [])]
        if self.type is datetime.date:
            return marshmallow.fields.Date(format="iso", validate=check, **options)
        if self.type is uuid.UUID:
            return marshmallow.fields.UUID(validate=check, **options)
        kind = TypeSource(self.type).kind(None) if self._enum is None else EnumKind(self._enum)
        if kind is None:
            raise DeclarationError(f"a parameter cannot be {_named(self.type)}")
        return field_for(kind, validate=check, **options)

    def _validate(self, value: Any) -> None:
        try:
            self.checked(value)
        except ValueError as error:
            raise marshmallow.ValidationError(_sentence(error)) from error

    def _read(self, text: str) -> Any:
        if self._enum is None:
            return _READ[self.type](text)
        return {str(member.value): member for member in self._enum}[text]

    def _written(self, value: Any) -> str:
        if self._enum is not None:
            return str(value.value)
        match value:
            case bool():
                return "true" if value else "false"
            case datetime.date():
                return value.isoformat()
            case _:
                return str(value)

    def _member(self, value: Any) -> Any:
        try:
            return self._enum(value)
        except ValueError:
            raise ValueError(f"expected {self._expected()}, and not {value!r:.60}") from None

    def _expected(self) -> str:
        if self._enum is not None:
            return f"one of {', '.join(str(member.value) for member in self._enum)}"
        return "true or false" if self.type is bool else f"a {self.name}"


def refusal_of(name: str, error: ValueError) -> ValidationError:
    """The error that a value is no parameter, named by its slot."""
    return ValidationError({name: [_sentence(error)]})


def _sentence(error: ValueError) -> str:
    said = str(error)
    return f"{said[0].upper()}{said[1:]}."


def _named(type_: Any) -> str:
    return getattr(type_, "__name__", None) or f"{type_!r:.60}"
