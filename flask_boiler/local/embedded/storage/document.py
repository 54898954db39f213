"""A document as it is stored: bytes that are decoded only when somebody looks inside."""

from __future__ import annotations

from typing import Any

from flask_boiler.firestore import protocol
from flask_boiler.local.embedded.storage.clock import microseconds

__all__ = ["StoredDocument", "collection_path", "document_name", "split_name"]

_DOCUMENTS = "/documents/"


class StoredDocument:
    """A version of a document; immutable.

    :param data: a serialized ``google.firestore.v1.Document`` with its name and times.
    :param updated: its ``update_time``, in microseconds.
    """

    __slots__ = ("_message", "data", "updated")

    def __init__(self, data: bytes, updated: int, message: Any = None) -> None:
        self.data = data
        self.updated = updated
        self._message = message

    @property
    def message(self) -> Any:
        """The ``Document``, decoded once; it is shared and must not be changed."""
        if self._message is None:
            self._message = protocol.Document.FromString(self.data)
        return self._message

    @property
    def name(self) -> str:
        """The full resource name."""
        return str(self.message.name)

    @property
    def created(self) -> int:
        """Its ``create_time``, in microseconds."""
        return microseconds(self.message.create_time)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StoredDocument) and other.data == self.data

    def __hash__(self) -> int:
        return hash(self.data)

    def __repr__(self) -> str:
        return f"StoredDocument({self.name!r}, updated={self.updated})"


def split_name(name: str) -> tuple[str, str]:
    """The world (``projects/P/databases/D``) and the path below its documents."""
    world, _, path = name.partition(_DOCUMENTS)
    return world, path


def document_name(world: str, path: str) -> str:
    """The full resource name of a path in a world."""
    return f"{world}{_DOCUMENTS}{path}"


def collection_path(path: str) -> tuple[str, str]:
    """The collection that a document's path is in, and the document's id."""
    collection, _, identity = path.rpartition("/")
    return collection, identity
