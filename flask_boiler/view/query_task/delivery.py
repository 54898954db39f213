"""Tasks that are delivered by Firestore's triggers, as CloudEvents.

An event only says that there is something to do. What is done follows from the task as it is
now, so events may come twice, late, and in any order, and echoes of what a task wrote do nothing.

The answer tells the deliverer whether to come again:

======  ========================================================================================
2xx     the commit is made, or there is nothing to do
4xx     it can never succeed: the task is parked, or it is no event for this application
503     it should come again: Firestore cannot be reached, or an earlier task of the key is parked
======  ========================================================================================
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import BadRequest, HTTPException, ServiceUnavailable, UnprocessableEntity

from flask_boiler.context import ApplicationContext
from flask_boiler.errors import UnavailableError, ValidationError
from flask_boiler.firestore.events import document_event
from flask_boiler.view.query_task.attempts import Result, TaskState

if TYPE_CHECKING:
    from flask_boiler.view.query_task.mediator import QueryTaskMediator

__all__ = ["deliver"]

_COME_AGAIN_S = 10


def deliver(
    attributes: Mapping[str, Any],
    data: Any,
    mediators: Sequence[QueryTaskMediator],
    context: ApplicationContext,
) -> None:
    """Have an event's task applied by whichever of the mediators it is one for.

    :raises HTTPException: an answer other than 2xx is due.
    """
    try:
        event = document_event(attributes, data)
    except ValidationError as error:
        raise BadRequest(str(error)) from error
    if event.database != context.datastore.database:
        raise BadRequest(
            f"an event of {event.database} was sent to an application of "
            f"{context.datastore.database}: correct the trigger"
        )
    if event.gone:
        return
    problems = [
        problem
        for mediator in mediators
        if mediator.may_hold(event.path) and (problem := _applied(mediator, event.path)) is not None
    ]
    if problems:
        # Coming again costs those nothing that are done; not coming again would lose the others.
        raise max(problems, key=lambda problem: problem.code or 0)


def _applied(mediator: QueryTaskMediator, path: str) -> HTTPException | None:
    try:
        return _problem(mediator, path, mediator.apply(path))
    except UnavailableError as error:
        return ServiceUnavailable(str(error), retry_after=_COME_AGAIN_S)


def _problem(mediator: QueryTaskMediator, path: str, result: Result) -> HTTPException | None:
    match result.state:
        case TaskState.DONE | TaskState.GONE:
            return None
        case TaskState.PARKED:
            why = f": {result.error}" if result.error is not None else ""
            return UnprocessableEntity(f"{path} is parked by {mediator.name}{why}")
        case TaskState.HELD:
            return ServiceUnavailable(
                f"{path} waits for an earlier task of its key, which is parked by {mediator.name}",
                retry_after=_COME_AGAIN_S,
            )
