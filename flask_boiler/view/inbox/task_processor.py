"""The processor of tasks: effect and mark in one commit, or the record that one is parked."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import TypeVar

from flask_boiler.context.context import ApplicationContext
from flask_boiler.engine.acceptance import takes_commits
from flask_boiler.errors import (
    BoilerError,
    ConfigurationError,
    ConflictError,
    DocumentNotFoundError,
    RefusedError,
    UnavailableError,
    ValidationError,
)
from flask_boiler.firestore.failures import is_refusal
from flask_boiler.ground.callbacks import as_exception, is_failure, words_of
from flask_boiler.ground.ports import Reader
from flask_boiler.ground.readers import DirectReader, reading_through
from flask_boiler.ground.values import Snapshot
from flask_boiler.transactions.running import execute_transaction
from flask_boiler.transactions.transaction import Transaction
from flask_boiler.transactions.turns import Turns
from flask_boiler.view.inbox.attempt import Attempts, written_anew
from flask_boiler.view.inbox.backlog import Waiting, in_order
from flask_boiler.view.inbox.handling import Handling
from flask_boiler.view.inbox.records import is_parked
from flask_boiler.view.inbox.refusals import Refusal, Tell
from flask_boiler.view.mediation.inbox import Result, TaskState
from flask_boiler.view.mediation.problems import refused_commit, stored_problem

__all__ = ["TaskProcessor"]

R = TypeVar("R")

logger = logging.getLogger(__name__)

# How long a task waits for another thread that works its key off.
_TURN_TIMEOUT_S = 60.0

_DROPPED = "It was dropped, because it could not be applied."

_turns = Turns()


class TaskProcessor:
    """Applies the tasks of one mediator in the database of a context."""

    def __init__(self, context: ApplicationContext, handling: Handling) -> None:
        self._context = context
        self._handling = handling
        self._commands = handling.commands
        self._queue = handling.queue
        self._records = handling.records
        memory = self._commands.memories[context.datastore.database]
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

        :param seen: the task as it was seen, if that is known.
        :param stopped: whether to leave it, and those that are not applied yet, to others.
        :raises UnavailableError: Firestore could not be reached; nothing is parked for that. A
            task is that fails so again and again, although Firestore takes commits.
        """
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
                self._backlogs.replace(waiting.key, self._of_key(task))
            if not self._work_off(waiting, stopped):
                return Result(TaskState.HELD)
            return self._apply_waiting(waiting)

    def _find(self, path: str) -> Snapshot | None:
        return self._queue.find(path, DirectReader(self._context.datastore))

    def _is_there(self, waiting: Waiting) -> bool:
        task = self._find(waiting.path)
        return task is not None and self._handling.waiting(task) == waiting

    def _work_off(self, last: Waiting, stopped: Callable[[], bool]) -> bool:
        """Apply the tasks that are known to come before one; whether none is left."""
        while (first := self._backlogs.first_before(last)) is not None:
            if stopped() or self._holds_back(self._apply_waiting(first)):
                return False
        return True

    def _holds_back(self, result: Result) -> bool:
        return result.state is TaskState.PARKED and self._queue.holds_back

    def _apply_waiting(self, task: Waiting) -> Result:
        result = self.apply(task.path, taken_for=task)
        if not self._holds_back(result):
            self._backlogs.discard(task)
        return result

    def retry(self, path: str) -> bool:
        """Apply a parked task, and then those that waited for it; whether it was parked.

        It is parked until it is done, so that nobody forgets it if this ends halfway.

        :raises UnavailableError: Firestore could not be reached.
        """
        parked = self._parked(path, DirectReader(self._context.datastore))
        if parked is not None:
            self.resume(parked[0], again=True)
        return parked is not None

    def resume(self, task: Snapshot, *, again: bool = False) -> None:
        """Apply the tasks that a task has held back.

        :param again: apply it, too, though it is parked.
        :raises UnavailableError: Firestore could not be reached.
        """
        parked = self._handling.waiting(task)
        waiting = self._of_key(task) if self._queue.holds_back else []
        for each in waiting if parked in waiting or not again else [parked, *waiting]:
            tried = again and each == parked
            result = self.apply(task.path, again=True) if tried else self._apply_waiting(each)
            if self._holds_back(result):
                return

    def release(self, path: str) -> bool:
        """Leave a parked task to those who listen; whether it was parked.

        :raises UnavailableError: Firestore could not be reached.
        """

        def forget(transaction: Transaction) -> bool:
            if self._parked(path, transaction.reader) is None:
                return False
            transaction.write(self._records.forgetting(path))
            return True

        return self._execute(forget)

    def drop(self, path: str) -> Snapshot | None:
        """Mark a parked task as processed, without its effect; ``None`` if it is not parked.

        Its sender is told, if anybody can be.

        :raises UnavailableError: Firestore could not be reached.
        """
        problem = stored_problem(RefusedError(_DROPPED), {})

        def mark(
            transaction: Transaction, refusal: Refusal, tell: Tell | None = None
        ) -> Snapshot | None:
            parked = self._parked(path, transaction.reader)
            if parked is None:
                return None
            task, record = parked
            if self._queue.find(path, transaction.reader) is not None:
                if tell is not None:
                    tell(task, transaction, refusal)
                self._handling.write_mark(task, record, transaction, refusal)
            else:
                # The query is another since: it is no task, and there is nothing to mark.
                transaction.write(self._records.forgetting(path))
            return task

        sender = self._commands.sender
        tell = None if sender is None else sender.tell
        for refusal in () if tell is None else (Refusal(problem), Refusal(problem, bare=True)):
            # Where there is no room for it, or no place, it is dropped all the same.
            with suppress(ValidationError, ConfigurationError):
                return self._execute(partial(mark, refusal=refusal, tell=tell))
        return self._execute(partial(mark, refusal=Refusal(problem, bare=True)))

    def _parked(self, path: str, reader: Reader) -> tuple[Snapshot, Snapshot] | None:
        """The document of a parked task and its record; ``None`` if it is not parked."""
        record_path = self._records.path_of(path)
        found = reader.documents([path, record_path])
        task, record = found[path], found[record_path]
        return (task, record) if is_parked(task, record) else None

    def _of_key(self, task: Snapshot) -> list[Waiting]:
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
        unmarked = sorted(self._unmarked(found.values()), key=in_order)
        return [self._handling.waiting(other) for other in unmarked]

    def _unmarked(self, tasks: Collection[Snapshot]) -> list[Snapshot]:
        """The tasks, of those given, that are not processed yet."""
        records: Mapping[str, Snapshot] = {}
        if self._commands.mark.in_record:
            records = self._context.datastore.get(self._records.path_of(t.path) for t in tasks)
        return [
            task
            for task in tasks
            if not self._commands.mark.is_marked(
                task, records.get(self._records.path_of(task.path))
            )
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

        If there is none any more, it is forgotten that it was parked.

        :param consult: look whether it is parked.
        :param again: try it even if it is.
        :param taken_for: apply no other that has taken its place.
        :raises UnavailableError: as ``apply_in_order`` does.
        """
        consult = consult or again or self._commands.mark.in_record
        attempt = Attempts(self._handling, path, consult=consult, again=again, taken_for=taken_for)
        # Whatever cut is in force here, a task is about the database itself.
        with reading_through(None):
            try:
                result = self._execute(attempt.make, locking=self._commands.locking)
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

    def _execute(self, function: Callable[[Transaction], R], *, locking: bool = False) -> R:
        return execute_transaction(
            function,
            context=self._context,
            max_attempts=self._commands.max_attempts,
            locking=locking,
        )

    def _is_refused_to_all(self, error: BaseException) -> bool:
        return is_refusal(error) and not self._takes_commits()

    def _takes_commits(self) -> bool:
        return takes_commits(self._context.datastore)

    def _give_up(self, attempt: Attempts, error: Exception) -> Result:
        """Refuse a task whose commit was refused, or set it aside, unless it has changed since."""
        refusals = self._refusals(attempt, error)
        if len(refusals) > 1:
            logger.warning("%s cannot be committed, and is refused: %s", attempt.path, error)
        for refusal in refusals:
            try:
                return self._execute(partial(attempt.give_up_seen, error=error, refusal=refusal))
            except ValidationError:
                # There is no room for it.
                if refusal is None:
                    raise
            except ConflictError as conflict:
                raise written_anew(attempt.path) from conflict
        raise AssertionError("unreachable")

    def _refusals(self, attempt: Attempts, error: Exception) -> Sequence[Refusal | None]:
        """What the sender is told of a task that cannot be committed, the best first.

        The last is ``None``, as nobody may be left to be told.
        """
        sender, told = self._commands.sender, refused_commit(error)
        if sender is None or told is None:
            return [None]
        why = attempt.refused_for
        if isinstance(error, ConflictError) and not isinstance(why, DocumentNotFoundError):
            # What was read may not have been so. But who is not to know of a document is not told
            # either that others change it.
            why = None
        problems = [stored_problem(each, sender.fields) for each in (why, told) if each is not None]
        return [*(Refusal(said, bare) for said in problems for bare in sender.late), None]

    def _concluded(self, result: Result, attempt: Attempts) -> Result:
        if result.state is TaskState.DONE:
            self._commands.statistics.count(done=1)
        if result.state is TaskState.PARKED and attempt.parked_now:
            self._commands.statistics.count(parked=1)
            logger.error(
                "task %s of %s is parked after %d attempt(s): %s",
                attempt.path,
                self._records.mediator,
                attempt.count,
                result.error and words_of(result.error),
                # What the package's own errors say is enough, and they are raised on purpose.
                exc_info=None if isinstance(result.error, BoilerError) else result.error,
            )
            return Result(TaskState.PARKED, result.error, attempt.committed_ns)
        return result
