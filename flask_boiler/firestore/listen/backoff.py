"""The waiting times before a stream is opened again; pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Backoff", "BackoffPolicy"]


@dataclass(frozen=True, slots=True)
class BackoffPolicy:
    """The shortest and the longest waiting time, and how they grow.

    :param jitter: each wait is longer or shorter by up to this share, so that many clients
        that lost a server together do not come back together.
    """

    initial_s: float = 1.0
    factor: float = 1.5
    maximum_s: float = 60.0
    jitter: float = 0.5


class Backoff:
    """The waiting times, which grow until something succeeds.

    :param rng: gives numbers from 0 (inclusive) to 1, as ``random.random`` does.
    """

    def __init__(self, policy: BackoffPolicy, rng: Callable[[], float]) -> None:
        self._policy = policy
        self._rng = rng
        self._next_s = policy.initial_s

    def reset(self) -> None:
        """Start again with the shortest waiting time, because something has succeeded."""
        self._next_s = self._policy.initial_s

    def exhaust(self) -> None:
        """Use the longest waiting time next: the server asked for it, or will refuse again."""
        self._next_s = self._policy.maximum_s

    def next_delay_s(self) -> float:
        """The waiting time in seconds; the next one is longer."""
        policy = self._policy
        delay_s = self._next_s * (1 + policy.jitter * (2 * self._rng() - 1))
        self._next_s = min(self._next_s * policy.factor, policy.maximum_s)
        return min(delay_s, policy.maximum_s)
