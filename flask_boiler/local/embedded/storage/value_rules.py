"""The rules for values: which ones Firestore takes, and the form it keeps them in."""

from __future__ import annotations

from math import isnan
from typing import Any, NamedTuple

from flask_boiler.firestore.protocol import is_vector
from flask_boiler.local.embedded.storage.name_rules import check_document, is_reserved, is_too_long
from flask_boiler.local.embedded.storage.refusal import invalid

__all__ = ["check_value", "settle_fields"]

#: Bytes of a document, and of a single value.
_LARGEST_DOCUMENT = 1_048_576
_LARGEST_VALUE = 1_048_487
#: How many maps and arrays a value may have inside each other.
_DEEPEST = 20
_MOST_DIMENSIONS = 2048
_EARLIEST_S, _LATEST_S = -62_135_596_800, 253_402_300_799


class _Place(NamedTuple):
    """Where fields are.

    :param depth: in how many maps and arrays.
    :param above: how many bytes the path of their map has, with the dot after it.
    :param in_document: whether they are kept, or only compared with.
    """

    depth: int
    above: int
    in_document: bool

    def in_map(self, name: str) -> _Place:
        return self._replace(depth=self.depth + 1, above=self.above + len(name.encode()) + 1)

    def in_array(self) -> _Place:
        return self._replace(depth=self.depth + 1)


def settle_fields(document: Any) -> None:
    """Check a document's fields, and cut timestamps to the microseconds that are kept.

    :raises Refusal: INVALID_ARGUMENT.
    """
    _settle(document.fields, _Place(0, 0, in_document=True))
    if document.ByteSize() > _LARGEST_DOCUMENT:
        raise invalid(
            f'Document "{document.name}" cannot be written because its size '
            f"({document.ByteSize():,} bytes) exceeds the maximum allowed size of "
            f"{_LARGEST_DOCUMENT:,} bytes."
        )


def check_value(value: Any) -> None:
    """Check a value by itself, as in a filter or a transform.

    :raises Refusal: INVALID_ARGUMENT.
    """
    _settle_value("value", value, _Place(0, 0, in_document=False), in_array=False)


def _settle(fields: Any, place: _Place) -> None:
    # All that is written comes by here: the message's own iterator is the fastest.
    for name in fields:
        value = fields[name]
        if not name:
            raise invalid("The property.name is the empty string.")
        if name.startswith("__") and is_reserved(name):
            raise invalid(f"field name {name} is reserved")
        if is_too_long(name, place.above):
            raise invalid(f"The path of the field {name} is longer than 1500 bytes.")
        kind = value.WhichOneof("value_type")
        if kind not in _HARMLESS:
            _settle_value(name, value, place, in_array=False)


_HARMLESS = frozenset({"null_value", "boolean_value", "integer_value", "double_value"})


def _settle_value(name: str, value: Any, place: _Place, *, in_array: bool) -> None:
    match value.WhichOneof("value_type"):
        case "string_value":
            if len(value.string_value) * 4 > _LARGEST_VALUE:
                _check_size(name, len(value.string_value.encode()))
        case "bytes_value":
            _check_size(name, len(value.bytes_value))
        case "timestamp_value":
            _settle_timestamp(value.timestamp_value)
        case "reference_value":
            check_document(value.reference_value)
        case "geo_point_value":
            _check_geo_point(value.geo_point_value)
        case "array_value":
            if in_array:
                raise invalid("Cannot convert an array value in an array value.")
            if value.array_value.values:
                _check_depth(name, place)
            for item in value.array_value.values:
                _settle_value(name, item, place.in_array(), in_array=True)
        case "map_value" if is_vector(value.map_value.fields):
            _check_vector(value.map_value.fields)
            if place.in_document:
                _check_stored_vector(value.map_value.fields, in_array=in_array)
        case "map_value":
            _check_depth(name, place)
            _settle(value.map_value.fields, place.in_map(name))
        case None:
            raise invalid("Cannot convert firestore.v1.Value with type unset.")


def _check_depth(name: str, place: _Place) -> None:
    if place.depth >= _DEEPEST:
        raise invalid(f"Property {name} contains an invalid nested entity.")


def _check_vector(fields: Any) -> None:
    """Check the fields of a map that says it is a vector.

    :raises Refusal: INVALID_ARGUMENT.
    """
    if "value" not in fields:
        raise invalid("Vector map is missing key 'value'.")
    if len(fields) > len(("__type__", "value")):
        raise invalid("Vector Value map has extraneous entries.")
    if not fields["value"].HasField("array_value"):
        raise invalid("Vector Value type must be an array.")
    numbers = fields["value"].array_value.values
    if not numbers:
        raise invalid("Cannot have a zero length vector.")
    if len(numbers) > _MOST_DIMENSIONS:
        raise invalid(f"Vectors must be at most {_MOST_DIMENSIONS} dimensions.")
    if not all(number.HasField("double_value") for number in numbers):
        raise invalid("Vector must only contain values of type 'double'")


def _check_stored_vector(fields: Any, *, in_array: bool) -> None:
    """Check a vector that is to be kept: others may be asked for only."""
    if any(isnan(number.double_value) for number in fields["value"].array_value.values):
        raise invalid("Vector cannot contain NaN values.")
    if in_array:
        raise invalid("Cannot convert a vector value in an array value.")


def _check_size(name: str, size: int) -> None:
    if size > _LARGEST_VALUE:
        raise invalid(f'The value of property "{name}" is longer than {_LARGEST_VALUE} bytes.')


def _settle_timestamp(stamp: Any) -> None:
    if not _EARLIEST_S <= stamp.seconds <= _LATEST_S or not 0 <= stamp.nanos < 1_000_000_000:
        raise invalid("Timestamp seconds exceeds limit for field.")
    if stamp.nanos % 1000:
        stamp.nanos -= stamp.nanos % 1000


def _check_geo_point(point: Any) -> None:
    if not -90 <= point.latitude <= 90:
        raise invalid(
            f"Geo point latitude '{point.latitude}' outside permitted range -90.0 to 90.0."
        )
    if not -180 <= point.longitude <= 180:
        raise invalid(
            f"Geo point longitude '{point.longitude}' outside permitted range -180.0 to 180.0."
        )
