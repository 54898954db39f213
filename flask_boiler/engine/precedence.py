"""The precedence of views that are given up, before others show that they are."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable

from flask_boiler.engine.view_key import ViewKey

__all__ = ["Keep", "Precedence"]

#: Has views of a mediator computed, and kept from now on if they are new: ``Engine.keep``.
Keep = Callable[[Collection[ViewKey]], None]


class Precedence:
    """The views of a group, of which those that leave come before all others.

    What shows that one has left is published once the documents of that one are gone: nobody is
    to see both. For any number of threads.

    :param keep: called without a lock of this object's.
    """

    def __init__(self, keep: Keep) -> None:
        self._keep = keep
        # Guards the following.
        self._lock = threading.Lock()
        self._kept: set[ViewKey] = set()
        self._leaving: set[ViewKey] = set()
        self._behind: dict[ViewKey, None] = {}

    def admit(self, key: ViewKey) -> None:
        """Note that a view is kept from now on."""
        with self._lock:
            self._kept.add(key)

    def kept_but(self, entries: Collection[ViewKey]) -> list[ViewKey]:
        """The views that are kept and are no entries."""
        with self._lock:
            return [key for key in self._kept if key not in entries]

    def not_kept(self, entries: Iterable[ViewKey]) -> list[ViewKey]:
        """The entries whose views are not kept, or not any more."""
        with self._lock:
            return [key for key in entries if key not in self._kept]

    def keep(self, leaving: Collection[ViewKey], others: Collection[ViewKey]) -> None:
        """Have views computed: those that leave, and the others as soon as these have left.

        Who was to leave and is not named any more stays.
        """
        with self._lock:
            self._leaving = set(leaving)
            self._behind.update(dict.fromkeys(others))
        self._keep(leaving)
        self._go_on()

    def wait(self, key: ViewKey) -> bool:
        """Have a view computed once all have left that are about to; false if none is."""
        with self._lock:
            if not self._leaving:
                return False
            self._behind[key] = None
            return True

    def published(self, key: ViewKey, *, gone: bool) -> None:
        """Note that a view was published, for the last time if it is gone."""
        with self._lock:
            if gone:
                self._kept.discard(key)
            else:
                self._kept.add(key)
        if gone:
            self.passed_over(key)

    def passed_over(self, key: ViewKey) -> None:
        """Wait for a view no longer: it has left, or cannot."""
        with self._lock:
            self._leaving.discard(key)
        self._go_on()

    def _go_on(self) -> None:
        with self._lock:
            if self._leaving or not self._behind:
                return
            behind, self._behind = list(self._behind), {}
        self._keep(behind)
