"""Field transforms: what a write computes from the value that is there."""

from __future__ import annotations

from typing import Any

from flask_boiler.firestore import protocol
from flask_boiler.firestore.ordering import value_key
from flask_boiler.firestore.protocol import field_names, field_value


def apply_transform(document: Any, transform: Any, commit_time_ns: int) -> None:
    """Change the field that the transform names."""
    before = field_value(document, transform.field_path)
    after = _transformed(before, transform, commit_time_ns)
    names = field_names(transform.field_path)
    fields = document.fields
    for step in names[:-1]:
        fields = fields[step].map_value.fields
    fields[names[-1]].CopyFrom(after)


def _transformed(before: Any, transform: Any, commit_time_ns: int) -> Any:
    kind = transform.WhichOneof("transform_type")
    match kind:
        case "set_to_server_value":
            after = protocol.Value()
            protocol.set_timestamp(after.timestamp_value, commit_time_ns)
            return after
        case "increment":
            return _sum(before, transform.increment)
        case "maximum" | "minimum":
            return _extreme(before, getattr(transform, kind), largest=kind == "maximum")
        case "append_missing_elements":
            return _array(_union(_items(before), transform.append_missing_elements.values))
        case _:
            unwanted = [value_key(item) for item in transform.remove_all_from_array.values]
            return _array([item for item in _items(before) if value_key(item) not in unwanted])


def _number(value: Any) -> float | None:
    kind = None if value is None else value.WhichOneof("value_type")
    return getattr(value, kind) if kind in {"integer_value", "double_value"} else None


def _sum(before: Any, operand: Any) -> Any:
    number, added = _number(before), _number(operand)
    total = (number or 0) + (added or 0)
    if isinstance(total, int):
        return protocol.Value(integer_value=max(-(2**63), min(total, 2**63 - 1)))
    return protocol.Value(double_value=total)


def _extreme(before: Any, operand: Any, *, largest: bool) -> Any:
    number = _number(before)
    wins = number is None or (
        (value_key(operand) > value_key(before))
        if largest
        else (value_key(operand) < value_key(before))
    )
    return operand if wins else before


def _items(value: Any) -> list[Any]:
    return [] if value is None else list(value.array_value.values)


def _union(items: list[Any], extra: Any) -> list[Any]:
    for item in extra:
        if value_key(item) not in [value_key(present) for present in items]:
            items.append(item)
    return items


def _array(items: list[Any]) -> Any:
    made = protocol.Value()
    made.array_value.SetInParent()
    made.array_value.values.extend(items)
    return made
