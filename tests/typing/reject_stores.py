"""What type checkers have to refuse of stores and setters: every line that is marked, no other."""

from __future__ import annotations

import datetime

from flask_boiler import (
    Attr,
    DomainModel,
    Omit,
    Query,
    Store,
    ViewModel,
    attrs,
    each,
    param,
    reference,
    root,
)


class User(DomainModel):
    name: Attr[str]


class Team(DomainModel):
    title: Attr[str]
    lead = attrs.relation(User)
    since = attrs.timestamp(required=True)


class TeamStore(Store):
    team = root(Team)
    reader = each(User, source=lambda store: [])
    season = param(int)
    lead = reference(User, source=lambda store: store.team.lead)
    number = root(3)  # refused
    text = root(str)  # refused
    anything = reference(dict)  # refused
    integer = each(int, source=lambda store: [])  # refused
    ratio = param(float)  # refused
    names = param(list)  # refused
    late = param("str")  # refused

    @reference(User)  # refused
    def deputy(self) -> int:
        return self.season

    @reference(User)  # refused
    def rival(self) -> Team | None:
        return self.team

    @reference(User)  # refused
    def first(self) -> Query[Team]:
        return Team.where()

    @reference(User, many=True)  # refused
    def users(self) -> Query[Team]:
        return Team.where()

    @reference(User, many=True)  # refused
    def ages(self) -> list[int]:
        return [self.season]

    @reference(User, many=True)
    def twins(self) -> list[str]:
        return [self.temm.title]  # refused

    @reference(User, many=True)
    def others(self) -> list[str]:
        return [self.team.titel]  # refused

    @reference(User)
    def wrong(self) -> str:
        return self.season  # refused


class NumberStore(Store):
    @each(User)  # refused
    def reader(self) -> list[int]:
        return []


class ModelStore(Store):
    @each(str)  # refused
    def reader(self) -> Query[User]:
        return User.where()


class IdStore(Store):
    reader = each(str, source=lambda store: ["ann"])


class TeamView(ViewModel):
    store: TeamStore

    title: Attr[str] = attrs.through("team.title")
    open: Attr[bool] = attrs.bproperty()
    since = attrs.bproperty(datetime.date)

    @attrs.computed
    def name(self) -> str:
        return self.store.reader.name

    @attrs.computed
    def leader(self) -> str:
        return self.store.lead.name  # refused

    @attrs.computed
    def place(self) -> str:
        return self.store.citty.name  # refused

    @attrs.computed
    def year(self) -> str:
        return self.store.season  # refused

    @attrs.computed
    def nick(self) -> str:
        return self.store.reader.nick  # refused

    @open.getter  # refused
    def _get_open(self) -> str:
        return "yes"

    @open.setter  # refused
    def _set_open(self, value: str) -> None:
        print(value)

    @name.setter  # refused
    def _set_name(self, value: int) -> None:
        print(value)

    @name.deleter  # refused
    def _delete_name(self, value: int) -> None:
        print(value)

    @attrs.computed
    def rank(self) -> int | Omit:
        return self.store.season

    @rank.setter  # refused
    def _set_rank(self, value: str) -> None:
        print(value)

    @since.setter  # refused
    def _set_since(self, value: datetime.datetime) -> None:
        print(value)

    @title.setter  # refused
    def _set_title(self) -> None:
        print("x")


def use(view: TeamView, ids: IdStore) -> None:
    view.open = "x"  # refused
    view.name = 3  # refused
    view.title = None  # refused
    view.since = "today"  # refused
    print(ids.reader.doc_id)  # refused
    print(view.store.team.since.no_such_method())  # refused
    print(view.store.season.upper())  # refused
