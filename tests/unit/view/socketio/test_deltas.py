"""Patches, applied by others, give the value that they were made for."""

from __future__ import annotations

import copy
import random
from typing import Any

import jsonpatch
import pytest

from flask_boiler.view.socketio.deltas import json_patch, merge_patch, same_json

EDITS = 10_000
_NAMES = ("a", "b", "c/d", "e~f", "", "ü")


def some_value(rng: random.Random, depth: int) -> Any:
    kind = rng.randrange(9 if depth else 6)
    if kind == 6:
        return [some_value(rng, depth - 1) for _ in range(rng.randrange(4))]
    if kind >= 7:
        return {name: some_value(rng, depth - 1) for name in rng.sample(_NAMES, rng.randrange(4))}
    return [None, True, False, rng.randrange(3), rng.choice([0.0, 1.0, 2.5]), rng.choice("xyz")][
        kind
    ]


def edited(rng: random.Random, value: Any) -> Any:
    """The value with something somewhere in it changed."""
    if isinstance(value, dict) and value and rng.random() < 0.8:
        key = rng.choice(list(value))
        if rng.random() < 0.2:
            return {name: kept for name, kept in value.items() if name != key}
        return {**value, key: edited(rng, value[key])}
    if isinstance(value, list) and value and rng.random() < 0.8:
        at = rng.randrange(len(value))
        how = rng.randrange(3)
        middle = ([], [edited(rng, value[at])], [some_value(rng, 1), value[at]])[how]
        return [*value[:at], *middle, *value[at + 1 :]]
    return some_value(rng, 2)


def merged(target: Any, patch: Any) -> Any:
    """As RFC 7396 defines it, word by word."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


def test_json_patches_give_the_value_in_random_edits() -> None:
    rng = random.Random(5)
    value: Any = {}
    for _ in range(EDITS):
        after = edited(rng, value) if rng.random() < 0.95 else some_value(rng, 3)
        patch = json_patch(value, after)
        before = copy.deepcopy(value)
        assert same_json(jsonpatch.apply_patch(value, patch), after)
        assert same_json(value, before)
        assert (patch == []) == same_json(value, after)
        value = after


def test_merge_patches_give_the_value_in_random_edits_or_say_that_they_cannot() -> None:
    rng = random.Random(7)
    value: Any = {}
    impossible = 0
    for _ in range(EDITS):
        after = edited(rng, value)
        try:
            patch = merge_patch(value, after)
        except ValueError:
            impossible += 1
        else:
            assert same_json(merged(value, patch), after)
        value = after
    assert 0 < impossible < EDITS / 2


def test_a_small_change_in_a_large_value_is_a_small_patch() -> None:
    before = {"people": [{"name": str(n), "here": False} for n in range(1_000)]}
    after = copy.deepcopy(before)
    after["people"][500]["here"] = True
    assert json_patch(before, after) == [
        {"op": "replace", "path": "/people/500/here", "value": True}
    ]
    fewer = {"people": before["people"][1:]}
    assert json_patch(before, fewer) == [{"op": "remove", "path": "/people/0"}]


def test_what_enters_at_the_front_and_leaves_at_the_end_is_two_operations() -> None:
    before = [{"text": str(n)} for n in range(30)]
    after = [{"text": "new"}, *before[:-1]]
    assert json_patch(before, after) == [
        {"op": "add", "path": "/0", "value": {"text": "new"}},
        {"op": "remove", "path": "/30"},
    ]
    assert jsonpatch.apply_patch(before, json_patch(before, after)) == after


def test_arrays_that_are_too_long_to_match_are_compared_by_place() -> None:
    before = list(range(2_000))
    after = [-1, *before[2:], -2, -3]
    assert jsonpatch.apply_patch(before, json_patch(before, after)) == after


def test_true_is_not_one() -> None:
    assert json_patch({"a": 1}, {"a": True}) == [{"op": "replace", "path": "/a", "value": True}]
    assert merge_patch({"a": 0}, {"a": False}) == {"a": False}


@pytest.mark.parametrize("before", [{}, {"a": {"b": 1}}, {"a": 3}])
def test_no_merge_patch_says_null(before: Any) -> None:
    with pytest.raises(ValueError, match="null"):
        merge_patch(before, {"a": {"b": None}})
