"""The conversion between stored documents and Python values, and of writes, without a library.

google-cloud-firestore's own conversion takes 60 µs to read and 86 µs to write a
document of ten mixed fields; this one takes about a sixth of that, because it works
on the plain protobuf messages and makes no intermediate objects.

===============  ======================================================
Firestore        Python
===============  ======================================================
null             ``None``
boolean          ``bool``
integer          ``int``, 64 bits
double           ``float``
timestamp        ``datetime.datetime`` in UTC, microseconds; naive ones are taken as UTC
string           ``str`` (also members of ``enum.StrEnum``)
bytes            ``bytes``
reference        google's ``DocumentReference``
geo point        google's ``GeoPoint``
array            ``list`` (``tuple`` is accepted)
map              ``dict``
vector           google's ``Vector``
===============  ======================================================
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from google.cloud.firestore_v1 import transforms
from google.cloud.firestore_v1._helpers import GeoPoint
from google.cloud.firestore_v1.document import DocumentReference
from google.cloud.firestore_v1.vector import Vector

from flask_boiler.errors import ValidationError
from flask_boiler.firestore import protocol
from flask_boiler.firestore.field_path import field_path
from flask_boiler.ground.values import HasPath, Precondition, Snapshot, Write

__all__ = ["Codec", "TransformSink", "encode_write", "encoded_fields", "stored_type"]

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_LEAST_INT, _GREATEST_INT = -(2**63), 2**63 - 1
_VECTOR_TYPE = "__vector__"

#: Called with the names that lead to a field, and the transform that was given for it.
TransformSink = Callable[[tuple[str, ...], Any], None]

_TRANSFORMS = (
    transforms.Sentinel,
    transforms._ValueList,
    transforms._NumericValue,
)


class Codec:
    """The codec of the documents of one database.

    :param client: google's client of that database: its references belong to it.
    :param database: the resource name, ``projects/P/databases/D``.
    """

    def __init__(self, client: Any, database: str) -> None:
        self._client = client
        self._prefix = f"{database}/documents/"

    def name(self, path: str) -> str:
        """The resource name of a document."""
        return self._prefix + path

    def path(self, name: str) -> str:
        """The path of a document, from its resource name."""
        return name[len(self._prefix) :]

    def reference(self, path: str) -> DocumentReference:
        """Google's reference to a document."""
        return DocumentReference(*path.split("/"), client=self._client)

    def snapshot(self, document: Any, *, read_time_ns: int = 0) -> Snapshot:
        """The snapshot of a stored document."""
        return Snapshot(
            document.name[len(self._prefix) :],
            document,
            self,
            create_time_ns=protocol.nanoseconds(document.create_time),
            update_time_ns=protocol.nanoseconds(document.update_time),
            read_time_ns=read_time_ns,
        )

    def missing(self, path: str, *, read_time_ns: int = 0) -> Snapshot:
        """The snapshot of a document that does not exist."""
        return Snapshot(path, None, self, read_time_ns=read_time_ns)

    def decode(self, raw: Any) -> dict[str, Any]:
        """The fields of a stored document as Python values, freshly made."""
        # Where most of reading is spent: `items()` of a protobuf map and a call for each field
        # would take a quarter more.
        fields = raw.fields
        found = {}
        for name in fields:
            value = fields[name]
            kind = value.WhichOneof("value_type")
            if kind in _PLAIN:
                found[name] = getattr(value, kind)
            else:
                found[name] = _DECODERS[kind](self, value)
        return found

    def decode_value(self, value: Any) -> Any:
        """The Python value of one stored value."""
        return self._decode(value)

    def encode(
        self,
        fields: Mapping[str, Any],
        *,
        where: str = "",
        on_transform: TransformSink | None = None,
    ) -> Any:
        """The document message that has these fields, without a name.

        :param where: the document's path, for error messages.
        :param on_transform: takes google's transforms (``Increment`` …) out of the fields;
            without it they are refused.
        :raises ValidationError: a value that Firestore cannot store, named by its field.
        """
        document = protocol.Document()
        encoder = _Encoder(self._prefix, where, on_transform)
        encoder.fill_map(document.fields, fields, ())
        return document

    def encode_value(self, value: Any, *, where: str = "") -> Any:
        """The stored value of one Python value.

        :raises ValidationError: Firestore cannot store it.
        """
        slot = protocol.Value()
        _Encoder(self._prefix, where, None).fill(slot, value, ())
        return slot

    def _decode(self, value: Any) -> Any:
        kind = value.WhichOneof("value_type")
        if kind in _PLAIN:
            return getattr(value, kind)
        return _DECODERS[kind](self, value)

    def _decode_null(self, value: Any) -> None:
        return None

    def _decode_timestamp(self, value: Any) -> datetime.datetime:
        stamp = value.timestamp_value
        return _EPOCH + datetime.timedelta(seconds=stamp.seconds, microseconds=stamp.nanos // 1000)

    def _decode_reference(self, value: Any) -> DocumentReference:
        # The name may belong to another database; google's reference then keeps only its path,
        # as google's own decoder does.
        return self.reference(value.reference_value.split("/documents/", 1)[1])

    def _decode_geo_point(self, value: Any) -> GeoPoint:
        point = value.geo_point_value
        return GeoPoint(point.latitude, point.longitude)

    def _decode_array(self, value: Any) -> list[Any]:
        decode = self._decode
        return [decode(item) for item in value.array_value.values]

    def _decode_map(self, value: Any) -> Any:
        fields = value.map_value.fields
        if "__type__" in fields and fields["__type__"].string_value == _VECTOR_TYPE:
            return Vector([self._decode(v) for v in fields["value"].array_value.values])
        decode = self._decode
        return {name: decode(item) for name, item in fields.items()}


_PLAIN = frozenset(
    {"boolean_value", "integer_value", "double_value", "string_value", "bytes_value"}
)
_DECODERS: dict[str | None, Callable[[Codec, Any], Any]] = {
    None: Codec._decode_null,
    "null_value": Codec._decode_null,
    "timestamp_value": Codec._decode_timestamp,
    "reference_value": Codec._decode_reference,
    "geo_point_value": Codec._decode_geo_point,
    "array_value": Codec._decode_array,
    "map_value": Codec._decode_map,
}


class _Encoder:
    """An encoder that fills messages in place; there is one per document, so errors can name it."""

    __slots__ = ("_on_transform", "_prefix", "_where")

    def __init__(self, prefix: str, where: str, on_transform: TransformSink | None) -> None:
        self._prefix = prefix
        self._where = where
        self._on_transform = on_transform

    def fill_map(self, slots: Any, fields: Mapping[str, Any], trail: tuple[str, ...]) -> None:
        for name, value in fields.items():
            here = (*trail, name)
            if not isinstance(name, str) or not name:
                raise self._refusal(here, "a field name must be a string that is not empty")
            filler = _FILLERS.get(type(value))
            try:
                if filler is not None:
                    filler(self, slots[name], value, here)
                elif isinstance(value, _TRANSFORMS):
                    self._take_transform(here, value)
                else:
                    self.fill(slots[name], value, here)
            except UnicodeEncodeError as error:
                # Of the name: values are seen to where they are filled in.
                raise self._refusal(here, "a field name must be a Unicode text") from error

    def fill(self, slot: Any, value: Any, trail: tuple[str, ...]) -> None:
        filler = _FILLERS.get(type(value))
        if filler is None:
            filler = self._filler_of_kin(value, trail)
        filler(self, slot, value, trail)

    def _filler_of_kin(self, value: Any, trail: tuple[str, ...]) -> _Filler:
        for kind, filler in _KIN:
            if isinstance(value, kind):
                return filler
        raise self._refusal(
            trail, f"Firestore cannot store a {type(value).__qualname__} ({value!r:.80})"
        )

    def _take_transform(self, trail: tuple[str, ...], value: Any) -> None:
        if self._on_transform is None:
            raise self._refusal(trail, f"{value!r:.80} can only be given in a write")
        self._on_transform(trail, value)

    def _refusal(self, trail: tuple[Any, ...], message: str) -> ValidationError:
        name = ".".join(map(str, trail)) or "value"
        return ValidationError({name: [message]}, where=self._where)

    def _none(self, slot: Any, value: None, trail: tuple[str, ...]) -> None:
        slot.null_value = 0

    def _bool(self, slot: Any, value: bool, trail: tuple[str, ...]) -> None:
        slot.boolean_value = value

    def _int(self, slot: Any, value: int, trail: tuple[str, ...]) -> None:
        if not _LEAST_INT <= value <= _GREATEST_INT:
            raise self._refusal(trail, f"{value} has more than 64 bits")
        slot.integer_value = value

    def _float(self, slot: Any, value: float, trail: tuple[str, ...]) -> None:
        slot.double_value = value

    def _str(self, slot: Any, value: str, trail: tuple[str, ...]) -> None:
        try:
            slot.string_value = value
        except (ValueError, UnicodeError) as error:
            raise self._refusal(trail, f"not a Unicode text: {error}") from error

    def _bytes(self, slot: Any, value: bytes, trail: tuple[str, ...]) -> None:
        slot.bytes_value = bytes(value)

    def _datetime(self, slot: Any, value: datetime.datetime, trail: tuple[str, ...]) -> None:
        aware = value if value.tzinfo else value.replace(tzinfo=datetime.UTC)
        delta = aware - _EPOCH
        slot.timestamp_value.seconds = delta.days * 86_400 + delta.seconds
        slot.timestamp_value.nanos = delta.microseconds * 1000

    def _geo_point(self, slot: Any, value: GeoPoint, trail: tuple[str, ...]) -> None:
        slot.geo_point_value.latitude = value.latitude
        slot.geo_point_value.longitude = value.longitude

    def _reference(self, slot: Any, value: HasPath, trail: tuple[str, ...]) -> None:
        try:
            slot.reference_value = self._prefix + value.path
        except (ValueError, UnicodeError) as error:
            raise self._refusal(trail, f"not a Unicode path: {error}") from error

    def _vector(self, slot: Any, value: Vector, trail: tuple[str, ...]) -> None:
        fields = slot.map_value.fields
        fields["__type__"].string_value = _VECTOR_TYPE
        values = fields["value"].array_value.values
        for number in value:
            values.add().double_value = number

    def _list(self, slot: Any, value: Sequence[Any], trail: tuple[str, ...]) -> None:
        slot.array_value.SetInParent()
        add = slot.array_value.values.add
        for index, item in enumerate(value):
            if isinstance(item, list | tuple):
                raise self._refusal(
                    (*trail, str(index)),
                    ("an array is directly inside another array: put a map between them"),
                )
            self.fill(add(), item, (*trail, str(index)))

    def _map(self, slot: Any, value: Mapping[str, Any], trail: tuple[str, ...]) -> None:
        slot.map_value.SetInParent()
        self.fill_map(slot.map_value.fields, value, trail)


_Filler = Callable[[_Encoder, Any, Any, tuple[str, ...]], None]

_FILLERS: dict[type, _Filler] = {
    type(None): _Encoder._none,
    bool: _Encoder._bool,
    int: _Encoder._int,
    float: _Encoder._float,
    str: _Encoder._str,
    bytes: _Encoder._bytes,
    datetime.datetime: _Encoder._datetime,
    GeoPoint: _Encoder._geo_point,
    DocumentReference: _Encoder._reference,
    Vector: _Encoder._vector,
    list: _Encoder._list,
    tuple: _Encoder._list,
    dict: _Encoder._map,
}

# Subclasses, in the order in which they are tried: bool before int, Vector before sequences.
_KIN: tuple[tuple[type[Any], _Filler], ...] = (
    (bool, _Encoder._bool),
    (int, _Encoder._int),
    (float, _Encoder._float),
    (str, _Encoder._str),
    (bytes, _Encoder._bytes),
    (bytearray, _Encoder._bytes),
    (datetime.datetime, _Encoder._datetime),
    (Vector, _Encoder._vector),
    (Mapping, _Encoder._map),
    (list, _Encoder._list),
    (tuple, _Encoder._list),
    (HasPath, _Encoder._reference),
)


def encoded_fields(document: Any) -> bytes:
    """The fields of a stored document as bytes: equal documents give equal bytes.

    Values that Firestore stores differently are different here too (``1`` and ``1.0``).
    """
    if document.name or document.HasField("create_time") or document.HasField("update_time"):
        document = _nameless(document)
    return bytes(document.SerializeToString(deterministic=True))


def stored_type(document: Any) -> str | None:
    """The ``obj_type`` of a stored document; ``None`` if it has none."""
    value = document.fields.get("obj_type")
    return value.string_value or None if value is not None else None


def _nameless(document: Any) -> Any:
    bare = protocol.Document()
    bare.CopyFrom(document)
    for name in ("name", "create_time", "update_time"):
        bare.ClearField(name)
    return bare


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
