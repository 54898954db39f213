"""Listen and Write of the embedded Firestore on the wire, through grpc alone."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest

from flask_boiler.context.clients import local_client
from flask_boiler.embedded import EmbeddedFirestore, ListenPolicy
from flask_boiler.firestore import protocol
from flask_boiler.local.embedded.serving import duplex
from flask_boiler.local.embedded.serving import streams as serving_streams

WORLD = "projects/streams/databases/(default)"
PATIENCE_S = 100.0
MANY = 10_000
#: Little is under way to a client that does not read.
_SMALL_WINDOW = [("grpc.http2.lookahead_bytes", 16_384), ("grpc.http2.bdp_probe", 0)]


class RawStream:
    """A stream in both directions, of messages as they are on the wire."""

    def __init__(self, channel: grpc.Channel, call: str, request: Any, response: Any) -> None:
        self._requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._call = channel.stream_stream(
            protocol.SERVICE + call, request.SerializeToString, response.FromString
        )(iter(self._requests.get, None), timeout=PATIENCE_S)

    def send(self, request: Any) -> None:
        self._requests.put(request)

    def receive(self) -> Any:
        return next(self._call)

    def until(self, condition: Callable[[Any], bool]) -> list[Any]:
        """The responses up to one that is waited for."""
        found = [self.receive()]
        while not condition(found[-1]):
            found.append(self.receive())
        return found

    def cancel(self) -> None:
        self._call.cancel()
        self._requests.put(None)


def is_marker(response: Any) -> bool:
    change = response.target_change
    return bool(change.read_time.seconds and not change.target_ids)


@pytest.fixture
def server() -> Iterator[EmbeddedFirestore]:
    with EmbeddedFirestore() as made:
        yield made


@pytest.fixture
def channel(server: EmbeddedFirestore) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(server.host) as made:
        yield made


@pytest.fixture
def client(server: EmbeddedFirestore) -> Iterator[Any]:
    made = local_client(server.host, project="streams", database="(default)")
    yield made
    made.close()


def listen(channel: grpc.Channel, target_id: int = 2, **options: Any) -> RawStream:
    stream = RawStream(channel, "Listen", protocol.ListenRequest, protocol.ListenResponse)
    target = protocol.ListenTarget(target_id=target_id, **options)
    target.query.parent = f"{WORLD}/documents"
    target.query.structured_query.from_.add(collection_id="c")
    stream.send(protocol.ListenRequest(database=WORLD, add_target=target))
    return stream


def fill(client: Any, count: int) -> None:
    for start in range(0, count, 500):
        batch = client.batch()
        for number in range(start, min(start + 500, count)):
            batch.set(client.document(f"c/{number}"), {"n": number})
        batch.commit()


def test_a_write_below_a_large_query_costs_one_message(client: Any, channel: grpc.Channel) -> None:
    fill(client, MANY)
    stream = listen(channel)
    first = stream.until(is_marker)
    assert sum(response.HasField("document_change") for response in first) == MANY

    client.document("c/777").update({"n": -1})
    change, marker = stream.until(is_marker)
    assert change.document_change.document.name.endswith("/c/777")
    assert marker.target_change.target_change_type == protocol.TargetChange.NO_CHANGE

    # Resumed, it costs what was missed.
    stream.cancel()
    client.document("c/1").delete()
    client.document("c/2").update({"n": -2})
    token = marker.target_change.resume_token
    stream = listen(channel, resume_token=token, expected_count={"value": MANY})
    kinds = [r.WhichOneof("response_type") for r in stream.until(is_marker)]
    assert sorted(kinds) == ["document_change", "document_delete", *["target_change"] * 3]
    stream.cancel()


#: Of calls that are just being begun or answered, which a busy machine has many of at a time; of
#: streams; and the one that looks after these.
MOST_THREADS = 128 + 8 + 1


#: Those of servers that run before the test does.
_others: set[threading.Thread] = set()


@pytest.fixture(autouse=True)
def threads_of_others() -> None:
    _others.clear()
    _others.update(threading.enumerate())


def our_threads() -> list[threading.Thread]:
    """The threads of the server's streams and calls."""
    started = [thread for thread in threading.enumerate() if thread not in _others]
    return [thread for thread in started if thread.name.startswith("embedded-firestore")]


def ours() -> list[str]:
    """The names of these threads."""
    return [thread.name for thread in our_threads()]


