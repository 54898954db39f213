"""The Listen client against servers of our own: what Google's emulator never does."""

from __future__ import annotations

import itertools
import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import grpc
import pytest
from google.cloud.firestore import Increment
from pytest_mock import MockerFixture

from flask_boiler.embedded import EmbeddedFirestore
from flask_boiler.errors import UnavailableError
from flask_boiler.firestore import datastore
from flask_boiler.firestore.listen import verifier
from flask_boiler.firestore.listen.backoff import BackoffPolicy
from flask_boiler.firestore.listen.stream import StreamPolicy
from flask_boiler.ground.ports import CutChange
from flask_boiler.ground.values import Target, Write
from tests.firestore.listening import HASTY, PATIENCE_S, Listener, collection, listening
from tests.scripted_firestore import ScriptServer
from tests.scripted_firestore.messages import added, changed, current, document, marker

CITIES = collection("City")


@pytest.fixture
def server(embedded_firestore: EmbeddedFirestore) -> EmbeddedFirestore:
    return embedded_firestore


@pytest.fixture
def listener(server: EmbeddedFirestore) -> Iterator[Listener]:
    with listening(server.host, retry_after_s=0.05) as made:
        yield made


def test_a_scripted_stream_word_by_word() -> None:
    with ScriptServer() as server, listening(server.address, project="scripted") as listener:
        listener.hub.listen(["City/SF"])
        stream = server.accept()
        addition = stream.receive_addition()
        target_id = addition.target_id
        assert list(addition.documents.documents) == [
            "projects/scripted/databases/(default)/documents/City/SF"
        ]

        stream.send(
            added(target_id),
            changed(document("City/SF", 5_000, {"n": 1}), target_id),
            current(target_id),
            marker(10_000, token=b"resume here"),
        )
        listener.wait_for(lambda: listener.field("City/SF") == 1)

        stream.end(grpc.StatusCode.UNAVAILABLE)
        stream = server.accept()
        resumed = stream.receive_addition()
        assert resumed.target_id > target_id
        assert resumed.resume_token == b"resume here"
        assert resumed.expected_count.value == 1

        listener.hub.release(["City/SF"])
        assert stream.receive_removal() == resumed.target_id


def test_an_idle_stream_is_closed() -> None:
    policy = StreamPolicy(idle_after_s=0.05)
    with ScriptServer() as server, listening(server.address, policy=policy) as listener:
        listener.hub.listen(["City/SF"])
        stream = server.accept()
        listener.hub.release(["City/SF"])

        stream.wait_cancelled()
        listener.hub.listen(["City/SF"])
        server.accept()


def test_a_silent_stream_is_probed_and_replaced() -> None:
    policy = StreamPolicy(
        backoff=BackoffPolicy(initial_s=0.01), silent_after_s=0.1, answer_within_s=0.1
    )
    with ScriptServer() as server, listening(server.address, policy=policy) as listener:
        listener.hub.listen(["City/SF"])
        stream = server.accept()
        stream.receive_addition()
        assert "_boiler/canary" in str(stream.receive_addition())

        stream.wait_cancelled()
        assert server.accept().receive_addition()


def test_a_stream_that_answers_its_probes_is_kept(server: EmbeddedFirestore) -> None:
    policy = StreamPolicy(silent_after_s=0.02, answer_within_s=5)
    with listening(server.host, policy=policy) as listener:
        listener.listen("City/SF")
        start = listener.hub.statistics().messages
        listener.wait_for(lambda: listener.hub.statistics().messages > start + 20)

        assert listener.hub.statistics().streams_opened == 1


def test_changes_are_incremental(listener: Listener) -> None:
    for city in ("SF", "LA", "NY"):
        listener.set(f"City/{city}", n=1)
    listener.listen("City/SF", CITIES)
    before = listener.hub.statistics().messages

    listener.set("City/SF", n=2)
    listener.wait_for(lambda: listener.field("City/SF") == 2)

    # One change for both targets, and a marker.
    assert listener.hub.statistics().messages == before + 2
    assert listener.hub.statistics().resets == 0


def test_a_query_with_a_limit_is_refilled(listener: Listener) -> None:
    smallest = collection("City", order_by="n", limit=2)
    for city, size in (("SF", 3), ("LA", 1), ("NY", 2)):
        listener.set(f"City/{city}", n=size)
    listener.listen(smallest)
    listener.delete("City/LA")

    listener.wait_for(lambda: listener.ids(smallest) == ["NY", "SF"])


