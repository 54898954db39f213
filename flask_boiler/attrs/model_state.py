"""The state of one instance of a model: the stored document, and what was made of it."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any, Final

__all__ = ["OMIT", "UNDECLARED", "UNSET", "ModelState", "Omit", "Unset"]


class Unset(enum.Enum):
    """The type of :data:`UNSET`."""

    UNSET = "unset"

    def __repr__(self) -> str:
        return "UNSET"


#: No value, where ``None`` would be one.
UNSET: Final = Unset.UNSET


class Omit(enum.Enum):
    """The type of :data:`OMIT`, for what a getter says that it returns: ``int | Omit``."""

    OMIT = "omit"

    def __repr__(self) -> str:
        return "OMIT"


#: The value of an attribute's getter that leaves the field out of the document, and of its JSON.
OMIT: Final = Omit.OMIT


#: In :attr:`ModelState.stale`: the undeclared fields, whichever there are. No field is named so.
UNDECLARED: Final = ""


class ModelState:
    """The state of one instance.

    :param stored: the fields as they were read, shared with whoever else reads them; empty
        for an object that was not read.
    """

    __slots__ = (
        "defaulted",
        "deleted",
        "extra",
        "group",
        "part_of",
        "path",
        "pending",
        "related",
        "removed",
        "stale",
        "stored",
        "unknown_type",
        "update_time_ns",
        "values",
    )

    def __init__(
        self,
        stored: Mapping[str, Any],
        path: str = "",
        update_time_ns: int | None = None,
    ) -> None:
        self.stored = stored
        #: Where the document lies; empty for what is no document.
        self.path = path
        #: Of the document as it was read or written; ``None`` if it was not.
        self.update_time_ns = update_time_ns
        #: The document that it was read as a part of, and where in it; empty if it was not.
        self.part_of = ""
        #: By attribute: what was converted from ``stored``, or assigned; ``UNSET`` if deleted.
        self.values: dict[str, Any] = {}
        #: By attribute: the stored form of a default that was given out. It counts as a change
        #: only once it differs from that, so that reading an attribute never writes it.
        self.defaulted: dict[str, Any] = {}
        #: Attributes that were assigned google's ``DELETE_FIELD``: not even null is to be stored.
        self.removed: frozenset[str] = frozenset()
        #: The document's ``obj_type``, if no class is known that has it; ``None`` if one is.
        self.unknown_type: Any = None
        #: The undeclared fields, once somebody asked for them.
        self.extra: dict[str, Any] | None = None
        #: Fields that are unknown until the document is read again: the server computed them.
        self.stale: frozenset[str] = frozenset()
        #: The transaction that is to write the document, and the fields as it leaves them;
        #: ``None`` for them if it deletes it.
        self.pending: tuple[object, Mapping[str, Any] | None] | None = None
        #: Whether the instance deleted its document, and has not stored it again.
        self.deleted = False
        #: By nested relation that was looked at: what it reads as, ``attrs.relations.Related``.
        self.related: dict[str, Any] = {}
        #: What was read together with it and as of one time, a ``nesting.Group``.
        self.group: Any = None

    @property
    def is_stored(self) -> bool:
        """Whether a document has the fields, so that they are no input."""
        return self.update_time_ns is not None or bool(self.part_of)
