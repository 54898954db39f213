"""A view's document as another view reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask_boiler.values import Snapshot

if TYPE_CHECKING:
    from flask_boiler.view_model import ViewModel

__all__ = ["StoredView"]


class StoredView:
    """A view as it was published: attributes read as they are stored, no getter runs.

    :param view_cls: the view's class, which names and converts the attributes.
    """

    def __init__(self, view_cls: type[ViewModel], snapshot: Snapshot) -> None:
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

    def __getattr__(self, name: str) -> Any:
        attribute = self._view_cls.attributes().get(name)
        if attribute is None:
            raise AttributeError(f"{self._view_cls.__name__} has no attribute {name!r}")
        return attribute.read(self._snapshot.fields, where=self._snapshot.path)
