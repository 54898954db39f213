"""The objects that stand for documents in one transaction.

Two objects of one document would each be saved as if the other had not been changed. So whoever
reads a document in a transaction is given the object that is there already.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from weakref import WeakValueDictionary

__all__ = ["Identities"]


class Identities:
    """The objects of a transaction by document, as long as somebody else uses them."""

    def __init__(self) -> None:
        self._objects: WeakValueDictionary[tuple[str, type], Any] = WeakValueDictionary()
        self._left: dict[str, Mapping[str, Any] | None] = {}

    def find(self, path: str, model: type) -> Any:
        """The object of exactly this class that stands for the document, or ``None``."""
        return self._objects.get((path, model))

    def add(self, path: str, found: Any) -> None:
        """Register an object for its document."""
        self._objects[path, type(found)] = found

    def note_saved(self, path: str, saved: Any, left: Mapping[str, Any] | None) -> None:
        """Note that an object was saved or deleted.

        :param left: the fields as it left them; ``None`` if it deleted the document.
        """
        self._left[path] = left
        if left is None:
            self._objects.pop((path, type(saved)), None)
        else:
            self.add(path, saved)

    def note_written(self, path: str) -> None:
        """Note that a document was written, by an object or without one."""
        self._left.pop(path, None)

    def has_left(self, path: str, fields: Mapping[str, Any] | None) -> bool:
        """Whether an object was the last to write the document, and wrote exactly these fields."""
        return path in self._left and self._left[path] is fields

    def clear(self) -> None:
        """Forget all objects, so that everything is read again."""
        self._objects.clear()
        self._left.clear()
