"""The tasks of a query: all of them, a window of them, one of them, those of one key.

And what options name of them: attributes of their class, or stored fields.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from flask_boiler.attrs.operators import FieldOperators
from flask_boiler.errors import ConfigurationError, QueryError
from flask_boiler.firestore import narrowing
from flask_boiler.firestore.codec import Codec
from flask_boiler.firestore.field_path import read_field_path
from flask_boiler.firestore.query_compiler import targets_of
from flask_boiler.ground.path_pattern import PathPattern
from flask_boiler.ground.values import HasPath, QueryTarget, Snapshot
from flask_boiler.models.model import Model
from flask_boiler.models.query.fields import named_field
from flask_boiler.models.query.query import Query
from flask_boiler.view.inbox.forms import FormQuery

__all__ = ["TaskKey", "TaskQueue", "key_of", "task_class", "task_field"]


class TaskQueue:
    """The result of a query, taken as tasks.

    :param query: a Query, or google's own.
    :param key: what makes tasks wait for each other.
    :raises ConfigurationError: the query has a limit, an offset or a position.
    """

    def __init__(self, query: Any, key: TaskKey, codec: Codec) -> None:
        self.key = key
        self._codec = codec
        self._targets = targets_of(query, codec)
        for target in self._targets:
            try:
                narrowing.require_unbounded(target)
            except QueryError as error:
                raise ConfigurationError(
                    f"{error}; use window= to say how many tasks of a queue a worker listens to"
                ) from error

    def window(self, limit: int) -> list[QueryTarget]:
        """The queries to listen to, to see about ``limit`` tasks."""
        return [narrowing.bounded(target, limit) for target in self._targets]

    def may_hold(self, path: str) -> bool:
        """Whether a document at this path can be a task."""
        return any(narrowing.may_find(target, path) for target in self._targets)

    def find(self, path: str, ask: Callable[[QueryTarget], Iterable[Snapshot]]) -> Snapshot | None:
        """The task at a path; ``None`` if there is no document, or the query does not find it."""
        for target in self._targets:
            if narrowing.may_find(target, path):
                found = list(ask(narrowing.with_document(target, path, self._codec)))
                if found:
                    return found[0]
        return None

    def of_key(self, task: Snapshot) -> list[QueryTarget]:
        """The queries that find, besides others perhaps, all tasks of the same key as a task."""
        return [
            narrowed
            for target in self._targets
            for narrowed in self.key.narrowed(target, task, self._codec)
        ]


class TaskKey:
    """The key of tasks, by which they wait for each other; here each has one of its own."""

    def alone(self, task: Snapshot) -> bool:
        """Whether no other task can have the same key."""
        return True

    def name(self, task: Snapshot) -> str:
        """The key, for people and for comparing."""
        return task.path

    def narrowed(self, target: QueryTarget, task: Snapshot, codec: Codec) -> Sequence[QueryTarget]:
        """The queries that find at least all tasks of the same key."""
        return []


class FieldKey(TaskKey):
    """The key that is the value of a field; tasks that do not have it are each alone."""

    def __init__(self, field: str) -> None:
        self._field = field
        self._names = read_field_path(field)

    def alone(self, task: Snapshot) -> bool:
        """Whether the field is missing."""
        return self._value(task) is None

    def name(self, task: Snapshot) -> str:
        """The field's value."""
        return task.path if self.alone(task) else f"{self._field}={_spelled(self._value(task))}"

    def narrowed(self, target: QueryTarget, task: Snapshot, codec: Codec) -> Sequence[QueryTarget]:
        """The queries that find those with the same value."""
        return [narrowing.with_value(target, self._field, self._value(task), codec)]

    def _value(self, task: Snapshot) -> Any:
        value: Any = task.fields
        for name in self._names:
            value = value.get(name) if isinstance(value, Mapping) else None
        return value


def _spelled(value: Any) -> str:
    """A text that is the same for equal values, as ``repr`` is not for references and maps."""
    match value:
        case HasPath():
            return value.path
        case Mapping():
            items = (f"{name!r}: {_spelled(value[name])}" for name in sorted(value))
            return f"{{{', '.join(items)}}}"
        case list():
            return f"[{', '.join(map(_spelled, value))}]"
        case float() if value.is_integer():
            return repr(int(value))
        case object(latitude=latitude, longitude=longitude):
            # Adding zero leaves no negative one, which is equal.
            return f"GeoPoint(latitude={latitude + 0.0}, longitude={longitude + 0.0})"
        case _:
            return repr(value)


class PathKey(TaskKey):
    """The key that is the beginning of the path; tasks that lie elsewhere are each alone."""

    def __init__(self, pattern: PathPattern) -> None:
        if not pattern.names_document:
            raise ConfigurationError(
                f"key={pattern.text!r} names collections: expected a document above the tasks, as "
                "in 'users/{uid}'"
            )
        self._pattern = pattern

    def alone(self, task: Snapshot) -> bool:
        """Whether it lies elsewhere."""
        return self._pattern.beginning(task.path) is None

    def name(self, task: Snapshot) -> str:
        """The beginning of the path."""
        return self._pattern.beginning(task.path) or task.path

    def narrowed(self, target: QueryTarget, task: Snapshot, codec: Codec) -> Sequence[QueryTarget]:
        """The query that finds those below the same document."""
        return [narrowing.below(target, self.name(task))]


def key_of(option: Any, query: Any) -> TaskKey:
    """The key that an application chose.

    :param option: ``None``, an attribute or a field, or a path pattern such as ``users/{uid}``.
    :raises ConfigurationError: it is none of these.
    """
    if option is None:
        return TaskKey()
    if isinstance(option, str) and "{" in option:
        return PathKey(PathPattern(option))
    model_cls = task_class(query)
    try:
        if model_cls is not None or isinstance(option, FieldOperators):
            return FieldKey(task_field(model_cls, option).stored_path)
        if isinstance(option, str) and option:
            return FieldKey(option)
    except (QueryError, ValueError) as error:
        raise ConfigurationError(f"key={option!r}: {error}") from error
    raise ConfigurationError(
        f"key={option!r} makes no key: expected a field, or a path such as 'users/{{uid}}'"
    )


def task_class(query: Any) -> type[Model] | None:
    """The class of the tasks that a query finds; ``None`` for google's own, which names none."""
    if isinstance(query, Query):
        found: type[Model] = query.model_cls
        return found
    return query.form_cls if isinstance(query, FormQuery) else None


def task_field(model_cls: type[Model] | None, named: Any) -> FieldOperators:
    """The field that an option names.

    :param model_cls: as ``task_class`` gives it.
    :raises QueryError: the class has no such attribute; the nearest name is told.
    """
    if model_cls is None and isinstance(named, FieldOperators):
        return named
    return named_field(model_cls, named).field
