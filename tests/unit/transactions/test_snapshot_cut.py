"""What a snapshot cut makes of queries that are refused, and of a transaction that is lost."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from typing import Any

import pytest

from flask_boiler.errors import MissingIndexError, QueryError, UnavailableError
from flask_boiler.ground.ports import Incomplete
from flask_boiler.ground.readers import current_reader
from flask_boiler.ground.values import QueryTarget, Snapshot
from flask_boiler.transactions.snapshot_cut import SnapshotCut, compute_once

ASKED = QueryTarget("asked", b"")


class Refusing:
    """A datastore that refuses every query, in a transaction or in none, with an error each."""

    def __init__(self, inside: QueryError, outside: QueryError | None) -> None:
        self._inside = inside
        self._outside = outside
        self.asked_inside = 0

    def begin(self, *, read_only: bool) -> bytes:
        return b"a transaction"

    def run_query(
        self, target: QueryTarget, *, transaction: bytes | None = None
    ) -> Iterator[Snapshot]:
        self.asked_inside += transaction is not None
        error = self._outside if transaction is None else self._inside
        if error is not None:
            raise error
        return iter(())


def fetched(datastore: Any) -> SnapshotCut:
    cut = SnapshotCut(datastore)
    with pytest.raises(Incomplete) as incomplete:
        cut.query(ASKED)
    cut.fetch(incomplete.value.missing)
    return cut


def depth(cut: SnapshotCut) -> int:
    with pytest.raises(QueryError) as refused:
        cut.query(ASKED)
    return len(traceback.format_exception(refused.value))


@pytest.mark.parametrize(
    ("inside", "outside"),
    [
        (MissingIndexError("no index", create_url=None), None),
        (QueryError("too much"), QueryError("too much")),
    ],
)
def test_a_refused_query_is_asked_once_and_refused_to_each_who_asks(
    inside: QueryError, outside: QueryError | None
) -> None:
    datastore = Refusing(inside, outside)
    cut = fetched(datastore)
    depths = {depth(cut) for _ in range(5)}
    # Whoever logs it logs no more than what happened to them.
    assert len(depths) == 1
    assert datastore.asked_inside == 1


def test_a_transaction_that_is_lost_is_no_fault_of_the_query() -> None:
    datastore: Any = Refusing(QueryError("no such transaction"), None)

    def ask() -> Any:
        reader = current_reader()
        assert reader is not None
        return reader.query(ASKED)

    with pytest.raises(UnavailableError, match="transaction was lost: no such"):
        compute_once(ask, datastore)
