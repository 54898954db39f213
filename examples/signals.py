"""Signals: ending a demo cleanly."""

from __future__ import annotations

import signal
from collections.abc import Generator
from contextlib import contextmanager

__all__ = ["ignore_interrupts", "signals_handled"]


@contextmanager
def signals_handled() -> Generator[None]:
    """In the block, SIGTERM ends the program as Ctrl-C does."""
    on_interrupt = signal.getsignal(signal.SIGINT)
    on_terminate = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, on_terminate)
        signal.signal(signal.SIGINT, on_interrupt)


def ignore_interrupts() -> None:
    """Ignore further Ctrl-Cs, because ending takes a moment."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
