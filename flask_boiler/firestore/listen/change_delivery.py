"""The delivery of changes to one receiver, as fast as it takes them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping

from flask_boiler.errors import TargetRejectedError
from flask_boiler.ground.lifecycle import OwnThread, join
from flask_boiler.ground.ports import Cut, CutChange
from flask_boiler.ground.values import QueryTarget, Target

__all__ = ["ChangeDelivery"]

_logger = logging.getLogger(__name__)


class ChangeDelivery:
    """A :class:`~flask_boiler.ground.ports.Subscription` with a thread of its own.

    What comes while the receiver is busy is put together into one change with the newest cut.

    :ivar errors: how many calls raised.
    :ivar last_error: what the last of them raised.
    """

    def __init__(
        self,
        on_change: Callable[[CutChange], None],
        *,
        on_close: Callable[[ChangeDelivery], None],
        on_error: Callable[[], None],
        on_failure: Callable[[BaseException], object],
    ) -> None:
        self._on_change = on_change
        self._on_close = on_close
        self._on_error = on_error
        self._on_failure = on_failure
        self._condition = threading.Condition()
        self._waiting: CutChange | None = None
        self._closed = False
        self._thread: threading.Thread | None = None
        self.errors = 0
        self.last_error: BaseException | None = None

    def start(self) -> None:
        """Start the thread that delivers."""
        name = f"flask-boiler-delivery-{getattr(self._on_change, '__qualname__', 'callback')}"
        self._thread = OwnThread(
            self._run,
            name=name,
            stops="a subscriber gets no more changes",
            on_failure=self._on_failure,
        )
        self._thread.start()

    def offer(
        self,
        cut: Cut,
        documents: Iterable[str] = (),
        queries: Mapping[QueryTarget, Iterable[str]] | None = None,
        rejected: Mapping[Target, TargetRejectedError] | None = None,
        held: Iterable[Target] = (),
    ) -> None:
        """Deliver a change, joined with those that are not delivered yet.

        :param held: targets that are newly held, so no longer rejected.
        """
        with self._condition:
            if self._closed:
                return
            change = self._waiting
            if change is None:
                change = self._waiting = CutChange(cut, set(), {}, {})
                self._condition.notify()
            change.cut = cut
            change.documents.update(documents)
            for target, paths in (queries or {}).items():
                change.queries.setdefault(target, set()).update(paths)
            for accepted in held:
                change.rejected.pop(accepted, None)
            change.rejected.update(rejected or {})

    def close(self) -> None:
        """Deliver no more changes; this may be called inside the callback."""
        self.end()
        self._on_close(self)

    def end(self) -> None:
        """Deliver no more changes, and do not call ``on_close``."""
        with self._condition:
            self._closed = True
            self._waiting = None
            self._condition.notify()

    @property
    def alive(self) -> bool:
        """Whether the thread has not ended yet."""
        return self._thread is not None and self._thread.is_alive()

    def join(self) -> None:
        """Wait for the thread to end, unless this is it."""
        if self._thread is not None:
            join(self._thread)

    def _run(self) -> None:
        while (change := self._take()) is not None:
            try:
                self._on_change(change)
            # Whatever a receiver raises, it must not end its own deliveries: the port's
            # `Incomplete`, for one, is no `Exception`.
            except BaseException as error:
                self.errors += 1
                self.last_error = error
                self._on_error()
                _logger.exception(
                    "a receiver of changes raised an error; it still gets the next change"
                )

    def _take(self) -> CutChange | None:
        with self._condition:
            self._condition.wait_for(lambda: self._closed or self._waiting is not None)
            change, self._waiting = self._waiting, None
            return change
