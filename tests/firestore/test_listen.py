"""The Listen client on Google's emulator and on the embedded Firestore."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from flask_boiler.embedded import EmbeddedFirestore
from flask_boiler.errors import ConflictError
from flask_boiler.firestore import narrowing, protocol
from flask_boiler.firestore.listen import verifier
from flask_boiler.ground.ports import CutChange, LocalFirestore
from flask_boiler.ground.values import Precondition, QueryTarget, Write
from tests.firestore.listening import Listener, collection, listening
from tests.firestores import FIRESTORES

CITIES = collection("City")


@pytest.fixture(params=FIRESTORES)
def server(request: pytest.FixtureRequest) -> LocalFirestore | EmbeddedFirestore:
    name = "embedded_firestore" if request.param == "embedded" else "google_emulator"
    found: LocalFirestore | EmbeddedFirestore = request.getfixturevalue(name)
    return found


@pytest.fixture
def listener(server: LocalFirestore | EmbeddedFirestore) -> Iterator[Listener]:
    with listening(server.host, verify_targets=True) as made:
        yield made


def test_a_document_from_missing_to_deleted(listener: Listener) -> None:
    listener.listen("City/SF")
    assert listener.field("City/SF") is None

    written = listener.set("City/SF", n=1)
    listener.wait_for(lambda: listener.field("City/SF") == 1)
    snapshot = listener.hub.cut.document("City/SF")
    assert snapshot is not None
    assert snapshot.update_time_ns == written.update_times_ns[0]
    assert listener.hub.cut.read_time_ns > written.commit_time_ns

    listener.delete("City/SF")
    listener.wait_for(lambda: listener.field("City/SF") is None)


def test_a_query_in_its_order(listener: Listener) -> None:
    smallest = collection("City", order_by="n", limit=2)
    for city, size in (("SF", 3), ("LA", 1), ("NY", 2)):
        listener.set(f"City/{city}", n=size)
    listener.listen(smallest, CITIES)
    assert listener.ids(smallest) == ["LA", "NY"]
    assert listener.ids(CITIES) == ["LA", "NY", "SF"]

    listener.set("City/SF", n=0)
    listener.wait_for(lambda: listener.ids(smallest) == ["SF", "LA"])

    listener.delete("City/SF")
    listener.wait_for(lambda: listener.ids(smallest) == ["LA", "NY"])
    assert listener.hub.cut.member(smallest, "City/SF") is None


def test_an_empty_query_is_held(listener: Listener) -> None:
    listener.listen(CITIES)

    assert listener.ids(CITIES) == []


def test_a_query_that_is_sent_again_changes_only_where_it_changed(
    listener: Listener, server: LocalFirestore | EmbeddedFirestore
) -> None:
    for number in range(20):
        listener.set(f"City/{number}", n=number)
    listener.listen(CITIES)
    seen = len(listener.changes)

    listener.set("City/7", n=70)
    listener.wait_for(lambda: any(c.queries for c in listener.changes[seen:]))

    changed = [change.queries for change in listener.changes[seen:] if change.queries]
    assert changed == [{CITIES: {"City/7"}}]
    # The embedded Firestore does not send it again.
    assert bool(listener.hub.statistics().resets) != isinstance(server, EmbeddedFirestore)


def test_a_write_that_changes_nothing_delivers_nothing(listener: Listener) -> None:
    listener.set("City/SF", n=1)
    listener.listen("City/SF", CITIES)
    seen = len(listener.changes)

    listener.set("City/SF", n=1)
    listener.set("City/LA", n=1)
    listener.wait_for(lambda: listener.ids(CITIES) == ["LA", "SF"])

    assert not any(change.documents for change in listener.changes[seen:])


def test_a_refresh_raises_a_cut_at_a_newer_time(listener: Listener) -> None:
    listener.listen("City/SF")
    before = listener.hub.cut.read_time_ns

    listener.hub.refresh()

    listener.wait_for(lambda: listener.hub.cut.read_time_ns > before)


def test_a_refresh_works_without_any_target(listener: Listener) -> None:
    listener.hub.refresh()

    listener.wait_for(lambda: listener.hub.cut.read_time_ns > 0)


def test_many_targets_share_one_stream_and_a_few_threads(listener: Listener) -> None:
    before = _clients_threads()
    paths = [f"City/{number}" for number in range(500)]
    listener.listen(*paths)
    listener.set("City/250", n=1)
    listener.wait_for(lambda: listener.field("City/250") == 1)

    assert listener.hub.statistics().streams_opened == 1
    assert _clients_threads() - before <= 3
    listener.hub.release(paths)
    assert listener.hub.statistics().targets == 0


def _clients_threads() -> int:
    # One looks at whether Firestore answers while anybody waits, and ends a moment later.
    others = ("embedded-", "firestore-reachability")
    return sum(not thread.name.startswith(others) for thread in threading.enumerate())


def test_a_dropped_stream_is_made_good(listener: Listener) -> None:
    for city in ("SF", "LA"):
        listener.set(f"City/{city}", n=1)
    listener.listen("City/SF", CITIES)

    for turn in range(2, 6):
        listener.hub._stream.restart()
        listener.set("City/SF", n=turn)
        if turn % 2:
            listener.delete("City/LA")
        else:
            listener.set("City/LA", n=turn)
        listener.wait_for_field("City/SF", turn)
        listener.wait_for_ids(CITIES, ["SF"] if turn % 2 else ["LA", "SF"])

    assert listener.hub.statistics().streams_opened >= 2


def test_commits_that_race_the_adding_of_targets_are_not_missed(listener: Listener) -> None:
    """Google's emulator misses some of them; what is stored is compared afterwards."""
    paths = [f"City/{number}" for number in range(60)]
    for turn in range(1, 5):
        writers = [
            threading.Thread(target=_set_all, args=(listener, part, turn))
            for part in (paths[::2], paths[1::2])
        ]
        for writer in writers:
            writer.start()
        listener.listen(*paths, CITIES)
        for writer in writers:
            writer.join()
        for path in paths:
            listener.wait_for_field(path, turn)
        listener.wait_for(partial(_all_are, listener, turn, len(paths)))
        listener.hub.release([*paths, CITIES])


