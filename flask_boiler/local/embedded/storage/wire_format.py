"""Responses put together from stored bytes, without decoding what is in them."""

from __future__ import annotations

from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from flask_boiler.local.embedded.storage.clock import set_timestamp

__all__ = [
    "QUERY_DONE",
    "batch_get_found",
    "field",
    "query_document",
    "timestamp",
    "timestamp_bytes",
    "varint",
]

# Numbers of fields in google.firestore.v1, as tags of length-delimited fields.
_FOUND, _BATCH_READ_TIME = b"\x0a", b"\x22"
_DOCUMENT, _QUERY_READ_TIME = b"\x0a", b"\x1a"
#: The end of the last ``RunQueryResponse``: its ``done`` is true.
QUERY_DONE = b"\x30\x01"


def timestamp(time_us: int) -> Any:
    """A time of the server as a protobuf ``Timestamp``."""
    made = Timestamp()
    set_timestamp(made, time_us)
    return made


def timestamp_bytes(time_us: int) -> bytes:
    """A time of the server as a serialized ``Timestamp``."""
    return bytes(timestamp(time_us).SerializeToString())


def batch_get_found(document: bytes, read_time: bytes) -> bytes:
    """A ``BatchGetDocumentsResponse`` with a document, from serialized parts."""
    return field(_FOUND, document) + field(_BATCH_READ_TIME, read_time)


def query_document(document: bytes, read_time: bytes) -> bytes:
    """A ``RunQueryResponse`` with a document, from serialized parts."""
    return field(_DOCUMENT, document) + field(_QUERY_READ_TIME, read_time)


def field(tag: bytes, content: bytes) -> bytes:
    """A length-delimited field of a message, serialized."""
    return tag + varint(len(content)) + content


def varint(number: int) -> bytes:
    """A number as protobuf writes it; one that is not negative."""
    parts = bytearray()
    while number > 127:
        parts.append(number & 127 | 128)
        number >>= 7
    parts.append(number)
    return bytes(parts)
