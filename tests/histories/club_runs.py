"""Running a random history of a club, and what must be so at its end."""

from __future__ import annotations

import unittest.mock
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from flask_boiler import Boiler
from flask_boiler.context.clients import client_over
from flask_boiler.context.config import Config
from flask_boiler.context.context import ApplicationContext
from flask_boiler.engine.publishing import intake
from flask_boiler.firestore.datastore import FirestoreDatastore
from flask_boiler.firestore.listen.backoff import BackoffPolicy
from flask_boiler.firestore.listen.hub import Hub
from flask_boiler.firestore.listen.stream import StreamPolicy
from flask_boiler.local.embedded.listening.faults import Faults
from flask_boiler.local.embedded.serving.in_process import InProcessChannel
from flask_boiler.view.mediation import live
from tests.histories.club import COPIES, Club, Pair, Table, Totals
from tests.histories.club_oracle import (
    Publications,
    expected_views,
    recorded_places,
    stored_documents,
    stored_views,
)
from tests.histories.club_steps import Accompany, ClubWorld, Open, Pause, Step
from tests.histories.steps import Restart

__all__ = ["club_in_memory", "refusing", "run_club"]

#: Who loses a stream has another one soon.
_PROMPT = StreamPolicy(backoff=BackoffPolicy(initial_s=0.01))


def run_club(world: ClubWorld, club: Club, history: Sequence[Step]) -> None:
    """Carry out a history, and check what was published, and what is left of it.

    Each commit is as small as may be, so that all is seen that a client of a large room could see.
    """
    with unittest.mock.patch.object(intake, "MOST_WRITES", 1):
        _run(world, club, history)


def _run(world: ClubWorld, club: Club, history: Sequence[Step]) -> None:
    Open().run(world)
    published = Publications()
    for boiler in filter(None, (world.boiler, world.other)):
        published.watch(boiler)
        for mediator in club.mediators():
            boiler.add(mediator)
    try:
        world.boiler.start()
        for step in history:
            step.run(world)
        Pause().run(world)
        alone = not any(world.accompanied)
        if not alone:
            _end_company(world)
        _require_truth(world, club)
        published.require_consistency(alone=alone)
        _require_rest(world, published)
        _require_truth(world, club)
    finally:
        if world.accompanied[-1]:
            Accompany().run(world)
        world.boiler.stop()


def _end_company(world: ClubWorld) -> None:
    """Have one process be left, and start it anew.

    What another one published shortly before it ended, of somebody whom this one never knew, is
    found by the next start.
    """
    if world.accompanied[-1]:
        Accompany().run(world)
    Restart().run(world)
    Pause().run(world)


def _require_truth(world: ClubWorld, club: Club) -> None:
    """Check that exactly those views are stored that there must be, and are what they must be."""
    assert world.boiler.parked == []
    expected = expected_views(club, world)
    stored = stored_views()
    differing = {
        place: (stored.get(place), expected.get(place))
        for place in {**stored, **expected}
        if stored.get(place) != expected.get(place)
    }
    assert differing == {}, f"stored, and expected: {differing}"
    recorded, left = recorded_places(), stored_documents()
    assert recorded == set(expected), f"{recorded ^ set(expected)}"
    assert left == set(world.documents), f"{left ^ set(world.documents)}"
    # Whoever asks for one of them, at no mediator's, is told the same.
    for place, fields in expected.items():
        view = _asked_for(club, place)
        assert {**view.to_document(), **view.identity(place)} == fields


def _asked_for(club: Club, place: str) -> Any:
    """The view that is kept at a place, computed from nothing."""
    match place.split("/"):
        case ["rooms", room, "copies", reader] if club.members == "languages":
            user, _, language = reader.partition("-")
            return COPIES[club.members].get(room=room, reader=user, language=language)
        case ["rooms", room, "copies", reader]:
            return COPIES[club.members].get(room=room, reader=reader)
        case ["tables", season]:
            return Table.get(season=season)
        case ["pairs", team, "at", venue]:
            return Pair.get(team=team, venue=venue)
        case _:
            return Totals.get()


def _require_rest(world: ClubWorld, published: Publications) -> None:
    """Check that a restart writes nothing, as everything is true already."""
    before = len(published.written)
    Restart().run(world)
    Pause().run(world)
    assert published.written[before:] == []


def refusing(faults: Faults) -> Callable[[str], AbstractContextManager[None]]:
    """Has a server refuse to listen to a collection for a while; see :class:`ClubWorld`."""

    @contextmanager
    def refused(collection: str) -> Iterator[None]:
        faults.reject(collection)
        try:
            yield
        finally:
            faults.accept(collection)
            faults.drop_streams()

    return refused


@contextmanager
def club_in_memory() -> Iterator[ClubWorld]:
    """A world of two processes over one database in memory."""
    faults = Faults()
    channel = InProcessChannel(faults=faults)

    def boiler() -> Boiler:
        config = Config(project="memory", testing=True)
        datastore = FirestoreDatastore(client_over(channel, project="memory", database="(default)"))
        made = Boiler(config=config)
        made._context = ApplicationContext(config, datastore=datastore)
        return made

    def expire() -> None:
        faults.expire_tokens()
        faults.drop_streams()

    def drop() -> None:
        faults.drop_streams()

    def prompt_hub(datastore: Any, **options: Any) -> Hub:
        return Hub(datastore, **{**options, "policy": _PROMPT})

    disturbances = [drop, expire, faults.reset_queries, faults.miscount]
    world = ClubWorld(boiler(), disturbances, boiler(), refusing(faults))
    try:
        with (
            world.boiler.context.activated(),
            unittest.mock.patch.object(live, "Hub", prompt_hub),
        ):
            yield world
    finally:
        for one in filter(None, (world.other, world.boiler)):
            one.close()
        channel.close()
