"""Forms as tasks: submitted, or refused with an answer to whoever sent them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask_boiler.firestore.codec import Codec
from flask_boiler.firestore.query_compiler import compile_query
from flask_boiler.ground.callbacks import require_result
from flask_boiler.ground.errors import BoilerError, ConfigurationError
from flask_boiler.ground.values import QuerySpec, QueryTarget, Snapshot, Write
from flask_boiler.transactions.transaction import Transaction
from flask_boiler.view.mediation.problems import is_askers, problem_details
from flask_boiler.viewmodels.form import PROBLEM_FIELD, Form

__all__ = ["FormQuery", "submitting"]


class FormQuery:
    """All documents where the forms of a class lie; the query of a mediator that is given none.

    :raises ConfigurationError: the class does not say where.
    """

    def __init__(self, form_cls: type[Form]) -> None:
        #: The class of the forms.
        self.form_cls = form_cls
        pattern = form_cls.form_pattern()
        if pattern is None:
            raise ConfigurationError(
                f"{form_cls.__name__} does not say where its forms lie: give it a Meta.form_path, "
                "such as 'users/{uid}/orders_POST/{order_id}', or the mediator a query"
            )
        above, _, self._collection = pattern.text.rpartition("/")[0].rpartition("/")
        self._parent = "" if "{" in above else above
        self._everywhere = "{" in above

    def targets(self, codec: Codec) -> list[QueryTarget]:
        """What the server has to be asked."""
        spec = QuerySpec(self._collection, self._parent, all_descendants=self._everywhere)
        return [compile_query(spec, codec)]


def submitting(form_cls: type[Form]) -> Callable[[Snapshot, Transaction], None]:
    """What submits the form of a task, or has it refused."""
    fields = {name: attribute.data_key for name, attribute in form_cls.attributes().items()}

    def submit(task: Snapshot, transaction: Transaction) -> None:
        refusal_path = form_cls.refusal_path(task.path)
        try:
            require_result(form_cls.of(task).submit(), f"{form_cls.__name__}.submit")  # type: ignore[func-returns-value]
        except BoilerError as error:
            if not is_askers(error):
                raise
            # What was read is verified all the same: nobody is refused for what was not so.
            transaction.abandon_writes()
            transaction.write(_refusal(refusal_path, task, problem_details(error, fields)))

    return submit


def _refusal(path: str, task: Snapshot, problem: dict[str, Any]) -> Write:
    if path == task.path:
        return Write("update", path, {PROBLEM_FIELD: problem}, (PROBLEM_FIELD,))
    return Write("set", path, {PROBLEM_FIELD: problem, "form": task.to_dict()})
