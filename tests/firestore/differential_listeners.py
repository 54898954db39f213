"""What listeners of google-cloud-firestore show, in a form that compares.

What is listened to is plain data, as `tests.firestore.differential` makes it: a `Reference` to a
document, or a query.
"""

from __future__ import annotations

import queue
import threading
import time
from typing import Any, NamedTuple

import grpc
from google.api_core import exceptions
from google.cloud import firestore
from google.cloud.firestore_v1.base_document import DocumentSnapshot
from google.cloud.firestore_v1.types import ListenRequest, TargetChange
from google.cloud.firestore_v1.watch import ChangeType, DocumentChange
from hypothesis import strategies as st
from proto.datetime_helpers import DatetimeWithNanoseconds

from tests.firestore.differential import (
    COLLECTIONS,
    DIRECTION,
    ORDERING,
    Reference,
    comparable,
    paths,
    queries,
    query_of,
)

#: Listeners are told within milliseconds; a busy machine takes its time.
PATIENCE_S = 30.0
_GLANCE_S = 1.0

#: Documents by path: what is in them, and when they were written.
Shown = dict[str, tuple[Any, int]]


@st.composite
def windows(draw: st.DrawFn) -> dict[str, Any]:
    """The first few documents in some order: one that is written may move another out or in."""
    return {
        "source": draw(st.sampled_from([*COLLECTIONS, "group a", "group a", "group b"])),
        "where": None,
        "orders": draw(st.lists(st.tuples(ORDERING, DIRECTION), max_size=1)),
        "limit": draw(st.integers(1, 3)),
        "offset": draw(st.sampled_from([0, 0, 0, 1])),
        "to_last": False,
        "select": None,
    }


# Google's client listens to the first documents when it is asked for the last.
listened: st.SearchStrategy[Any] = st.one_of(
    st.builds(Reference, paths),
    windows(),
    windows(),
    queries().map(lambda query: {**query, "to_last": False}),
)


class _Called(NamedTuple):
    """What a callback was called with."""

    documents: list[DocumentSnapshot[Any]]
    changes: list[DocumentChange]
    read_time: Any


class Listener:
    """A listener of google-cloud-firestore, and what its callback was called with.

    :param is_exact: what it shows was stored, all of it, at the time that is shown with it.
    :raises exceptions.GoogleAPICallError: it asks for what cannot be read.
    """

    def __init__(self, client: firestore.Client, plain: Any, *, is_exact: bool) -> None:
        self._asked = _asked(client, plain)
        self._is_exact = is_exact
        self._condition = threading.Condition()
        self._calls: list[_Called] = []
        #: How many of them were looked through.
        self._seen = 0
        #: What it has shown last, of what was looked through.
        self.shown: Shown = {}
        self.stored()
        self._watch = self._asked.on_snapshot(self._note)

    def close(self) -> None:
        """Listen no more."""
        self._watch.unsubscribe()

    def stored(self, at: Any = None) -> Shown:
        """What a read gives instead, now or as of a time."""
        found = self._asked.get(read_time=at)
        return _shown([found] if isinstance(found, DocumentSnapshot) else found)

    def settled(self) -> dict[str, Any]:
        """What it shows, by path, once that is what is stored; so it must come to be.

        All that it has shown until then is looked through.
        """
        stored = self.stored()
        self._await(stored)
        for call in self._calls[self._seen :]:
            self._look_through(call)
            self._seen += 1
        return {path: content for path, (content, _) in stored.items()}

    def _await(self, stored: Shown) -> None:
        deadline = time.monotonic() + PATIENCE_S
        with self._condition:
            # Nobody is told when a listener of Google's ends.
            while not self._condition.wait_for(lambda: self._shows(stored), _GLANCE_S):
                shown = _shown(self._calls[-1].documents) if self._calls else "nothing"
                assert self._watch.is_active, f"a listener has ended that showed {shown}"
                if time.monotonic() > deadline:
                    raise AssertionError(f"it shows {shown}, and stored is {stored}")

    def _shows(self, stored: Shown) -> bool:
        return bool(self._calls) and _shown(self._calls[-1].documents) == stored

    def _look_through(self, call: _Called) -> None:
        shown = _shown(call.documents)
        _replay(self.shown, call.changes)
        assert self.shown == shown, "the changes lead elsewhere"
        if self._is_exact:
            assert self.stored(at=call.read_time) == shown, "it was never so"

    def _note(
        self,
        documents: list[DocumentSnapshot[Any]],
        changes: list[DocumentChange],
        read_time: Any,
    ) -> None:
        with self._condition:
            self._calls.append(_Called(documents, changes, read_time))
            self._condition.notify_all()


def refusal(client: firestore.Client, plain: Any) -> str:
    """The error that a listener's target is removed with, or that the stream ends with.

    Google's listeners only log it.
    """
    asked = _asked(client, plain)
    parent, _ = asked._parent._parent_info()
    target = {"query": {"parent": parent, "structured_query": asked._to_protobuf()}}
    return refusal_of_request(
        client, ListenRequest(database=client._database_string, add_target=target)
    )


def refusal_of_request(client: firestore.Client, request: ListenRequest) -> str:
    """The same, for a request that google-cloud-firestore would not make."""
    requests: queue.SimpleQueue[ListenRequest | None] = queue.SimpleQueue()
    requests.put(request)
    responses = client._firestore_api._transport.listen(
        iter(requests.get, None), metadata=client._rpc_metadata, timeout=PATIENCE_S
    )
    try:
        for response in responses:
            change = response.target_change
            match change.target_change_type:
                case TargetChange.TargetChangeType.REMOVE:
                    cause = exceptions.from_grpc_status(change.cause.code, change.cause.message)
                    return f"removed: {type(cause).__name__}"
                case TargetChange.TargetChangeType.CURRENT:
                    return "accepted"
    except grpc.RpcError as error:
        return f"ended: {type(exceptions.from_grpc_error(error)).__name__}"
    finally:
        responses.cancel()
        requests.put(None)
    return "ended"


def _asked(client: firestore.Client, plain: Any) -> Any:
    """What has `on_snapshot`."""
    if isinstance(plain, Reference):
        return client.document(plain.path)
    query = query_of(client, plain)
    if not _is_sorted_by_the_client(plain):
        query._comparator = _by_path
    return query


def _is_sorted_by_the_client(plain: dict[str, Any]) -> bool:
    """Whether Google's client can: it looks for fields by their names, at the top, as selected."""
    select = plain["select"]
    return all(
        "." not in field and field != "__name__" and (select is None or field in select)
        for field, _ in plain["orders"]
    )


def _by_path(one: DocumentSnapshot[Any], other: DocumentSnapshot[Any]) -> int:
    left, right = str(one.reference.path), str(other.reference.path)
    return (left > right) - (left < right)


def _shown(documents: list[DocumentSnapshot[Any]]) -> Shown:
    return {
        document.reference.path: (comparable(document.to_dict()), _nanoseconds(document))
        for document in documents
        if document.exists
    }


def _nanoseconds(document: DocumentSnapshot[Any]) -> int:
    """When it was written: what is read and what is listened to say so in different types."""
    written: Any = document.update_time
    stamp = written.timestamp_pb() if isinstance(written, DatetimeWithNanoseconds) else written
    return int(stamp.ToNanoseconds())


def _replay(shown: Shown, changes: list[DocumentChange]) -> None:
    """Do changes to what was shown before; each must be one to it."""
    for change in changes:
        path = change.document.reference.path
        assert (path in shown) != (change.type is ChangeType.ADDED)
        if change.type is ChangeType.REMOVED:
            del shown[path]
        else:
            shown |= _shown([change.document])
