"""WebChannel without HTTP: what a session keeps, says again, and gives up."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any
from urllib.parse import urlencode

import pytest

from flask_boiler.firestore import protocol
from flask_boiler.ground.lifecycle import DaemonPool
from flask_boiler.local.embedded.listening.faults import Faults
from flask_boiler.local.embedded.listening.listen_stream import ListenPolicy
from flask_boiler.local.embedded.serving.proto_json import json_of, message_of, plain_of
from flask_boiler.local.embedded.serving.service import Service
from flask_boiler.local.embedded.serving.streams import Streams
from flask_boiler.local.embedded.serving.webchannel import BackChannel, Session, WebChannels
from flask_boiler.local.embedded.storage.refusal import Refusal
from flask_boiler.local.embedded.storage.storage import Storage
from flask_boiler.local.embedded.writes.writes import operations
from tests.unit.local.embedded.worlds import WORLD, document, name_of, put


@pytest.fixture
def storage() -> Iterator[Storage]:
    made = Storage()
    yield made
    made.close()


@pytest.fixture
def pool() -> Iterator[DaemonPool]:
    made = DaemonPool(2, name="webchannel")
    yield made
    made.shutdown()


@pytest.fixture
def channels(storage: Storage, pool: DaemonPool) -> Iterator[WebChannels]:
    made = WebChannels(Streams(Service(storage), Faults(), ListenPolicy()), pool.run)
    yield made
    made.close()


def answers(session: Session, *, last_id: int, at_once: bool) -> Iterator[bytes]:
    """A back channel as HTTP serves it, waiting where there is nothing yet."""
    channel = session.back_channel(last_id=last_id, at_once=at_once)
    return taken(channel)


def taken(channel: BackChannel) -> Iterator[bytes]:
    stirred = threading.Event()
    channel.open(stirred.set)
    while (said := channel.take()) != b"":
        if said:
            yield said
        else:
            stirred.wait()
            stirred.clear()
    channel.close()


def listening_to(*paths: str) -> str:
    target = {"targetId": 2, "documents": {"documents": [name_of(path) for path in paths]}}
    return json.dumps({"database": WORLD, "addTarget": target})


def opened(channels: WebChannels, channel: str = "Listen", *requests: str) -> Session:
    fields = {f"req{n}___data__": text for n, text in enumerate(requests)}
    body = urlencode({"headers": "", "count": len(requests), "ofs": 0} | fields)
    session, told = channels.open(channel, body)
    length, text = told.decode().split("\n")
    assert int(length) == len(text)
    assert json.loads(text) == [[0, ["c", session.sid, "", 8, 12, 30000]]]
    return session


def arrays(said: bytes) -> list[Any]:
    length, _, text = said.decode("ascii").partition("\n")
    assert int(length) == len(text)
    return list(json.loads(text))


def until(channel: Iterator[bytes], kind: str) -> list[Any]:
    """The arrays up to one that has something."""
    found: list[Any] = []
    for said in channel:
        found += arrays(said)
        if any(kind in str(one) for one in found):
            return found
    raise AssertionError(f"the channel ended with {found}")


def test_answers_are_said_again_until_they_are_acknowledged(
    storage: Storage, channels: WebChannels
) -> None:
    put(storage, "c/a", text="é 🎉")
    session = opened(channels, "Listen", listening_to("c/a"))
    first = until(answers(session, last_id=0, at_once=False), "readTime")
    assert [number for number, _ in first] == list(range(1, len(first) + 1))
    changed = next(a for _, a in first if "documentChange" in a[0])
    text = changed[0]["documentChange"]["document"]["fields"]["text"]
    assert text == {"stringValue": "é 🎉"}

    # The connection was lost in between: the last answer that was got is the second.
    again = until(answers(session, last_id=2, at_once=False), "readTime")
    assert again[: len(first) - 2] == first[2:]
    (polled,) = islice(answers(session, last_id=3, at_once=True), 2)
    assert arrays(polled)[0][0] == 4
    assert json.loads(session.state())[0] == 0


def test_a_page_that_only_listens_hears_more_than_is_kept(
    storage: Storage, channels: WebChannels
) -> None:
    text = "x" * 100_000
    put(storage, "c/a", text=text)
    session = opened(channels, "Listen", listening_to("c/a"))
    last_id, heard, sizes = 0, 0, []
    # It acknowledges only when it asks again, as the web SDK does.
    while heard < 150:
        size = 0
        for said in answers(session, last_id=last_id, at_once=False):
            size += len(said)
            for number, answer in arrays(said):
                last_id = number
                if "documentChange" in answer[0]:
                    heard += 1
                    put(storage, "c/a", text=text, n=heard)
            if heard == 150:
                channels.end(session)
        sizes.append(size)
    assert len(sizes) > 10
    assert max(sizes) < 1_400_000


def test_what_is_kept_is_said_again_in_pieces(storage: Storage, channels: WebChannels) -> None:
    for name in "abcd":
        put(storage, f"c/{name}", text="x" * 500_000)
    session = opened(channels, "Listen", listening_to("c/a", "c/b", "c/c", "c/d"))
    last_id, heard, sizes = 0, 0, []
    while heard < 4:
        (said,) = answers(session, last_id=last_id, at_once=True)
        sizes.append(len(said))
        last_id = arrays(said)[-1][0]
        heard += said.count(b"documentChange")
    assert max(sizes) < 1_100_000


def test_a_newer_back_channel_replaces_the_older(channels: WebChannels) -> None:
    session = opened(channels, "Listen", listening_to("c/a"))
    older = answers(session, last_id=0, at_once=False)
    until(older, "readTime")
    newer = answers(session, last_id=0, at_once=False)
    next(newer)
    assert list(older) == []
    assert json.loads(session.state())[0] == 1


def test_what_is_posted_twice_is_heard_once(storage: Storage, channels: WebChannels) -> None:
    session = opened(channels, "Write", json.dumps({"database": WORLD}))
    channel = answers(session, last_id=0, at_once=False)
    (token,) = (
        answer[0]["streamToken"]
        for _, answer in until(channel, "streamId")
        if "streamId" in answer[0]
    )
    fields = {"n": {"integerValue": "1"}}
    write = {"transform": {"document": name_of("c/a"), "fieldTransforms": [
        {"fieldPath": "n", "increment": fields["n"]}]}}  # fmt: skip
    request = json.dumps({"streamToken": token, "writes": [write]})
    for _ in range(2):
        session.hear({"ofs": "1", "count": "1", "req0___data__": request})
    until(channel, "commitTime")
    session.hear({"ofs": "2", "count": "1", "req0___data__": request})
    until(channel, "commitTime")
    with storage.reading() as reading:
        found = reading.document(name_of("c/a"))
    assert found is not None
    assert found.message.fields["n"].integer_value == 2


@pytest.mark.parametrize("first", ["2", "99999999999999"])
def test_what_leaves_something_out_is_refused(channels: WebChannels, first: str) -> None:
    session = opened(channels, "Listen", json.dumps({"database": WORLD}))
    request = {"count": "1", "req0___data__": listening_to("c/a")}
    with pytest.raises(Refusal, match="from message 1 on has not come"):
        session.hear({"ofs": first} | request)
    # What comes in order is heard as before.
    session.hear({"ofs": "1"} | request)
    until(answers(session, last_id=0, at_once=False), "CURRENT")


def test_a_stream_that_ends_says_why(channels: WebChannels) -> None:
    session = opened(channels, "Write", json.dumps({"database": WORLD, "streamId": "other"}))
    said = until(answers(session, last_id=0, at_once=False), "error")
    (error,) = (answer[0]["error"] for _, answer in said if "error" in answer[0])
    assert error["status"] == "INVALID_ARGUMENT"


def test_a_session_that_nobody_asks_for_is_over(storage: Storage, channels: WebChannels) -> None:
    left = opened(channels, "Listen", listening_to("c/a"))
    heard = opened(channels, "Listen", listening_to("c/a"))
    channel = answers(heard, last_id=0, at_once=False)
    until(channel, "readTime")
    now = time.monotonic()
    channels.look(now + 60)
    assert channels.find(left.sid) is left
    channels.look(now + 100)
    assert channels.find(left.sid) is None
    assert channels.find(heard.sid) is heard
    channels.end(heard)
    for _ in channel:
        pass  # it ends


def test_a_silent_back_channel_says_so_and_a_stream_that_it_lives(channels: WebChannels) -> None:
    session = opened(channels, "Listen", listening_to("c/a"))
    channel = answers(session, last_id=0, at_once=False)
    until(channel, "readTime")
    channels.look(time.monotonic() + 20)
    until(channel, "noop")
    # One marker may be left of the beginning.
    for after_s in (40, 80):
        channels.look(time.monotonic() + after_s)
        until(channel, "readTime")


def test_what_nobody_hears_is_kept_up_to_a_bound(storage: Storage, channels: WebChannels) -> None:
    names = [f"c/{number}" for number in range(40)]
    for name in names:
        put(storage, name, text="x" * 100_000)
    session = opened(channels, "Listen", listening_to(*names))
    last_id, heard, most = 0, 0, 0
    while heard < len(names):
        for said in answers(session, last_id=last_id, at_once=True):
            last_id = arrays(said)[-1][0]
            heard += said.count(b"documentChange")
            most = max(most, json.loads(session.state())[2])
    assert most < 8 * 1024 * 1024 + 200_000


def test_a_stream_has_so_many_targets_and_no_more(channels: WebChannels) -> None:
    def adding(number: int) -> str:
        target = {"targetId": number, "documents": {"documents": [name_of("c/a")]}}
        return json.dumps({"database": WORLD, "addTarget": target})

    session = opened(channels, "Listen", *[adding(number) for number in range(1, 1001)])
    channel = answers(session, last_id=0, at_once=False)
    session.hear({"ofs": "1000", "count": "1", "req0___data__": adding(5000)})
    refused = next(a for _, a in until(channel, "'REMOVE'") if "REMOVE" in str(a))
    assert refused[0]["targetChange"]["targetIds"] == [5000]
    assert refused[0]["targetChange"]["cause"]["code"] == 8
    # One goes, another comes.
    removing = json.dumps({"database": WORLD, "removeTarget": 7})
    session.hear({"ofs": "1001", "count": "1", "req0___data__": removing})
    session.hear({"ofs": "1002", "count": "1", "req0___data__": adding(5001)})
    until(channel, "'targetChangeType': 'CURRENT', 'targetIds': [5001]")


@pytest.mark.parametrize("fields", [{"count": "1001"}, {"count": "9" * 16}, {"ofs": "x"}])
def test_too_many_messages_are_refused(channels: WebChannels, fields: dict[str, str]) -> None:
    session = opened(channels)
    with pytest.raises(Refusal) as refused:
        session.hear(fields)
    assert refused.value.code.name == "INVALID_ARGUMENT"


def test_writes_that_wait_are_bounded(storage: Storage) -> None:
    # Nobody does what is wanted.
    channels = WebChannels(Streams(Service(storage), Faults(), ListenPolicy()), lambda call: None)
    session = opened(channels, "Write", json.dumps({"database": WORLD}))
    write = {"writes": [{"update": {"name": name_of("c/a"), "fields": {}}}]}
    many = {f"req{number}___data__": json.dumps(write) for number in range(1000)}
    with pytest.raises(Refusal) as refused:
        session.hear({"ofs": "1", "count": "1000"} | many)
    assert refused.value.code.name == "RESOURCE_EXHAUSTED"
    # It was not heard, so it can be said again.
    session.hear({"ofs": "1", "count": "999"} | many)


@pytest.mark.parametrize(("padding", "posts"), [(0, 20), (9_000, 8)])
def test_wishes_that_wait_are_bounded(storage: Storage, padding: int, posts: int) -> None:
    calls: list[Callable[[], None]] = []
    channels = WebChannels(Streams(Service(storage), Faults(), ListenPolicy()), calls.append)
    session = opened(channels, "Listen", json.dumps({"database": WORLD}))
    wished = json.loads(listening_to("c/a")) | {"labels": {"padding": "x" * padding}}
    heard = 1

    def hear() -> None:
        nonlocal heard
        many = {f"req{number}___data__": json.dumps(wished) for number in range(500)}
        session.hear({"ofs": str(heard), "count": "500"} | many)
        heard += 500

    with pytest.raises(Refusal) as refused:
        for _ in range(posts + 1):
            hear()
    assert refused.value.code.name == "RESOURCE_EXHAUSTED"
    assert heard > 1_000
    # What was refused was not heard; when the others are dealt with, there is room again.
    while calls:
        calls.pop()()
    assert [r for r in arrays(next(answers(session, last_id=0, at_once=True))) if "error" in str(r)]


def test_back_channels_that_pile_up_keep_nothing(channels: WebChannels) -> None:
    session = opened(channels, "Listen")
    for _ in range(1_000):
        session.back_channel(last_id=0, at_once=False)
    assert json.loads(session.state())[2] < 100


def test_a_session_that_is_over_is_not_found(channels: WebChannels) -> None:
    session = opened(channels, "Listen", listening_to("c/a"))
    assert channels.find(session.sid) is session
    channels.end(session)
    assert channels.find(session.sid) is None
    assert channels.find("unknown") is None


@pytest.mark.parametrize("text", ["{", "[]", '{"addTarget": 1}', '{"database": 5}'])
def test_what_is_no_request_is_refused(channels: WebChannels, text: str) -> None:
    session = opened(channels)
    with pytest.raises(Refusal):
        session.hear({"ofs": "0", "count": "1", "req0___data__": text})


def test_fields_are_sorted() -> None:
    made = document("c/a", **{name: 1 for name in "zyxwvutsr"})
    assert list(json.loads(json_of(plain_of(made)))["fields"]) == sorted("zyxwvutsr")


def test_a_verification_is_kept() -> None:
    plain = {"writes": [{"delete": name_of("c/a")}, {"verify": name_of("c/b"),
             "currentDocument": {"exists": True}}]}  # fmt: skip
    request = message_of(json.dumps(plain), protocol.CommitRequest)
    found = operations(WORLD, request.writes)
    assert [(one.kind, one.name) for one in found] == [
        ("delete", name_of("c/a")),
        ("verify", name_of("c/b")),
    ]
