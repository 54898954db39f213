"""Views that could not be computed while Firestore refused everybody what it was asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

from flask_boiler.engine.acceptance import Acceptance
from flask_boiler.engine.live_view import AnyView, Phase
from flask_boiler.engine.parking.parking import Parking
from flask_boiler.engine.view_key import ViewKey
from flask_boiler.errors import BoilerError
from flask_boiler.firestore.failures import is_refusal

__all__ = ["Hindered"]


class Hindered:
    """The views that wait until commits are taken again, or are parked when that takes long.

    So are those that could not be published; what was parked for a refusal is tried again, too.

    :param lock: the engine's, under which all of these are used.
    """

    def __init__(
        self,
        acceptance: Acceptance,
        lock: AbstractContextManager[object],
        views: Mapping[ViewKey, AnyView],
        parking: Parking,
        *,
        touch: Callable[[AnyView], None],
        park: Callable[[AnyView, Exception], None],
    ) -> None:
        self._acceptance = acceptance
        self._lock = lock
        self._views = views
        self._parking = parking
        self._touch = touch
        self._park = park
        self._waiting: set[ViewKey] = set()
        acceptance.on_taken = self._try_again
        acceptance.on_lasting = self._give_up

    def concerns_all(self, error: BaseException) -> bool:
        """Whether a view failed because Firestore refuses everybody at present; asks it."""
        return is_refusal(error) and self._acceptance.is_refused_to_all()

    def may_wait(self, key: ViewKey) -> bool:
        """Have a view wait; whether there is anything to wait for, and patience.

        The lock is held.
        """
        if self._acceptance.hindrance is None or self._acceptance.lasts:
            return False
        self._waiting.add(key)
        return True

    def is_over(self) -> bool:
        """Whether commits are taken again already."""
        return self._acceptance.hindrance is None

    def parked(self, error: Exception) -> None:
        """Note why a view was parked; if it was refused alone, it is tried again in a while."""
        if is_refusal(error) and self._acceptance.hindrance is None:
            self._acceptance.refused_alone()

    def _try_again(self) -> None:
        with self._lock:
            refused = {view.key for view in self._parking.parked() if is_refusal(view.error)}
            for key in (self._waiting | refused) & self._views.keys():
                self._touch(self._views[key])
            self._waiting.clear()

    def _give_up(self, error: BoilerError) -> None:
        with self._lock:
            for key in self._waiting & self._views.keys():
                view = self._views[key]
                # Else it has been tried again meanwhile.
                if view.phase is Phase.WAITING and not view.waits_for:
                    self._park(view, error)
            self._waiting.clear()