@pytest.mark.parametrize(
    "code",
    [
        None,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
    ],
)
def test_a_lost_stream_is_resumed(
    server: EmbeddedFirestore, listener: Listener, code: grpc.StatusCode | None
) -> None:
    for number in range(10):
        listener.set(f"City/{number}", n=1)
    listener.listen("City/1", "City/2", CITIES)
    seen = len(listener.changes)
    before = listener.hub.statistics().messages

    with server.faults.holding():
        server.faults.drop_streams(code)
        listener.set("City/1", n=2)
        listener.delete("City/2")
        listener.set("City/new", n=3)

    listener.wait_for(lambda: "new" in (listener.ids(CITIES) or ()))
    assert listener.field("City/1") == 2
    assert listener.field("City/2") is None
    assert "2" not in (listener.ids(CITIES) or ())
    changes = [change for change in listener.changes[seen:] if change.queries or change.documents]
    assert len(changes) == 1
    assert changes[0].documents == {"City/1", "City/2"}
    assert changes[0].queries == {CITIES: {"City/1", "City/2", "City/new"}}
    # Resuming does not send everything again, nor does the bloom filter need to be mended.
    assert listener.hub.statistics().messages < before + 20
    assert listener.hub.statistics().mismatches == 0


def test_expired_tokens_are_made_good_by_comparing(
    server: EmbeddedFirestore, listener: Listener
) -> None:
    for city in ("SF", "LA", "NY"):
        listener.set(f"City/{city}", n=1)
    listener.listen("City/SF", CITIES)
    seen = len(listener.changes)

    with server.faults.holding():
        server.faults.expire_tokens()
        server.faults.drop_streams()
        listener.delete("City/LA")

    listener.wait_for(lambda: listener.ids(CITIES) == ["NY", "SF"])
    changes = [change for change in listener.changes[seen:] if change.queries or change.documents]
    assert [change.queries for change in changes] == [{CITIES: {"City/LA"}}]
    assert listener.hub.statistics().resets == 2


def test_a_reset_that_changes_nothing_delivers_nothing(
    server: EmbeddedFirestore, listener: Listener
) -> None:
    for number in range(10):
        listener.set(f"City/{number}", n=1)
    listener.listen(CITIES)
    seen = len(listener.changes)

    server.faults.reset_queries()
    listener.wait_for(lambda: listener.hub.statistics().resets == 1)
    listener.set("City/3", n=2)
    listener.wait_for(lambda: any(change.queries for change in listener.changes[seen:]))

    changed = [change.queries for change in listener.changes[seen:] if change.queries]
    assert changed == [{CITIES: {"City/3"}}]


def test_withdrawn_permission_concerns_one_target_and_heals(
    server: EmbeddedFirestore, listener: Listener
) -> None:
    listener.set("City/SF", n=1)
    listener.set("Town/A", n=1)
    listener.listen("City/SF", "Town/A")

    server.faults.reject("City/SF")
    listener.wait_for(lambda: "City/SF" in listener.rejected)
    assert "insufficient permissions" in str(listener.rejected["City/SF"])
    assert not listener.holds("City/SF")
    listener.set("Town/A", n=2)
    listener.wait_for(lambda: listener.field("Town/A") == 2)

    server.faults.accept("City/SF")
    listener.wait_for(lambda: listener.field("City/SF") == 1)
    assert not listener.rejected
    assert listener.hub.statistics().streams_opened == 1


def test_a_missing_index_is_told_and_heals_when_it_is_there(
    server: EmbeddedFirestore, listener: Listener
) -> None:
    server.faults.reject(
        "City",
        grpc.StatusCode.FAILED_PRECONDITION,
        "The query requires an index. You can create it here: https://console.example/x",
    )
    listener.hub.listen([CITIES])
    listener.wait_for(lambda: CITIES in listener.rejected)
    assert "https://console.example/x" in listener.rejected[CITIES].cause

    server.faults.accept("City")
    listener.wait_for(lambda: listener.ids(CITIES) == [])


