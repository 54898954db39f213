"""The order in which work is done, whatever the order in which it comes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from flask_boiler.view.inbox.lanes import Lanes

TIMEOUT_S = 60.0


@pytest.fixture
def lanes() -> Iterator[Lanes]:
    lanes = Lanes(2, "test")
    lanes.start()
    yield lanes
    lanes.stop()


class Work:
    """Things that are put into lanes, and the order in which they were done."""

    def __init__(self, lanes: Lanes) -> None:
        self.lanes = lanes
        self.done: list[str] = []
        self._lock = threading.Lock()

    def put(self, name: str, at: int, lane: str, work: Callable[[], object] | None = None) -> None:
        def do() -> None:
            if work is not None:
                work()
            with self._lock:
                self.done.append(name)

        self.lanes.put(name, (at, name), lane, do)


@pytest.fixture
def work(lanes: Lanes) -> Work:
    return Work(lanes)


def test_what_is_expected_together_is_done_in_order(lanes: Lanes, work: Work) -> None:
    for name, at in (("b", 2), ("a", 1), ("c", 3)):
        lanes.expect(name, (at, name))
    for name, at in (("c", 3), ("b", 2), ("a", 1)):
        work.put(name, at, "lane")
    lanes.stop()
    assert work.done == ["a", "b", "c"]


def test_what_is_dismissed_holds_up_nothing(lanes: Lanes, work: Work) -> None:
    for name, at in (("a", 1), ("b", 2)):
        lanes.expect(name, (at, name))
    done = threading.Event()
    work.put("b", 2, "lane", done.set)
    assert work.done == []
    lanes.dismiss("a")
    assert done.wait(TIMEOUT_S)


def test_what_was_not_expected_waits_for_nothing_later(lanes: Lanes, work: Work) -> None:
    lanes.expect("later", (9, "later"))
    done = threading.Event()
    work.put("now", 1, "lane", done.set)
    assert done.wait(TIMEOUT_S)


def test_what_is_expected_anew_at_another_time_counts_at_that(lanes: Lanes, work: Work) -> None:
    lanes.expect("a", (1, "a"))
    lanes.expect("a", (5, "a"))
    done = threading.Event()
    work.put("b", 3, "lane", done.set)
    assert done.wait(TIMEOUT_S)


def test_lanes_do_not_hold_each_other_up(lanes: Lanes, work: Work) -> None:
    go_on, other = threading.Event(), threading.Event()
    work.put("slow", 1, "one", lambda: go_on.wait(TIMEOUT_S))
    work.put("behind", 2, "one")
    work.put("other", 3, "two", other.set)
    assert other.wait(TIMEOUT_S)
    go_on.set()
    lanes.stop()
    assert work.done == ["other", "slow", "behind"]


def test_a_lane_takes_turns_with_others(lanes: Lanes, work: Work) -> None:
    both, go_on, ended = threading.Barrier(3), threading.Event(), threading.Event()

    def block() -> None:
        both.wait(TIMEOUT_S)
        go_on.wait(TIMEOUT_S)

    for lane in ("x", "y"):
        work.put(lane, 0, lane, block)
    both.wait(TIMEOUT_S)
    for number in range(50):
        work.put(f"long-{number:02}", number, "x")
    work.put("short", 99, "short", ended.set)
    go_on.set()
    assert ended.wait(TIMEOUT_S)
    assert work.done.index("short") < 20


def test_stopping_does_what_was_put_and_what_waited_for_something(lanes: Lanes, work: Work) -> None:
    lanes.expect("a", (1, "a"))
    work.put("b", 2, "lane")
    work.put("c", 3, "lane")
    lanes.stop()
    assert work.done == ["b", "c"]
    work.put("d", 4, "lane")
    assert work.done == ["b", "c", "d"]


def test_it_can_be_stopped_from_inside(lanes: Lanes, work: Work) -> None:
    stopped = threading.Event()

    def stop() -> None:
        lanes.stop()
        stopped.set()

    work.put("a", 1, "lane", stop)
    assert stopped.wait(TIMEOUT_S)
