"""The tasks of a query: all of them, a window of them, one of them, those of one key.

And what options name of them: attributes of their class, or stored fields.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flask_boiler.attrs.operators import FieldOperators
from flask_boiler.errors import ConfigurationError, QueryError
from flask_boiler.firestore import narrowing
from flask_boiler.firestore.codec import Codec
from flask_boiler.firestore.field_path import read_field_path
from flask_boiler.firestore.query_compiler import compile_query, targets_of
from flask_boiler.ground.path_pattern import PathPattern
from flask_boiler.ground.ports import Reader
from flask_boiler.ground.values import FieldFilter, HasPath, QuerySpec, QueryTarget, Snapshot
from flask_boiler.models.model import Model
from flask_boiler.models.query.fields import named_field
from flask_boiler.models.query.query import Query
from flask_boiler.viewmodels.form import Form

__all__ = [
    "FormQuery",
    "TaskKey",
    "TaskQueue",
    "field_key",
    "found_below",
    "key_of",
    "placeholder_key",
    "task_class",
    "task_field",
]


def found_below(place: PathPattern, codec: Codec, where: FieldFilter | None = None) -> QueryTarget:
    """The query for all documents in the collections at such a place.

    :param place: the pattern of the collections' paths; a collection group, if it has placeholders.
    """
    above, _, name = place.text.rpartition("/")
    group = bool(place.names)
    spec = QuerySpec(name, "" if group else above, all_descendants=group, where=where)
    return compile_query(spec, codec)


class FormQuery:
    """The query of a mediator of forms that is given none: all documents where they lie.

    :raises ConfigurationError: the class does not say where.
    """

    def __init__(self, form_cls: type[Form]) -> None:
        #: The class of the forms.
        self.form_cls = form_cls
        pattern = form_cls.form_pattern()
        if pattern is None:
            raise ConfigurationError(
                f"{form_cls.__name__} does not say where its forms are: give it a Meta.form_path, "
                "such as 'users/{uid}/orders_POST/{order_id}', or the mediator a query"
            )
        self._place = PathPattern(pattern.text.rpartition("/")[0])

    def targets(self, codec: Codec) -> list[QueryTarget]:
        """The queries as the server is asked them."""
        return [found_below(self._place, codec)]


class TaskQueue:
    """The result of a query, taken as tasks.

    :param query: a Query, or google's own.
    :param key: what makes tasks wait for each other.
    :param window: how many tasks that can be applied are listened to at a time; by default all.
    :param holds_back: whether a parked task holds back the later ones of its key.
    :raises ConfigurationError: the query has a limit, an offset or a position.
    """

    def __init__(
        self,
        query: Any,
        key: TaskKey,
        codec: Codec,
        *,
        window: int | None = None,
        holds_back: bool = True,
    ) -> None:
        self.key = key
        self.window = window
        self.holds_back = holds_back
        self._codec = codec
        self._targets = targets_of(query, codec)
        for target in self._targets:
            try:
                narrowing.require_unbounded(target)
            except QueryError as error:
                raise ConfigurationError(
                    f"{error}; use window= to say how many tasks of a queue a worker listens to"
                ) from error

    @property
    def whole(self) -> bool:
        """Whether all of it is listened to, and not a window."""
        return self.window is None

    def targets(self, limit: int) -> list[QueryTarget]:
        """The queries to listen to, to see all of it, or about ``limit`` tasks of its window."""
        if self.whole:
            return self._targets
        return [narrowing.bounded(target, limit) for target in self._targets]

    def may_hold(self, path: str) -> bool:
        """Whether a document at this path can be a task."""
        return any(narrowing.may_find(target, path) for target in self._targets)

    def find(self, path: str, reader: Reader) -> Snapshot | None:
        """The task at a path; ``None`` if there is no document, or the query does not find it."""
        for target in self._targets:
            if narrowing.may_find(target, path):
                found = reader.query(narrowing.with_document(target, path, self._codec))
                if found:
                    return found[0]
        return None

    def missing(self, path: str) -> Snapshot:
        """The snapshot of a task whose document is gone."""
        return self._codec.missing(path)

    def of_key(self, task: Snapshot) -> list[QueryTarget]:
        """The queries that find, besides others perhaps, all tasks of the same key as a task."""
        return [self.key.narrowed(target, task, self._codec) for target in self._targets]


class TaskKey:
    """The key of tasks, by which they wait for each other; by default each has one of its own.

    :param text: what all tasks of a key have in common, and no others; ``None`` of one alone.
    :param narrow: the queries that find at least all tasks of the same key as a task.
    """

    def __init__(
        self,
        text: Callable[[Snapshot], str | None] = lambda task: None,
        narrow: Callable[[QueryTarget, Snapshot, Codec], QueryTarget] = lambda target, *_: target,
    ) -> None:
        self._text = text
        self.narrowed = narrow

    def alone(self, task: Snapshot) -> bool:
        """Whether no other task can have the same key."""
        return self._text(task) is None

    def name(self, task: Snapshot) -> str:
        """The key, for people and for comparing."""
        return self._text(task) or task.path


def field_key(field: str) -> TaskKey:
    """The key that is the value of a field; tasks that do not have it are each alone."""
    names = read_field_path(field)

    def value(task: Snapshot) -> Any:
        found: Any = task.fields
        for name in names:
            found = found.get(name) if isinstance(found, Mapping) else None
        return found

    def text(task: Snapshot) -> str | None:
        found = value(task)
        return None if found is None else f"{field}={_spelled(found)}"

    def narrow(target: QueryTarget, task: Snapshot, codec: Codec) -> QueryTarget:
        return narrowing.with_value(target, field, value(task), codec)

    return TaskKey(text, narrow)


def _spelled(value: Any) -> str:
    """A text that is the same for equal values, as ``repr`` is not for references and maps."""
    match value:
        case str() | bool():
            # Most are such, and whether something has a path takes long to say.
            return repr(value)
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


def path_key(pattern: PathPattern) -> TaskKey:
    """The key that is the beginning of the path; tasks that lie elsewhere are each alone.

    :raises ConfigurationError: the pattern is not that of a document.
    """
    if not pattern.names_document:
        raise ConfigurationError(
            f"key={pattern.text!r} names collections: expected a document above the tasks, as in "
            "'users/{uid}'"
        )

    def narrow(target: QueryTarget, task: Snapshot, codec: Codec) -> QueryTarget:
        above = pattern.beginning(task.path)
        return target if above is None else narrowing.below(target, above)

    return TaskKey(lambda task: pattern.beginning(task.path), narrow)


def placeholder_key(collection: PathPattern, name: str) -> TaskKey:
    """The key that is the value of a placeholder in the path of the collection."""
    before = collection.text.partition(f"{{{name}}}")[0]
    if "{" not in before:
        return path_key(PathPattern(f"{before}{{{name}}}"))

    def text(task: Snapshot) -> str | None:
        found = collection.match(task.path.rpartition("/")[0])
        return None if found is None else f"{name}={found[name]!r}"

    # No query finds what has something in common in the middle of the path.
    return TaskKey(text)


def key_of(option: Any, query: Any) -> TaskKey:
    """The key that an application chose.

    :param option: ``None``, an attribute or a field, or a path pattern such as ``users/{uid}``.
    :raises ConfigurationError: it is none of these.
    """
    if option is None:
        return TaskKey()
    if isinstance(option, str) and "{" in option:
        return path_key(PathPattern(option))
    model_cls = task_class(query)
    try:
        if model_cls is not None or isinstance(option, FieldOperators):
            return field_key(task_field(model_cls, option).stored_path)
        if isinstance(option, str) and option:
            return field_key(option)
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
