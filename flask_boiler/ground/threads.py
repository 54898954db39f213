"""Threads of the framework's own: user code cannot end one, and no fault of ours does it unheard.

What user code raises there concerns what it was called for, and nothing else. Elsewhere, in a
request or in the main thread, what is no ``Exception`` is meant for who owns the thread: the
server, or whoever pressed Ctrl-C.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from flask_boiler.ground.ports import Incomplete

__all__ = ["OwnThread", "as_exception", "is_failure"]

_logger = logging.getLogger(__name__)


class OwnThread(threading.Thread):
    """A thread of the framework's, which ends with the process at the latest.

    If it ends by something that its work raises, that is logged as critical, with what happens no
    more, and then handed to ``threading.excepthook`` as of any thread.

    :param work: what it does; returns at the end.
    :param name: what it is called in logs and tools.
    :param stops: what does not happen any more without it, as in "no view is written any more".
    :param on_failure: told what ended it, so that nobody waits for it in vain.
    """

    def __init__(
        self,
        work: Callable[[], object],
        *,
        name: str,
        stops: str,
        on_failure: Callable[[BaseException], object] | None = None,
    ) -> None:
        super().__init__(name=name, daemon=True)
        self._work = work
        self._stops = stops
        self._on_failure = on_failure

    def run(self) -> None:
        """Do the work; what ends it is told."""
        try:
            self._work()
        except BaseException as error:
            _logger.critical(
                "the thread %s has ended by an error that is none of the application's: %s. "
                "Start the process again, and report this",
                self.name,
                self._stops,
                exc_info=error,
            )
            try:
                if self._on_failure is not None:
                    self._on_failure(error)
            finally:
                raise
        finally:
            # What it refers to goes with the work.
            del self._work, self._on_failure


def is_failure(error: BaseException) -> bool:
    """Whether what user code raised is a failure of its own, to be dealt with right here.

    Every ``Exception`` is. What else there is, such as ``SystemExit``, is so only on a thread of
    the framework's; and never what asks for more to be read.
    """
    if isinstance(error, Exception):
        return True
    own = isinstance(threading.current_thread(), OwnThread)
    return own and not isinstance(error, Incomplete)


def as_exception(error: BaseException, what: str) -> Exception:
    """What a failure is told as: itself, unless it would end whoever it is raised at.

    :param what: what raised it.
    """
    if isinstance(error, Exception):
        return error
    told = RuntimeError(f"{what} was ended by {error!r}")
    told.__cause__ = error
    return told
