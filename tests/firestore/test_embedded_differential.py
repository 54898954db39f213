"""Whatever is done, in whatever order: the embedded Firestore answers as Google's emulator does.

What is meant to differ is listed in docs/embedded.md, and left out here by name. Hypothesis
shrinks what fails to the few steps that matter.
"""

from __future__ import annotations

import itertools
import os
import random
import uuid
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import firestore
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from flask_boiler.context.clients import close_client, local_client
from flask_boiler.embedded import EmbeddedFirestore
from flask_boiler.ground.ports import LocalFirestore
from tests.firestore.differential import (
    COLLECTIONS,
    Write,
    add_write,
    comparable,
    creations,
    outcome,
    paths,
    queries,
    query_of,
    real,
    values,
    writes,
)
from tests.firestore.differential_listeners import Listener, listened, refusal, windows

#: How much is done to both; the soak does more.
_STEPS_OF_A_TEST = 2000
STEPS = int(os.environ.get("FLASK_BOILER_DIFFERENTIAL_STEPS", _STEPS_OF_A_TEST))
#: A step takes some 20 ms on both together, on a busy machine many times that.
TIMEOUT_S = 120 + STEPS // 4

#: A run of Hypothesis takes fewer steps than it may, and there are as many runs as are needed.
SETTINGS = settings(
    max_examples=10,
    stateful_step_count=50,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate, Phase.target, Phase.shrink],
)

#: What Google's emulator answers when it is too busy, or waits for locks that nobody holds.
#: Nothing can be compared after it.
BUSY = ("Aborted", "Unknown", "InternalServerError", "ServiceUnavailable", "DeadlineExceeded")

#: Each listener of google-cloud-firestore is a stream and two threads.
MOST_LISTENERS = 3


class _Side:
    """One of the two servers: its client, its listeners, and what it said about times.

    :param is_ours: more is asked of it than of the emulator. What listeners show is of the time
        that they say, and what cannot be read cannot be listened to.
    """

    def __init__(self, client: firestore.Client, *, is_ours: bool) -> None:
        self.client = client
        self.is_ours = is_ours
        self.listeners: dict[int, Listener] = {}
        #: An update time that each document had once.
        self.times: dict[str, Any] = {}
        #: Times at which something was committed, to read at later.
        self.past: list[Any] = []

    def commit(self, batch: Any, written: list[Write]) -> Any:
        for write in written:
            add_write(self.client, batch, write, self.times)
        results = batch.commit() if hasattr(batch, "commit") else batch._commit()
        had: dict[str, Any] = {}
        for (kind, path, _, _), result in zip(written, results, strict=True):
            if kind == "delete":
                # For the emulator, what is deleted has the time of its deletion, and meets a
                # precondition that names it.
                had.pop(path, None)
            else:
                had[path] = result.update_time
        self.times |= had
        if results:
            self.past.append(getattr(batch, "commit_time", None) or results[0].update_time)
        return [len(result.transform_results) for result in results]

    def look(self) -> Any:
        """What all listeners show."""
        return {number: listener.settled() for number, listener in self.listeners.items()}

    def shown(self) -> set[str]:
        """The documents that listeners have shown, at the last look."""
        return {path for listener in self.listeners.values() for path in listener.shown}

    def listen(self, number: int, plain: Any) -> Any:
        try:
            self.listeners[number] = Listener(self.client, plain, is_exact=self.is_ours)
        except exceptions.InvalidArgument as error:
            if self.is_ours:
                assert refusal(self.client, plain) == f"removed: {type(error).__name__}"
            raise
        return self.listeners[number].settled()

    def close(self) -> None:
        for listener in self.listeners.values():
            listener.close()
        close_client(self.client)


class _Steps:
    """Counts what was done to both and compared, and reports it now and then."""

    def __init__(self, report: Callable[[int], None]) -> None:
        self._report = report
        self.taken = 0

    def count(self) -> None:
        self.taken += 1
        if self.taken % _STEPS_OF_A_TEST == 0:
            self._report(self.taken)


