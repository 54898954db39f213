"""A few random histories of members, seasons and totals, in memory: see ``tests/histories``."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.histories.club import Club
from tests.histories.club_runs import club_in_memory, run_club
from tests.histories.club_steps import Step, club_histories, clubs


# The same ones each time: other ones are for the long tier.
@pytest.mark.timeout(120)
@settings(
    max_examples=12,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.generate],
)
@given(club=clubs, history=club_histories)
def test_all_views_are_true_whatever_happened(club: Club, history: list[Step]) -> None:
    with club_in_memory() as world:
        run_club(world, club, history)
