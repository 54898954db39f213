"""What many views take: counted in a process of its own, which holds nothing but them."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from flask_boiler.ground.ports import LocalFirestore

#: One process counts for all of them.
pytestmark = pytest.mark.xdist_group("scale")

VIEWS = 2_000
READERS_OF_A_PERSON = 5
#: gRPC's pool grows with the machine's cores, whatever its user does; this is its least.
LEAST_GRPC_POOL = 4


@pytest.fixture(scope="module")
def counts(firestore_emulator: LocalFirestore) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.scale", firestore_emulator.host, str(VIEWS)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_all_views_are_kept(counts: Any) -> None:
    assert (counts["views"], counts["computed_at_start"]) == (VIEWS, VIEWS)


def test_they_share_one_stream(counts: Any) -> None:
    assert (counts["listen_streams_at_once"], counts["listen_streams_open"]) == (1, 1)


def test_they_share_a_few_threads(counts: Any) -> None:
    of_more_cores = counts["grpc_pool_threads"] - LEAST_GRPC_POOL
    assert counts["threads"] - of_more_cores <= 16


def test_a_write_recomputes_only_the_views_that_read_it(counts: Any) -> None:
    assert counts["computed_per_write"] == READERS_OF_A_PERSON
    assert counts["written_per_write"] == READERS_OF_A_PERSON
