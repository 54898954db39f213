"""How deep, how wide and how large: where both local Firestores say no."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import firestore
from google.cloud.firestore_v1.base_query import FieldFilter

from flask_boiler.context.clients import close_client, local_client
from flask_boiler.embedded import EmbeddedFirestore
from flask_boiler.ground.ports import LocalFirestore

DEEPEST = 20


@pytest.fixture
def db(firestore_emulator: LocalFirestore) -> Iterator[firestore.Client]:
    project = f"limits-{uuid.uuid4().hex[:16]}"
    client = local_client(firestore_emulator.host, project=project, database="(default)")
    yield client
    close_client(client)


def maps(levels: int, inside: Any = 1) -> Any:
    for _ in range(levels):
        inside = {"a": inside}
    return inside


def maps_and_arrays(levels: int) -> Any:
    inside: Any = 1
    for level in range(levels):
        inside = [inside] if level % 2 else {"a": inside}
    return inside


@pytest.mark.parametrize(
    ("deepest", "too_deep"),
    [
        (maps(DEEPEST), maps(DEEPEST + 1)),
        (maps(DEEPEST - 1, {}), maps(DEEPEST, {})),
        (maps(DEEPEST, []), maps(DEEPEST, [1])),
        (maps_and_arrays(DEEPEST), maps_and_arrays(DEEPEST + 1)),
        ([maps(DEEPEST - 1)], [maps(DEEPEST)]),
    ],
    ids=["maps", "an empty map", "an empty array", "both", "an array"],
)
def test_containers_inside_each_other(db: firestore.Client, deepest: Any, too_deep: Any) -> None:
    reference = db.document("a/b")
    reference.set({"f": deepest})
    with pytest.raises(exceptions.InvalidArgument, match="invalid nested entity"):
        reference.set({"f": too_deep})
    assert reference.get().get("f") == deepest


def test_fields_that_are_compared_by_inequality(db: firestore.Client) -> None:
    query: Any = db.collection("a")
    for number in range(8):
        query = query.where(filter=FieldFilter(f"f{number}", ">", 1))
    # What is compared twice counts once, and what is compared with nothing counts, too.
    query = query.where(filter=FieldFilter("f0", "<", 9)).where(filter=FieldFilter("e", "==", 1))
    query = query.where(filter=FieldFilter("g", "!=", None))
    query = query.where(filter=FieldFilter("__name__", ">", db.document("a/b")))
    assert query.get() == []
    with pytest.raises(exceptions.InvalidArgument, match="11 distinct inequality fields"):
        query.where(filter=FieldFilter("h", "<=", 1)).get()


def test_a_commit_of_more_than_ten_mebibytes(embedded_firestore: EmbeddedFirestore) -> None:
    """On Google's emulator, a message of four is too large already."""
    db = local_client(embedded_firestore.host, project="limits", database="(default)")
    batch = db.batch()
    for number in range(11):
        batch.set(db.document(f"large/{number}"), {"text": "x" * 1_000_000})
    with pytest.raises(exceptions.InvalidArgument, match="Transaction too big"):
        batch.commit()
    assert list(db.collection("large").list_documents()) == []
    close_client(db)
