"""Every cut is what was stored at its read time, whatever happens to the stream.

The server keeps all that ever was, so each delivered cut is compared with what the server
would have answered at that time; and what a change does not name must not have changed.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator

import grpc
import pytest

from flask_boiler.embedded import EmbeddedFirestore, Faults
from flask_boiler.firestore import protocol
from flask_boiler.ground.ports import Cut, CutChange
from flask_boiler.ground.values import QueryTarget, Target, Write
from flask_boiler.local.embedded.queries.executor import run
from flask_boiler.local.embedded.queries.matching import Query
from tests.firestore.listening import PATIENCE_S, Listener, collection, listening

PATHS = [f"{kind}/{number}" for kind in ("City", "Town") for number in range(8)]
STEPS = 60

Seen = dict[str, int]


def _large(minimum: int) -> QueryTarget:
    query = protocol.StructuredQuery.FromString(collection("City").structured)
    query.where.field_filter.field.field_path = "n"
    query.where.field_filter.op = protocol.StructuredQuery.FieldFilter.GREATER_THAN
    query.where.field_filter.value.integer_value = minimum
    return QueryTarget("", query.SerializeToString(), text=f"cities above {minimum}")


QUERIES = [
    collection("City"),
    collection("Town", order_by="n"),
    collection("City", order_by="n", limit=3),
    _large(50),
]
TARGETS: list[Target] = [*PATHS, *QUERIES]


class Oracle:
    """Compares each delivered cut with the server's own memory."""

    def __init__(self, listener: Listener, server: EmbeddedFirestore) -> None:
        self._documents = f"{listener.datastore.database}/documents"
        self._storage = server.storage
        self._queries = {
            target: Query(self._documents, protocol.StructuredQuery.FromString(target.structured))
            for target in QUERIES
        }
        self._before: dict[Target, Seen] = {}
        #: Targets that nobody listened to for a while: what was seen before counts no more.
        self.released: set[Target] = set()
        self.compared = 0
        self.complaints: list[str] = []
        self._condition = threading.Condition()
        self._done_until_ns = 0

    def __call__(self, change: CutChange) -> None:
        try:
            self._compare_all(change)
        finally:
            with self._condition:
                self._done_until_ns = change.cut.read_time_ns
                self._condition.notify_all()

    def await_comparison(self, cut: Cut) -> None:
        """Wait until everything up to a cut was delivered and compared."""
        with self._condition:
            done = self._condition.wait_for(
                lambda: self._done_until_ns >= cut.read_time_ns, PATIENCE_S
            )
        assert done, f"{cut} was not delivered"

    def _compare_all(self, change: CutChange) -> None:
        seen: dict[Target, Seen] = {}
        for target in TARGETS:
            found = _seen(change.cut, target)
            if found is not None:
                seen[target] = found
                self._compare(change, target, found)
        self._check_changes(change, seen)
        self._before = seen

    def _compare(self, change: CutChange, target: Target, found: Seen) -> None:
        self.compared += 1
        stored = self.stored(target, change.cut.read_time_ns)
        if list(found.items()) != list(stored.items()):
            self.complaints.append(f"{target} at {change.cut}: {found}, stored was {stored}")

    def _check_changes(self, change: CutChange, seen: dict[Target, Seen]) -> None:
        """What differs from the cut before is named, and newly held targets are whole."""
        for target, found in seen.items():
            before = self._before.get(target)
            if isinstance(target, str):
                named = target in change.documents
                if found != before and not named:
                    self.complaints.append(f"{target} changed unnoticed in {change.cut}")
                continue
            paths = change.queries.get(target)
            if target in self.released:
                continue
            expected = set(found) if before is None else _difference(before, found)
            if paths is None and (before is None or expected):
                self.complaints.append(f"{target} changed unnoticed in {change.cut}")
            elif not expected <= (paths or set()):
                self.complaints.append(f"{target} in {change.cut}: {paths}, not {expected}")

    def stored(self, target: Target, at_ns: int | None = None) -> Seen:
        with self._storage.reading(None if at_ns is None else at_ns // 1000) as reading:
            if isinstance(target, str):
                found = reading.document(f"{self._documents}/{target}")
                result = [] if found is None else [found]
            else:
                result = list(run(reading, self._queries[target]))
        return {d.name.removeprefix(self._documents + "/"): d.updated * 1000 for d in result}


def _seen(cut: Cut, target: Target) -> Seen | None:
    if isinstance(target, str):
        document = cut.document(target)
        if document is None:
            return None
        return {target: document.update_time_ns} if document.exists else {}
    result = cut.query(target)
    return None if result is None else {s.path: s.update_time_ns for s in result}


def _difference(before: Seen, after: Seen) -> set[str]:
    return {path for path in before | after if before.get(path) != after.get(path)}


class History:
    """Random things that happen, by a seed."""

    def __init__(
        self, seed: int, server: EmbeddedFirestore, listener: Listener, oracle: Oracle
    ) -> None:
        self._oracle = oracle
        self._rng = random.Random(seed)
        self._server = server
        self._listener = listener
        self.wanted: dict[Target, int] = {}
        self._events: dict[Callable[[], object], int] = {
            self._write: 30,
            self._listen: 12,
            self._release: 6,
            self._refresh: 2,
            self._end_streams: 6,
            self._outage: 4,
            self._refuse: 2,
            server.faults.expire_tokens: 3,
            server.faults.reset_queries: 4,
            server.faults.beat: 3,
        }

    def run(self) -> None:
        for _ in range(STEPS):
            happen = self._rng.choices(list(self._events), list(self._events.values()))[0]
            happen()
        self.wanted = {target: count for target, count in self.wanted.items() if count}

    def _write(self) -> None:
        writes = []
        for path in self._rng.sample(PATHS, self._rng.randint(1, 4)):
            if self._rng.random() < 0.25:
                writes.append(Write("delete", path))
            else:
                writes.append(Write("set", path, {"n": self._rng.randint(0, 100)}))
        self._listener.datastore.commit(writes)

    def _listen(self) -> None:
        targets = self._rng.sample(TARGETS, self._rng.randint(1, 5))
        for target in targets:
            self.wanted[target] = self.wanted.get(target, 0) + 1
        self._listener.hub.listen(targets)

    def _release(self) -> None:
        held = [target for target, count in self.wanted.items() if count]
        targets = self._rng.sample(held, min(len(held), self._rng.randint(1, 3)))
        for target in targets:
            self.wanted[target] -= 1
            if not self.wanted[target]:
                self._oracle.released.add(target)
        self._listener.hub.release(targets)

    def _refresh(self) -> None:
        self._listener.hub.refresh()

    def _end_streams(self) -> None:
        codes = [None, grpc.StatusCode.INTERNAL, grpc.StatusCode.UNAVAILABLE]
        self._server.faults.drop_streams(self._rng.choice(codes))

    def _outage(self) -> None:
        """The stream is down while documents are written and deleted."""
        with self._server.faults.holding():
            self._server.faults.drop_streams()
            for _ in range(self._rng.randint(1, 3)):
                self._write()
            if self._rng.random() < 0.3:
                self._server.faults.expire_tokens()

    def _refuse(self) -> None:
        refused = self._rng.choice([*PATHS, "City", "Town"])
        self._server.faults.reject(refused)
        self._write()
        self._server.faults.accept(refused)


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedFirestore]:
    with EmbeddedFirestore(faults=Faults()) as made:
        yield made


@pytest.mark.parametrize("seed", range(25))
def test_every_cut_is_what_was_stored_at_its_time(server: EmbeddedFirestore, seed: int) -> None:
    with listening(server.host, retry_after_s=0.02) as listener:
        oracle = Oracle(listener, server)
        subscription = listener.hub.subscribe(oracle)
        history = History(seed, server, listener, oracle)
        history.run()

        for target in TARGETS:
            expected = oracle.stored(target) if target in history.wanted else None
            listener.wait_for(
                lambda target=target, expected=expected: (  # type: ignore[misc]
                    _seen(listener.hub.cut, target) == expected
                )
            )
        oracle.await_comparison(listener.hub.cut)
        assert oracle.complaints == []
        assert subscription.errors == 0, subscription.last_error
        assert oracle.compared
        assert listener.hub.statistics().targets == len(history.wanted)
