"""Firestore's REST interface: each call of the service under the path that Google gives it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from google.protobuf.descriptor import FieldDescriptor

from flask_boiler.firestore import protocol
from flask_boiler.local.embedded.serving.proto_json import message_of, plain_of, read_into
from flask_boiler.local.embedded.serving.service import Service
from flask_boiler.local.embedded.storage.refusal import invalid, unimplemented

__all__ = ["Rest"]

# The names of documents may have lines.
_CALLED = re.compile(
    r"((projects/[^/]+/databases/[^/]+)(?:/documents(?:/.+)?)?):([a-zA-Z]+)", re.DOTALL
)
_BELOW = re.compile(r"(projects/[^/]+/databases/[^/]+/documents)/(.+)", re.DOTALL)
#: What every call of Google's takes, and what changes nothing here.
_OF_ALL_CALLS = frozenset(
    ("$alt", "alt", "$prettyPrint", "prettyPrint", "$.xgafv", "access_token", "callback", "fields")
) | frozenset(("key", "oauth_token", "quotaUser", "uploadType", "upload_protocol", "$httpHeaders"))
_TRUTH = {"true": True, "false": False}

Asked = Sequence[tuple[str, str]]


class _Call(NamedTuple):
    """A call that has a name: ``PARENT:name``."""

    do: Callable[[Any], Any]
    request: Any
    #: What there are many of, one after the other, if there are.
    many: Any = None


class Rest:
    """Answers calls, as what JSON knows. May be used by any thread."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._calls = {
            "commit": _Call(service.commit, protocol.CommitRequest),
            "batchWrite": _Call(service.batch_write, protocol.BatchWriteRequest),
            "beginTransaction": _Call(service.begin_transaction, protocol.BeginTransactionRequest),
            "rollback": _Call(service.rollback, protocol.RollbackRequest),
            "listCollectionIds": _Call(
                service.list_collection_ids, protocol.ListCollectionIdsRequest
            ),
            "partitionQuery": _Call(service.partition_query, protocol.PartitionQueryRequest),
            "batchGet": _Call(
                service.batch_get_documents,
                protocol.BatchGetDocumentsRequest,
                protocol.BatchGetDocumentsResponse,
            ),
            "runQuery": _Call(
                service.run_query, protocol.RunQueryRequest, protocol.RunQueryResponse
            ),
            "runAggregationQuery": _Call(
                service.run_aggregation_query,
                protocol.RunAggregationQueryRequest,
                protocol.RunAggregationQueryResponse,
            ),
        }

    def is_call(self, method: str, resource: str) -> bool:
        """Whether this is a call that has a name; the web SDK sends these."""
        return method == "POST" and _CALLED.fullmatch(resource) is not None

    def answer(self, method: str, resource: str, asked: Asked, body: bytes) -> Any:
        """The answer to a request.

        :param resource: the path behind ``/v1/``.
        :param asked: what stands in the query.
        :raises Refusal: as the call does; UNIMPLEMENTED, if it is none.
        """
        if method == "POST" and (called := _CALLED.fullmatch(resource)):
            return self._call(called[1], called[2], called[3], body)
        below = _BELOW.fullmatch(resource)
        if below is not None:
            path = below[2].rstrip("/").split("/")
            if len(path) % 2 == 0 and method in ("GET", "PATCH", "DELETE"):
                return self._document(method, resource, asked, body)
            if len(path) % 2 and method in ("GET", "POST"):
                parent = "/".join([below[1], *path[:-1]])
                return self._collection(method, parent, path[-1], asked, body)
        raise unimplemented(
            f"The embedded Firestore has no REST call {method} /v1/{resource[:200]}."
        )

    def _call(self, resource: str, world: str, name: str, body: bytes) -> Any:
        if name == "executePipeline":
            self._service.execute_pipeline(None)
        if name not in self._calls:
            raise unimplemented(f'The embedded Firestore has no REST call "{name}".')
        call = self._calls[name]
        request = message_of(body, call.request)
        if "parent" in call.request.DESCRIPTOR.fields_by_name:
            request.parent = resource
        else:
            request.database = world
        answer = call.do(request)
        if not isinstance(answer, Iterator):
            return plain_of(answer)
        return [plain_of(call.many.FromString(a) if isinstance(a, bytes) else a) for a in answer]

    def _document(self, method: str, name: str, asked: Asked, body: bytes) -> Any:
        if method == "PATCH":
            request = _asked(asked, protocol.UpdateDocumentRequest)
            request.document.CopyFrom(message_of(body, protocol.Document))
            request.document.name = name
            return plain_of(self._service.update_document(request))
        if method == "DELETE":
            request = _asked(asked, protocol.DeleteDocumentRequest)
            request.name = name
            return plain_of(self._service.delete_document(request))
        request = _asked(asked, protocol.GetDocumentRequest)
        request.name = name
        return plain_of(self._service.get_document(request))

    def _collection(
        self, method: str, parent: str, collection_id: str, asked: Asked, body: bytes
    ) -> Any:
        if method == "POST":
            request = _asked(asked, protocol.CreateDocumentRequest)
            request.document.CopyFrom(message_of(body, protocol.Document))
            do: Callable[[Any], Any] = self._service.create_document
        else:
            request = _asked(asked, protocol.ListDocumentsRequest)
            do = self._service.list_documents
        request.parent = parent
        request.collection_id = collection_id
        return plain_of(do(request))


def _asked(asked: Asked, kind: Any) -> Any:
    """A message with what stands in a query, as ``mask.fieldPaths=a&mask.fieldPaths=b``.

    :raises Refusal: INVALID_ARGUMENT.
    """
    plain: dict[str, Any] = {}
    for name, text in asked:
        if name not in _OF_ALL_CALLS:
            _put(plain, name, name.split("."), text, kind.DESCRIPTOR)
    return read_into(plain, kind)


def _put(plain: dict[str, Any], name: str, path: list[str], text: str, kind: Any) -> None:
    field = next((f for f in kind.fields if path[0] in (f.json_name, f.name)), None)
    if field is None or (len(path) > 1 and field.message_type is None):
        raise invalid(f'Unknown name "{name[:200]}": Cannot bind query parameter.')
    if len(path) > 1:
        inner = plain.setdefault(field.json_name, {})
        _put(inner, name, path[1:], text, field.message_type)
    elif _is_repeated(field):
        plain.setdefault(field.json_name, []).append(text)
    else:
        is_truth = field.type == FieldDescriptor.TYPE_BOOL
        plain[field.json_name] = _TRUTH.get(text, text) if is_truth else text


def _is_repeated(field: Any) -> bool:
    # Newer versions of protobuf warn of the one, and older ones have not the other.
    if hasattr(field, "is_repeated"):
        return bool(field.is_repeated)
    return bool(field.label == FieldDescriptor.LABEL_REPEATED)
