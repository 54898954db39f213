"""Field transforms: what a write computes from the value that is there."""

from __future__ import annotations

import math
from typing import Any

from flask_boiler.firestore import protocol
from flask_boiler.firestore.protocol import field_names
from flask_boiler.local.embedded.queries.matching import opened_fields, value_at
from flask_boiler.local.embedded.storage.clock import set_timestamp
from flask_boiler.local.embedded.storage.encoding import encode_value
from flask_boiler.local.embedded.storage.name_rules import check_field_path
from flask_boiler.local.embedded.storage.refusal import invalid
from flask_boiler.local.embedded.storage.value_rules import check_value

__all__ = ["apply_transform", "check_transforms"]

_REQUEST_TIME = protocol.DocumentTransform.FieldTransform.REQUEST_TIME
_NUMBERS = ("integer_value", "double_value")
_LEAST, _GREATEST = -(2**63), 2**63 - 1


def check_transforms(transforms: Any) -> None:
    """Whether these transforms make sense for one document, whatever it holds.

    :raises Refusal: INVALID_ARGUMENT.
    """
    for transform in transforms:
        check_field_path(transform.field_path)
        match transform.WhichOneof("transform_type"):
            case None:
                raise invalid("Operation type must be specified for field transformation.")
            case "set_to_server_value":
                if transform.set_to_server_value != _REQUEST_TIME:
                    raise invalid(
                        "ServerValue type must be specified for set_to_server_value transformation."
                    )
            case "increment" | "maximum" | "minimum" as kind:
                if getattr(transform, kind).WhichOneof("value_type") not in _NUMBERS:
                    raise invalid("Input must be int64 or double.")
            case kind:
                for element in getattr(transform, kind).values:
                    check_value(element)
    _check_overlap([field_names(transform.field_path) for transform in transforms])


def _check_overlap(paths: list[tuple[str, ...]]) -> None:
    for outer in paths:
        for inner in paths:
            if len(inner) > len(outer) and inner[: len(outer)] == outer:
                raise invalid(
                    f"Cannot transform property {'.'.join(outer)} and its nested property at the "
                    "same time."
                )


def apply_transform(document: Any, transform: Any, commit_time_us: int) -> Any:
    """Change the field that the transform names; the ``Value`` that the client is told."""
    names = field_names(transform.field_path)
    kind = transform.WhichOneof("transform_type")
    before = value_at(document, names)
    after = _transformed(before, transform, kind, commit_time_us)
    if after is not before:
        fields = document.fields
        for step in names[:-1]:
            fields = opened_fields(fields[step])
        fields[names[-1]].CopyFrom(after)
    if kind in ("append_missing_elements", "remove_all_from_array"):
        return protocol.Value(null_value=0)
    return after


def _transformed(before: Any, transform: Any, kind: str, commit_time_us: int) -> Any:
    if kind == "set_to_server_value":
        after = protocol.Value()
        # A request's time has milliseconds.
        set_timestamp(after.timestamp_value, commit_time_us // 1000 * 1000)
        return after
    if kind == "increment":
        return _sum(before, transform.increment)
    if kind in ("maximum", "minimum"):
        return _extreme(before, getattr(transform, kind), kind)
    if kind == "append_missing_elements":
        return _array(_union(_items(before), transform.append_missing_elements.values))
    unwanted = {encode_value(item) for item in transform.remove_all_from_array.values}
    return _array([item for item in _items(before) if encode_value(item) not in unwanted])


def _number(value: Any) -> float | None:
    kind = None if value is None else value.WhichOneof("value_type")
    return getattr(value, kind) if kind in _NUMBERS else None


def _sum(before: Any, operand: Any) -> Any:
    number, added = _number(before), _number(operand)
    if number is None:
        return operand
    total = number + (added or 0)
    if isinstance(total, int):
        return protocol.Value(integer_value=max(_LEAST, min(total, _GREATEST)))
    return protocol.Value(double_value=total)


def _extreme(before: Any, operand: Any, kind: str) -> Any:
    number, other = _number(before), _number(operand)
    if number is None or other is None:
        return operand
    # What is not a number stays, and makes any other so; equal ones leave the field's kind.
    if math.isnan(number):
        return before
    if math.isnan(other):
        return operand
    wins = other > number if kind == "maximum" else other < number
    return operand if wins else before


def _items(value: Any) -> list[Any]:
    return [] if value is None else list(value.array_value.values)


def _union(items: list[Any], extra: Any) -> list[Any]:
    present = {encode_value(item) for item in items}
    for item in extra:
        encoded = encode_value(item)
        if encoded not in present:
            present.add(encoded)
            items.append(item)
    return items


def _array(items: list[Any]) -> Any:
    made = protocol.Value()
    made.array_value.SetInParent()
    made.array_value.values.extend(items)
    return made
