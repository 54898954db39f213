"""The limit of how long a caller waits for a Firestore that does not answer.

Whoever works in the background can wait for long; whoever holds a client's request cannot. What
counts is only the time in which Firestore is asked and gives no answer: it starts again with each
answer, and neither a long list nor a contested document uses it up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from flask_boiler.errors import UnavailableError

__all__ = ["DEFAULT_PATIENCE_S", "Patience", "current_patience", "waiting_at_most"]

_T = TypeVar("_T")

#: Of those who are not bound by :func:`waiting_at_most`, for each call.
DEFAULT_PATIENCE_S = 60.0
#: The part of what is left that a commit may take; the rest is for looking what became of it.
_COMMIT_SHARE = 0.75


class Patience:
    """The rest of the time that a caller waits for Firestore.

    :param most_s: how long they wait without any answer; ``None`` for the default, at each call.
    """

    def __init__(self, most_s: float | None = None) -> None:
        self._most_s = most_s
        self._silence = _Silence()
        # That reads are answered is no sign that commits will be.
        self._silence_to_commits = _Silence()

    def ask(self, call: Callable[[float], _T], most_s: float | None = None) -> _T:
        """The result of ``call``, which gets the number of seconds that it may take.

        :param most_s: no longer than this in any case; by default as long as there is patience.
        :raises UnavailableError: there was no answer; or nobody was asked, as nothing is left.
        """
        if self._most_s is None:
            return call(DEFAULT_PATIENCE_S if most_s is None else most_s)
        left_s = _left(self._most_s, self._silence)
        with self._silence.measured():
            return call(left_s if most_s is None else min(most_s, left_s))

    def ask_to_commit(self, call: Callable[[float], _T]) -> _T:
        """Ask Firestore to commit: a part of the time is kept to find out the outcome."""
        if self._most_s is None:
            return call(DEFAULT_PATIENCE_S)
        left_s = _left(self._most_s, self._silence_to_commits)
        with self._silence_to_commits.measured():
            return self.ask(lambda allowed_s: call(_COMMIT_SHARE * allowed_s), left_s)


class _Silence:
    """The time since Firestore last answered, while it was asked."""

    def __init__(self) -> None:
        self.seconds = 0.0

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Measure a call in the block; an error is an answer, unless it says there was none."""
        began_s, seconds = time.monotonic(), 0.0
        try:
            yield
        except UnavailableError:
            seconds = self.seconds + time.monotonic() - began_s
            raise
        finally:
            self.seconds = seconds


def _left(most_s: float, silence: _Silence) -> float:
    left_s = most_s - silence.seconds
    if left_s <= 0:
        raise UnavailableError(f"Firestore has not answered for {most_s:g} s")
    return left_s


_current: ContextVar[Patience] = ContextVar("flask_boiler_patience")
_UNBOUND = Patience()


def current_patience() -> Patience:
    """The patience of the code that runs here."""
    return _current.get(_UNBOUND)


@contextmanager
def waiting_at_most(seconds: float) -> Iterator[None]:
    """In the block, raise UnavailableError when Firestore has not answered for this time.

    :param seconds: ``math.inf`` to wait for ever.
    """
    token = _current.set(Patience(seconds))
    try:
        yield
    finally:
        _current.reset(token)
