"""Google's system tests that do not pass on the embedded Firestore, and why."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import NamedTuple


class LeftOut(NamedTuple):
    """Tests that are not expected to pass.

    :param names: of the tests' functions, with ``*`` for anything.
    """

    names: tuple[str, ...]
    reason: str


#: The release of google-cloud-firestore whose tests these are; older ones have fewer.
RELEASE = (2, 34)

#: docs/embedded.md says the same.
LEFT_OUT = (
    LeftOut(
        ("test_pipeline_*", "test_large_document_pipeline*"),
        "pipelines, which only databases of the Enterprise edition have",
    ),
    LeftOut(
        ("test_bson_*", "test_async_bson_*"),
        "values of BSON's types, which only databases of the Enterprise edition take",
    ),
    LeftOut(
        ("test_large_document_standard_writes*",),
        "a document of 5 MB, for the Enterprise edition; here the limit is 1 MiB, as in the "
        "Standard edition",
    ),
    LeftOut(
        ("*_w_explain_options_*", "test_query_in_transaction_with_explain_options"),
        "explaining a query, which is about the indexes of the cloud and their cost",
    ),
    LeftOut(
        ("test_sum_query_with_start_at", "test_avg_query_with_start_at"),
        "an aggregation over a field that the cursor does not order by. Google's emulator refuses "
        "this, too, and Google skips these tests everywhere until its backend is repaired",
    ),
)

NAMES = frozenset(name for group in LEFT_OUT for name in group.names)


def is_left_out(function: str) -> bool:
    """Whether a test is not expected to pass."""
    return any(fnmatchcase(function, name) for name in NAMES)


def unused(functions: Iterable[str]) -> set[str]:
    """The names in the list that no test has."""
    known = set(functions)
    return {name for name in NAMES if not any(fnmatchcase(found, name) for found in known)}
