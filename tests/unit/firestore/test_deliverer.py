"""When the certificates of deliverers are fetched again."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from flask_boiler.errors import UnavailableError
from flask_boiler.firestore.deliverer import _Certificates


class Served(_Certificates):
    """Certificates that are at hand, with a clock to set."""

    def __init__(self, *keys: str) -> None:
        self.now = 0.0
        super().__init__("https://certs.example", lambda: self.now)
        self.keys = list(keys)
        self.fetched = 0
        self.away = False

    def _fetched(self) -> tuple[Mapping[str, str], float]:
        self.fetched += 1
        if self.away:
            raise OSError("nobody answers")
        return dict.fromkeys(self.keys, "certificate"), 60.0


def test_a_new_key_is_found_and_forged_ones_cost_little() -> None:
    served = Served("a")
    assert set(served.with_key("a")) == {"a"}
    served.keys.append("b")
    for _ in range(5):
        assert set(served.with_key("b")) == {"a"}
    served.now = 6.0
    assert set(served.with_key("b")) == {"a", "b"}
    assert served.fetched == 2


def test_what_is_out_of_date_is_fetched_anew() -> None:
    served = Served("a")
    served.with_key("a")
    served.now = 59.0
    served.with_key("a")
    assert served.fetched == 1
    served.now = 61.0
    served.away = True
    for _ in range(3):
        with pytest.raises(UnavailableError):
            served.with_key("a")
    assert served.fetched == 2


def test_while_they_hold_an_issuer_that_is_away_is_not_missed() -> None:
    served = Served("a")
    served.with_key("a")
    served.now, served.away = 30.0, True
    assert set(served.with_key("forged")) == {"a"}
