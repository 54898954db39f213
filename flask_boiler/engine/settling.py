"""Waiting until everything that was committed is published."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from functools import partial

from flask_boiler.engine.live_view import AnyView, Phase
from flask_boiler.engine.phases import Statistics
from flask_boiler.errors import AuthError, BoilerError, UnavailableError
from flask_boiler.firestore.failures import is_refusal
from flask_boiler.ground.lifecycle import time_to_end_s
from flask_boiler.ground.ports import CutChange, Feed

__all__ = ["Settling"]

_POLL_S = 0.01
_RETRY_S = 0.1
_NAMED = 10


class Settling:
    """Waits for an engine to come to rest.

    :param quiet: notified, with the engine's lock held, when nothing is left to do.
    :param is_quiet: whether that is so; called with the lock held.
    :param busy: the views that are at work; called with the lock held.
    :param hindrance: why Firestore takes no commit, in words, if it takes none.
    :param fault: what has ended a thread of the engine's, so that waiting is in vain.
    """

    def __init__(
        self,
        feed: Feed,
        statistics: Statistics,
        quiet: threading.Condition,
        *,
        is_quiet: Callable[[], bool],
        busy: Callable[[], Collection[AnyView]],
        fault: Callable[[], BaseException | None],
        hindrance: Callable[[], object | None],
    ) -> None:
        self._feed = feed
        self._statistics = statistics
        self._quiet = quiet
        self._is_quiet = is_quiet
        self._busy = busy
        self._fault = fault
        self._hindrance = hindrance
        # The update time at which each canary was last heard; -1 before it is held.
        self._canaries: dict[str, int] = {}

    def settle(self, canary: str, write: Callable[[], int], *, timeout_s: float) -> None:
        """Wait until everything that was committed before is published, and what that caused.

        A document of one's own is written and waited for; once it is heard and nothing is
        dirty, the same again, until nothing was computed or published in a round: handlers
        write documents of their own while they compute, and tasks do when they are published.

        :param canary: the path of that document.
        :param write: changes it, and gives the commit's time in nanoseconds.
        :raises TimeoutError: naming what is still busy.
        :raises BoilerError: a thread of the engine's has ended, so that it never will be.
        :raises AuthError: Firestore refused what it was asked when the time was over.
        :raises UnavailableError: Firestore was away when the time was over.
        """
        deadline = time.monotonic() + timeout_s
        with self._quiet:
            self._canaries[canary] = -1
        self._feed.listen([canary])
        try:
            self._await(partial(self._has_heard, canary, 0), deadline, f"{canary} is not held")
            while not self._is_settled_after(partial(self._hear_of, canary, write), deadline):
                pass
        finally:
            with self._quiet:
                del self._canaries[canary]
            self._feed.release([canary])

    def await_quiet(self, *, timeout_s: float) -> None:
        """Wait until nothing that was heard so far is left to compute or publish.

        :raises TimeoutError: naming what is still busy.
        :raises BoilerError: a thread of the engine's has ended, so that it never will be.
        """
        self._await_quiet(time.monotonic() + timeout_s)

    def await_cut(self, at_least_ns: int, *, unless: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until the newest cut is not older than this; whether it was so in time.

        :param unless: whether that would be in vain.
        """
        deadline = time.monotonic() + timeout_s
        while self._feed.cut.read_time_ns < at_least_ns:
            if time.monotonic() >= deadline or unless():
                return False
            self._feed.refresh()
            with self._quiet:
                self._quiet.wait(_POLL_S)
        return True

    def await_finished(
        self, views: Collection[AnyView], *, unless: Callable[[], bool], timeout_s: float
    ) -> None:
        """Wait until none of these is computed or published any more.

        :param unless: whether that would be in vain.
        """
        deadline = time.monotonic() + min(timeout_s, time_to_end_s() / 2)
        with self._quiet:
            while any(view.busy and view.phase is not Phase.WAITING for view in views):
                if unless() or time.monotonic() >= deadline:
                    return
                self._quiet.wait(_POLL_S)

    def hear(self, change: CutChange) -> None:
        """Take note of the canaries in it; the engine's lock is held."""
        for canary in change.documents & self._canaries.keys():
            heard = change.cut.document(canary)
            if heard is not None:
                self._canaries[canary] = heard.update_time_ns
                self._quiet.notify_all()

    def _is_settled_after(self, hear: Callable[[float], None], deadline: float) -> bool:
        before = self._done_so_far()
        hear(deadline)
        self._await_quiet(deadline)
        doubtful = self._feed.doubtful
        self._await_certainty(deadline)
        return self._done_so_far() == before and not doubtful

    def _hear_of(self, canary: str, write: Callable[[], int], deadline: float) -> None:
        committed_ns = self._written(write, deadline)
        heard = partial(self._has_heard, canary, committed_ns)
        self._await(heard, deadline, "changes do not arrive")

    def _written(self, write: Callable[[], int], deadline: float) -> int:
        """The time of the canary's commit, which may be repeated: it means nothing to anybody."""
        while True:
            try:
                return write()
            except (UnavailableError, AuthError) as error:
                waited_out = isinstance(error, UnavailableError) or is_refusal(error)
                if not waited_out or time.monotonic() + _RETRY_S > deadline:
                    raise
            with self._quiet:
                self._quiet.wait(_RETRY_S)

    def _has_heard(self, canary: str, committed_ns: int) -> bool:
        return self._canaries[canary] >= committed_ns

    def _done_so_far(self) -> tuple[int, int]:
        return self._statistics.computed, self._statistics.published

    def _await_quiet(self, deadline: float) -> None:
        self._await(self._is_quiet, deadline, "views are still busy")

    def _await_certainty(self, deadline: float) -> None:
        # Only a local emulator is ever in doubt, and it cannot be asked to say when it is over.
        with self._quiet:
            while self._feed.doubtful and time.monotonic() < deadline:
                self._quiet.wait(_POLL_S)

    def _await(self, condition: Callable[[], bool], deadline: float, otherwise: str) -> None:
        with self._quiet:
            left_s = max(0.0, deadline - time.monotonic())
            held = self._quiet.wait_for(lambda: condition() or self._fault() is not None, left_s)
            fault = self._fault()
            if fault is not None:
                raise BoilerError(
                    f"not settled: {otherwise}, and this will not change, because a thread of the "
                    f"framework has ended by {fault!r}. Start the process again, and report this"
                ) from fault
            if held:
                return
            busy = [f"{view.key} is {view.phase.value}" for view in self._busy()]
            more = f" and {len(busy) - _NAMED} more" if len(busy) > _NAMED else ""
            hindrance = self._hindrance()
            why = "" if hindrance is None else f" {hindrance}."
            if self._feed.refused_s:
                why += f" Firestore has refused all listening for {self._feed.refused_s:.0f} s."
            raise TimeoutError(f"not settled: {otherwise}.{why} {', '.join(busy[:_NAMED])}{more}")
