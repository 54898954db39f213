"""Calls that Firestore refuses, and some at the edge of it that are taken, by name."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any, TypeAlias

from google.cloud import firestore
from google.cloud.firestore_v1.base_query import And, FieldFilter, Or
from google.cloud.firestore_v1.types import ListenRequest

from tests.firestore.differential_listeners import refusal_of_request

Call: TypeAlias = Callable[[firestore.Client], Any]
Json: TypeAlias = dict[str, Any]

ONE = {"integer_value": 1}


def _name(client: firestore.Client, path: str) -> str:
    return f"{client._database_string}/documents/{path}"


def _call(client: firestore.Client, method: str, **request: Any) -> Any:
    """A call that google-cloud-firestore would not make in this form."""
    return getattr(client._firestore_api, method)(request=request, metadata=client._rpc_metadata)


def _commit(client: firestore.Client, *writes: Json, **request: Any) -> Any:
    return _call(client, "commit", database=client._database_string, writes=list(writes), **request)


# Values.


def _array(*values: Json) -> Json:
    return {"array_value": {"values": list(values)}}


def _map(**fields: Json) -> Json:
    return {"map_value": {"fields": fields}}


def _vector(*elements: Json, **more: Json) -> Json:
    return _map(__type__={"string_value": "__vector__"}, value=_array(*elements), **more)


def _double(number: float) -> Json:
    return {"double_value": number}


def _nested(containers: str, value: Json = ONE) -> Json:
    """A value in maps (``m``) and arrays (``a``), from outside to inside."""
    for container in reversed(containers):
        value = _map(m=value) if container == "m" else _array(value)
    return value


# Writes.


def _sets(value: Json, *, field: str = "f", path: str = "a/x") -> Call:
    return lambda client: _commit(
        client, {"update": {"name": _name(client, path), "fields": {field: value}}}
    )


def _writes_to(path: str) -> Call:
    return _sets(ONE, path=path)


def _masks(path: str) -> Call:
    return lambda client: _commit(
        client,
        {"update": {"name": _name(client, "a/x")}, "update_mask": {"field_paths": [path]}},
    )


def _transforms(*transforms: Json) -> Call:
    return lambda client: _commit(
        client,
        {"update": {"name": _name(client, "a/x")}, "update_transforms": list(transforms)},
    )


def _deletes(path: str = "a/x", **more: Any) -> Call:
    return lambda client: _commit(client, {"delete": _name(client, path), **more})


def _last_written(year: int) -> Json:
    return {"update_time": datetime.datetime(year, 1, 1, tzinfo=datetime.UTC)}


# Transactions.


def _in_ended_transaction(method: str, **request: Any) -> Call:
    """Do something in a transaction that has committed."""

    def call(client: firestore.Client) -> Any:
        transaction = client.transaction()
        transaction._begin()
        ended = transaction.id
        transaction._commit()
        return _in_transaction(ended, method, **request)(client)

    return call


def _in_transaction(transaction: bytes | None, method: str, **request: Any) -> Call:
    def call(client: firestore.Client) -> Any:
        if method == "batch_get_documents":
            request["documents"] = [_name(client, "a/x")]
        database = client._database_string
        found = _call(client, method, database=database, transaction=transaction, **request)
        return list(found) if method == "batch_get_documents" else found

    return call


def _writes_in_a_read_only_transaction(client: firestore.Client) -> Any:
    database = client._database_string
    begun = _call(client, "begin_transaction", database=database, options={"read_only": {}})
    return _commit(client, {"delete": _name(client, "a/x")}, transaction=begun.transaction)


# Queries.


def _filter(field: str, operator: str, value: Json) -> Json:
    return {"field_filter": {"field": {"field_path": field}, "op": operator, "value": value}}


def _all(*filters: Json) -> Json:
    return {"composite_filter": {"op": "AND", "filters": list(filters)}}


def _any(*filters: Json) -> Json:
    return {"composite_filter": {"op": "OR", "filters": list(filters)}}


def _integers(count: int) -> list[Json]:
    return [{"integer_value": number} for number in range(count)]


def _greater(count: int) -> list[Json]:
    return [_filter("n", "GREATER_THAN", value) for value in _integers(count)]


def _by(*fields: str, direction: Any = "ASCENDING") -> list[Json]:
    return [{"field": {"field_path": field}, "direction": direction} for field in fields]


def _asks(where: Json | None = None, *, below: str = "", **query: Any) -> Call:
    def call(client: firestore.Client) -> Any:
        structured = {"from_": [{"collection_id": "a"}], **query}
        if where is not None:
            structured["where"] = where
        parent = _name(client, below).rstrip("/")
        return list(_call(client, "run_query", parent=parent, structured_query=structured))

    return call


def _names_downwards(client: firestore.Client) -> Any:
    filters: list[Any] = [
        FieldFilter("n", "==", 1),
        FieldFilter("__name__", "<", client.document("a/x")),
    ]
    query: Any = client.collection("a").where(filter=Or(filters))
    found = query.order_by("__name__", direction="DESCENDING").get()
    assert "x" in [snapshot.id for snapshot in found]


def _sums_below_a_name(client: firestore.Client) -> Any:
    filters: list[Any] = [
        FieldFilter("n", "in", [None]),
        FieldFilter("__name__", "<", client.document("a/x")),
    ]
    query: Any = client.collection("a").where(filter=And(filters))
    return query.sum("n").get()


def _aggregates(*aggregations: Json) -> Call:
    def call(client: firestore.Client) -> Any:
        asked = {
            "structured_query": {"from_": [{"collection_id": "a"}]},
            "aggregations": list(aggregations),
        }
        found = _call(
            client,
            "run_aggregation_query",
            parent=f"{client._database_string}/documents",
            structured_aggregation_query=asked,
        )
        return list(found)

    return call


def _lists(**request: Any) -> Call:
    return lambda client: list(
        _call(
            client,
            "list_documents",
            parent=f"{client._database_string}/documents",
            **{"collection_id": "a", **request},
        )
    )


# Listeners.


def _listens_to_document(path: str) -> Call:
    return lambda client: _listens(client, documents={"documents": [_name(client, path)]})


def _listens_to_query(parent: str = "", **query: Any) -> Call:
    def call(client: firestore.Client) -> Any:
        asked = {
            "parent": _name(client, parent).rstrip("/"),
            "structured_query": {"from_": [{"collection_id": "a"}], **query},
        }
        return _listens(client, query=asked)

    return call


def _listens(client: firestore.Client, **target: Any) -> str:
    request = ListenRequest(database=client._database_string, add_target=target)
    return refusal_of_request(client, request)


LONG = "x" * 1501

INVALID: dict[str, Call] = {
    "a document's name is a collection's": _writes_to("a"),
    "a document's id is empty": _writes_to("a//b"),
    "a document's id is a dot": _writes_to("a/."),
    "a document's id is reserved": _writes_to("a/__x__"),
    "a number as an id has a zero before it": _writes_to("a/__id07__"),
    "a number as an id is zero": _writes_to("a/__id0__"),
    "a number as an id is too large": _writes_to(f"a/__id{2**63}__"),
    "a number as an id is not of ASCII": _writes_to("a/__id\u0661__"),
    "a collection's id is reserved": _writes_to("__a__/x"),
    "a collection's id is a number": _writes_to("__id1__/x"),
    "a document's id is too long": _writes_to(f"a/{LONG}"),
    "a document's id has too many bytes": _writes_to("a/" + "é" * 751),
    "a field has no name": _sets(ONE, field=""),
    "a field's name is reserved": _sets(ONE, field="__x__"),
    "a field's name is too long": _sets(ONE, field=LONG),
    "a field's name has too many bytes": _sets(ONE, field="é" * 751),
    "a field in a map has no name": _sets({"map_value": {"fields": {"": ONE}}}),
    "a field in a map has a reserved name": _sets(_map(__x__=ONE)),
    "a field in a map has too long a path": _sets(_map(**{"x" * 1499: ONE})),
    "a field in a map in an array has too long a path": _sets(_array(_map(**{"x" * 1499: ONE}))),
    "21 maps in each other": _sets(_nested("m" * 21)),
    "an empty map in 20 maps": _sets(_nested("m" * 20, _map())),
    "21 arrays and maps in each other": _sets(_nested("am" * 10 + "a")),
    "an array in an array": _sets(_nested("aa")),
    "a value without a type": _sets({}),
    "a value that is too large": _sets({"bytes_value": b"x" * (1 << 20)}),
    "a latitude beyond the pole": _sets({"geo_point_value": {"latitude": 91}}),
    "a reference to nowhere": _sets({"reference_value": "a/x"}),
    "a vector without elements": _sets(_vector()),
    "a vector of integers": _sets(_vector(ONE)),
    "a vector with NaN": _sets(_vector(_double(float("nan")))),
    "a vector that is too long": _sets(_vector(*[_double(1.0)] * 2049)),
    "a vector with something beside it": _sets(_vector(_double(1.0), more=ONE)),
    "a vector without a value": _sets(_map(__type__={"string_value": "__vector__"})),
    "a vector in an array": _sets(_array(_vector(_double(1.0)))),
    "a map of an unknown type": _sets(_map(__type__={"string_value": "what"})),
    "an empty field path": _masks(""),
    "a field path with an empty name": _masks("a..b"),
    "a field path that is not quoted": _masks("a b"),
    "a field path with an open quote": _masks("`a"),
    "a field path with a reserved name": _masks("a.__x__"),
    "a field path that is too long": _masks(LONG),
    "a field path of too many names": _masks(".".join("m" * 21)),
    "a write of nothing": lambda client: _commit(client, {}),
    "a delete with a mask": _deletes(update_mask={"field_paths": ["n"]}),
    "a precondition from before 1970": _deletes(current_document=_last_written(1969)),
    "a transform of nothing": _transforms({"field_path": "n"}),
    "an increment by a text": _transforms({"field_path": "n", "increment": {"string_value": "x"}}),
    "a transform of a field and of one in it": _transforms(
        {"field_path": "n", "increment": ONE}, {"field_path": "n.a", "increment": ONE}
    ),
    "a batch that writes a document twice": lambda client: _call(
        client,
        "batch_write",
        database=client._database_string,
        writes=[{"delete": _name(client, "a/x")}] * 2,
    ),
    "a read in a transaction that has ended": _in_ended_transaction("batch_get_documents"),
    "a commit of a transaction that has ended": _in_ended_transaction("commit", writes=[]),
    "a read in an unknown transaction": _in_transaction(b"unknown", "batch_get_documents"),
    "a commit of an unknown transaction": _in_transaction(b"unknown", "commit"),
    "a rollback of an unknown transaction": _in_transaction(b"unknown", "rollback"),
    "a rollback of no transaction": _in_transaction(None, "rollback"),
    "a write in a read-only transaction": _writes_in_a_read_only_transaction,
    "a read in the future": lambda client: client.document("a/x").get(
        read_time=datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)
    ),
    "in 31 values": _asks(_filter("n", "IN", _array(*_integers(31)))),
    "not in 11 values": _asks(_filter("n", "NOT_IN", _array(*_integers(11)))),
    "in no values": _asks(_filter("n", "IN", _array())),
    "in what is no array": _asks(_filter("n", "IN", ONE)),
    "equal to a value without a type": _asks(_filter("n", "EQUAL", {})),
    "equal to a vector of integers": _asks(_filter("n", "EQUAL", _vector(ONE))),
    "a name that is equal to a number": _asks(_filter("__name__", "EQUAL", ONE)),
    "an unknown operator": _asks(_filter("n", 77, ONE)),  # type: ignore[arg-type]
    "any of no filters": _asks(_any()),
    "a filter of nothing": _asks({}),
    "two negative filters": _asks(_all(*[_filter("n", "NOT_EQUAL", ONE)] * 2)),
    "101 filters": _asks(_all(*_greater(101))),
    "100 filters and an order": _asks(_all(*_greater(100)), order_by=_by("n")),
    "100 filters below a document": _asks(_all(*_greater(100)), below="a/x"),
    "91 filters beside one of ten values": _asks(
        _all(*_greater(91), _filter("m", "IN", _array(*_integers(10))))
    ),
    "101 orders": _asks(order_by=_by(*(f"f{number}" for number in range(101)))),
    "an order by a malformed path": _asks(order_by=_by("a..b")),
    "an order in no direction there is": _asks(order_by=_by("n", direction=7)),
    "two orders by a field": _asks(order_by=_by("n", "n")),
    "an order behind one by name": _asks(order_by=_by("__name__", "n")),
    "a selection of a malformed path": _asks(select={"fields": [{"field_path": "`"}]}),
    "a selection of too long a path": _asks(select={"fields": [{"field_path": LONG}]}),
    "a negative limit": _asks(limit=-1),
    "a negative offset": _asks(offset=-1),
    "a query of two collections": _asks(from_=[{"collection_id": "a"}] * 2),
    "a query of a path": _asks(from_=[{"collection_id": "a/b"}]),
    "a cursor with more values than orders": _asks(start_at={"values": [ONE]}),
    "a cursor with a number as a name": _asks(order_by=_by("__name__"), start_at={"values": [ONE]}),
    "a sum of what is below a name, beside a list that nothing fulfils": _sums_below_a_name,
    "no aggregations": _aggregates(),
    "an aggregation of nothing": _aggregates({}),
    "two aggregations of one name": _aggregates(*[{"alias": "a", "count": {}}] * 2),
    "an aggregation whose name is too long": _aggregates({"alias": LONG, "count": {}}),
    "a sum of a malformed path": _aggregates({"sum": {"field": {"field_path": "a..b"}}}),
    "a count up to less than nothing": _aggregates({"count": {"up_to": -1}}),
    "a page of a negative size": _lists(page_size=-1),
    "a page of an unknown token": _lists(page_token="what"),
    "a list in an order that makes no sense": _lists(order_by="n what"),
    "a list of missing documents in order": _lists(order_by="n", show_missing=True),
}

MISSING: dict[str, Call] = {
    "an update of a missing document": lambda client: client.document("a/gone").update({"n": 1}),
    "a delete of a missing document that must exist": _deletes(
        "a/gone", current_document={"exists": True}
    ),
    "a read of a missing document": lambda client: _call(
        client, "get_document", name=_name(client, "a/gone")
    ),
}

TAKEN: dict[str, Call] = {
    "names downwards, where one alternative has an index": _names_downwards,
    "a document's id has 1500 bytes": _writes_to("a/" + "é" * 750),
    "a number as an id": _writes_to(f"a/__id{-(2**63)}__"),
    "a field's name has 1500 bytes": _sets(ONE, field="é" * 750),
    "a field in a map has a path of 1500 bytes": _sets(_map(**{"x" * 1498: ONE})),
    "20 maps in each other": _sets(_nested("m" * 20)),
    "20 arrays and maps in each other": _sets(_nested("am" * 10)),
    "a vector in 20 maps": _sets(_nested("m" * 20, _vector(_double(1.0)))),
    "an empty array in 20 maps": _sets(_nested("m" * 20, _array())),
    "a vector of 2048 elements": _sets(_vector(*[_double(1.0)] * 2048)),
    "a rollback of a transaction that has ended": _in_ended_transaction("rollback"),
    "in 30 values": _asks(_filter("n", "IN", _array(*_integers(30)))),
    "100 filters": _asks(_all(*_greater(100))),
    "a filter a hundred times and again": _asks(_all(*[_filter("n", "EQUAL", ONE)] * 101)),
    "99 filters below a document": _asks(_all(*_greater(99)), below="a/x"),
    "all of no filters": _asks(_all()),
    "any of all of no filters": _asks(_any(_all(), _filter("n", "EQUAL", ONE))),
    "an order in no direction": _asks(order_by=_by("n", direction=0)),
    "a limit of nothing": _asks(limit=0),
}

#: What refuses a target, apart from the other targets of its stream.
LISTENERS: dict[str, tuple[Call, str]] = {
    "a document": (_listens_to_document("a/x"), "accepted"),
    "a document that is a collection": (_listens_to_document("a"), "removed: InvalidArgument"),
    "a document with a reserved id": (_listens_to_document("a/__x__"), "removed: InvalidArgument"),
    "a query below a collection": (_listens_to_query("a"), "removed: InvalidArgument"),
    "a query in an order by a malformed path": (
        _listens_to_query(order_by=_by("a..b")),
        "removed: InvalidArgument",
    ),
    "a query for what is in no values": (
        _listens_to_query(where=_filter("n", "IN", _array())),
        "removed: InvalidArgument",
    ),
    "a query with more cursors than orders": (
        _listens_to_query(start_at={"values": [ONE]}),
        "removed: InvalidArgument",
    ),
    "a query for the last by name": (
        _listens_to_query(order_by=_by("__name__", direction="DESCENDING")),
        "removed: FailedPrecondition",
    ),
    "a limit of nothing": (_listens_to_query(limit=0), "accepted"),
}
