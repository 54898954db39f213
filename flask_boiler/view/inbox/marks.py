"""The marks that say that a task is processed, written in the commit that has its effect."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from flask_boiler.attrs.operators import FieldOperators
from flask_boiler.errors import ConfigurationError, QueryError, ValidationError
from flask_boiler.firestore.field_path import field_path, read_field_path
from flask_boiler.firestore.native import DELETE_FIELD, contains_transform, equal_value
from flask_boiler.ground.values import Precondition, Snapshot, Write
from flask_boiler.models.model import Model
from flask_boiler.view.inbox.queue import task_field
from flask_boiler.view.inbox.records import TaskRecords, is_done
from flask_boiler.view.inbox.refusals import Refusal

__all__ = [
    "DeleteMark",
    "FieldMark",
    "Ledger",
    "Mark",
    "MarkOption",
    "mark_of",
    "require_keeping",
]

_DEFAULT_KEEPING = datetime.timedelta(days=7)
# A timestamp of Firestore has a year of four digits.
_LONGEST_KEEPING = datetime.timedelta(days=365_000)


@dataclass(frozen=True, slots=True)
class Ledger:
    """A mark in a ledger of the framework's own, which leaves the task's document alone.

    An entry is of one version of a document: a task that is written anew is applied anew. The
    entries, in ``_boiler_tasks``, have a timestamp ``expires_at``, for a TTL policy; a task whose
    entry has expired would be applied again, so its document has to be gone by then.

    :param keep_for: how long entries are kept at least.
    """

    keep_for: datetime.timedelta = _DEFAULT_KEEPING


#: What ``mark`` may be: ``"delete"``, ``"ledger"``, a :class:`Ledger`, or values by attribute (by
#: stored field, where the query names no class).
MarkOption = Literal["delete", "ledger"] | Ledger | Mapping[Any, Any]


class Mark(Protocol):
    """Marks tasks, and tells which are marked."""

    @property
    def in_record(self) -> bool:
        """Whether only a task's record tells whether it is marked."""
        ...

    def is_marked(self, task: Snapshot, record: Snapshot | None) -> bool:
        """Whether this version of the task is processed."""
        ...

    def write(self, task: Snapshot, records: TaskRecords, refusal: Refusal | None) -> Write:
        """The write that marks the task.

        :param refusal: why it is refused, for a mark that says that.
        """
        ...


class DeleteMark:
    """The mark that the task is deleted."""

    in_record = False

    def is_marked(self, task: Snapshot, record: Snapshot | None) -> bool:
        """False: a task that is there is not processed."""
        return False

    def write(self, task: Snapshot, records: TaskRecords, refusal: Refusal | None) -> Write:
        """The deletion of the document."""
        return Write("delete", task.path)


class FieldMark:
    """The mark that fields have some values, with which the query should not find the task.

    :param fields: by the names that lead to each stored field; a value that the server computes
        marks by being there, and ``DELETE_FIELD`` by the field's being gone.
    """

    in_record = False

    def __init__(self, fields: Mapping[tuple[str, ...], Any]) -> None:
        if not fields:
            raise ConfigurationError("mark={} marks nothing: name a field and its value")
        for names, value in fields.items():
            if not _reads_as_written(value):
                raise ConfigurationError(
                    f"mark: {'.'.join(names)!r} would be {value!r}, which Firestore returns as "
                    "another value, so no task would ever count as marked"
                )
        self._values = dict(fields)
        self._fields = _nested(fields)
        self._mask = tuple(field_path(*names) for names in fields)

    def is_marked(self, task: Snapshot, record: Snapshot | None) -> bool:
        """Whether the task has the values."""
        return all(_has(task.fields, names, value) for names, value in self._values.items())

    def write(self, task: Snapshot, records: TaskRecords, refusal: Refusal | None) -> Write:
        """The setting of the fields, for a document that is there."""
        there = Precondition(exists=True)
        return Write("update", task.path, self._fields, self._mask, there)


