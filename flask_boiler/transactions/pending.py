"""The pending writes of a transaction: how those of one document are joined, and their result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from flask_boiler.errors import DatastoreError
from flask_boiler.firestore import protocol
from flask_boiler.firestore.codec import Codec
from flask_boiler.firestore.native import DELETE_FIELD, contains_transform, copied
from flask_boiler.firestore.protocol import field_names
from flask_boiler.ground.values import Snapshot, Write

__all__ = ["ServerComputedError", "applied", "joined"]


class ServerComputedError(DatastoreError):
    """The result of a write is computed by the server, and not known here."""


def joined(pending: Sequence[Write], write: Write) -> list[Write]:
    """The fewest writes that do what the writes of one document, and another one after them, do.

    Preconditions are the caller's affair: these writes have none.
    """
    if not pending or write.kind in ("set", "delete"):
        return [write]
    last = pending[-1]
    if write.kind != "update" or last.kind == "verify":
        return [*pending[:-1], write] if last.kind == "verify" else list(pending)
    if last.kind == "delete":
        return [replace(write, kind="set", mask=())] if _is_plain(write) else [*pending, write]
    if _is_plain(last) and _is_plain(write):
        return [*pending[:-1], _updated(last, write)]
    return [*pending, write]


def _is_plain(write: Write) -> bool:
    """Whether a write only sets top-level fields, as a whole, to Python values."""
    return (
        isinstance(write.fields, Mapping)
        and not contains_transform(write.fields)
        and all(len(field_names(path)) == 1 for path in write.mask)
    )


def _updated(last: Write, write: Write) -> Write:
    fields = dict(last.fields)
    for path in write.mask:
        (name,) = field_names(path)
        fields.pop(name, None)
        if name in write.fields:
            fields[name] = copied(write.fields[name])
    mask = tuple(dict.fromkeys((*last.mask, *write.mask))) if last.kind == "update" else ()
    return replace(last, fields=fields, mask=mask)


def applied(before: Snapshot, writes: Sequence[Write], codec: Codec) -> Snapshot:
    """The document as it will be when these writes are committed.

    It keeps the times of the document before, as the new ones are not known yet.

    :raises ServerComputedError: the writes leave a value to the server.
    """
    document = before.raw
    for write in writes:
        document = _applied_once(document, write, codec)
    if document is not None:
        document.name = codec.name(before.path)
    return Snapshot(
        before.path,
        document,
        codec,
        create_time_ns=before.create_time_ns,
        update_time_ns=before.update_time_ns,
        read_time_ns=before.read_time_ns,
    )


def _applied_once(document: Any, write: Write, codec: Codec) -> Any:
    if write.kind == "delete":
        return None
    if write.kind == "verify":
        return document
    content = _encoded(write, codec)
    if write.kind == "set":
        return content
    changed = protocol.Document()
    if document is not None:
        changed.CopyFrom(document)
    for path in write.mask:
        _copy_field(content, changed, field_names(path))
    return changed


def _encoded(write: Write, codec: Codec) -> Any:
    if not isinstance(write.fields, Mapping):
        content = protocol.Document()
        if write.fields is not None:
            content.CopyFrom(write.fields)
        return content

    def refuse(trail: tuple[str, ...], value: Any) -> None:
        if value is not DELETE_FIELD:
            raise ServerComputedError(
                f"{write.path}: {'.'.join(trail)} is computed by the server when the transaction "
                "commits, so the document cannot be read again before the commit"
            )

    return codec.encode(write.fields, where=write.path, on_transform=refuse)


def _copy_field(source: Any, target: Any, names: tuple[str, ...]) -> None:
    """Copy one field from ``source`` to ``target``, or remove it there if it is missing."""
    *above, last = names
    value = source.fields
    for name in above:
        value = value[name].map_value.fields if value is not None and name in value else None
    copied = value[last] if value is not None and last in value else None
    slots = target.fields
    for name in above:
        if name not in slots and copied is None:
            return
        slots = slots[name].map_value.fields
    if copied is not None:
        slots[last].CopyFrom(copied)
    elif last in slots:
        del slots[last]
