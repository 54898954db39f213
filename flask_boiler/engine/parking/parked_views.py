"""The records of parked views: documents that other processes read.

One document for each, in a collection of the framework's own, and one for each mediator of which
more are parked than have a document. They tell what the workers know; nothing depends on them.
An error may quote what is stored elsewhere: the collection is for the backend alone.

A retry is asked for by a field of the document: ``asked`` by who wants it, ``heard`` by the worker
that tries, ``done`` by the worker that has failed again. Where it succeeds the document goes.
"""

from __future__ import annotations

import datetime
import enum
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from flask_boiler.engine.view_key import Parked, ViewKey
from flask_boiler.firestore.query_compiler import compile_query
from flask_boiler.ground.callbacks import words_of
from flask_boiler.ground.naming import record_id
from flask_boiler.ground.ports import Datastore, DocumentCodec
from flask_boiler.ground.values import (
    FieldFilter,
    Precondition,
    QuerySpec,
    QueryTarget,
    Snapshot,
    Write,
)

__all__ = [
    "VIEWS_COLLECTION",
    "ParkedCount",
    "ParkedView",
    "RetryRequest",
    "RetryState",
    "asked_retries",
    "asking",
    "parked_in",
    "records_of",
    "summary_path",
    "view_path",
]

VIEWS_COLLECTION = "_boiler_views"


class RetryState(enum.StrEnum):
    """The state of a request for a retry."""

    ASKED = "asked"
    HEARD = "heard"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class RetryRequest:
    """A request to compute parked views again.

    :param id: made by who asks, and kept in the answer.
    """

    id: str
    state: RetryState

    def as_fields(self) -> dict[str, str]:
        """The fields as they are stored."""
        return {"id": self.id, "state": self.state.value}


@dataclass(frozen=True, slots=True)
class ParkedView:
    """A view that a worker has set aside, as it is stored.

    :param kind: the class of the error.
    :param error: what it said, shortened.
    :param since: when it failed first, by the clock of its worker.
    :param process: ``HOST:PID`` of the worker that wrote this last.
    :param request: that it be tried again, or the answer to that.
    """

    key: ViewKey
    kind: str
    error: str
    since: datetime.datetime
    process: str
    request: RetryRequest | None = None

    @classmethod
    def of(cls, parked: Parked, process: str) -> ParkedView:
        """The record of a parked view; asks the error for its words, which runs its code."""
        kind = type(parked.error).__name__
        return cls(parked.key, kind, words_of(parked.error), parked.since, process)

    def as_fields(self) -> dict[str, Any]:
        """The fields as they are stored."""
        fields = {
            "mediator": self.key.mediator,
            "root": self.key.subject,
            "kind": self.kind,
            "error": self.error,
            "since": self.since,
            "process": self.process,
        }
        return fields if self.request is None else {**fields, "retry": self.request.as_fields()}


@dataclass(frozen=True, slots=True)
class ParkedCount:
    """The number of views that a worker has parked of a mediator, where they are too many.

    :param request: that those be tried again which are not, or the answer to that.
    """

    mediator: str
    total: int
    process: str
    request: RetryRequest | None = None

    def as_fields(self) -> dict[str, Any]:
        """The fields as they are stored."""
        fields = {"mediator": self.mediator, "total": self.total, "process": self.process}
        return fields if self.request is None else {**fields, "retry": self.request.as_fields()}


def view_path(key: ViewKey) -> str:
    """The path of a view's record."""
    return f"{VIEWS_COLLECTION}/{record_id(f'{_escaped(key.mediator)}:{key.subject}')}"


def summary_path(mediator: str) -> str:
    """The path of the number of a mediator's parked views."""
    return f"{VIEWS_COLLECTION}/{record_id(_escaped(mediator))}"


def asked_retries(codec: DocumentCodec) -> QueryTarget:
    """The query of the records whose retry nobody has heard of yet."""
    asked = FieldFilter("retry.state", "==", RetryState.ASKED.value)
    return compile_query(QuerySpec(VIEWS_COLLECTION, where=asked), codec)


def asking(path: str, request_id: str) -> Write:
    """The write that asks for a retry of a recorded view; refused if the record is gone."""
    request = RetryRequest(request_id, RetryState.ASKED)
    exists = Precondition(exists=True)
    return Write("update", path, {"retry": request.as_fields()}, ("retry",), exists)


def parked_in(
    datastore: Datastore, mediator: str | None = None
) -> tuple[list[ParkedView], list[ParkedCount]]:
    """The records of parked views, of one mediator or of all; read from Firestore."""
    where = None if mediator is None else FieldFilter("mediator", "==", mediator)
    target = compile_query(QuerySpec(VIEWS_COLLECTION, where=where), datastore.codec)
    return records_of(datastore.run_query(target))


def records_of(snapshots: Iterable[Snapshot]) -> tuple[list[ParkedView], list[ParkedCount]]:
    """The records that documents of the collection are; those that are not there are none."""
    views: list[ParkedView] = []
    counts: list[ParkedCount] = []
    for found in snapshots:
        if not found.exists:
            continue
        if "root" in found.fields:
            views.append(_view_of(found.fields))
        else:
            counts.append(_count_of(found.fields))
    return views, counts


def _view_of(fields: Any) -> ParkedView:
    return ParkedView(
        ViewKey(fields["mediator"], fields["root"]),
        fields["kind"],
        fields["error"],
        fields["since"],
        fields["process"],
        _request_of(fields),
    )


def _count_of(fields: Any) -> ParkedCount:
    return ParkedCount(fields["mediator"], fields["total"], fields["process"], _request_of(fields))


def _request_of(fields: Any) -> RetryRequest | None:
    stored = fields.get("retry")
    return None if stored is None else RetryRequest(stored["id"], RetryState(stored["state"]))


def _escaped(mediator: str) -> str:
    """The name without a colon, so that no two keys have one record."""
    return mediator.replace("%", "%25").replace(":", "%3A")
