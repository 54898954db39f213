"""The executor: it runs queries and aggregations on the state of one time."""

from __future__ import annotations

import heapq
import sqlite3
from collections.abc import Iterable, Iterator
from itertools import chain, groupby, islice
from typing import Any

from flask_boiler.firestore.protocol import field_names
from flask_boiler.local.embedded.queries.aggregates import Aggregation
from flask_boiler.local.embedded.queries.conditions import Interval
from flask_boiler.local.embedded.queries.matching import Query, value_at
from flask_boiler.local.embedded.queries.planner import FEW, Scan, Scope, scans, scopes
from flask_boiler.local.embedded.storage.document import StoredDocument
from flask_boiler.local.embedded.storage.encoding import (
    encode_name,
    encode_value,
    index_suffixes,
    successor,
)
from flask_boiler.local.embedded.storage.keys import COLLECTION, NAME_PREFIX, scope_prefix
from flask_boiler.local.embedded.storage.reading import Reading

__all__ = ["aggregate", "run", "scan_collection"]

# How many rows are fetched together: few at first, for who wants only a few.
_FIRST_ROWS, _MOST_ROWS = 16, 512

#: A key, the number of a document, its update time and its data at present (or ``None``).
_Candidate = tuple[bytes, int, int | None, bytes | None]


def run(reading: Reading, query: Query) -> Iterator[StoredDocument]:
    """The documents of a query's result, in order; valid while the reading is.

    The query has been checked: see ``validation``.
    """
    if query.limit == 0:
        return iter(())
    if not query.collection_id:
        return _windowed(_of_any_collection(reading, query), query)
    found = [(scope, scan) for scope, scan in _scans(reading, query)]
    if len(found) == 1:
        scope, scan = found[0]
        if scan.is_exact and reading.is_newest and _is_sorted(scan, query):
            # What the query asks for is all in one place, and in order: nothing is decoded.
            most = None if query.limit is None else query.limit + query.offset
            return _windowed(_present(reading, scan, most), query)
        return _windowed(_in_order(_matching(reading, query, scope, scan), query, scan), query)
    return _windowed(_merged(reading, query, found), query)


def _scans(reading: Reading, query: Query) -> Iterator[tuple[Scope, Scan]]:
    def count(interval: Interval) -> int:
        return _count(reading.connection, "entries", [interval], FEW)

    for scope in scopes(query, lambda kind, path: reading.scope(query.world, kind, path)):
        for scan in scans(query, scope, count):
            yield scope, scan


def _windowed(documents: Iterable[StoredDocument], query: Query) -> Iterator[StoredDocument]:
    end = None if query.limit is None else query.offset + query.limit
    return islice(iter(documents), query.offset, end)


def _is_sorted(scan: Scan, query: Query) -> bool:
    return scan.sorted_fields == len(query.orders)


# The present: one SQL statement for each range.


def _select(scan: Scan) -> str:
    direction = "DESC" if scan.is_backwards else "ASC"
    if scan.in_documents:
        return (
            "SELECT key, doc, updated, data FROM documents WHERE key >= ? AND key < ?"
            f" ORDER BY key {direction}"
        )
    # An entry of another equality has the same end as the one that is read.
    key = "e.key" if scan.prefix else "d.key"
    also = "".join(
        f" AND EXISTS (SELECT 1 FROM entries o WHERE o.key = CAST(? || substr({key}, ?) AS BLOB))"
        for _ in scan.also
    )
    return (
        "SELECT e.key, e.doc, d.updated, d.data FROM entries e CROSS JOIN documents d"
        f" ON d.doc = e.doc WHERE e.key >= ? AND e.key < ?{also} ORDER BY e.key {direction}"
    )


def _parameters(scan: Scan, interval: Interval) -> list[Any]:
    end = len(scan.prefix or scope_prefix(0)) + 1
    return [*interval, *chain.from_iterable((prefix, end) for prefix in scan.also)]


