"""What an engine has done so far, counted."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Statistics"]


@dataclass(slots=True)
class Statistics:
    """Counters; they only grow.

    :param cuts: changes heard, several cuts being one where the engine was slower.
    :param computed: computations of views.
    :param published: computed values that were written.
    :param unchanged: computed values that were stored already, so nothing was written.
    :param lost: computed values that had lost to a newer value.
    :param parked: failures.
    """

    cuts: int = 0
    computed: int = 0
    published: int = 0
    unchanged: int = 0
    lost: int = 0
    parked: int = 0
