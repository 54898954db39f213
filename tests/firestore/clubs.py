"""A club over REST: views of parameters, of members, of several roots, and of nothing at all."""

from __future__ import annotations

import datetime
import enum
from typing import Any

from flask import Flask

from flask_boiler import (
    Attr,
    Boiler,
    DomainModel,
    Mutation,
    Query,
    RestMediator,
    Store,
    ViewModel,
    attrs,
    each,
    param,
    reference,
    root,
)

__all__ = [
    "Cup",
    "CupStanding",
    "Lodge",
    "LodgeView",
    "Player",
    "Trophies",
    "add_club_routes",
    "create_club_app",
    "save_a_club",
]


class Grade(enum.Enum):
    YOUTH = "youth"
    SENIOR = "senior"


class Player(DomainModel):
    nick: Attr[str]


class Cup(DomainModel):
    player: Attr[str]
    year: Attr[int]
    grade: Attr[str]


class Lodge(DomainModel):
    motto: Attr[str]
    members: Attr[list[str]]


class StandingStore(Store):
    player = root(Player)
    year = param(int)
    grade = param(Grade)

    @reference(Cup, many=True)
    def cups(self) -> Query[Cup]:
        return Cup.where(
            Cup.player == self.player.doc_id,
            Cup.year == self.year,
            Cup.grade == self.grade.value,
        )


class CupStanding(ViewModel):
    """The cups of a player in one year and grade."""

    store: StandingStore

    class Meta:
        path = "cupStandings/{year}/{grade}/{player.doc_id}"

    nick: Attr[str] = attrs.through("player.nick")

    @attrs.computed
    def cups(self) -> int:
        return len(self.store.cups)


class StandingMutation(Mutation[CupStanding]):
    pass


class LodgeStore(Store):
    lodge = root(Lodge)

    @each(Player)
    def reader(self) -> list[str]:
        return self.lodge.members


class LodgeView(ViewModel):
    """A lodge, as one of its members sees it."""

    store: LodgeStore

    class Meta:
        path = "lodges/{lodge.doc_id}/views/{reader.doc_id}"

    motto: Attr[str] = attrs.through("lodge.motto")
    reader: Attr[str] = attrs.through("reader.nick", import_enabled=False)

    @attrs.computed
    def others(self) -> int:
        return len(set(self.store.lodge.members)) - 1


class LodgeMutation(Mutation[LodgeView]):
    """Members join by PUT with ``If-None-Match: *``, and leave by DELETE."""

    @classmethod
    def mutate_create(cls, doc_id: str | None = None, data: Any = None) -> LodgeView:
        named = cls.parts_of(doc_id or "")

        def join() -> LodgeView:
            Player.get_or_raise(named["reader"])
            lodge = Lodge.get_or_raise(named["lodge"])
            lodge.members = [*lodge.members, named["reader"]]
            lodge.save()
            return cls.mutate_patch(doc_id or "", data or {})

        return cls.atomically(join)

    @classmethod
    def mutate_delete(cls, doc_id: str) -> None:
        named = cls.parts_of(doc_id)

        def leave() -> None:
            view = LodgeView.new(**named)
            lodge = view.store.lodge
            lodge.members = [member for member in lodge.members if member != named["reader"]]
            view.propagate_change()

        cls.atomically(leave)


class DayStore(Store):
    day = param(datetime.date)
    indoors = param(bool)


class Opening(ViewModel):
    """Whether the club is open on a day."""

    store: DayStore

    @attrs.computed
    def is_open(self) -> bool:
        return self.store.indoors or self.store.day.month in (5, 6, 7)


class Trophies(ViewModel):
    """All cups that the club has."""

    class Meta:
        path = "club/trophies"

    @attrs.computed
    def cups(self) -> int:
        return Cup.get_query().count()


def add_club_routes(app: Flask) -> None:
    """Add the routes of all views."""
    standings = RestMediator(CupStanding, StandingMutation, app=app)
    standings.add_list_get("/cups/<year>/<grade>")
    standings.add_instance_get("/cups/<year>/<grade>/<player_id>")
    standings.add_instance_put("/cups/<year>/<grade>/<player_id>")
    standings.add_instance_patch("/cups/<year>/<grade>/<player_id>")
    lodges = RestMediator(LodgeView, LodgeMutation, app=app)
    lodges.add_list_get("/lodges/<lodge_id>/views")
    lodges.add_list_get("/players/<reader_id>/lodges")
    lodges.add_instance_get("/lodges/<lodge_id>/views/<reader_id>")
    lodges.add_instance_put("/lodges/<lodge_id>/views/<reader_id>")
    lodges.add_instance_patch("/lodges/<lodge_id>/views/<reader_id>")
    lodges.add_instance_delete("/lodges/<lodge_id>/views/<reader_id>")
    RestMediator(Opening, app=app).add_instance_get("/days/<day>/<indoors>")
    RestMediator(Trophies, app=app).add_instance_get("/trophies")


def create_club_app(boiler: Boiler) -> Flask:
    """The application, on the Firestore of the Boiler."""
    app = Flask("club")
    boiler.init_app(app)
    add_club_routes(app)
    return app


def save_a_club() -> None:
    """Save three players, some cups, and a lodge of two of them."""
    for doc_id in ("ann", "bob", "cem"):
        Player.new(doc_id=doc_id, nick=doc_id.title()).save()
    for player, year, grade in (
        ("ann", 2023, "youth"),
        ("ann", 2024, "senior"),
        ("bob", 2024, "senior"),
        ("bob", 2024, "senior"),
    ):
        Cup.new(player=player, year=year, grade=grade).save()
    Lodge.new(doc_id="oak", motto="Slowly", members=["ann", "bob"]).save()
