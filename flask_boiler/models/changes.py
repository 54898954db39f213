"""Changes: what saving a document writes, and what the instance knows afterwards."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from flask_boiler.attrs.kinds.mismatch import Mismatch, StoredMismatch
from flask_boiler.attrs.model_state import OMIT, UNDECLARED, UNSET
from flask_boiler.errors import ValidationError
from flask_boiler.firestore.field_path import field_path
from flask_boiler.firestore.native import contains_transform, copied
from flask_boiler.ground.values import Precondition, Snapshot, Write
from flask_boiler.models.collection import CollectionModel
from flask_boiler.models.differences import changed_extra, differing, differs

__all__ = ["Change", "changed", "only", "rebase", "take", "whole"]


@dataclass(frozen=True, slots=True)
class Change:
    """A write, and the stored fields as they are once it is applied.

    :param written: attributes whose value was written.
    """

    write: Write
    stored: Mapping[str, Any]
    written: Collection[str]


def whole(model: CollectionModel, precondition: Precondition | None) -> Change:
    """The document as it is, whatever is stored.

    :raises ValidationError: a value is not what its attribute declares.
    """
    fields = model.to_dict()
    write = Write("set", model.doc_path, fields, precondition=precondition)
    return Change(write, fields, list(model.attributes()))


def changed(
    model: CollectionModel, baseline: Mapping[str, Any], precondition: Precondition | None
) -> Change | None:
    """The change that writes what is different from the document; ``None`` if nothing is.

    :param baseline: the stored fields of the document, as far as they are known.
    :raises ValidationError: a changed value is not what its attribute declares.
    """
    dumped = _dumped(model, differing(model, baseline))
    extra = changed_extra(model, baseline)
    if dumped or extra:
        extra |= _renamed(model, dumped, baseline)
    return _change(model, dumped, extra, baseline, precondition)


def only(
    model: CollectionModel,
    names: Iterable[str],
    baseline: Mapping[str, Any],
    precondition: Precondition,
) -> Change | None:
    """These attributes and undeclared fields, changed or not.

    :raises ValidationError: one of the values is not what its attribute declares.
    """
    attributes = model.attributes()
    given = list(names)
    stored = [k for k in given if k in attributes and attributes[k].options.export_enabled]
    held = {name: attributes[name].held_by(model) for name in stored}
    extra = {k: copied(model.extra[k]) for k in given if k not in attributes}
    return _change(model, _dumped(model, held), extra, baseline, precondition)


def take(model: CollectionModel, change: Change, update_time_ns: int) -> None:
    """Let the instance know that a change was applied.

    What it cannot know is read again when it is next looked at: what the server computed, and
    the rest of a document that was updated without ever having been read.
    """
    state = model._model_state
    stale = {name for name, value in change.stored.items() if contains_transform(value)}
    if state.update_time_ns is None and change.write.kind == "update":
        stale |= {*model._data_keys, UNDECLARED} - change.stored.keys()
    rewritten = {model.attributes()[name].data_key for name in change.written}
    state.stale = frozenset((state.stale - rewritten) | stale)
    state.stored = {k: v for k, v in change.stored.items() if k not in stale}
    state.update_time_ns = update_time_ns
    state.pending = None
    state.deleted = False
    state.group = None
    for name in change.written:
        if name in state.related:
            state.related[name].confirm()
        state.defaulted.pop(name, None)
        value = state.values.get(name)
        if value is UNSET or contains_transform(value):
            state.values.pop(name, None)
    if state.extra is not None:
        state.extra = {k: v for k, v in state.extra.items() if not contains_transform(v)}


def rebase(model: CollectionModel, snapshot: Snapshot) -> None:
    """Take the document as it is now; what was changed and not saved stays changed."""
    state = model._model_state
    state.values = {
        name: value
        for name, value in state.values.items()
        if differs(model, name, value, state.stored)
    }
    state.related = {
        name: related
        for name, related in state.related.items()
        if differs(model, name, related.references, state.stored)
    }
    if state.extra is not None:
        known = model._data_keys
        fresh = {k: copied(v) for k, v in snapshot.fields.items() if k not in known}
        merged = {**fresh, **changed_extra(model, state.stored)}
        state.extra = {k: v for k, v in merged.items() if v is not UNSET}
    state.stored = snapshot.fields
    state.update_time_ns = snapshot.update_time_ns
    state.stale = frozenset()
    # It is of another time than what it was read with.
    state.group = None


def _dumped(model: CollectionModel, held: Mapping[str, Any]) -> dict[str, Any]:
    wrong: dict[str, list[str]] = {}
    values: dict[str, Any] = {}
    for name, value in held.items():
        try:
            attribute = model.attributes()[name]
            dumped = attribute.dump_held(value)
            if dumped is UNSET:
                dumped = attribute.unset_form(model)
            values[name] = UNSET if dumped is OMIT else dumped
        except StoredMismatch as mismatch:
            raise mismatch.error(name, where=model._where()) from mismatch
        except Mismatch as mismatch:
            wrong.update(mismatch.below(name))
    if wrong:
        raise ValidationError(wrong, where=model._where())
    return values


def _renamed(
    model: CollectionModel, dumped: Mapping[str, Any], baseline: Mapping[str, Any]
) -> dict[str, Any]:
    """The fields to rewrite because the class or an attribute had another name, with values."""
    moved: dict[str, Any] = {}
    if baseline.get("obj_type") in model.meta("was"):
        moved["obj_type"] = model.type_name()
    for name, attribute in model.attributes().items():
        earlier = attribute.earlier_fields(baseline)
        if earlier and name not in dumped and attribute.data_key not in baseline:
            moved[attribute.data_key] = copied(baseline[earlier[0]])
        moved |= dict.fromkeys(earlier, UNSET)
    return moved


def _change(
    model: CollectionModel,
    values: Mapping[str, Any],
    extra: Mapping[str, Any],
    baseline: Mapping[str, Any],
    precondition: Precondition | None,
) -> Change | None:
    attributes = [model.attributes()[name] for name in values]
    fields = {a.data_key: value for a, value in zip(attributes, values.values(), strict=True)}
    fields |= {old: UNSET for a in attributes for old in a.earlier_fields(baseline)}
    fields.update(extra)
    if not fields:
        return None
    present = {name: value for name, value in fields.items() if value is not UNSET}
    mask = tuple(field_path(name) for name in fields)
    write = Write("update", model.doc_path, present, mask, precondition)
    untouched = {k: v for k, v in baseline.items() if k not in fields}
    return Change(write, {**untouched, **present}, list(values))
