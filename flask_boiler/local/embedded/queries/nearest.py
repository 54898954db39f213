"""The documents whose vectors are nearest to a query's: ``find_nearest``.

There is no index for it: every document that the query matches is compared.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import mul
from typing import Any

from flask_boiler.firestore import protocol
from flask_boiler.firestore.protocol import field_names, is_vector
from flask_boiler.local.embedded.queries.matching import Query, value_at
from flask_boiler.local.embedded.storage.document import StoredDocument

__all__ = ["nearest"]

_Vector = Sequence[float]

_SEARCH = protocol.StructuredQuery.FindNearest


def nearest(query: Query, found: Iterable[StoredDocument]) -> list[Any]:
    """The ``Document`` messages of a query that searches the nearest vectors, nearest first.

    Those equally near stay in the order in which they were found; a distance that is no number
    comes last, and meets no threshold.

    :param found: what the query matches apart from the search.
    """
    search = query.structured.find_nearest
    measured = _measured(search, found)
    if search.HasField("distance_threshold"):
        is_within = _WITHIN[search.distance_measure]
        limit = search.distance_threshold.value
        measured = (pair for pair in measured if is_within(pair[0], limit))
    # The larger a dot product, the nearer.
    sign = -1 if search.distance_measure == _SEARCH.DOT_PRODUCT else 1

    def key(pair: tuple[float, StoredDocument]) -> tuple[bool, float]:
        distance = pair[0]
        return (True, 0.0) if math.isnan(distance) else (False, sign * distance)

    chosen = heapq.nsmallest(search.limit.value, measured, key)
    return [_shown(query, distance, document) for distance, document in chosen]


def _measured(
    search: Any, found: Iterable[StoredDocument]
) -> Iterator[tuple[float, StoredDocument]]:
    """The distances of the documents that have a vector of as many dimensions."""
    wanted = _vector(search.query_vector) or ()
    names = field_names(search.vector_field.field_path)
    distance = _DISTANCES[search.distance_measure]
    for document in found:
        value = value_at(document.message, names)
        vector = None if value is None else _vector(value)
        if vector is not None and len(vector) == len(wanted):
            yield distance(wanted, vector), document


def _vector(value: Any) -> _Vector | None:
    fields = value.map_value.fields if value.HasField("map_value") else {}
    if not is_vector(fields):
        return None
    return [number.double_value for number in fields["value"].array_value.values]


def _shown(query: Query, distance: float, document: StoredDocument) -> Any:
    """The document with its distance, if that was asked for, as the query shows it."""
    field = query.structured.find_nearest.distance_result_field
    message = document.message
    if field:
        message = protocol.Document()
        message.CopyFrom(document.message)
        # A name, and no path: dots are part of it.
        message.fields[field].double_value = distance
    return query.selected(message)


def _euclidean(left: _Vector, right: _Vector) -> float:
    return math.dist(left, right)


def _cosine(left: _Vector, right: _Vector) -> float:
    lengths = math.hypot(*left) * math.hypot(*right)
    return 1 - _dot_product(left, right) / lengths if lengths else math.nan


def _dot_product(left: _Vector, right: _Vector) -> float:
    return float(sum(map(mul, left, right)))


_DISTANCES: dict[int, Callable[[_Vector, _Vector], float]] = {
    _SEARCH.EUCLIDEAN: _euclidean,
    _SEARCH.COSINE: _cosine,
    _SEARCH.DOT_PRODUCT: _dot_product,
}

#: Whether a distance is within a threshold; no number is not.
_WITHIN: dict[int, Callable[[float, float], bool]] = {
    _SEARCH.EUCLIDEAN: lambda distance, threshold: distance <= threshold,
    _SEARCH.COSINE: lambda distance, threshold: distance <= threshold,
    _SEARCH.DOT_PRODUCT: lambda distance, threshold: distance >= threshold,
}
