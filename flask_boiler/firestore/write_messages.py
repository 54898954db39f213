"""Writes of a commit, encoded."""

from __future__ import annotations

from typing import Any

from google.cloud.firestore_v1 import transforms

from flask_boiler.firestore import protocol
from flask_boiler.firestore.codec import Codec
from flask_boiler.firestore.field_path import field_path
from flask_boiler.ground.values import Precondition, Write

__all__ = ["encode_write"]


def encode_write(codec: Codec, write: Write, target: Any) -> None:
    """Fill one ``Write`` message of a commit.

    Google's transforms among the fields become the write's transforms, and ``DELETE_FIELD`` a
    masked field without a value.

    :raises ValidationError: a value that Firestore cannot store.
    """
    match write.kind:
        case "set" | "update":
            _encode_content(codec, write, target)
        case "delete":
            target.delete = codec.name(write.path)
        case "verify":
            _encode_verify(codec, write, target)
    _set_precondition(write.precondition, target)


def _encode_content(codec: Codec, write: Write, target: Any) -> None:
    given: list[tuple[str, Any]] = []
    if isinstance(write.fields, protocol.Document):
        target.update.CopyFrom(write.fields)
    elif write.fields is not None:
        document = codec.encode(
            write.fields,
            where=write.path,
            on_transform=lambda trail, value: given.append((field_path(*trail), value)),
        )
        target.update.CopyFrom(document)
    target.update.name = codec.name(write.path)
    moved = {path for path, value in given if value is not transforms.DELETE_FIELD}
    if write.kind == "update":
        target.update_mask.SetInParent()
        target.update_mask.field_paths.extend(path for path in write.mask if path not in moved)
    for path, value in given:
        if value is not transforms.DELETE_FIELD:
            _add_transform(codec, target.update_transforms.add(field_path=path), value)


def _add_transform(codec: Codec, target: Any, value: Any) -> None:
    if value is transforms.SERVER_TIMESTAMP:
        target.set_to_server_value = protocol.DocumentTransform.FieldTransform.REQUEST_TIME
        return
    name = {
        transforms.ArrayUnion: "append_missing_elements",
        transforms.ArrayRemove: "remove_all_from_array",
        transforms.Increment: "increment",
        transforms.Maximum: "maximum",
        transforms.Minimum: "minimum",
    }[type(value)]
    slot = getattr(target, name)
    if isinstance(value, transforms.ArrayUnion | transforms.ArrayRemove):
        slot.SetInParent()
        slot.values.extend(codec.encode_value(item) for item in value.values)
    else:
        slot.CopyFrom(codec.encode_value(value.value))


def _encode_verify(codec: Codec, write: Write, target: Any) -> None:
    # The library's Write message lacks the protocol's `verify`. An update with an empty mask
    # touches nothing, and a delete of what must not exist deletes nothing: both leave the
    # precondition to refuse the commit.
    if write.precondition is not None and write.precondition.exists is False:
        target.delete = codec.name(write.path)
        return
    target.update.name = codec.name(write.path)
    target.update_mask.SetInParent()


def _set_precondition(precondition: Precondition | None, target: Any) -> None:
    if precondition is None:
        return
    if precondition.update_time_ns is not None:
        protocol.set_timestamp(target.current_document.update_time, precondition.update_time_ns)
    elif precondition.exists is not None:
        target.current_document.exists = precondition.exists
