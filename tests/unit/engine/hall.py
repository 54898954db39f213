"""Mediators whose views move: each is kept at the places that its root's document names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from flask_boiler.engine.cut_reader import CutReader
from flask_boiler.engine.document_engine import document_engine
from flask_boiler.engine.live_view import LiveView
from flask_boiler.engine.population import Population
from flask_boiler.engine.publishing.stored_ledger import ledger_path
from flask_boiler.engine.sink import Computed, Documents
from flask_boiler.engine.view_key import ViewKey
from flask_boiler.ground.values import Snapshot
from tests.unit.engine.fakes import CODEC, ScriptedDatastore, ScriptedFeed, all_of

__all__ = ["GUESTS", "Hall", "at", "seats"]

TIMEOUT_S = 60.0
GUESTS = all_of("guests")


def at(field: str) -> Callable[[Snapshot], list[str]]:
    """The places below ``seats`` that a field of the root names."""
    return lambda root: [f"seats/{name}" for name in root.get(field) or ()]


class Hall:
    """One process: an engine, and mediators over ``guests``."""

    def __init__(self, datastore: ScriptedDatastore | None = None, *, workers: int = 2) -> None:
        self.datastore = datastore or ScriptedDatastore()
        self.feed = ScriptedFeed(self.datastore)
        role: Any = self.datastore
        self.engine = document_engine(self.feed, role, workers=workers)
        self.engine.start()
        self._stopped = False
        #: Called in each computation of a view, once it has read.
        self.before: dict[ViewKey, Callable[[], None]] = defaultdict(lambda: lambda: None)
        #: Whose getters fail, and which can tell their places all the same.
        self.failing: set[ViewKey] = set()
        #: Read by each view besides its root.
        self.also: dict[ViewKey, list[str]] = {}

    def keep(self, mediator: str, places: Callable[[Snapshot], list[str]] | None = None) -> None:
        population = Population(mediator, [GUESTS])
        places = places or at("at")

        def make(key: ViewKey) -> LiveView[Documents]:
            def compute(reader: CutReader) -> Computed[Documents]:
                root = population.member(key.subject, reader.cut)
                reader.documents(self.also.get(key, []))
                self.before[key]()
                if root is None:
                    return Documents().computed(gone=True)
                wanted = places(root)
                if key in self.failing:
                    return Computed(places=wanted, error=ValueError("a getter's"))
                stored = CODEC.encode({"by": mediator, "who": root.id, "n": root.get("n")})
                return Documents(dict.fromkeys(wanted, stored)).computed()

            return LiveView(key, compute, self.engine.publisher)

        self.engine.populate(population, make, self.engine.publisher)

    def show(self, **guests: dict[str, Any] | None) -> None:
        """One commit that changes guests, which is heard."""
        self.store(**guests)
        self.hear(*guests)

    def store(self, **guests: dict[str, Any] | None) -> None:
        for name, fields in guests.items():
            if fields is None:
                self.datastore.drop(f"guests/{name}")
            else:
                self.datastore.put(f"guests/{name}", fields)

    def hear(self, *guests: str, records: Sequence[str] = ()) -> None:
        """One cut, with guests as they are stored now, and what the ledger has for places."""
        paths = [f"guests/{name}" for name in guests]
        gone = [path for path in paths if path not in self.datastore.documents]
        there = [path for path in paths if path in self.datastore.documents]
        listened = [path for path in map(ledger_path, records) if path in self.feed.wanted]
        self.feed.deliver(*listened, members={GUESTS: there}, left={GUESTS: gone})

    def quiet(self) -> None:
        self.engine.await_quiet(timeout_s=TIMEOUT_S)

    def stop(self) -> None:
        """Publish what is in hand, and end; also when it has ended."""
        self.datastore.hold.set()
        if not self._stopped:
            self._stopped = True
            self.engine.stop()

    @property
    def parked(self) -> dict[str, str]:
        return {str(parked.key): str(parked.error) for parked in self.engine.parked}


def seats(datastore: ScriptedDatastore) -> dict[str, str]:
    """Whose views lie at the seats, and that the ledger says the same."""
    found = {}
    for path, snapshot in datastore.documents.items():
        if path.startswith("seats/"):
            owner = datastore.recorded_owner(path)
            who = f"{snapshot.get('by')}:guests/{snapshot.get('who')}"
            assert str(owner) == who, f"{path} has the view of {who}, and is {owner}'s"
            found[path.rpartition("/")[2]] = who.replace("guests/", "")
    return found
