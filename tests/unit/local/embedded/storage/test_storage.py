"""What the storage promises: order, durability of a whole commit, and the past."""

from __future__ import annotations

import threading
from itertools import pairwise
from pathlib import Path
from typing import Any

import grpc
import pytest

from flask_boiler.local.embedded.storage.clock import Clock
from flask_boiler.local.embedded.storage.commit_feed import Commit
from flask_boiler.local.embedded.storage.database import StorageFailure
from flask_boiler.local.embedded.storage.refusal import Refusal
from flask_boiler.local.embedded.storage.storage import Storage
from tests.unit.local.embedded.worlds import WORLD, delete, document, name_of, put, put_all

HOUR_US = 3_600_000_000


class Wall:
    """A wall clock that a test moves."""

    def __init__(self) -> None:
        self.now_us = 1_700_000_000_000_000

    def __call__(self) -> int:
        return self.now_us


@pytest.fixture(params=["memory", "file"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    made = Storage(":memory:" if request.param == "memory" else tmp_path / "data.db")
    yield made
    made.close()


def _n(storage: Storage, path: str, at: int | None = None) -> int | None:
    with storage.reading(at) as reading:
        found = reading.document(name_of(path))
    return None if found is None else int(found.message.fields["n"].integer_value)


def test_what_was_committed_is_read(storage: Storage) -> None:
    time = put(storage, "cities/SF", n=1)
    assert _n(storage, "cities/SF") == 1
    with storage.reading() as reading:
        found = reading.document(name_of("cities/SF"))
        assert found is not None
        assert (found.created, found.updated) == (time, time)
        assert reading.time >= time
        assert reading.document(name_of("cities/NY")) is None
        assert reading.document(name_of("other/NY")) is None


def test_every_time_finds_what_was_then(storage: Storage) -> None:
    start = storage.read_time()
    times = [put(storage, "cities/SF", n=n) for n in range(3)]
    gone = delete(storage, "cities/SF")
    times.append(put(storage, "cities/SF", n=3))
    assert [_n(storage, "cities/SF", at) for at in times] == [0, 1, 2, 3]
    assert [_n(storage, "cities/SF", at - 1) for at in times] == [None, 0, 1, None]
    assert _n(storage, "cities/SF", gone) is None
    assert _n(storage, "cities/SF", gone - 1) == 2
    assert _n(storage, "cities/SF", start) is None


def test_commit_times_and_read_times_are_in_order(storage: Storage) -> None:
    times = []
    for n in range(5):
        times += [put(storage, "cities/SF", n=n), storage.read_time()]
    assert times == sorted(set(times))


def test_a_write_that_changes_nothing_leaves_the_update_time(storage: Storage) -> None:
    first = put(storage, "cities/SF", n=1)
    heard: list[Commit] = []
    storage.feed.subscribe(WORLD, heard.append)
    put(storage, "cities/SF", n=1)
    with storage.reading() as reading:
        found = reading.document(name_of("cities/SF"))
    assert found is not None
    assert found.updated == first
    assert heard == []


def test_what_raises_leaves_nothing_behind(storage: Storage) -> None:
    def work(staging: Any) -> None:
        staging.put(document("cities/SF", n=1))
        raise Refusal(grpc.StatusCode.ABORTED, "changed my mind")

    with pytest.raises(Refusal, match="changed my mind"):
        storage.commit(WORLD, work)
    assert _n(storage, "cities/SF") is None


def test_later_writes_of_a_commit_see_the_earlier(storage: Storage) -> None:
    put(storage, "cities/SF", n=1)

    def work(staging: Any) -> int:
        staging.delete(name_of("cities/SF"))
        assert staging.document(name_of("cities/SF")) is None
        return int(staging.put(document("cities/SF", n=2)).created)

    time, created = storage.commit(WORLD, work)
    assert created == time
    assert _n(storage, "cities/SF") == 2


def test_worlds_are_separate(storage: Storage) -> None:
    put(storage, "cities/SF", n=1)
    with storage.reading() as reading:
        other = name_of("cities/SF").replace("projects/p/", "projects/q/")
        assert reading.document(other) is None


def test_the_feed_and_the_replay_tell_the_same(storage: Storage) -> None:
    start = storage.read_time()
    heard: list[Commit] = []
    storage.feed.subscribe(WORLD, heard.append)
    put_all(storage, {"cities/SF": {"n": 1}, "cities/NY": {"n": 1}})
    middle = put(storage, "cities/SF", n=2)
    delete(storage, "cities/NY")
    put(storage, "cities/NY", n=3)
    end = storage.read_time()
    put(storage, "cities/SF", n=4)
    assert len(heard) == 5
    assert storage.commits_since(WORLD, start, end) == heard[:4]
    assert storage.commits_since(WORLD, middle, end) == heard[2:4]
    assert storage.commits_since("projects/q/databases/(default)", start, end) == []
    storage.feed.unsubscribe(WORLD, heard.append)
    put(storage, "cities/SF", n=5)
    assert len(heard) == 5


def test_a_read_time_is_published_up_to(storage: Storage) -> None:
    """No commit comes to the feed with a time that was given out as decided before."""
    late: list[int] = []
    decided = 0

    def check(commit: Commit) -> None:
        if commit.time <= decided:
            late.append(commit.time)

    storage.feed.subscribe(WORLD, check)
    ended = threading.Event()

    def ask() -> None:
        nonlocal decided
        while not ended.is_set():
            decided = storage.read_time()

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        for n in range(200):
            put(storage, "cities/SF", n=n)
    finally:
        ended.set()
        asking.join()
    assert late == []


def test_a_time_that_is_asked_for_once_a_commit_is_published_covers_it(storage: Storage) -> None:
    """Who subscribes just after that is not told of the commit, so must find it by reading."""
    asked: list[int] = []
    asking = threading.Thread(target=lambda: asked.append(storage.read_time()))

    def hear(commit: Commit) -> None:
        asking.start()
        # It has to wait until all are told.
        asking.join(0.2)

    storage.feed.subscribe(WORLD, hear)
    time = put(storage, "cities/SF", n=1)
    asking.join()
    assert asked[0] >= time
    assert _n(storage, "cities/SF", at=asked[0]) == 1


def test_many_threads_count_to_their_sum(storage: Storage) -> None:
    def work(staging: Any) -> None:
        found = staging.document(name_of("cities/SF"))
        n = 0 if found is None else found.message.fields["n"].integer_value
        staging.put(document("cities/SF", n=n + 1))

    def count() -> None:
        for _ in range(50):
            storage.commit(WORLD, work)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert _n(storage, "cities/SF") == 200


def test_the_past_is_forgotten_after_the_retention() -> None:
    wall = Wall()
    storage = Storage(clock=Clock(wall))
    first = put(storage, "cities/SF", n=1)
    put(storage, "cities/SF", n=2)
    delete(storage, "cities/SF")
    assert _n(storage, "cities/SF", first) == 1
    wall.now_us += HOUR_US + 10_000_000
    assert storage.is_expired(first)
    for ask in (
        lambda: _n(storage, "cities/SF", first),
        lambda: storage.commits_since(WORLD, first, storage.read_time()),
    ):
        with pytest.raises(Refusal, match="too old") as refused:
            ask()
        assert refused.value.code is grpc.StatusCode.FAILED_PRECONDITION
    put(storage, "cities/NY", n=1)
    with storage.reading() as reading:
        counts = [
            reading.connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("past_documents", "past_keys", "past_entries", "commits")
        ]
    assert counts == [0, 0, 0, 1]
    storage.close()


def test_the_future_cannot_be_read(storage: Storage) -> None:
    with (
        pytest.raises(Refusal, match="be in the future"),
        storage.reading(storage.read_time() + HOUR_US),
    ):
        pass


def test_a_file_is_found_again_as_it_was_left(tmp_path: Path) -> None:
    wall = Wall()
    first = Storage(tmp_path / "data.db", clock=Clock(wall))
    start = first.read_time()
    times = [put(first, "cities/SF/parks/P", n=n) for n in range(3)]
    commits = first.commits_since(WORLD, start, first.read_time())
    first.close()
    # Also when the wall clock went back meanwhile, time goes on.
    wall.now_us -= 30_000_000
    second = Storage(tmp_path / "data.db", clock=Clock(wall))
    assert [_n(second, "cities/SF/parks/P", at) for at in times] == [0, 1, 2]
    assert second.commits_since(WORLD, start, second.read_time()) == commits
    assert put(second, "cities/SF/parks/P", n=3) > times[-1]
    second.close()


def test_a_file_has_one_process_at_a_time(tmp_path: Path) -> None:
    storage = Storage(tmp_path / "data.db")
    with pytest.raises(StorageFailure, match=r"data\.db: another process has it open"):
        Storage(tmp_path / "data.db")
    storage.close()
    Storage(tmp_path / "data.db").close()


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data.db").write_bytes(b"something else" * 1000)
    with pytest.raises(StorageFailure, match="is damaged, or no file of an embedded Firestore"):
        Storage(tmp_path / "data.db")


def test_a_file_of_another_application_is_refused(tmp_path: Path) -> None:
    import sqlite3

    other = sqlite3.connect(tmp_path / "data.db")
    other.execute("CREATE TABLE t (a)")
    other.commit()
    other.close()
    with pytest.raises(StorageFailure, match="database of another application"):
        Storage(tmp_path / "data.db")
    assert sqlite3.connect(tmp_path / "data.db").execute("SELECT * FROM t").fetchall() == []


def test_the_feed_tells_up_to_when_all_was_told(storage: Storage) -> None:
    heard: list[Commit] = []
    readable: list[bool] = []

    def hear(commit: Commit) -> None:
        heard.append(commit)
        storage.check_read_time(commit.decided)
        readable.append(True)

    storage.feed.subscribe(WORLD, hear)
    threads = [
        threading.Thread(target=lambda n=n: [put(storage, f"c/{n}", n=i) for i in range(30)])
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(heard) == len(readable) == 120
    for commit, following in pairwise(heard):
        assert commit.time <= commit.decided < following.time
    assert heard[-1].decided > heard[-1].time


def test_no_two_storages_have_the_same_identity(tmp_path: Path) -> None:
    first, second = Storage(tmp_path / "a.db"), Storage()
    identity = first.identity
    first.close()
    again = Storage(tmp_path / "a.db")
    assert again.identity == identity != second.identity
    again.close()
    second.close()
