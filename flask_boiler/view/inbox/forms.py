"""Forms as tasks: submitted, or refused with an answer to whoever sent them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from werkzeug.exceptions import HTTPException

from flask_boiler.errors import BoilerError, ConfigurationError
from flask_boiler.firestore.codec import Codec
from flask_boiler.firestore.query_compiler import compile_query
from flask_boiler.ground.callbacks import require_result
from flask_boiler.ground.values import QuerySpec, QueryTarget, Snapshot, Write
from flask_boiler.transactions.transaction import Transaction
from flask_boiler.view.mediation.access import Anybody
from flask_boiler.view.mediation.commands import perform
from flask_boiler.view.mediation.problems import (
    field_names,
    is_askers,
    refused_commit,
    stored_problem,
)
from flask_boiler.viewmodels.form import PROBLEM_FIELD, Form
from flask_boiler.viewmodels.view_model import ViewModel

__all__ = ["FormEffect", "FormQuery", "Submission"]


class FormQuery:
    """The query of a mediator of forms that is given none: all documents where they lie.

    :raises ConfigurationError: the class does not say where.
    """

    def __init__(self, form_cls: type[Form]) -> None:
        #: The class of the forms.
        self.form_cls = form_cls
        pattern = form_cls.form_pattern()
        if pattern is None:
            raise ConfigurationError(
                f"{form_cls.__name__} does not say where its forms are: give it a Meta.form_path, "
                "such as 'users/{uid}/orders_POST/{order_id}', or the mediator a query"
            )
        above, _, self._collection = pattern.text.rpartition("/")[0].rpartition("/")
        self._parent = "" if "{" in above else above
        self._everywhere = "{" in above

    def targets(self, codec: Codec) -> list[QueryTarget]:
        """The queries as the server is asked them."""
        spec = QuerySpec(self._collection, self._parent, all_descendants=self._everywhere)
        return [compile_query(spec, codec)]


@dataclass(frozen=True)
class Submission:
    """The command that a form's document is.

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
    """Submits the form that a task is, or has it refused, which its sender is told.

    :param form_cls: the class of the forms.
    """

    def __init__(self, form_cls: type[Form]) -> None:
        self._form_cls = form_cls
        self._fields = field_names(form_cls)
        self._access = Anybody()

    def __call__(self, task: Snapshot, transaction: Transaction) -> None:
        """Write what the form changes, or why it is refused."""
        refusal_path = self._form_cls.refusal_path(task.path)
        try:
            perform(Submission(self._form_cls, task), self._access)
        except (BoilerError, HTTPException) as error:
            if not is_askers(error):
                raise
            # What was read is verified all the same: nobody is refused for what was not so.
            transaction.abandon_writes()
            problem = stored_problem(error, self._fields)
            transaction.write(_refusal(refusal_path, task, problem, form=task.to_dict()))

    def refuse(self, task: Snapshot, transaction: Transaction, error: Exception) -> bool:
        """Write why a form is refused whose commit was; whether its sender is told.

        They are, if others changed the same data each time, or if it cannot be stored.
        """
        told = refused_commit(error)
        if told is None:
            return False
        problem = stored_problem(told, self._fields)
        # Without the form, which may be why there was too much to store.
        transaction.write(_refusal(self._form_cls.refusal_path(task.path), task, problem))
        return True


def _refusal(path: str, task: Snapshot, problem: dict[str, Any], **more: Any) -> Write:
    if path == task.path:
        return Write("update", path, {PROBLEM_FIELD: problem}, (PROBLEM_FIELD,))
    return Write("set", path, {PROBLEM_FIELD: problem, **more})
