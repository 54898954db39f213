"""Differences between an instance and a stored document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask_boiler.attrs.model_state import OMIT, UNSET
from flask_boiler.firestore.native import copied, same_value
from flask_boiler.models.declared_model import DeclaredModel

__all__ = ["changed_extra", "differing", "differs", "is_unchanged"]


def is_unchanged(model: DeclaredModel) -> bool:
    """Whether an instance is still what it was made from."""
    baseline = model._model_state.stored
    return not differing(model, baseline) and not changed_extra(model, baseline)


def differing(model: DeclaredModel, baseline: Mapping[str, Any]) -> dict[str, Any]:
    """The values, by attribute, that are not what the baseline says."""
    held = {
        name: attribute.held_by(model)
        for name, attribute in model.attributes().items()
        if attribute.options.export_enabled and attribute.has_own_value(model)
    }
    return {name: value for name, value in held.items() if differs(model, name, value, baseline)}


def differs(model: DeclaredModel, name: str, value: Any, baseline: Mapping[str, Any]) -> bool:
    """Whether the value of an attribute is not what the baseline says."""
    state, attribute = model._model_state, model.attributes()[name]
    stored = attribute.stored_in(baseline)
    if stored is not UNSET:
        held = attribute.unset_form(model) if value is UNSET else value
        return held is UNSET or held is OMIT or not attribute.same(held, stored)
    if attribute.data_key in state.stale:
        return True
    if name in state.defaulted:
        return not attribute.same(value, state.defaulted[name])
    return value is not UNSET and value is not OMIT


def changed_extra(model: DeclaredModel, baseline: Mapping[str, Any]) -> dict[str, Any]:
    """The undeclared values, by field, that the baseline does not have; ``UNSET`` if gone."""
    state = model._model_state
    if state.extra is None:
        return {}
    known = model._data_keys
    before = {name: value for name, value in baseline.items() if name not in known}
    changes: dict[str, Any] = dict.fromkeys(before.keys() - state.extra.keys(), UNSET)
    for name, value in state.extra.items():
        if name not in before or not same_value(value, before[name]):
            changes[name] = copied(value)
    return changes
