"""What a ``Feed`` promises."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from typing import Protocol

from flask_boiler.firestore.codec import Codec
from flask_boiler.firestore.query_compiler import compile_query
from flask_boiler.ground.ports import Cut, CutChange, Datastore, Feed
from flask_boiler.ground.values import QuerySpec, Target, Write

__all__ = ["TOWNS", "FeedContract", "Source"]

TIMEOUT_S = 60.0
TOWNS = compile_query(QuerySpec("towns"), Codec(None, "projects/p/databases/(default)"))


class Source(Protocol):
    """A feed that runs, and its database."""

    @property
    def feed(self) -> Feed: ...

    @property
    def datastore(self) -> Datastore: ...

    def bring(self, documents: Collection[str], members: Collection[str]) -> None:
        """Have the feed show what was written.

        :param documents: the documents that are listened to, and were written or newly wanted.
        :param members: those of ``towns``, if the query is listened to.
        """
        ...


class Hearer:
    """Whatever a feed has delivered."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.changes: list[CutChange] = []
        self._condition = threading.Condition()
        self.subscription = source.feed.subscribe(self._hear)

    def _hear(self, change: CutChange) -> None:
        with self._condition:
            self.changes.append(change)
            self._condition.notify_all()

    def wait_for(self, condition: Callable[[], object]) -> None:
        with self._condition:
            assert self._condition.wait_for(condition, TIMEOUT_S), "not heard"

    def documents(self) -> set[str]:
        return {path for change in self.changes for path in change.documents}

    def members(self) -> set[str]:
        return {path for change in self.changes for path in change.queries.get(TOWNS, ())}

    def listen(self, *targets: Target, members: Collection[str] = ()) -> None:
        """Listen to targets, and wait until they are held."""
        self.source.feed.listen(targets)
        self.source.bring([t for t in targets if isinstance(t, str)], members)
        self.wait_for(lambda: all(self.source.feed.cut.holds(target) for target in targets))

    def write(self, path: str, n: int | None, *, as_member: bool = False) -> int:
        """Write a document, or delete it, and wait until that is heard; its commit time."""
        write = Write("delete", path) if n is None else Write("set", path, {"n": n})
        time_ns = self.source.datastore.commit([write]).commit_time_ns
        self.source.bring([] if as_member else [path], [path] if as_member else [])
        self.wait_for(lambda: self.source.feed.cut.read_time_ns >= time_ns)
        return time_ns


def value(cut: Cut, path: str) -> object:
    found = cut.document(path)
    return None if found is None else found.get("n")


class FeedContract:
    """Needs the fixture ``source``, of an empty database, to which nobody listens."""

    def test_what_is_listened_to_is_held_and_announced(self, source: Source) -> None:
        source.datastore.commit([Write("set", "a/1", {"n": 1})])
        hearer = Hearer(source)
        assert not source.feed.cut.holds("a/1")
        assert source.feed.cut.document("a/1") is None
        hearer.listen("a/1", "a/none")
        hearer.wait_for(lambda: {"a/1", "a/none"} <= hearer.documents())
        cut = source.feed.cut
        assert value(cut, "a/1") == 1
        missing = cut.document("a/none")
        assert missing is not None
        assert not missing.exists

    def test_a_change_is_heard_and_an_earlier_cut_stays_as_it_is(self, source: Source) -> None:
        hearer = Hearer(source)
        source.datastore.commit([Write("set", "a/1", {"n": 1})])
        hearer.listen("a/1")
        before = source.feed.cut
        hearer.changes.clear()
        time_ns = hearer.write("a/1", 2)
        hearer.wait_for(lambda: "a/1" in hearer.documents())
        assert [value(cut, "a/1") for cut in (before, source.feed.cut)] == [1, 2]
        assert before.read_time_ns < time_ns <= source.feed.cut.read_time_ns
        hearer.write("a/1", None)
        gone = source.feed.cut.document("a/1")
        assert gone is not None
        assert not gone.exists

    def test_a_query_is_held_with_its_members(self, source: Source) -> None:
        source.datastore.commit([Write("set", "towns/a", {"n": 1})])
        hearer = Hearer(source)
        assert source.feed.cut.query(TOWNS) is None
        hearer.listen(TOWNS, members=["towns/a"])
        hearer.wait_for(lambda: "towns/a" in hearer.members())
        hearer.write("towns/b", 2, as_member=True)
        hearer.wait_for(lambda: "towns/b" in hearer.members())
        assert [s.path for s in source.feed.cut.query(TOWNS) or ()] == ["towns/a", "towns/b"]
        hearer.changes.clear()
        hearer.write("towns/a", None, as_member=True)
        hearer.wait_for(lambda: "towns/a" in hearer.members())
        cut = source.feed.cut
        assert cut.member(TOWNS, "towns/a") is None
        found = cut.member(TOWNS, "towns/b")
        assert found is not None
        assert found.get("n") == 2

    def test_a_query_that_finds_nothing_is_held_as_well(self, source: Source) -> None:
        hearer = Hearer(source)
        hearer.listen(TOWNS)
        hearer.wait_for(lambda: any(TOWNS in change.queries for change in hearer.changes))
        assert source.feed.cut.query(TOWNS) == []

    def test_each_who_listens_lets_go(self, source: Source) -> None:
        hearer = Hearer(source)
        hearer.listen("a/1", "a/2")
        source.feed.listen(["a/1"])
        source.feed.release(["a/1"])
        hearer.write("a/2", 1)
        assert source.feed.cut.holds("a/1")
        source.feed.release(["a/1"])
        hearer.write("a/2", 2)
        assert not source.feed.cut.holds("a/1")
        assert source.feed.cut.holds("a/2")

    def test_nothing_is_delivered_to_who_has_left(self, source: Source) -> None:
        stays, leaves = Hearer(source), Hearer(source)
        stays.listen("a/1")
        leaves.subscription.close()
        heard = len(leaves.changes)
        stays.write("a/1", 1)
        assert len(leaves.changes) == heard
        assert value(source.feed.cut, "a/1") == 1

    def test_a_newer_cut_can_be_asked_for(self, source: Source) -> None:
        hearer = Hearer(source)
        hearer.listen("a/1")
        before_ns = source.feed.cut.read_time_ns
        source.feed.refresh()
        source.bring([], [])
        hearer.wait_for(lambda: source.feed.cut.read_time_ns > before_ns)

    def test_it_lets_everybody_listen(self, source: Source) -> None:
        Hearer(source).listen("a/1")
        assert source.feed.refused_s == 0
