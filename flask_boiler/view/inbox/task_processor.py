"""The processor of tasks: effect and mark in one commit, or the record that one is parked."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from flask_boiler.context.context import ApplicationContext
from flask_boiler.engine.acceptance import takes_commits
from flask_boiler.errors import (
    BoilerError,
    ConflictError,
    UnavailableError,
    ValidationError,
)
from flask_boiler.firestore.failures import is_refusal
from flask_boiler.ground.callbacks import as_exception, is_failure
from flask_boiler.ground.readers import reading_through
from flask_boiler.ground.values import Snapshot
from flask_boiler.transactions.running import execute_transaction
from flask_boiler.transactions.transaction import Transaction
from flask_boiler.transactions.turns import Turns
from flask_boiler.view.inbox.attempt import Attempts, Handling, written_anew
from flask_boiler.view.inbox.backlog import Backlogs, Waiting, in_order
from flask_boiler.view.inbox.effects import Refuse
from flask_boiler.view.inbox.records import is_parked, says_parked
from flask_boiler.view.inbox.setbacks import Suspects
from flask_boiler.view.mediation.inbox import Result, TaskState

__all__ = ["Memory", "TaskProcessor"]

logger = logging.getLogger(__name__)

# How long a task waits for another thread that works its key off.
_TURN_TIMEOUT_S = 60.0

_turns = Turns()


@dataclass(frozen=True, slots=True)
class Memory:
    """The memory of a process: what it knows of the tasks of one mediator in one database."""

    backlogs: Backlogs = field(default_factory=Backlogs)
    suspects: Suspects = field(default_factory=Suspects)


class TaskProcessor:
    """Applies the tasks of one mediator.

    :param max_retries: how often a task is tried again after it lost to somebody else.
    :param locking: have the server lock what is read.
    :param memory: what an earlier one of this process has come to know of the same tasks.
    """

    def __init__(
        self,
        context: ApplicationContext,
        handling: Handling,
        *,
        max_retries: int,
        locking: bool,
        memory: Memory | None = None,
    ) -> None:
        self._context = context
        self._handling = handling
        self._queue = handling.queue
        self._records = handling.records
        self._mark = handling.mark
        self.statistics = handling.statistics
        self._max_attempts = max_retries + 1
        self._locking = locking
        memory = memory or Memory()
        self._backlogs = memory.backlogs
        self._suspects = memory.suspects

    def apply_in_order(
        self,
        path: str,
        *,
        seen: Snapshot | None = None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> Result:
        """Apply the task at a path, and before it the earlier ones of its key.

        :param seen: the task as it was seen, if that is known, and known not to be parked.
        :param stopped: whether to leave it, and those that are not applied yet, to others.
        :raises UnavailableError: Firestore could not be reached; nothing is parked for that. A
            task is that fails so again and again, although Firestore takes commits.
        """
        if seen is not None and self._queue.key.alone(seen):
            return self.apply(path, consult=False)
        task = seen
        if task is None or not self._backlogs.hold(self._handling.waiting(task)):
            # Where it is seen, and what delivers it, lag behind what was done on the way to others.
            task = self._find(path)
        while task is not None:
            result = self._apply_in_turn(task, stopped)
            if not result.replaced:
                return result
            task = self._find(path)
        return Result(TaskState.GONE)

    def _apply_in_turn(self, task: Snapshot, stopped: Callable[[], bool]) -> Result:
        if self._queue.key.alone(task):
            return self.apply(task.path)
        waiting = self._handling.waiting(task)
        turn = (self._context.datastore.database, self._records.mediator, waiting.key)
        with _turns.taken([turn], timeout_s=_TURN_TIMEOUT_S) as waited:
            if not self._backlogs.hold(waiting):
                if waited and not self._is_there(waiting):
                    return Result(TaskState.GONE, replaced=True)
                if not self._unmarked([task]):
                    return Result(TaskState.GONE)
                # Those that are known come first in any case, and need not be read again then.
                if not self._work_off(waiting, stopped):
                    return Result(TaskState.HELD)
                self._backlogs.replace(waiting.key, map(self._handling.waiting, self._of_key(task)))
            if not self._work_off(waiting, stopped):
                return Result(TaskState.HELD)
            return self._apply_waiting(waiting)

    def _find(self, path: str) -> Snapshot | None:
        return self._queue.find(path, self._context.datastore.run_query)

    def _is_there(self, waiting: Waiting) -> bool:
        task = self._find(waiting.path)
        return task is not None and self._handling.waiting(task) == waiting

    def _work_off(self, last: Waiting, stopped: Callable[[], bool]) -> bool:
        """Apply the tasks that are known to come before one; whether none is left."""
        while (first := self._backlogs.first_before(last)) is not None:
            if stopped() or self._apply_waiting(first).state is TaskState.PARKED:
                return False
        return True

    def _apply_waiting(self, task: Waiting) -> Result:
        result = self.apply(task.path, taken_for=task)
        if result.state is not TaskState.PARKED:
            self._backlogs.discard(task)
        return result

    def resume(self, task: Snapshot) -> None:
        """Apply the tasks of a task's key, which are held back no longer.

        :raises UnavailableError: Firestore could not be reached.
        """
        for other in map(self._handling.waiting, self._of_key(task)):
            if self._apply_waiting(other).state is TaskState.PARKED:
                return

    def retry(self, path: str) -> bool:
        """Apply a parked task, and then those that waited for it; whether it was parked.

        It is parked until it is done, so that nobody forgets it if this ends halfway.

        :raises UnavailableError: Firestore could not be reached.
        """
        task = self._parked(path, self._context.datastore.get)
        if task is None:
            return False
        parked = self._handling.waiting(task)
        waiting = list(map(self._handling.waiting, self._of_key(task)))
        for each in waiting if parked in waiting else [parked, *waiting]:
            again = each == parked
            result = self.apply(path, again=True) if again else self._apply_waiting(each)
            if result.state is TaskState.PARKED:
                break
        return True

    def release(self, path: str) -> bool:
        """Leave a parked task to those who listen; whether it was parked.

        :raises UnavailableError: Firestore could not be reached.
        """

        def forget(transaction: Transaction) -> bool:
            if self._parked(path, transaction.reader.documents) is None:
                return False
            transaction.write(self._records.forgetting(path))
            return True

        return execute_transaction(forget, context=self._context, max_attempts=self._max_attempts)

    def forget(self, path: str) -> None:
        """Forget that a task was parked whose document is gone.

        :raises UnavailableError: Firestore could not be reached.
        """

        def forget(transaction: Transaction) -> None:
            record_path = self._records.path_of(path)
            found = transaction.reader.documents([path, record_path])
            if not found[path].exists and says_parked(found[record_path]):
                transaction.write(self._records.forgetting(path))

        execute_transaction(forget, context=self._context, max_attempts=self._max_attempts)

    def _parked(
        self, path: str, read: Callable[[list[str]], Mapping[str, Snapshot]]
    ) -> Snapshot | None:
        """The task at a path, if it is parked."""
        record_path = self._records.path_of(path)
        found = read([path, record_path])
        return found[path] if is_parked(found[path], found[record_path]) else None

    def drop(self, path: str) -> Snapshot | None:
        """Mark a parked task as processed, without its effect; ``None`` if it is not parked."""

        def mark(transaction: Transaction) -> Snapshot | None:
            task = self._queue.find(path, transaction.reader.query)
            record_path = self._records.path_of(path)
            record = transaction.reader.documents([record_path])[record_path]
            if task is None or not is_parked(task, record):
                return None
            self._mark.write(task, transaction, self._records)
            return task

        return execute_transaction(mark, context=self._context, max_attempts=self._max_attempts)

    def _of_key(self, task: Snapshot) -> list[Snapshot]:
        """The tasks of a task's key that are not marked, in order; none if it is alone."""
        key, targets = self._queue.key, self._queue.of_key(task)
        if key.alone(task):
            return []
        datastore = self._context.datastore
        # All of one time, lest a task be missed that comes before one that is found.
        token = datastore.begin(read_only=True) if len(targets) > 1 else None
        found: dict[str, Snapshot] = {}
        for target in targets:
            for other in datastore.run_query(target, transaction=token):
                if key.name(other) == key.name(task):
                    found[other.path] = other
        return sorted(self._unmarked(found.values()), key=in_order)

    def _unmarked(self, tasks: Collection[Snapshot]) -> list[Snapshot]:
        """The tasks, of those given, that are not processed yet."""
        records: Mapping[str, Snapshot] = {}
        if self._mark.in_record:
            records = self._context.datastore.get(self._records.path_of(t.path) for t in tasks)
        return [
            task
            for task in tasks
            if not self._mark.is_marked(task, records.get(self._records.path_of(task.path)))
        ]

    def apply(
        self,
        path: str,
        *,
        consult: bool = True,
        again: bool = False,
        taken_for: Waiting | None = None,
    ) -> Result:
        """Apply the task at a path as it is now, whatever comes before it.

        :param consult: look whether it is parked.
        :param again: try it even if it is.
        :param taken_for: apply no other that has taken its place.
        :raises UnavailableError: as ``apply_in_order`` does.
        """
        consult = consult or again or self._mark.in_record
        attempt = Attempts(self._handling, path, consult=consult, again=again, taken_for=taken_for)
        # Whatever cut is in force here, a task is about the database itself.
        with reading_through(None):
            try:
                result = execute_transaction(
                    attempt.make,
                    context=self._context,
                    max_attempts=self._max_attempts,
                    locking=self._locking,
                )
            except UnavailableError as error:
                if not self._suspects.is_the_cause(path, self._takes_commits):
                    raise
                result = self._give_up(attempt, error)
            except BaseException as error:
                if not is_failure(error) or self._is_refused_to_all(error):
                    raise
                result = self._give_up(attempt, as_exception(error, path))
            self._suspects.acquit(path)
        return self._concluded(result, attempt)

    def _is_refused_to_all(self, error: BaseException) -> bool:
        return is_refusal(error) and not self._takes_commits()

    def _takes_commits(self) -> bool:
        return takes_commits(self._context.datastore)

    def _give_up(self, attempt: Attempts, error: Exception) -> Result:
        """Refuse a task whose commit was refused, or set it aside, unless it has changed since."""
        try:
            return self._given_up(attempt, error, self._handling.refuse)
        except ValidationError:
            # There is no room for a refusal.
            return self._given_up(attempt, error, None)
        except ConflictError as conflict:
            raise written_anew(attempt.path) from conflict

    def _given_up(self, attempt: Attempts, error: Exception, refuse: Refuse | None) -> Result:
        return execute_transaction(
            lambda transaction: attempt.give_up_seen(transaction, error, refuse=refuse),
            context=self._context,
            max_attempts=self._max_attempts,
        )

    def _concluded(self, result: Result, attempt: Attempts) -> Result:
        if result.state is TaskState.DONE:
            self.statistics.count(done=1)
        if result.state is TaskState.PARKED and attempt.parked_now:
            self.statistics.count(parked=1)
            logger.error(
                "task %s of %s is parked after %d attempt(s): %s",
                attempt.path,
                self._records.mediator,
                attempt.count,
                result.error,
                # What the package's own errors say is enough, and they are raised on purpose.
                exc_info=None if isinstance(result.error, BoilerError) else result.error,
            )
            return Result(TaskState.PARKED, result.error, attempt.committed_ns)
        return result