def test_a_connection_carries_a_thousand_streams_and_all_other_calls(
    server: EmbeddedFirestore, client: Any, channel: grpc.Channel
) -> None:
    streams = [listen(channel) for _ in range(1_000)]
    for stream in streams:
        stream.until(is_marker)

    # Beside them, on the same connection.
    request = protocol.CommitRequest(database=WORLD)
    request.writes.add().update.name = f"{WORLD}/documents/c/a"
    commit = channel.unary_unary(
        protocol.SERVICE + "Commit",
        protocol.CommitRequest.SerializeToString,
        protocol.CommitResponse.FromString,
    )
    assert len(commit(request, timeout=PATIENCE_S).write_results) == 1
    get = channel.unary_unary(
        protocol.SERVICE + "GetDocument",
        protocol.GetDocumentRequest.SerializeToString,
        protocol.Document.FromString,
    )
    found = get(protocol.GetDocumentRequest(name=f"{WORLD}/documents/c/a"), timeout=PATIENCE_S)
    assert found.name.endswith("/c/a")
    # And on another.
    client.document("d/b").set({"n": 1})
    assert client.document("d/b").get().get("n") == 1

    told = [stream.until(is_marker) for stream in streams]
    assert all(change.document_change.document.name.endswith("/c/a") for change, _ in told)
    assert len(ours()) <= MOST_THREADS
    server.stop()
    assert ours() == []
    for stream in streams:
        with pytest.raises(grpc.RpcError):
            stream.receive()


def test_one_stream_too_many_is_refused_in_words_and_another_takes_its_place() -> None:
    with (
        EmbeddedFirestore(listen_policy=ListenPolicy(most_streams=3)) as server,
        grpc.insecure_channel(server.host) as channel,
    ):
        streams = [listen(channel) for _ in range(2)]
        for stream in streams:
            stream.until(is_marker)
        writes = write_stream(channel)
        writes.send(protocol.WriteRequest(database=WORLD))
        writes.receive()

        for one_more in (listen(channel), write_stream(channel)):
            with pytest.raises(grpc.RpcError, match="3 Listen and Write streams") as caught:
                one_more.receive()
            assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED

        streams[0].cancel()
        listen_in_a_place_that_was_left(channel)


def listen_in_a_place_that_was_left(channel: grpc.Channel) -> tuple[RawStream, list[Any]]:
    """A stream, and what it was told first: the server forgets an ended one soon, not at once."""
    # Were one that ended to keep its place, this would be refused for ever.
    while True:
        stream = listen(channel)
        try:
            return stream, stream.until(is_marker)
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_streams_share_a_few_threads_and_give_them_back(
    server: EmbeddedFirestore, channel: grpc.Channel
) -> None:
    streams = [listen(channel) for _ in range(40)]
    for stream in streams:
        for target_id in range(4, 40, 2):
            target = protocol.ListenTarget(target_id=target_id)
            target.documents.documents.append(f"{WORLD}/documents/c/{target_id}")
            stream.send(protocol.ListenRequest(database=WORLD, add_target=target))
        stream.until(is_marker)
    speakers = [name for name in ours() if name.startswith("embedded-firestore-stream")]
    assert 1 <= len(speakers) <= 8
    for stream in streams:
        stream.cancel()
    server.stop()
    assert ours() == []


def test_many_write_streams_leave_room_for_everything_else(
    client: Any, channel: grpc.Channel
) -> None:
    streams = [write_stream(channel) for _ in range(300)]
    for stream in streams:
        stream.send(protocol.WriteRequest(database=WORLD))
    tokens = [stream.receive().stream_token for stream in streams]
    for number, (stream, token) in enumerate(zip(streams, tokens, strict=True)):
        stream.send(writing(f"c/{number}", number, token))
    assert all(len(stream.receive().write_results) == 1 for stream in streams)
    assert client.document("c/299").get().get("n") == 299
    assert len(ours()) <= MOST_THREADS


def test_a_write_stream_whose_client_has_said_all_ends_when_all_is_done(
    client: Any, channel: grpc.Channel
) -> None:
    stream = write_stream(channel)
    stream.send(protocol.WriteRequest(database=WORLD))
    token = stream.receive().stream_token
    for number in range(5):
        stream.send(writing("c/a", number, token))
    stream.send(None)
    assert [len(stream.receive().write_results) for _ in range(5)] == [1] * 5
    with pytest.raises(StopIteration):
        stream.receive()
    assert client.document("c/a").get().get("n") == 4


