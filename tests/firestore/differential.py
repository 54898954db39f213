"""Two Firestores side by side: the same is done to both, and what they answer is compared.

What is random is plain data (`Reference`, tuples, dicts), made by the strategies here; what does
it to a client, and what comes out in a form that compares, is here as well.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from google.api_core import exceptions
from google.cloud import firestore
from google.cloud.firestore import GeoPoint
from google.cloud.firestore_v1.base_document import DocumentSnapshot
from google.cloud.firestore_v1.base_query import And, FieldFilter, Or
from google.cloud.firestore_v1.field_path import FieldPath
from google.cloud.firestore_v1.vector import Vector
from hypothesis import strategies as st

# Few paths, so that steps meet.
COLLECTIONS = ["a", "b", "a/x/a", "a/y/a", "a/x/b"]
IDS = ["x", "y", "z", "é", "Z", "10", "__id7__"]
FIELDS = ["n", "m", "t", "o.p", "o.q", "`q r`", "v"]
#: In place of what a server's clock said.
SERVER_TIME = "a server's time"
DAY = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


@dataclass(frozen=True)
class Reference:
    """A document, whichever client it is asked of."""

    path: str


@dataclass(frozen=True)
class Transform:
    """A field transform: its name in google-cloud-firestore, and its operand."""

    kind: str
    operand: Any = None


paths = st.builds("{}/{}".format, st.sampled_from(COLLECTIONS), st.sampled_from(IDS))
numbers = st.sampled_from(
    [0, 1, 2, -1, 3, 0.5, 1.0, -0.0, float("nan"), float("inf"), 2**53, 2**53 + 1, 2**63 - 1]
)
scalars = st.one_of(
    numbers,
    numbers,
    st.none(),
    st.booleans(),
    st.sampled_from(["", "a", "b", "ab", "é", "\uffee", "\U0001f600", "a\0"]),
    st.sampled_from([b"", b"a", b"\xff", b"a\0"]),
    st.sampled_from([DAY, DAY + datetime.timedelta(microseconds=1)]),
    st.sampled_from([GeoPoint(1, 2), GeoPoint(1, -3.5)]),
    st.builds(Reference, paths),
)
maps = st.dictionaries(st.sampled_from(["p", "q", "q r"]), scalars, max_size=2)
values = st.one_of(
    scalars,
    scalars,
    st.lists(st.one_of(scalars, maps), max_size=3),
    maps,
    st.sampled_from([Vector([1.0, 2.0]), Vector([1.0]), Vector([0.0, 5.0])]),
)
documents = st.dictionaries(st.sampled_from(["n", "m", "t", "o", "q r", "v"]), values, max_size=4)
transforms = st.one_of(
    st.builds(Transform, st.sampled_from(["Increment", "Maximum", "Minimum"]), numbers),
    st.builds(
        Transform,
        st.sampled_from(["ArrayUnion", "ArrayRemove"]),
        st.lists(st.one_of(scalars, maps), min_size=1, max_size=3),
    ),
    st.just(Transform("DELETE_FIELD")),
    st.just(Transform("SERVER_TIMESTAMP")),
)
changes = st.dictionaries(
    st.sampled_from(FIELDS), st.one_of(values, transforms), min_size=1, max_size=3
)
preconditions = st.sampled_from(["", "", "", "exists", "missing", "fresh", "stale"])

#: A write: what, where, with which content, under which precondition.
Write = tuple[str, str, Any, str]
creations = st.tuples(st.just("create"), paths, documents, st.just(""))
writes = st.one_of(
    st.tuples(st.just("set"), paths, documents, st.just("")),
    st.tuples(st.just("set"), paths, documents, st.just("")),
    st.tuples(st.just("merge"), paths, changes, st.just("")),
    creations,
    st.tuples(st.just("update"), paths, changes, preconditions),
    st.tuples(st.just("delete"), paths, st.none(), preconditions),
)

ORDERING = st.sampled_from(["n", "m", "t", "o.p", "__name__"])
DIRECTION = st.sampled_from(["ASCENDING", "DESCENDING"])
_comparisons = st.sampled_from(["<", "<=", "==", "==", "!=", ">=", ">"])


def _may_be_fulfilled(operands: list[Any]) -> bool:
    """Whether there is more in a list than null and NaN, which nothing equals."""
    return any(operand is not None and operand == operand for operand in operands)  # noqa: PLR0124


@st.composite
def filters(draw: st.DrawFn) -> Any:
    """A filter as (field, operator, operand)."""
    field = draw(st.sampled_from(["n", "n", "m", "t", "o.p", "o", "v", "__name__"]))
    operator = draw(
        st.one_of(
            _comparisons,
            st.sampled_from(["in", "not-in", "array_contains", "array_contains_any"]),
        )
    )
    operands = st.builds(Reference, paths) if field == "__name__" else scalars
    if operator in ("in", "not-in", "array_contains_any"):
        listed = st.lists(operands, min_size=1, max_size=3)
        return field, operator, draw(listed.filter(_may_be_fulfilled))
    return field, operator, draw(operands if field == "__name__" else values)


conditions = st.recursive(
    filters(),
    lambda inner: st.tuples(
        st.sampled_from(["and", "or"]), st.lists(inner, min_size=1, max_size=3)
    ),
    max_leaves=3,
)


@st.composite
def queries(draw: st.DrawFn) -> dict[str, Any]:
    """A query as plain data."""
    query: dict[str, Any] = {
        "source": draw(st.sampled_from([*COLLECTIONS, "group a", "group b"])),
        "where": draw(st.one_of(st.none(), conditions, conditions)),
        "orders": draw(
            st.lists(st.tuples(ORDERING, DIRECTION), max_size=3, unique_by=lambda order: order[0])
        ),
        "limit": draw(st.one_of(st.none(), st.integers(1, 4))),
        "offset": draw(st.sampled_from([0, 0, 0, 1, 2])),
        "to_last": draw(st.sampled_from([False, False, True])),
        "select": draw(st.sampled_from([None, None, [], ["n"], ["o.p", "m"]])),
    }
    for cursor in ("start_at", "start_after", "end_at", "end_before"):
        if query["orders"] and draw(st.integers(0, 9)) < 2:
            query[cursor] = [
                draw(st.builds(Reference, paths) if field == "__name__" else scalars)
                for field, _ in query["orders"][: draw(st.integers(1, 3))]
            ]
    return query


# Doing it.


def real(client: firestore.Client, plain: Any) -> Any:
    """Plain data as google-cloud-firestore takes it."""
    match plain:
        case Reference(path):
            return client.document(path)
        case Transform("DELETE_FIELD" | "SERVER_TIMESTAMP" as kind):
            return getattr(firestore, kind)
        case Transform(kind, operand):
            return getattr(firestore, kind)(real(client, operand))
        case list():
            return [real(client, item) for item in plain]
        case dict():
            return {name: real(client, item) for name, item in plain.items()}
        case _:
            return plain


def nested(fields: dict[str, Any]) -> dict[str, Any]:
    """Fields by path as nested maps, which is how a merge takes them."""
    made: dict[str, Any] = {}
    for path, value in fields.items():
        *outer, last = FieldPath.from_api_repr(path).parts
        inner = made
        for step in outer:
            inner = inner.setdefault(step, {})
        inner[last] = value
    return made


def add_write(client: firestore.Client, batch: Any, write: Write, times: dict[str, Any]) -> None:
    """Add a write to a batch or transaction.

    :param times: an update time that each document had once.
    """
    kind, path, content, precondition = write
    reference = client.document(path)
    if kind == "set":
        batch.set(reference, real(client, content))
    elif kind == "merge":
        batch.set(reference, real(client, nested(content)), merge=True)
    elif kind == "create":
        batch.create(reference, real(client, content))
    elif kind == "update":
        batch.update(reference, real(client, content), *_option(client, precondition, path, times))
    else:
        option = _option(client, precondition, path, times)
        batch.delete(reference, *option)


def _option(
    client: firestore.Client, precondition: str, path: str, times: dict[str, Any]
) -> list[Any]:
    match precondition:
        case "exists" | "missing":
            return [client.write_option(exists=precondition == "exists")]
        case "fresh" if path in times:
            return [client.write_option(last_update_time=times[path])]
        case "stale":
            return [client.write_option(last_update_time=DAY)]
        case _:
            return []


def condition(client: firestore.Client, plain: Any) -> Any:
    """A filter of google-cloud-firestore."""
    if plain[0] in ("and", "or") and len(plain) == 2:
        return (And if plain[0] == "and" else Or)([condition(client, part) for part in plain[1]])
    field, operator, operand = plain
    return FieldFilter(field, operator, real(client, operand))


def query_of(client: firestore.Client, plain: dict[str, Any]) -> Any:
    """A query of google-cloud-firestore."""
    source = plain["source"]
    if source.startswith("group "):
        query: Any = client.collection_group(source.removeprefix("group "))
    else:
        query = client.collection(source)
    if plain["where"] is not None:
        query = query.where(filter=condition(client, plain["where"]))
    for field, direction in plain["orders"]:
        query = query.order_by(field, direction=direction)
    for cursor in ("start_at", "start_after", "end_at", "end_before"):
        if cursor in plain:
            query = getattr(query, cursor)(real(client, plain[cursor]))
    if plain["offset"]:
        query = query.offset(plain["offset"])
    if plain["limit"] is not None:
        query = (query.limit_to_last if plain["to_last"] else query.limit)(plain["limit"])
    if plain["select"] is not None:
        query = query.select(plain["select"])
    return query


# What comes out.


def outcome(act: Callable[..., Any], *arguments: Any) -> Any:
    """What comes of it, in a form that compares: a result, or the kind of error."""
    try:
        return comparable(act(*arguments))
    except exceptions.GoogleAPICallError as error:
        return type(error).__name__
    except ValueError as error:
        # The client's own; the same for both.
        return f"ValueError: {error}"


def comparable(found: Any) -> Any:
    """Values that are equal if, and only if, Firestore's would be the same."""
    match found:
        case DocumentSnapshot():
            return found.reference.path, comparable(found.to_dict())
        case dict():
            return {name: comparable(value) for name, value in found.items()}
        case list() | tuple():
            return [comparable(value) for value in found]
        case firestore.DocumentReference():
            return f"-> {found.path}"
        case Vector():
            return repr(found)
        case GeoPoint():
            return f"at {found.latitude}, {found.longitude}"
        case datetime.datetime():
            # What a server's clock said cannot be compared; it is later than any that was given.
            return found if found < DAY + datetime.timedelta(days=1) else SERVER_TIME
        case bool() | int() | float():
            # 1, 1.0 and True are equal in Python; NaN is not even equal to itself.
            return f"{type(found).__name__} {found!r}"
        case _:
            return found
