"""When new targets may join a stream: not while it owes a marker for those that joined before.

A server says a marker when it has dealt with what it was asked. Whoever asks for more and more
before that has it say none, and everybody who listens waits for the newcomers. So a few are asked
for at once; when their marker takes long, or they are many, others wait for it, though not for
ever. Those that nobody wants any more when it comes are never asked for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from flask_boiler.values import Target

__all__ = ["Joining"]

#: As many targets join before the first marker, in one go or several.
_MOST_UNANSWERED = 100
#: A marker that takes longer has been kept back.
_SOON_S = 0.1


class Joining:
    """Which targets wait to be asked for; not thread-safe.

    :param within_s: how long a target waits at the most.
    """

    def __init__(self, within_s: float) -> None:
        self._within_s = within_s
        self._waiting: dict[Target, None] = {}
        #: When the first of those that no marker has come for was asked for, and how many they are.
        self._since = math.inf
        self._unanswered = 0

    def ask(self, targets: Sequence[Target], now: float) -> list[Target]:
        """Those to ask for now; the others wait."""
        self._waiting.update(dict.fromkeys(targets))
        return [] if self._is_closed(now) else self._take(now)

    def leave(self, target: Target) -> None:
        """Nobody wants it any more."""
        self._waiting.pop(target, None)

    def answered(self, now: float) -> list[Target]:
        """A marker came: those to ask for now."""
        self._since, self._unanswered = math.inf, 0
        return self._take(now)

    def restart(self) -> list[Target]:
        """A new stream begins, on which all are asked for: those that waited."""
        waiting = list(self._waiting)
        self._waiting.clear()
        self._since, self._unanswered = math.inf, 0
        return waiting

    @property
    def due_at(self) -> float:
        """When those that wait have waited for long enough; infinite if none waits."""
        return self._since + self._within_s if self._waiting else math.inf

    def due(self, now: float) -> list[Target]:
        """Those that have waited for long enough: ask for them now."""
        return self._take(now) if now >= self.due_at else []

    def _is_closed(self, now: float) -> bool:
        late_s = now - self._since
        if late_s >= self._within_s:
            return False
        return self._unanswered >= _MOST_UNANSWERED or late_s >= _SOON_S

    def _take(self, now: float) -> list[Target]:
        taken = list(self._waiting)
        self._waiting.clear()
        if taken:
            if self._since == math.inf or now - self._since >= self._within_s:
                self._since = now
            self._unanswered += len(taken)
        return taken