def _set_all(listener: Listener, paths: list[str], number: int) -> None:
    for path in paths:
        listener.set(path, n=number)


def _all_are(listener: Listener, number: int, count: int) -> bool:
    members = listener.hub.cut.query(CITIES) or []
    return [member.get("n") for member in members] == [number] * count


def test_no_cut_breaks_a_sum_that_transactions_keep(listener: Listener) -> None:
    """By document targets; the emulator's queries do not give consistent cuts."""
    paths = [f"accounts/{number}" for number in range(6)]
    for path in paths:
        listener.set(path, n=100)
    listener.listen(*paths)
    sums: list[int] = []

    def add_up(change: CutChange) -> None:
        snapshots = [change.cut.document(path) for path in paths]
        sums.append(sum(s.get("n") for s in snapshots if s is not None))

    subscription = listener.hub.subscribe(add_up)
    movers = [
        threading.Thread(target=_move_money, args=(listener, paths, random.Random(seed), 75))
        for seed in range(4)
    ]
    for mover in movers:
        mover.start()
    for mover in movers:
        mover.join()
    stored = listener.datastore.get(paths)
    listener.wait_for(lambda: all(listener.field(path) == stored[path].get("n") for path in paths))
    subscription.close()

    assert len(sums) > 20
    assert set(sums) == {600}


def _move_money(listener: Listener, paths: list[str], rng: random.Random, times: int) -> None:
    moved = 0
    while moved < times:
        source, target = rng.sample(paths, 2)
        found = listener.datastore.get([source, target])
        amount = rng.randint(1, 20)
        writes = [
            Write(
                "set",
                path,
                {"n": found[path].get("n") + change},
                precondition=Precondition(update_time_ns=found[path].update_time_ns),
            )
            for path, change in ((source, -amount), (target, amount))
        ]
        try:
            listener.datastore.commit(writes)
        except ConflictError:
            continue
        moved += 1


def test_a_result_of_several_pages_is_verified_and_believed(
    server: LocalFirestore | EmbeddedFirestore, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verifier, "_PAGE_SIZE", 4)
    for number in range(10):
        listener.set(f"City/{number}", n=number % 3)
    listener.listen(CITIES, collection("City", order_by="n"))

    # The embedded Firestore says that there is no need for it.
    assert listener.hub.doubtful != isinstance(server, EmbeddedFirestore)
    certain = threading.Event()
    while listener.hub.doubtful:
        certain.wait(0.01)
    assert listener.hub.statistics().mismatches == 0


_PAGED: dict[str, dict[str, Any]] = {
    "in the order of the names": {},
    "descending": {"order_by": [("n", "DESCENDING")]},
    "by what is often equal": {"order_by": [("kind", "ASCENDING"), ("n", "DESCENDING")]},
    "by an inequality, without an order": {"where": ("n", "GREATER_THAN", 2)},
    "limited, from an offset": {"order_by": [("n", "ASCENDING")], "limit": 7, "offset": 2},
    "by a field that some lack": {"order_by": [("some", "ASCENDING")]},
}


@pytest.mark.parametrize("how", _PAGED)
def test_pages_of_a_result_are_the_result(listener: Listener, how: str) -> None:
    for number in range(11):
        some = {"some": None if number % 4 else float("nan")} if number % 2 else {}
        listener.set(f"City/{number}", n=number, kind=number % 3, **some)
    query = protocol.StructuredQuery()
    query.from_.add(collection_id="City")
    asked = _PAGED[how]
    for field, direction in asked.get("order_by", ()):
        query.order_by.add(direction=direction).field.field_path = field
    if "where" in asked:
        found = query.where.field_filter
        found.field.field_path, operator, found.value.integer_value = asked["where"]
        found.op = protocol.StructuredQuery.FieldFilter.Operator.Value(operator)
    if "limit" in asked:
        query.limit.value, query.offset = asked["limit"], asked["offset"]
    target = QueryTarget("", query.SerializeToString())
    whole = [found.path for found in listener.datastore.run_query(target)]

    page, paths = narrowing.page_of(target, 3), []
    while found_here := list(listener.datastore.run_query(page)):
        paths += [each.path for each in found_here]
        page = narrowing.after(page, found_here[-1].raw, min(3, len(whole) - len(paths)) or 1)
        if len(paths) >= len(whole):
            break

    assert paths == whole
