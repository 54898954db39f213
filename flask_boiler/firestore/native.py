"""Firestore's own types of values, as in Google's client, and how values are compared."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from google.cloud.firestore_v1 import transforms
from google.cloud.firestore_v1._helpers import GeoPoint
from google.cloud.firestore_v1.base_document import BaseDocumentReference
from google.cloud.firestore_v1.document import DocumentReference
from google.cloud.firestore_v1.vector import Vector

__all__ = [
    "DELETE_FIELD",
    "BaseDocumentReference",
    "DocumentReference",
    "GeoPoint",
    "Vector",
    "contains_transform",
    "copied",
    "equal_value",
    "is_transform",
    "same_value",
]

DELETE_FIELD = transforms.DELETE_FIELD

_TRANSFORMS = (transforms.Sentinel, transforms._ValueList, transforms._NumericValue)
_NUMBERS = (bool, int, float)


def is_transform(value: Any) -> bool:
    """Whether the server computes the value, as for ``Increment`` and ``SERVER_TIMESTAMP``."""
    return isinstance(value, _TRANSFORMS)


def contains_transform(value: Any) -> bool:
    """Whether the value, or a part of it, is computed by the server."""
    if isinstance(value, Mapping):
        return any(contains_transform(item) for item in value.values())
    return is_transform(value)


def copied(value: Any) -> Any:
    """A copy of the value, with new ``dict`` and ``list`` objects."""
    if type(value) is dict:
        return {name: copied(item) for name, item in value.items()}
    if type(value) is list:
        return [copied(item) for item in value]
    return value


def same_value(one: Any, other: Any) -> bool:
    """Whether Firestore stores both in the same way: ``1``, ``1.0`` and ``True`` all differ."""
    return _alike(one, other, _same_number)


def equal_value(one: Any, other: Any) -> bool:
    """Whether a query for one finds the other: ``1`` and ``1.0`` are equal, ``True`` is not."""
    return _alike(one, other, _equal_number)


def _alike(one: Any, other: Any, numbers: Callable[[Any, Any], bool]) -> bool:
    if one is other:
        return True
    if isinstance(one, Mapping):
        return isinstance(other, Mapping) and _alike_maps(one, other, numbers)
    if isinstance(one, list | tuple):
        return isinstance(other, list | tuple) and _alike_arrays(one, other, numbers)
    if isinstance(one, _NUMBERS) or isinstance(other, _NUMBERS):
        return numbers(one, other)
    if isinstance(one, BaseDocumentReference):
        # Google compares clients too, and the same database can have several.
        return isinstance(other, BaseDocumentReference) and one.path == other.path
    return bool(one == other)


def _alike_maps(
    one: Mapping[str, Any], other: Mapping[str, Any], numbers: Callable[[Any, Any], bool]
) -> bool:
    return len(one) == len(other) and all(
        name in other and _alike(item, other[name], numbers) for name, item in one.items()
    )


def _alike_arrays(
    one: Sequence[Any], other: Sequence[Any], numbers: Callable[[Any, Any], bool]
) -> bool:
    return len(one) == len(other) and all(
        _alike(left, right, numbers) for left, right in zip(one, other, strict=True)
    )


def _same_number(one: Any, other: Any) -> bool:
    return type(one) is type(other) and (one == other or _both_nan(one, other))


def _equal_number(one: Any, other: Any) -> bool:
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    numbers = isinstance(one, _NUMBERS) and isinstance(other, _NUMBERS)
    return numbers and (bool(one == other) or _both_nan(one, other))


def _both_nan(one: Any, other: Any) -> bool:
    return math.isnan(one) and math.isnan(other)
