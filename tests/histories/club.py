"""The world of histories about members: rooms with readers, tables of seasons, totals, pairs.

Accounts and their sum, counts of matches and the generation of teams and venues are changed in one
commit each, so that every published value shows at once whether it mixes two times. Each copy of a
room says who its members are, so that it shows whether its reader is one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from flask_boiler import (
    Attr,
    DocumentMediator,
    DomainModel,
    Query,
    QueryMediator,
    Store,
    ViewModel,
    attrs,
    each,
    param,
    reference,
    root,
)

USERS = ("ann", "bob", "cy", "dan")
ROOMS = ("r0", "r1")
MESSAGES = ("m0", "m1")
MATCHES = ("x0", "x1", "x2")
SEASONS = ("2023", "2024", "2025")
LANGUAGES = ("de", "en")
TEAMS = ("t0", "t1")
VENUES = ("v0", "v1")
OPENING_POINTS = 100

#: Where the members of a room come from.
MemberKind = Literal["texts", "ids", "references", "mapping", "group", "query", "languages"]
#: Where the seasons that have a table come from.
SeasonKind = Literal["attribute", "documents", "list"]
TotalKind = Literal["query", "document"]


class Room(DomainModel):
    title: Attr[str]
    #: Which only what is shown to one member alone has in it.
    motto: Attr[str]
    #: Grows with most changes of who the members are.
    revision: Attr[int]
    members: Attr[list[str]]
    refs = attrs.bproperty()
    chairs = attrs.bproperty()

    class Meta:
        collection_name = "rooms"


class Group(DomainModel):
    members: Attr[list[str]]

    class Meta:
        collection_name = "groups"


class User(DomainModel):
    name: Attr[str]

    class Meta:
        collection_name = "users"


class Seat(DomainModel):
    room: Attr[str]
    user: Attr[str]

    class Meta:
        collection_name = "clubSeats"


class Account(DomainModel):
    points: Attr[int]

    class Meta:
        collection_name = "accounts"


class Message(DomainModel):
    room: Attr[str]
    to: Attr[str]

    class Meta:
        collection_name = "messages"


class Match(DomainModel):
    season: Attr[str]
    goals: Attr[int]

    class Meta:
        collection_name = "matches"


class Season(DomainModel):
    title: Attr[str]

    class Meta:
        collection_name = "seasons"


class Count(DomainModel):
    #: How many matches of the season there are.
    played: Attr[int]

    class Meta:
        collection_name = "counts"


class Team(DomainModel):
    generation: Attr[int]

    class Meta:
        collection_name = "teams"


class Venue(DomainModel):
    generation: Attr[int]

    class Meta:
        collection_name = "venues"


# --- a copy of a room for each of its members -----------------------------------------------


class RoomStore(Store):
    room = root(Room)
    accounts = reference(Account, many=True, source=lambda store: Account.where())
    own = reference(Account, source=lambda store: store.who)

    @reference(Message, many=True)
    def messages(self) -> Query[Message]:
        return Message.where(Message.room == self.room.doc_id)

    @reference(Message, many=True)
    def addressed(self) -> Query[Message]:
        return Message.where(Message.room == self.room.doc_id, Message.to == self.who)

    @property
    def who(self) -> str:
        """The id of the user who reads."""
        raise NotImplementedError

    @property
    def label(self) -> str:
        """What the reader's document says."""
        raise NotImplementedError

    @property
    def named(self) -> list[str]:
        """Whom the source names."""
        return sorted(set(self.room.members))

    @property
    def present(self) -> list[str]:
        """Those of them whose documents exist: they have copies."""
        return self.named


class TextsStore(RoomStore):
    """Members that are texts, whether or not they have documents."""

    reader = each(str, source=lambda store: store.room.members)

    @property
    def who(self) -> str:
        return self.reader

    @property
    def label(self) -> str:
        return self.reader


class UsersStore(RoomStore):
    """Members that are users, and exist; where they are named, subclasses say."""

    @reference(User, many=True)
    def people(self) -> list[str]:
        return self.room.members

    @each(User)
    def reader(self) -> list[str]:
        return self.room.members

    @property
    def who(self) -> str:
        return self.reader.doc_id

    @property
    def label(self) -> str:
        return self.reader.name

    @property
    def present(self) -> list[str]:
        return sorted(self.people)


class ReferencesStore(UsersStore):
    @each(User)
    def reader(self) -> list[Any]:
        refs: list[Any] = self.room.refs
        return refs


class MappingStore(UsersStore):
    @each(User)
    def reader(self) -> Mapping[str, Any]:
        chairs: Mapping[str, Any] = self.room.chairs
        return chairs


class GroupStore(UsersStore):
    """Members that another document names."""

    group = reference(Group, source=lambda store: store.room.doc_id)

    @reference(User, many=True)
    def people(self) -> list[str]:
        return self.group.members if self.group else []

    @each(User)
    def reader(self) -> list[str]:
        return self.group.members if self.group else []

    @property
    def named(self) -> list[str]:
        return sorted(set(self.group.members)) if self.group else []


class LanguagesStore(UsersStore):
    """A copy for each member and language."""

    language = param(str)

    @property
    def label(self) -> str:
        return f"{self.reader.name} in {self.language}"


