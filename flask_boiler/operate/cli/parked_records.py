"""What Firestore has of what is parked, by whichever process: views, and commands.

A command is a document that is to have an effect once: a task, a form, a patch, or one that a
handler of a ``Protocol`` is called with. What an inbox has parked has records of its own; a
document that a handler failed on is recorded as views are.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import click

from flask_boiler.engine.parking.parked_views import ParkedCount, ParkedView, parked_in
from flask_boiler.operate.cli.loading import Failure
from flask_boiler.operate.extension import Boiler
from flask_boiler.view.inbox.records import parked_tasks_in
from flask_boiler.view.mediation.inbox import CommandKind, ParkedTask
from flask_boiler.view.mediation.mediator import mediator_of

__all__ = ["ParkedCommand", "ParkedCommands", "ParkedViews"]


class ParkedViews:
    """The views that are recorded as parked.

    :param records: of views, one for each.
    :param counts: of mediators that have more parked than have a record.
    """

    def __init__(self, records: Iterable[ParkedView], counts: Iterable[ParkedCount]) -> None:
        self.records = sorted(records, key=lambda view: view.since)
        self.counts = list(counts)
        #: How many are parked that have no record of their own, by mediator.
        self.unlisted = _unlisted(self.records, self.counts)
        #: How many documents of handlers are recorded beside them.
        self.commands = 0

    @classmethod
    def of(cls, boiler: Boiler, mediator: str | None) -> ParkedViews:
        """The parked views of one mediator, or of all that have records.

        :raises UsageError: there is no such mediator, and nothing is recorded of it.
        """
        records, counts = parked_in(boiler.context.datastore, mediator)
        kinds = _kinds_in(boiler)
        found = cls(
            [view for view in records if view.key.mediator not in kinds],
            [count for count in counts if count.mediator not in kinds],
        )
        found.commands = len(records) - len(found.records)
        if mediator is not None and not found.total:
            _require_known(mediator, _mediators_in(boiler))
        return found

    @property
    def total(self) -> int:
        """The number of parked views."""
        return len(self.records) + sum(self.unlisted.values())

    def named(self, keys: Iterable[str]) -> list[ParkedView]:
        """The records of these keys.

        :raises ClickException: one of them is not parked.
        """
        by_key = {str(view.key): view for view in self.records}
        more = sum(self.unlisted.values())
        hint = f". {more} more are parked without a record: --all includes them"
        _require_parked(
            keys,
            by_key,
            "see 'flask boiler views list'" + (hint if more else ""),
        )
        return [by_key[key] for key in dict.fromkeys(keys)]

    def as_json(self) -> dict[str, Any]:
        """The object that ``--json`` prints."""
        return {
            "count": self.total,
            "counted_only": self.unlisted,
            "parked": [
                {
                    "error": view.error,
                    "key": str(view.key),
                    "kind": view.kind,
                    "mediator": view.key.mediator,
                    "process": view.process,
                    "root": view.key.subject,
                    "since": view.since.isoformat(),
                }
                for view in self.records
            ],
        }


@dataclass(frozen=True, slots=True)
class ParkedCommand:
    """A command that failed and was set aside.

    :param path: the document's.
    :param key: whose later tasks wait for it; its own path if none does.
    :param attempts: how often it was tried; ``None`` where that is not counted.
    :param record: of a handler's document; ``None`` of what an inbox has parked.
    """

    kind: CommandKind
    mediator: str
    path: str
    key: str
    error: str
    attempts: int | None
    since: datetime.datetime
    record: ParkedView | None = None

    @property
    def can_be_dropped(self) -> bool:
        """Whether it can be marked as processed without its effect."""
        return self.record is None

    @property
    def id(self) -> tuple[str, str]:
        """The mediator and the document, which no two commands have in common."""
        return self.mediator, self.path

    def as_json(self) -> dict[str, Any]:
        """The object that ``--json`` prints."""
        return {
            "attempts": self.attempts,
            "error": self.error,
            "key": self.key,
            "kind": self.kind.value,
            "mediator": self.mediator,
            "path": self.path,
            "process": None if self.record is None else self.record.process,
            "since": self.since.isoformat(),
        }


class ParkedCommands:
    """The commands that are recorded as parked.

    :param all: one for each that has a record.
    :param counts: of mediators that have more parked than have a record.
    """

    def __init__(self, all: Iterable[ParkedCommand], counts: Iterable[ParkedCount]) -> None:
        self.all = sorted(all, key=lambda command: (command.since, command.id))
        self.counts = list(counts)
        #: How many are parked that have no record of their own, by mediator.
        self.unlisted = _unlisted((c.record for c in self.all if c.record), self.counts)

    @classmethod
    def of(cls, boiler: Boiler, mediator: str | None, *, known: bool = False) -> ParkedCommands:
        """The parked commands of one mediator, or of all that have records.

        :param known: whether it was found before that there is such a mediator.
        :raises UsageError: there is no such mediator, and nothing is recorded of it.
        """
        kinds = _kinds_in(boiler)
        datastore = boiler.context.datastore
        records, counts = parked_in(datastore, mediator)
        found = cls(
            [
                *(_of_task(task, kinds) for task in parked_tasks_in(datastore, mediator)),
                *(
                    _of_record(view, kinds[view.key.mediator])
                    for view in records
                    if view.key.mediator in kinds
                ),
            ],
            [count for count in counts if count.mediator in kinds],
        )
        if mediator is not None and not (found.total or known):
            _require_known(mediator, kinds)
        return found

    @property
    def total(self) -> int:
        """The number of parked commands."""
        return len(self.all) + sum(self.unlisted.values())

    @property
    def by_id(self) -> dict[tuple[str, str], ParkedCommand]:
        """The commands by their mediators and the paths of their documents."""
        return {command.id: command for command in self.all}

    def at(self, paths: Iterable[str]) -> list[ParkedCommand]:
        """The commands whose documents are at these paths.

        :raises ClickException: there is none at one of them.
        """
        # As consoles show them, paths begin with a slash.
        wanted = {path.strip("/") for path in paths}
        _require_parked(
            wanted,
            {command.path for command in self.all},
            "see 'flask boiler tasks list'. A task that waits for a parked one of its key is "
            "applied after that one",
        )
        return [command for command in self.all if command.path in wanted]

    def as_json(self) -> dict[str, Any]:
        """The object that ``--json`` prints."""
        return {
            "count": self.total,
            "counted_only": self.unlisted,
            "parked": [command.as_json() for command in self.all],
        }


def _of_task(task: ParkedTask, kinds: Mapping[str, CommandKind]) -> ParkedCommand:
    return ParkedCommand(
        kind=kinds.get(task.mediator, CommandKind.TASK),
        mediator=task.mediator,
        path=task.path,
        key=task.key,
        error=task.error,
        attempts=task.attempts,
        since=task.since,
    )


def _of_record(view: ParkedView, kind: CommandKind) -> ParkedCommand:
    return ParkedCommand(
        kind=kind,
        mediator=view.key.mediator,
        path=view.key.subject,
        key=view.key.subject,
        error=f"{view.kind}: {view.error}",
        attempts=None,
        since=view.since,
        record=view,
    )


def _kinds_in(boiler: Boiler) -> dict[str, CommandKind]:
    """By name, the mediators of an application that have commands, and of which kind."""
    mediators = map(mediator_of, boiler.mediators)
    return {m.name: m.command_kind for m in mediators if m.command_kind is not None}


def _mediators_in(boiler: Boiler) -> set[str]:
    """The names of the mediators of an application that keep views."""
    mediators = map(mediator_of, boiler.mediators)
    return {mediator.name for mediator in mediators if mediator.keeps_views}


def _unlisted(records: Iterable[ParkedView], counts: Iterable[ParkedCount]) -> dict[str, int]:
    listed = [view.key.mediator for view in records]
    more = {count.mediator: count.total - listed.count(count.mediator) for count in counts}
    return {mediator: number for mediator, number in more.items() if number > 0}


def _require_known(name: str, known: Iterable[str]) -> None:
    if name not in known:
        raise click.UsageError(
            f"no mediator of this application is called {name!r}; its mediators are: "
            f"{', '.join(sorted(known)) or 'none'}"
        )


def _require_parked(wanted: Iterable[str], parked: Iterable[str], hint: str) -> None:
    unknown = sorted(set(wanted) - set(parked))
    if unknown:
        raise Failure(f"not parked: {', '.join(unknown)}; {hint}")
