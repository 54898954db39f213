"""Pages of a result, and the tokens that lead from one to the next."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from flask_boiler.errors import QueryError
from flask_boiler.firestore import protocol
from flask_boiler.firestore.codec import Codec
from flask_boiler.firestore.query_compiler import compile_query
from flask_boiler.firestore.query_rules import NOTHING
from flask_boiler.ground.values import QuerySpec
from flask_boiler.models.query.position import Position

__all__ = ["Page", "PlainSeal", "Seal", "issue_token", "read_token"]

M_co = TypeVar("M_co", covariant=True)

_SEAL_SIZE = 12
_COUNT_SIZE = 4


@dataclass(frozen=True, slots=True)
class Page(Generic[M_co]):
    """A part of a result.

    :param results: the models, or the documents, in the query's order.
    :param next_page_token: what ``page`` takes to give the next one; ``None`` at the end.
    """

    results: list[M_co]
    next_page_token: str | None


class Seal(Protocol):
    """A way to seal positions, which knows its own again."""

    def seal(self, content: bytes, *, bound_to: bytes) -> bytes:
        """The sealed form of a content."""
        ...

    def opened(self, sealed: bytes, *, bound_to: bytes) -> bytes | None:
        """The content; ``None`` if it is not sealed by us, or bound to something else."""
        ...


class PlainSeal:
    """Keeps a token from being used for another query, which would give a wrong page.

    It hides nothing and keeps nobody from making one: that is for those who ask the query itself.
    """

    def seal(self, content: bytes, *, bound_to: bytes) -> bytes:
        """The content, with a digest of it and of what it is bound to."""
        return _digest(bound_to, content) + content

    def opened(self, sealed: bytes, *, bound_to: bytes) -> bytes | None:
        """The content, if the digest fits."""
        digest, content = sealed[:_SEAL_SIZE], sealed[_SEAL_SIZE:]
        return content if digest == _digest(bound_to, content) else None


def issue_token(spec: QuerySpec, position: Position, codec: Codec, seal: Seal) -> str:
    """An opaque text that ``read_token`` understands for an equal query, and no other."""
    # A document goes in by its path: a token is shown to clients, a project's name is not.
    path = protocol.Value(string_value=position.path)
    after = protocol.Cursor(values=[*position.values, path])
    content = position.given.to_bytes(_COUNT_SIZE, "big") + after.SerializeToString()
    sealed = seal.seal(content, bound_to=_query(spec, codec))
    return base64.urlsafe_b64encode(sealed).decode().rstrip("=")


def read_token(spec: QuerySpec, token: str, codec: Codec, seal: Seal) -> Position:
    """The position that a token stands for.

    :raises QueryError: it is of another query, or is no token.
    """
    # A query that can find nothing has no pages after the first, and so no tokens.
    can_follow = spec.where != NOTHING
    sealed = _sealed_of(token) if can_follow else None
    content = None if sealed is None else seal.opened(sealed, bound_to=_query(spec, codec))
    if content is None or len(content) <= _COUNT_SIZE:
        raise QueryError(
            f"{token!r:.80} is not a page token of this query: give the next_page_token of a page "
            "with the same conditions and order, or none for the first page"
        )
    *values, path = protocol.Cursor.FromString(content[_COUNT_SIZE:]).values
    given = int.from_bytes(content[:_COUNT_SIZE], "big")
    return Position(tuple(values), path.string_value, given)


def _sealed_of(token: str) -> bytes | None:
    try:
        return base64.b64decode(token + "=" * (-len(token) % 4), b"-_", validate=True)
    except (ValueError, TypeError, binascii.Error):
        return None


def _query(spec: QuerySpec, codec: Codec) -> bytes:
    query = compile_query(spec, codec)
    return _digest(codec.name("").encode(), query.parent.encode(), query.structured)


def _digest(*parts: bytes) -> bytes:
    digest = hashlib.blake2b(digest_size=_SEAL_SIZE, person=b"boiler page")
    for part in parts:
        digest.update(len(part).to_bytes(4, "big"))
        digest.update(part)
    return digest.digest()
