"""Which views read which documents and queries.

A bipartite graph, kept for its two questions: who reads this target, and what does this
view read. Each target that somebody reads is listened to once, and released with its last
reader. Not thread-safe: the engine's lock guards it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from flask_boiler.engine.keys import ViewKey
from flask_boiler.values import Target

__all__ = ["Dependencies", "Swap"]


@dataclass(frozen=True, slots=True)
class Swap:
    """What changed when a view's dependencies were replaced.

    :param added: targets that this view did not read before.
    :param appeared: those of them that nobody read before: listen to them.
    :param vanished: targets that nobody reads any more: release them.
    """

    added: frozenset[Target] = field(default=frozenset())
    appeared: frozenset[Target] = field(default=frozenset())
    vanished: frozenset[Target] = field(default=frozenset())


#: What most computations change: nothing.
_SAME = Swap()


class Dependencies:
    """The graph of views and what they read."""

    def __init__(self) -> None:
        self._readers: dict[Target, set[ViewKey]] = {}
        self._reads: dict[ViewKey, frozenset[Target]] = {}

    def readers(self, target: Target) -> Collection[ViewKey]:
        """The views that read a target."""
        return self._readers.get(target, ())

    def reads(self, key: ViewKey) -> frozenset[Target]:
        """What a view reads."""
        return self._reads.get(key, frozenset())

    def targets(self) -> int:
        """How many targets are read by somebody."""
        return len(self._readers)

    def replace(self, key: ViewKey, targets: Iterable[Target]) -> Swap:
        """Let a view read exactly ``targets`` from now on."""
        before = self.reads(key)
        after = frozenset(targets)
        if before == after:
            return _SAME
        added = after - before
        appeared = frozenset(t for t in added if t not in self._readers)
        for target in added:
            self._readers.setdefault(target, set()).add(key)
        vanished = frozenset(t for t in before - after if self._leave(key, t))
        self._remember(key, after)
        return Swap(added, appeared, vanished)

    def _leave(self, key: ViewKey, target: Target) -> bool:
        readers = self._readers[target]
        readers.discard(key)
        if readers:
            return False
        del self._readers[target]
        return True

    def _remember(self, key: ViewKey, targets: frozenset[Target]) -> None:
        if targets:
            self._reads[key] = targets
        else:
            self._reads.pop(key, None)
