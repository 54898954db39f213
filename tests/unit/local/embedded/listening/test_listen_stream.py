"""What a Listen stream says, word by word: without gRPC, without threads."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import grpc
import pytest
from pytest_mock import MockerFixture

from flask_boiler.firestore import protocol
from flask_boiler.firestore.listen.bloom_filter import BloomFilter
from flask_boiler.local.embedded.listening.faults import Faults
from flask_boiler.local.embedded.listening.listen_stream import ListenPolicy, ListenStream
from flask_boiler.local.embedded.listening.switchboard import Switchboard
from flask_boiler.local.embedded.listening.token_issuer import TokenIssuer
from flask_boiler.local.embedded.queries.matching import Query
from flask_boiler.local.embedded.storage.refusal import Refusal
from flask_boiler.local.embedded.storage.storage import Storage
from tests.unit.local.embedded.worlds import WORLD, delete, name_of, put, put_all

_KINDS = protocol.TargetChange
DESCENDING = protocol.StructuredQuery.DESCENDING


def structured(collection: str = "c", **options: Any) -> Any:
    query = protocol.StructuredQuery()
    query.from_.add(collection_id=collection, all_descendants=options.get("all_descendants", False))
    if "order" in options:
        query.order_by.add(direction=options.get("direction", 0)).field.field_path = options[
            "order"
        ]
    if "limit" in options:
        query.limit.value = options["limit"]
    query.offset = options.get("offset", 0)
    return query


class Stream:
    """A stream that is stepped by hand: what it says up to each marker."""

    def __init__(self, storage: Storage, faults: Faults, policy: ListenPolicy) -> None:
        self.tokens = TokenIssuer(storage)
        self.switchboard = Switchboard(storage.feed)
        faults.expire_tokens = self.tokens.expire
        self.serving = ListenStream(storage, self.switchboard, self.tokens, faults, policy)
        self._responses = self._spoken()
        self.marker: Any = None

    def _spoken(self) -> Iterator[bytes]:
        """What it says until it ends; when there is nothing to say, that it is there."""
        try:
            while not self.serving.is_over:
                was_silent = True
                for response in self.serving.speak():
                    was_silent = False
                    yield response
                if was_silent:
                    self.serving.beat()
            yield from self.serving.speak()
        finally:
            self.serving.leave()

    def ask(self, **request: Any) -> None:
        self.serving.hear(protocol.ListenRequest(database=WORLD, **request))

    def add(self, target_id: int, query: Any = None, *paths: str, **options: Any) -> None:
        target = protocol.ListenTarget(target_id=target_id, **options)
        if query is not None:
            target.query.parent = f"{WORLD}/documents"
            target.query.structured_query.CopyFrom(query)
        else:
            target.documents.documents.extend(map(name_of, paths))
        self.ask(add_target=target)

    def said(self) -> list[str]:
        """What it says up to the next marker, in short."""
        words: list[str] = []
        for response in map(protocol.ListenResponse.FromString, self._responses):
            if _is_marker(response):
                self.marker = response.target_change
                return words
            words.append(_word(response))
        return words

    def more(self, count: int) -> list[str]:
        """The next things that it says, whatever they are."""
        found = islice(self._responses, count)
        return [_word(protocol.ListenResponse.FromString(response)) for response in found]


def _is_marker(response: Any) -> bool:
    change = response.target_change
    return (
        response.WhichOneof("response_type") == "target_change"
        and change.target_change_type == _KINDS.NO_CHANGE
        and not change.target_ids
    )


def _word(response: Any) -> str:
    kind = response.WhichOneof("response_type")
    part = getattr(response, kind)
    match kind:
        case "target_change":
            name = _KINDS.TargetChangeType.Name(part.target_change_type)
            cause = f" because {grpc_name(part.cause.code)}" if part.HasField("cause") else ""
            return f"{name} {list(part.target_ids)}{cause}"
        case "document_change":
            fields = part.document.fields
            number = fields["n"].integer_value if "n" in fields else None
            gone = f" not in {list(part.removed_target_ids)}" if part.removed_target_ids else ""
            return f"{short(part.document.name)}={number} in {list(part.target_ids)}{gone}"
        case "document_delete":
            assert part.HasField("read_time")
            return f"{short(part.document)} deleted {list(part.removed_target_ids)}"
        case "document_remove":
            return f"{short(part.document)} left {list(part.removed_target_ids)}"
        case _:
            return f"{part.count} in [{part.target_id}]"


def short(name: str) -> str:
    return name.removeprefix(f"{WORLD}/documents/")


def grpc_name(code: int) -> str:
    return next(status.name for status in grpc.StatusCode if status.value[0] == code)


@pytest.fixture
def storage() -> Iterator[Storage]:
    made = Storage()
    yield made
    made.close()


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
def policy() -> ListenPolicy:
    return ListenPolicy()


@pytest.fixture
def stream(storage: Storage, faults: Faults, policy: ListenPolicy) -> Stream:
    return Stream(storage, faults, policy)


def test_documents_and_queries_from_nothing(storage: Storage, stream: Stream) -> None:
    put_all(storage, {"c/a": {"n": 1}, "c/b": {"n": 2}})
    stream.add(2, None, "c/a", "c/x")
    stream.add(4, structured(order="n", direction=DESCENDING))
    assert stream.said() == [
        *("ADD [2]", "c/a=1 in [2]", "c/x deleted [2]", "CURRENT [2]"),
        *("ADD [4]", "c/b=2 in [4]", "c/a=1 in [4]", "CURRENT [4]"),
    ]
    assert stream.marker.HasField("read_time")
    assert stream.marker.resume_token


def test_one_message_tells_all_targets_of_a_change(storage: Storage, stream: Stream) -> None:
    stream.add(2, None, "c/a")
    stream.add(4, structured())
    stream.add(6, structured("other"))
    stream.said()

    time = put(storage, "c/a", n=1)
    assert stream.said() == ["c/a=1 in [2, 4]"]
    marked = stream.marker.read_time
    assert marked.seconds * 1_000_000 + marked.nanos // 1000 > time
    delete(storage, "c/a")
    assert stream.said() == ["c/a deleted [2, 4]"]


def test_what_a_commit_wrote_is_told_before_one_marker(storage: Storage, stream: Stream) -> None:
    stream.add(2, None, "c/a")
    stream.add(4, structured())
    stream.said()
    put_all(storage, {"c/a": {"n": 1}, "c/b": {"n": 2}, "d/x": {"n": 3}})
    assert stream.said() == ["c/a=1 in [2, 4]", "c/b=2 in [4]"]


def test_commits_that_wait_are_told_as_one(storage: Storage, stream: Stream) -> None:
    put(storage, "c/old", n=0)
    stream.add(2, structured())
    stream.said()
    for number in range(5):
        put(storage, "c/a", n=number)
    put(storage, "c/short", n=1)
    delete(storage, "c/short")
    delete(storage, "c/old")
    assert stream.said() == ["c/a=4 in [2]", "c/old deleted [2]"]


def test_a_document_leaves_a_query_and_comes_back(storage: Storage, stream: Stream) -> None:
    query = structured()
    query.where.field_filter.field.field_path = "n"
    query.where.field_filter.op = protocol.StructuredQuery.FieldFilter.GREATER_THAN
    query.where.field_filter.value.integer_value = 5
    stream.add(2, query)
    stream.add(4, structured())
    put(storage, "c/a", n=9)
    assert stream.said() == [
        *("ADD [2]", "c/a=9 in [2]", "CURRENT [2]"),
        *("ADD [4]", "c/a=9 in [4]", "CURRENT [4]"),
    ]
    put(storage, "c/a", n=1)
    assert stream.said() == ["c/a=1 in [4] not in [2]"]
    put(storage, "c/a", n=2)
    assert stream.said() == ["c/a=2 in [4]"]
    put(storage, "c/a", n=8)
    assert stream.said() == ["c/a=8 in [2, 4]"]


def test_a_projection_is_told_apart(storage: Storage, stream: Stream) -> None:
    query = structured()
    query.select.fields.add(field_path="m")
    stream.add(2, query)
    stream.add(4, structured())
    stream.said()
    put(storage, "c/a", n=1)
    assert stream.said() == ["c/a=None in [2]", "c/a=1 in [4]"]


def test_a_collection_group_is_listened_to(storage: Storage, stream: Stream) -> None:
    stream.add(2, structured(all_descendants=True))
    stream.said()
    put_all(storage, {"c/a": {"n": 1}, "x/y/c/b": {"n": 2}, "x/c": {"n": 3}})
    assert stream.said() == ["c/a=1 in [2]", "x/y/c/b=2 in [2]"]


def test_a_window_moves(storage: Storage, stream: Stream) -> None:
    put_all(storage, {f"c/{n}": {"n": n} for n in range(10, 20)})
    stream.add(2, structured(order="n", limit=3))
    assert stream.said()[1:4] == ["c/10=10 in [2]", "c/11=11 in [2]", "c/12=12 in [2]"]

    put(storage, "c/new", n=1)
    assert sorted(stream.said()) == ["c/12 left [2]", "c/new=1 in [2]"]
    delete(storage, "c/10")
    assert sorted(stream.said()) == ["c/10 deleted [2]", "c/12=12 in [2]"]
    put(storage, "c/new", n=100)
    assert sorted(stream.said()) == ["c/13=13 in [2]", "c/new left [2]"]
    put(storage, "c/11", n=12)  # still the first of the three
    assert stream.said() == ["c/11=12 in [2]"]


def test_what_is_beyond_a_window_is_not_told(storage: Storage, stream: Stream) -> None:
    put_all(storage, {f"c/{n}": {"n": n} for n in range(10, 20)})
    stream.add(2, structured(order="n", limit=3))
    stream.said()
    put(storage, "c/15", n=16)
    assert stream.said() == []


def test_a_window_behind_an_offset_moves(storage: Storage, stream: Stream) -> None:
    put_all(storage, {f"c/{n}": {"n": n} for n in range(5)})
    stream.add(2, structured(order="n", offset=1, limit=2))
    assert stream.said()[1:3] == ["c/1=1 in [2]", "c/2=2 in [2]"]
    delete(storage, "c/0")
    assert sorted(stream.said()) == ["c/1 left [2]", "c/3=3 in [2]"]


def test_a_target_is_removed(storage: Storage, stream: Stream) -> None:
    stream.add(2, structured())
    stream.said()
    stream.ask(remove_target=2)
    stream.ask(remove_target=99)
    assert stream.said() == ["REMOVE [2]", "REMOVE [99]"]
    put(storage, "c/a", n=1)
    stream.add(4, None, "c/b")
    assert stream.said() == ["ADD [4]", "c/b deleted [4]", "CURRENT [4]"]


def test_a_target_for_once_is_removed_when_it_is_consistent(stream: Stream) -> None:
    stream.add(2, structured(), once=True)
    assert stream.said() == ["ADD [2]", "CURRENT [2]"]
    assert stream.more(1) == ["REMOVE [2]"]


def test_the_server_gives_an_id_to_a_target_without(stream: Stream) -> None:
    stream.add(7, structured())
    stream.add(0, structured())
    assert stream.said() == ["ADD [7]", "CURRENT [7]", "ADD [8]", "CURRENT [8]"]


def test_a_target_that_makes_no_sense_is_refused_alone(storage: Storage, stream: Stream) -> None:
    stream.add(2, structured(limit=-1))
    stream.ask(add_target=protocol.ListenTarget(target_id=3))
    stream.add(4, structured())
    put(storage, "c/a", n=1)
    assert stream.said() == [
        "REMOVE [2] because INVALID_ARGUMENT",
        "REMOVE [3] because INVALID_ARGUMENT",
        *("ADD [4]", "c/a=1 in [4]", "CURRENT [4]"),
    ]


def test_an_id_that_is_in_use_ends_the_stream(storage: Storage, stream: Stream) -> None:
    stream.add(2, structured())
    stream.add(2, structured())
    with pytest.raises(Refusal, match="The target id 2 is in use") as caught:
        stream.said()
    assert caught.value.code == grpc.StatusCode.INVALID_ARGUMENT
    # Nobody is told of commits any more.
    assert storage.feed._subscribers == {}


def test_another_database_ends_the_stream(stream: Stream) -> None:
    stream.add(2, structured())
    stream.said()
    stream.serving.hear(protocol.ListenRequest(database=f"{WORLD}2", remove_target=2))
    with pytest.raises(Refusal, match="The stream is of the database"):
        stream.said()


class Comeback:
    """A second stream that resumes where the first one was when it got its last marker."""

    def __init__(self, storage: Storage, faults: Faults, policy: ListenPolicy) -> None:
        self._storage, self._faults, self._policy = storage, faults, policy

    def after(self, stream: Stream, query: Any, *paths: str, **options: Any) -> Stream:
        made = Stream(self._storage, self._faults, self._policy)
        token = options.pop("resume_token", stream.marker.resume_token)
        made.add(2, query, *paths, resume_token=token, **options)
        return made


@pytest.fixture
def comeback(storage: Storage, faults: Faults, policy: ListenPolicy) -> Comeback:
    return Comeback(storage, faults, policy)


def test_a_query_is_resumed(storage: Storage, stream: Stream, comeback: Comeback) -> None:
    put_all(storage, {f"c/{n}": {"n": n} for n in range(5)})
    stream.add(2, structured())
    stream.said()
    put(storage, "c/1", n=11)
    delete(storage, "c/2")
    put(storage, "c/new", n=7)
    put(storage, "c/short", n=7)
    delete(storage, "c/short")
    resumed = comeback.after(stream, structured(), expected_count={"value": 5}).said()
    assert resumed[0] == "ADD [2]"
    assert sorted(resumed[1:-1]) == ["c/1=11 in [2]", "c/2 deleted [2]", "c/new=7 in [2]"]
    assert resumed[-1] == "CURRENT [2]"


def test_a_document_that_was_made_again_is_told_once(
    storage: Storage, stream: Stream, comeback: Comeback
) -> None:
    put(storage, "c/a", n=1)
    stream.add(2, structured(order="n", limit=2))
    stream.said()
    delete(storage, "c/a")
    put(storage, "c/a", n=2)
    again = comeback.after(stream, structured(), expected_count={"value": 1})
    assert again.said() == ["ADD [2]", "c/a=2 in [2]", "CURRENT [2]"]


def test_documents_are_resumed(storage: Storage, stream: Stream, comeback: Comeback) -> None:
    put_all(storage, {"c/a": {"n": 1}, "c/b": {"n": 1}})
    stream.add(2, None, "c/a", "c/b", "c/x")
    stream.said()
    delete(storage, "c/a")
    resumed = comeback.after(stream, None, "c/a", "c/b", "c/x").said()
    assert resumed == ["ADD [2]", "c/a deleted [2]", "CURRENT [2]"]


def test_a_window_is_resumed(storage: Storage, stream: Stream, comeback: Comeback) -> None:
    query = structured(order="n", limit=2)
    put_all(storage, {f"c/{n}": {"n": n} for n in range(5)})
    stream.add(2, query)
    stream.said()
    put(storage, "c/0", n=10)
    again = comeback.after(stream, query, expected_count={"value": 2})
    assert sorted(again.said()[1:-1]) == ["c/0 left [2]", "c/2=2 in [2]"]
    put(storage, "c/0", n=0)
    assert sorted(again.said()) == ["c/0=0 in [2]", "c/2 left [2]"]


@pytest.mark.parametrize("token", [b"garbage", b"b1" + bytes(20)])
def test_a_token_that_is_not_ours_resets(
    storage: Storage, stream: Stream, comeback: Comeback, token: bytes
) -> None:
    put(storage, "c/a", n=1)
    stream.add(2, structured())
    stream.said()
    resumed = comeback.after(stream, structured(), resume_token=token)
    assert resumed.said() == ["ADD [2]", "RESET [2]", "c/a=1 in [2]", "CURRENT [2]"]


def test_a_token_that_expired_resets(
    storage: Storage, stream: Stream, faults: Faults, comeback: Comeback
) -> None:
    put(storage, "c/a", n=1)
    stream.add(2, structured())
    stream.said()
    resumed = comeback.after(stream, structured())
    resumed.tokens.expire()
    assert resumed.said() == ["ADD [2]", "RESET [2]", "c/a=1 in [2]", "CURRENT [2]"]


def test_one_resumes_from_a_read_time(storage: Storage, stream: Stream) -> None:
    put(storage, "c/a", n=1)
    since: Any = protocol.Document().update_time
    since.FromMicroseconds(storage.read_time())
    put(storage, "c/b", n=2)
    stream.add(2, structured(), read_time=since)
    assert stream.said() == ["ADD [2]", "c/b=2 in [2]", "CURRENT [2]"]


class TestLongAfterwards:
    """A client that comes back late is told what is there, and counts what is gone itself."""

    @pytest.fixture
    def policy(self) -> ListenPolicy:
        return ListenPolicy(remember_s=-1.0)

    def test_what_is_gone_follows_from_a_filter(
        self, storage: Storage, stream: Stream, comeback: Comeback
    ) -> None:
        put_all(storage, {f"c/{n}": {"n": n} for n in range(50)})
        stream.add(2, structured())
        stream.said()
        put(storage, "c/1", n=11)
        put(storage, "c/new", n=7)
        for number in range(2, 40):
            delete(storage, f"c/{number}")
        resumed = comeback.after(stream, structured(), expected_count={"value": 50})
        responses = map(protocol.ListenResponse.FromString, resumed._responses)
        said = list(islice(responses, 5))
        words = [_word(response) for response in said]
        assert sorted(words[1:3]) == ["c/1=11 in [2]", "c/new=7 in [2]"]
        assert [words[0], *words[3:]] == ["ADD [2]", "13 in [2]", "CURRENT [2]"]

        bloom = BloomFilter.of(said[3].filter.unchanged_names)
        assert bloom is not None
        left = {f"c/{n}" for n in (0, 1, *range(40, 50))} | {"c/new"}
        assert all(name_of(path) in bloom for path in left)
        assert not any(name_of(f"c/{n}") in bloom for n in range(2, 40))

    def test_there_is_no_filter_when_the_count_is_right(
        self, storage: Storage, stream: Stream, comeback: Comeback
    ) -> None:
        put(storage, "c/a", n=1)
        stream.add(2, structured())
        stream.said()
        put(storage, "c/b", n=2)
        resumed = comeback.after(stream, structured(), expected_count={"value": 1})
        assert resumed.said() == ["ADD [2]", "c/b=2 in [2]", "CURRENT [2]"]

    def test_who_does_not_tell_a_count_is_told_what_is_gone(
        self, storage: Storage, stream: Stream, comeback: Comeback
    ) -> None:
        put(storage, "c/a", n=1)
        stream.add(2, structured())
        stream.said()
        delete(storage, "c/a")
        assert comeback.after(stream, structured()).said()[1] == "c/a deleted [2]"


def test_a_count_that_is_wrong_is_told(
    storage: Storage, stream: Stream, comeback: Comeback
) -> None:
    put_all(storage, {"c/a": {"n": 1}, "c/b": {"n": 2}})
    stream.add(2, structured())
    stream.said()
    resumed = comeback.after(stream, structured(), expected_count={"value": 7})
    assert resumed.said() == ["ADD [2]", "2 in [2]", "CURRENT [2]"]


class TestASlowClient:
    """What is remembered for it is bounded, and what it misses is made good."""

    @pytest.fixture
    def policy(self) -> ListenPolicy:
        return ListenPolicy(most_changes=10)

    def test_it_is_told_all_when_it_is_ready(self, storage: Storage, stream: Stream) -> None:
        put(storage, "c/gone", n=0)
        stream.add(2, structured())
        stream.add(4, None, "c/3")
        stream.said()
        for turn in range(5):
            for number in range(5):
                put(storage, f"c/{number}", n=turn)
        delete(storage, "c/gone")
        assert stream.serving._is_behind
        assert len(stream.serving._changes) <= 10
        assert sorted(stream.said()) == [
            *("c/0=4 in [2]", "c/1=4 in [2]", "c/2=4 in [2]", "c/3=4 in [2, 4]", "c/4=4 in [2]"),
            "c/gone deleted [2]",
        ]
        put(storage, "c/1", n=9)
        assert stream.said() == ["c/1=9 in [2]"]

    def test_large_documents_count_by_their_size(self, storage: Storage, faults: Faults) -> None:
        stream = Stream(storage, faults, ListenPolicy(most_bytes=5_000))
        stream.add(2, structured())
        stream.said()
        for number in range(4):
            put(storage, "c/a", n=number, text="x" * 2_000)
        assert stream.serving._is_behind
        assert stream.said() == ["c/a=3 in [2]"]


def test_a_heartbeat_is_a_marker(stream: Stream) -> None:
    stream.add(2, structured())
    stream.said()
    before = stream.marker.read_time
    assert stream.said() == []
    assert (stream.marker.read_time.seconds, stream.marker.read_time.nanos) > (
        before.seconds,
        before.nanos,
    )


def test_an_unconcerned_stream_is_not_woken(storage: Storage, stream: Stream) -> None:
    stream.add(2, structured())
    stream.add(4, None, "d/a")
    stream.said()
    put_all(storage, {"other/a": {"n": 1}, "d/b": {"n": 1}, "x/y/c/z": {"n": 1}})
    assert not stream.serving._may_speak()


def test_a_query_of_many_remembers_nothing_and_asks_nothing(
    storage: Storage, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_all(storage, {f"c/{n}": {"n": n} for n in range(1000)})
    stream.add(2, structured())
    stream.said()
    monkeypatch.setattr(storage, "reading", None)
    put(storage, "c/500", n=-1)
    assert stream.said() == ["c/500=-1 in [2]"]


def test_of_many_queries_those_that_ask_for_the_value_are_asked(
    storage: Storage, stream: Stream, mocker: MockerFixture
) -> None:
    for number in range(1, 201):
        query = structured(limit=2) if number % 2 else structured()
        query.where.field_filter.field.field_path = "n"
        query.where.field_filter.op = protocol.StructuredQuery.FieldFilter.EQUAL
        query.where.field_filter.value.integer_value = number
        stream.add(number, query)
    stream.add(300, structured("d"))
    stream.said()
    asked = mocker.spy(Query, "matches")

    put(storage, "c/a", n=7)
    assert stream.said() == ["c/a=7 in [7]"]
    put(storage, "c/a", n=8.0)
    assert stream.said() == ["c/a=0 in [8] not in [7]"]
    put(storage, "c/a", n=1000)
    assert stream.said() == ["c/a left [8]"]
    put(storage, "c/a", n=2000)
    assert not stream.serving._may_speak()
    assert asked.call_count < 12


def test_a_removed_stream_lets_go(storage: Storage, stream: Stream) -> None:
    stream.add(2, structured())
    stream.said()
    stream.serving.end(grpc.StatusCode.UNAVAILABLE, "gone")
    with pytest.raises(Refusal, match="gone"):
        stream.said()
    assert storage.feed._subscribers == {}


class TestTargetsThatComeAndGo:
    """New targets are told a part at a time, and hold up no others."""

    @pytest.fixture
    def policy(self) -> ListenPolicy:
        return ListenPolicy(messages_a_marker=5)

    @pytest.fixture
    def cities(self, storage: Storage) -> list[str]:
        put_all(storage, {f"c/{n}": {"n": n} for n in range(6)})
        return [f"c/{n}={n} in" for n in range(6)]

    def _told(self, cities: list[str], target_id: int) -> list[str]:
        shown = [f"{city} [{target_id}]" for city in cities]
        return [f"ADD [{target_id}]", *shown, f"CURRENT [{target_id}]"]

    def test_there_is_a_marker_after_each_part(
        self, storage: Storage, stream: Stream, cities: list[str]
    ) -> None:
        stream.add(2, None, "d/a")
        stream.said()
        for target_id in (4, 6, 8):
            stream.add(target_id, structured())
        assert stream.said() == self._told(cities, 4)
        before = stream.marker.read_time.ToNanoseconds()
        # What happens meanwhile waits for none of the others.
        put(storage, "d/a", n=1)
        assert stream.said() == ["d/a=1 in [2]", *self._told(cities, 6)]
        assert stream.marker.read_time.ToNanoseconds() > before
        put(storage, "c/0", n=10)
        assert stream.said() == [
            "c/0=10 in [4, 6]",
            *self._told(["c/0=10 in", *cities[1:]], 8),
        ]

    def test_one_that_is_removed_before_its_turn_is_not_told(
        self, storage: Storage, stream: Stream, cities: list[str]
    ) -> None:
        for target_id in (2, 4, 6):
            stream.add(target_id, structured())
        stream.ask(remove_target=4)
        assert stream.said() == self._told(cities, 2)
        stream.ask(remove_target=6)
        assert stream.said() == ["REMOVE [4]", "REMOVE [6]"]
        put(storage, "c/0", n=10)
        assert stream.said() == ["c/0=10 in [2]"]
        stream.serving.end(None)
        stream.said()
        assert storage.feed._subscribers == {}

    def test_one_that_is_removed_amid_its_turn_is_told_no_further(
        self, storage: Storage, stream: Stream, cities: list[str]
    ) -> None:
        stream.add(2, structured())
        assert stream.more(3) == self._told(cities, 2)[:3]
        stream.ask(remove_target=2)
        assert stream.said() == []
        assert stream.said() == ["REMOVE [2]"]

    def test_an_id_is_used_again_after_its_removal(
        self, storage: Storage, stream: Stream, cities: list[str]
    ) -> None:
        stream.add(2, None, "d/a")
        stream.said()
        stream.ask(remove_target=2)
        stream.add(2, None, "d/b")
        stream.ask(remove_target=2)
        stream.add(2, structured())
        between = ["ADD [2]", "d/b deleted [2]", "CURRENT [2]"]
        assert stream.said() == [
            *("REMOVE [2]", *between, "REMOVE [2]"),
            *self._told(cities, 2),
        ]

    def test_without_a_pause_each_marker_comes_soon(
        self, storage: Storage, stream: Stream, cities: list[str]
    ) -> None:
        stream.add(2, None, "d/a")
        stream.said()
        said = 0
        for turn in range(1, 101):
            for target_id in range(100 * turn, 100 * turn + 50):
                stream.add(target_id, structured())
                if turn > 1:
                    stream.ask(remove_target=target_id - 100)
            put(storage, "d/a", n=turn)
            words = stream.said()
            assert f"d/a={turn} in [2]" in words
            said += len(words)
        # Of 5,000 targets with eight messages each.
        assert said < 10_000


class TestFaults:
    """See ``faults``."""

    def test_a_rejected_target_goes_and_the_others_live(
        self, storage: Storage, stream: Stream, faults: Faults
    ) -> None:
        stream.add(2, structured())
        stream.add(4, None, "c/a")
        stream.said()
        faults.reject("c")
        assert stream.said() == ["REMOVE [2] because PERMISSION_DENIED"]
        put(storage, "c/a", n=1)
        assert stream.said() == ["c/a=1 in [4]"]
        stream.add(6, structured())
        assert stream.said() == ["REMOVE [6] because PERMISSION_DENIED"]
        faults.accept("c")
        stream.add(8, structured())
        assert stream.said() == ["ADD [8]", "c/a=1 in [8]", "CURRENT [8]"]

    def test_queries_are_reset(self, storage: Storage, stream: Stream, faults: Faults) -> None:
        put(storage, "c/a", n=1)
        stream.add(2, structured())
        stream.add(4, None, "c/a")
        stream.said()
        faults.reset_queries()
        assert stream.said() == ["RESET [2]", "c/a=1 in [2]", "CURRENT [2]"]

    def test_a_count_is_wrong(self, storage: Storage, stream: Stream, faults: Faults) -> None:
        put(storage, "c/a", n=1)
        stream.add(2, structured())
        stream.said()
        faults.miscount()
        assert stream.said() == ["2 in [2]"]

    def test_a_refused_stream_says_nothing(self, stream: Stream, faults: Faults) -> None:
        faults.refuse_streams(grpc.StatusCode.RESOURCE_EXHAUSTED, "not now")
        stream.add(2, structured())
        with pytest.raises(Refusal, match="not now"):
            stream.said()

    def test_a_stalled_stream_may_not_speak(
        self, storage: Storage, stream: Stream, faults: Faults
    ) -> None:
        stream.add(2, structured())
        stream.said()
        with faults.holding():
            put(storage, "c/a", n=1)
            assert not stream.serving._may_speak()
        assert stream.said() == ["c/a=1 in [2]"]

    def test_who_has_said_all_is_told_first_what_is_held_back(
        self, storage: Storage, stream: Stream, faults: Faults
    ) -> None:
        put(storage, "c/a", n=1)
        with faults.holding():
            stream.add(2, structured())
            stream.serving.hear_all()
            assert list(stream.serving.speak()) == []
            assert not stream.serving.is_over
        assert stream.said() == ["ADD [2]", "c/a=1 in [2]", "CURRENT [2]"]
        assert list(stream.serving.speak()) == []
        assert stream.serving.is_over
