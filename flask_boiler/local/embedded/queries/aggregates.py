"""Aggregations: counting, adding up, averaging."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask_boiler.firestore import protocol
from flask_boiler.firestore.protocol import field_names
from flask_boiler.local.embedded.queries.conditions import NAME_FIELD
from flask_boiler.local.embedded.queries.matching import value_at
from flask_boiler.local.embedded.storage.name_rules import (
    check_field_path,
    is_reserved,
    is_too_long,
)
from flask_boiler.local.embedded.storage.refusal import invalid

__all__ = ["Aggregation", "aggregations"]

_MOST = 5
_LEAST, _GREATEST = -(2**63), 2**63 - 1


class Aggregation:
    """One aggregation, fed with the documents of a result."""

    def __init__(self, message: Any, alias: str) -> None:
        #: What the result calls it.
        self.alias = alias
        self._kind: str | None = message.WhichOneof("operator")
        #: The field that is added up; empty for a count.
        self.names: tuple[str, ...] = ()
        #: How far it counts, at most.
        self.up_to: int | None = None
        if self._kind is None:
            raise invalid("Operator field in Aggregation is not set.")
        if self.is_count:
            if message.count.HasField("up_to"):
                up_to: int = message.count.up_to.value
                if up_to < 0:
                    raise invalid("up_to must not be negative.")
                self.up_to = up_to
        else:
            path = getattr(message, self._kind).field.field_path
            check_field_path(path)
            self.names = field_names(path)
            if self.names == NAME_FIELD:
                raise invalid("Aggregations are not supported for the property: __key__")
        self._seen = 0
        self._numbers = 0
        self._sum: float = 0

    @property
    def is_count(self) -> bool:
        """Whether documents are counted, whatever is in them."""
        return self._kind == "count"

    def counted(self, count: int) -> Any:
        """The value of a count, if there are so many documents."""
        return protocol.Value(integer_value=count if self.up_to is None else min(count, self.up_to))

    def add(self, message: Any) -> None:
        """Take a ``Document`` into account."""
        self._seen += 1
        found = value_at(message, self.names) if self.names else None
        kind = None if found is None else found.WhichOneof("value_type")
        if kind in ("integer_value", "double_value"):
            self._numbers += 1
            self._sum += getattr(found, kind)

    def value(self) -> Any:
        """The value for the documents that were added."""
        if self.is_count:
            return self.counted(self._seen)
        if self._kind == "avg":
            if not self._numbers:
                return protocol.Value(null_value=0)
            return protocol.Value(double_value=self._sum / self._numbers)
        if isinstance(self._sum, int) and _LEAST <= self._sum <= _GREATEST:
            return protocol.Value(integer_value=self._sum)
        return protocol.Value(double_value=float(self._sum))


def aggregations(messages: Sequence[Any]) -> list[Aggregation]:
    """The aggregations of a request, checked and named.

    :raises Refusal: INVALID_ARGUMENT.
    """
    if not messages:
        raise invalid("Aggregations can not be empty.")
    if len(messages) > _MOST:
        raise invalid(f"A query can have {_MOST} aggregations, and not {len(messages)}.")
    unnamed = 0
    found: dict[str, Aggregation] = {}
    for message in messages:
        alias = message.alias
        if not alias:
            unnamed += 1
            alias = f"field_{unnamed}"
        if is_reserved(alias):
            raise invalid(f'The property.name "{alias}" is reserved.')
        if is_too_long(alias):
            raise invalid("The property.name is longer than 1500 bytes.")
        if alias in found:
            raise invalid(f"Aggregation aliases contain duplicate alias: {alias}.")
        found[alias] = Aggregation(message, alias)
    return list(found.values())
