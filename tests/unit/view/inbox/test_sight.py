"""What a worker sees of its queue from one cut to the next, and what it may take."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest

from flask_boiler.firestore.listen.cut import CutLog
from flask_boiler.ground.values import QuerySpec, QueryTarget, Snapshot
from flask_boiler.operate.testing.memory_datastore import MemoryDatastore
from flask_boiler.view.inbox.handling import Commands, Handling
from flask_boiler.view.inbox.marks import mark_of
from flask_boiler.view.inbox.queue import TaskQueue, key_of
from flask_boiler.view.inbox.sight import Sight
from tests.unit.memory import memory_context


class Jobs:
    def targets(self, codec: Any) -> list[QueryTarget]:
        from flask_boiler.firestore.query_compiler import compile_query

        return [compile_query(QuerySpec("jobs"), codec)]


class Watched:
    """A queue in a database, and the cuts in which it is seen.

    :param window: of how many tasks; ``None`` for all.
    :param holds_back: whether a parked task holds back later ones of its key.
    """

    def __init__(
        self, datastore: MemoryDatastore, *, window: int | None = None, holds_back: bool = True
    ) -> None:
        self.datastore = datastore
        codec: Any = datastore.codec
        commands = Commands(
            lambda codec: TaskQueue(
                Jobs(), key_of("who", None), codec, window=window, holds_back=holds_back
            ),
            lambda task, tx: None,
            mark_of({"state": "done"}),
        )
        self.handling = Handling(commands, "jobs", codec)
        self.records = self.handling.records
        self.targets = self.handling.queue.targets(window or 0)
        self.log = CutLog()
        feed: Any = self.log
        self.sight = Sight(self.handling, feed)
        self._seen: dict[QueryTarget, dict[str, Snapshot]] = {}
        self._cuts = 0

    def cut(self) -> Any:
        """The newest cut; what differs from the one before is told, as the engine does."""
        changes: dict[QueryTarget, dict[str, Snapshot | None]] = {}
        for target in (*self.targets, self.records.target):
            before = self._seen.get(target)
            now = {s.path: s for s in self.datastore.run_query(target)}
            known = before or {}
            now = {
                path: known[path]
                if path in known and known[path].update_time_ns == task.update_time_ns
                else task
                for path, task in now.items()
            }
            differing: dict[str, Snapshot | None] = {
                path: now.get(path)
                for path in known.keys() | now.keys()
                if known.get(path) is not now.get(path)
            }
            if differing or before is None:
                changes[target] = differing
            self._seen[target] = now
        self._cuts += 1
        now_ns = self.datastore.put("clock/now", cuts=self._cuts).update_time_ns
        cut = self.log.advance(now_ns, {}, changes)
        for target, paths in changes.items():
            self.sight.hear(target, paths.keys())
        return cut

    def look(self) -> list[str]:
        """The ids of the tasks that may be taken now."""
        self.cut()
        assert self.sight.look(self.targets) is not None
        return [task.id for task in self.sight.to_take((), 99)]

    def task(self, name: str) -> Snapshot:
        return self.datastore.get([f"jobs/{name}"])[f"jobs/{name}"]

    def park(self, name: str) -> None:
        write = self.records.parking(self.task(name), "", ValueError("poison"), 1)
        self.datastore.commit([write])


@pytest.fixture
def datastore() -> Iterator[MemoryDatastore]:
    context, datastore = memory_context()
    with context.activated():
        for name, who in (("d", "ada"), ("c", "ben"), ("b", "ada"), ("a", "ada")):
            datastore.put(f"jobs/{name}", who=who)
        yield datastore


@pytest.fixture(params=[None, 50], ids=["whole", "window"])
def jobs(datastore: MemoryDatastore, request: pytest.FixtureRequest) -> Watched:
    return Watched(datastore, window=request.param)


def test_the_first_of_each_key_can_be_taken(jobs: Watched) -> None:
    assert sorted(jobs.look()) == ["c", "d"]
    assert [task.id for task in jobs.sight.to_take({"who='ada'"}, 99)] == ["c"]


def test_what_is_over_is_not_taken_again_though_the_cut_shows_it(jobs: Watched) -> None:
    jobs.look()
    jobs.sight.end(jobs.task("d"))
    assert sorted(jobs.look()) == ["b", "c"]
    # Another version of it is another task.
    jobs.datastore.put("jobs/d", who="ada", more=1)
    assert sorted(jobs.look()) == ["c", "d"]


def test_what_is_marked_or_deleted_makes_way(jobs: Watched) -> None:
    jobs.look()
    jobs.datastore.put("jobs/d", who="ada", state="done")
    jobs.datastore.drop("jobs/b")
    assert sorted(jobs.look()) == ["a", "c"]


def test_a_task_that_comes_under_another_key_waits_with_that(jobs: Watched) -> None:
    jobs.look()
    jobs.datastore.put("jobs/d", who="ben")
    assert sorted(jobs.look()) == ["b", "d"]


def test_a_parked_task_holds_back_later_ones_of_its_key(jobs: Watched) -> None:
    jobs.look()
    jobs.park("b")
    assert sorted(jobs.look()) == ["c", "d"]
    jobs.sight.end(jobs.task("d"))
    assert jobs.look() == ["c"]
    assert jobs.sight.open == 1, "the others wait"
    jobs.datastore.put("jobs/b", who="ada", corrected=True)
    assert sorted(jobs.look()) == ["b", "c"]


def test_a_parked_patch_holds_back_none(datastore: MemoryDatastore) -> None:
    jobs = Watched(datastore, holds_back=False)
    jobs.park("d")
    assert sorted(jobs.look()) == ["b", "c"]
    jobs.sight.set_aside(jobs.task("b"), math.inf)
    assert sorted(jobs.look()) == ["a", "c"]


def behind(jobs: Watched) -> bool:
    return jobs.sight.is_behind


def test_what_was_set_aside_holds_back_its_key_until_a_newer_cut(jobs: Watched) -> None:
    jobs.look()
    task = jobs.task("d")
    jobs.sight.set_aside(task, math.inf)
    assert jobs.look() == ["c"]
    assert not behind(jobs), "no cut tells more of it"
    jobs.sight.take_up()
    assert sorted(jobs.look()) == ["c", "d"]
    jobs.sight.set_aside(task, jobs.log.cut.read_time_ns + 1)
    assert behind(jobs)
    assert sorted(jobs.look()) == ["c", "d"]
    assert not behind(jobs)


def test_a_parked_task_that_is_gone_is_to_be_forgotten_at_last(jobs: Watched) -> None:
    for name in ("a", "b", "c"):
        jobs.datastore.drop(f"jobs/{name}")
    jobs.park("d")
    assert jobs.look() == []
    jobs.datastore.put("jobs/d", who="ada", state="done")
    assert jobs.look() == ["d"]
    [over] = jobs.sight.to_take((), 99)
    assert jobs.sight.is_recorded(over)
    assert jobs.sight.comes_first(over)
    jobs.sight.end(over)
    assert jobs.look() == []


def test_only_what_has_changed_is_looked_at(
    datastore: MemoryDatastore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(200):
        datastore.put(f"jobs/marked{number}", who="ada", state="done")
    jobs = Watched(datastore)
    looked_at: list[str] = []
    judge = jobs.sight._judge

    def noting(path: str, cut: Any) -> None:
        looked_at.append(path)
        judge(path, cut)

    monkeypatch.setattr(jobs.sight, "_judge", noting)
    jobs.look()
    assert len(looked_at) == 204
    looked_at.clear()
    datastore.put("jobs/e", who="cy")
    assert "e" in jobs.look()
    assert looked_at == ["jobs/e"]


def test_what_the_cut_does_not_hold_is_not_seen_and_all_is_looked_at_again(jobs: Watched) -> None:
    jobs.look()
    jobs.log.drop(jobs.targets)
    assert jobs.sight.look(jobs.targets) is None
    jobs._seen.pop(jobs.targets[0])
    jobs.datastore.drop("jobs/d")
    assert sorted(jobs.look()) == ["b", "c"]


def test_a_task_that_changes_while_it_waits_takes_no_more_room(jobs: Watched) -> None:
    jobs.look()
    kept = [len(orders) for orders in jobs.sight._keys.values()]
    for change in range(5):
        jobs.datastore.put("jobs/d", who="ada", change=change)
        assert sorted(jobs.look()) == ["c", "d"]
        jobs.sight.reset()
    assert [len(orders) for orders in jobs.sight._keys.values()] == kept


class Racing:
    """A feed whose next cut comes, and is told of, while somebody asks for the newest."""

    def __init__(self, jobs: Watched) -> None:
        self._jobs = jobs
        self.comes: Any = None

    @property
    def cut(self) -> Any:
        before = self._jobs.log.cut
        if self.comes is not None:
            comes, self.comes = self.comes, None
            comes()
            self._jobs.cut()
        return before


def test_a_change_that_is_told_while_it_looks_is_seen_the_next_time(jobs: Watched) -> None:
    jobs.look()
    racing: Any = Racing(jobs)
    racing.comes = lambda: jobs.datastore.put("jobs/new", who="cy")
    jobs.sight._feed = racing
    assert jobs.sight.look(jobs.targets) is not None
    assert jobs.sight.look(jobs.targets) is not None
    assert "new" in [task.id for task in jobs.sight.to_take((), 99)]


def test_nothing_is_kept_of_what_was_seen_to_go_before_it_ended(jobs: Watched) -> None:
    jobs.look()
    task = jobs.task("d")
    jobs.datastore.drop("jobs/d")
    jobs.look()
    jobs.sight.end(task)
    assert jobs.sight._over == {}
    jobs.datastore.put("jobs/d", who="dee")
    assert "d" in jobs.look()
