"""What type checkers have to accept of stores, setters and attributes that pass through."""

from __future__ import annotations

import datetime
import enum
import uuid
from collections.abc import Iterator, Mapping
from typing import Any, assert_type

from google.cloud.firestore import DocumentReference

from flask_boiler import (
    OMIT,
    Attr,
    DomainModel,
    Form,
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


class Level(enum.Enum):
    HIGH = "high"


class User(DomainModel):
    name: Attr[str]


class Admin(User):
    level: Attr[int]


class Room(DomainModel):
    title: Attr[str]
    owner = attrs.relation(User, required=True)
    deputy = attrs.relation(User)
    members = attrs.relation(User, many=True)
    member_ids: Attr[list[str]] = attrs.bproperty(default_factory=list)
    opened = attrs.timestamp(required=True)
    closed = attrs.timestamp()


class RoomStore(Store):
    """Each kind of slot, with sources of both spellings."""

    room = root(Room)
    reader = each(User, source=lambda store: store.room.members)
    season = param(str)
    day = param(datetime.date)
    number = param(int)
    key = param(uuid.UUID)
    level = param(Level)
    owner = reference(User, source=lambda store: store.room.owner)
    members = reference(User, many=True, source=lambda store: store.room.members)

    @reference(User)
    def deputy(self) -> DocumentReference | None:
        return self.room.deputy

    @reference(User)
    def first(self) -> Query[User]:
        return User.where(User.name == self.season)

    @reference(User)
    def guest(self) -> str:
        return f"User/{self.number}"

    @reference(User)
    def host(self) -> Admin | None:
        return Admin.get(self.room.doc_id)

    @reference(User, many=True)
    def admins(self) -> Query[Admin]:
        return Admin.where(Admin.level > self.number)

    @reference(User, many=True)
    def named(self) -> dict[str, str]:
        return {user_id: f"User/{user_id}" for user_id in self.room.member_ids}

    @reference(User, many=True)
    def yielded(self) -> Iterator[DocumentReference | User | None]:
        yield self.room.owner
        yield self.room.deputy
        yield from self.members.values()


class MemberStore(Store):
    room = root(Room)

    @each(User)
    def reader(self) -> list[str]:
        return self.room.member_ids


class IdStore(Store):
    @each(str)
    def reader(self) -> list[str]:
        return ["ann"]


class QueryStore(Store):
    @each(User)
    def reader(self) -> Query[Admin]:
        return Admin.where()


class Totals(Store):
    users = reference(User, many=True, source=lambda store: User.get_query())


def slots(store: RoomStore, ids: IdStore, members: MemberStore, totals: Totals) -> None:
    assert_type(store.room, Room)
    assert_type(store.room.title, str)
    assert_type(store.room.owner, DocumentReference)
    assert_type(store.room.deputy, DocumentReference | None)
    assert_type(store.room.opened, datetime.datetime)
    assert_type(store.room.closed, datetime.datetime | None)
    assert_type(store.reader, User)
    assert_type(store.season, str)
    assert_type(store.day, datetime.date)
    assert_type(store.number, int)
    assert_type(store.key, uuid.UUID)
    assert_type(store.level, Level)
    assert_type(store.owner, User | None)
    assert_type(store.members, Mapping[str, User])
    assert_type(store.deputy, User | None)
    assert_type(store.first, User | None)
    assert_type(store.admins, Mapping[str, User])
    assert_type(store.yielded, Mapping[str, User])
    assert_type(ids.reader, str)
    assert_type(members.reader, User)
    assert_type(totals.users, Mapping[str, User])


class RoomView(ViewModel):
    """Setters whose functions have names of their own, in each way to declare an attribute."""

    store: RoomStore

    title: Attr[str] = attrs.through("room.title")
    reader_name = attrs.through("reader.name")
    open: Attr[bool] = attrs.bproperty()
    note = attrs.bproperty()
    tags = attrs.bproperty(default_factory=list[str])
    owner = attrs.relation(User)

    class Meta:
        path = "rooms/{room.doc_id}/views/{reader.doc_id}"

    @open.getter
    def _get_open(self) -> bool:
        return self.store.room.closed is None

    @open.setter
    def _set_open(self, value: bool) -> None:
        if value:
            del self.store.room.closed

    @open.deleter
    def _delete_open(self) -> None:
        del self.store.room.closed

    @tags.init
    def _init_tags(self) -> list[str]:
        return [self.title]

    @note.setter
    def _(self, value: Any) -> None:
        self.store.room.title = str(value)

    @tags.setter
    def _(self, value: list[str]) -> None:
        self.store.room.title = " ".join(value)

    @attrs.computed
    def name(self) -> str:
        return self.store.reader.name

    @name.setter
    def change_name(self, value: str) -> None:
        self.store.reader.name = value

    @attrs.computed(data_key="BIG")
    def is_big(self) -> bool:
        return len(self.store.members) > 100

    @is_big.setter
    def _set_is_big(self, value: object) -> None:
        raise AttributeError(f"it is not up to you to say {value}")

    @attrs.computed
    def nickname(self) -> str | Omit:
        return self.store.reader.name or OMIT

    @nickname.setter
    def _set_nickname(self, value: str) -> None:
        self.store.reader.name = value

    @owner.setter
    def _set_owner(self, value: User | DocumentReference) -> None:
        self.store.room.owner = value


class QuietView(RoomView):
    @RoomView.name.getter
    def _get_name(self) -> str:
        return "somebody"

    @RoomView.name.setter
    def change_name(self, value: str) -> None:
        raise AttributeError(value)


class RoomForm(Form):
    store: RoomStore

    title: Attr[str] = attrs.bproperty(required=True)

    @title.setter
    def _set_title(self, value: str) -> None:
        self.store.room.title = value


def views(view: RoomView, quiet: QuietView) -> None:
    assert_type(view.title, str)
    assert_type(view.reader_name, Any)
    assert_type(view.open, bool)
    assert_type(view.tags, list[str])
    assert_type(view.name, str)
    assert_type(view.is_big, bool)
    assert_type(view.nickname, str | Omit)
    assert_type(quiet.name, str)
    view.title = "Lobby"
    view.open = True
    view.name = quiet.name = "Ann"
    view.owner = "User/ann"
    del view.open
