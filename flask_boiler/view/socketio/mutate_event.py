"""The changes that a client asks for by a ``mutate``: their parts, and how they are made."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from flask_boiler.errors import ValidationError
from flask_boiler.ground.callbacks import require_result
from flask_boiler.view.mediation.access import Access, Anybody, Change
from flask_boiler.view.mediation.commands import MutationCommand, perform, telling_of_the_write
from flask_boiler.view.mediation.representation import computed
from flask_boiler.viewmodels.mutation import Mutation
from flask_boiler.viewmodels.view_model import ViewModel
from flask_boiler.viewmodels.view_subject import ViewSubject

__all__ = ["ClientAccess", "apply_command", "parts_of"]

_OPERATIONS = ("create", "put", "patch", "delete")


class ClientAccess:
    """The access of a client, as an application's two methods decide it.

    :param authorize: gives the scope of who asks for a view of some arguments.
    :param authorize_mutation: is asked with the operation, the id and the data of a ``mutate``.
    :param data: of the client's ``mutate``, by field name, as it was sent.
    """

    def __init__(
        self,
        authorize: Callable[[dict[str, Any]], Hashable],
        authorize_mutation: Callable[..., object],
        data: dict[str, Any] | None = None,
    ) -> None:
        self._authorize = authorize
        self._authorize_mutation = authorize_mutation
        self._data = data

    def scope_of(self, arguments: dict[str, Any]) -> Hashable:
        """The result of ``authorize``.

        :raises AuthError: the client may not see the view.
        """
        scope: Hashable = require_result(self._authorize(arguments), "authorize")
        return scope

    def require(self, change: Change) -> None:
        """Ask ``authorize_mutation``.

        :raises AuthError: the client may not change the view so.
        """
        answer = self._authorize_mutation(change.operation, change.doc_id, self._data)
        require_result(answer, "authorize_mutation")


def parts_of(command: dict[str, Any]) -> tuple[Any, str | None, dict[str, Any] | None]:
    """The operation, the id and the data of a ``mutate``.

    :raises ValidationError: naming each that is unknown, missing or wrong.
    """
    known = ("operation", "doc_id", "data")
    wrong = {
        name: [f"Unknown; there are {', '.join(known)}."] for name in command if name not in known
    }
    operation, doc_id, data = (command.get(name) for name in known)
    if operation not in _OPERATIONS:
        wrong["operation"] = [f"Expected one of {', '.join(_OPERATIONS)}."]
    elif not (isinstance(doc_id, str) or (doc_id is None and operation == "create")):
        wrong["doc_id"] = ["Expected the id of a document."]
    if not (isinstance(data, dict) or (data is None and operation in ("create", "delete"))):
        wrong["data"] = ["Expected a JSON object."]
    if wrong:
        raise ValidationError(wrong)
    return operation, doc_id, data


def apply_command(
    view_cls: type[ViewModel],
    mutation: type[Mutation[Any]],
    operation: Any,
    doc_id: str | None,
    data: dict[str, Any] | None,
    access: Access | None = None,
) -> dict[str, Any]:
    """Carry out a command; the acknowledgement has the id, and the view as it now is.

    :raises BoilerError: it is refused.
    """

    def read() -> dict[str, Any]:
        values: dict[str, Any] = {}
        return values if data is None else view_cls.schema(partial=True).load(data)

    root: ViewSubject[Any] = ViewSubject(view_cls)
    command = MutationCommand(root, mutation, operation, doc_id, read)
    written = perform(command, access or Anybody())
    if operation == "delete":
        return {"doc_id": doc_id, "value": None}
    key = root.key_of(root.of(written).doc_path) if operation == "create" else str(doc_id)
    with telling_of_the_write(key):
        return {"doc_id": key, "value": computed(root, key).body}
