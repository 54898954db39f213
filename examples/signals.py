"""Ending in good order."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["ignore_interrupts", "signals_handled"]


@contextmanager
def signals_handled() -> Iterator[None]:
    """SIGTERM ends in good order, as Ctrl-C does."""
    on_interrupt = signal.getsignal(signal.SIGINT)
    on_terminate = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, on_terminate)
        signal.signal(signal.SIGINT, on_interrupt)


def ignore_interrupts() -> None:
    """The end takes a moment, and a second Ctrl-C would leave things lying about."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
