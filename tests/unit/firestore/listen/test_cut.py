"""Cuts are immutable, share what did not change, and are read without a lock."""

from __future__ import annotations

import gc
import random
import sys
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_boiler.firestore import protocol
from flask_boiler.firestore.listen.cut import CutLog, ListenCut
from flask_boiler.ground.values import QueryTarget, Snapshot
from tests.unit.firestore.listen.stage import DECODER, collection

PATHS = ["City/A", "City/B", "City/C"]
QUERIES = [collection("City"), collection("Town")]


def _snapshot(path: str, time_ns: int) -> Snapshot:
    return Snapshot(path, protocol.Document(), DECODER, update_time_ns=time_ns)


def _seen(cut: ListenCut) -> dict[Any, Any]:
    """All that a cut says, read in every way."""
    found: dict[Any, Any] = {}
    for path in PATHS:
        snapshot = cut.document(path)
        found[path] = snapshot and snapshot.update_time_ns
        assert cut.holds(path) == (snapshot is not None)
    for target in QUERIES:
        result = cut.query(target)
        assert cut.holds(target) == (result is not None)
        found[target] = result and [(s.path, s.update_time_ns) for s in result]
        members = [cut.member(target, path) for path in PATHS]
        assert (result or []) == [member for member in members if member is not None]
    return found


_step = st.one_of(
    st.tuples(
        st.just("advance"),
        st.sets(st.sampled_from(PATHS)),
        st.dictionaries(
            st.sampled_from(QUERIES), st.dictionaries(st.sampled_from(PATHS), st.booleans())
        ),
    ),
    st.tuples(
        st.just("drop"), st.sets(st.one_of(st.sampled_from(PATHS), st.sampled_from(QUERIES)))
    ),
)


@given(st.lists(_step, max_size=12))
def test_every_cut_stays_what_it_was(steps: list[Any]) -> None:
    log = CutLog()
    cuts = [(log.cut, _seen(log.cut))]
    for turn, step in enumerate(steps, start=1):
        if step[0] == "drop":
            log.drop(step[1])
        else:
            documents = {path: _snapshot(path, turn) for path in step[1]}
            queries = {
                target: {p: _snapshot(p, turn) if there else None for p, there in changes.items()}
                for target, changes in step[2].items()
            }
            log.advance(turn, documents, queries)
        cuts.append((log.cut, _seen(log.cut)))

    for cut, seen in cuts:
        assert _seen(cut) == seen


def test_what_is_not_held_is_none_and_what_is_empty_is_not() -> None:
    log = CutLog()
    log.advance(10, {}, {QUERIES[0]: {}})

    assert log.cut.query(QUERIES[0]) == []
    assert log.cut.query(QUERIES[1]) is None
    assert log.cut.document("City/A") is None


def test_a_query_that_is_held_again_starts_anew_in_the_newer_cuts_only() -> None:
    log = CutLog()
    target = QUERIES[0]
    old = log.advance(10, {}, {target: {"City/A": _snapshot("City/A", 1)}})
    log.drop([target])
    between = log.cut
    log.advance(11, {}, {target: {"City/B": _snapshot("City/B", 2)}})

    assert [s.path for s in old.query(target) or []] == ["City/A"]
    assert between.query(target) is None
    assert between.member(target, "City/A") is None
    assert [s.path for s in log.cut.query(target) or []] == ["City/B"]


def test_dropping_what_is_not_held_keeps_the_read_time() -> None:
    log = CutLog()
    log.advance(10, {}, {})

    assert log.drop(["City/A"]).read_time_ns == 10


def test_a_result_is_the_callers_own() -> None:
    log = CutLog()
    log.advance(10, {}, {QUERIES[0]: {"City/A": _snapshot("City/A", 1)}})
    for _ in range(2):
        result = log.cut.query(QUERIES[0])
        assert result is not None
        assert len(result) == 1
        result.clear()


def test_an_old_value_goes_with_the_last_cut_that_needs_it() -> None:
    class Watched(Snapshot):
        __slots__ = ("__weakref__",)

    log = CutLog()
    old = Watched("City/A", None, DECODER)
    reference = weakref.ref(old)
    cut = log.advance(10, {"City/A": old}, {})
    del old
    log.advance(11, {"City/A": _snapshot("City/A", 2)}, {})
    gc.collect()
    assert reference() is not None

    del cut
    gc.collect()

    assert reference() is None


def test_a_cut_without_changes_costs_nothing() -> None:
    log = CutLog()
    first = log.advance(10, {}, {})
    second = log.advance(11, {}, {})

    assert first._version is second._version


@pytest.fixture
def frequent_switches() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("frequent_switches")
def test_readers_see_one_time_while_the_writer_goes_on() -> None:
    """Every version writes its number everywhere, so a torn read shows two numbers."""
    target: QueryTarget = QUERIES[0]
    paths = [f"City/{i:03}" for i in range(40)]
    log = CutLog()
    log.advance(
        1, {p: _snapshot(p, 1) for p in paths}, {target: {p: _snapshot(p, 1) for p in paths}}
    )
    stop = threading.Event()
    torn: list[str] = []

    def read(seed: int) -> None:
        rng = random.Random(seed)
        while not stop.is_set():
            cut = log.cut
            for path in rng.sample(paths, 5):
                document, member = cut.document(path), cut.member(target, path)
                expected = path if int(path[-3:]) % 2 else None
                if document is None or document.update_time_ns != cut.read_time_ns:
                    torn.append(f"document {path} at {cut}: {document}")
                if expected and (member is None or member.update_time_ns != cut.read_time_ns):
                    torn.append(f"member {path} at {cut}: {member}")
            result = cut.query(target) or []
            if {s.update_time_ns for s in result} != {cut.read_time_ns}:
                torn.append(f"result at {cut}: {result}")

    readers = [threading.Thread(target=read, args=(seed,)) for seed in range(3)]
    for reader in readers:
        reader.start()
    for time_ns in range(2, 400):
        documents = {p: _snapshot(p, time_ns) for p in paths}
        members: dict[str, Snapshot | None] = {
            # Every other one comes and goes, so that the dictionary changes its size and order.
            p: _snapshot(p, time_ns) if int(p[-3:]) % 2 or time_ns % 3 else None
            for p in paths
        }
        log.advance(time_ns, documents, {target: members})
    stop.set()
    for reader in readers:
        reader.join()

    assert not torn
