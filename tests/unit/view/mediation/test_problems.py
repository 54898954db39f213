"""What clients are told of errors, and what not."""

from __future__ import annotations

import grpc
import pytest

from flask_boiler.errors import AuthError, PermissionDeniedError, UnauthenticatedError
from flask_boiler.firestore.failures import translated
from flask_boiler.view.mediation.problems import is_askers, problem_details


class _Denied(grpc.RpcError):
    def __init__(self, code: grpc.StatusCode) -> None:
        super().__init__()
        self._code = code

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return "projects/secret-1 is not yours"


@pytest.mark.parametrize(
    "code", [grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED]
)
def test_what_firestore_does_not_allow_the_process_is_not_told(code: grpc.StatusCode) -> None:
    with pytest.raises(AuthError) as denied, translated("reading"):
        raise _Denied(code)
    details = problem_details(denied.value, {})
    assert details["status"] == 500
    assert details["detail"] == "The server failed to answer; the error was logged."
    assert not is_askers(denied.value)


@pytest.mark.parametrize(
    ("kind", "status"), [(UnauthenticatedError, 401), (PermissionDeniedError, 403)]
)
def test_what_the_application_does_not_allow_is_told_whatever_made_it_decide(
    kind: type[AuthError], status: int
) -> None:
    with pytest.raises(AuthError) as denied:
        raise kind("Ask the host.") from ValueError("a token that has expired")
    details = problem_details(denied.value, {})
    assert (details["status"], details["detail"]) == (status, "Ask the host.")
    assert is_askers(denied.value)
