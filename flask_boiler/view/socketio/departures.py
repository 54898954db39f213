"""The departures of clients: sent away after a time, they come back and are authorized again."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable

from flask_boiler.ground.timing import Timekeeper

__all__ = ["Departures"]

logger = logging.getLogger(__name__)


class Departures:
    """Sends each client away when its time has come.

    :param after_s: how long each may stay; with ``None``, as long as it likes.
    :param send_away: is called on a thread of this object's; nobody waits for it.
    """

    def __init__(
        self,
        after_s: float | None,
        send_away: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._after_s = after_s
        self._send_away = send_away
        self._clock = clock
        # Guards what is below. Nobody is sent away while it is held, for that ends in `cancel`.
        self._lock = threading.Lock()
        #: By client.
        self._due: dict[str, float] = {}
        self._timekeeper: Timekeeper | None = None
        self._stopped = False

    def start(self) -> None:
        """Expect clients again; before the first stop it does so anyway."""
        with self._lock:
            self._stopped = False

    def now(self) -> float:
        """The time as :meth:`expect` takes it."""
        return self._clock()

    def expect(self, sid: str, *, since: float | None = None) -> None:
        """Send a client away when its time has come.

        :param since: when it came, if that was before now.
        """
        if self._after_s is None:
            return
        with self._lock:
            if self._stopped:
                # It connected as all are sent away: nobody would end a thread that waits for it.
                return
            came = self._clock() if since is None else since
            at = self._due[sid] = came + self._after_s
            if self._timekeeper is None:
                self._timekeeper = Timekeeper(self._tick, self._clock, name="flask-boiler-doorman")
                self._timekeeper.start()
            self._timekeeper.wake_by(at)

    def cancel(self, sid: str) -> None:
        """Send a client away no more, which is gone already."""
        with self._lock:
            self._due.pop(sid, None)

    def stop(self) -> None:
        """Send nobody away any more, and end the thread."""
        with self._lock:
            self._stopped = True
            self._due.clear()
            timekeeper, self._timekeeper = self._timekeeper, None
        if timekeeper is not None:
            timekeeper.stop()

    def _tick(self) -> float:
        for sid in self._take_due():
            try:
                self._send_away(sid)
            except BaseException:
                # It may end in an `on_disconnect` of the application's.
                logger.exception("a WebSocket client could not be disconnected; the others are")
        with self._lock:
            return min(self._due.values(), default=math.inf)

    def _take_due(self) -> list[str]:
        with self._lock:
            now = self._clock()
            due = [sid for sid, at in self._due.items() if at <= now]
            for sid in due:
                del self._due[sid]
            return due
