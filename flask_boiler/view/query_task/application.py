"""Applying one task: its effect and its mark in one commit, or its parking."""

from __future__ import annotations

import enum
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from flask_boiler.context import ApplicationContext
from flask_boiler.engine.probing import takes_commits
from flask_boiler.errors import BoilerError, ConflictError, UnavailableError
from flask_boiler.reading import reading_through
from flask_boiler.transaction import Transaction, execute_transaction
from flask_boiler.values import Snapshot
from flask_boiler.view.query_task.effects import Effect
from flask_boiler.view.query_task.marks import Mark
from flask_boiler.view.query_task.queue import TaskQueue, in_order
from flask_boiler.view.query_task.records import TaskRecords, is_parked, says_parked

__all__ = ["PATIENCE", "Application", "Result", "Statistics", "TaskState"]

logger = logging.getLogger(__name__)

#: After so many failures in a row a task is suspected to be the cause of them.
PATIENCE = 6
# Suspicions that are kept, lest those pile up that others have done away with.
_MOST_SUSPECTS = 1_000


class TaskState(enum.Enum):
    """What became of a task."""

    #: It is done by the commit that was made here.
    DONE = "done"
    #: There is nothing to do: it is done or withdrawn already.
    GONE = "gone"
    #: It is set aside.
    PARKED = "parked"
    #: It waits for an earlier one of its key, which is set aside.
    HELD = "held"


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a task.

    :param error: why it is parked.
    :param known_at_ns: a cut of this time or later shows it.
    """

    state: TaskState
    error: Exception | None = None
    known_at_ns: int = 0


@dataclass(slots=True)
class Statistics:
    """What was done for tasks in this process.

    :param attempts: transactions that were begun.
    :param done: tasks that were done by a commit of this process.
    :param parked: tasks that it set aside.
    """

    attempts: int = 0
    done: int = 0
    parked: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def count(self, *, attempts: int = 0, done: int = 0, parked: int = 0) -> None:
        """Add to the figures."""
        with self.lock:
            self.attempts += attempts
            self.done += done
            self.parked += parked


class Application:
    """Applies the tasks of one mediator.

    :param max_retries: how often a task is tried again after it lost to somebody else.
    :param locking: have the server lock what is read.
    """

    def __init__(
        self,
        context: ApplicationContext,
        queue: TaskQueue,
        records: TaskRecords,
        *,
        effect: Effect,
        mark: Mark,
        max_retries: int,
        locking: bool,
        statistics: Statistics,
    ) -> None:
        self._context = context
        self._queue = queue
        self._records = records
        self._effect = effect
        self._mark = mark
        self._max_attempts = max_retries + 1
        self._locking = locking
        self.statistics = statistics
        self._suspects = _Suspects()

    def apply_in_order(self, path: str, *, seen: Snapshot | None = None) -> Result:
        """Apply the task at a path, and before it the earlier ones of its key.

        :param seen: the task as it was seen, if that is known, and known not to be parked.
        :raises UnavailableError: Firestore could not be reached; nothing is parked for that. A
            task is that fails so again and again, although Firestore takes commits.
        """
        if seen is not None and self._queue.key.alone(seen):
            return self.apply(path, consult=False)
        task = seen or self._queue.find(path, self._context.datastore.run_query)
        if task is None:
            return Result(TaskState.GONE)
        for other in self._of_key(task):
            if in_order(other) >= in_order(task):
                break
            if self.apply(other.path).state is TaskState.PARKED:
                return Result(TaskState.HELD)
        return self.apply(path, consult=seen is None)

    def resume(self, task: Snapshot) -> None:
        """Apply the tasks of a task's key, which are held back no longer.

        :raises UnavailableError: Firestore could not be reached.
        """
        for other in self._of_key(task):
            if self.apply(other.path).state is TaskState.PARKED:
                return

    def retry(self, path: str) -> bool:
        """Apply a parked task, and then those that waited for it; whether it was parked.

        It is parked until it is done, so that nobody forgets it if this ends halfway.

        :raises UnavailableError: Firestore could not be reached.
        """
        task = self._parked(path, self._context.datastore.get)
        if task is None:
            return False
        waiting = [other.path for other in self._of_key(task)]
        for each in waiting if path in waiting else [path, *waiting]:
            if self.apply(each, again=each == path).state is TaskState.PARKED:
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
        if self._queue.key.alone(task):
            return []
        return self._queue.of_key(task, self._context.datastore.run_query)

    def apply(self, path: str, *, consult: bool = True, again: bool = False) -> Result:
        """Apply the task at a path as it is now, whatever comes before it.

        :param consult: look whether it is parked.
        :param again: try it even if it is.
        :raises UnavailableError: as ``apply_in_order`` does.
        """
        consult = consult or again or self._mark.in_record
        attempt = _Attempts(self, path, consult=consult, again=again)
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
                if not self._is_the_cause(path):
                    raise
                result = self._park_uncommitted(attempt, error)
            except Exception as error:
                result = self._park_uncommitted(attempt, error)
            self._suspects.acquit(path)
        return self._concluded(result, attempt)

    def _is_the_cause(self, path: str) -> bool:
        """Whether it is for the task that Firestore fails, having failed at it once more."""
        if self._suspects.failures(path) < PATIENCE:
            return False
        if takes_commits(self._context.datastore):
            return True
        # It is away, so what has failed before says nothing of the task.
        self._suspects.acquit(path)
        return False

    def _park_uncommitted(self, attempt: _Attempts, error: Exception) -> Result:
        """Set a task aside whose commit was refused, unless it has changed meanwhile."""
        try:
            return execute_transaction(
                lambda transaction: attempt.park_seen(transaction, error),
                context=self._context,
                max_attempts=self._max_attempts,
            )
        except ConflictError as conflict:
            raise _written_anew(attempt.path) from conflict

    def _concluded(self, result: Result, attempt: _Attempts) -> Result:
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
                exc_info=result.error,
            )
            return Result(TaskState.PARKED, result.error, attempt.committed_ns)
        return result


class _Suspects:
    """How often applying each task failed in a row for want of Firestore."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures: dict[str, int] = {}

    def failures(self, path: str) -> int:
        """How often it has, with this time."""
        with self._lock:
            count = self._failures.pop(path, 0) + 1
            self._failures[path] = count
            if len(self._failures) > _MOST_SUSPECTS:
                del self._failures[next(iter(self._failures))]
            return count

    def acquit(self, path: str) -> None:
        """Count anew."""
        with self._lock:
            self._failures.pop(path, None)


