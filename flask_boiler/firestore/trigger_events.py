"""Firestore's events as CloudEvents: which document has changed, in which database."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from flask_boiler.errors import MissingExtraError, ValidationError
from flask_boiler.ground.values import document_path

__all__ = ["DocumentEvent", "document_event"]

_PREFIX = "google.cloud.firestore.document.v1."
_KINDS = ("created", "updated", "deleted", "written")
_AUTHENTICATED = ".withAuthContext"


@dataclass(frozen=True, slots=True)
class DocumentEvent:
    """An event that says that a document has changed.

    :param database: as resource name, ``projects/P/databases/D``.
    :param path: the document's.
    :param gone: it does not exist after the change.
    """

    database: str
    path: str
    gone: bool


def document_event(attributes: Mapping[str, Any], data: Any) -> DocumentEvent:
    """The event in a CloudEvent; the content of the document is not used.

    :param attributes: the event's, by their lower-case names.
    :param data: the protobuf message or its JSON, as bytes, text or decoded.
    :raises ValidationError: it is no event of a Firestore document, or not as Google sends them.
    """
    kind = _kind(attributes.get("type"))
    message = _message(data)
    gone = not message.value.name
    name = message.value.name or message.old_value.name
    database, found, path = name.partition("/documents/")
    if not found or not _is_document(path):
        raise _malformed("data", f"{name!r:.200} is not the name of a document")
    claimed = attributes.get("document")
    # In an HTTP header it is percent-encoded, and not every library that takes events decodes it.
    if claimed is not None and path not in (claimed, unquote(str(claimed))):
        raise _malformed(
            "document", f"{claimed!r:.200} is not the document of the data, {path!r:.200}"
        )
    if gone != (kind == "deleted") and kind != "written":
        raise _malformed("type", f"{kind}, with a document that {'is not' if gone else 'is'} there")
    return DocumentEvent(database, path, gone)


def _is_document(path: str) -> bool:
    try:
        document_path(path)
        path.encode()
    except ValueError:
        return False
    return True


def _kind(given: Any) -> str:
    text = str(given).removesuffix(_AUTHENTICATED)
    kind = text.removeprefix(_PREFIX)
    if kind == text or kind not in _KINDS:
        raise _malformed(
            "type",
            f"{given!r:.200} is no event of a document: expected {_PREFIX}{{{','.join(_KINDS)}}}",
        )
    return kind


def _message(data: Any) -> Any:
    try:
        from google.events.cloud.firestore_v1 import DocumentEventData
    except ImportError as error:
        raise MissingExtraError("triggers", "a Firestore trigger") from error
    parsers = _json_parser if isinstance(data, Mapping) else _parsers
    for parsed in parsers(DocumentEventData.pb(), data):
        if parsed.value.name or parsed.old_value.name:
            return parsed
    raise _malformed("data", "neither a DocumentEventData message nor its JSON")


def _parsers(message: Any, data: Any) -> Iterator[Any]:
    from google.protobuf.message import DecodeError

    if not isinstance(data, str | bytes | bytearray | memoryview):
        return
    raw = data.encode(errors="replace") if isinstance(data, str) else bytes(data)
    for decode in (bytes, _from_base64):
        try:
            yield message.FromString(decode(raw))
        except (DecodeError, binascii.Error):
            continue
    try:
        decoded = json.loads(raw)
    except (ValueError, RecursionError):
        return
    if isinstance(decoded, Mapping):
        yield from _json_parser(message, decoded)


def _from_base64(raw: bytes) -> bytes:
    # As Google's emulator sends it.
    return base64.b64decode(raw, validate=True)


def _json_parser(message: Any, data: Mapping[str, Any]) -> Iterator[Any]:
    from google.protobuf import json_format

    try:
        yield json_format.ParseDict(dict(data), message(), ignore_unknown_fields=True)
    except (json_format.ParseError, ValueError, TypeError, AttributeError, RecursionError):
        # Not every form that no message has is foreseen by what reads it.
        return


def _malformed(part: str, problem: str) -> ValidationError:
    return ValidationError({part: [problem]}, where="event")
