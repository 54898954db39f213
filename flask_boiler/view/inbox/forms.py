"""Forms as tasks: submitted, or refused with an answer to whoever sent them."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from flask_boiler.ground.callbacks import require_result
from flask_boiler.ground.values import Snapshot, Write
from flask_boiler.transactions.transaction import Transaction
from flask_boiler.view.inbox.refusals import AskedAccess, Refusal, Sender
from flask_boiler.view.mediation.access import Anybody, Change
from flask_boiler.view.mediation.commands import perform
from flask_boiler.view.mediation.problems import field_names
from flask_boiler.viewmodels.form import PROBLEM_FIELD, Form
from flask_boiler.viewmodels.form_targets import AbsentTargetError
from flask_boiler.viewmodels.view_model import ViewModel

__all__ = ["FormEffect", "Submission"]

_NOT_ALLOWED = "There is nothing that this form could be about, or it is not allowed."


@dataclass(frozen=True)
class Submission:
    """A form that somebody sent: what ``authorize`` decides about.

    :param form_cls: the class of the form.
    :param document: the form's document, as it is now.
    """

    form_cls: type[Form]
    document: Snapshot

    @property
    def operation(self) -> str:
        """The operation that there is on forms."""
        return "submit"

    @property
    def view_cls(self) -> type[ViewModel]:
        """The class of the form."""
        return self.form_cls

    @property
    def doc_id(self) -> str:
        """The id of the form's document."""
        return self.document.id

    @property
    def path(self) -> str:
        """The path of the form's document."""
        return self.document.path

    @property
    def placeholders(self) -> Mapping[str, str]:
        """What the placeholders of ``Meta.form_path`` stand for, such as ``uid``."""
        return self.form_cls.placeholders_of(self.document.path)

    @property
    def create_time(self) -> datetime.datetime:
        """When the form's document was created, by the server's clock."""
        return self.document.create_time

    @property
    def data(self) -> Mapping[str, Any]:
        """The values by attribute name.

        :raises ValidationError: they are not what the form takes.
        """
        return self.form_cls.understood(self.form_cls.fields_of(self.document))

    def understand(self) -> None:
        """Check nothing yet: the form says what it requires when it is submitted."""

    def write(self) -> None:
        """Begin the form, fill it in, and submit it.

        :raises BoilerError: it is refused, or fails.
        """
        submit: Any = self.form_cls.of(self.document).submit
        require_result(submit(), f"{self.form_cls.__name__}.submit")


class FormEffect:
    """The effect of forms: each is begun, filled in and submitted.

    :param authorize: is asked with the :class:`Submission`, and the form that is begun and not
        filled in.
    """

    def __init__(
        self, form_cls: type[Form], authorize: Callable[[Submission, Any], object] | None = None
    ) -> None:
        self._form_cls = form_cls
        self._authorize = authorize

    def __call__(self, task: Snapshot, transaction: Transaction) -> None:
        """Write what the form changes, if it may."""
        authorize, access = self._authorize, Anybody()
        if authorize is not None:

            def ask(change: Change) -> object:
                # Before anything is read of the target: what is said here says nothing of that.
                _ = change.data
                try:
                    form = self._form_cls.begun(task)
                except AbsentTargetError:
                    # To say so would tell strangers which targets there are.
                    return False
                return authorize(submission, form)

            access = AskedAccess(ask, task.path, _NOT_ALLOWED)
        submission = Submission(self._form_cls, task)
        perform(submission, access)

    def sender(self) -> Sender:
        """The sender of forms, who is told of a refusal at ``Meta.refusal_path``."""
        # What cannot be committed is told without the form, which may be why.
        return Sender(field_names(self._form_cls), self._tell, late=[True])

    def _tell(self, task: Snapshot, transaction: Transaction, refusal: Refusal) -> None:
        path = self._form_cls.refusal_path(task.path)
        told = {PROBLEM_FIELD: dict(refusal.problem)}
        if path == task.path:
            transaction.write(Write("update", path, told, (PROBLEM_FIELD,)))
        else:
            form = {} if refusal.bare else {"form": task.to_dict()}
            transaction.write(Write("set", path, {**told, **form}))
