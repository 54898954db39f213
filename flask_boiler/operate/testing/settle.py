"""The type of the fixture ``settle``, with which tests wait."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Settle"]


class Settle(Protocol):
    """Waits until everything that was committed is published, and what that caused too.

    The type of the fixture ``settle``.
    """

    def __call__(self, timeout_s: float = 30.0) -> None:
        """Wait at most so long.

        :raises TimeoutError: naming what is still busy.
        """
        ...