@pytest.mark.parametrize("on_a_few_threads", [True, False])
def test_a_listen_stream_whose_client_has_said_all_ends_when_it_is_told_all(
    monkeypatch: pytest.MonkeyPatch, on_a_few_threads: bool
) -> None:
    monkeypatch.setattr(serving_streams, "is_possible", lambda: on_a_few_threads)
    with (
        # Clients of Node end a listener so; one that stayed would keep its place for ever.
        EmbeddedFirestore(listen_policy=ListenPolicy(most_streams=1)) as server,
        grpc.insecure_channel(server.host) as channel,
    ):
        writer = local_client(server.host, project="streams", database="(default)")
        writer.document("c/a").set({"n": 1})
        stream = listen(channel)
        stream.send(None)
        (told,) = stream.until(is_marker)[1:-2]
        assert told.document_change.document.name.endswith("/c/a")
        with pytest.raises(StopIteration):
            stream.receive()
        # Also one that has listened for a while.
        stream, first = listen_in_a_place_that_was_left(channel)
        assert len(first) == 4
        writer.document("c/a").set({"n": 2})
        stream.until(is_marker)
        stream.send(None)
        with pytest.raises(StopIteration):
            stream.receive()
        listen_in_a_place_that_was_left(channel)[0].cancel()
        writer.close()


def test_a_grpc_that_is_another_inside_is_served_with_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(serving_streams, "is_possible", lambda: False)
    policy = ListenPolicy(heartbeat_s=0.05)
    with (
        EmbeddedFirestore(listen_policy=policy) as server,
        grpc.insecure_channel(server.host) as channel,
    ):
        stream, writes = listen(channel), write_stream(channel)
        stream.until(is_marker)
        stream.until(is_marker)
        writes.send(protocol.WriteRequest(database=WORLD))
        token = writes.receive().stream_token
        writes.send(writing("c/a", 1, token))
        writes.send(writing("c/b", 2, token, exists=True))
        assert len(writes.receive().write_results) == 1
        with pytest.raises(grpc.RpcError) as caught:
            writes.receive()
        assert caught.value.code() == grpc.StatusCode.NOT_FOUND
        stream.until(lambda response: response.document_change.document.name.endswith("/c/a"))
        stream.cancel()
        server.stop()
        # Those that heard the clients end when they hear that it is over.
        for thread in our_threads():
            thread.join(PATIENCE_S)
        assert ours() == []


class Clock:
    """As the streams of the server see it."""

    def __init__(self) -> None:
        self._passed_s = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self._passed_s

    def pass_by(self, seconds: float) -> None:
        self._passed_s += seconds


def test_a_client_that_takes_nothing_for_long_is_cut_off_and_delays_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock()
    monkeypatch.setattr(duplex, "time", clock)
    policy = ListenPolicy(most_changes=50, heartbeat_s=0.05, stuck_s=300.0)
    with EmbeddedFirestore(listen_policy=policy) as server:
        writer = local_client(server.host, project="streams", database="(default)")
        with (
            grpc.insecure_channel(server.host, options=_SMALL_WINDOW) as slow_channel,
            grpc.insecure_channel(server.host) as channel,
        ):
            # Of these nobody reads what they are told after the beginning.
            stuck = [listen(slow_channel) for _ in range(20)]
            for stream in stuck:
                stream.until(is_marker)
            reader = listen(channel)
            reader.until(is_marker)
            for turn in range(10):
                batch = writer.batch()
                for number in range(100):
                    batch.set(writer.document(f"c/{number}"), {"n": turn, "x": "y" * 10_000})
                batch.commit()
                last = 0
                while last < turn:
                    for response in reader.until(is_marker):
                        fields = response.document_change.document.fields
                        last = max(last, fields["n"].integer_value if "n" in fields else 0)
            reader.cancel()
            running: Any = server._running
            while running.streams._open:
                clock.pass_by(policy.stuck_s + 1)
                assert writer.document("c/1").get().get("n") == 9
            for stream in stuck:
                with pytest.raises(grpc.RpcError, match="taken nothing") as caught:
                    while True:
                        stream.receive()
                assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
        writer.close()


def test_a_client_that_reads_nothing_is_waited_for_and_told_the_last() -> None:
    policy = ListenPolicy(most_changes=50)
    with EmbeddedFirestore(listen_policy=policy) as server:
        writer = local_client(server.host, project="streams", database="(default)")
        with grpc.insecure_channel(server.host) as channel:
            stream = listen(channel)
            stream.until(is_marker)
            for turn in range(20):
                batch = writer.batch()
                for number in range(100):
                    batch.set(writer.document(f"c/{number}"), {"n": turn, "x": "y" * 2_000})
                batch.commit()
            last: dict[str, int] = {}
            while set(last.values()) != {19} or len(last) < 100:
                for response in stream.until(is_marker):
                    if response.HasField("document_change"):
                        document = response.document_change.document
                        last[document.name] = document.fields["n"].integer_value
            stream.cancel()
        writer.close()


