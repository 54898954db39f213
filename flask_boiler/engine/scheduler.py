"""The queue of views that are to be computed, and the threads that compute them.

The scheduler knows nothing of cuts or documents. It holds keys in the order in which they
became dirty and hands them to a few threads; a view that is handed out is not in the queue.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

from flask_boiler.engine.live_view import AnyView
from flask_boiler.ground.lifecycle import OwnThread, join

__all__ = ["Scheduler"]


class Scheduler:
    """A queue of views and the threads that work on it.

    :param work: computes one view; must not raise.
    :param workers: how many threads; a slow getter keeps one of them.
    :param on_failure: told what ended a thread, if something does.
    """

    def __init__(
        self,
        work: Callable[[AnyView], None],
        *,
        workers: int,
        on_failure: Callable[[BaseException], object] | None = None,
    ) -> None:
        self._work = work
        self._ready: queue.SimpleQueue[AnyView | None] = queue.SimpleQueue()
        # What is queued is for the next start: the time to end is over.
        self._abandoned = False
        self._threads = [
            OwnThread(
                self._run,
                name=f"flask-boiler-compute-{n}",
                stops="views are computed by one thread less, or not any more",
                on_failure=on_failure,
            )
            for n in range(workers)
        ]

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Finish what is queued, as far as there is time, then end the threads."""
        for _ in self._threads:
            self._ready.put(None)
        ended = [join(thread) for thread in self._threads]
        self._abandoned = not all(ended)

    def put(self, view: AnyView) -> None:
        """Have a view computed."""
        self._ready.put(view)

    def is_at_work_here(self) -> bool:
        """Whether the caller is computing a view."""
        return threading.current_thread() in self._threads

    def _run(self) -> None:
        while not self._abandoned and (view := self._ready.get()) is not None:
            self._work(view)
