"""Clients are sent away when their time has come."""

from __future__ import annotations

import queue
import threading

import pytest

from flask_boiler.view.socketio.departures import Departures

TIMEOUT_S = 30.0


def threads() -> list[str]:
    return [each.name for each in threading.enumerate() if "doorman" in each.name]


def test_each_is_sent_away_in_its_turn_but_who_is_gone() -> None:
    gone: queue.SimpleQueue[str] = queue.SimpleQueue()
    departures = Departures(0.01, gone.put)
    for sid in "abc":
        departures.expect(sid)
    assert [gone.get(timeout=TIMEOUT_S) for _ in range(3)] == ["a", "b", "c"]
    departures.stop()
    assert threads() == []
    # The one who is gone would have come first.
    slow = Departures(0.2, gone.put)
    for sid in "de":
        slow.expect(sid)
    slow.cancel("d")
    assert gone.get(timeout=TIMEOUT_S) == "e"
    slow.stop()


def test_who_comes_after_the_end_is_expected_only_if_it_begins_again() -> None:
    gone: queue.SimpleQueue[str] = queue.SimpleQueue()
    departures = Departures(0.01, gone.put)
    departures.stop()
    departures.expect("a")
    assert threads() == []
    departures.start()
    departures.expect("b")
    assert gone.get(timeout=TIMEOUT_S) == "b"
    departures.stop()
    assert threads() == []


@pytest.mark.parametrize("kind", [OSError, SystemExit])
def test_who_cannot_be_sent_away_keeps_nobody(
    kind: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    gone: queue.SimpleQueue[str] = queue.SimpleQueue()

    def send_away(sid: str) -> None:
        if sid == "a":
            raise kind("no way")
        gone.put(sid)

    departures = Departures(0.01, send_away)
    departures.expect("a")
    departures.expect("b")
    assert gone.get(timeout=TIMEOUT_S) == "b"
    departures.stop()
    assert "could not be disconnected" in caplog.text


def test_without_a_time_all_stay_and_there_is_no_thread() -> None:
    departures = Departures(None, lambda sid: None)
    departures.expect("a")
    departures.cancel("a")
    assert threads() == []
    departures.stop()
