"""Running a query: through a reader if one is in force, else at the database itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Protocol, runtime_checkable

from flask_boiler.attrs import registry
from flask_boiler.context.context import current_context
from flask_boiler.firestore.query_compiler import compile_query
from flask_boiler.ground.ports import Datastore, Incomplete, Reader
from flask_boiler.ground.readers import current_reader
from flask_boiler.ground.values import QuerySpec, QueryTarget, Snapshot
from flask_boiler.models.collection import CollectionModel
from flask_boiler.models.query.aggregation import Functions, computed, from_parts, plan
from flask_boiler.models.query.parts import joined

__all__ = ["aggregate", "models", "read"]

#: Firestore takes so many aggregations in one request.
_MAX_AGGREGATIONS = 5
#: So many results of a stream have their nested relations loaded together.
_LOADED_TOGETHER = 100


@runtime_checkable
class _Aggregating(Protocol):
    """A reader that can have the server aggregate, which costs far less than reading."""

    def aggregate(self, target: QueryTarget, functions: Functions) -> Mapping[str, Any]: ...


def read(spec: QuerySpec, parts: Sequence[QuerySpec], reader: Reader | None) -> Iterator[Snapshot]:
    """The documents of a query's result in its order, streamed where nothing prevents it.

    :param parts: the queries that it was divided into.
    :param reader: what to read through; ``None`` for the one that is in force.
    :raises Incomplete: the reader does not hold the answer yet.
    """
    context = current_context()
    targets = [compile_query(part, context.decoder) for part in parts]
    reader = reader or current_reader()
    if reader is None:
        return joined(spec, targets, _streams(targets, context.datastore))
    return joined(spec, targets, _through(targets, reader))


def models(model_cls: Any, snapshots: Iterable[Snapshot], reader: Reader | None) -> Iterator[Any]:
    """The models of a result; nested relations are loaded for many of them at a time.

    :param reader: what the result is read through; ``None`` for the database itself.
    """
    if not issubclass(model_cls, CollectionModel):
        return map(model_cls.from_snapshot, snapshots)
    if _may_nest(model_cls):
        return _in_batches(model_cls, iter(snapshots), reader)
    return (model_cls._of_snapshot(snapshot, reader) for snapshot in snapshots)


def _may_nest(model_cls: type[CollectionModel]) -> bool:
    return any(model._nested for model in (model_cls, *registry.descendants(model_cls)))


def _in_batches(
    model_cls: Any, snapshots: Iterator[Snapshot], reader: Reader | None
) -> Iterator[Any]:
    while batch := list(islice(snapshots, _LOADED_TOGETHER)):
        yield from model_cls._together(batch, reader)


def _streams(targets: Sequence[QueryTarget], datastore: Datastore) -> list[Iterable[Snapshot]]:
    # Several queries give one answer only if all of them see the same time.
    at = datastore.begin(read_only=True) if len(targets) > 1 else None
    return [datastore.run_query(target, transaction=at) for target in targets]


def _through(targets: Sequence[QueryTarget], reader: Reader) -> list[Sequence[Snapshot]]:
    answers: list[Sequence[Snapshot]] = []
    missing: set[Any] = set()
    for target in targets:
        try:
            answers.append(reader.query(target))
        except Incomplete as incomplete:
            missing |= incomplete.missing
    if missing:
        raise Incomplete(missing)
    return answers


def aggregate(
    spec: QuerySpec, parts: Sequence[QuerySpec], functions: Functions, reader: Reader | None
) -> dict[str, Any]:
    """The aggregations of a query's result by alias, each exactly as Firestore would give it.

    A reader that cannot aggregate, such as a live cut, reads the documents instead, and so do
    queries whose range spans several parts.
    """
    reader = reader or current_reader()
    bounded = spec.limit is not None or spec.offset > 0
    if (len(parts) > 1 and bounded) or not (reader is None or isinstance(reader, _Aggregating)):
        return computed(read(spec, parts, reader), functions)
    return _on_the_server(parts, functions, reader)


def _on_the_server(
    parts: Sequence[QuerySpec], functions: Functions, reader: _Aggregating | None
) -> dict[str, Any]:
    context = current_context()
    requests = [
        (compile_query(part, context.decoder), some)
        for step in plan(parts, functions)
        for part, some in _batches(*step)
    ]
    if reader is None:
        answers = _ask(requests, context.datastore)
    else:
        answers = [reader.aggregate(target, some) for target, some in requests]
    return from_parts(parts, functions, answers)


def _ask(
    requests: Sequence[tuple[QueryTarget, Functions]], datastore: Datastore
) -> list[Mapping[str, Any]]:
    at = datastore.begin(read_only=True) if len(requests) > 1 else None
    return [datastore.aggregate(target, some, transaction=at) for target, some in requests]


def _batches(part: QuerySpec, functions: Functions) -> Iterator[tuple[QuerySpec, Functions]]:
    # Firestore looks only at the documents that have each field of a request: a sum must not keep
    # others from being counted.
    for field in dict.fromkeys(field for _, field in functions.values()):
        items = [(alias, asked) for alias, asked in functions.items() if asked[1] == field]
        for start in range(0, len(items), _MAX_AGGREGATIONS):
            yield part, dict(items[start : start + _MAX_AGGREGATIONS])
