"""The parts of requests: bodies, read no further than they may be long, and read times."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

from flask import Request, current_app
from werkzeug.wsgi import LimitedStream

from flask_boiler.view.mediation.problems import Refusal

__all__ = ["READ_TIME_HEADER", "bounded_body", "json_body", "read_time_of", "require_utf8"]

#: Carries a time of the server's: a view that is asked for with it is not older.
READ_TIME_HEADER = "Boiler-Read-Time"

#: How large a body may be where the application does not say: that of a Firestore document.
_MAX_BODY_BYTES = 1024 * 1024


def require_utf8(asked: Request) -> None:
    """Check that the path of a request is UTF-8.

    Werkzeug has other bytes replaced by a sign, and documents of two ids would be one.

    :raises Refusal: it is not.
    """
    if "\ufffd" not in asked.path:
        return
    # Some servers put that sign into PATH_INFO already.
    raw: str | None = asked.environ.get("RAW_URI") or asked.environ.get("REQUEST_URI")
    path = asked.environ["PATH_INFO"].encode("latin-1")
    try:
        (path if raw is None else unquote_to_bytes(raw.partition("?")[0])).decode()
    except UnicodeDecodeError as error:
        raise Refusal(404, "The path is not UTF-8, as addresses are.") from error


def bounded_body(asked: Request, most_bytes: int) -> bytes:
    """The body of a request.

    :param most_bytes: how long it may be; what the application says (``MAX_CONTENT_LENGTH``) wins.
    :raises Refusal: it is longer.
    """
    limit = current_app.config.get("MAX_CONTENT_LENGTH") or most_bytes
    if (asked.content_length or 0) > limit:
        raise _too_large(limit)
    unknown = asked.content_length is None or "wsgi.input_terminated" in asked.environ
    if unknown and "stream" not in vars(asked):
        # Sent in chunks: no more is read than shows that it is too much.
        bounded = LimitedStream(asked.environ["wsgi.input"], limit + 1, is_max=True)
        asked.environ["wsgi.input"] = bounded
    data = asked.get_data()
    if len(data) > limit:
        raise _too_large(limit)
    return data


def _too_large(limit: int) -> Refusal:
    return Refusal(413, f"A body has at most {limit} bytes.")


def read_time_of(asked: Request) -> int | None:
    """The time that the view of a request is not to be older than, if it names one.

    :raises Refusal: it is none that an answer gave.
    """
    text = asked.headers.get(READ_TIME_HEADER)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        said = f"Not a value from the answer to a write: {text!r:.60}."
        raise Refusal(400, "The request is not valid.", errors={READ_TIME_HEADER: [said]})
    return int(text)


def json_body(asked: Request) -> Any:
    """The JSON in the body of a request.

    :raises Refusal: it is too large, of another content type, or no JSON.
    """
    kind = asked.mimetype
    if kind != "application/json" and not (kind.startswith("application/") and "+json" in kind):
        given = f"not {kind}" if kind else "and no content type is given"
        raise Refusal(415, f"Expected application/json, {given}.")
    data = bounded_body(asked, _MAX_BODY_BYTES)
    if not data:
        raise Refusal(400, "Expected a JSON object; the body is empty.")
    try:
        # By itself, json would let pass what no text is encoded as.
        text = data.decode(json.detect_encoding(data))
        body = json.loads(text, parse_constant=_refuse_constant)
        if "\\u" in text:
            # Half of a surrogate pair can be spelled so, and is no text.
            json.dumps(body, ensure_ascii=False).encode()
        return body
    except (ValueError, RecursionError) as error:
        raise Refusal(400, f"The body is not JSON: {error}") from error


def _refuse_constant(name: str) -> Mapping[str, Any]:
    raise ValueError(f"{name} is not JSON")
