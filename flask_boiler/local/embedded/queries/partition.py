"""The parts of a collection group, of about the same size."""

from __future__ import annotations

from typing import Any

from flask_boiler.firestore import protocol
from flask_boiler.local.embedded.queries.executor import run
from flask_boiler.local.embedded.queries.matching import NAME, Query
from flask_boiler.local.embedded.queries.paging import page_size, read_count, token_of
from flask_boiler.local.embedded.storage.reading import Reading
from flask_boiler.local.embedded.storage.refusal import invalid

__all__ = ["partition_cursors"]

#: Smaller parts are not worth a cut, in production neither.
_SMALLEST = 128


def partition_cursors(reading: Reading, query: Query, request: Any) -> tuple[list[Any], str]:
    """A page of the cursors between the parts, in order, and the token of the next page.

    :raises Refusal: INVALID_ARGUMENT: it is not a query of a whole group by name.
    """
    _check(query, request)
    names = [document.name for document in run(reading, query)]
    parts = min(request.partition_count + 1, max(1, len(names) // _SMALLEST))
    cuts = [names[len(names) * part // parts] for part in range(1, parts)]
    size = page_size(request.page_size)
    start = read_count(request.page_token)
    cursors = [_cursor(name) for name in cuts[start : start + size]]
    end = start + size
    return cursors, token_of(b"%d" % end) if end < len(cuts) else ""


def _cursor(name: str) -> Any:
    cursor = protocol.Cursor(before=True)
    cursor.values.add().reference_value = name
    return cursor


def _check(query: Query, request: Any) -> None:
    structured = query.structured
    if request.partition_count <= 0:
        raise invalid("partition_count must be greater than zero.")
    by_name = [order.field.field_path for order in structured.order_by] == [NAME]
    others = (structured.HasField(p) for p in ("where", "limit", "start_at", "end_at"))
    if (
        not query.all_descendants
        or not by_name
        or query.orders[0].descending
        or any(others)
        or query.offset
    ):
        raise invalid(
            "PartitionQuery takes a query of a collection group that is ordered by __name__ "
            "ascending, without filters, limits, offsets and cursors."
        )