class QueryStore(RoomStore):
    """Members that have seats."""

    seats = reference(Seat, many=True, source=lambda store: Seat.where(room=store.room.doc_id))

    @each(Seat)
    def reader(self) -> Query[Seat]:
        return Seat.where(Seat.room == self.room.doc_id)

    @property
    def who(self) -> str:
        return self.reader.user

    @property
    def label(self) -> str:
        return self.reader.doc_id

    @property
    def named(self) -> list[str]:
        return sorted(self.seats)


class RoomCopy(ViewModel):
    """What one member sees of a room."""

    store: RoomStore

    class Meta:
        abstract = True

    @attrs.computed
    def title(self) -> str:
        return self.store.room.title

    @attrs.computed
    def revision(self) -> int:
        return self.store.room.revision

    @attrs.computed
    def named(self) -> list[str]:
        return self.store.named

    @attrs.computed
    def members(self) -> list[str]:
        return self.store.present

    @attrs.computed
    def worth(self) -> dict[str, int]:
        return {user: account.points for user, account in self.store.accounts.items()}

    @attrs.computed
    def messages(self) -> list[str]:
        return sorted(self.store.messages)

    @attrs.computed
    def who(self) -> str:
        return self.store.who

    @attrs.computed
    def label(self) -> str:
        return self.store.label

    @attrs.computed
    def greeting(self) -> str:
        return f"{self.store.who}: {self.store.room.motto}"

    @attrs.computed
    def notes(self) -> list[str]:
        return sorted(self.store.addressed)

    @attrs.computed
    def mine(self) -> int:
        assert self.store.own is not None
        return self.store.own.points


class TextsCopy(RoomCopy):
    store: TextsStore

    class Meta:
        path = "rooms/{room.doc_id}/copies/{reader}"


class IdsCopy(RoomCopy):
    store: UsersStore

    class Meta:
        path = "rooms/{room.doc_id}/copies/{reader.doc_id}"


class ReferencesCopy(IdsCopy):
    store: ReferencesStore


class MappingCopy(IdsCopy):
    store: MappingStore


class GroupCopy(IdsCopy):
    store: GroupStore


class LanguagesCopy(RoomCopy):
    store: LanguagesStore

    class Meta:
        path = "rooms/{room.doc_id}/copies/{reader.doc_id}-{language}"


class QueryCopy(RoomCopy):
    store: QueryStore

    class Meta:
        path = "rooms/{room.doc_id}/copies/{reader.doc_id}"


COPIES: Mapping[MemberKind, type[RoomCopy]] = {
    "texts": TextsCopy,
    "ids": IdsCopy,
    "references": ReferencesCopy,
    "mapping": MappingCopy,
    "group": GroupCopy,
    "languages": LanguagesCopy,
    "query": QueryCopy,
}


# --- a table for each season -----------------------------------------------------------------


class TableStore(Store):
    season = param(str)
    count = reference(Count, source=lambda store: store.season)

    @reference(Match, many=True)
    def matches(self) -> Query[Match]:
        return Match.where(Match.season == self.season)


class Table(ViewModel):
    store: TableStore

    class Meta:
        path = "tables/{season}"

    @attrs.computed
    def goals(self) -> dict[str, int]:
        return {key: match.goals for key, match in self.store.matches.items()}

    @attrs.computed
    def played(self) -> int:
        return self.store.count.played if self.store.count else 0


# --- one view of everything ------------------------------------------------------------------


class TotalsStore(Store):
    accounts = reference(Account, many=True, source=lambda store: Account.where())
    rooms = reference(Room, many=True, source=lambda store: Room.where())


class Totals(ViewModel):
    store: TotalsStore

    class Meta:
        path = "totals/all"

    @attrs.computed
    def points(self) -> int:
        return sum(account.points for account in self.store.accounts.values())

    @attrs.computed
    def rooms(self) -> list[str]:
        return sorted(self.store.rooms)


# --- a view for each combination of two documents --------------------------------------------


class PairStore(Store):
    team = root(Team)
    venue = root(Venue)


class Pair(ViewModel):
    store: PairStore

    class Meta:
        path = "pairs/{team.doc_id}/at/{venue.doc_id}"

    @attrs.computed
    def generations(self) -> list[int]:
        return [self.store.team.generation, self.store.venue.generation]


@dataclass(frozen=True)
class Club:
    """What is kept in a history: from where members and seasons are, and how totals are kept."""

    members: MemberKind
    seasons: SeasonKind
    totals: TotalKind

    def mediators(self) -> list[QueryMediator | DocumentMediator]:
        rooms: Any = Room.get_query()
        if self.members == "languages":
            rooms = {"room": rooms, "language": list(LANGUAGES)}
        seasons: dict[SeasonKind, Any] = {
            "attribute": Match.get_query(),
            "documents": {"season": Season.get_query()},
            "list": {"season": list(SEASONS)},
        }
        pairs: Any = {"team": Team.get_query(), "venue": Venue.get_query()}
        totals = QueryMediator(Totals) if self.totals == "query" else DocumentMediator(Totals)
        return [
            QueryMediator(COPIES[self.members], query=rooms),
            QueryMediator(Table, query=seasons[self.seasons]),
            totals,
            QueryMediator(Pair, query=pairs),
        ]
