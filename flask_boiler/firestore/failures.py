"""The translation of the vendor's errors into the framework's own, which happens only here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc

from flask_boiler.errors import (
    AuthError,
    BoilerError,
    ConflictError,
    DatastoreError,
    DocumentNotFoundError,
    MissingIndexError,
    PermissionDeniedError,
    QueryError,
    UnauthenticatedError,
    UnavailableError,
    UnstorableError,
)

__all__ = ["TRANSIENT", "is_refusal", "is_vendors", "translated"]

#: Codes after which it is not known whether the server did what it was asked.
TRANSIENT = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
    }
)
# RESOURCE_EXHAUSTED is an answer: the server has refused.
_OUTCOME_UNKNOWN = TRANSIENT - {grpc.StatusCode.RESOURCE_EXHAUSTED}
_URL = re.compile(r"https://\S+")
# gRPC says RESOURCE_EXHAUSTED of messages that no waiting makes smaller.
_TOO_LARGE = re.compile(r"message (exceeds maximum size|larger than max)", re.IGNORECASE)
_DOCUMENT = re.compile(r"/documents/([^\s\"']+)")


@contextmanager
def translated(what: str, *, writing: bool = False) -> Iterator[None]:
    """In the block, raise the framework's error for any gRPC error.

    :param what: what was tried, for the message.
    :param writing: the call may change data, so a lost answer leaves its outcome unknown.
    """
    try:
        yield
    except grpc.RpcError as error:
        raise _translate(error, what, writing) from error


def is_vendors(error: BoilerError) -> bool:
    """Whether an error comes from Firestore, rather than from this package or an application."""
    return isinstance(error.__cause__, grpc.RpcError)


def is_refusal(error: BaseException | None) -> bool:
    """Whether Firestore refuses the client altogether: it is not known, or has no permissions.

    It may be so for everybody at present. A quota that is used up is of the same kind; what an
    application raises of that kind is not.
    """
    if not isinstance(error, BoilerError) or not is_vendors(error):
        return False
    if isinstance(error, AuthError):
        return True
    code = getattr(error.__cause__, "code", None)
    exhausted = code is not None and code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    return isinstance(error, UnavailableError) and exhausted


def _translate(error: Any, what: str, writing: bool) -> BoilerError:
    code = error.code()
    details = error.details() or ""
    text = f"{what}: {code.name}: {details}"
    if _TOO_LARGE.search(details):
        return _too_large(text, writing)
    if code in TRANSIENT:
        unknown = writing and code in _OUTCOME_UNKNOWN
        return UnavailableError(text, outcome_unknown=unknown)
    if writing:
        return _refused_commit(code, text, details)
    return _refused_read(code, text, details)


def _too_large(text: str, writing: bool) -> BoilerError:
    if writing:
        return UnstorableError({"commit": [f"{text} (write less in one commit)"]})
    return DatastoreError(f"{text} (read less in one request)")


def _refused_commit(code: grpc.StatusCode, text: str, details: str) -> BoilerError:
    found = _DOCUMENT.search(details)
    path = found.group(1).rstrip(".,;:)") if found else None
    match code:
        case (
            grpc.StatusCode.ABORTED
            | grpc.StatusCode.FAILED_PRECONDITION
            | grpc.StatusCode.ALREADY_EXISTS
        ):
            return ConflictError(text, path=path)
        case grpc.StatusCode.NOT_FOUND:
            return DocumentNotFoundError(path or "", text)
        case grpc.StatusCode.INVALID_ARGUMENT:
            return UnstorableError({"document": [text]}, where=path or "")
        case _:
            return _refused_anyhow(code, text)


def _refused_read(code: grpc.StatusCode, text: str, details: str) -> BoilerError:
    match code:
        case grpc.StatusCode.FAILED_PRECONDITION if "index" in details:
            url = _URL.search(details)
            return MissingIndexError(
                f"{text} (create the index, then try again)",
                create_url=url.group(0) if url else None,
            )
        case grpc.StatusCode.INVALID_ARGUMENT | grpc.StatusCode.FAILED_PRECONDITION:
            return QueryError(text)
        case grpc.StatusCode.ABORTED:
            return ConflictError(text)
        case _:
            return _refused_anyhow(code, text)


def _refused_anyhow(code: grpc.StatusCode, text: str) -> BoilerError:
    match code:
        case grpc.StatusCode.UNAUTHENTICATED:
            return UnauthenticatedError(f"{text} (check the certificate and the clock)")
        case grpc.StatusCode.PERMISSION_DENIED:
            return PermissionDeniedError(f"{text} (check the service account's roles)")
        case _:
            return DatastoreError(text)
