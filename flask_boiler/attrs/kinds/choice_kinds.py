"""The kinds that leave a choice: of several kinds, of a few values, of an enum, of ``None``."""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from flask_boiler.attrs.kinds.kind import Kind
from flask_boiler.attrs.kinds.mismatch import Mismatch, StoredMismatch
from flask_boiler.attrs.kinds.scalar_kinds import as_integer

__all__ = ["EnumKind", "LiteralKind", "OptionalKind", "UnionKind"]


class OptionalKind(Kind):
    """A kind, or ``None``."""

    def __init__(self, inner: Kind) -> None:
        self.inner = inner
        self.has_attributes = inner.has_attributes

    @property
    def label(self) -> str:  # type: ignore[override]
        """The label of the inner kind, and ``None``."""
        return f"{self.inner.label} or None"

    def load(self, stored: Any) -> Any:
        """``None`` for null."""
        return None if stored is None else self.inner.load(stored)

    def dump(self, value: Any, *, bare: bool = False) -> Any:
        """Null for ``None``."""
        return None if value is None else self.inner.dump(value, bare=bare)

    def same(self, value: Any, stored: Any) -> bool:
        """Whether both are ``None``, or it holds by the inner kind."""
        if value is None or stored is None:
            return value is stored
        return self.inner.same(value, stored)

    def adopt(self, value: Any) -> Any:
        """``None``, or the value that the inner kind adopts."""
        return None if value is None else self.inner.adopt(value)

    def models_in(self, value: Any) -> Iterable[Any]:
        """The embedded models by the inner kind."""
        return self.inner.models_in(value)

    def required_paths(self, value: Any, name: str = "") -> Iterable[tuple[str, str]]:
        """The documents by the inner kind."""
        return self.inner.required_paths(value, name)

    def item(self) -> Kind:
        """The kind of elements by the inner kind."""
        return self.inner.item()

    def part(self, name: str) -> tuple[str, Kind]:
        """The part by the inner kind."""
        return self.inner.part(name)

    @property
    def part_names(self) -> Collection[str]:
        """The names by the inner kind."""
        return self.inner.part_names


class UnionKind(Kind):
    """Several kinds: a value is of the one that takes it as it is, or of the first that fits."""

    def __init__(self, kinds: Sequence[Kind]) -> None:
        self.kinds = tuple(kinds)

    @property
    def label(self) -> str:  # type: ignore[override]
        """The labels of all of them."""
        return " or ".join(kind.label for kind in self.kinds)

    def load(self, stored: Any) -> Any:
        """The value by the first kind that can load it, or as it is if a kind takes it so."""
        if any(type(stored) in kind.taken_as_is for kind in self.kinds):
            return stored
        return self._first(stored, lambda kind: kind.load(stored))

    def dump(self, value: Any, *, bare: bool = False) -> Any:
        """The stored form by the first kind that can dump it, or as a kind stores it as it is."""
        if any(type(value) in kind.stored_as_is for kind in self.kinds):
            return value
        return self._first(value, lambda kind: kind.dump(value, bare=bare))

    def models_in(self, value: Any) -> Iterable[Any]:
        """The embedded models in it, whichever kind it is of."""
        return (model for kind in self.kinds for model in kind.models_in(value))

    def _first(self, value: Any, convert: Callable[[Kind], Any]) -> Any:
        for kind in self.kinds:
            try:
                return convert(kind)
            except StoredMismatch:
                # It is of this kind; what is wrong lies in it.
                raise
            except Mismatch:
                continue
        raise self.refuse(value)


class LiteralKind(Kind):
    """The kind that takes one of a few values."""

    def __init__(self, values: Sequence[Any]) -> None:
        self.values = tuple(values)
        self.label = "one of " + ", ".join(repr(value) for value in self.values)

    def load(self, stored: Any) -> Any:
        """The literal."""
        return self.dump(stored)

    def dump(self, value: Any, *, bare: bool = False) -> Any:
        """The literal; an integral double is an integer here, too."""
        # 1 == True, but they are not the same literal.
        for candidate in (value, as_integer(value)):
            if any(candidate == known and type(candidate) is type(known) for known in self.values):
                return candidate
        raise self.refuse(value)


class EnumKind(Kind):
    """The members of an enum, stored by value."""

    def __init__(self, enumeration: type[enum.Enum]) -> None:
        self.enumeration = enumeration
        members = ", ".join(repr(member.value) for member in enumeration)
        self.label = f"{enumeration.__name__} (one of {members})"

    def load(self, stored: Any) -> Any:
        """The member with that value."""
        try:
            return self.enumeration(stored)
        except ValueError:
            raise self.refuse(stored) from None

    def dump(self, value: Any, *, bare: bool = False) -> Any:
        """The member's value; a value that has a member is taken too."""
        return self.load(value).value
