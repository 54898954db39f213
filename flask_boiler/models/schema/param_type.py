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
#: What a text has to be.
_SAID: dict[type[Any], str] = {
    str: "a text",
    int: "a whole number",
    bool: "true or false",
    datetime.date: "a date, as in 2024-02-29",
    uuid.UUID: "a UUID",
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
        fault = _fault_of_enum(given) if is_enum else None
        if fault is not None:
            raise DeclarationError(
                f"a parameter of {type_.__name__} cannot be part of a path: {fault}"
            )
        if not is_enum and not any(type_ is known for known in _READ):
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

    @property
    def texts(self) -> list[str] | None:
        """All texts that there are of an Enum; ``None`` of a type with too many to tell."""
        if self._enum is None:
            return None
        texts = [str(member.value) for member in self._enum]
        return [text for text in texts if id_fault(text) is None]

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
        if self.type is str and isinstance(value, str):
            # Of a member of an Enum of str, say, another text would be made.
            return str.__str__(value)
        # True is an int, and a datetime a date: of both, other texts would be made.
        if type(value) is self.type:
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
        if not isinstance(text, str):
            raise ValueError(f"expected a text, and not {text!r:.60}")
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
        except (TypeError, ValueError):
            raise ValueError(f"expected {self._expected()}, and not {value!r:.60}") from None

    def _expected(self) -> str:
        if self._enum is not None:
            return f"one of {', '.join(str(member.value) for member in self._enum)}"
        return _SAID[self.type]


def refusal_of(name: str, error: ValueError) -> ValidationError:
    """The error that a value is no parameter, named by its slot."""
    return ValidationError({name: [_sentence(error)]})


def _sentence(error: ValueError) -> str:
    said = str(error)
    return f"{said[0].upper()}{said[1:]}."


def _named(type_: Any) -> str:
    return type_.__name__ if isinstance(type_, type) else f"{type_!r:.60}"


def _fault_of_enum(given: type[enum.Enum]) -> str | None:
    """The reason why texts do not tell the members of an Enum apart, or ``None`` if they do."""
    if issubclass(given, enum.Flag):
        return "its members can be combined"
    values = [member.value for member in given]
    if not values:
        return "it has no members"
    if not all(type(value) in (str, int) for value in values):
        return "the values of its members are not all str or int"
    texts = [str(value) for value in values]
    twice = next((text for text in texts if texts.count(text) > 1), None)
    if twice is not None:
        return f"two of its members would be {twice!r} there"
    return next(filter(None, map(id_fault, texts)), None)
