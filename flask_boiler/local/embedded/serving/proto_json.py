"""Messages as JSON, in the form that Firebase's web SDK and Google's REST interface speak."""

from __future__ import annotations

import json
from typing import Any

from google.protobuf import json_format

from flask_boiler.local.embedded.storage.refusal import invalid
from flask_boiler.local.embedded.storage.wire_format import field

__all__ = ["json_of", "message_of", "plain_of", "read_into"]

# The web SDK's "verify", field 5 of Write, which google-cloud-firestore's message lacks.
_VERIFY = b"\x2a"


def message_of(text: str | bytes, kind: Any) -> Any:
    """The message of a class that is written in JSON text.

    :raises Refusal: INVALID_ARGUMENT.
    """
    try:
        plain = json.loads(text) if text else {}
        if not isinstance(plain, dict):
            raise invalid("The request is not a JSON object.")
        verified = _without_verify(plain, kind)
        message = json_format.ParseDict(plain, kind(), ignore_unknown_fields=True)
    except (ValueError, json_format.ParseError) as error:
        raise invalid(f"The request is not valid: {error}") from error
    except RecursionError as error:
        raise invalid("The request is not valid: it is nested too deeply.") from error
    for position, name in verified:
        message.writes[position].MergeFromString(field(_VERIFY, name))
    return message


def read_into(plain: dict[str, Any], kind: Any) -> Any:
    """The message of a class that stands for what JSON knows.

    :raises Refusal: INVALID_ARGUMENT.
    """
    try:
        return json_format.ParseDict(plain, kind())
    except json_format.ParseError as error:
        raise invalid(f"The request is not valid: {error}") from error


def plain_of(message: Any) -> dict[str, Any]:
    """A message as what JSON knows."""
    return dict(json_format.MessageToDict(message))


def json_of(plain: Any) -> str:
    """JSON text in ASCII alone: as many characters as bytes, however they are counted.

    Fields are sorted by their names, as production sends them; protobuf's maps have no order.
    """
    return json.dumps(plain, separators=(",", ":"), sort_keys=True)


def _without_verify(plain: dict[str, Any], kind: Any) -> list[tuple[int, bytes]]:
    """Take the verifications out of a request's writes: where they were, and of what.

    :raises ValueError: what one names is no text.
    """
    writes = plain.get("writes") if "writes" in kind.DESCRIPTOR.fields_by_name else None
    if not isinstance(writes, list):
        return []
    return [
        (position, str(write.pop("verify")).encode())
        for position, write in enumerate(writes)
        if isinstance(write, dict) and "verify" in write
    ]
