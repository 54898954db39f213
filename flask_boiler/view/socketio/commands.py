"""What a client asks to be changed by a ``mutate``: its parts, and how it is done."""

from __future__ import annotations

import logging
from typing import Any

from flask_boiler.context.context import current_context
from flask_boiler.ground.errors import BoilerError, DocumentNotFoundError, ValidationError
from flask_boiler.transactions.snapshot_cut import compute_once
from flask_boiler.view.mediation.problems import WRITTEN, Refusal
from flask_boiler.view.mediation.representation import Representation, as_views_own
from flask_boiler.viewmodels.mutation import Mutation, carry_out
from flask_boiler.viewmodels.view_model import ViewModel
from flask_boiler.viewmodels.view_root import ViewRoot

__all__ = ["apply_command", "parts_of"]

logger = logging.getLogger(__name__)

_OPERATIONS = ("create", "put", "patch", "delete")


def parts_of(command: dict[str, Any]) -> tuple[str, str | None, dict[str, Any] | None]:
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
    return str(operation), doc_id, data


def apply_command(
    view_cls: type[ViewModel],
    mutation: type[Mutation[Any]],
    operation: str,
    doc_id: str | None,
    data: dict[str, Any] | None,
) -> dict[str, Any]:
    """What is acknowledged of a command that was carried out: the id, and the view as it now is.

    :raises BoilerError: it is refused.
    """
    values: dict[str, Any] = {} if data is None else view_cls.schema(partial=True).load(data)
    root: ViewRoot[Any] = ViewRoot(view_cls)
    if doc_id is not None:
        root.path_of(doc_id)
    if operation == "delete":
        carry_out(mutation, "delete", str(doc_id))
        return {"doc_id": doc_id, "value": None}
    if operation == "create":
        view = carry_out(mutation, "create", doc_id, values)
        doc_id = root.key_of(root.of(view).doc_path)
    elif operation == "put":
        carry_out(mutation, "put", str(doc_id), values)
    else:
        carry_out(mutation, "patch", str(doc_id), values)
    return {"doc_id": doc_id, "value": _written(root, str(doc_id))}


def _written(root: ViewRoot[Any], doc_id: str) -> dict[str, Any]:
    """The view as it now stands, after a write.

    :raises Refusal: it cannot be shown. That the write was made is said all the same.
    :raises DocumentNotFoundError: the root is gone again.
    """
    try:
        with as_views_own(root.path_of(doc_id)):
            return compute_once(
                lambda: Representation.of_view(root.open(doc_id)).body,
                current_context().datastore,
            )
    except DocumentNotFoundError:
        raise
    except BoilerError as error:
        logger.exception("%s was written, but cannot be shown", doc_id)
        raise Refusal(500, WRITTEN) from error
