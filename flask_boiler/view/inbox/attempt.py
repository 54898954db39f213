"""The attempts at one task: each reads it anew, has its effect and marks it, or parks it."""

from __future__ import annotations

from werkzeug.exceptions import HTTPException

from flask_boiler.errors import BoilerError, UnavailableError
from flask_boiler.ground.callbacks import as_exception, is_failure
from flask_boiler.ground.values import Snapshot
from flask_boiler.transactions.transaction import Transaction
from flask_boiler.view.inbox.backlog import Waiting
from flask_boiler.view.inbox.effects import is_tried_again
from flask_boiler.view.inbox.handling import Handling
from flask_boiler.view.inbox.records import is_parked, says_parked
from flask_boiler.view.inbox.refusals import Refusal
from flask_boiler.view.mediation.inbox import Result, TaskState
from flask_boiler.view.mediation.problems import is_askers, stored_problem

__all__ = ["Attempts", "written_anew"]


class Attempts:
    """The attempts at one task.

    :param consult: look whether it is parked; not if it is known to have no record.
    :param again: try it even if it is.
    :param taken_for: try no other that has taken its place.
    """

    def __init__(
        self,
        handling: Handling,
        path: str,
        *,
        consult: bool,
        again: bool,
        taken_for: Waiting | None,
    ) -> None:
        self._of = handling
        self._commands = handling.commands
        self.path = path
        self._consult = consult
        self._again = again
        self._taken_for = taken_for
        self.count = 0
        self.parked_now = False
        self.committed_ns = 0
        self._seen: Snapshot | None = None
        #: Why the last attempt would have refused it.
        self.refused_for: BoilerError | HTTPException | None = None

    def make(self, transaction: Transaction) -> Result:
        """Make one attempt: everything is read anew, as it is now."""
        self.count += 1
        self.refused_for = None
        self._commands.statistics.count(attempts=1)
        task = self._seen = self._find(transaction)
        record = self._record(transaction) if self._consult else None
        if task is None or self._commands.mark.is_marked(task, record):
            if says_parked(record):
                transaction.write(self._of.records.forgetting(self.path))
            return Result(TaskState.GONE)
        if self._taken_for not in (None, self._of.waiting(task)):
            return Result(TaskState.GONE, replaced=True)
        if is_parked(task, record) and not self._again:
            return Result(TaskState.PARKED)
        try:
            self._apply(task, record, transaction)
        except BaseException as error:
            if not is_failure(error) or is_tried_again(error):
                raise
            transaction.abandon_writes()
            return self._park(task, transaction, as_exception(error, self.path))
        return Result(TaskState.DONE)

    def give_up_seen(
        self, transaction: Transaction, error: Exception, *, refusal: Refusal | None
    ) -> Result:
        """Refuse the task, or else set it aside, if it is still as it was in the last attempt.

        :param error: why its commit was refused.
        :param refusal: what its sender is told, if they are to be told.
        :raises UnavailableError: it is another, which is to be tried first.
        """
        task = self._find(transaction)
        seen = self._seen
        if task is None:
            return Result(TaskState.GONE)
        if seen is None or task.update_time_ns != seen.update_time_ns:
            raise written_anew(self.path)
        record = self._record(transaction)
        if self._commands.mark.is_marked(task, record):
            # A commit whose answer was lost came through late.
            return Result(TaskState.GONE)
        if refusal is None:
            return self._park(task, transaction, error)
        self._refuse(task, record, transaction, refusal)
        return Result(TaskState.DONE)

    def _apply(self, task: Snapshot, record: Snapshot | None, transaction: Transaction) -> None:
        """Have the task's effect and mark it, or have it refused, which its sender is told."""
        sender = self._commands.sender
        try:
            self._commands.effect(task, transaction)
        except (BoilerError, HTTPException) as error:
            if sender is None or not is_askers(error):
                raise
            # What was read is verified all the same: nobody is refused for what was not so.
            transaction.abandon_writes()
            self.refused_for = error
            refusal = Refusal(stored_problem(error, sender.fields))
            self._refuse(task, record, transaction, refusal)
        else:
            self._of.write_mark(task, record, transaction)

    def _refuse(
        self, task: Snapshot, record: Snapshot | None, transaction: Transaction, refusal: Refusal
    ) -> None:
        if self._commands.sender is not None:
            self._commands.sender.tell(task, transaction, refusal)
        self._of.write_mark(task, record, transaction, refusal)

    def _park(self, task: Snapshot, transaction: Transaction, error: Exception) -> Result:
        queue, records = self._of.queue, self._of.records
        key = queue.key.name(task) if queue.holds_back else task.path
        transaction.write(records.parking(task, key, error, self.count), self._note_commit)
        self.parked_now = True
        return Result(TaskState.PARKED, error)

    def _note_commit(self, update_time_ns: int) -> None:
        self.committed_ns = update_time_ns

    def _find(self, transaction: Transaction) -> Snapshot | None:
        return self._of.queue.find(self.path, transaction.reader)

    def _record(self, transaction: Transaction) -> Snapshot:
        path = self._of.records.path_of(self.path)
        return transaction.reader.documents([path])[path]


def written_anew(path: str) -> UnavailableError:
    """The error that a task cannot be set aside, as there is another version of it."""
    # Neither done nor parked: the later tasks of its key still have to wait for it.
    return UnavailableError(f"{path} was written again while it was being parked: try it again")
