"""The slot for a value that says which view it is, such as the season of a table."""

from __future__ import annotations

import datetime
import enum
import uuid
from typing import Any, TypeVar

from flask_boiler.models.schema.param_type import ParamType, refusal_of
from flask_boiler.viewmodels.slots.slot import NeverMissing

__all__ = ["Param", "param"]

M = TypeVar("M")
#: A type whose values a path can hold.
P = TypeVar("P", bound=str | int | datetime.date | uuid.UUID | enum.Enum)


class Param(NeverMissing[M]):
    """A parameter: a value that says which view it is; see :func:`param`.

    :raises DeclarationError: no path can hold values of the type.
    """

    def __init__(self, type_: type[M]) -> None:
        super().__init__()
        #: The type of the values.
        self.type: ParamType[M] = ParamType(type_)

    def resolve(self, pointed: Any) -> M:
        """The value.

        :raises ValidationError: it is of another type, or can be no part of a path.
        """
        try:
            return self.type.checked(pointed)
        except ValueError as error:
            raise refusal_of(self.name, error) from error

    def part_of(self, value: Any) -> str:
        """The text of a value in paths.

        :raises ValidationError: it is of another type, or can be no part of a path.
        """
        try:
            return self.type.text_of(value)
        except ValueError as error:
            raise refusal_of(self.name, error) from error

    def value_of(self, text: str) -> M:
        """The value that a text in a path says.

        :raises ValidationError: it says none.
        """
        try:
            return self.type.value_of(text)
        except ValueError as error:
            raise refusal_of(self.name, error) from error


def param(type_: type[P]) -> Param[P]:
    """Declare a value that a view is of: there is one for each value that somebody names.

    ::

        class TableStore(Store):
            season = param(str)

            @reference(Match, many=True)
            def matches(self) -> Query[Match]:
                return Match.where(Match.season == self.season)

    :param type_: ``str``, ``int``, ``bool``, ``date``, ``UUID``, or an Enum of str or int.
    :raises DeclarationError: no path can hold values of the type.
    """
    return Param(type_)
