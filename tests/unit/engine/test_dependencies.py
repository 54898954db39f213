from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flask_boiler.engine.memory_dependencies import MemoryDependencies
from flask_boiler.engine.view_key import ViewKey

KEYS = st.sampled_from([ViewKey("v", str(n)) for n in range(4)])
TARGETS = st.frozensets(st.sampled_from([f"a/{n}" for n in range(6)]))


@given(st.lists(st.tuples(KEYS, TARGETS)))
def test_the_graph_is_what_was_last_said_of_each_view(
    steps: list[tuple[ViewKey, frozenset[str]]],
) -> None:
    graph = MemoryDependencies()
    oracle: dict[ViewKey, frozenset[str]] = {}
    listened: set[object] = set()
    for key, targets in steps:
        swap = graph.replace(key, targets)
        assert swap.added == targets - oracle.get(key, frozenset())
        oracle[key] = targets
        assert not swap.appeared & listened
        assert swap.vanished <= listened
        listened |= swap.appeared
        listened -= swap.vanished
    assert listened == set().union(*oracle.values()) if oracle else not listened
    for number in range(6):
        readers = {key for key, targets in oracle.items() if f"a/{number}" in targets}
        assert set(graph.readers(f"a/{number}")) == readers
    assert graph.targets() == len(listened)
