"""What a client asks to be changed: the parts of a ``mutate``."""

from __future__ import annotations

from typing import Any

from flask_boiler.errors import ValidationError

__all__ = ["parts_of"]

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
