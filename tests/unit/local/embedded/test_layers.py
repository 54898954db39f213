"""The layers of the embedded server, as each folder describes itself."""

from __future__ import annotations

import importlib
import re

import pytest

from tests.unit.test_import_rules import EMBEDDED, LAYERS, import_graph

GRAPH = import_graph()


def listed(module: str) -> list[str]:
    """The names that a folder's docstring lists, in order."""
    lines = (importlib.import_module(module).__doc__ or "").splitlines()
    left = [re.split(r" {2,}", line.strip())[0] for line in lines if line.startswith("    ")]
    return [name for names in left for name in names.split(", ")]


def test_the_layers_are_listed_from_below_to_above() -> None:
    assert listed(EMBEDDED) == LAYERS


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_lists_its_files_from_below_to_above(layer: str) -> None:
    names = listed(f"{EMBEDDED}.{layer}")
    start = f"{EMBEDDED}.{layer}."
    assert sorted(names) == sorted(m.removeprefix(start) for m in GRAPH if m.startswith(start))
    for position, name in enumerate(names):
        own = {i.removeprefix(start) for i in GRAPH[start + name] if i.startswith(start)}
        assert own <= set(names[:position]), f"{name} imports what stands below it in the list"
