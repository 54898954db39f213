"""Problems: what a client is told of an error, by an answer, an event or a document.

They are those of RFC 9457, ``application/problem+json``. What the client did wrong has a status
below 500, and is told. All else is a failure of the server's: its cause is for the log, and a
document that met with one is not marked, but tried again or set aside.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from flask import Response
from werkzeug.exceptions import HTTPException

from flask_boiler.errors import (
    AuthError,
    BoilerError,
    ConflictError,
    DocumentNotFoundError,
    RefusedError,
    StoredDataError,
    UnavailableError,
    UnstorableError,
    ValidationError,
)
from flask_boiler.firestore.failures import is_vendors
from flask_boiler.ground.callbacks import storable_text
from flask_boiler.ground.json_text import json_text
from flask_boiler.viewmodels.view_model import ViewModel

__all__ = [
    "PROBLEM_TYPE",
    "Refusal",
    "field_names",
    "is_askers",
    "problem_details",
    "problem_of",
    "refused_commit",
    "stored_problem",
]

logger = logging.getLogger(__name__)

PROBLEM_TYPE = "application/problem+json"

_ASKERS = (AuthError, DocumentNotFoundError, RefusedError, ValidationError)
_RETRY_AFTER_S = 1
_AWAY = "Firestore does not answer at the moment; try again."
_UNSTORABLE = "The result cannot be stored: it may be too large."
_CONTESTED = "At every attempt somebody else changed the same data."
_UNKNOWN = "Firestore did not answer; check whether the change was made before you repeat it."

# A document has a size, and who sends one may send any number of fields.
_MOST_ERRORS = 20
_LONGEST_TEXT = 300


class Refusal(BoilerError):
    """A request that is refused with this status.

    :param errors: what is wrong, by parameter or field.
    """

    def __init__(
        self, status: int, detail: str, *, errors: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.errors = errors


def problem_of(error: BoilerError | HTTPException, fields: Mapping[str, str]) -> Response:
    """The answer that tells a client of an error.

    :param fields: the names of fields by attribute name: the client knows no others.
    """
    details = problem_details(error, fields)
    status: int = details["status"]
    response = Response(json_text(details), status=status, mimetype=PROBLEM_TYPE)
    response.headers["X-Content-Type-Options"] = "nosniff"
    if status == HTTPStatus.SERVICE_UNAVAILABLE and not _is_open(error):
        response.headers["Retry-After"] = str(_RETRY_AFTER_S)
    return response


def problem_details(
    error: BoilerError | HTTPException, fields: Mapping[str, str]
) -> dict[str, Any]:
    """The problem that a client is told of an error, for ``json_text``.

    :param fields: the names of fields by attribute name: the client knows no others.
    """
    if isinstance(error, HTTPException):
        status = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
        return _details(status, error.description or "")
    if isinstance(error, Refusal):
        return _details(error.status, str(error), error.errors)
    if isinstance(error, ConflictError) and _is_lost_race(error):
        return _details(error.http_status, _CONTESTED)
    if isinstance(error, UnstorableError):
        logger.warning("a request cannot be stored: %s", error)
        return _details(error.http_status, _UNSTORABLE)
    if isinstance(error, ValidationError) and not isinstance(error, StoredDataError):
        errors = error.messages
        if not error.by_field:
            errors = {_renamed(name, fields): said for name, said in errors.items()}
        return _details(error.http_status, "The input is not valid.", errors)
    if error.http_status == HTTPStatus.INTERNAL_SERVER_ERROR or _is_about_process(error):
        # What went wrong inside is for the log: it may name what the client must not know.
        logger.error("a request failed: %s", error, exc_info=error)
        return _details(
            HTTPStatus.INTERNAL_SERVER_ERROR, "The server failed to answer; the error was logged."
        )
    if error.http_status == HTTPStatus.SERVICE_UNAVAILABLE:
        # The same goes for the address of a server, which is in what went wrong.
        logger.warning("a request was refused for now: %s", error)
        return _details(error.http_status, _UNKNOWN if _is_open(error) else _AWAY)
    return _details(error.http_status, str(error))


def stored_problem(error: BoilerError | HTTPException, fields: Mapping[str, str]) -> dict[str, Any]:
    """The problem that a document says, which has a bounded size.

    :param fields: the names of fields by attribute name: the client knows no others.
    """
    problem = problem_details(error, fields)
    problem["detail"] = storable_text(problem["detail"], _LONGEST_TEXT)
    if "errors" in problem:
        first = sorted(problem["errors"].items())[:_MOST_ERRORS]
        problem["errors"] = {
            storable_text(name, _LONGEST_TEXT): [
                storable_text(text, _LONGEST_TEXT) for text in said
            ]
            for name, said in first
        }
    return problem


def field_names(view_cls: type[ViewModel]) -> dict[str, str]:
    """The names of a view's fields by attribute name."""
    return {name: attribute.data_key for name, attribute in view_cls.attributes().items()}


def is_askers(error: BoilerError | HTTPException) -> bool:
    """Whether an error is about what a client asked for, and not about how things are run.

    It is not, if the same may succeed when it is tried again.
    """
    if isinstance(error, HTTPException):
        return 400 <= (error.code or 0) < 500
    return (
        isinstance(error, _ASKERS)
        and not isinstance(error, StoredDataError)
        and not _is_about_process(error)
    )


def refused_commit(error: BaseException) -> BoilerError | None:
    """The error that the sender of a document is told whose commit is refused for good.

    It has none of the server's own words. ``None`` if it is not for the sender to know.
    """
    if isinstance(error, ConflictError):
        return RefusedError(_CONTESTED)
    if not isinstance(error, BoilerError) or not is_askers(error):
        return None
    if isinstance(error, ValidationError):
        return UnstorableError(error.messages, where=error.where)
    return error


def _is_lost_race(error: BaseException) -> bool:
    """Whether Firestore said that something was changed by others, in words of its own."""
    return any(isinstance(e, BoilerError) and is_vendors(e) for e in (error, error.__cause__))


def _is_about_process(error: BoilerError) -> bool:
    """Whether Firestore does not allow this process something: no fault of a client's."""
    return isinstance(error, AuthError) and is_vendors(error)


def _is_open(error: Exception) -> bool:
    """Whether a change may have been made all the same, so that nobody should just repeat it."""
    return isinstance(error, UnavailableError) and error.outcome_unknown


def _renamed(name: str, fields: Mapping[str, str]) -> str:
    first, dot, rest = name.partition(".")
    return f"{fields.get(first, first)}{dot}{rest}"


def _details(
    status: int, detail: str, errors: Mapping[str, Sequence[str]] | None = None
) -> dict[str, Any]:
    details: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        "detail": detail,
    }
    if errors is not None:
        details["errors"] = errors
    return details
