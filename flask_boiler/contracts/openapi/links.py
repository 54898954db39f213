"""Links: how what one operation answers is used in the next.

A view's tag is what its change is made conditional on, and the token of a write is what the
next ``GET`` is sent, so that it shows what was written.
"""

from __future__ import annotations

from typing import Any

from flask_boiler.contracts.openapi.schemas import JsonSchema
from flask_boiler.view.http.requests import READ_TIME_HEADER

__all__ = ["link"]

_READING = ("get", "200")
_WRITING = (("put", "200"), ("patch", "200"), ("delete", "204"))


def link(of_path: dict[str, JsonSchema]) -> None:
    """Add the links between the operations of one path, as far as they answer as ours do."""
    reading = _answer(of_path, *_READING)
    if reading is None:
        return
    for method, status in _WRITING:
        writing = _answer(of_path, method, status)
        if writing is None:
            continue
        _add(reading, of_path[method], {"header.If-Match": "$response.header.ETag"})
        if status == "200":
            token = f"$response.header.{READ_TIME_HEADER}"
            _add(writing, of_path["get"], {f"header.{READ_TIME_HEADER}": token})


def _answer(of_path: dict[str, JsonSchema], method: str, status: str) -> JsonSchema | None:
    answer: JsonSchema | None = of_path.get(method, {}).get("responses", {}).get(status)
    return answer if answer is not None and "headers" in answer else None


def _add(answer: JsonSchema, operation: JsonSchema, headers: dict[str, Any]) -> None:
    names = [p["name"] for p in operation.get("parameters", ()) if p.get("in") == "path"]
    same = {f"path.{name}": f"$request.path.{name}" for name in names}
    operation_id = operation["operationId"]
    answer.setdefault("links", {})[operation_id] = {
        "operationId": operation_id,
        "parameters": {**same, **headers},
    }
