"""The README and the list of pages have every example."""

from __future__ import annotations

import pytest

from tests.docs.snippets import ROOT


@pytest.mark.parametrize(("page", "up"), [("README.md", ""), ("docs/index.md", "../")])
def test_every_example_is_listed(page: str, up: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    examples = [readme.parent.name for readme in ROOT.glob("examples/*/README.md")]
    assert "city" in examples
    assert [name for name in examples if f"({up}examples/{name}/README.md)" not in text] == []
