"""Refusals: what the sender of a command is told that is not carried out, and who may send one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from werkzeug.exceptions import NotFound

from flask_boiler.errors import DocumentNotFoundError
from flask_boiler.ground.callbacks import require_result
from flask_boiler.ground.values import Snapshot
from flask_boiler.transactions.transaction import Transaction
from flask_boiler.view.mediation.access import Anybody, Change

__all__ = ["AskedAccess", "Refusal", "Sender", "Tell"]


@dataclass(frozen=True, slots=True)
class Refusal:
    """The refusal of a command, as its sender is told it.

    :param problem: problem details.
    :param bare: without the command itself, beside which there may be no room to say it.
    """

    problem: Mapping[str, Any]
    bare: bool = False


#: Has the transaction write a refusal for the sender of a command.
Tell = Callable[[Snapshot, Transaction, Refusal], None]


@dataclass(frozen=True, slots=True)
class Sender:
    """The sender of a queue's commands, who is told why one is refused.

    :param fields: the names of fields by attribute name: the sender knows no others.
    :param tell: has the transaction write a refusal, beside what marks the command.
    :param late: how a refusal is tried to be told of a command that cannot be committed, whether
        ``bare`` or not, until Firestore takes one.
    """

    fields: Mapping[str, str]
    tell: Tell
    late: Sequence[bool]


class AskedAccess(Anybody):
    """The access of who sends commands as documents, as an application's ``authorize`` decides it.

    :param ask: whether they may; called in the transaction of the command.
    :param path: of what the command is about.
    :param said: what those are told who may not, and those who ask for what is not there.
    """

    def __init__(self, ask: Callable[[Change], object], path: str, said: str) -> None:
        self._ask = ask
        self._path = path
        self._said = said

    def require(self, change: Change) -> None:
        """Ask whether the command may be carried out.

        :raises DocumentNotFoundError: it may not, or there is nothing that it could be about; which
            of the two is not told.
        :raises PermissionDeniedError: the reason that ``authorize`` told.
        """
        try:
            allowed = self._ask(change)
        except (DocumentNotFoundError, NotFound):
            # Of Flask's abort(404), too: other words would tell that there is something.
            allowed = False
        if not require_result(allowed, "authorize"):
            raise DocumentNotFoundError(self._path, self._said)
