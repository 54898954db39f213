"""The records of tasks, stored apart from them: which are parked, which are done.

One document for each such task, in a collection of the framework's own. It belongs to one
version of the task's document, the one that was seen: a task that is written anew is a new one.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

from flask_boiler.firestore.codec import Codec
from flask_boiler.firestore.query_compiler import compile_query
from flask_boiler.ground.callbacks import words_of
from flask_boiler.ground.naming import record_id
from flask_boiler.ground.ports import Datastore
from flask_boiler.ground.values import FieldFilter, QuerySpec, QueryTarget, Snapshot, Write
from flask_boiler.view.mediation.inbox import ParkedTask

__all__ = ["TASKS_COLLECTION", "TaskRecords", "parked_tasks_in"]

TASKS_COLLECTION = "_boiler_tasks"

_PARKED, _DONE = "parked", "done"
_LONGEST_KEY = 4_000


class TaskRecords:
    """The records of one mediator's tasks.

    :param mediator: its name.
    """

    def __init__(self, mediator: str, codec: Codec) -> None:
        self.mediator = mediator
        spec = QuerySpec(TASKS_COLLECTION, where=FieldFilter("mediator", "==", mediator))
        #: All of them, as a query.
        self.target: QueryTarget = compile_query(spec, codec)

    def path_of(self, task: str) -> str:
        """The path of the record of a task."""
        return f"{TASKS_COLLECTION}/{record_id(f'{self.mediator}:{task}')}"

    def parking(self, task: Snapshot, key: str, error: Exception, attempts: int) -> Write:
        """The write that sets a task aside as it was seen."""
        said = f"{type(error).__name__}: {words_of(error)}"
        return self._record(
            task,
            state=_PARKED,
            key=key[:_LONGEST_KEY],
            error=said,
            attempts=attempts,
            since=task.read_time,
        )

    def ending(self, task: Snapshot, expires_at: datetime.datetime) -> Write:
        """The write that says that a task is done as it was seen."""
        return self._record(task, state=_DONE, expires_at=expires_at)

    def forgetting(self, task: str) -> Write:
        """The write that removes the record, if there is one."""
        return Write("delete", self.path_of(task))

    def _record(self, task: Snapshot, **fields: Any) -> Write:
        about = {"mediator": self.mediator, "task": task.path, "seen_ns": task.update_time_ns}
        return Write("set", self.path_of(task.path), {**about, **fields})


def parked_tasks_in(datastore: Datastore, mediator: str | None = None) -> Iterator[ParkedTask]:
    """The tasks that are set aside of one mediator, or of all that ever were; read from Firestore.

    Not those that were changed or deleted since.
    """
    spec = QuerySpec(TASKS_COLLECTION, where=FieldFilter("state", "==", _PARKED))
    found = datastore.run_query(compile_query(spec, datastore.codec))
    records = [record for record in found if mediator in (None, record.fields["mediator"])]
    tasks = datastore.get([task_of(record) for record in records])
    for record in records:
        if is_parked(tasks[task_of(record)], record):
            yield as_parked_task(record)


def as_parked_task(record: Snapshot) -> ParkedTask:
    """The parked task that a record is about."""
    fields = record.fields
    return ParkedTask(
        mediator=fields["mediator"],
        path=fields["task"],
        key=fields["key"],
        error=fields["error"],
        attempts=fields["attempts"],
        since=fields["since"],
    )


def says_parked(record: Snapshot | None) -> bool:
    """Whether it is the record of a parked task, whatever has become of that since."""
    return _state(record) == _PARKED


def is_parked(task: Snapshot, record: Snapshot | None) -> bool:
    """Whether the record sets aside this version of the task."""
    return _state(record) == _PARKED and _is_of(task, record)


def is_done(task: Snapshot, record: Snapshot | None) -> bool:
    """Whether the record says that this version of the task is done."""
    return _state(record) == _DONE and _is_of(task, record)


def task_of(record: Snapshot) -> str:
    """The path of the task that a record is about."""
    return str(record.fields["task"])


def _state(record: Snapshot | None) -> str | None:
    return None if record is None or not record.exists else record.fields.get("state")


def _is_of(task: Snapshot, record: Snapshot | None) -> bool:
    if record is None or not task.exists:
        return False
    # A task that its own effect wrote to has the time of the commit, and so has the record.
    return task.update_time_ns in (record.fields["seen_ns"], record.update_time_ns)
