"""Pages of a result, and the tokens that lead from one to the next."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from flask_boiler.errors import QueryError
from flask_boiler.firestore import protocol
from flask_boiler.firestore.codec import Codec
from flask_boiler.firestore.ordering import field_value
from flask_boiler.firestore.query import compile_query
from flask_boiler.firestore.query_rules import NAME, NOTHING, full_orders
from flask_boiler.values import Cursor, QuerySpec, Snapshot

__all__ = ["Page", "Position", "issue_token", "position_after", "read_token"]

M = TypeVar("M")

_SEAL_SIZE = 9
_COUNT_SIZE = 4


@dataclass(frozen=True, slots=True)
class Page(Generic[M]):
    """A part of a result.

    :param results: the models, or the documents, in the query's order.
    :param next_page_token: what ``page`` takes to give the next one; ``None`` at the end.
    """

    results: list[M]
    next_page_token: str | None


class Position(NamedTuple):
    """Where in a result the next page starts.

    :param after: the last document of the pages before, in all of the query's orders.
    :param given: how many documents these pages had.
    """

    after: Cursor
    given: int


def position_after(
    spec: QuerySpec, snapshots: Sequence[Snapshot], codec: Codec, given: int
) -> Position:
    """The position after the last of these documents."""
    last = snapshots[-1]
    values = tuple(
        last.path if order.field == NAME else _decoded(codec, last, order.field)
        for order in full_orders(spec)
    )
    return Position(Cursor(values, before=False), given + len(snapshots))


def _decoded(codec: Codec, snapshot: Snapshot, field: str) -> Any:
    return codec.decode_value(field_value(snapshot.raw, field))


def issue_token(spec: QuerySpec, position: Position, codec: Codec) -> str:
    """An opaque text that ``read_token`` understands for an equal query, and no other."""
    # A document goes in by its path: a token is shown to clients, a project's name is not.
    after = protocol.Cursor(values=[codec.encode_value(value) for value in position.after.values])
    content = position.given.to_bytes(_COUNT_SIZE, "big") + after.SerializeToString()
    return base64.urlsafe_b64encode(_seal(spec, content, codec) + content).decode().rstrip("=")


def read_token(spec: QuerySpec, token: str, codec: Codec) -> Position:
    """The position that a token stands for.

    :raises QueryError: it is of another query, or is no token.
    """
    try:
        sealed = base64.b64decode(token + "=" * (-len(token) % 4), b"-_", validate=True)
    except (ValueError, TypeError, binascii.Error):
        sealed = b""
    seal, content = sealed[:_SEAL_SIZE], sealed[_SEAL_SIZE:]
    # A query that can find nothing has no pages after the first, and so no tokens.
    can_follow = len(content) > _COUNT_SIZE and spec.where != NOTHING
    if not can_follow or seal != _seal(spec, content, codec):
        raise QueryError(
            f"{token!r:.80} is no page token of this query: give the next_page_token of a page, "
            "with the very same conditions and order, or none for the first page"
        )
    after = protocol.Cursor.FromString(content[_COUNT_SIZE:])
    values = tuple(codec.decode_value(value) for value in after.values)
    return Position(Cursor(values, before=False), int.from_bytes(content[:_COUNT_SIZE], "big"))


def _seal(spec: QuerySpec, content: bytes, codec: Codec) -> bytes:
    # It keeps a token from being used for another query, which would give a wrong page without
    # an error. It keeps nobody from making one: that shows no more than the query itself does.
    query = compile_query(spec, codec)
    digest = hashlib.blake2b(digest_size=_SEAL_SIZE, person=b"boiler page")
    for part in (codec.name("").encode(), query.parent.encode(), query.structured, content):
        digest.update(len(part).to_bytes(4, "big"))
        digest.update(part)
    return digest.digest()