class SideBySide(RuleBasedStateMachine):
    """Does everything to both, and compares."""

    steps: _Steps
    #: The embedded one's, and the emulator's.
    clients: tuple[Callable[[str], firestore.Client], ...] = ()
    listeners = Bundle("listeners")

    def __init__(self) -> None:
        super().__init__()
        project = f"same-{uuid.uuid4().hex[:16]}"
        embedded, emulator = (client(project) for client in self.clients)
        self.sides = [_Side(embedded, is_ours=True), _Side(emulator, is_ours=False)]
        self.is_over = False
        self.started = 0
        self.numbers: set[int] = set()

    def teardown(self) -> None:
        try:
            self.look()
        finally:
            for side in self.sides:
                side.close()

    def both(self, act: Callable[[_Side], Any]) -> None:
        """Do it to both; they must agree."""
        if self.is_over:
            return
        # After a difference, too, there is nothing to compare.
        self.is_over = True
        embedded, emulator = (outcome(act, side) for side in self.sides)
        # Nobody contends here.
        assert embedded != "Aborted"
        if emulator not in BUSY:
            assert embedded == emulator
            self.steps.count()
            self.is_over = False

    @initialize(written=st.lists(creations, max_size=12, unique_by=lambda write: write[1]))
    def begin(self, written: list[Write]) -> None:
        self.both(lambda side: side.commit(side.client.batch(), written))

    @rule(written=st.lists(writes, min_size=1, max_size=4))
    def write(self, written: list[Write]) -> None:
        self.both(lambda side: side.commit(side.client.batch(), written))

    @rule(written=writes)
    def write_one(self, written: Write) -> None:
        self.both(lambda side: side.commit(side.client.batch(), [written]))

    @rule(path=paths, again=st.booleans())
    def write_what_is_there(self, path: str, again: bool) -> None:
        """Nothing changes, and neither does the update time."""

        def act(side: _Side) -> Any:
            reference = side.client.document(path)
            fields = reference.get().to_dict()
            if fields is None:
                return None
            # For the emulator, what a transform made differs from the same as it was read: what
            # is there is written by hand.
            reference.set({"something": "else"})
            reference.set(fields)
            before = reference.get()
            if again:
                reference.set(fields)
            else:
                reference.update({name: fields[name] for name in fields if " " not in name})
            return [fields, reference.get().update_time == before.update_time]

        self.both(act)

    @rule(path=paths)
    def get(self, path: str) -> None:
        self.both(lambda side: side.client.document(path).get())

    @rule(some=st.lists(paths, min_size=1, max_size=4), mask=st.sampled_from([None, ["n", "o.p"]]))
    def get_several(self, some: list[str], mask: list[str] | None) -> None:
        def act(side: _Side) -> Any:
            found = side.client.get_all([side.client.document(path) for path in some], mask)
            return sorted((snapshot.reference.path, comparable(snapshot)) for snapshot in found)

        self.both(act)

    @rule(query=queries())
    def query(self, query: dict[str, Any]) -> None:
        self.both(lambda side: list(query_of(side.client, query).get()))

    @rule(query=queries())
    def query_again(self, query: dict[str, Any]) -> None:
        self.query(query)

    @rule(query=queries(), field=st.sampled_from(["n", "m", "o.p"]))
    def aggregate(self, query: dict[str, Any], field: str) -> None:
        def act(side: _Side) -> Any:
            asked = query_of(side.client, {**query, "select": None, "to_last": False})
            found = asked.count(alias="count").get()
            total = asked.sum(field, alias="sum").avg(field, alias="avg").get()
            # They come as a map, which has no order.
            return {result.alias: result.value for result in [*found[0], *total[0]]}

        self.both(act)

    @rule(back=st.integers(0, 99), query=queries(), path=paths)
    def look_back(self, back: int, query: dict[str, Any], path: str) -> None:
        """Read at a time at which something was committed."""
        known = min(len(side.past) for side in self.sides)
        if not known:
            return
        at = back % known

        def act(side: _Side) -> Any:
            document = side.client.document(path).get(read_time=side.past[at])
            asked = query_of(side.client, query)
            return [document, list(asked.get(read_time=side.past[at]))]

        self.both(act)

    @rule(collection=st.sampled_from(COLLECTIONS), page=st.sampled_from([None, 1, 2]))
    def list_documents(self, collection: str, page: int | None) -> None:
        self.both(
            lambda side: list(side.client.collection(collection).list_documents(page_size=page))
        )

    @rule(path=st.one_of(st.none(), paths))
    def list_collections(self, path: str | None) -> None:
        def act(side: _Side) -> Any:
            place = side.client if path is None else side.client.document(path)
            return [collection.id for collection in place.collections()]

        self.both(act)

    @rule(
        read=st.lists(paths, max_size=2),
        query=st.one_of(st.none(), st.none(), queries()),
        written=st.lists(writes, max_size=3),
        keep=st.booleans(),
        is_read_only=st.sampled_from([False, False, True]),
    )
    def transact(
        self,
        read: list[str],
        query: dict[str, Any] | None,
        written: list[Write],
        keep: bool,
        is_read_only: bool,
    ) -> None:
        # On Google's emulator, the commit of a transaction that has asked a query may wait for its
        # own locks until they time out.
        is_kept = keep and query is None and not is_read_only

        def act(side: _Side) -> Any:
            transaction = side.client.transaction(read_only=is_read_only)
            transaction._begin()
            try:
                found: list[Any] = [
                    side.client.document(path).get(transaction=transaction) for path in read
                ]
                if query is not None:
                    found += query_of(side.client, query).get(transaction=transaction)
                if is_kept:
                    found.append(side.commit(transaction, written))
                return found
            finally:
                # Else the emulator would keep its locks for minutes.
                if transaction.in_progress:
                    transaction._rollback()

        self.both(act)

    @rule(path=paths, value=values)
    def hold_a_snapshot(self, path: str, value: Any) -> None:
        """A read-only transaction does not see what is written after its first read."""

        def act(side: _Side) -> Any:
            transaction = side.client.transaction(read_only=True)
            transaction._begin()
            reference = side.client.document(path)
            try:
                found = [reference.get(transaction=transaction)]
                reference.set({"n": real(side.client, value)})
                return [*found, reference.get(transaction=transaction)]
            finally:
                transaction._rollback()

        self.both(act)

    # What is drawn may not depend on what servers say: one that is refused has a number, too.

    @precondition(lambda self: len(self.numbers) < MOST_LISTENERS)
    @rule(target=listeners, plain=st.one_of(listened, windows()))
    def listen(self, plain: Any) -> int:
        self.started += 1
        number = self.started
        self.numbers.add(number)
        self.both(lambda side: side.listen(number, plain))
        return number

    @precondition(lambda self: self.numbers)
    @rule()
    def look(self) -> None:
        """What was written meanwhile, listeners show."""
        self.both(_Side.look)

    @precondition(lambda self: self.numbers)
    @rule(written=writes, at=st.integers(0, 9), look=st.booleans())
    def write_what_is_shown(self, written: Write, at: int, look: bool) -> None:
        shown = sorted(self.sides[0].shown())
        if shown:
            kind, _, content, precondition = written
            self.write_one((kind, shown[at % len(shown)], content, precondition))
        if look:
            self.look()

    @rule(number=consumes(listeners))
    def listen_no_more(self, number: int) -> None:
        self.numbers.remove(number)
        for side in self.sides:
            if number in side.listeners:
                side.listeners.pop(number).close()


def _client(host: str, project: str) -> firestore.Client:
    return local_client(host, project=project, database="(default)")


@pytest.mark.timeout(TIMEOUT_S)
def test_the_embedded_firestore_answers_as_googles_does(
    google_emulator: LocalFirestore, capsys: pytest.CaptureFixture[str]
) -> None:
    is_soak = STEPS > _STEPS_OF_A_TEST

    def report(taken: int) -> None:
        if is_soak:
            with capsys.disabled():
                print(f"\n{taken:,} of {STEPS:,} steps", end=" ", flush=True)

    with EmbeddedFirestore() as embedded:
        hosts = (embedded.host, google_emulator.host)

        class Machine(SideBySide):
            clients = tuple(partial(_client, host) for host in hosts)
            steps = _Steps(report)

        # The same steps in every run, but in a soak.
        first = random.getrandbits(32) if is_soak else 0
        numbers = itertools.count(first)
        while Machine.steps.taken < STEPS:
            run_state_machine_as_test(seed(next(numbers))(Machine), settings=SETTINGS)
