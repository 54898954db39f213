"""Calls to Firestore that a :class:`~.reachability.Reachability` observes while they wait."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc

from flask_boiler.errors import UnavailableError
from flask_boiler.firestore.patience import DEFAULT_PATIENCE_S
from flask_boiler.firestore.reachability import Reachability

__all__ = ["ListenCall", "answered", "streamed"]

_END = object()


def answered(
    reachability: Reachability, method: Any, request: Any, *, metadata: Any, timeout: float
) -> Any:
    """The answer to a call that has one answer.

    :raises grpc.RpcError: its status, or CANCELLED when nobody is to wait any more.
    """
    # Only a call that is a future can be cancelled by another thread.
    call = method.future(request, metadata=metadata, timeout=min(timeout, DEFAULT_PATIENCE_S))
    try:
        with reachability.waiting(call.cancel):
            return call.result()
    except grpc.FutureCancelledError:
        raise _Cancelled from None
    except BaseException:
        call.cancel()
        raise


def streamed(
    reachability: Reachability, method: Any, request: Any, *, metadata: Any, timeout: float
) -> Iterator[Any]:
    """The answers to a call that has many, as they arrive.

    :raises grpc.RpcError: its status, or CANCELLED when nobody is to wait any more.
    """
    call = method(request, metadata=metadata, timeout=min(timeout, DEFAULT_PATIENCE_S))
    try:
        while True:
            with reachability.waiting(call.cancel):
                answer = next(call, _END)
            if answer is _END:
                return
            yield answer
    finally:
        call.cancel()


class ListenCall:
    """A Listen stream that reports to the reachability whether it is answered.

    :param call: gRPC's own.
    """

    def __init__(self, call: Any, reachability: Reachability) -> None:
        self._call = call
        self._reachability = reachability

    def __iter__(self) -> Iterator[Any]:
        # What it says first is owed at once, and later nothing, unless something changes.
        number = self._begun()
        error: Any = None
        try:
            for response in self._call:
                if number is not None:
                    self._reachability.end(number)
                    number = None
                self._reachability.heard()
                yield response
        except grpc.RpcError as ended:
            error = ended
            if number is None and ended.code() is grpc.StatusCode.UNAVAILABLE:
                self._reachability.failed(ended.details() or "the stream was interrupted")
            raise
        finally:
            self._reachability.ended()
            if number is not None:
                self._reachability.end(number, error)

    def _begun(self) -> int | None:
        try:
            return self._reachability.begin(self._call.cancel)
        except UnavailableError:
            self._call.cancel()
            raise _Cancelled from None

    def __getattr__(self, name: str) -> Any:
        # What else gRPC knows of it.
        return getattr(self._call, name)

    def cancel(self) -> None:
        """End the stream; this may be called from any thread."""
        self._call.cancel()


class _Cancelled(grpc.RpcError):
    """The call was cancelled, and nobody waits for its answer any more."""

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.CANCELLED

    def details(self) -> str:
        return "nobody waits for the answer any more"
