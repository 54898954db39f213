"""google-cloud-firestore's own system tests pass on the embedded Firestore."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from flask_boiler.embedded import EmbeddedFirestore
from flask_boiler.operate.testing.plugin import skip_unless_required
from tests.firestore.google_left_out import LEFT_OUT, RELEASE, is_left_out, unused
from tests.firestore.google_system_tests import VERSION, NotFetchedError, fetched, run

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "embedded.md"


def _function(node: str) -> str:
    return node.partition("::")[2].partition("[")[0]


# They take 20 s, a first download as much again; on a busy machine many times that.
@pytest.mark.long
@pytest.mark.timeout(900)
def test_all_pass_but_those_that_are_left_out(tmp_path: Path) -> None:
    try:
        folder = fetched()
    except NotFetchedError as error:
        skip_unless_required(str(error))
    with EmbeddedFirestore() as server:
        endings = run(folder, server.host, endings=tmp_path / "endings.json")
    assert len(endings) > 200, "there are fewer than in any release"
    unexpected = {
        node: ending
        for node, ending in endings.items()
        if is_left_out(_function(node)) == (ending.outcome == "passed")
    }
    assert not unexpected
    if tuple(map(int, VERSION.split(".")[:2])) >= RELEASE:
        assert not unused(map(_function, endings)), "these are in the list, and there are none"


def test_the_document_lists_those_that_are_left_out() -> None:
    rows = re.findall(r"^\| (`[^|]*test[^|]*`) \| ([^|]*) \|$", DOCUMENT.read_text(), re.MULTILINE)
    assert rows == [
        (", ".join(f"`{name}`" for name in group.names), group.reason) for group in LEFT_OUT
    ]
