"""A view's document as another view reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask_boiler.attrs.model_state import OMIT
from flask_boiler.ground.naming import nearest
from flask_boiler.ground.values import Snapshot
from flask_boiler.models.model import Model

__all__ = ["STORED_NAMES", "StoredView"]

#: What it has beside the view's attributes.
STORED_NAMES = ("doc_id", "doc_ref")


class StoredView:
    """A view as it was published: attributes read as they are stored, no getter runs.

    What a getter left out is ``OMIT`` here, too, if its type says that it may.

    :param view_cls: the view's class, which names and converts the attributes.
    """

    def __init__(self, view_cls: type[Model], snapshot: Snapshot) -> None:
        self._view_cls = view_cls
        self._snapshot = snapshot

    @property
    def doc_id(self) -> str:
        """The id of the document that it was read from."""
        return self._snapshot.id

    @property
    def doc_ref(self) -> Any:
        """Google's reference to that document."""
        return self._snapshot.reference

    if not TYPE_CHECKING:
        # Hidden from type checkers, which take it for the view itself.
        def __getattr__(self, name: str) -> Any:
            if name.startswith("_") or hasattr(type(self), name):
                # What it has itself has failed: that error is the one to be seen.
                return object.__getattribute__(self, name)
            known = self._view_cls.attributes()
            if name not in known:
                hint = nearest(name, (*known, *STORED_NAMES))
                raise AttributeError(f"{self._view_cls.__name__} has no attribute {name!r}{hint}")
            attribute, fields = known[name], self._snapshot.fields
            if attribute.says_omit and attribute.is_omitted(fields):
                return OMIT
            return attribute.read(fields, where=self._snapshot.path)
