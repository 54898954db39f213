"""Firestore's protocol: what its clients and its servers both have to know.

That is: the messages of ``google.firestore.v1``, how field paths and the orders of queries are read
from them, and how gRPC, which carries them, gets along with greenlets.

google-cloud-firestore wraps each message in a Python object of its own, which costs more than
everything else that is done to a document; here are the plain protobuf classes inside. They have no
static types, hence ``Any``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from importlib import import_module
from typing import Any, NamedTuple

from google.cloud.firestore_v1.types import aggregation_result as _aggregation
from google.cloud.firestore_v1.types import common as _common
from google.cloud.firestore_v1.types import document as _document
from google.cloud.firestore_v1.types import firestore as _firestore
from google.cloud.firestore_v1.types import query as _query
from google.cloud.firestore_v1.types import write as _write

from flask_boiler.errors import ConfigurationError
from flask_boiler.ground.lifecycle import greenlets_instead_of_threads

Document: Any = _document.Document.pb()
Value: Any = _document.Value.pb()
MapValue: Any = _document.MapValue.pb()
Cursor: Any = _query.Cursor.pb()
StructuredQuery: Any = _query.StructuredQuery.pb()
StructuredAggregationQuery: Any = _query.StructuredAggregationQuery.pb()
AggregationResult: Any = _aggregation.AggregationResult.pb()
Precondition: Any = _common.Precondition.pb()
TransactionOptions: Any = _common.TransactionOptions.pb()
DocumentTransform: Any = _write.DocumentTransform.pb()
Write: Any = _write.Write.pb()
WriteResult: Any = _write.WriteResult.pb()
BatchGetDocumentsRequest: Any = _firestore.BatchGetDocumentsRequest.pb()
BatchGetDocumentsResponse: Any = _firestore.BatchGetDocumentsResponse.pb()
BeginTransactionRequest: Any = _firestore.BeginTransactionRequest.pb()
BeginTransactionResponse: Any = _firestore.BeginTransactionResponse.pb()
CommitRequest: Any = _firestore.CommitRequest.pb()
CommitResponse: Any = _firestore.CommitResponse.pb()
RollbackRequest: Any = _firestore.RollbackRequest.pb()
RunQueryRequest: Any = _firestore.RunQueryRequest.pb()
RunQueryResponse: Any = _firestore.RunQueryResponse.pb()
RunAggregationQueryRequest: Any = _firestore.RunAggregationQueryRequest.pb()
RunAggregationQueryResponse: Any = _firestore.RunAggregationQueryResponse.pb()
PartitionQueryRequest: Any = _firestore.PartitionQueryRequest.pb()
PartitionQueryResponse: Any = _firestore.PartitionQueryResponse.pb()
GetDocumentRequest: Any = _firestore.GetDocumentRequest.pb()
CreateDocumentRequest: Any = _firestore.CreateDocumentRequest.pb()
UpdateDocumentRequest: Any = _firestore.UpdateDocumentRequest.pb()
DeleteDocumentRequest: Any = _firestore.DeleteDocumentRequest.pb()
ListDocumentsRequest: Any = _firestore.ListDocumentsRequest.pb()
ListDocumentsResponse: Any = _firestore.ListDocumentsResponse.pb()
ListCollectionIdsRequest: Any = _firestore.ListCollectionIdsRequest.pb()
ListCollectionIdsResponse: Any = _firestore.ListCollectionIdsResponse.pb()
BatchWriteRequest: Any = _firestore.BatchWriteRequest.pb()
BatchWriteResponse: Any = _firestore.BatchWriteResponse.pb()
WriteRequest: Any = _firestore.WriteRequest.pb()
WriteResponse: Any = _firestore.WriteResponse.pb()
ListenRequest: Any = _firestore.ListenRequest.pb()
ListenResponse: Any = _firestore.ListenResponse.pb()
ListenTarget: Any = _firestore.Target.pb()
TargetChange: Any = _firestore.TargetChange.pb()

SERVICE = "/google.firestore.v1.Firestore/"

#: Of a Listen stream's initial metadata: the server misses no commit, however it races the adding
#: of a target, so nothing that it says needs to be verified. The embedded Firestore says so.
FAULTLESS = "flask-boiler-listen-faultless"


def nanoseconds(timestamp: Any) -> int:
    """The nanoseconds since the epoch of a protobuf ``Timestamp``."""
    return int(timestamp.seconds * 1_000_000_000 + timestamp.nanos)


def set_timestamp(timestamp: Any, time_ns: int) -> None:
    """Set a protobuf ``Timestamp`` to nanoseconds since the epoch."""
    timestamp.seconds, timestamp.nanos = divmod(time_ns, 1_000_000_000)


# Fields of documents and maps.

_VECTOR_TYPE = "__vector__"
_PATH_PART = re.compile(r"`((?:[^`\\]|\\.)*)`|([^.`]+)")
_ESCAPE = re.compile(r"\\(.)")


@lru_cache(maxsize=4096)
def field_names(path: str) -> tuple[str, ...]:
    """The field names in a field path, without quotes.

    >>> field_names("address.`house number`")
    ('address', 'house number')
    """
    return tuple(
        _ESCAPE.sub(r"\1", quoted) if quoted else plain
        for quoted, plain in _PATH_PART.findall(path)
    )


def field_value(document: Any, path: str) -> Any | None:
    """The stored value at a field path of a document, or ``None`` if there is none."""
    fields = document.fields
    value = None
    for name in field_names(path):
        if fields is None or name not in fields:
            return None
        value = fields[name]
        is_map = value.WhichOneof("value_type") == "map_value"
        fields = value.map_value.fields if is_map else None
    return value


def is_vector(fields: Any) -> bool:
    """Whether a map of stored values is a vector."""
    # Looking up a name that is not there would add it to the message.
    return "__type__" in fields and fields["__type__"].string_value == _VECTOR_TYPE


# The orders of queries.

_NAME = "__name__"


class Criterion(NamedTuple):
    """One criterion by which a query sorts, written or implied."""

    field: str
    descending: bool


def effective_orders(structured: Any) -> list[Criterion]:
    """All criteria by which a ``StructuredQuery`` sorts, with those that Firestore adds.

    Fields compared by inequality come after the explicit ones, and the document's name comes
    last; both in the direction of the last explicit one.
    """
    descending_value = StructuredQuery.DESCENDING
    orders = [
        Criterion(order.field.field_path, order.direction == descending_value)
        for order in structured.order_by
    ]
    named = {field_names(order.field) for order in orders}
    descending = orders[-1].descending if orders else False
    unequal = {field_names(path): path for path in _unequal_fields(structured.where)}
    for names in sorted(unequal):
        if names not in named and names != (_NAME,):
            orders.append(Criterion(unequal[names], descending))
    if (_NAME,) not in named:
        orders.append(Criterion(_NAME, descending))
    return orders


_FIELD_FILTER = StructuredQuery.FieldFilter
_UNARY_FILTER = StructuredQuery.UnaryFilter
_INEQUALITIES = frozenset(
    {
        _FIELD_FILTER.LESS_THAN,
        _FIELD_FILTER.LESS_THAN_OR_EQUAL,
        _FIELD_FILTER.GREATER_THAN,
        _FIELD_FILTER.GREATER_THAN_OR_EQUAL,
        _FIELD_FILTER.NOT_EQUAL,
        _FIELD_FILTER.NOT_IN,
    }
)
_UNARY_INEQUALITIES = frozenset({_UNARY_FILTER.IS_NOT_NAN, _UNARY_FILTER.IS_NOT_NULL})


def _unequal_fields(where: Any) -> Iterable[str]:
    match where.WhichOneof("filter_type"):
        case "composite_filter":
            for part in where.composite_filter.filters:
                yield from _unequal_fields(part)
        case "field_filter" if where.field_filter.op in _INEQUALITIES:
            yield where.field_filter.field.field_path
        case "unary_filter" if where.unary_filter.op in _UNARY_INEQUALITIES:
            yield where.unary_filter.field.field_path


# gRPC.


def hook_grpc() -> None:
    """Have gRPC wait as greenlets do, where threads are gevent's greenlets.

    Else the first call to Firestore blocks the one real thread for ever, also for whoever is to
    answer it. To be called before the first channel or server is made. Where nothing is patched, or
    the application has done it, nothing happens.

    :raises ConfigurationError: the greenlets are eventlet's, for which gRPC has no hook.
    """
    library = greenlets_instead_of_threads()
    if library is None:
        return
    if library == "eventlet":
        raise ConfigurationError(
            "eventlet has replaced the threads of this process, and gRPC, by which Firestore is "
            "reached, would block them all for ever: use threads (no eventlet.monkey_patch()), or "
            "gevent"
        )
    from grpc.experimental import gevent

    cygrpc: Any = import_module("grpc._cython.cygrpc")
    if not cygrpc.g_gevent_activated:
        gevent.init_gevent()
