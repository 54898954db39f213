"""The values that a live view had, by version: what a client missed is told as a patch of one.

A version is a read time in microseconds: the time at which the view is known to have had the
value. So versions compare between processes, and across restarts.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, NamedTuple

from flask_boiler.ground.json_text import canonical_json
from flask_boiler.view.socketio.deltas import json_patch, merge_patch
from flask_boiler.view.socketio.options import Updates

__all__ = ["History", "State"]


class State(NamedTuple):
    """A view's value at a version.

    :param text: the value as JSON, to compare with others and to know its size.
    """

    version: int
    value: dict[str, Any]
    text: str


class History:
    """The newest values of a view, each by its versions. Not thread-safe.

    :param most: how many versions before the newest are remembered.
    :param most_bytes: how much their values may take together, as JSON.
    """

    def __init__(self, most: int, most_bytes: int) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._states: OrderedDict[int, State] = OrderedDict()
        #: The size of the values that are remembered.
        self.size_bytes = 0

    def __len__(self) -> int:
        return len(self._states)

    def add(self, state: State) -> None:
        """Remember a new value, and forget the oldest ones if they are too many or too large."""
        self._states[state.version] = state
        self.size_bytes += len(state.text)
        while len(self._states) > 1 and (
            len(self._states) > self._most + 1 or self.size_bytes > self._most_bytes
        ):
            version, oldest = self._states.popitem(last=False)
            # A value may have several versions; it is held once.
            self.size_bytes -= len(oldest.text) if version == oldest.version else 0

    def name_anew(self, version: int, state: State) -> None:
        """Remember one more version of a value."""
        self._states[version] = state

    def clear(self) -> None:
        """Forget all values."""
        self._states.clear()
        self.size_bytes = 0

    def patch(self, updates: Updates, held: int, newest: State) -> Any:
        """The patch that makes the newest value of an earlier one.

        :param held: the version of the earlier value.
        :returns: ``None`` if there is none, or none that is smaller than the newest value.
        """
        before = self._states.get(held)
        if updates == "full" or before is None:
            return None
        try:
            make = json_patch if updates == "json-patch" else merge_patch
            patch = make(before.value, newest.value)
        except ValueError:
            return None
        size = len(canonical_json(patch))
        return patch if size < len(newest.text) else None
