"""Counts, sums and averages: on the server, from the parts of a divided query, in Python.

All three follow Firestore: what is no number is left out, an empty sum is 0, an empty average
is ``None``, integers stay integers as long as 64 bits hold them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, TypeAlias

from flask_boiler.errors import QueryError
from flask_boiler.firestore.protocol import field_names
from flask_boiler.firestore.query_rules import conjunction
from flask_boiler.ground.values import FieldFilter, QuerySpec, Snapshot
from flask_boiler.models.query.fields import stored_path

__all__ = ["Aggregation", "Functions", "computed", "from_parts", "functions_of", "plan"]

#: What a caller asks for: ``"count"``, ``("sum", City.population)``, ``("avg", "population")``.
Aggregation: TypeAlias = Literal["count"] | tuple[Literal["sum", "avg"], Any]

#: By alias, the function and the stored field.
Functions: TypeAlias = Mapping[str, tuple[str, str | None]]

_INT64 = range(-(2**63), 2**63)


def functions_of(model_cls: Any, aggregations: Mapping[str, Any]) -> Functions:
    """The functions that the server is asked for, by alias.

    :raises QueryError: there is no such function or attribute.
    """
    if not aggregations:
        raise QueryError("aggregate() needs at least one aggregation, such as cities='count'")
    return {alias: _function(model_cls, alias, asked) for alias, asked in aggregations.items()}


def _function(model_cls: Any, alias: str, asked: Any) -> tuple[str, str | None]:
    match asked:
        case "count":
            return "count", None
        case ("sum" | "avg" as name, field):
            return name, stored_path(model_cls, field)
    raise QueryError(
        f"{alias}={asked!r:.80} is not an aggregation: expected 'count', ('sum', attribute) or "
        "('avg', attribute)"
    )


def plan(parts: Sequence[QuerySpec], functions: Functions) -> Iterator[tuple[QuerySpec, Functions]]:
    """The questions to each part, so that ``from_parts`` can put the answers together.

    Averages cannot be joined, but sums and counts can. The count has to be of numbers alone,
    so it is asked with a filter that only numbers pass.
    """
    if len(parts) == 1:
        yield parts[0], functions
        return
    asked = {
        alias: ("sum" if name == "avg" else name, field)
        for alias, (name, field) in functions.items()
    }
    for part in parts:
        yield part, asked
        for alias, (name, field) in functions.items():
            if name == "avg" and field is not None:
                numbers = conjunction(part.where, FieldFilter(field, ">=", -math.inf))
                yield part.but(where=numbers), {_numbers_of(alias): ("count", None)}


def _numbers_of(alias: str) -> str:
    return f"{alias}_numbers"


def from_parts(
    parts: Sequence[QuerySpec], functions: Functions, answers: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """The aggregations over all parts, from the answers to what ``plan`` asks."""
    if len(parts) == 1:
        return {alias: value for answer in answers for alias, value in answer.items()}
    return {
        alias: _joined(name, _all(alias, answers), _all(_numbers_of(alias), answers))
        for alias, (name, _) in functions.items()
    }


def _all(alias: str, answers: Sequence[Mapping[str, Any]]) -> list[Any]:
    return [answer[alias] for answer in answers if alias in answer]


def _joined(name: str, values: list[Any], counts: list[int]) -> Any:
    total = _sum(values)
    return _average(total, sum(counts)) if name == "avg" else total


def computed(snapshots: Iterable[Snapshot], functions: Functions) -> dict[str, Any]:
    """The aggregations over documents that are at hand."""
    found = list(snapshots)
    return {
        alias: len(found) if field is None else _of_numbers(name, list(_numbers(found, field)))
        for alias, (name, field) in functions.items()
    }


def _numbers(snapshots: Iterable[Snapshot], path: str) -> Iterator[int | float]:
    for snapshot in snapshots:
        value: Any = snapshot.fields
        for name in field_names(path):
            value = value.get(name) if isinstance(value, Mapping) else None
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield value


def _of_numbers(name: str, numbers: list[int | float]) -> Any:
    total = _sum(numbers)
    return _average(total, len(numbers)) if name == "avg" else total


def _sum(numbers: Sequence[int | float]) -> int | float:
    total = sum(numbers)
    return total if isinstance(total, float) or total in _INT64 else float(total)


def _average(total: int | float, count: int) -> float | None:
    # A sum that is not a number or not finite comes from values that no count includes.
    return total / count if count else (None if math.isfinite(total) else float(total))
