"""The messages of ``google.firestore.v1`` as plain protobuf classes.

google-cloud-firestore wraps each message in a Python object of its own, which costs
more than everything else that is done to a document; these are the classes inside.
They have no static types, hence ``Any``.
"""

from __future__ import annotations

from typing import Any

from google.cloud.firestore_v1.types import aggregation_result as _aggregation
from google.cloud.firestore_v1.types import common as _common
from google.cloud.firestore_v1.types import document as _document
from google.cloud.firestore_v1.types import firestore as _firestore
from google.cloud.firestore_v1.types import query as _query
from google.cloud.firestore_v1.types import write as _write

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
    """A protobuf ``Timestamp`` as nanoseconds since the epoch."""
    return int(timestamp.seconds * 1_000_000_000 + timestamp.nanos)


def set_timestamp(timestamp: Any, time_ns: int) -> None:
    """Fill a protobuf ``Timestamp`` from nanoseconds since the epoch."""
    timestamp.seconds, timestamp.nanos = divmod(time_ns, 1_000_000_000)
