"""Searching the nearest vectors: as Google's emulator does it, apart from what is listed."""

from __future__ import annotations

import math
import random
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import firestore
from google.cloud.firestore_v1.base_query import FieldFilter
from google.cloud.firestore_v1.base_vector_query import DistanceMeasure
from google.cloud.firestore_v1.vector import Vector

from flask_boiler.context.clients import close_client, local_client
from flask_boiler.embedded import EmbeddedFirestore
from flask_boiler.ground.ports import LocalFirestore
from tests.firestore.differential import outcome

SEARCHES = 200
# Their lengths are whole numbers, so that no measure has to be rounded: what is equally near
# is so for both.
VECTORS = [
    Vector(numbers)
    for x, y in [(3.0, 4.0), (4.0, 3.0), (0.0, 5.0), (6.0, 8.0), (0.0, 0.0)]
    for numbers in ([x, y], [-x, y], [y, -x])
]
OTHERS = [Vector([1.0]), Vector([1.0, 2.0, 2.0]), [3.0, 4.0], {"x": 3.0}, "3", 3.0, None]


@pytest.fixture
def embedded() -> Iterator[firestore.Client]:
    with EmbeddedFirestore() as server, _client(server.host) as client:
        yield client


@contextmanager
def _client(host: str) -> Iterator[firestore.Client]:
    project = f"nearest-{uuid.uuid4().hex[:16]}"
    client = local_client(host, project=project, database="(default)")
    yield client
    close_client(client)


def _fill(client: firestore.Client) -> None:
    rng = random.Random(5)
    for number in range(40):
        collection = rng.choice(["v", "v", "v/x/v"])
        fields = {"e": rng.choice([*VECTORS, *OTHERS]), "n": rng.randint(0, 3)}
        client.document(f"{collection}/{number:02}").set(fields)
    client.document("v/without").set({"n": 1})


def _search(rng: random.Random, client: firestore.Client) -> Any:
    """What is found by a search of random kind, which draws the same numbers for each client."""
    query: Any = client.collection("v") if rng.random() < 0.7 else client.collection_group("v")
    if rng.random() < 0.4:
        operator = rng.choice(["==", ">", "in"])
        operand = rng.randint(0, 2)
        operands = [operand, operand + 1] if operator == "in" else operand
        query = query.where(filter=FieldFilter("n", operator, operands))
    if rng.random() < 0.4:
        query = query.order_by("n", direction=rng.choice(["ASCENDING", "DESCENDING"]))
    if rng.random() < 0.3:
        query = query.select(rng.choice([["n"], ["n", "distance"], ["e"]]))
    if rng.random() < 0.1:
        query = rng.choice([query.limit(2), query.offset(1), query.order_by("n").end_at({"n": 1})])
    return query.find_nearest(
        vector_field="e",
        query_vector=rng.choice([*VECTORS, Vector([1.0]), Vector([])]),
        distance_measure=rng.choice(list(DistanceMeasure)),
        limit=rng.choice([1, 2, 3, 5, 50, 50, 0, 1001]),
        distance_result_field=rng.choice([None, "distance", "distance", "e", "a.b", "__d__"]),
        distance_threshold=rng.choice([None, None, -1.0, 0.0, 0.04, 1.0, 5.0, 30.0]),
    ).get()


@pytest.mark.timeout(300)
def test_it_is_as_googles_emulator_does_it(
    google_emulator: LocalFirestore, embedded: firestore.Client
) -> None:
    with _client(google_emulator.host) as emulator:
        for client in (embedded, emulator):
            _fill(client)
        for seed in range(SEARCHES):
            here, there = (
                outcome(_search, random.Random(seed), client) for client in (embedded, emulator)
            )
            assert here == there, f"search {seed}"


def _nearest(client: firestore.Client, measure: DistanceMeasure, **options: Any) -> list[Any]:
    query = client.collection("v").find_nearest(
        vector_field=options.pop("vector_field", "e"),
        query_vector=Vector([3.0, 4.0]),
        distance_measure=measure,
        limit=options.pop("limit", 100),
        **options,
    )
    return list(query.get())


@pytest.mark.parametrize("measure", DistanceMeasure)
def test_the_nearest_come_first(embedded: firestore.Client, measure: DistanceMeasure) -> None:
    _fill(embedded)
    found = _nearest(embedded, measure, distance_result_field="d")
    distances = [snapshot.get("d") for snapshot in found]
    assert len(distances) > 5
    if measure == DistanceMeasure.DOT_PRODUCT:
        distances = [-distance for distance in distances]
    # No number is last.
    assert all(left <= right or math.isnan(right) for left, right in pairwise(distances))
    nearest = _nearest(embedded, measure, limit=2)
    assert [snapshot.id for snapshot in nearest] == [snapshot.id for snapshot in found[:2]]


def test_vectors_in_maps_are_found(embedded: firestore.Client) -> None:
    embedded.document("v/a").set({"m": {"e": Vector([3.0, 5.0])}})
    (found,) = _nearest(
        embedded, DistanceMeasure.EUCLIDEAN, vector_field="m.e", distance_result_field="d"
    )
    assert found.get("d") == 1.0


def test_a_transaction_that_searched_depends_on_what_it_compared(
    embedded: firestore.Client,
) -> None:
    _fill(embedded)
    transaction = embedded.transaction()
    transaction._begin()
    query = embedded.collection("v").find_nearest(
        vector_field="e",
        query_vector=Vector([3.0, 4.0]),
        distance_measure=DistanceMeasure.EUCLIDEAN,
        limit=1,
    )
    assert len(list(query.stream(transaction=transaction))) == 1
    embedded.document("v/without").set({"e": Vector([3.0, 4.0])})
    transaction.set(embedded.document("w/a"), {})
    with pytest.raises(exceptions.Aborted):
        transaction._commit()


def test_a_search_is_run_and_nothing_else(embedded: firestore.Client) -> None:
    query = embedded.collection("v").find_nearest(
        vector_field="e",
        query_vector=Vector([1.0]),
        distance_measure=DistanceMeasure.COSINE,
        limit=1,
    )
    parent = f"{embedded._database_string}/documents"
    aggregation = {
        "structured_query": query._to_protobuf(),
        "aggregations": [{"count": {}, "alias": "count"}],
    }
    with pytest.raises(exceptions.MethodNotImplemented, match="find_nearest"):
        list(
            embedded._firestore_api.run_aggregation_query(
                request={"parent": parent, "structured_aggregation_query": aggregation}
            )
        )
