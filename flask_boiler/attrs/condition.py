"""Conditions, and how they combine."""

from __future__ import annotations

from typing import Literal, NoReturn

from flask_boiler.ground.values import CompositeFilter, Filter

__all__ = ["Condition"]


class Condition:
    """A condition that documents have to fulfil; comparing an attribute of a class makes one.

    ::

        (City.country == "USA") & (City.population > 1_000_000) | (City.capital == True)

    :param filter: the same in Firestore's terms.
    :param declared_by: the classes that declare the attributes which it compares.
    """

    __slots__ = ("declared_by", "filter")

    def __init__(self, filter: Filter, *declared_by: type | None) -> None:
        self.filter = filter
        self.declared_by = frozenset(cls for cls in declared_by if cls is not None)

    def __and__(self, other: Condition) -> Condition:
        return self._joined("and", other)

    def __or__(self, other: Condition) -> Condition:
        return self._joined("or", other)

    def __bool__(self) -> NoReturn:
        raise TypeError(
            "a query condition is neither true nor false. Join conditions by & and |, each in "
            "parentheses, as in (City.country == 'USA') & (City.population > 1_000_000); Python's "
            "'and', 'or', 'not' and a < b < c do not work here"
        )

    def _joined(self, op: Literal["and", "or"], other: Condition) -> Condition:
        if not isinstance(other, Condition):
            return NotImplemented
        joined = CompositeFilter(op, (*_parts(op, self), *_parts(op, other)))
        return Condition(joined, *self.declared_by, *other.declared_by)

    def __repr__(self) -> str:
        return f"Condition({self.filter})"


def _parts(op: str, condition: Condition) -> tuple[Filter, ...]:
    own = condition.filter
    if isinstance(own, CompositeFilter) and own.op == op:
        return own.filters
    return (own,)
