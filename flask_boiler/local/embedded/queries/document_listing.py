"""Listings: the documents of a collection, and the collections below a document."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from google.protobuf.message import DecodeError

from flask_boiler.firestore import protocol
from flask_boiler.firestore.protocol import field_names
from flask_boiler.local.embedded.queries.executor import run, scan_collection
from flask_boiler.local.embedded.queries.matching import NAME, Query, value_at
from flask_boiler.local.embedded.queries.paging import page_size, read_text, read_token, token_of
from flask_boiler.local.embedded.queries.validation import check_query
from flask_boiler.local.embedded.storage.document import StoredDocument, document_name
from flask_boiler.local.embedded.storage.encoding import encode_name, encode_segment
from flask_boiler.local.embedded.storage.name_rules import check_collection_id
from flask_boiler.local.embedded.storage.reading import Reading
from flask_boiler.local.embedded.storage.refusal import invalid

__all__ = ["collection_ids", "list_documents"]

_ASCENDING = protocol.StructuredQuery.ASCENDING
_DIRECTIONS = {
    "": _ASCENDING,
    "asc": _ASCENDING,
    "desc": protocol.StructuredQuery.DESCENDING,
}

#: A page's documents; a missing one is a name. And the token of the next page.
Page = tuple[list[StoredDocument | str], str]


def list_documents(reading: Reading, world: str, parent: str, request: Any) -> Page:
    """A page of a collection, or (without its id) of all collections directly below the parent.

    :raises Refusal: INVALID_ARGUMENT.
    """
    size = page_size(request.page_size)
    if request.collection_id:
        check_collection_id(request.collection_id)
    if not request.show_missing:
        return _page_of_query(reading, world, parent, request, size)
    if request.order_by:
        raise invalid("cannot specify an order when show_missing is true")
    return _page_with_missing(reading, world, parent, request, size)


# Those that exist: a query, whose place is a cursor.


def _page_of_query(reading: Reading, world: str, parent: str, request: Any, size: int) -> Page:
    structured = protocol.StructuredQuery()
    structured.from_.add(collection_id=request.collection_id)
    for clause in filter(None, (part.strip() for part in request.order_by.split(","))):
        _add_order(structured, clause)
    if not structured.order_by or structured.order_by[-1].field.field_path != NAME:
        direction = structured.order_by[-1].direction if structured.order_by else _ASCENDING
        structured.order_by.add(direction=direction).field.field_path = NAME
    _set_start(structured, request.page_token)
    structured.limit.value = size
    check_query(structured)
    name = document_name(world, parent) if parent else f"{world}/documents"
    query = Query(name, structured)
    page = list(run(reading, query))
    return list(page), token_of(_place(query, page[-1])) if len(page) == size else ""


def _add_order(structured: Any, clause: str) -> None:
    path, _, direction = clause.partition(" ")
    wanted = _DIRECTIONS.get(direction.strip().lower())
    if wanted is None:
        raise invalid(f'Invalid order by clause "{clause}".')
    structured.order_by.add(direction=wanted).field.field_path = path


def _set_start(structured: Any, token: str) -> None:
    place = read_token(token)
    if place:
        try:
            structured.start_at.ParseFromString(place)
        except DecodeError as error:
            raise invalid("invalid page token") from error


def _place(query: Query, document: StoredDocument) -> bytes:
    cursor = protocol.Cursor(before=False)
    for order in query.orders:
        if order.field == NAME:
            cursor.values.add().reference_value = document.name
        else:
            cursor.values.append(value_at(document.message, field_names(order.field)))
    return bytes(cursor.SerializeToString())


# And those that do not exist, although there is something below them.


def _page_with_missing(reading: Reading, world: str, parent: str, request: Any, size: int) -> Page:
    after = read_text(request.page_token)
    depth = parent.count("/") + 1 if parent else 0
    if request.collection_id:
        paths = {f"{parent}/{request.collection_id}" if parent else request.collection_id}
    else:
        below = reading.collections(world, parent)
        paths = {"/".join(path.split("/")[: depth + 1]) for path in below}
    found = heapq.merge(
        *(_children(reading, world, path) for path in paths), key=lambda child: child[0]
    )
    behind = encode_name(after) if after else b""
    page = list(islice((child for child in found if child[0] > behind), size))
    token = token_of(page[-1][2].encode()) if len(page) == size else ""
    return [document or name for _, document, name in page], token


def _children(
    reading: Reading, world: str, path: str
) -> Iterator[tuple[bytes, StoredDocument | None, str]]:
    """The documents of a collection, and those with something below them, ordered by name."""
    present = (
        (encode_name(document.name), document, document.name)
        for document in scan_collection(reading, world, path)
    )
    parents = (
        (encode_name(name), None, name)
        for name in (document_name(world, p) for p in _parents(reading, world, path))
    )
    last = b""
    # Where a document exists, it comes before what only its collections tell of.
    merged: Iterable[tuple[bytes, StoredDocument | None, str]] = heapq.merge(
        present, parents, key=lambda child: child[0]
    )
    for child in merged:
        if child[0] != last:
            last = child[0]
            yield child


def _parents(reading: Reading, world: str, path: str) -> Iterator[str]:
    """The documents of a collection that have documents below them."""
    depth = path.count("/") + 2
    last = ""
    for below in reading.collections(world, path):
        parent = "/".join(below.split("/")[:depth])
        if parent != last and not _is_empty(reading, world, below):
            last = parent
            yield parent


def _is_empty(reading: Reading, world: str, path: str) -> bool:
    return next(scan_collection(reading, world, path), None) is None


def collection_ids(
    reading: Reading, world: str, parent: str, request: Any
) -> tuple[list[str], str]:
    """A page of the ids of the collections directly below a document, and the next token.

    :raises Refusal: INVALID_ARGUMENT.
    """
    size = page_size(request.page_size)
    after = read_text(request.page_token)
    page = list(islice(_ids(reading, world, parent, after), size))
    return page, token_of(page[-1].encode()) if len(page) == size else ""


def _ids(reading: Reading, world: str, parent: str, after: str) -> Iterator[str]:
    depth = parent.count("/") + 1 if parent else 0
    behind = encode_segment(after) if after else b""
    last = ""
    for path in reading.collections(world, parent):
        identity = path.split("/")[depth]
        if (
            identity != last
            and encode_segment(identity) > behind
            and not _is_empty(reading, world, path)
        ):
            last = identity
            yield identity
