"""The steps of a random history of a club, and how each is carried out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import strategies as st

from flask_boiler import CTX, Boiler
from flask_boiler.ground.values import Write
from tests.histories.club import (
    MATCHES,
    MESSAGES,
    OPENING_POINTS,
    ROOMS,
    SEASONS,
    TEAMS,
    USERS,
    VENUES,
    Club,
)
from tests.histories.steps import Disturb, Restart, Settle, World, commit

Fields = dict[str, Any]


@dataclass(frozen=True)
class ClubWorld(World):
    """Where a history of a club happens.

    :param other: a second process's, which keeps the same views while it runs.
    :param refused: the server refuses to listen to a collection while this is entered; on new
        streams it does so no more. ``None`` where no server can be asked for that.
    """

    other: Boiler | None = None
    refused: Callable[[str], AbstractContextManager[None]] | None = None
    #: The documents as they were committed, by path.
    documents: dict[str, Fields] = field(default_factory=dict)
    #: Whether the second one runs, after each time that it was started or stopped.
    accompanied: list[bool] = field(default_factory=lambda: [False])

    def commit(self, changes: Mapping[str, Fields | None]) -> None:
        """One commit: of each path what is stored there afterwards, ``None`` for nothing."""
        commit(self, [_write(path, fields) for path, fields in changes.items()])
        for path, fields in changes.items():
            if fields is None:
                self.documents.pop(path, None)
            else:
                self.documents[path] = fields

    def below(self, collection: str) -> dict[str, Fields]:
        """The documents of a collection as they were committed, by id."""
        return {
            path.partition("/")[2]: fields
            for path, fields in self.documents.items()
            if path.startswith(f"{collection}/")
        }

    def running(self) -> Iterator[Boiler]:
        """The processes that keep the views."""
        yield self.boiler
        if self.other is not None and self.accompanied[-1]:
            yield self.other


#: The collections of the documents, and of which class they are.
COLLECTIONS = {
    "rooms": "Room",
    "groups": "Group",
    "users": "User",
    "clubSeats": "Seat",
    "accounts": "Account",
    "messages": "Message",
    "matches": "Match",
    "seasons": "Season",
    "counts": "Count",
    "teams": "Team",
    "venues": "Venue",
}


def _write(path: str, fields: Fields | None) -> Write:
    if fields is None:
        return Write("delete", path)
    collection = path.partition("/")[0]
    stored = {"obj_type": COLLECTIONS[collection], **fields}
    if collection == "rooms":
        # The same members, as whoever reads them may want them.
        stored["refs"] = [CTX.db.document(f"users/{user}") for user in fields["members"]]
        stored["chairs"] = {f"c{n}": ref for n, ref in enumerate(stored["refs"])}
    return Write("set", path, stored)


def _paid(world: ClubWorld, source: str, target: str, points: int) -> dict[str, Fields | None]:
    """The accounts after a payment."""
    accounts = world.below("accounts")
    moved = Counter({source: -points})
    moved[target] += points
    return {
        f"accounts/{user}": {"points": accounts[user]["points"] + more}
        for user, more in moved.items()
    }


@dataclass(frozen=True)
class Open:
    """The accounts and a room are opened, before anything else."""

    def run(self, world: ClubWorld) -> None:
        world.commit({f"accounts/{user}": {"points": OPENING_POINTS} for user in USERS})
        world.commit({f"users/{user}": {"name": user} for user in USERS[:3]})
        Gather(ROOMS[0], "opened", USERS).run(world)


@dataclass(frozen=True)
class Gather:
    """A room is saved anew, with other members, wherever they are named."""

    room: str
    title: str
    #: Some may be named twice.
    members: tuple[str, ...]
    #: Who pays whom in the same commit.
    paid: tuple[str, str] | None = None

    def run(self, world: ClubWorld) -> None:
        before = world.documents.get(f"rooms/{self.room}", {})
        members = list(self.members)
        changes: dict[str, Fields | None] = {
            f"rooms/{self.room}": {
                "title": self.title,
                "motto": before.get("motto", ""),
                "revision": before.get("revision", 0) + 1,
                "members": members,
            },
            f"groups/{self.room}": {"members": members},
        }
        for user in USERS:
            seat = f"clubSeats/{self.room}-{user}"
            if user in members:
                changes[seat] = {"room": self.room, "user": user}
            elif seat in world.documents:
                changes[seat] = None
        if self.paid is not None:
            changes |= _paid(world, *self.paid, 1)
        world.commit(changes)


@dataclass(frozen=True)
class Regroup:
    """The group of a room is another one, and the room does not say so."""

    room: str
    members: tuple[str, ...] | None

    def run(self, world: ClubWorld) -> None:
        group = None if self.members is None else {"members": list(self.members)}
        world.commit({f"groups/{self.room}": group})


@dataclass(frozen=True)
class Sit:
    """Somebody takes a seat, or leaves it, and the room does not say so."""

    room: str
    user: str
    sits: bool

    def run(self, world: ClubWorld) -> None:
        seat = {"room": self.room, "user": self.user} if self.sits else None
        world.commit({f"clubSeats/{self.room}-{self.user}": seat})


@dataclass(frozen=True)
class Inscribe:
    """A room has another motto, and nothing else changes."""

    room: str
    motto: str

    def run(self, world: ClubWorld) -> None:
        path = f"rooms/{self.room}"
        if path in world.documents:
            world.commit({path: {**world.documents[path], "motto": self.motto}})


@dataclass(frozen=True)
class Close:
    """A room is deleted; who its members were is still written elsewhere."""

    room: str

    def run(self, world: ClubWorld) -> None:
        world.commit({f"rooms/{self.room}": None})


@dataclass(frozen=True)
class Enrol:
    """A user's document is written, or deleted, whether or not the user is a member.

    :param told: whether all rooms have a new revision by that.
    """

    user: str
    name: str | None
    told: bool

    def run(self, world: ClubWorld) -> None:
        changes: dict[str, Fields | None] = {
            f"users/{self.user}": None if self.name is None else {"name": self.name}
        }
        if self.told:
            for room, fields in world.below("rooms").items():
                changes[f"rooms/{room}"] = {**fields, "revision": fields["revision"] + 1}
        world.commit(changes)


@dataclass(frozen=True)
class Pay:
    """Points move between two accounts, in one commit."""

    source: str
    target: str
    points: int

    def run(self, world: ClubWorld) -> None:
        world.commit(_paid(world, self.source, self.target, self.points))


@dataclass(frozen=True)
class Say:
    """A message is written to a member, or deleted."""

    message: str
    room: str | None
    to: str

    def run(self, world: ClubWorld) -> None:
        said = None if self.room is None else {"room": self.room, "to": self.to}
        world.commit({f"messages/{self.message}": said})


@dataclass(frozen=True)
class Play:
    """A match is played in a season, or moved to it, or struck off; seasons count theirs."""

    match: str
    season: str | None
    goals: int

    def run(self, world: ClubWorld) -> None:
        matches = world.below("matches")
        seasons = {self.season, matches.get(self.match, {}).get("season")} - {None}
        matches.pop(self.match, None)
        changes: dict[str, Fields | None] = {f"matches/{self.match}": None}
        if self.season is not None:
            changes[f"matches/{self.match}"] = matches[self.match] = {
                "season": self.season,
                "goals": self.goals,
            }
        played = Counter(match["season"] for match in matches.values())
        changes |= {f"counts/{season}": {"played": played[season]} for season in seasons}
        world.commit(changes)


@dataclass(frozen=True)
class Announce:
    """The document of a season is written, or deleted."""

    season: str
    title: str | None

    def run(self, world: ClubWorld) -> None:
        title = self.title
        world.commit({f"seasons/{self.season}": None if title is None else {"title": title}})


@dataclass(frozen=True)
class Rename:
    """Teams and venues are those of a new generation, in one commit; some may be no more."""

    teams: tuple[str, ...]
    venues: tuple[str, ...]

    def run(self, world: ClubWorld) -> None:
        generations = [
            fields["generation"]
            for fields in [*world.below("teams").values(), *world.below("venues").values()]
        ]
        newest: Fields = {"generation": max(generations, default=0) + 1}
        changes: dict[str, Fields | None] = {
            f"teams/{team}": newest if team in self.teams else None for team in TEAMS
        }
        changes |= {f"venues/{venue}": newest if venue in self.venues else None for venue in VENUES}
        world.commit(changes)


@dataclass(frozen=True)
class Pause:
    """Nothing happens until everything is published, whoever runs."""

    def run(self, world: ClubWorld) -> None:
        for boiler in world.running():
            Settle().run(replace(world, boiler=boiler))


@dataclass(frozen=True)
class Accompany:
    """The second process starts, or stops."""

    def run(self, world: ClubWorld) -> None:
        if world.other is None:
            return
        if world.accompanied[-1]:
            world.other.stop()
        else:
            world.other.start()
        world.accompanied.append(not world.accompanied[-1])


Change = Gather | Inscribe | Regroup | Sit | Close | Enrol | Pay | Say | Play | Announce | Rename


@dataclass(frozen=True)
class Meanwhile:
    """The worker stops, things change, and it starts again."""

    changes: tuple[Change, ...]

    def run(self, world: ClubWorld) -> None:
        with _stopped(world.boiler):
            for change in self.changes:
                change.run(world)


@contextmanager
def _stopped(boiler: Boiler) -> Iterator[None]:
    boiler.stop()
    try:
        yield
    finally:
        boiler.start()


@dataclass(frozen=True)
class Refuse:
    """The server refuses to listen to a collection, things change, and it allows it again."""

    collection: str
    changes: tuple[Change, ...]

    def run(self, world: ClubWorld) -> None:
        refused = nullcontext() if world.refused is None else world.refused(self.collection)
        with refused:
            for change in self.changes:
                change.run(world)
            Pause().run(world)


Step = Refuse | Change | Disturb | Pause | Restart | Accompany | Meanwhile

_rooms = st.sampled_from(ROOMS)
_users = st.sampled_from(USERS)
_members = st.lists(_users, max_size=5).map(tuple)
_gatherings = st.builds(
    Gather,
    _rooms,
    st.sampled_from(["x", "y"]),
    _members,
    st.one_of(st.none(), st.tuples(_users, _users)),
)
_matches = st.sampled_from(MATCHES)
_seasons = st.sampled_from(SEASONS)


def _some(of: tuple[str, ...]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(of), unique=True).map(tuple)


_changes: st.SearchStrategy[Change] = st.one_of(
    _gatherings,
    _gatherings,
    _gatherings,
    st.builds(Regroup, _rooms, st.one_of(_members, st.none())),
    st.builds(Sit, _rooms, _users, st.booleans()),
    st.builds(Close, _rooms),
    st.builds(Inscribe, _rooms, st.sampled_from(["x", "y"])),
    st.builds(Enrol, _users, st.sampled_from([None, "x", "y"]), st.booleans()),
    st.builds(Pay, _users, _users, st.integers(1, 9)),
    st.builds(Pay, _users, _users, st.integers(1, 9)),
    st.builds(Say, st.sampled_from(MESSAGES), st.one_of(st.none(), _rooms), _users),
    st.builds(Play, _matches, st.one_of(st.none(), _seasons, _seasons), st.integers(0, 3)),
    st.builds(Announce, _seasons, st.sampled_from([None, "x", "y"])),
    st.builds(Rename, _some(TEAMS), _some(VENUES)),
)
_steps: st.SearchStrategy[Step] = st.one_of(
    _changes,
    _changes,
    _changes,
    _changes,
    _changes,
    _changes,
    st.builds(Disturb, st.integers(0, 7)),
    st.builds(Pause),
    st.builds(Pause),
    st.builds(Pause),
    st.builds(Restart),
    st.builds(Accompany),
    st.builds(Meanwhile, st.lists(_changes, min_size=1, max_size=3).map(tuple)),
    st.builds(
        Refuse,
        st.sampled_from(
            ["rooms", "groups", "clubSeats", "users", "messages", "matches", "seasons", "teams"]
        ),
        st.lists(_changes, max_size=3).map(tuple),
    ),
)
clubs: st.SearchStrategy[Club] = st.builds(
    Club,
    st.sampled_from(["texts", "ids", "references", "mapping", "group", "languages", "query"]),
    st.sampled_from(["attribute", "documents", "list"]),
    st.sampled_from(["query", "document"]),
)
club_histories: st.SearchStrategy[list[Step]] = st.lists(_steps, min_size=3, max_size=20)