def _present(reading: Reading, scan: Scan, most: int | None = None) -> Iterator[StoredDocument]:
    for _, _, updated, data in _present_rows(reading.connection, scan, most):
        yield StoredDocument(data, updated)


def _present_rows(
    connection: sqlite3.Connection, scan: Scan, most: int | None = None
) -> Iterator[Any]:
    statement = _select(scan) + ("" if most is None else f" LIMIT {most}")
    for interval in scan.ranges:
        cursor = connection.execute(statement, _parameters(scan, interval))
        batch = _FIRST_ROWS
        while rows := cursor.fetchmany(batch):
            yield from rows
            batch = min(batch * 4, _MOST_ROWS)


# The past: what is there at present, and what was there once, each checked against the version
# of the time.


def _then(reading: Reading, scope: Scope, scan: Scan) -> Iterator[StoredDocument]:
    seen: tuple[bytes, int] | None = None
    for interval in scan.ranges:
        for key, doc, updated, data in _candidates(reading.connection, scan, interval):
            if (key, doc) == seen:
                continue
            seen = (key, doc)
            row = (updated or 0, data) if data else _document_row(reading.connection, doc)
            present = None if row is None else StoredDocument(row[1], row[0])
            found = reading.version(doc, present)
            if found is not None and _was_at(scope, scan, key, found):
                yield found


def _candidates(
    connection: sqlite3.Connection, scan: Scan, interval: Interval
) -> Iterator[_Candidate]:
    table = "past_keys" if scan.in_documents else "past_entries"
    direction = "DESC" if scan.is_backwards else "ASC"
    # The other equalities are checked on the documents.
    plain = Scan(scan.ranges, scan.in_documents, is_backwards=scan.is_backwards)
    present = connection.execute(_select(plain), interval)
    past = connection.execute(
        f"SELECT key, doc, NULL, NULL FROM {table} WHERE key >= ? AND key < ?"
        f" ORDER BY key {direction}",
        interval,
    )
    return heapq.merge(present, past, key=lambda row: (row[0], row[1]), reverse=scan.is_backwards)


def _document_row(connection: sqlite3.Connection, doc: int) -> tuple[int, bytes] | None:
    row: tuple[int, bytes] | None = connection.execute(
        "SELECT updated, data FROM documents WHERE doc = ?", (doc,)
    ).fetchone()
    return row


def _was_at(scope: Scope, scan: Scan, key: bytes, document: StoredDocument) -> bool:
    """Whether this version has the entry: another may be what it was made for."""
    if scan.in_documents:
        return True
    rest = scope.rest(encode_name(document.name))
    suffix = key[len(scope.number) : len(key) - len(rest)]
    return suffix == NAME_PREFIX or suffix in index_suffixes(document.message)


# Checking, sorting, merging.


def _matching(reading: Reading, query: Query, scope: Scope, scan: Scan) -> Iterator[StoredDocument]:
    if not reading.is_newest:
        return filter(query.matches, _then(reading, scope, scan))
    found = _present(reading, scan)
    return found if scan.is_exact else filter(query.matches, found)


def _key(query: Query, document: StoredDocument) -> bytes:
    return query.sort_key(document.message)


def _in_order(
    documents: Iterator[StoredDocument], query: Query, scan: Scan
) -> Iterator[StoredDocument]:
    if _is_sorted(scan, query):
        return documents
    if scan.sorted_fields == 0:
        return iter(sorted(documents, key=lambda document: _key(query, document)))
    return _sorted_runs(documents, query)


def _sorted_runs(documents: Iterator[StoredDocument], query: Query) -> Iterator[StoredDocument]:
    """Sort what is sorted by the first criterion alone, without reading all of it first."""
    names = field_names(query.orders[0].field)

    def first(document: StoredDocument) -> bytes:
        return encode_value(value_at(document.message, names))

    for _, run_of_equals in groupby(documents, key=first):
        yield from sorted(run_of_equals, key=lambda document: _key(query, document))


