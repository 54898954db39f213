"""The kind of attributes without a type."""

from __future__ import annotations

import datetime
import enum
from collections.abc import Mapping
from typing import Any

from flask_boiler.attrs.attributed import Attributed, AttributedDocument
from flask_boiler.attrs.kinds.container_kinds import DictKind, ListKind
from flask_boiler.attrs.kinds.embed_kind import EmbedKind
from flask_boiler.attrs.kinds.kind import Kind
from flask_boiler.attrs.kinds.mismatch import Mismatch, shown
from flask_boiler.attrs.model_state import OMIT
from flask_boiler.firestore.native import (
    BaseDocumentReference,
    GeoPoint,
    Vector,
    copied,
    is_transform,
)

__all__ = ["AnyKind"]

_PLAIN = frozenset({type(None), bool, int, float, str, bytes, datetime.datetime})
_STORABLE = (str, bytes, int, float, datetime.datetime, BaseDocumentReference, GeoPoint, Vector)


class AnyKind(Kind):
    """Whatever Firestore can store."""

    label = "any value"
    takes_anything = True
    taken_as_is = frozenset({bool, int, float, str, bytes, datetime.datetime})
    stored_as_is = taken_as_is

    def load(self, stored: Any) -> Any:
        """The value itself; its arrays and maps are copies."""
        return stored if type(stored) in _PLAIN else copied(stored)

    def dump(self, value: Any, *, bare: bool = False) -> Any:
        """The value itself, its arrays and maps copied, enums and models in their stored form."""
        if type(value) in _PLAIN or is_transform(value):
            return value
        if isinstance(value, enum.Enum):
            if value is OMIT:
                raise Mismatch("OMIT leaves out a whole field, and no part of one")
            return value.value
        if isinstance(value, Mapping):
            return _ANY_DICT.dump(value, bare=bare)
        if isinstance(value, list | tuple):
            return _ANY_LIST.dump(value, bare=bare)
        if isinstance(value, bytearray):
            return bytes(value)
        if isinstance(value, _STORABLE):
            return value
        return self._dump_model(value, bare=bare)

    def _dump_model(self, value: Any, *, bare: bool) -> Any:
        if isinstance(value, AttributedDocument):
            raise Mismatch(
                f"{shown(value)} is a document of its own: declare attrs.relation() to store a "
                "reference to it, or attrs.embed() to store a copy"
            )
        if isinstance(value, Attributed):
            return EmbedKind(type(value)).dump(value, bare=bare)
        raise Mismatch(f"Firestore cannot store {shown(value)}")

    def item(self) -> Kind:
        """The kind itself: an item may be anything."""
        return self

    def part(self, name: str) -> tuple[str, Kind]:
        """The name as it is, and the kind itself: a part may be anything."""
        return name, self


_ANY_LIST = ListKind(AnyKind())
_ANY_DICT = DictKind(AnyKind())
