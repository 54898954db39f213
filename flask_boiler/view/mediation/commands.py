"""Commands: the changes of views that come from outside, and the one way to carry them out.

::

    request, event, patch, form ──► Command ──► authorize ──► understand ──► load, write ──► show

Who may is decided first, and then whether the input is understood; only then is anything loaded.
The write is atomic: either in a transaction of its own, or, where a document is the command, in the
one that marks it. Whatever fails on the way is raised, and told as :mod:`problems` says.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Protocol

from flask_boiler.errors import (
    BoilerError,
    DocumentNotFoundError,
    MissingIndexError,
    QueryError,
)
from flask_boiler.view.mediation.access import Access, Change
from flask_boiler.view.mediation.problems import Refusal
from flask_boiler.viewmodels.mutation import Mutation, carry_out
from flask_boiler.viewmodels.view_model import ViewModel
from flask_boiler.viewmodels.view_subject import ViewSubject

__all__ = [
    "DELETED",
    "WRITTEN",
    "Command",
    "Condition",
    "MutationCommand",
    "Operation",
    "perform",
    "telling_of_the_write",
]

logger = logging.getLogger(__name__)

Operation = Literal["create", "put", "patch", "delete"]

#: Does the write that it is given, on condition of something.
Condition = Callable[[Callable[[], Any]], Any]

#: What a client is told whose write is made, and leads to a view that cannot be shown.
WRITTEN = (
    "The change was made, but the changed view cannot be shown; the error was logged. Do not "
    "repeat the request."
)
#: What a client is told whose view is deleted, if nobody can tell when.
DELETED = (
    "It was deleted, but Firestore did not say when; the error was logged. Do not repeat the "
    "request."
)


class Command(Change, Protocol):
    """A change that somebody outside wants, and how it is made."""

    def understand(self) -> None:
        """Check the input, as far as that takes nothing that is stored.

        :raises ValidationError: naming what is wrong.
        """
        ...

    def write(self) -> Any:
        """Load what is to be changed, and change it.

        :raises BoilerError: it is refused, or fails; nothing is written.
        """
        ...


@dataclass(frozen=True)
class MutationCommand:
    """A change that a mutation makes.

    :param subject: what keys of the view mean.
    :param mutation_cls: what carries it out.
    :param operation: which of the mutation's commands it is.
    :param doc_id: the view's key; ``None`` of a new one that is to be given an id.
    :param read: gives the values by attribute name; called once, when they are first needed.
    """

    subject: ViewSubject[Any]
    mutation_cls: type[Mutation[Any]]
    operation: Operation
    doc_id: str | None = None
    read: Callable[[], Mapping[str, Any]] = dict

    @property
    def view_cls(self) -> type[ViewModel]:
        """The class of the view that is to be changed."""
        return self.subject.view_cls

    @property
    def data(self) -> Mapping[str, Any]:
        """The values by attribute name.

        :raises ValidationError: they are not what the view takes.
        """
        return self._data

    @cached_property
    def _data(self) -> Mapping[str, Any]:
        return self.read()

    def understand(self) -> None:
        """Check the values, and that a view may be named so.

        :raises ValidationError: naming what is wrong.
        """
        _ = self._data
        if self.doc_id is not None:
            self.subject.identity(self.doc_id)

    def write(self) -> Any:
        """The value that the mutation returns: the view as it was changed, none if it is deleted.

        :raises BoilerError: it is refused, or fails; nothing is written.
        """
        match self.operation:
            case "create":
                given = {"doc_id": self.doc_id, "data": self.data}
                return carry_out(self.mutation_cls, "create", **given)
            case "delete":
                return carry_out(self.mutation_cls, "delete", self.doc_id)
            case operation:
                return carry_out(self.mutation_cls, operation, self.doc_id, self.data)


def perform(command: Command, access: Access, condition: Condition | None = None) -> Any:
    """Carry out a command, if whoever sends it may; the value that its ``write`` returns.

    :param condition: does the write, if something else holds, too.
    :raises BoilerError: it is refused, or fails; nothing is written.
    """
    access.require(command)
    command.understand()
    try:
        return command.write() if condition is None else condition(command.write)
    except MissingIndexError:
        raise
    except QueryError as error:
        # What a setter asks for, say, and no query of whoever wants the change.
        name = command.view_cls.__name__
        raise BoilerError(f"{command.operation} of a {name}: QueryError: {error}") from error


@contextmanager
def telling_of_the_write(doc_id: str, said: str = WRITTEN) -> Iterator[None]:
    """Have whatever fails after a write be told together with that the write is made.

    :param doc_id: the view's key.
    :param said: what the client is told.
    :raises Refusal: the block failed; why is logged.
    :raises DocumentNotFoundError: the root is gone again.
    """
    try:
        yield
    except DocumentNotFoundError:
        raise
    except Exception as error:
        logger.exception("%s was written, but cannot be shown", doc_id or "a view")
        raise Refusal(500, said) from error
