"""Page tokens: where the next page begins, opaque to clients."""

from __future__ import annotations

import base64
import binascii

from flask_boiler.embedded.refusal import invalid

__all__ = ["page_size", "read_token", "token_of"]

_MARK = b"p1:"
_PAGE = 300


def page_size(asked: int, default: int = _PAGE) -> int:
    """How many a page has.

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
