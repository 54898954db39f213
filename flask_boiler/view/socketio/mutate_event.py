"""The changes that a client asks for by a ``mutate``: their parts, and how they are made."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from flask_boiler.errors import DocumentNotFoundError, RefusedError, ValidationError
from flask_boiler.ground.callbacks import require_result
from flask_boiler.view.mediation.access import Access, Anybody, Change
from flask_boiler.view.mediation.commands import MutationCommand, perform, telling_of_the_write
from flask_boiler.view.mediation.representation import computed
from flask_boiler.view.socketio.slot_arguments import SlotArguments, refuse_if
from flask_boiler.viewmodels.mutation import Mutation
from flask_boiler.viewmodels.view_model import ViewModel
from flask_boiler.viewmodels.view_subject import ViewSubject

__all__ = ["ClientAccess", "apply_command", "parts_of"]

_OPERATIONS = ("create", "put", "patch", "delete")
_PARTS = ("operation", "doc_id", "arguments", "data")
_EXPECTED_ID = "Expected the id of a document."


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


def parts_of(
    command: dict[str, Any], arguments: SlotArguments
) -> tuple[Any, str | None, dict[str, Any] | None]:
    """The operation, the view's key and the data of a ``mutate``.

    :param arguments: what names a view besides its key.
    :raises ValidationError: naming each that is unknown, missing or wrong.
    """
    operation, data = command.get("operation"), command.get("data")
    wrong = {
        name: [f"Unknown; there are {', '.join(_PARTS)}."] for name in command if name not in _PARTS
    }
    if operation not in _OPERATIONS:
        wrong["operation"] = [f"Expected one of {', '.join(_OPERATIONS)}."]
    if not (isinstance(data, dict) or (data is None and operation in ("create", "delete"))):
        wrong["data"] = ["Expected a JSON object."]
    key: str | None = None
    try:
        key = _key_of(command, arguments)
        if key is None and "operation" not in wrong and operation != "create":
            wrong |= _unnamed(arguments)
    except ValidationError as error:
        wrong |= error.messages
    refuse_if(wrong)
    return operation, key, data


def _key_of(command: dict[str, Any], arguments: SlotArguments) -> str | None:
    """The key that a command says, or its arguments; ``None`` if it names no view."""
    doc_id, named = command.get("doc_id"), command.get("arguments")
    if doc_id is not None and named is not None:
        raise ValidationError({"arguments": ["Expected either these or doc_id."]})
    if doc_id is not None and not isinstance(doc_id, str):
        raise ValidationError({"doc_id": [_EXPECTED_ID]})
    if named is None:
        # There is one view only, if nothing is needed to name it.
        return doc_id if doc_id is not None or arguments.fields else ""
    if not isinstance(named, dict):
        raise ValidationError({"arguments": ["Expected a JSON object."]})
    try:
        return arguments.key_of(arguments.checked(named))
    except ValidationError as error:
        within = {f"arguments.{name}": said for name, said in error.messages.items()}
        raise ValidationError(within) from error


def _unnamed(arguments: SlotArguments) -> dict[str, list[str]]:
    """What is wrong with a command that names no view."""
    if "doc_id" in arguments.fields:
        return {"doc_id": [_EXPECTED_ID]}
    return {"arguments": [f"Expected a JSON object with {', '.join(arguments.fields)}."]}


def apply_command(
    view_cls: type[ViewModel],
    mutation: type[Mutation[Any]],
    operation: Any,
    doc_id: str | None,
    data: dict[str, Any] | None,
    access: Access | None = None,
) -> dict[str, Any]:
    """Carry out a command; the acknowledgement has the view's key, and the view as it now is.

    :param doc_id: the view's key.
    :raises BoilerError: it is refused.
    """

    def read() -> dict[str, Any]:
        values: dict[str, Any] = {}
        return values if data is None else view_cls.schema(partial=True).load(data)

    if not mutation.can(operation):
        raise RefusedError(f"A {view_cls.__name__} cannot be {operation}d here.")
    subject: ViewSubject[Any] = ViewSubject(view_cls)
    command = MutationCommand(subject, mutation, operation, doc_id, read)
    written = perform(command, access or Anybody())
    if operation == "delete":
        return {"doc_id": doc_id, "value": None}
    key = subject.key_of_view(written) if operation == "create" else str(doc_id)
    with telling_of_the_write(key):
        return {"doc_id": key, "value": _shown(subject, key)}


def _shown(subject: ViewSubject[Any], key: str) -> dict[str, Any] | None:
    """The view after a change; ``None`` if it is not there any more, as its member has left."""
    try:
        return computed(subject, key).body
    except DocumentNotFoundError:
        return None
