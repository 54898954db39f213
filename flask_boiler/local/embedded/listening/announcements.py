"""The messages of a Listen stream, ``ListenResponse``, serialized.

Those that carry documents are put together from stored bytes, without decoding what is in them.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from typing import Any

from flask_boiler.firestore import protocol
from flask_boiler.local.embedded.storage.clock import set_timestamp
from flask_boiler.local.embedded.storage.refusal import Refusal
from flask_boiler.local.embedded.storage.wire_format import field, timestamp_bytes, varint

__all__ = [
    "added",
    "changed",
    "current",
    "deleted",
    "existence_filter",
    "left",
    "marker",
    "removed",
    "reset",
]

_KINDS = protocol.TargetChange

# Tags of google.firestore.v1: of ListenResponse, then of the messages in it.
_DOCUMENT_CHANGE, _DOCUMENT_DELETE, _DOCUMENT_REMOVE = b"\x1a", b"\x22", b"\x32"
_DOCUMENT, _READ_TIME = b"\x0a", b"\x22"
_TARGET_IDS, _REMOVED_TARGET_IDS, _REMOVE_TARGET_IDS = b"\x2a", b"\x32", b"\x12"

#: How often a name that is not in it seems to be.
_ERROR_RATE = 0.0001
_MASK_64 = (1 << 64) - 1


def changed(document: bytes, target_ids: Iterable[int], gone_ids: Iterable[int] = ()) -> bytes:
    """A change: a document as it is now in these targets, and no longer in those."""
    content = field(_DOCUMENT, document) + _ids(_TARGET_IDS, target_ids)
    return field(_DOCUMENT_CHANGE, content + _ids(_REMOVED_TARGET_IDS, gone_ids))


def deleted(name: str, target_ids: Iterable[int], time: int) -> bytes:
    """A delete: a document does not exist (any more)."""
    content = field(_DOCUMENT, name.encode()) + field(_READ_TIME, timestamp_bytes(time))
    return field(_DOCUMENT_DELETE, content + _ids(_REMOVED_TARGET_IDS, target_ids))


def left(name: str, target_ids: Iterable[int], time: int) -> bytes:
    """A removal: a document that exists is no longer in these targets."""
    content = field(_DOCUMENT, name.encode()) + _ids(_REMOVE_TARGET_IDS, target_ids)
    return field(_DOCUMENT_REMOVE, content + field(_READ_TIME, timestamp_bytes(time)))


def added(target_id: int) -> bytes:
    """An ADD: a target is listened to."""
    return _target_change(_KINDS.ADD, [target_id])


def reset(target_id: int) -> bytes:
    """A RESET: what was said about a target counts no more; all of it follows."""
    return _target_change(_KINDS.RESET, [target_id])


def current(target_id: int, token: bytes, time: int) -> bytes:
    """A CURRENT: a target has caught up."""
    return _target_change(_KINDS.CURRENT, [target_id], token, time)


def marker(token: bytes, time: int) -> bytes:
    """A marker: all targets are as they were at a time."""
    return _target_change(_KINDS.NO_CHANGE, [], token, time)


def removed(target_id: int, cause: Refusal | None = None) -> bytes:
    """A REMOVE: a target is listened to no more, with the cause, if the client did not ask."""
    response = protocol.ListenResponse()
    response.target_change.target_change_type = _KINDS.REMOVE
    response.target_change.target_ids.append(target_id)
    if cause is not None:
        response.target_change.cause.code = cause.code.value[0]
        response.target_change.cause.message = cause.details
    return bytes(response.SerializeToString())


def existence_filter(target_id: int, count: int, names: Iterable[str] | None = None) -> bytes:
    """An existence filter: how many documents a target has, and (optionally) which."""
    response = protocol.ListenResponse()
    response.filter.target_id = target_id
    response.filter.count = count
    if names is not None:
        _fill_bloom(response.filter.unchanged_names, list(names))
    return bytes(response.SerializeToString())


def _fill_bloom(message: Any, names: Sequence[str]) -> None:
    """Make a protobuf ``BloomFilter`` hold the full resource names of documents.

    Each name sets ``hash_count`` bits, found by double hashing: with the halves of the name's MD5
    as little-endian integers h1 and h2, bit number i is ``((h1 + i·h2) mod 2⁶⁴) mod bit_count``.
    """
    size = max(1, math.ceil(-len(names) * math.log(_ERROR_RATE) / math.log(2) ** 2))
    hash_count = max(1, round(size / max(1, len(names)) * math.log(2))) if names else 1
    bitmap = bytearray((size + 7) // 8)
    for name in names:
        digest = hashlib.md5(name.encode(), usedforsecurity=False).digest()
        position = int.from_bytes(digest[:8], "little")
        step = int.from_bytes(digest[8:], "little")
        for turn in range(hash_count):
            bit = ((position + turn * step) & _MASK_64) % size
            bitmap[bit >> 3] |= 1 << (bit & 7)
    message.bits.bitmap = bytes(bitmap)
    message.bits.padding = 8 * len(bitmap) - size
    message.hash_count = hash_count


def _target_change(kind: int, target_ids: list[int], token: bytes = b"", time: int = 0) -> bytes:
    response = protocol.ListenResponse()
    change: Any = response.target_change
    # One that says nothing but defaults would not be there at all.
    change.SetInParent()
    change.target_change_type = kind
    change.target_ids.extend(target_ids)
    change.resume_token = token
    if time:
        set_timestamp(change.read_time, time)
    return bytes(response.SerializeToString())


def _ids(tag: bytes, target_ids: Iterable[int]) -> bytes:
    packed = b"".join(map(varint, target_ids))
    return field(tag, packed) if packed else b""