def _merged(
    reading: Reading, query: Query, found: list[tuple[Scope, Scan]]
) -> Iterator[StoredDocument]:
    """The documents that any of the scans finds, each once."""
    streams = [
        _keyed(_in_order(_matching(reading, query, scope, scan), query, scan), query)
        for scope, scan in found
    ]
    last = None
    for key, _, document in heapq.merge(*(numbered(n, s) for n, s in enumerate(streams))):
        if key != last:
            last = key
            yield document


def _keyed(
    documents: Iterator[StoredDocument], query: Query
) -> Iterator[tuple[bytes, StoredDocument]]:
    for document in documents:
        yield _key(query, document), document


def numbered(
    number: int, stream: Iterator[tuple[bytes, StoredDocument]]
) -> Iterator[tuple[bytes, int, StoredDocument]]:
    """The stream with its number, so that documents themselves are never compared."""
    for key, document in stream:
        yield key, number, document


# Without a collection.


def _of_any_collection(reading: Reading, query: Query) -> Iterator[StoredDocument]:
    """Documents of all collections below the parent, in the order of their names."""
    depth = query.parent.count("/") + 1 if query.parent else 0
    streams = [
        _keyed(filter(query.matches, scan_collection(reading, query.world, path)), query)
        for path in reading.collections(query.world, query.parent)
        if query.all_descendants or path.count("/") == depth
    ]
    merged = heapq.merge(*(numbered(n, s) for n, s in enumerate(streams)))
    return (document for _, _, document in merged)


def scan_collection(
    reading: Reading, world: str, path: str, after: bytes = b""
) -> Iterator[StoredDocument]:
    """The documents of a collection in the order of their names, in steps that end by themselves.

    :param after: the encoded id to begin behind.
    """
    number = reading.scope(world, COLLECTION, path)
    if number is None:
        return
    prefix = scope_prefix(number)
    name = encode_name(f"{world}/documents/{path}")[:-1]
    scope = Scope(prefix, name, False)
    low = prefix + after + (b"\0" if after else b"")
    scan = Scan(((low, successor(prefix)),), in_documents=True)
    if reading.is_newest:
        yield from _present(reading, scan)
    else:
        yield from _then(reading, scope, scan)


# Aggregations.


def aggregate(reading: Reading, query: Query, aggregations: list[Aggregation]) -> list[Any]:
    """The values of aggregations over a query's result."""
    if all(aggregation.is_count for aggregation in aggregations):
        most = max((a.up_to for a in aggregations), default=None, key=lambda n: n or 2**62)
        counted = _counted(reading, query, most)
        return [aggregation.counted(counted) for aggregation in aggregations]
    for document in run(reading, query):
        for aggregation in aggregations:
            aggregation.add(document.message)
    return [aggregation.value() for aggregation in aggregations]


def _counted(reading: Reading, query: Query, most: int | None) -> int:
    """The number of documents in the result, told by the entries alone where they can."""
    if query.collection_id and reading.is_newest:
        found = list(_scans(reading, query))
        if not found:
            return 0
        if len(found) == 1 and found[0][1].is_exact and not found[0][1].also:
            scan = found[0][1]
            table = "documents" if scan.in_documents else "entries"
            limits = [query.offset + query.limit] if query.limit is not None else []
            limits += [most + query.offset] if most is not None else []
            count = _count(reading.connection, table, scan.ranges, min(limits) if limits else None)
            return max(0, count - query.offset)
    return sum(1 for _ in islice(run(reading, query), most))


def _count(
    connection: sqlite3.Connection,
    table: str,
    ranges: Iterable[Interval],
    most: int | None,
) -> int:
    total = 0
    for interval in ranges:
        if most is None:
            statement = f"SELECT count(*) FROM {table} WHERE key >= ? AND key < ?"
        else:
            statement = (
                f"SELECT count(*) FROM (SELECT 1 FROM {table} WHERE key >= ? AND key < ?"
                f" LIMIT {most - total})"
            )
        total += connection.execute(statement, interval).fetchone()[0]
    return total
