"""The kind of an attribute: how the values of one type are stored."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from flask_boiler.attrs.kinds.mismatch import Mismatch, shown
from flask_boiler.firestore.native import same_value

__all__ = ["Kind", "dotted"]


class Kind:
    """A kind of values, which knows how they are stored.

    A value that ``load`` gives shares nothing mutable with the stored one, and neither does
    what ``dump`` gives with the value: so changes in place are seen by comparing.
    """

    #: What messages call it; asked for when it is needed, as models may be declared later.
    label: str = "value"
    #: Whether its parts are attributes, rather than keys that may be anything.
    has_attributes: bool = False
    #: Whether its values are whatever Firestore stores, so that nothing is to be said of them.
    takes_anything: bool = False
    #: Classes whose direct instances ``load`` gives back as they are.
    taken_as_is: frozenset[type] = frozenset()
    #: Classes whose direct instances ``dump`` gives back as they are.
    stored_as_is: frozenset[type] = frozenset()

    def load(self, stored: Any) -> Any:
        """The Python value of a stored one.

        :raises Mismatch: it is not of this kind.
        """
        raise NotImplementedError

    def dump(self, value: Any, *, bare: bool = False) -> Any:
        """The stored form of a Python value.

        :param bare: leave out what the framework adds to documents (``obj_type`` …).
        :raises Mismatch: it is not of this kind.
        """
        raise NotImplementedError

    def same(self, value: Any, stored: Any) -> bool:
        """Whether storing a value would leave what is stored as it is.

        A document that others wrote may spell a value in another way, without an embedded
        model's ``obj_type`` for example; reading it must not change it.
        """
        try:
            dumped = self.dump(value)
            return same_value(dumped, stored) or same_value(dumped, self.dump(self.load(stored)))
        except Mismatch:
            return False

    def adopt(self, value: Any) -> Any:
        """A value from outside as an attribute takes it: plain dicts become models, say.

        :raises Mismatch: nothing can be made of it.
        """
        return value

    def models_in(self, value: Any) -> Iterable[Any]:
        """The embedded models in a value that ``load`` gave."""
        return ()

    def required_paths(self, value: Any, name: str = "") -> Iterable[tuple[str, str]]:
        """The documents that have to exist where a value refers to them: names and paths.

        :param name: the dotted way to the value, for the names.
        """
        return ()

    def item(self) -> Kind:
        """The kind of the elements of an array.

        :raises Mismatch: it is no array.
        """
        raise Mismatch(f"{self.label} is not an array")

    def part(self, name: str) -> tuple[str, Kind]:
        """The field name and the kind of a named part.

        :raises KeyError: it has no such part.
        """
        raise KeyError(name)

    @property
    def part_names(self) -> Collection[str]:
        """The names of its parts, as far as they are known."""
        return ()

    def declare_owner(self, owner: type) -> None:
        """Learn which class uses the kind: names of models are looked up near it."""

    def refuse(self, value: Any) -> Mismatch:
        """The error for a value of another kind."""
        return Mismatch(f"expected {self.label}, not {shown(value)}")


def dotted(*names: str) -> str:
    """The dotted way to a part of a part; empty names are left out."""
    return ".".join(filter(None, names))
