"""The life cycle of everything that runs: ``with`` blocks that stop it, threads, and thread pools.

Threads of the framework's own end with the process at the latest. User code cannot end one, and no
fault of ours does it unheard. How long all that is stopped may take together is said by whoever
stops it (:func:`ending_within`).
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from contextvars import ContextVar
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Literal, ParamSpec, Self, TypeVar
from weakref import WeakSet

__all__ = [
    "DaemonPool",
    "OwnThread",
    "ProcessLock",
    "Startable",
    "Stoppable",
    "ending_within",
    "greenlets_instead_of_threads",
    "join",
    "own_threads",
    "time_to_end_s",
]

P = ParamSpec("P")
T = TypeVar("T")

_logger = logging.getLogger(__name__)

_ends_at_s: ContextVar[float] = ContextVar("flask_boiler_ends_at", default=math.inf)


class Stoppable(ABC):
    """An object that stops at the end of a ``with`` block, also if the block fails."""

    @abstractmethod
    def stop(self) -> None:
        """Stop; if it has stopped already, do nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


class Startable(Stoppable):
    """An object that starts at the beginning of a ``with`` block, and stops at its end."""

    @abstractmethod
    def start(self) -> object:
        """Start; if it is running already, do nothing."""

    def __enter__(self) -> Self:
        self.start()
        return self


@contextmanager
def ending_within(seconds: float) -> Iterator[None]:
    """In the block, have everything that is stopped wait for its threads no longer than this."""
    token = _ends_at_s.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _ends_at_s.reset(token)


def time_to_end_s() -> float:
    """The time, in seconds, that stopping may still take here; infinite if there is no limit."""
    return max(0.0, _ends_at_s.get() - time.monotonic())


def join(thread: threading.Thread) -> bool:
    """Wait for a thread to end, as long as there is time; true if it has ended.

    One that has not is at work on something of the application's that takes longer. It is left,
    which is logged, and ends with the process at the latest. A thread that never started, or waits
    for itself, has nothing to wait for.
    """
    if thread.ident is None or thread is threading.current_thread():
        return True
    left_s = time_to_end_s()
    thread.join(None if left_s == math.inf else left_s)
    if thread.is_alive():
        _logger.warning("the thread %s has not ended in time, and is left alone", thread.name)
    return not thread.is_alive()


class ProcessLock:
    """A lock that holds up nobody in a forked child; a thread that holds it may take it again.

    The child has none of its parent's other threads. One that holds a lock when the process forks
    would never release it there.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        _process_locks.add(self)

    def acquire(self, timeout_s: float = math.inf) -> bool:
        """Take the lock; false if others have held it for so long."""
        return self._lock.acquire(timeout=-1 if timeout_s == math.inf else timeout_s)

    def release(self) -> None:
        """Let go of the lock."""
        self._lock.release()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *error: object) -> None:
        self._lock.release()

    def renew(self) -> None:
        """Be free in a forked child, unless the thread that forked holds the lock."""
        if self._lock.acquire(blocking=False):
            self._lock.release()
        else:
            self._lock = threading.RLock()


_process_locks: WeakSet[ProcessLock] = WeakSet()


def _renew_locks() -> None:
    for lock in list(_process_locks):
        lock.renew()


os.register_at_fork(after_in_child=_renew_locks)


class OwnThread(threading.Thread):
    """A thread of the framework, which ends with the process at the latest.

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
        """Do the work of the thread; an error that ends it is reported."""
        try:
            self._work()
        except BaseException as error:
            _logger.critical(
                "the thread %s has ended by a mistake in flask_boiler: %s. Start the process "
                "again, and report this",
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


def own_threads(
    count: int,
    work: Callable[[], object],
    *,
    name: str,
    serving: str,
    on_failure: Callable[[BaseException], object] | None,
) -> list[OwnThread]:
    """Threads that do the same work; they are still to be started.

    :param name: what they are called, each with its number.
    :param serving: what they are there for, as in "the tasks of CityTasks".
    :param on_failure: told what ended one of them.
    """
    stops = f"there is one thread less for {serving}, or none"
    return [
        OwnThread(work, name=f"{name}-{n}", stops=stops, on_failure=on_failure)
        for n in range(count)
    ]


class DaemonPool(Executor):
    """A pool of daemon threads, which are started when they are needed, and then kept.

    The standard library's pool has the interpreter wait for its threads before anything that is
    registered with ``atexit`` runs. A stream that is open would hold up the end of the process
    for ever, since what would close it is never reached.

    :param threads: how many there are at the most; further calls wait for their turn.
    """

    def __init__(self, threads: int, *, name: str) -> None:
        self._most = threads
        self._name = name
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        #: Threads that wait for a call, less the calls that wait for them.
        self._idle = 0
        self._is_shut = False

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run a call on one of the threads.

        :raises RuntimeError: the pool is shut.
        """
        future: Future[T] = Future()

        def call() -> None:
            if future.set_running_or_notify_cancel():
                _settle(future, lambda: fn(*args, **kwargs))

        with self._lock:
            if self._is_shut:
                raise RuntimeError("the pool is shut down and takes no calls")
            self._calls.put(call)
            if self._idle > 0:
                self._idle -= 1
            elif len(self._threads) < self._most:
                self._add_thread()
        return future

    def run(self, call: Callable[[], None]) -> None:
        """Run a call on one of the threads; after the pool is shut down, do nothing."""
        with contextlib.suppress(RuntimeError):
            self.submit(self._told, call)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls; with ``wait``, return when the calls that were taken are done."""
        with self._lock:
            if not self._is_shut:
                self._is_shut = True
                for _ in self._threads:
                    self._calls.put(None)
        if wait:
            for thread in self._threads:
                join(thread)

    def _told(self, call: Callable[[], None]) -> None:
        try:
            call()
        except BaseException:
            # Nobody asks what became of it.
            _logger.critical(
                "a call on the thread %s failed, and nobody waits for its result",
                self._name,
                exc_info=True,
            )

    def _add_thread(self) -> None:
        name = f"{self._name}_{len(self._threads)}"
        thread = OwnThread(
            self._work, name=name, stops=f"there is one thread less for the calls of {self._name}"
        )
        self._threads.append(thread)
        thread.start()

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            call()
            # Nothing of the last call is kept while the next is awaited.
            del call
            with self._lock:
                self._idle += 1


def _settle(future: Future[Any], call: Callable[[], Any]) -> None:
    try:
        result = call()
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)


def greenlets_instead_of_threads() -> Literal["gevent", "eventlet"] | None:
    """The library whose greenlets have replaced the threads of this process, if one has."""
    eventlet: Any = sys.modules.get("eventlet.patcher")
    if eventlet is not None and eventlet.is_monkey_patched("thread"):
        return "eventlet"
    gevent: Any = sys.modules.get("gevent.monkey")
    if gevent is not None and gevent.is_module_patched("threading"):
        return "gevent"
    return None
