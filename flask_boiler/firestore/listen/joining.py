"""The rule when new targets are asked for: not before the server has answered many earlier ones.

A server says a marker when it has dealt with what it was asked. Whoever asks for more and more
before that has it say none, or say what is long past, and everybody who listens waits for the
newcomers. So a few are asked for at once; when their marker takes long, or many have no answer,
others wait for it, though not for ever. Those that nobody wants any more when it comes are never
asked for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from flask_boiler.ground.values import Target

__all__ = ["Joining"]

#: As many may be without an answer.
_MOST_UNANSWERED = 100
#: A marker that takes longer has been kept back.
_SOON_S = 0.1


class Joining:
    """The targets that wait to be asked for; not thread-safe.

    :param unanswered: how many targets the server was asked for, and has yet to tell or to remove.
    :param within_s: how long a target waits at the most.
    """

    def __init__(self, unanswered: Callable[[], int], within_s: float) -> None:
        self._unanswered = unanswered
        self._within_s = within_s
        self._waiting: dict[Target, None] = {}
        #: Since when the first of them waits.
        self._waiting_since = math.inf
        #: Since when the server owes a marker for those that were asked for.
        self._owing_since = math.inf

    def ask(self, targets: Sequence[Target], now: float) -> list[Target]:
        """The targets to ask for now, of these new ones; the others wait."""
        if targets and not self._waiting:
            self._waiting_since = now
        self._waiting.update(dict.fromkeys(targets))
        return self._take(now) if self._is_open(now) else []

    def leave(self, target: Target) -> None:
        """Remove a target from those that wait, because nobody needs it any more."""
        self._waiting.pop(target, None)

    def marked(self, now: float) -> list[Target]:
        """The targets to ask for after a marker has come."""
        self._owing_since = math.inf
        return self._take(now) if self._is_open(now) else []

    def restart(self) -> list[Target]:
        """The targets that were waiting: a new stream asks for all of them."""
        taken = self._take(math.inf)
        self._owing_since = math.inf
        return taken

    @property
    def due_at(self) -> float:
        """The time at which the waiting targets have waited long enough; infinite if none waits."""
        return self._waiting_since + self._within_s if self._waiting else math.inf

    def due(self, now: float) -> list[Target]:
        """The targets that have waited long enough, and are to be asked for now."""
        return self._take(now) if now >= self.due_at else []

    def _is_open(self, now: float) -> bool:
        return self._unanswered() < _MOST_UNANSWERED and now - self._owing_since < _SOON_S

    def _take(self, now: float) -> list[Target]:
        taken = list(self._waiting)
        self._waiting.clear()
        if taken:
            self._owing_since = min(self._owing_since, now)
        return taken
