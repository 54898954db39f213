"""Requests to end, as signals bring them."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from flask_boiler.ground.signals import EndRequests

REQUESTS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.fixture(autouse=True)
def handlers_as_before() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in [*REQUESTS, signal.SIGUSR1]}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def say(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", REQUESTS)
def test_each_is_heard_also_one_that_came_before_anybody_waited(number: signal.Signals) -> None:
    with EndRequests() as requests:
        say(number)
        assert requests.wait() is number
        assert requests.wait(0.0) is None


def test_several_are_heard_one_after_the_other() -> None:
    with EndRequests() as requests:
        for number in REQUESTS:
            say(number)
        assert {requests.wait(), requests.wait(), requests.wait()} == set(REQUESTS)


def test_other_signals_are_not_for_it() -> None:
    signal.signal(signal.SIGUSR1, lambda number, frame: None)
    with EndRequests() as requests:
        say(signal.SIGUSR1)
        assert requests.wait(0.0) is None
        say(signal.SIGTERM)
        assert requests.wait() is signal.SIGTERM


def test_after_the_block_none_of_them_spoils_the_end() -> None:
    with EndRequests():
        pass
    for number in REQUESTS:
        say(number)
        assert signal.getsignal(number) is signal.SIG_IGN


def test_a_hangup_that_is_ignored_stays_so() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with EndRequests() as requests:
        say(signal.SIGHUP)
        assert requests.wait(0.0) is None
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_a_wakeup_descriptor_of_the_applications_is_given_back() -> None:
    read, write = os.pipe()
    os.set_blocking(write, False)
    signal.set_wakeup_fd(write)
    try:
        with EndRequests():
            pass
        assert signal.set_wakeup_fd(-1) == write
    finally:
        signal.set_wakeup_fd(-1)
        os.close(read)
        os.close(write)
