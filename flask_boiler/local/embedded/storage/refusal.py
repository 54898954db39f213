"""A refusal: the status with which a call ends instead of a result."""

from __future__ import annotations

import grpc

__all__ = ["Refusal", "aborted", "failed_precondition", "invalid", "not_found", "unimplemented"]


class Refusal(Exception):
    """A call ends with this status; nothing that it asked for has happened.

    :param code: as the client sees it.
    :param details: what was refused, and why.
    """

    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        super().__init__(f"{code.name}: {details}")
        self.code = code
        self.details = details


def invalid(details: str) -> Refusal:
    """A refusal because the request can never succeed."""
    return Refusal(grpc.StatusCode.INVALID_ARGUMENT, details)


def not_found(details: str) -> Refusal:
    """A refusal because what the request needs does not exist."""
    return Refusal(grpc.StatusCode.NOT_FOUND, details)


def failed_precondition(details: str) -> Refusal:
    """A refusal because the request does not fit the present state."""
    return Refusal(grpc.StatusCode.FAILED_PRECONDITION, details)


def aborted(details: str) -> Refusal:
    """A refusal because somebody else was faster; the whole transaction may be tried again."""
    return Refusal(grpc.StatusCode.ABORTED, details)


def unimplemented(details: str) -> Refusal:
    """A refusal because Firestore can do this and this server cannot."""
    return Refusal(grpc.StatusCode.UNIMPLEMENTED, details)
