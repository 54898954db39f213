"""Threads for calls, which end with the process whatever they are doing."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeVar

from flask_boiler.ground.lifecycle import join
from flask_boiler.ground.threads import OwnThread

__all__ = ["DaemonPool"]

P = ParamSpec("P")
T = TypeVar("T")

_logger = logging.getLogger(__name__)


class DaemonPool(Executor):
    """Runs calls on daemon threads, which are started as they are needed and then kept.

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
                raise RuntimeError("no calls are taken after the shutdown")
            self._calls.put(call)
            if self._idle > 0:
                self._idle -= 1
            elif len(self._threads) < self._most:
                self._add_thread()
        return future

    def run(self, call: Callable[[], None]) -> None:
        """Have a call done on one of the threads; once the pool is shut, it is not done."""
        with contextlib.suppress(RuntimeError):
            self.submit(self._told, call)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls; with ``wait``, return when those that were taken are done."""
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
                "a call on %s failed, and nobody else says so", self._name, exc_info=True
            )

    def _add_thread(self) -> None:
        name = f"{self._name}_{len(self._threads)}"
        thread = OwnThread(
            self._work, name=name, stops=f"calls of {self._name} wait for a thread less"
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