def _nested(fields: Mapping[tuple[str, ...], Any]) -> dict[str, Any]:
    """The values as a document has them, in maps."""
    document: dict[str, Any] = {}
    for (*above, name), value in fields.items():
        inner = document
        for part in above:
            inner = inner.setdefault(part, {})
        inner[name] = value
    return document


def _reads_as_written(value: Any) -> bool:
    match value:
        case Mapping():
            return all(_reads_as_written(item) for item in value.values())
        case list():
            return all(_reads_as_written(item) for item in value)
        case tuple():
            return False
        case datetime.datetime():
            return value.tzinfo is not None
        case _:
            # A NaN is not even equal to itself.
            return bool(value == value)  # noqa: PLR0124


def _has(fields: Mapping[str, Any], names: tuple[str, ...], value: Any) -> bool:
    *above, name = names
    for part in above:
        inner = fields.get(part)
        fields = inner if isinstance(inner, Mapping) else {}
    if value is DELETE_FIELD:
        return name not in fields
    if contains_transform(value):
        return fields.get(name) is not None
    return name in fields and equal_value(fields[name], value)


class LedgerMark:
    """The mark that the ledger has an entry of the task."""

    in_record = True

    def __init__(self, ledger: Ledger) -> None:
        require_keeping(ledger.keep_for)
        self._ledger = ledger

    def is_marked(self, task: Snapshot, record: Snapshot | None) -> bool:
        """Whether there is an entry of this version."""
        return is_done(task, record)

    def write(self, task: Snapshot, records: TaskRecords, refusal: Refusal | None) -> Write:
        """The entry of the version that was read."""
        # By Firestore's clock, which ends it: a machine's own may be wrong by more than it is kept.
        return records.ending(task, task.read_time + self._ledger.keep_for)


def require_keeping(keep_for: object) -> None:
    """Check for how long something is kept.

    :raises ConfigurationError: it is no time, none at all, or ends after all timestamps.
    """
    if not isinstance(keep_for, datetime.timedelta):
        raise ConfigurationError(f"keep_for={keep_for!r:.80} is not a timedelta")
    if keep_for <= datetime.timedelta(0):
        raise ConfigurationError(f"keep_for={keep_for} keeps nothing")
    if keep_for > _LONGEST_KEEPING:
        raise ConfigurationError(
            f"keep_for={keep_for} is longer than timestamps reach: the most are "
            f"{_LONGEST_KEEPING.days} days"
        )


def mark_of(option: MarkOption, model_cls: type[Model] | None = None) -> Mark:
    """The mark that an application chose.

    :param model_cls: the class of the tasks, whose attributes the mark names; ``None`` if it is
        not known, and stored fields are named.
    :raises ConfigurationError: it is none.
    """
    if option == "delete":
        return DeleteMark()
    if option == "ledger":
        return LedgerMark(Ledger())
    if isinstance(option, Ledger):
        return LedgerMark(option)
    if isinstance(option, Mapping):
        return FieldMark(dict(_stored(option, model_cls)))
    raise ConfigurationError(
        f"mark={option!r} is not a mark: expected 'delete', 'ledger', a Ledger, or the fields to "
        "set with their values"
    )


def _stored(
    option: Mapping[Any, Any], model_cls: type[Model] | None
) -> Iterator[tuple[tuple[str, ...], Any]]:
    for named, value in option.items():
        try:
            if model_cls is not None or isinstance(named, FieldOperators):
                field = task_field(model_cls, named)
                yield read_field_path(field.stored_path), field.to_stored(value)
            elif isinstance(named, str) and named:
                yield (named,), value
            else:
                raise ConfigurationError(f"mark: {named!r:.80} is not a field")
        except (QueryError, ValidationError) as error:
            raise ConfigurationError(f"mark={{{named!r:.80}: …}}: {error}") from error
