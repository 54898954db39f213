"""The kinds of arrays and maps, whose items are all of one kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from flask_boiler.attrs.kinds.kind import Kind, dotted
from flask_boiler.attrs.kinds.mismatch import Mismatch, collect, shown
from flask_boiler.firestore.native import is_transform

__all__ = ["DictKind", "ListKind", "ManyKind", "TupleKind", "named_items"]


class ListKind(Kind):
    """The kind of arrays."""

    def __init__(self, of: Kind) -> None:
        self.of = of

    @property
    def label(self) -> str:  # type: ignore[override]
        """A list, and of what."""
        return "a list" if self.of.takes_anything else f"a list of {self.of.label}"

    def load(self, stored: Any) -> Any:
        """A list of the loaded items."""
        if not isinstance(stored, list):
            raise self.refuse(stored)
        return collect(list(enumerate(stored)), self.of.load)

    def dump(self, value: Any, *, bare: bool = False) -> Any:
        """A list of the dumped items."""
        if not isinstance(value, list | tuple):
            raise self.refuse(value)
        return collect(list(enumerate(value)), lambda item: self.of.dump(item, bare=bare))

    def models_in(self, value: Any) -> Iterable[Any]:
        """The embedded models in all items."""
        items = value if isinstance(value, list | tuple) else ()
        return (model for item in items for model in self.of.models_in(item))

    def required_paths(self, value: Any, name: str = "") -> Iterable[tuple[str, str]]:
        """The documents that all items refer to."""
        return _required_in(self.of, value, name)

    def same(self, value: Any, stored: Any) -> bool:
        """Whether that holds for every item."""
        if not isinstance(value, list | tuple) or not isinstance(stored, list):
            return False
        pairs = zip(value, stored, strict=False)
        return len(value) == len(stored) and all(self.of.same(v, s) for v, s in pairs)

    def adopt(self, value: Any) -> Any:
        """A list of the adopted items."""
        if not isinstance(value, list | tuple):
            raise self.refuse(value)
        return collect(list(enumerate(value)), self.of.adopt)

    def item(self) -> Kind:
        """The kind of the items."""
        return self.of


class TupleKind(ListKind):
    """Arrays that are tuples in Python."""

    def load(self, stored: Any) -> Any:
        """A tuple of the loaded items."""
        return tuple(super().load(stored))


class DictKind(Kind):
    """Maps with arbitrary keys."""

    def __init__(self, of: Kind) -> None:
        self.of = of

    @property
    def label(self) -> str:  # type: ignore[override]
        """A dict, and of what."""
        return "a dict" if self.of.takes_anything else f"a dict of {self.of.label}"

    def load(self, stored: Any) -> Any:
        """A dict of the loaded values."""
        if not isinstance(stored, Mapping):
            raise self.refuse(stored)
        return self._map(stored, self.of.load)

    def dump(self, value: Any, *, bare: bool = False) -> Any:
        """A dict of the dumped values."""
        if not isinstance(value, Mapping):
            raise self.refuse(value)
        wrong = [key for key in value if not isinstance(key, str) or not key]
        if wrong:
            raise Mismatch(f"a key must be a string that is not empty, not {shown(wrong[0])}")
        return self._map(value, lambda v: v if is_transform(v) else self.of.dump(v, bare=bare))

    def models_in(self, value: Any) -> Iterable[Any]:
        """The embedded models in all values."""
        items = value.values() if isinstance(value, Mapping) else ()
        return (model for item in items for model in self.of.models_in(item))

    def required_paths(self, value: Any, name: str = "") -> Iterable[tuple[str, str]]:
        """The documents that all items refer to."""
        return _required_in(self.of, value, name)

    def same(self, value: Any, stored: Any) -> bool:
        """Whether that holds for every value."""
        if not isinstance(value, Mapping) or not isinstance(stored, Mapping):
            return False
        return value.keys() == stored.keys() and all(
            self.of.same(item, stored[key]) for key, item in value.items()
        )

    def adopt(self, value: Any) -> Any:
        """A dict of the adopted values."""
        if not isinstance(value, Mapping):
            raise self.refuse(value)
        return self._map(value, self.of.adopt)

    def part(self, name: str) -> tuple[str, Kind]:
        """The name as it is, and the kind of the values."""
        return name, self.of

    def _map(self, values: Mapping[str, Any], convert: Callable[[Any], Any]) -> dict[str, Any]:
        return dict(zip(values, collect(list(values.items()), convert), strict=True))


class ManyKind(Kind):
    """A list or a dict of one kind; the shape that is given is kept."""

    def __init__(self, of: Kind) -> None:
        self.of = of
        self._list = ListKind(of)
        self._dict = DictKind(of)

    @property
    def label(self) -> str:  # type: ignore[override]
        """The names of both shapes."""
        return f"a list or a dict of {self.of.label}"

    def load(self, stored: Any) -> Any:
        """A list for an array, a dict for a map."""
        return self._shape(stored).load(stored)

    def dump(self, value: Any, *, bare: bool = False) -> Any:
        """An array for a list, a map for a dict."""
        return self._shape(value).dump(value, bare=bare)

    def same(self, value: Any, stored: Any) -> bool:
        """Whether that holds for each."""
        return (self._dict if isinstance(value, Mapping) else self._list).same(value, stored)

    def adopt(self, value: Any) -> Any:
        """The same shape of adopted items."""
        return self._shape(value).adopt(value)

    def models_in(self, value: Any) -> Iterable[Any]:
        """The embedded models in either shape."""
        return (self._dict if isinstance(value, Mapping) else self._list).models_in(value)

    def required_paths(self, value: Any, name: str = "") -> Iterable[tuple[str, str]]:
        """The documents that all items refer to."""
        return _required_in(self.of, value, name)

    def declare_owner(self, owner: type) -> None:
        """Tell the kind of the items who declares the attribute."""
        self.of.declare_owner(owner)

    def item(self) -> Kind:
        """The kind of the elements."""
        return self.of

    def part(self, name: str) -> tuple[str, Kind]:
        """The element under a key."""
        return name, self.of

    def _shape(self, value: Any) -> Kind:
        if isinstance(value, Mapping):
            return self._dict
        if isinstance(value, list | tuple):
            return self._list
        raise self.refuse(value)


def named_items(value: Any) -> Iterable[tuple[str, Any]]:
    """The items of a list or a dict by index or key, or a value that is neither by no name."""
    if isinstance(value, Mapping):
        return value.items()
    if isinstance(value, list | tuple):
        return ((str(index), item) for index, item in enumerate(value))
    return [("", value)]


def _required_in(kind: Kind, value: Any, name: str) -> Iterator[tuple[str, str]]:
    for key, item in named_items(value):
        yield from kind.required_paths(item, dotted(name, key))
