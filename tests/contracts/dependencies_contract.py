"""What ``Dependencies`` promise."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flask_boiler.engine.dependencies import Dependencies
from flask_boiler.engine.view_key import ViewKey
from flask_boiler.firestore.codec import Codec
from flask_boiler.firestore.query_compiler import compile_query
from flask_boiler.ground.values import QuerySpec, Target

__all__ = ["DependenciesContract"]

KEYS = st.sampled_from([ViewKey("v", str(n)) for n in range(4)])
TARGETS = st.frozensets(st.sampled_from([f"a/{n}" for n in range(6)]))
CODEC = Codec(None, "projects/p/databases/(default)")
QUERY = compile_query(QuerySpec("a"), CODEC)


class DependenciesContract:
    """Needs :meth:`make`, which gives an empty graph."""

    @staticmethod
    def make() -> Dependencies:
        raise NotImplementedError

    @settings(suppress_health_check=[HealthCheck.differing_executors])
    @given(st.lists(st.tuples(KEYS, TARGETS)))
    def test_the_graph_is_what_was_last_said_of_each_view(
        self, steps: list[tuple[ViewKey, frozenset[str]]]
    ) -> None:
        graph = self.make()
        oracle: dict[ViewKey, frozenset[str]] = {}
        listened: set[object] = set()
        for key, targets in steps:
            swap = graph.replace(key, targets)
            before = oracle.get(key, frozenset())
            assert (swap.added, swap.dropped) == (targets - before, before - targets)
            oracle[key] = targets
            assert not swap.appeared & listened
            assert swap.vanished <= listened
            listened |= swap.appeared
            listened -= swap.vanished
        assert listened == set().union(*oracle.values()) if oracle else not listened
        for number in range(6):
            readers = {key for key, targets in oracle.items() if f"a/{number}" in targets}
            assert set(graph.readers(f"a/{number}")) == readers
        assert all(graph.reads(key) == targets for key, targets in oracle.items())
        assert graph.targets() == len(listened)

    def test_who_reads_a_query_reads_the_documents_in_its_result(self) -> None:
        graph = self.make()
        by_path, by_query = ViewKey("v", "path"), ViewKey("v", "query")
        graph.replace(by_path, ["a/1"])
        targets: list[Target] = [QUERY]
        graph.replace(by_query, targets)
        cut: Any = _CutOf("a/1")
        assert set(graph.readers_of_document("a/1", cut)) == {by_path, by_query}
        assert set(graph.readers_of_document("a/2", cut)) == set()
        graph.replace(by_query, [])
        assert set(graph.readers_of_document("a/1", cut)) == {by_path}


class _CutOf:
    """A cut in which every query has one member."""

    def __init__(self, path: str) -> None:
        self._path = path

    def member(self, target: object, path: str) -> object | None:
        return path if path == self._path else None