def test_a_server_that_refuses_the_stream_for_long_is_tried_again(
    server: EmbeddedFirestore,
) -> None:
    policy = replace(HASTY, refused_after_s=0.0)
    with listening(server.host, policy=policy) as listener:
        listener.set("City/SF", n=1)
        listener.listen("City/SF")
        server.faults.refuse_streams(grpc.StatusCode.PERMISSION_DENIED, "not you")
        server.faults.drop_streams()
        listener.wait_for(lambda: "City/SF" in listener.rejected)
        assert "not you" in str(listener.rejected["City/SF"])

        server.faults.refuse_streams(None)
        listener.wait_for(lambda: listener.field("City/SF") == 1)


@pytest.mark.parametrize(
    "code", [grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED]
)
def test_a_spell_in_which_the_stream_is_refused_is_waited_out(
    server: EmbeddedFirestore, listener: Listener, code: grpc.StatusCode
) -> None:
    listener.set("City/SF", n=1)
    listener.listen("City/SF")
    server.faults.refuse_streams(code, "not you")
    server.faults.drop_streams()
    listener.wait_until(lambda: listener.hub.refused_s > 0)
    listener.set("City/SF", n=2)
    assert listener.rejected == {}

    server.faults.refuse_streams(None)
    listener.wait_for(lambda: listener.field("City/SF") == 2)
    assert listener.rejected == {}
    assert listener.hub.refused_s == 0


def test_many_drops_while_others_write_and_no_sum_is_ever_broken(
    server: EmbeddedFirestore, listener: Listener
) -> None:
    """On a server that keeps the protocol's promises, queries are consistent too."""
    accounts = collection("accounts")
    paths = [f"accounts/{number}" for number in range(6)]
    listener.datastore.commit([Write("set", path, {"n": 100}) for path in paths])
    listener.listen(*paths, accounts)
    sums: list[tuple[int, int]] = []

    def add_up(change: CutChange) -> None:
        documents = [change.cut.document(path) for path in paths]
        members = change.cut.query(accounts) or []
        sums.append(
            (sum(d.get("n") for d in documents if d), sum(member.get("n") for member in members))
        )

    listener.hub.subscribe(add_up)
    done = threading.Event()

    def disturb() -> None:
        rng = random.Random(7)
        while not done.wait(0.01):
            if rng.random() < 0.3:
                server.faults.expire_tokens()
            if rng.random() < 0.5:
                server.faults.drop_streams()
            else:
                server.faults.reset_queries()

    def move(seed: int) -> None:
        rng = random.Random(seed)
        for _ in range(150):
            source, target = rng.sample(paths, 2)
            amount = rng.randint(1, 20)
            listener.datastore.commit(
                [
                    Write("update", source, {"n": Increment(-amount)}, ("n",)),
                    Write("update", target, {"n": Increment(amount)}, ("n",)),
                ]
            )

    threads = [threading.Thread(target=move, args=(seed,)) for seed in range(3)]
    disturber = threading.Thread(target=disturb)
    for thread in (*threads, disturber):
        thread.start()
    for thread in threads:
        thread.join()
    done.set()
    disturber.join()
    stored = listener.datastore.get(paths)
    listener.wait_for(lambda: all(listener.field(path) == stored[path].get("n") for path in paths))

    assert set(sums) == {(600, 600)}
    assert listener.hub.statistics().streams_opened > 3


def test_stopping_ends_all_threads_while_the_server_is_silent(server: EmbeddedFirestore) -> None:
    def ours() -> list[str]:
        return [t.name for t in threading.enumerate() if t.name.startswith("flask-boiler-")]

    before = ours()
    server.faults.dumb = True
    with listening(server.host, policy=HASTY) as listener:
        listener.hub.listen(["City/SF"])
        assert len(ours()) == len(before) + 3
    assert ours() == before


def test_a_restarted_server_is_found_again() -> None:
    first = EmbeddedFirestore().start()
    with listening(first.host) as listener:
        listener.set("City/SF", n=1)
        listener.listen("City/SF")
        first.stop()
        second = EmbeddedFirestore(port=int(first.host.rpartition(":")[2])).start()
        try:
            listener.wait_for(lambda: listener.field("City/SF") is None, PATIENCE_S)
            listener.set("City/SF", n=2)
            listener.wait_for(lambda: listener.field("City/SF") == 2)
        finally:
            second.stop()


def test_reads_give_up_with_our_own_error_when_the_server_is_gone() -> None:
    with EmbeddedFirestore() as server:
        host = server.host
    with (
        listening(host) as listener,
        pytest.raises(UnavailableError, match="reading 1 document"),
    ):
        listener.datastore.get(["City/SF"], patience_s=0.2)


