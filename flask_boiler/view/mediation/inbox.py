"""The inbox of a mediator: the documents that are commands to it, and what became of each."""

from __future__ import annotations

import datetime
import enum
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from flask_boiler.engine.view_key import Parked, ViewKey
from flask_boiler.errors import BoilerError

__all__ = [
    "CommandKind",
    "Inbox",
    "ParkedTask",
    "ParkedTaskError",
    "Result",
    "TaskState",
    "inbox_of",
]


class CommandKind(enum.StrEnum):
    """The kind of a document that is to have an effect once."""

    TASK = "task"
    FORM = "form"
    PATCH = "patch"
    #: What a handler of a ``Protocol`` is called with.
    HANDLER = "handler"


class TaskState(enum.Enum):
    """The state of a task that somebody wanted applied."""

    #: It is done by the commit that was made here.
    DONE = "done"
    #: There is nothing to do: it is done or withdrawn already.
    GONE = "gone"
    #: It is set aside.
    PARKED = "parked"
    #: It waits for an earlier one of its key.
    HELD = "held"


@dataclass(frozen=True, slots=True)
class Result:
    """The result of wanting a task applied.

    :param error: why it is parked.
    :param known_at_ns: a cut of this time or later shows it.
    :param replaced: at its path lies another one, created later or of another key.
    """

    state: TaskState
    error: Exception | None = None
    known_at_ns: int = 0
    replaced: bool = False


class ParkedTaskError(BoilerError):
    """The failure of a parked task, as it is stored: it may have been in another process."""


@dataclass(frozen=True, slots=True)
class ParkedTask:
    """A task that failed and was set aside.

    :param path: the task's document.
    :param key: whose later tasks wait for it.
    :param error: what was raised.
    :param attempts: how often it was tried.
    :param since: when it was set aside, by Firestore's clock.
    """

    mediator: str
    path: str
    key: str
    error: str
    attempts: int
    since: datetime.datetime

    def as_parked(self) -> Parked:
        """The parked task as ``boiler.parked`` lists it."""
        return Parked(ViewKey(self.mediator, self.path), ParkedTaskError(self.error), self.since)


class Inbox(Protocol):
    """The inbox of a mediator that applies documents as tasks."""

    @property
    def name(self) -> str:
        """The name that records of its tasks are kept by."""
        ...

    @property
    def done(self) -> int:
        """The number of tasks that this process has done, since the mediator was made."""
        ...

    @property
    def parked_tasks(self) -> list[ParkedTask]:
        """The tasks that are set aside, wherever that was done; read from Firestore."""
        ...

    @property
    def parked(self) -> list[Parked]:
        """The parked tasks as ``boiler.parked`` lists them."""
        ...

    @property
    def parked_as_heard(self) -> list[Parked] | None:
        """The parked tasks that this process has heard of, unread; ``None`` if it has not."""
        ...

    def may_hold(self, path: str) -> bool:
        """Whether a document at this path can be one of the tasks."""
        ...

    def apply(self, path: str) -> Result:
        """Apply the task at a path, and before it the earlier ones of its key.

        :raises UnavailableError: Firestore could not be reached.
        """
        ...

    def retry(self, path: str) -> bool:
        """Have a parked task tried again; whether it was parked.

        :raises UnavailableError: Firestore could not be reached.
        """
        ...

    def drop(self, path: str) -> bool:
        """Mark a parked task as processed, without its effect; whether it was parked.

        :raises UnavailableError: Firestore could not be reached.
        """
        ...


def inbox_of(inboxes: Iterable[Inbox], mediator: str, path: str) -> Inbox | None:
    """The inbox of a mediator of this name in which a document lies.

    Two mediators that never run, as triggers deliver to them, may have one name. Where the
    document cannot be in any inbox of the name, as after a change of a query, it is one of these.
    """
    named = [inbox for inbox in inboxes if inbox.name == mediator]
    return next((inbox for inbox in named if inbox.may_hold(path)), named[0] if named else None)
