"""Signals that ask a process to end: the process waits for them, and decides how it ends."""

from __future__ import annotations

import math
import select
import signal
import socket
import time
from types import FrameType, TracebackType
from typing import Self

__all__ = ["EndRequests"]

#: What asks a process to end: Ctrl-C, whatever supervises it, and a terminal that goes away.
_REQUESTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class EndRequests:
    """The signals SIGINT, SIGTERM and SIGHUP in order, as a context manager of the main thread.

    A SIGHUP that the process was started to ignore, as ``nohup`` does, stays ignored. After the
    block all of them are: the process is about to end, and none of them is to spoil its status.
    """

    def __init__(self) -> None:
        self._numbers: list[signal.Signals] = []
        # A signal that comes just before somebody begins to wait wakes nobody, if it is not written
        # somewhere: its handler runs when the waiting is over.
        self._heard, self._written = socket.socketpair()
        self._before = -1

    def __enter__(self) -> Self:
        for end in (self._heard, self._written):
            end.setblocking(False)
        self._before = signal.set_wakeup_fd(self._written.fileno(), warn_on_full_buffer=False)
        self._numbers = [
            number
            for number in _REQUESTS
            if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN
        ]
        for number in self._numbers:
            signal.signal(number, _only_wake)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number in self._numbers:
            signal.signal(number, signal.SIG_IGN)
        signal.set_wakeup_fd(self._before)
        self._heard.close()
        self._written.close()

    def wait(self, timeout_s: float | None = None) -> signal.Signals | None:
        """The next signal; ``None`` if none comes in time."""
        ends_at = math.inf if timeout_s is None else time.monotonic() + timeout_s
        while True:
            left_s = None if timeout_s is None else max(0.0, ends_at - time.monotonic())
            heard, _, _ = select.select([self._heard], [], [], left_s)
            if not heard:
                return None
            # Whatever else the process has handlers for is written, too.
            [number] = self._heard.recv(1)
            if number in self._numbers:
                return signal.Signals(number)


def _only_wake(number: int, frame: FrameType | None) -> None:
    """Do nothing: the signal has already been written to the pipe."""
