"""What a listener has been told equals the query's result, at every marker, whatever happens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_boiler.firestore import protocol
from flask_boiler.firestore.listen.bloom_filter import BloomFilter
from flask_boiler.local.embedded.listening.faults import Faults
from flask_boiler.local.embedded.listening.listen_stream import ListenPolicy
from flask_boiler.local.embedded.queries.executor import run
from flask_boiler.local.embedded.queries.matching import Query
from flask_boiler.local.embedded.storage.storage import Storage
from tests.unit.local.embedded.listening.test_listen_stream import DESCENDING, Stream, structured
from tests.unit.local.embedded.worlds import WORLD, document, name_of, value

_FIELD = protocol.StructuredQuery.FieldFilter
PATHS = [f"{kind}/{n}" for kind in ("c", "d", "x/y/c") for n in range(5)]


def _filtered(query: Any, op: int, operand: Any) -> Any:
    query.where.field_filter.field.field_path = "n"
    query.where.field_filter.op = op
    query.where.field_filter.value.CopyFrom(value(operand))
    return query


def _from(query: Any, number: int, *, before: bool) -> Any:
    query.start_at.values.add(integer_value=number)
    query.start_at.before = before
    return query


def _selecting(query: Any) -> Any:
    query.select.fields.add(field_path="n")
    return query


QUERIES: dict[int, Any] = {
    1: structured(),
    2: structured(order="n", limit=3),
    3: structured(order="n", direction=DESCENDING, limit=2),
    4: structured(order="n", offset=1, limit=2),
    5: structured(all_descendants=True, order="n", limit=4),
    6: structured("", all_descendants=True),
    7: _filtered(structured(), _FIELD.GREATER_THAN, 3),
    8: _filtered(structured(limit=2), _FIELD.IN, [1, 2, 3]),
    9: _from(structured(order="n"), 2, before=False),
    10: _from(structured(order="n", limit=2), 2, before=True),
    11: _selecting(structured(order="n", limit=1)),
    12: structured(offset=2),
    13: _filtered(structured(), _FIELD.EQUAL, 2),
    14: _filtered(structured(order="m", limit=1), _FIELD.EQUAL, 2),
}
DOCUMENTS_TARGET = 20


class Client:
    """Believes what it is told, and nothing else."""

    def __init__(self, storage: Storage, policy: ListenPolicy) -> None:
        self._storage = storage
        self._policy = policy
        self._faults = Faults()
        self.held: dict[int, dict[str, Any]] = {}
        #: Of each target that the server has begun to tell: a marker is about no others.
        self._tokens: dict[int, bytes] = {}
        self._open(counted=False)

    def _open(self, *, counted: bool) -> None:
        self._begun: set[int] = set()
        self._current: set[int] = set()
        self._stream = Stream(self._storage, self._faults, self._policy)
        for target_id in (*QUERIES, DOCUMENTS_TARGET):
            known = self.held.setdefault(target_id, {})
            expected = {"expected_count": {"value": len(known)}} if counted else {}
            query = QUERIES.get(target_id)
            paths = PATHS[:4] if query is None else []
            self._stream.add(
                target_id, query, *paths, resume_token=self._tokens.get(target_id, b""), **expected
            )

    def come_back(self, *, counted: bool, expired: bool) -> None:
        """Lose the stream, and open another where that one was."""
        self._stream.serving.end(None)
        assert list(self._stream._responses) == []
        if expired:
            self._stream.tokens.expire()
        tokens = self._stream.tokens
        self._open(counted=counted)
        self._stream.serving._tokens = tokens

    def listen(self, *, all_of_them: bool = True) -> int:
        """Take in what there is up to a marker, which is about all targets; its time.

        :param all_of_them: otherwise, about those that the server has come to.
        """
        for response in map(protocol.ListenResponse.FromString, self._stream._responses):
            change = response.target_change
            if change.read_time.seconds and not change.target_ids:
                assert self._begun == self._current
                self._tokens.update(dict.fromkeys(self._begun, change.resume_token))
                if all_of_them and self._current < self.held.keys():
                    continue
                return int(change.read_time.seconds * 1_000_000 + change.read_time.nanos // 1000)
            if not self._take(response):
                self._start_over()
                return self.listen(all_of_them=all_of_them)
        raise AssertionError("the stream ended")

    def _start_over(self) -> None:
        """Ask for everything again: a filter took a document that is gone for one that is there."""
        self._stream.serving.end(None)
        self._tokens.clear()
        for known in self.held.values():
            known.clear()
        self._open(counted=False)

    def _take(self, response: Any) -> bool:
        """Believe it; whether what is held can be right."""
        match response.WhichOneof("response_type"):
            case "target_change":
                change = response.target_change
                assert not change.HasField("cause"), change
                if change.target_change_type == protocol.TargetChange.ADD:
                    self._begun.update(change.target_ids)
                if change.target_change_type == protocol.TargetChange.CURRENT:
                    self._current.update(change.target_ids)
                if change.target_change_type == protocol.TargetChange.RESET:
                    for target_id in change.target_ids:
                        self.held[target_id].clear()
            case "document_change":
                change = response.document_change
                for target_id in change.target_ids:
                    self.held[target_id][change.document.name] = change.document
                self._drop(change.document.name, change.removed_target_ids)
            case "document_delete":
                delete = response.document_delete
                self._drop(delete.document, delete.removed_target_ids)
            case "document_remove":
                remove = response.document_remove
                self._drop(remove.document, remove.removed_target_ids)
            case "filter":
                return self._count(response.filter)
        return True

    def _drop(self, name: str, target_ids: Any) -> None:
        for target_id in target_ids:
            self.held[target_id].pop(name, None)

    def _count(self, found: Any) -> bool:
        held = self.held[found.target_id]
        assert len(held) != found.count, "the filter was not needed"
        bloom = BloomFilter.of(found.unchanged_names)
        for name in [name for name in held if bloom is None or name not in bloom]:
            del held[name]
        assert len(held) >= found.count
        return len(held) == int(found.count)


_writes = st.lists(
    st.tuples(st.sampled_from(PATHS), st.none() | st.integers(0, 6)), min_size=1, max_size=6
)
_steps = st.one_of(
    st.tuples(st.just("write"), _writes),
    st.tuples(st.just("write"), _writes),
    st.tuples(st.just("listen"), st.none()),
    st.tuples(st.just("hear a part"), st.none()),
    st.tuples(st.just("come back"), st.tuples(st.booleans(), st.booleans())),
)


@pytest.mark.parametrize(
    "policy",
    [
        ListenPolicy(),
        ListenPolicy(remember_s=-1.0),
        ListenPolicy(most_changes=3),
        ListenPolicy(messages_a_marker=1),
    ],
    ids=["prompt", "late", "slow", "in parts"],
)
@settings(max_examples=40, deadline=None)
@given(steps=st.lists(_steps, max_size=25))
def test_a_listener_shows_the_result(policy: ListenPolicy, steps: list[tuple[str, Any]]) -> None:
    storage = Storage()
    client = Client(storage, policy)
    does: dict[str, Callable[[Any], object]] = {
        "write": lambda writes: _write(storage, writes),
        "listen": lambda _: _compare(storage, client),
        "hear a part": lambda _: _hear_a_part(client),
        "come back": lambda how: client.come_back(counted=how[0], expired=how[1]),
    }
    try:
        for name, what in [*steps, ("listen", None)]:
            does[name](what)
            if name == "write":
                # The stream must have something to say, whomever the commit concerned.
                client._stream.serving.order("beat")
    finally:
        storage.close()


def _write(storage: Storage, writes: list[tuple[str, int | None]]) -> None:
    def work(staging: Any) -> None:
        for path, number in writes:
            if number is None:
                staging.delete(name_of(path))
            else:
                staging.put(document(path, n=number, m=1))

    storage.commit(WORLD, work)


def _hear_a_part(client: Client) -> None:
    client._stream.serving.order("beat")
    client.listen(all_of_them=False)


def _compare(storage: Storage, client: Client) -> None:
    client._stream.serving.order("beat")
    time = client.listen()
    with storage.reading(time) as reading:
        for target_id, query in QUERIES.items():
            asked = Query(f"{WORLD}/documents", query)
            expected = {d.name: asked.selected(d.message) for d in run(reading, asked)}
            assert client.held[target_id] == expected, (target_id, time)
        found = reading.documents([name_of(path) for path in PATHS[:4]])
        held = {d.name: d.message for d in found if d is not None}
        assert client.held[DOCUMENTS_TARGET] == held
