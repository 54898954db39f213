from __future__ import annotations

from collections.abc import Callable

from flask_boiler.firestore.listen.backoff import Backoff, BackoffPolicy


def _delays(rng: Callable[[], float], count: int) -> list[float]:
    backoff = Backoff(BackoffPolicy(), rng)
    return [backoff.next_delay_s() for _ in range(count)]


def test_waits_grow_up_to_the_maximum() -> None:
    delays = _delays(lambda: 0.5, 15)

    assert delays[:4] == [1.0, 1.5, 2.25, 3.375]
    assert delays[-1] == 60.0


def test_waits_vary_by_half() -> None:
    assert _delays(lambda: 0.0, 1) == [0.5]
    assert _delays(lambda: 1.0, 1) == [1.5]


def test_variation_does_not_exceed_the_maximum() -> None:
    assert max(_delays(lambda: 1.0, 20)) == 60.0


def test_success_starts_over() -> None:
    backoff = Backoff(BackoffPolicy(), lambda: 0.5)
    for _ in range(5):
        backoff.next_delay_s()
    backoff.reset()

    assert backoff.next_delay_s() == 1.0


def test_an_exhausted_server_gets_the_longest_wait() -> None:
    backoff = Backoff(BackoffPolicy(), lambda: 0.5)
    backoff.exhaust()

    assert backoff.next_delay_s() == 60.0
