"""Tasks that are delivered by Firestore's triggers, as CloudEvents.

An event only says that there is something to do. What is done follows from the task as it is
now, so events may come twice, late, and in any order, and echoes of what a task wrote do nothing.

The answer tells the deliverer whether to come again:

======  ========================================================================================
2xx     the commit is made, or there is nothing to do
4xx     it can never succeed: the task is parked, or it is no event for this application
413     the event is larger than Eventarc delivers any
503     it should come again: Firestore cannot be reached, or an earlier task of the key is parked
======  ========================================================================================

Whoever finds the route may post to it, so what is stored is in no answer: why a task is parked, and
what Firestore said, is in the log.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from flask import Response
from werkzeug.exceptions import (
    BadRequest,
    HTTPException,
    RequestEntityTooLarge,
    ServiceUnavailable,
    UnprocessableEntity,
)

from flask_boiler.context.context import ApplicationContext
from flask_boiler.errors import UnavailableError, ValidationError
from flask_boiler.firestore.trigger_events import document_event
from flask_boiler.view.mediation.inbox import Inbox, Result, TaskState
from flask_boiler.view.mediation.problems import problem_of

__all__ = ["MAX_EVENT_BYTES", "answer_of", "deliver"]

logger = logging.getLogger(__name__)

#: How large an event may be. Eventarc drops those over 512 KiB; base64 takes a third more.
MAX_EVENT_BYTES = 700 * 1024

_COME_AGAIN_S = 10
_AWAY = "Firestore does not answer at the moment: the event should be delivered again."


def deliver(
    attributes: Mapping[str, Any],
    data: Any,
    inboxes: Sequence[Inbox],
    context: ApplicationContext,
) -> None:
    """Have an event's task applied by whoever's inbox it lies in.

    :raises HTTPException: an answer other than 2xx is due.
    """
    if isinstance(data, str | bytes) and len(data) > MAX_EVENT_BYTES:
        raise RequestEntityTooLarge(f"An event has at most {MAX_EVENT_BYTES} bytes.")
    try:
        event = document_event(attributes, data)
    except ValidationError as error:
        raise BadRequest(str(error)) from error
    if event.database != context.datastore.database:
        logger.error(
            "an event of the database %.200s was sent to an application of %s: correct the trigger",
            *(event.database, context.datastore.database),
        )
        raise BadRequest(
            f"an event of {event.database:.200} was sent to an application of another database: "
            "correct the trigger"
        )
    if event.gone:
        return
    problems = [
        problem
        for inbox in inboxes
        if inbox.may_hold(event.path) and (problem := _applied(inbox, event.path)) is not None
    ]
    if problems:
        # Coming again costs those nothing that are done; not coming again would lose the others.
        raise max(problems, key=lambda problem: problem.code or 0)


def _applied(inbox: Inbox, path: str) -> HTTPException | None:
    try:
        return _problem(inbox, path, inbox.apply(path))
    except UnavailableError as error:
        logger.warning("the task %s could not be applied now: %s", path, error)
        return ServiceUnavailable(_AWAY, retry_after=_COME_AGAIN_S)


def answer_of(problem: HTTPException) -> Response:
    """The problem document that tells a deliverer of an error."""
    answer = problem_of(problem, {})
    if isinstance(problem, ServiceUnavailable) and problem.retry_after is not None:
        answer.headers["Retry-After"] = str(problem.retry_after)
    return answer


def _problem(inbox: Inbox, path: str, result: Result) -> HTTPException | None:
    match result.state:
        case TaskState.DONE | TaskState.GONE:
            return None
        case TaskState.PARKED:
            return UnprocessableEntity(
                f"{path} is parked by {inbox.name}; the log, and `flask boiler tasks list`, "
                "say why."
            )
        case TaskState.HELD:
            return ServiceUnavailable(
                f"{path} waits for an earlier task of its key, which is parked by {inbox.name}",
                retry_after=_COME_AGAIN_S,
            )
