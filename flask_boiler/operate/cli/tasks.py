"""``flask boiler tasks``: what is parked, listed, retried and dropped from a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from flask_boiler.operate.cli.loading import FOUND, Undetermined, opened_boiler
from flask_boiler.operate.cli.shared_options import (
    every_option,
    json_option,
    mediator_option,
    outcome_option,
    wait_option,
)
from flask_boiler.operate.cli.terminal import (
    counted,
    line_of,
    progress_told,
    say_json,
    say_parked,
    tell,
)

if TYPE_CHECKING:
    from flask_boiler.operate.cli.parked_records import ParkedCommand, ParkedCommands
    from flask_boiler.operate.extension import Boiler
    from flask_boiler.view.mediation.inbox import Inbox

__all__ = ["command"]

_paths = click.argument("paths", nargs=-1, metavar="[PATH]...")


@click.group("tasks")
def command() -> None:
    """List, retry and drop parked tasks, forms and patches."""


@command.command("list")
@mediator_option
@json_option
@wait_option
def list_tasks(name: str | None, as_json: bool, wait_s: float) -> None:
    """List what is parked, the longest parked first.

    Lists tasks, forms, patches, and the documents that a handler failed on. Each line says since
    when it is parked, the mediator, the path of the document, and the error. Tasks that wait for a
    parked task of their key are not listed.

    Exits with 0 if nothing is parked, 1 if something is, 2 if that could not be found out.
    """
    with opened_boiler(wait_s, failure=Undetermined) as boiler:
        from flask_boiler.operate.cli.parked_records import ParkedCommands

        found = ParkedCommands.of(boiler, name)
    if as_json:
        say_json(found.as_json())
    else:
        _say(found)
    if found.total:
        raise click.exceptions.Exit(FOUND)


@command.command("retry")
@_paths
@every_option
@mediator_option
@outcome_option
def retry_tasks(paths: tuple[str, ...], every: bool, name: str | None, wait_s: float) -> None:
    """Try parked tasks again, and then what waited for them.

    PATH is the path of a document, as 'list' shows it. This command applies tasks, forms and
    patches itself, unless a worker is faster. Handlers are called by a running worker ('flask
    boiler run'); the command waits for its answer.

    Exits with 0 if all are done, 1 if one is not, or if a task that waited is parked now.
    """
    _require_choice(paths, every=every)
    with opened_boiler(wait_s) as boiler:
        from flask_boiler.operate.cli.parked_records import ParkedCommands
        from flask_boiler.operate.cli.retries import Retrying

        before = ParkedCommands.of(boiler, name)
        chosen = before.all if every else before.at(paths)
        tasks = [one for one in chosen if one.record is None]
        inboxes = _inboxes_of(boiler, tasks)
        for task in _counting("retrying", [task for task in tasks if task.id in inboxes]):
            inboxes[task.id].retry(task.path)
        asked = [one.record for one in chosen if one.record is not None]
        counts = before.counts if every else []
        retrying = Retrying(boiler.context.datastore, asked, counts, well="is done")
        if asked or counts:
            retrying.ask()
            tell(f"asked the workers for {counted(len(asked), 'document')}")
            retrying.wait(wait_s)
        after = ParkedCommands.of(boiler, name, known=True)
    left = [task for task in tasks if task.id in after.by_id]
    for task in left:
        said = _outcome_of(task, after.by_id[task.id], known=task.id in inboxes)
        click.echo(f"{line_of(task.path)} is {said}")
    done = len(tasks) - len(left) + retrying.well
    click.echo(f"{done} of {counted(len(chosen), 'task')} done")
    _end(before, after, failed=done < len(chosen) or retrying.failed)


@command.command("drop")
@_paths
@every_option
@mediator_option
@wait_option
def drop_tasks(paths: tuple[str, ...], every: bool, name: str | None, wait_s: float) -> None:
    """Mark parked tasks as processed without applying them.

    PATH is the path of a document, as 'list' shows it. Who sent a patch or a form is told.
    Tasks that waited for a dropped one are applied. A document that a handler failed on cannot be
    dropped.

    Exits with 0 if all are dropped, 1 if one is not, or if a task that waited is parked now.
    """
    _require_choice(paths, every=every)
    with opened_boiler(wait_s) as boiler:
        from flask_boiler.operate.cli.parked_records import ParkedCommands

        before = ParkedCommands.of(boiler, name)
        chosen = before.all if every else before.at(paths)
        inboxes = _inboxes_of(boiler, chosen)
        kept = [one for one in chosen if one.id not in inboxes or not one.can_be_dropped]
        dropped = sum(
            inboxes[one.id].drop(one.path)
            for one in _counting("dropping", [one for one in chosen if one not in kept])
        )
        after = ParkedCommands.of(boiler, name, known=True)
    for one in kept:
        why = _NO_MEDIATOR if one.can_be_dropped else _NOT_DROPPABLE
        click.echo(f"{line_of(one.path)} is {why.format(one.mediator)}")
    again = [one for one in chosen if one not in kept and one.id in after.by_id]
    for one in again:
        click.echo(f"{line_of(one.path)} is parked again: {line_of(after.by_id[one.id].error)}")
    click.echo(f"{counted(dropped, 'task')} dropped")
    _end(before, after, failed=bool(kept or again))


_NOT_TRIED = "still parked, and was not tried: an earlier task of its key is parked, too"
_NO_MEDIATOR = "still parked: {0!r}, which parked it, is not a mediator of this application"
_NOT_DROPPABLE = (
    "still parked: a document that a handler of {0!r} failed on cannot be dropped. Delete it, or "
    "correct the handler and retry"
)


def _inboxes_of(boiler: Boiler, commands: Sequence[ParkedCommand]) -> dict[tuple[str, str], Inbox]:
    """The inboxes in which commands lie, by their ids; without those of other applications."""
    from flask_boiler.view.mediation.inbox import inbox_of

    found = {one.id: inbox_of(boiler.inboxes, one.mediator, one.path) for one in commands}
    return {id: inbox for id, inbox in found.items() if inbox is not None}


def _require_choice(paths: tuple[str, ...], *, every: bool) -> None:
    if every == bool(paths):
        raise click.UsageError("give the paths of tasks, as 'list' shows them, or --all")


def _counting(doing: str, commands: Sequence[ParkedCommand]) -> Iterator[ParkedCommand]:
    """The commands one by one, with progress on a terminal."""
    begun = 0
    with progress_told(doing, lambda: f"{begun} of {len(commands)}"):
        for one in commands:
            begun += 1
            yield one


def _say(found: ParkedCommands) -> None:
    lines = (
        f"{one.since:%Y-%m-%d %H:%M:%S} UTC  {line_of(one.mediator)}  {line_of(one.path)}  "
        f"({', '.join(_about(one))})  {line_of(one.error)}"
        for one in found.all
    )
    say_parked(lines, found.unlisted, "task", found.total)


def _about(one: ParkedCommand) -> list[str]:
    about = [] if one.kind.value == "task" else [one.kind.value]
    about += [] if one.key == one.path else [line_of(one.key)]
    about += [] if one.attempts is None else [counted(one.attempts, "attempt")]
    return about


def _outcome_of(before: ParkedCommand, after: ParkedCommand, *, known: bool) -> str:
    """What has become of a task that is parked after it was to be retried."""
    if not known:
        return _NO_MEDIATOR.format(before.mediator)
    return _NOT_TRIED if after.since == before.since else f"parked again: {line_of(after.error)}"


def _end(before: ParkedCommands, after: ParkedCommands, *, failed: bool) -> None:
    """Say which tasks have been parked that were not before, and end with the status."""
    others = [one for key, one in after.by_id.items() if key not in before.by_id]
    for one in others:
        said = f"which was not parked before, is now: {line_of(one.error)}"
        click.echo(f"{line_of(one.path)}, {said}")
    if others or failed:
        raise click.exceptions.Exit(FOUND)
