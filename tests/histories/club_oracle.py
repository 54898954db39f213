"""What the views of a club must be, computed from its documents alone, and what may be published.

Nothing of the framework is used for it but the names of places and classes.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from flask_boiler import CTX, Boiler
from flask_boiler.firestore.query_compiler import compile_query
from flask_boiler.ground.values import CommitResult, QuerySpec, Snapshot, Write
from flask_boiler.view.mediation.live import live_views
from tests.histories.club import COPIES, LANGUAGES, OPENING_POINTS, SEASONS, USERS, Club
from tests.histories.club_steps import COLLECTIONS, ClubWorld, Fields


def expected_views(club: Club, world: ClubWorld) -> dict[str, Fields]:
    """All documents of views that there must be, by path."""
    views = dict(_copies(club, world))
    views |= _tables(club, world)
    views["totals/all"] = _identified(
        "Totals",
        "totals/all",
        points=len(USERS) * OPENING_POINTS,
        rooms=sorted(world.below("rooms")),
    )
    for team, its in world.below("teams").items():
        for venue, there in world.below("venues").items():
            place = f"pairs/{team}/at/{venue}"
            generations = [its["generation"], there["generation"]]
            views[place] = _identified("Pair", place, generations=generations)
    return views


def _copies(club: Club, world: ClubWorld) -> Iterator[tuple[str, Fields]]:
    accounts = {user: own["points"] for user, own in world.below("accounts").items()}
    messages = world.below("messages")
    for room, fields in world.below("rooms").items():
        readers = _readers(club, world, room)
        here = {key: said for key, said in messages.items() if said["room"] == room}
        for reader, (user, label) in readers.items():
            place = f"rooms/{room}/copies/{reader}"
            yield (
                place,
                _identified(
                    COPIES[club.members].__name__,
                    place,
                    title=fields["title"],
                    revision=fields["revision"],
                    named=_named(club, world, room),
                    members=_present(club, world, room),
                    worth=accounts,
                    messages=sorted(here),
                    who=user,
                    label=label,
                    greeting=f"{user}: {fields['motto']}",
                    notes=sorted(key for key, said in here.items() if said["to"] == user),
                    mine=accounts[user],
                ),
            )


def _named(club: Club, world: ClubWorld, room: str) -> list[str]:
    """Whom the source of a room's members names."""
    if club.members == "query":
        return sorted(seat for seat, its in world.below("clubSeats").items() if its["room"] == room)
    collection = "groups" if club.members == "group" else "rooms"
    naming = world.documents.get(f"{collection}/{room}", {"members": []})
    return sorted(set(naming["members"]))


def _present(club: Club, world: ClubWorld, room: str) -> list[str]:
    """Those of them who have copies."""
    named = _named(club, world, room)
    if club.members in ("texts", "query"):
        return named
    return [user for user in named if user in world.below("users")]


def _readers(club: Club, world: ClubWorld, room: str) -> dict[str, tuple[str, str]]:
    """Each reader's user and label, by what stands in the reader's place."""
    members = _present(club, world, room)
    if club.members == "texts":
        return {user: (user, user) for user in members}
    if club.members == "query":
        seats = world.below("clubSeats")
        return {seat: (seats[seat]["user"], seat) for seat in members}
    names = {user: its["name"] for user, its in world.below("users").items()}
    if club.members == "languages":
        return {
            f"{user}-{language}": (user, f"{names[user]} in {language}")
            for user in members
            for language in LANGUAGES
        }
    return {user: (user, names[user]) for user in members}


def _tables(club: Club, world: ClubWorld) -> dict[str, Fields]:
    matches = world.below("matches")
    seasons = {
        "attribute": {match["season"] for match in matches.values()},
        "documents": set(world.below("seasons")),
        "list": set(SEASONS),
    }[club.seasons]
    return {
        f"tables/{season}": _identified(
            "Table",
            f"tables/{season}",
            goals={k: match["goals"] for k, match in matches.items() if match["season"] == season},
            played=sum(match["season"] == season for match in matches.values()),
        )
        for season in seasons
    }


def _identified(obj_type: str, place: str, **fields: Any) -> Fields:
    return {**fields, "obj_type": obj_type, "doc_ref": place}


def stored_views() -> dict[str, Fields]:
    """All documents of views as another client sees them, by path."""
    views = _stored_below("totals", "tables", "copies", "at")
    return {path: snapshot.to_dict() for path, snapshot in views.items()}


def stored_documents() -> set[str]:
    """The paths of all documents that are no views, as another client sees them."""
    return set(_stored_below(*COLLECTIONS))


def recorded_places() -> set[str]:
    """The places that views are recorded to have."""
    records = _stored_below("_boiler_places").values()
    return {record.get("place") for record in records if not record.get("vacated")}


