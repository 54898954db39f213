"""The slot: a named part of a store, and what slots of all kinds have in common."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Generic, NoReturn, Self, TypeVar, overload

from flask_boiler.errors import DeclarationError
from flask_boiler.ground.ports import Incomplete

__all__ = ["HasSlots", "MemberWanted", "NeverMissing", "Slot", "require_parentheses"]

M = TypeVar("M")


class MemberWanted(Incomplete):
    """The signal that something cannot be computed for all members of an ``each`` at once.

    Like its parent it passes through the code of applications, whatever that catches.
    """

    def __init__(self) -> None:
        super().__init__(())


class HasSlots:
    """A store, as its slots know it."""

    def _value(self, slot: Slot[Any]) -> Any:
        """What a slot holds, read when it is first asked for."""
        raise NotImplementedError


class Slot(Generic[M]):
    """A named part of a store: a reference, a root, a parameter, or the member of an ``each``."""

    def __init__(self) -> None:
        self.name = ""
        self.owner = ""
        self._declared_in: type | None = None

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name
        self.owner = owner.__name__
        self._declared_in = owner

    def __repr__(self) -> str:
        return f"{self.owner}.{self.name}"

    def check(self) -> None:
        """Check what was declared, once the slot has its name.

        :raises DeclarationError: something is wrong with it.
        """

    if not TYPE_CHECKING:
        # Hidden from type checkers, which refuse it by themselves.
        def __call__(self, source: Any) -> NoReturn:
            """Refuse to be a decorator.

            :raises DeclarationError: always; slots that have a source take it here.
            """
            raise DeclarationError(
                f"{getattr(source, '__qualname__', source)!s:.80} cannot be computed by a method: "
                "a root() or a param() is handed in by whoever makes the view. Write @reference(…) "
                "above the method if it says what else to read, or @each(…) if it says who the "
                "members are"
            )

    @property
    def from_outside(self) -> tuple[str, ...]:
        """The names by which the slot may be handed in from outside; the usual one is first."""
        return (self.name,)

    def resolve(self, pointed: Any) -> Any:
        """The value of the slot, from what its source, or whoever fed it, gives."""
        raise NotImplementedError

    def part_of(self, value: Any) -> str:
        """The text of a value of the slot in the subject of a view.

        :raises ValidationError: it can be none.
        """
        raise NotImplementedError


class NeverMissing(Slot[M]):
    """A slot without whose value there is no view, so that it never reads as ``None``."""

    @overload
    def __get__(self, store: None, owner: type) -> Self: ...
    @overload
    def __get__(self, store: HasSlots, owner: type) -> M: ...
    def __get__(self, store: HasSlots | None, owner: type) -> Any:
        return self if store is None else store._value(self)


def require_parentheses(decorator: str, model: Any) -> None:
    """Check that what is given as a slot's model is not the method that it stands above.

    :param decorator: what declares the slot.
    :raises DeclarationError: it is.
    """
    if inspect.isfunction(model):
        raise DeclarationError(
            f"{decorator} was given the function {model.__qualname__} as its model: name the "
            f"model first, as in {decorator}(City)"
        )