class _Attempts:
    """The attempts at one task."""

    def __init__(self, application: Application, path: str, *, consult: bool, again: bool) -> None:
        self._of = application
        self.path = path
        self._consult = consult
        self._again = again
        self.count = 0
        self.parked_now = False
        self.committed_ns = 0
        self._seen: Snapshot | None = None

    def make(self, transaction: Transaction) -> Result:
        """One attempt: everything is read anew, as it is now."""
        self.count += 1
        self._of.statistics.count(attempts=1)
        task = self._seen = self._find(transaction)
        if task is None:
            if self._again and says_parked(self._record(transaction)):
                transaction.write(self._of._records.forgetting(self.path))
            return Result(TaskState.GONE)
        record = self._record(transaction) if self._consult else None
        if self._of._mark.is_marked(task, record):
            return Result(TaskState.GONE)
        if is_parked(task, record) and not self._again:
            return Result(TaskState.PARKED)
        try:
            self._of._effect(task, transaction)
            self._of._mark.write(task, transaction, self._of._records)
        except Exception as error:
            if isinstance(error, BoilerError) and error.retryable:
                raise
            return self._park_instead(task, transaction, error)
        except BaseException as error:
            # Such as a SystemExit of the task's: the thread is there for other tasks, too. In the
            # main thread it comes from a signal, and is about the process.
            if threading.current_thread() is threading.main_thread():
                raise
            ended = RuntimeError(f"{self.path} was ended by {error!r}")
            return self._park_instead(task, transaction, ended)
        return Result(TaskState.DONE)

    def park_seen(self, transaction: Transaction, error: Exception) -> Result:
        """Set the task aside if it is still as it was in the last attempt.

        :raises UnavailableError: it is another, which is to be tried first.
        """
        task = self._find(transaction)
        seen = self._seen
        if task is None:
            return Result(TaskState.GONE)
        if seen is None or task.update_time_ns != seen.update_time_ns:
            raise _written_anew(self.path)
        if self._of._mark.is_marked(task, self._record(transaction)):
            # A commit whose answer was lost came through late.
            return Result(TaskState.GONE)
        return self._park(task, transaction, error)

    def _park_instead(self, task: Snapshot, transaction: Transaction, error: Exception) -> Result:
        transaction.abandon_writes()
        return self._park(task, transaction, error)

    def _park(self, task: Snapshot, transaction: Transaction, error: Exception) -> Result:
        records = self._of._records
        write = records.parking(task, self._of._queue.key.name(task), error, self.count)
        transaction.write(write, self._note_commit)
        self.parked_now = True
        return Result(TaskState.PARKED, error)

    def _note_commit(self, update_time_ns: int) -> None:
        self.committed_ns = update_time_ns

    def _find(self, transaction: Transaction) -> Snapshot | None:
        return self._of._queue.find(self.path, transaction.reader.query)

    def _record(self, transaction: Transaction) -> Snapshot:
        path = self._of._records.path_of(self.path)
        return transaction.reader.documents([path])[path]


def _written_anew(path: str) -> UnavailableError:
    # Neither done nor parked: the later tasks of its key still have to wait for it.
    return UnavailableError(f"{path} was written anew while it was to be set aside: try it again")
