"""Lanes: work in one is done in order, and in different ones side by side."""

from __future__ import annotations

import heapq
import itertools
import queue
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from flask_boiler.ground.lifecycle import join, own_threads

__all__ = ["Lanes", "Order"]

#: When something was created, by the server's clock in nanoseconds, and its path.
Order = tuple[int, str]


@dataclass(order=True, slots=True)
class _Item:
    order: Order
    #: Of two with the same order, the first to come.
    number: int
    lane: str = field(compare=False)
    work: Callable[[], None] = field(compare=False)


class Lanes:
    """A few threads that work in lanes.

    ::

        expect ─► expected ──put──► arrived ──nothing earlier is expected──► its lane ─► a thread
                      └─────dismiss──► forgotten

    What is expected holds up whatever is later, until it is put or dismissed. So things that are
    known of together are worked on in order, in whichever order they are put; and as nothing is
    done between expecting and putting, nothing waits for long.

    :param threads: how many.
    :param name: what the threads are called.
    :param on_failure: told what ended one of them, if something does.
    """

    def __init__(
        self,
        threads: int,
        name: str,
        *,
        on_failure: Callable[[BaseException], object] | None = None,
    ) -> None:
        self._lock = threading.Lock()
        self._expected: dict[str, Order] = {}
        self._earliest: list[tuple[Order, str]] = []
        self._arrived: list[_Item] = []
        self._numbers = itertools.count()
        # A lane is here while there is work in it; it is at one thread, or ready for one.
        self._lanes: dict[str, deque[Callable[[], None]]] = {}
        self._ready: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._stopped = False
        self._threads = own_threads(
            threads,
            self._run,
            name=f"flask-boiler-{name}",
            serving=f"each {name}",
            on_failure=on_failure,
        )

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Do what was put, then end the threads."""
        with self._lock:
            self._stopped = True
            self._expected.clear()
            self._advance()
        for _ in self._threads:
            self._ready.put(None)
        for thread in self._threads:
            join(thread)

    def expect(self, name: str, order: Order) -> None:
        """Let nothing that is later begin before this is put or dismissed."""
        with self._lock:
            if not self._stopped:
                self._expected[name] = order
                heapq.heappush(self._earliest, (order, name))

    def dismiss(self, name: str) -> None:
        """Expect work of this name no longer."""
        with self._lock:
            if self._expected.pop(name, None) is not None:
                self._advance()

    def put(self, name: str, order: Order, lane: str, work: Callable[[], None]) -> None:
        """Have ``work`` done in a lane; it must not raise."""
        with self._lock:
            self._expected.pop(name, None)
            if not self._stopped:
                heapq.heappush(self._arrived, _Item(order, next(self._numbers), lane, work))
                self._advance()
                return
        work()

    def _advance(self) -> None:
        """Hand what nothing earlier is expected before to its lane."""
        bound = self._first_expected()
        while self._arrived and (bound is None or self._arrived[0].order <= bound):
            item = heapq.heappop(self._arrived)
            if item.lane not in self._lanes:
                self._lanes[item.lane] = deque()
                self._ready.put(item.lane)
            self._lanes[item.lane].append(item.work)

    def _first_expected(self) -> Order | None:
        while self._earliest:
            order, name = self._earliest[0]
            if self._expected.get(name) == order:
                return order
            heapq.heappop(self._earliest)
        return None

    def _run(self) -> None:
        while (lane := self._ready.get()) is not None:
            while self._work_on(lane):
                """At the end there is no turn after this one."""

    def _work_on(self, lane: str) -> bool:
        """Do the next work of a lane; whether to go on with it."""
        with self._lock:
            work = self._lanes[lane][0]
        work()
        with self._lock:
            waiting = self._lanes[lane]
            waiting.popleft()
            if not waiting:
                del self._lanes[lane]
            elif not self._stopped:
                # Behind the other lanes, so that a long one holds up nobody.
                self._ready.put(lane)
            return bool(waiting) and self._stopped
