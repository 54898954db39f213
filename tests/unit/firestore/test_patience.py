"""How long Firestore is waited for: what uses it up, and what starts it again."""

from __future__ import annotations

import pytest

from flask_boiler.errors import ConflictError, UnavailableError
from flask_boiler.firestore import patience
from flask_boiler.firestore.patience import current_patience, waiting_at_most


class Clock:
    """Seconds, as the test has them pass."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(patience, "time", made)
    return made


class Firestore:
    """Answers, or does not."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        #: What each call was allowed to take.
        self.allowed_s: list[float] = []

    def answers(self, allowed_s: float) -> str:
        self.allowed_s.append(allowed_s)
        self._clock.now_s += 3.0
        return "an answer"

    def refuses(self, allowed_s: float) -> str:
        self._clock.now_s += 3.0
        raise ConflictError("lost")

    def is_silent(self, allowed_s: float) -> str:
        self.allowed_s.append(allowed_s)
        self._clock.now_s += min(allowed_s, 3.0)
        raise UnavailableError("no answer")


@pytest.fixture
def firestore(clock: Clock) -> Firestore:
    return Firestore(clock)


def test_without_a_bound_each_call_has_its_own(firestore: Firestore) -> None:
    for _ in range(2):
        with pytest.raises(UnavailableError):
            current_patience().ask(firestore.is_silent, 30.0)
    current_patience().ask(firestore.answers)
    current_patience().ask_to_commit(firestore.answers)
    assert firestore.allowed_s == [30.0, 30.0, 60.0, 60.0]


def test_silence_uses_it_up_and_then_nobody_is_asked(firestore: Firestore) -> None:
    with waiting_at_most(8.0):
        for _ in range(4):
            with pytest.raises(UnavailableError) as caught:
                current_patience().ask(firestore.is_silent)
    assert firestore.allowed_s == [8.0, 5.0, 2.0]
    assert str(caught.value) == "Firestore has not answered for 8 s"
    assert not caught.value.outcome_unknown


def test_every_answer_starts_it_again(firestore: Firestore) -> None:
    with waiting_at_most(5.0):
        for _ in range(3):
            current_patience().ask(firestore.answers)
        with pytest.raises(UnavailableError):
            current_patience().ask(firestore.is_silent)
        with pytest.raises(ConflictError):
            current_patience().ask(firestore.refuses)
        current_patience().ask(firestore.answers, 4.0)
    assert firestore.allowed_s == [5.0, 5.0, 5.0, 5.0, 4.0]


def test_a_commit_leaves_time_to_look_what_became_of_it(firestore: Firestore, clock: Clock) -> None:
    with waiting_at_most(4.0):
        with pytest.raises(UnavailableError):
            current_patience().ask_to_commit(firestore.is_silent)
        current_patience().ask(firestore.answers)
    assert firestore.allowed_s == [3.0, 1.0]


def test_that_reads_are_answered_lets_commits_take_no_longer(firestore: Firestore) -> None:
    with waiting_at_most(8.0):
        for _ in range(3):
            with pytest.raises(UnavailableError):
                current_patience().ask_to_commit(firestore.is_silent)
            current_patience().ask(firestore.answers)
    assert firestore.allowed_s == [6.0, 5.0, 3.75, 5.0, 1.5, 6.5]


def test_a_bound_ends_with_its_block(firestore: Firestore) -> None:
    with waiting_at_most(4.0), pytest.raises(UnavailableError):
        current_patience().ask(firestore.is_silent)
    with waiting_at_most(2.0):
        current_patience().ask(firestore.answers)
    current_patience().ask(firestore.answers)
    assert firestore.allowed_s == [4.0, 2.0, 60.0]