def test_heartbeats_come_without_being_asked_for() -> None:
    policy = ListenPolicy(heartbeat_s=0.05)
    with (
        EmbeddedFirestore(listen_policy=policy) as server,
        grpc.insecure_channel(server.host) as channel,
    ):
        stream = listen(channel)
        tokens = [stream.until(is_marker)[-1].target_change.resume_token for _ in range(3)]
        stream.cancel()
    assert len(set(tokens)) == 3


def test_tokens_outlive_a_restart_on_the_same_file(tmp_path: Any) -> None:
    server = EmbeddedFirestore(tmp_path / "data.db").start()
    client = local_client(server.host, project="streams", database="(default)")
    client.document("c/a").set({"n": 1})
    client.document("c/b").set({"n": 1})
    with grpc.insecure_channel(server.host) as channel:
        token = listen(channel).until(is_marker)[-1].target_change.resume_token
        client.document("c/b").set({"n": 2})
        server.stop()
    client.close()
    with (
        EmbeddedFirestore(tmp_path / "data.db") as again,
        grpc.insecure_channel(again.host) as channel,
    ):
        stream = listen(channel, resume_token=token)
        changed = [
            response.document_change.document.name
            for response in stream.until(is_marker)
            if response.HasField("document_change")
        ]
        stream.cancel()
    assert changed == [f"{WORLD}/documents/c/b"]


def test_googles_watch_listens(client: Any) -> None:
    seen: queue.SimpleQueue[list[str]] = queue.SimpleQueue()
    query = client.collection("c").order_by("n", direction="DESCENDING").limit(2)
    watch = query.on_snapshot(lambda found, changes, at: seen.put([one.id for one in found]))
    for number in range(4):
        client.document(f"c/{number}").set({"n": number})
    shown: list[list[str]] = [[]]
    while shown[-1] != ["2", "3"]:  # it sorts what a query gives by its own means
        shown.append(seen.get(timeout=PATIENCE_S))
    watch.unsubscribe()
    assert max(map(len, shown)) == 2, "the limit holds all the time"


def write_stream(channel: grpc.Channel) -> RawStream:
    return RawStream(channel, "Write", protocol.WriteRequest, protocol.WriteResponse)


def writing(path: str, number: int, token: bytes, **current: Any) -> Any:
    request = protocol.WriteRequest(stream_token=token)
    write = request.writes.add(current_document=current or None)
    write.update.name = f"{WORLD}/documents/{path}"
    write.update.fields["n"].integer_value = number
    return request


def test_writes_are_pipelined(client: Any, channel: grpc.Channel) -> None:
    stream = write_stream(channel)
    stream.send(protocol.WriteRequest(database=WORLD))
    opened = stream.receive()
    assert opened.stream_id
    for number in range(20):
        stream.send(writing("c/a", number, opened.stream_token))
    answers = [stream.receive() for _ in range(20)]
    times = [a.commit_time.ToNanoseconds() for a in answers]
    assert times == sorted(set(times))
    assert [len(a.write_results) for a in answers] == [1] * 20
    assert len({a.stream_token for a in answers}) == 20
    assert client.document("c/a").get().get("n") == 19
    stream.cancel()


def test_a_write_that_fails_ends_the_stream_and_what_follows_is_not_done(
    client: Any, channel: grpc.Channel
) -> None:
    stream = write_stream(channel)
    stream.send(protocol.WriteRequest(database=WORLD))
    token = stream.receive().stream_token
    stream.send(writing("c/a", 1, token))
    stream.send(writing("c/b", 2, token, exists=True))
    stream.send(writing("c/a", 3, token))
    stream.receive()
    with pytest.raises(grpc.RpcError) as caught:
        stream.receive()
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND
    assert client.document("c/a").get().get("n") == 1


@pytest.mark.parametrize(
    "request_",
    [
        writing("c/a", 1, b""),
        protocol.WriteRequest(database=WORLD, stream_id="other"),
        protocol.WriteRequest(),
    ],
)
def test_a_write_stream_begins_with_its_database_alone(
    channel: grpc.Channel, request_: Any
) -> None:
    stream = write_stream(channel)
    stream.send(request_)
    with pytest.raises(grpc.RpcError) as caught:
        stream.receive()
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_a_token_of_another_stream_is_refused(channel: grpc.Channel) -> None:
    stream = write_stream(channel)
    stream.send(protocol.WriteRequest(database=WORLD))
    stream.receive()
    stream.send(writing("c/a", 1, b"other:1"))
    with pytest.raises(grpc.RpcError) as caught:
        stream.receive()
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
