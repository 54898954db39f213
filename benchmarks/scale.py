"""Many live views in one process: counted, not timed.

Each view reads a team and five people, and each person is in five teams. To be run as a process
of its own, because this process's threads and memory are counted.
"""

from __future__ import annotations

import json
import re
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from flask_boiler import (
    Attr,
    Boiler,
    Config,
    DomainModel,
    QueryMediator,
    Store,
    ViewModel,
    attrs,
    reference,
)
from flask_boiler.firestore.datastore import FirestoreDatastore

__all__ = ["Counts", "count"]

VIEWS = 2_000
DEPENDENCIES = 5
_SETTLE_S = 60.0
_COMMIT_SIZE = 500


class Person(DomainModel):
    name: Attr[str]


class Team(DomainModel):
    title: Attr[str]
    members: Attr[list[str]]


class TeamStore(Store):
    team = reference(Team)
    members = reference(Person, many=True, source=lambda store: store.team.members)


class TeamView(ViewModel):
    store: TeamStore

    class Meta:
        path = "teamView/{team.doc_id}"

    @attrs.computed
    def title(self) -> str:
        assert self.store.team is not None
        return self.store.team.title

    @attrs.computed
    def names(self) -> list[str]:
        return [person.name for person in self.store.members.values()]


@dataclass
class Counts:
    """What many live views take.

    :param listen_streams_at_once: the most that were open at any time; Google's emulator breaks one
        now and then, which is then replaced.
    :param listen_streams_open: open now.
    :param python_threads: of ``threading``.
    :param threads: of the operating system, gRPC's own among them.
    :param grpc_pool_threads: those of them that are gRPC's pool: a thread per core, from 4 to 16.
    :param computed_per_write: views that one write to one person had recomputed.
    :param memory_per_view_kb: of resident memory that came with the views.
    """

    views: int
    dependencies_each: int
    listen_streams_at_once: int
    listen_streams_open: int
    python_threads: int
    threads: int
    grpc_pool_threads: int
    computed_at_start: int
    computed_per_write: int
    written_per_write: int
    memory_mb: float
    memory_per_view_kb: float


def count(host: str, *, views: int = VIEWS) -> Counts:
    """Keep that many views, write to one of their sources, count."""
    config = Config(project=f"scale-{uuid.uuid4().hex[:12]}", emulator_host=host, testing=True)
    boiler = Boiler(config=config)
    streams = _CountedStreams()
    with streams.counting():
        _seed(boiler, views)
        boiler.add(QueryMediator(TeamView, query=Team.get_query()))
        before_kb = _status("VmRSS")
        with boiler:
            boiler.settle(timeout_s=_SETTLE_S)
            engine = boiler.engine
            computed_at_start = engine.statistics.computed
            written_at_start = engine.publisher.documents_written
            _rename(boiler, "p7")
            boiler.settle(timeout_s=_SETTLE_S)
            memory_kb = _status("VmRSS")
            counts = Counts(
                views=engine.views,
                dependencies_each=DEPENDENCIES,
                listen_streams_at_once=streams.at_once,
                listen_streams_open=streams.open,
                python_threads=threading.active_count(),
                threads=_status("Threads"),
                grpc_pool_threads=_threads_called("event_engine"),
                computed_at_start=computed_at_start,
                computed_per_write=engine.statistics.computed - computed_at_start,
                written_per_write=engine.publisher.documents_written - written_at_start,
                memory_mb=round(memory_kb / 1024, 1),
                memory_per_view_kb=round((memory_kb - before_kb) / views, 1),
            )
    boiler.close()
    return counts


def _seed(boiler: Boiler, size: int) -> None:
    people = [Person.new(f"p{n}", name=f"Person {n}") for n in range(size)]
    teams = [Team.new(f"t{n}", title=f"Team {n}", members=_members(n, size)) for n in range(size)]
    models: list[DomainModel] = [*people, *teams]
    for start in range(0, len(models), _COMMIT_SIZE):
        with boiler.transaction() as transaction:
            for model in models[start : start + _COMMIT_SIZE]:
                model.save(transaction=transaction)


def _members(team: int, size: int) -> list[str]:
    return [f"p{(team + offset) % size}" for offset in range(DEPENDENCIES)]


def _rename(boiler: Boiler, doc_id: str) -> None:
    with boiler.context.activated():
        person = Person.get(doc_id)
        assert person is not None
        person.update(name="Somebody else")


def _status(entry: str) -> int:
    """A number of this process's, as Linux tells it."""
    found = re.search(rf"^{entry}:\s+(\d+)", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found.group(1))


def _threads_called(name: str) -> int:
    names = [path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")]
    return names.count(name)


class _CountedStreams:
    """Counts Listen streams where they are opened, below everything that could share them."""

    def __init__(self) -> None:
        self.at_once = 0
        self._calls: list[Any] = []

    @property
    def open(self) -> int:
        return sum(call.is_active() for call in self._calls)

    @contextmanager
    def counting(self) -> Iterator[None]:
        original: Callable[..., Any] = FirestoreDatastore.listen

        def listen(datastore: FirestoreDatastore, requests: Iterator[Any]) -> Any:
            call = original(datastore, requests)
            self._calls.append(call)
            self.at_once = max(self.at_once, self.open)
            return call

        with mock.patch.object(FirestoreDatastore, "listen", listen):
            yield


def main() -> None:
    """``python -m benchmarks.scale HOST [VIEWS]`` prints the counts as JSON."""
    host, *views = sys.argv[1:]
    counts = count(host, views=int(views[0]) if views else VIEWS)
    json.dump(asdict(counts), sys.stdout)


if __name__ == "__main__":
    main()