def _stored_below(*collections: str) -> dict[str, Snapshot]:
    datastore = CTX.datastore
    found: dict[str, Snapshot] = {}
    for collection in collections:
        target = compile_query(QuerySpec(collection, all_descendants=True), datastore.codec)
        found |= {snapshot.path: snapshot for snapshot in datastore.run_query(target)}
    return found


# --- what is published on the way ------------------------------------------------------------


class _Commit(NamedTuple):
    time_ns: int
    writes: list[tuple[str, Fields | None]]


@dataclass
class Publications:
    """What the processes of a history have published, commit by commit.

    While a feed compares newly held targets with what is stored, nothing is remembered: Google's
    emulator may miss a commit that races the adding of a target, which is why they are compared.
    No other server makes a feed doubtful.
    """

    commits: list[_Commit] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    #: Whether all that was published was also remembered.
    whole: bool = True

    def watch(self, boiler: Boiler) -> None:
        """Remember what the engines of a process publish from now on, whichever is running."""
        datastore = boiler.context.datastore
        commit, codec = datastore.commit, datastore.codec
        live = live_views(boiler.context)

        def committed(writes: Sequence[Write], **options: Any) -> CommitResult:
            engine = live._engine
            doubtful = datastore.is_emulator if engine is None else engine.feed.doubtful
            result = commit(writes, **options)
            views = [
                (write.path, None if write.kind == "delete" else codec.decode(write.fields))
                for write in writes
                if _is_of_view(write.path)
            ]
            self.add(result.commit_time_ns, views, doubtful=doubtful)
            return result

        replaced: Any = datastore
        replaced.commit = committed

    def add(self, time_ns: int, views: list[tuple[str, Fields | None]], *, doubtful: bool) -> None:
        """Remember what a commit wrote of views."""
        with self._lock:
            if doubtful:
                self.whole = False
            elif views:
                self.commits.append(_Commit(time_ns, views))

    @property
    def written(self) -> list[str]:
        """The places that were written, in the order of the commits."""
        return [place for commit in self.commits for place, _ in commit.writes]

    def require_consistency(self, *, alone: bool) -> None:
        """Check each value that was published, and what there was beside it.

        :param alone: whether one process published it all. Of several, each has who leaves lose
            what it knows of.
        """
        stored: dict[str, Fields] = {}
        for commit in sorted(self.commits, key=lambda commit: commit.time_ns):
            for place, fields in commit.writes:
                if fields is None:
                    stored.pop(place, None)
                else:
                    _require_of_one_time(place, fields)
                    stored[place] = fields
            if self.whole and alone:
                _require_members_alone(stored)


def _is_of_view(path: str) -> bool:
    return path.startswith(("totals/", "tables/", "pairs/")) or "/copies/" in path


def _require_of_one_time(place: str, fields: Fields) -> None:
    """Check that a value does not mix two times."""
    if place.startswith("totals/"):
        assert fields["points"] == len(USERS) * OPENING_POINTS, f"{place}: {fields}"
    elif place.startswith("tables/"):
        assert len(fields["goals"]) == fields["played"], f"{place}: {fields}"
    elif place.startswith("pairs/"):
        team, venue = fields["generations"]
        assert team == venue, f"{place}: {fields}"
    else:
        assert sum(fields["worth"].values()) == len(USERS) * OPENING_POINTS, f"{place}: {fields}"
        assert fields["mine"] == fields["worth"][fields["who"]], f"{place}: {fields}"
        assert set(fields["notes"]) <= set(fields["messages"]), f"{place}: {fields}"
        assert _reader(place) in fields["members"], f"{place} is of no member: {fields}"


def _require_members_alone(stored: dict[str, Fields]) -> None:
    """Check that nobody has a copy whom the newest copies of the room do not name.

    In each language by itself: the members of a room are those of each of its languages.
    """
    groups: dict[tuple[str, str], dict[str, Fields]] = defaultdict(dict)
    for place, fields in stored.items():
        if "/copies/" in place:
            language = next((each for each in LANGUAGES if place.endswith(f"-{each}")), "")
            groups[place.split("/")[1], language][place] = fields
    for copies in groups.values():
        newest = max(fields["revision"] for fields in copies.values())
        named = {
            member
            for fields in copies.values()
            if fields["revision"] == newest
            for member in fields["named"]
        }
        left = [place for place in copies if _reader(place) not in named]
        assert left == [], f"{left} are of those who left, beside {copies}"


def _reader(place: str) -> str:
    """The member of whom a copy is; of two languages it is one."""
    reader = place.rpartition("/")[2]
    for language in LANGUAGES:
        reader = reader.removesuffix(f"-{language}")
    return reader
