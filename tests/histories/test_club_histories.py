"""Whatever happens in whatever order to members, seasons and totals: each view is what it must be.

And nobody who left has one. The oracle computes all of them from the documents alone. Each history
runs in a world of its own: in memory, where it is quick, on the embedded Firestore, which is
restarted, too, and on Google's emulator.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from flask_boiler.embedded import EmbeddedFirestore, Faults
from flask_boiler.ground.ports import LocalFirestore
from tests.histories.club import Club
from tests.histories.club_runs import club_in_memory, refusing, run_club
from tests.histories.club_steps import ClubWorld, Step, club_histories, clubs
from tests.histories.test_histories import boiler_at, drop_stream_of

#: Of each server; the soak runs more.
HISTORIES = int(os.environ.get("FLASK_BOILER_HISTORIES", "150"))

#: A history takes half a second, on a busy machine a few times that.
TIMEOUT_S = 60 + 4 * HISTORIES

random_histories = settings(
    max_examples=HISTORIES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    phases=[Phase.explicit, Phase.generate, Phase.target, Phase.shrink],
)

NewWorld = Callable[[], AbstractContextManager[ClubWorld]]


@pytest.fixture
def emulator_world(google_emulator: LocalFirestore) -> NewWorld:
    @contextmanager
    def new_world() -> Iterator[ClubWorld]:
        project = f"club-{uuid.uuid4().hex[:16]}"
        boiler, other = (boiler_at(google_emulator.host, project) for _ in range(2))
        with boiler.context.activated():
            yield ClubWorld(boiler, [lambda: drop_stream_of(boiler)], other)
        other.close()
        boiler.close()

    return new_world


@pytest.fixture
def embedded_world(tmp_path: Path) -> NewWorld:
    @contextmanager
    def new_world() -> Iterator[ClubWorld]:
        server = EmbeddedFirestore(tmp_path / f"{uuid.uuid4().hex}.db", faults=Faults()).start()
        boiler, other = (boiler_at(server.host, "club") for _ in range(2))
        for each in (boiler, other):
            # It keeps the protocol's promises, so nothing needs to be verified.
            each.context.datastore.is_emulator = False

        def drop() -> None:
            server.faults.drop_streams()

        def expire() -> None:
            server.faults.expire_tokens()
            server.faults.drop_streams()

        def restart() -> None:
            server.stop()
            server.start()
            # What only reads is asked again until it is answered; a transaction is not.
            for each in (boiler, other):
                each.context.datastore.get(["rooms/r0"])

        disturbances = [drop, expire, server.faults.reset_queries, restart]
        try:
            with boiler.context.activated():
                yield ClubWorld(boiler, disturbances, other, refusing(server.faults))
        finally:
            other.close()
            boiler.close()
            server.stop()

    return new_world


@pytest.mark.timeout(TIMEOUT_S)
@random_histories
@given(club=clubs, history=club_histories)
def test_histories_in_memory(club: Club, history: list[Step]) -> None:
    with club_in_memory() as world:
        run_club(world, club, history)


@pytest.mark.timeout(TIMEOUT_S)
@random_histories
@given(club=clubs, history=club_histories)
def test_histories_on_the_embedded_firestore(
    embedded_world: NewWorld, club: Club, history: list[Step]
) -> None:
    with embedded_world() as world:
        run_club(world, club, history)


@pytest.mark.timeout(TIMEOUT_S)
@random_histories
@given(club=clubs, history=club_histories)
def test_histories_on_the_emulator(
    emulator_world: NewWorld, club: Club, history: list[Step]
) -> None:
    with emulator_world() as world:
        run_club(world, club, history)
