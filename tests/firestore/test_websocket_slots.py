"""Views of parameters, of members and of nothing at all, over Socket.IO, on a real Firestore."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from typing import Any

import pytest
from flask import request

from flask_boiler import (
    Attr,
    Boiler,
    DomainModel,
    Mutation,
    Query,
    Store,
    ViewModel,
    WsLimits,
    WsMediator,
    attrs,
    each,
    param,
    reference,
    root,
)
from flask_boiler.errors import PermissionDeniedError
from flask_boiler.testing import Settle
from tests.firestore.test_websocket import Client, World

LIMITS = WsLimits(linger_s=0.0)


class Derby(DomainModel):
    season: Attr[int]
    winner: Attr[str]


class TableStore(Store):
    season = param(int)

    @reference(Derby, many=True)
    def matches(self) -> Query[Derby]:
        return Derby.where(Derby.season == self.season)


class LeagueTable(ViewModel):
    store: TableStore

    @attrs.computed
    def season(self) -> int:
        return self.store.season

    @attrs.computed
    def points(self) -> dict[str, int]:
        points: dict[str, int] = {}
        for match in self.store.matches.values():
            points[match.winner] = points.get(match.winner, 0) + 3
        return points


class TotalStore(Store):
    @reference(Derby, many=True)
    def matches(self) -> Query[Derby]:
        return Derby.all()


class Total(ViewModel):
    """A view that there is one of."""

    store: TotalStore

    @attrs.computed
    def matches(self) -> int:
        return len(self.store.matches)


class Clubber(DomainModel):
    nickname: Attr[str]
    pinned: Attr[str] = attrs.bproperty(default="")


class Club(DomainModel):
    topic: Attr[str]
    members: Attr[list[str]]


class ClubStore(Store):
    club = root(Club)

    @each(Clubber)
    def reader(self) -> list[str]:
        if self.club.topic == "broken":
            raise ValueError("the members are in disorder")
        return self.club.members


class ClubView(ViewModel):
    """A club as one of its members sees it."""

    store: ClubStore

    topic: Attr[str] = attrs.through("club.topic")
    pinned: Attr[str] = attrs.through("reader.pinned")


class ClubMutation(Mutation[ClubView]):
    pass


class Clubs(WsMediator):
    """Everybody reads as who the query string says."""

    asked: list[dict[str, Any]]

    def authorize(self, arguments: dict[str, Any]) -> Hashable:
        self.asked.append(dict(arguments))
        user = request.args["user"]
        if arguments.setdefault("reader", user) != user:
            raise PermissionDeniedError("Read as yourself.")
        return None

    def authorize_mutation(
        self, operation: str, doc_id: str | None, data: dict[str, Any] | None
    ) -> None:
        if ClubMutation.parts_of(doc_id or "")["reader"] != request.args["user"]:
            raise PermissionDeniedError("Write as yourself.")


@pytest.fixture
def make(boiler: Boiler) -> Iterator[Callable[[WsMediator], World]]:
    made: list[WsMediator] = []

    def make_world(mediator: WsMediator) -> World:
        made.append(mediator)
        return World(boiler, mediator)

    yield make_world
    for mediator in made:
        mediator.stop()


@pytest.fixture
def clubs(make: Callable[[WsMediator], World]) -> World:
    mediator = Clubs(ClubView, ClubMutation, namespace="/clubs", limits=LIMITS)
    mediator.asked = []
    for name in ("ann", "bob", "eve"):
        Clubber.new(doc_id=name, nickname=name.title()).save()
    Club.new(doc_id="c", topic="chess", members=["ann", "bob"]).save()
    return make(mediator)


def subscribe(client: Client, **arguments: Any) -> Any:
    return client.emit("subscribe_view_model", arguments)


def points_told(client: Client) -> list[dict[str, int]]:
    return [value["points"] for value, _ in client.received("updated")]


def test_a_table_of_a_season_follows_the_matches_of_that_season(
    make: Callable[[WsMediator], World], settle: Settle
) -> None:
    world = make(WsMediator(LeagueTable, namespace="/tables"))
    Derby.new(season=2023, winner="ulm").save()
    old, new, same = world.client(), world.client(), world.client()
    assert subscribe(old, season=2023)["value"] == {"season": 2023, "points": {"ulm": 3}}
    first = subscribe(new, season=2024)
    assert first["value"] == {"season": 2024, "points": {}}
    # However it is written, it is one view.
    assert subscribe(same, season=2024.0)["subscription_id"] == first["subscription_id"]
    assert world.mediator.views == 2
    Derby.new(season=2024, winner="jena").save()
    settle()
    assert points_told(new) == points_told(same) == [{"jena": 3}]
    assert old.received("updated") == []


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        ({}, {"season"}),
        ({"season": "2024"}, {"season"}),
        ({"seasn": 2024}, {"seasn", "season"}),
        ({"season": 2024, "doc_id": "x"}, {"doc_id"}),
    ],
)
def test_arguments_of_a_table_are_checked(
    make: Callable[[WsMediator], World], arguments: dict[str, Any], wrong: set[str]
) -> None:
    client = make(WsMediator(LeagueTable, namespace="/tables")).client()
    refused = subscribe(client, **arguments)["error"]
    assert refused["status"] == 422
    assert refused["errors"].keys() == wrong


def test_a_view_that_there_is_one_of_takes_no_arguments(
    make: Callable[[WsMediator], World], settle: Settle
) -> None:
    world = make(WsMediator(Total, namespace="/totals"))
    client, other = world.client(), world.client()
    first = client.emit("subscribe_view_model")
    assert first["value"] == {"matches": 0}
    assert subscribe(other)["subscription_id"] == first["subscription_id"]
    Derby.new(season=1, winner="ulm").save()
    settle()
    for each_client in (client, other):
        assert [value for value, _ in each_client.received("updated")] == [{"matches": 1}]


def test_who_leaves_is_told_and_who_stays_goes_on(clubs: World, settle: Settle) -> None:
    ann, bob = (clubs.client(query_string=f"user={user}") for user in ("ann", "bob"))
    for client in (ann, bob):
        assert subscribe(client, club="c")["value"] == {"topic": "chess", "pinned": ""}
    assert clubs.mediator.views == 2
    Club.get_or_raise("c").update(members=["ann"], topic="go")
    settle()
    assert [value["topic"] for value, _ in ann.received("updated")] == ["go"]
    [(problem,)] = bob.received("error")
    assert problem["status"] == 404
    # What happens meanwhile is none of his business.
    Club.get_or_raise("c").update(topic="secret")
    settle()
    assert bob.received("updated") == []
    Club.get_or_raise("c").update(members=["ann", "bob"], topic="bridge")
    settle()
    assert [value["topic"] for value, _ in bob.received("updated")] == ["bridge"]
    assert bob.received("error") == []
    assert clubs.boiler.parked == []


def test_a_member_whose_document_goes_is_told_as_one_who_leaves(
    clubs: World, settle: Settle
) -> None:
    ann = clubs.client(query_string="user=ann")
    subscribe(ann, club="c")
    Clubber.get_or_raise("ann").delete()
    settle()
    assert [problem["status"] for (problem,) in ann.received("error")] == [404]
    Clubber.new(doc_id="ann", nickname="Ann", pinned="rules").save()
    settle()
    assert [value["pinned"] for value, _ in ann.received("updated")] == ["rules"]


def test_a_source_that_fails_is_told_to_its_own_subscribers_and_heals(
    clubs: World, settle: Settle
) -> None:
    Club.new(doc_id="d", topic="dance", members=["bob"]).save()
    ann, bob = (clubs.client(query_string=f"user={user}") for user in ("ann", "bob"))
    subscribe(ann, club="c")
    subscribe(bob, club="d")
    Club.get_or_raise("c").update(topic="broken")
    settle()
    [(problem,)] = ann.awaited("error")
    assert problem["status"] == 500
    assert "disorder" not in str(problem)
    [parked] = clubs.boiler.parked
    assert "ClubStore.reader: its source raised ValueError" in str(parked.error)
    Club.get_or_raise("d").update(topic="tango")
    settle()
    assert [value["topic"] for value, _ in bob.received("updated")] == ["tango"]
    Club.get_or_raise("c").update(topic="go")
    settle()
    assert [value["topic"] for value, _ in ann.received("updated")] == ["go"]
    assert clubs.boiler.parked == []


def test_a_stranger_is_told_as_of_a_missing_club(clubs: World) -> None:
    eve = clubs.client(query_string="user=eve")
    assert subscribe(eve, club="c")["error"]["status"] == 404
    assert subscribe(eve, club="none")["error"]["status"] == 404
    command = {"operation": "patch", "arguments": {"club": "c", "reader": "eve"}}
    answer = eve.emit("mutate", {**command, "data": {"topic": "mine"}})
    assert answer["error"]["status"] == 404
    assert Club.get_or_raise("c").topic == "chess"


def test_another_name_of_a_slot_passes_nobody_by(clubs: World) -> None:
    eve = clubs.client(query_string="user=eve")
    assert subscribe(eve, club_id="c", reader_id="ann")["error"]["status"] == 403
    twice = subscribe(eve, club_id="c", reader="eve", reader_id="ann")["error"]
    assert (twice["status"], twice["errors"].keys()) == (422, {"reader_id"})
    assert clubs.mediator.asked == [{"club": "c", "reader": "ann"}]  # type: ignore[attr-defined]
    command = {"operation": "patch", "arguments": {"club_id": "c", "reader_id": "ann"}}
    answer = eve.emit("mutate", {**command, "data": {"topic": "mine"}})
    assert answer["error"]["status"] == 403


def test_a_member_changes_its_view_by_key_and_by_arguments(clubs: World, settle: Settle) -> None:
    ann, bob = (clubs.client(query_string=f"user={user}") for user in ("ann", "bob"))
    for client in (ann, bob):
        subscribe(client, club="c")
    named = {"operation": "patch", "arguments": {"club": "c", "reader": "ann"}}
    changed = ann.emit("mutate", {**named, "data": {"pinned": "rules"}})
    assert changed == {"doc_id": "c//ann", "value": {"topic": "chess", "pinned": "rules"}}
    by_key = {"operation": "patch", "doc_id": "c//ann", "data": {"topic": "go"}}
    assert ann.emit("mutate", by_key)["value"] == {"topic": "go", "pinned": "rules"}
    settle()
    assert ann.received("updated")[-1][0] == {"topic": "go", "pinned": "rules"}
    assert [value for value, _ in bob.received("updated")] == [{"topic": "go", "pinned": ""}]
    for operation in ("create", "delete"):
        refused = ann.emit("mutate", {"operation": operation, "doc_id": "c//ann"})
        assert refused["error"]["status"] == 409
    assert set(Club.get_or_raise("c").members) == {"ann", "bob"}


def test_a_member_that_comes_back_after_its_connection_was_lost_is_brought_up_to_date(
    clubs: World, settle: Settle
) -> None:
    bob = clubs.client(query_string="user=bob")
    held = subscribe(bob, club="c")["version"]
    bob.leave()
    Club.get_or_raise("c").update(members=["ann"])
    settle()
    bob = clubs.client(query_string="user=bob")
    again = bob.emit("subscribe_view_model", {"club": "c"}, {"version": held})
    assert again["error"]["status"] == 404
    Club.get_or_raise("c").update(members=["bob"], topic="go")
    settle()
    back = bob.emit("subscribe_view_model", {"club": "c"}, {"version": held})
    assert back["value"]["topic"] == "go"
    assert back["version"] > held
