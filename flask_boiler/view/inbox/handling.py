"""The handling of an inbox: what its mediator declares of its commands, in one database."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from flask_boiler.errors import DocumentNotFoundError
from flask_boiler.firestore.codec import Codec
from flask_boiler.ground.lifecycle import ProcessLock
from flask_boiler.ground.values import Snapshot
from flask_boiler.transactions.transaction import Transaction
from flask_boiler.view.inbox.backlog import Backlogs, Waiting
from flask_boiler.view.inbox.effects import Effect
from flask_boiler.view.inbox.marks import Mark
from flask_boiler.view.inbox.queue import TaskQueue
from flask_boiler.view.inbox.records import TaskRecords
from flask_boiler.view.inbox.refusals import Refusal, Sender
from flask_boiler.view.inbox.setbacks import Suspects

__all__ = ["Commands", "Handling", "Statistics"]


@dataclass(slots=True)
class Statistics:
    """Counts of what was done for tasks in this process.

    :param attempts: transactions that were begun.
    :param done: tasks that were done, or refused, by a commit of this process.
    :param parked: tasks that it set aside.
    """

    attempts: int = 0
    done: int = 0
    parked: int = 0
    lock: ProcessLock = field(default_factory=ProcessLock, repr=False)

    def count(self, *, attempts: int = 0, done: int = 0, parked: int = 0) -> None:
        """Add to the figures."""
        with self.lock:
            self.attempts += attempts
            self.done += done
            self.parked += parked


@dataclass(frozen=True, slots=True)
class Memory:
    """The memory of a process: what it knows of the tasks of one mediator in one database."""

    backlogs: Backlogs = field(default_factory=Backlogs)
    suspects: Suspects = field(default_factory=Suspects)


@dataclass(frozen=True, slots=True)
class Commands:
    """The commands of a mediator: which documents they are, and what is done for each.

    :param queue: finds them in a database, whose codec it is given.
    :param sender: who is told why one is refused; ``None`` if nobody is.
    :param max_attempts: how often one is tried at the most, if it loses to somebody else's commit.
    :param threads: how many are applied at a time; by default as many as views are computed.
    :param locking: have the server lock what is read, instead of verifying it at the end.
    """

    queue: Callable[[Codec], TaskQueue]
    effect: Effect
    mark: Mark
    sender: Sender | None = None
    max_attempts: int = 5
    threads: int | None = None
    locking: bool = False
    statistics: Statistics = field(default_factory=Statistics)
    #: By database, from one delivered command to the next.
    memories: defaultdict[str, Memory] = field(default_factory=lambda: defaultdict(Memory))


class Handling:
    """The handling of a mediator's commands in one database.

    :param name: the mediator's, by which its records are kept.
    """

    def __init__(self, commands: Commands, name: str, codec: Codec) -> None:
        self.commands = commands
        self.queue = commands.queue(codec)
        self.records = TaskRecords(name, codec)

    def waiting(self, task: Snapshot) -> Waiting:
        """The task as one of its key."""
        return Waiting(task.path, task.create_time_ns, self.queue.key.name(task))

    def write_mark(
        self,
        task: Snapshot,
        record: Snapshot | None,
        transaction: Transaction,
        refusal: Refusal | None = None,
    ) -> None:
        """Have the transaction's commit mark a task, and forget that it was parked.

        :param record: its record, if there may be one.
        """
        mark = self.commands.mark
        # Of a task that the effect has deleted, that is as good a mark as any.
        with suppress(DocumentNotFoundError):
            transaction.write(mark.write(task, self.records, refusal))
        if record is not None and record.exists and not mark.in_record:
            transaction.write(self.records.forgetting(task.path))
