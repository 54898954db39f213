"""Turns: after losing a race for a document, the attempts of one process go one by one.

Optimistic transactions that change one document disturb each other: while many run at once, one
commits and all others have worked in vain. Of those that have lost, each process lets one at a
time try again, so that the race is between processes, however many threads each has.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

__all__ = ["Turns"]


@dataclass(slots=True)
class _Turn:
    """The turn for one document, and how many have it or wait for it."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    parties: int = 0


class Turns:
    """The turns of one process by document; a document that nobody waits for takes no memory."""

    def __init__(self) -> None:
        self._forget()
        os.register_at_fork(after_in_child=self._forget)

    @contextmanager
    def taken(self, keys: Collection[tuple[str, ...]], *, timeout_s: float) -> Iterator[bool]:
        """Have the block run alone, among those of this process that take turns for the documents.

        Gives whether others had to be waited for.

        A turn only saves work: who does not get it in time goes on without.

        :param keys: what is asked for; always in one order, so that nobody waits in a circle.
        """
        deadline = time.monotonic() + timeout_s
        turns = {key: self._join(key) for key in sorted(keys)}
        held: list[_Turn] = []
        waited = False
        try:
            for turn in turns.values():
                if turn.lock.acquire(blocking=False):
                    held.append(turn)
                    continue
                waited = True
                if turn.lock.acquire(timeout=max(0.0, deadline - time.monotonic())):
                    held.append(turn)
            yield waited
        finally:
            for turn in held:
                turn.lock.release()
            for key in turns:
                self._leave(key)

    def waiting(self) -> int:
        """The number of documents for which somebody has a turn or waits for one."""
        with self._lock:
            return len(self._turns)

    def _join(self, key: tuple[str, ...]) -> _Turn:
        with self._lock:
            turn = self._turns.setdefault(key, _Turn())
            turn.parties += 1
            return turn

    def _leave(self, key: tuple[str, ...]) -> None:
        with self._lock:
            turn = self._turns.get(key)
            if turn is not None:
                turn.parties -= 1
                if not turn.parties:
                    del self._turns[key]

    def _forget(self) -> None:
        # Also in a forked child, where nobody would ever release what others held.
        self._lock = threading.Lock()
        self._turns: dict[tuple[str, ...], _Turn] = {}
