"""The changes between two JSON values: JSON Patch (RFC 6902) and merge patch (RFC 7396).

A JSON Patch here has only ``add``, ``remove`` and ``replace``. Objects are compared member by
member; of arrays, equal items are matched in their order, so that an item that enters at the front
is one operation. Libraries look for items that were moved as well, at a price that grows with the
square of the value, and make no merge patches.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher
from typing import Any

from flask_boiler.ground.json_text import canonical_json

__all__ = ["json_patch", "merge_patch", "same_json"]

Operation = dict[str, Any]

#: Beyond this, the items of arrays are compared by their place alone: matching may take the square.
_LONGEST_MATCHED = 500


def same_json(one: Any, other: Any) -> bool:
    """Whether two values are the same JSON: Python takes ``True`` for ``1``, and JSON does not."""
    if isinstance(one, Mapping):
        return (
            isinstance(other, Mapping)
            and one.keys() == other.keys()
            and all(same_json(value, other[key]) for key, value in one.items())
        )
    if isinstance(one, list):
        return (
            isinstance(other, list) and len(one) == len(other) and all(map(same_json, one, other))
        )
    return type(one) is type(other) and bool(one == other)


def json_patch(before: Any, after: Any) -> list[Operation]:
    """The operations that make ``after`` of ``before``, to be applied in order."""
    return list(_operations(before, after, ""))


def merge_patch(before: Any, after: Any) -> Any:
    """The merge patch that makes ``after`` of ``before``.

    :raises ValueError: there is none, because a member becomes null, which says "removed" there.
    """
    if not isinstance(after, Mapping) or not isinstance(before, Mapping):
        if isinstance(after, Mapping):
            _refuse_nulls(after)
        return after
    patch: dict[str, Any] = {key: None for key in before if key not in after}
    for key, value in after.items():
        if key in before and same_json(before[key], value):
            continue
        if value is None:
            raise ValueError(f"{key!r} becomes null, which a merge patch cannot express")
        patch[key] = merge_patch(before.get(key), value)
    return patch


def _refuse_nulls(value: Mapping[str, Any]) -> None:
    """Check that an object can be said as a patch: arrays are taken as they are."""
    for key, member in value.items():
        if member is None:
            raise ValueError(f"{key!r} becomes null, which a merge patch cannot express")
        if isinstance(member, Mapping):
            _refuse_nulls(member)


def _operations(before: Any, after: Any, path: str) -> Iterator[Operation]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        yield from _of_objects(before, after, path)
    elif isinstance(before, list) and isinstance(after, list):
        yield from _of_arrays(before, after, path)
    elif not same_json(before, after):
        yield {"op": "replace", "path": path, "value": after}


def _of_objects(
    before: Mapping[str, Any], after: Mapping[str, Any], path: str
) -> Iterator[Operation]:
    for key in before:
        if key not in after:
            yield {"op": "remove", "path": f"{path}/{_escaped(key)}"}
    for key, value in after.items():
        where = f"{path}/{_escaped(key)}"
        if key in before:
            yield from _operations(before[key], value, where)
        else:
            yield {"op": "add", "path": where, "value": value}


def _of_arrays(before: list[Any], after: list[Any], path: str) -> Iterator[Operation]:
    start = _common(before, after)
    end = _common(before[start:][::-1], after[start:][::-1])
    old, new = before[start : len(before) - end], after[start : len(after) - end]
    at = start
    for old_part, new_part in _matched(old, new):
        shared = min(len(old_part), len(new_part))
        for offset in range(shared):
            yield from _operations(old_part[offset], new_part[offset], f"{path}/{at + offset}")
        for offset in reversed(range(shared, len(old_part))):
            yield {"op": "remove", "path": f"{path}/{at + offset}"}
        for offset in range(shared, len(new_part)):
            yield {"op": "add", "path": f"{path}/{at + offset}", "value": new_part[offset]}
        at += len(new_part)


def _matched(old: list[Any], new: list[Any]) -> Iterator[tuple[list[Any], list[Any]]]:
    """Both arrays cut into parts, in order, of which the first becomes the second."""
    if not old or not new or max(len(old), len(new)) > _LONGEST_MATCHED:
        yield old, new
        return
    matcher = SequenceMatcher(None, [*map(_text, old)], [*map(_text, new)], autojunk=False)
    for _, old_from, old_to, new_from, new_to in matcher.get_opcodes():
        yield old[old_from:old_to], new[new_from:new_to]


def _text(value: Any) -> str:
    return canonical_json(value)


def _common(one: list[Any], other: list[Any]) -> int:
    """The number of items that both begin with."""
    length = 0
    for ours, theirs in zip(one, other, strict=False):
        if not same_json(ours, theirs):
            break
        length += 1
    return length


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