def _threads() -> list[str]:
    """The threads of the Listen client."""
    return [t.name for t in threading.enumerate() if t.name.startswith("flask-boiler")]


@pytest.mark.parametrize("target", ["City/SF", CITIES])
def test_stopping_does_not_wait_long_for_a_verification_that_cannot_be(
    server: EmbeddedFirestore, target: Target, mocker: MockerFixture
) -> None:
    asked = mocker.spy(datastore, "streamed")
    with listening(server.host, verify_targets=True) as listener:
        listener.listen(target)
        assert "flask-boiler-timekeeper" in _threads()
        server.stop()
        asked.reset_mock()
        listener.hub.stop()
        assert _threads() == []
        allowed_s = [call.kwargs["timeout"] for call in asked.call_args_list]
        assert max(allowed_s, default=0.0) <= verifier._PATIENCE_S


@pytest.mark.parametrize("repetition", range(5))
def test_stopping_amid_changes_ends_every_thread(
    server: EmbeddedFirestore, repetition: int
) -> None:
    numbers = itertools.count()
    stopped = threading.Event()
    all_at_it = threading.Barrier(4)
    with listening(server.host) as listener, ThreadPoolExecutor(3) as pool:

        def repeat(act: Callable[[], None]) -> None:
            act()
            all_at_it.wait(PATIENCE_S)
            while not stopped.is_set():
                act()

        def write(city: str) -> None:
            listener.set(f"City/{city}", n=next(numbers))
            listener.hub.refresh()

        def come_and_go() -> None:
            listener.hub.listen([CITIES, "City/LA"])
            listener.hub.release([CITIES, "City/LA"])

        # Before they begin: who comes and goes all the time leaves hardly a time to show all of.
        listener.listen("City/SF")
        acts = (partial(write, "SF"), partial(write, "LA"), come_and_go)
        busy = [pool.submit(repeat, act) for act in acts]
        try:
            all_at_it.wait(PATIENCE_S)
            server.faults.drop_streams()
            listener.hub.stop()
            assert _threads() == []
        finally:
            stopped.set()
        for each in busy:
            each.result(PATIENCE_S)


def test_each_change_is_shown_while_others_come_and_go_without_a_pause(
    listener: Listener,
) -> None:
    writes = [Write("set", f"City/{number}", {"n": number}) for number in range(200)]
    listener.datastore.commit(writes)
    listener.listen("Town/SF")
    stopped = threading.Event()

    def come_and_go() -> None:
        # Another query each time, which would be told as a whole.
        for limit in itertools.count(1_000):
            if stopped.is_set():
                return
            target = collection("City", limit=limit)
            listener.hub.listen([target])
            listener.hub.release([target])

    before = listener.hub.statistics()
    with ThreadPoolExecutor(1) as pool:
        churn = pool.submit(come_and_go)
        try:
            for number in range(5):
                listener.set("Town/SF", n=number)
                listener.wait_for_field("Town/SF", number)
        finally:
            stopped.set()
        churn.result(PATIENCE_S)
    assert listener.hub.statistics().cuts - before.cuts >= 5


def test_an_existence_filter_that_is_wrong_is_seen_through(
    server: EmbeddedFirestore, listener: Listener
) -> None:
    for city in ("SF", "LA"):
        listener.set(f"City/{city}", n=1)
    listener.listen(CITIES)

    server.faults.miscount()
    listener.wait_for(lambda: listener.hub.statistics().mismatches == 1)
    listener.set("City/NY", n=1)
    listener.wait_for_ids(CITIES, ["LA", "NY", "SF"])


def test_a_stream_that_is_delayed_is_late_and_whole(
    server: EmbeddedFirestore, listener: Listener
) -> None:
    server.faults.delay("Listen", 0.05)
    listener.listen(CITIES)
    for number in range(5):
        listener.set(f"City/{number}", n=number)
    listener.wait_for_ids(CITIES, ["0", "1", "2", "3", "4"])


def test_a_server_that_is_stopped_and_started_again_is_found(
    server: EmbeddedFirestore, listener: Listener
) -> None:
    listener.set("City/SF", n=1)
    listener.listen("City/SF")
    server.stop()
    server.start()
    # It keeps nothing without a file; so its tokens are not those of before.
    listener.wait_for_field("City/SF", None)
    listener.set("City/SF", n=2)
    listener.wait_for_field("City/SF", 2)
