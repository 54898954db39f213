"""What a Listen server says, in few words."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from google.protobuf import struct_pb2

from flask_boiler.firestore import protocol

DATABASE = "projects/scripted/databases/(default)"

_KINDS = protocol.TargetChange


def name(path: str, database: str = DATABASE) -> str:
    return f"{database}/documents/{path}"


def value(content: Any) -> Any:
    made = protocol.Value()
    match content:
        case None:
            made.null_value = struct_pb2.NULL_VALUE
        case bool():
            made.boolean_value = content
        case int():
            made.integer_value = content
        case float():
            made.double_value = content
        case str():
            made.string_value = content
        case bytes():
            made.bytes_value = content
        case list():
            made.array_value.SetInParent()
            made.array_value.values.extend(value(item) for item in content)
        case Mapping():
            made.map_value.SetInParent()
            for key, item in content.items():
                made.map_value.fields[key].CopyFrom(value(item))
        case _:
            raise TypeError(f"no stored value for {content!r}")
    return made


def document(
    path: str, update_time_ns: int, fields: Mapping[str, Any] | None = None, create_time_ns: int = 1
) -> Any:
    made = protocol.Document(name=name(path))
    for key, content in (fields or {}).items():
        made.fields[key].CopyFrom(value(content))
    protocol.set_timestamp(made.create_time, create_time_ns)
    protocol.set_timestamp(made.update_time, update_time_ns)
    return made


def _target_change(
    kind: int, target_ids: Iterable[int], token: bytes = b"", read_time_ns: int = 0
) -> Any:
    response = protocol.ListenResponse()
    change = response.target_change
    change.target_change_type = kind
    change.target_ids.extend(target_ids)
    change.resume_token = token
    if read_time_ns:
        protocol.set_timestamp(change.read_time, read_time_ns)
    # A change that says nothing but defaults would not be set at all.
    response.target_change.SetInParent()
    return response


def added(*target_ids: int) -> Any:
    return _target_change(_KINDS.ADD, target_ids)


def current(*target_ids: int, token: bytes = b"") -> Any:
    return _target_change(_KINDS.CURRENT, target_ids, token)


def reset(*target_ids: int, token: bytes = b"") -> Any:
    return _target_change(_KINDS.RESET, target_ids, token)


def token_for(*target_ids: int, token: bytes) -> Any:
    return _target_change(_KINDS.NO_CHANGE, target_ids, token)


def marker(read_time_ns: int, token: bytes = b"") -> Any:
    return _target_change(_KINDS.NO_CHANGE, (), token, read_time_ns)


def removed(*target_ids: int, code: int | None = None, message: str = "") -> Any:
    response = _target_change(_KINDS.REMOVE, target_ids)
    if code is not None:
        response.target_change.cause.code = code
        response.target_change.cause.message = message
    return response


def changed(found: Any, *target_ids: int, left: Iterable[int] = ()) -> Any:
    response = protocol.ListenResponse()
    response.document_change.document.CopyFrom(found)
    response.document_change.target_ids.extend(target_ids)
    response.document_change.removed_target_ids.extend(left)
    return response


def deleted(resource_name: str, *target_ids: int) -> Any:
    response = protocol.ListenResponse()
    response.document_delete.document = resource_name
    response.document_delete.removed_target_ids.extend(target_ids)
    return response


def left(resource_name: str, *target_ids: int) -> Any:
    response = protocol.ListenResponse()
    response.document_remove.document = resource_name
    response.document_remove.removed_target_ids.extend(target_ids)
    return response


def existence_filter(target_id: int, count: int, unchanged: Iterable[str] | None = None) -> Any:
    """An existence filter; ``unchanged`` are the resource names for its bloom filter."""
    response = protocol.ListenResponse()
    response.filter.target_id = target_id
    response.filter.count = count
    if unchanged is not None:
        fill_bloom(response.filter.unchanged_names, list(unchanged))
    return response


def fill_bloom(bloom: Any, names: list[str], *, bits_per_name: int = 16, hashes: int = 11) -> None:
    """Put names into a bloom filter, written against the protocol and not the client."""
    size = max(8, bits_per_name * len(names)) - 3
    bitmap = bytearray((size + 7) // 8)
    for resource_name in names:
        digest = hashlib.md5(resource_name.encode()).digest()
        first, second = (int.from_bytes(half, "little") for half in (digest[:8], digest[8:]))
        for turn in range(hashes):
            position = ((first + turn * second) % 2**64) % size
            bitmap[position // 8] |= 1 << (position % 8)
    bloom.bits.bitmap = bytes(bitmap)
    bloom.bits.padding = 8 * len(bitmap) - size
    bloom.hash_count = hashes
