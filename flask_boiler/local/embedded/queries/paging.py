"""Page tokens: where the next page begins, opaque to clients."""

from __future__ import annotations

import base64
import binascii

from flask_boiler.local.embedded.storage.refusal import invalid

__all__ = ["page_size", "read_count", "read_text", "read_token", "token_of"]

_MARK = b"p1:"
_PAGE = 300


def page_size(asked: int, default: int = _PAGE) -> int:
    """The size of a page.

    :raises Refusal: INVALID_ARGUMENT if it is negative.
    """
    if asked < 0:
        raise invalid("Page size must be nonnegative.")
    return asked or default


def token_of(place: bytes) -> str:
    """A token for a place."""
    return base64.urlsafe_b64encode(_MARK + place).decode()


def read_token(token: str) -> bytes:
    """The place that a token stands for; empty for the beginning.

    :raises Refusal: INVALID_ARGUMENT if it is none of ours.
    """
    if not token:
        return b""
    try:
        raw = base64.b64decode(token.encode(), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeError):
        raw = b""
    if not raw.startswith(_MARK):
        raise invalid("invalid page token")
    return raw[len(_MARK) :]


def read_text(token: str) -> str:
    """The place that a token stands for, where places are names.

    :raises Refusal: INVALID_ARGUMENT if it is none of ours.
    """
    try:
        return read_token(token).decode()
    except UnicodeDecodeError as error:
        raise invalid("invalid page token") from error


def read_count(token: str) -> int:
    """The place that a token stands for, where places are counted.

    :raises Refusal: INVALID_ARGUMENT if it is none of ours.
    """
    text = read_text(token) or "0"
    if not (text.isascii() and text.isdigit()) or len(text) > 18:
        raise invalid("invalid page token")
    return int(text)
