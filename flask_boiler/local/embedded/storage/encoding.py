"""Bytes that sort as Firestore sorts: values, names of documents, index entries.

Every encoding ends itself: none is the beginning of another. So encodings can be put one
after the other and still sort part by part, and turning each byte around (``descending``)
turns the order around::

    null < boolean < number (NaN first) < timestamp < string < bytes
         < reference < geo point < array < vector < map

Two values are equal for Firestore, as 1 and 1.0 are, exactly if their encodings are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from math import isnan
from struct import Struct
from typing import Any

from flask_boiler.firestore.protocol import is_vector

__all__ = [
    "NAN",
    "NULL",
    "contains_prefix",
    "descending",
    "encode_name",
    "encode_segment",
    "encode_value",
    "field_prefix",
    "index_suffixes",
    "successor",
    "type_range",
]

_NUMERIC_ID = re.compile(r"__id(-?\d{1,19})__")
_FLIP = bytes(255 - byte for byte in range(256))
_SIGN = 1 << 63
_ALL = (1 << 64) - 1
#: Doubles hold every integer up to here; larger ones carry what the double does not say.
_EXACT = 1 << 53

_double = Struct(">d").pack
_bits = Struct(">Q").unpack
_number = Struct(">BQH").pack
_timestamp = Struct(">BQI").pack
_unsigned = Struct(">Q").pack
_length = Struct(">BI").pack

# The first byte of a value is its type. An end marker is lower than all of them, so that
# what is shorter comes first.
_END = b"\x02"
_MORE = b"\x10"
NULL = b"\x10"
_FALSE = b"\x18\x00"
_TRUE = b"\x18\x01"
NAN = b"\x20"
_NUMBER = 0x21
_TIMESTAMP = 0x28
_STRING = b"\x30"
_BYTES = b"\x38"
_REFERENCE = b"\x40"
_GEO_POINT = b"\x48"
_ARRAY = b"\x50"
_VECTOR = 0x58
_MAP = b"\x60"

# After a field's path: the entry is for the whole value, or for an element of an array.
_WHOLE = b"\x02"
_ELEMENT = b"\x03"


def descending(encoded: bytes) -> bytes:
    """An encoding that sorts the other way around."""
    return encoded.translate(_FLIP)


def successor(prefix: bytes) -> bytes:
    """The smallest bytes that are greater than everything that begins with the prefix."""
    stripped = prefix.rstrip(b"\xff")
    return stripped[:-1] + bytes([stripped[-1] + 1]) if stripped else b"\xff" * 16


def type_range(encoded: bytes) -> tuple[bytes, bytes]:
    """The range of all values that an encoded one is compared with by ``<`` and ``>``.

    The values of its type; for numbers without NaN.
    """
    return encoded[:1], bytes([encoded[0] + 1])


def _escaped(raw: bytes) -> bytes:
    return (raw.replace(b"\0", b"\0\xff") if b"\0" in raw else raw) + b"\0\x01"


def _ordered_double(number: float) -> int:
    # Adding zero makes the negative zero positive; they are equal.
    bits: int = _bits(_double(number + 0.0))[0]
    return bits ^ _SIGN if bits < _SIGN else bits ^ _ALL


def _integer(value: Any) -> bytes:
    number = value.integer_value
    near = float(number)
    rest = 0 if -_EXACT <= number <= _EXACT else number - int(near)
    return _number(_NUMBER, _ordered_double(near), 0x8000 + rest)


def _float(value: Any) -> bytes:
    number = value.double_value
    return NAN if isnan(number) else _number(_NUMBER, _ordered_double(number), 0x8000)


def _time(value: Any) -> bytes:
    stamp = value.timestamp_value
    return _timestamp(_TIMESTAMP, stamp.seconds + _SIGN, stamp.nanos)


def _geo(value: Any) -> bytes:
    point = value.geo_point_value
    return (
        _GEO_POINT
        + _unsigned(_ordered_double(point.latitude))
        + _unsigned(_ordered_double(point.longitude))
    )


def _array(value: Any) -> bytes:
    return _ARRAY + b"".join(map(encode_value, value.array_value.values)) + _END


def _map(value: Any) -> bytes:
    fields = value.map_value.fields
    if is_vector(fields):
        numbers = fields["value"].array_value.values
        return _length(_VECTOR, len(numbers)) + b"".join(map(encode_value, numbers))
    parts = [_MAP]
    # UTF-8 sorts as code points do, which is how Python sorts text.
    for name in sorted(fields):
        parts += (_MORE, _escaped(name.encode()), encode_value(fields[name]))
    parts.append(_END)
    return b"".join(parts)


_ENCODERS: dict[str | None, Callable[[Any], bytes]] = {
    None: lambda value: NULL,
    "null_value": lambda value: NULL,
    "boolean_value": lambda value: _TRUE if value.boolean_value else _FALSE,
    "integer_value": _integer,
    "double_value": _float,
    "timestamp_value": _time,
    "string_value": lambda value: _STRING + _escaped(value.string_value.encode()),
    "bytes_value": lambda value: _BYTES + _escaped(value.bytes_value),
    "reference_value": lambda value: _REFERENCE + encode_name(value.reference_value),
    "geo_point_value": _geo,
    "array_value": _array,
    "map_value": _map,
}


def encode_value(value: Any) -> bytes:
    """A stored value (``google.firestore.v1.Value``)."""
    return _ENCODERS[value.WhichOneof("value_type")](value)


def encode_segment(segment: str) -> bytes:
    """The encoded part of a name; numeric ids (``__id7__``) sort before all others, by number."""
    if segment.startswith("__id"):
        found = _NUMERIC_ID.fullmatch(segment)
        if found:
            return b"\x10" + _unsigned((int(found[1]) + _SIGN) & _ALL)
    return b"\x20" + _escaped(segment.encode())


def encode_name(path: str) -> bytes:
    """The encoded path or full name; a document sorts before what is below it."""
    return b"".join(map(encode_segment, path.split("/"))) + _END


def field_prefix(names: Sequence[str]) -> bytes:
    """The beginning of the index entries for a field; the value follows."""
    return b"".join(map(_field_step, names)) + _WHOLE


def contains_prefix(names: Sequence[str]) -> bytes:
    """The beginning of the index entries for the elements of an array; the element follows."""
    return b"".join(map(_field_step, names)) + _ELEMENT


@lru_cache(maxsize=8192)
def _field_step(name: str) -> bytes:
    return _MORE + _escaped(name.encode())


def index_suffixes(document: Any) -> set[bytes]:
    """The index entries of a document, without the collection before and the name after."""
    found: set[bytes] = set()
    _add_entries(found, document.fields, b"")
    return found


def _add_entries(found: set[bytes], fields: Any, prefix: bytes) -> None:
    # All that is written comes by here: the message's own iterator is the fastest.
    for name in fields:
        value = fields[name]
        path = prefix + _field_step(name)
        kind = value.WhichOneof("value_type")
        found.add(path + _WHOLE + _ENCODERS[kind](value))
        if kind == "array_value":
            start = path + _ELEMENT
            found.update([start + encode_value(element) for element in value.array_value.values])
        elif kind == "map_value" and not is_vector(value.map_value.fields):
            _add_entries(found, value.map_value.fields, path)
