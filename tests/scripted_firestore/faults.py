"""What is to go wrong, as a test decides."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import grpc

from tests.scripted_firestore.storage import Refusal


@dataclass(slots=True)
class _FailingCommits:
    code: grpc.StatusCode
    times: int
    applied: bool


class Faults:
    """Thread-safe; what is set holds until it is taken back, unless it says otherwise."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._rejected: dict[str, tuple[grpc.StatusCode, str]] = {}
        self._refused_streams: tuple[grpc.StatusCode, str] | None = None
        self._commits: _FailingCommits | None = None
        self._held = 0
        #: The streams of a server that is dumb take everything in and say nothing.
        self.dumb = False

    def reject(
        self,
        target: str,
        code: grpc.StatusCode = grpc.StatusCode.PERMISSION_DENIED,
        message: str = "Missing or insufficient permissions.",
    ) -> None:
        """Refuse a target: a document by its path, all queries on a collection by its id."""
        with self._condition:
            self._rejected[target] = (code, message)

    def accept(self, target: str) -> None:
        """Refuse it no more."""
        with self._condition:
            self._rejected.pop(target, None)

    def rejection(self, target: str) -> tuple[grpc.StatusCode, str] | None:
        with self._condition:
            return self._rejected.get(target)

    def refuse_streams(self, code: grpc.StatusCode | None, details: str = "refused") -> None:
        """End every new stream at once with this code; ``None`` accepts them again."""
        with self._condition:
            self._refused_streams = None if code is None else (code, details)

    def check_stream(self) -> None:
        with self._condition:
            refused = self._refused_streams
        if refused is not None:
            raise Refusal(*refused)

    def fail_commits(self, code: grpc.StatusCode, *, times: int = 1, applied: bool = False) -> None:
        """Answer the next commits with this code, before or after applying them."""
        with self._condition:
            self._commits = _FailingCommits(code, times, applied)

    def take_commit_failure(self) -> tuple[grpc.StatusCode, bool] | None:
        """The code to answer a commit with, and whether to apply it all the same."""
        with self._condition:
            failing = self._commits
            if failing is None or failing.times <= 0:
                return None
            failing.times -= 1
            return failing.code, failing.applied

    @contextmanager
    def holding(self) -> Iterator[None]:
        """Let no stream say anything in the block; afterwards they say it all at once."""
        with self._condition:
            self._held += 1
        try:
            yield
        finally:
            with self._condition:
                self._held -= 1
                self._condition.notify_all()

    def wait_while_held(self) -> None:
        with self._condition:
            self._condition.wait_for(lambda: not self._held)
