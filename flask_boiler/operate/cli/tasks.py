"""``flask boiler tasks``: what is parked, listed, retried and dropped from a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click
from flask.cli import with_appcontext

from flask_boiler.operate.cli.loading import counted, line_of, opened_boiler, wait_option
from flask_boiler.view.mediation.inbox import Inbox, ParkedTask

__all__ = ["tasks"]


@click.group("tasks")
def tasks() -> None:
    """See to the tasks that are parked."""


_mediator_option = click.option(
    "--mediator", "name", help="Only that mediator's tasks; by default those of all."
)
_paths = click.argument("paths", nargs=-1, metavar="[PATH]...")
_every = click.option("--all", "every", is_flag=True, help="All that are parked.")


@tasks.command("list")
@_mediator_option
@wait_option
@with_appcontext
def list_tasks(name: str | None, wait_s: float) -> None:
    """List the parked tasks, the longest parked first: since when, which, and why.

    Those that wait for a parked one of their key are not listed.
    """
    with _queues_of_app(name, wait_s) as queues:
        parked = _parked_of(queues)
    for task in sorted(parked.values(), key=lambda task: task.since):
        of_key = "" if task.key == task.path else f"{task.key}, "
        click.echo(
            f"{task.since:%Y-%m-%d %H:%M:%S} UTC  {task.mediator}  {task.path}  "
            f"({of_key}{counted(task.attempts, 'attempt')})  {line_of(task.error)}"
        )
    click.echo(f"{counted(len(parked), 'task')} parked")


@tasks.command("retry")
@_paths
@_every
@_mediator_option
@wait_option
@with_appcontext
def retry_tasks(paths: tuple[str, ...], every: bool, name: str | None, wait_s: float) -> None:
    """Try parked tasks again, and then those that waited for them.

    They are applied by this command, unless a running worker is faster. The status is 1 if any
    of all these is parked afterwards.
    """
    with _queues_of_app(name, wait_s) as queues:
        before = _parked_of(queues)
        chosen = _chosen(before, paths, every=every)
        for key in chosen:
            _queue_of(queues, key).retry(key[1])
        after = _parked_of(queues)
    left = [key for key in chosen if key in after]
    for key in left:
        tried = after[key].since != before[key].since
        click.echo(f"{key[1]} is {_parked_again(after[key]) if tried else _NOT_TRIED}")
    click.echo(f"{len(chosen) - len(left)} of {counted(len(chosen), 'task')} done")
    _tell_of_others(before, after, failed=bool(left))


@tasks.command("drop")
@_paths
@_every
@_mediator_option
@wait_option
@with_appcontext
def drop_tasks(paths: tuple[str, ...], every: bool, name: str | None, wait_s: float) -> None:
    """Mark parked tasks as processed without their effect; those that waited go on.

    The status is 1 if one that waited is parked afterwards.
    """
    with _queues_of_app(name, wait_s) as queues:
        before = _parked_of(queues)
        chosen = _chosen(before, paths, every=every)
        dropped = sum(_queue_of(queues, key).drop(key[1]) for key in chosen)
        after = _parked_of(queues)
    click.echo(f"{counted(dropped, 'task')} dropped")
    _tell_of_others(before, after, failed=False)


#: Parked tasks by their mediators' names and their paths.
_ParkedTasks = dict[tuple[str, str], ParkedTask]

_NOT_TRIED = "still parked, and was not tried: an earlier task of its key is parked, too"


def _parked_of(queues: list[Inbox]) -> _ParkedTasks:
    return {(task.mediator, task.path): task for queue in queues for task in queue.parked_tasks}


def _queue_of(queues: list[Inbox], key: tuple[str, str]) -> Inbox:
    return next(queue for queue in queues if queue.name == key[0])


def _parked_again(task: ParkedTask) -> str:
    return f"parked again: {line_of(task.error)}"


def _tell_of_others(before: _ParkedTasks, after: _ParkedTasks, *, failed: bool) -> None:
    """Say which tasks have been parked that were not before, and end with the status."""
    others = [task for key, task in after.items() if key not in before]
    for task in others:
        click.echo(f"{task.path}, which was not parked before, is now: {line_of(task.error)}")
    if others or failed:
        raise click.exceptions.Exit(1)


@contextmanager
def _queues_of_app(name: str | None, wait_s: float) -> Iterator[list[Inbox]]:
    with opened_boiler(wait_s) as boiler:
        queues = boiler.inboxes
        known = ", ".join(queue.name for queue in queues) or "none"
        if name is not None:
            queues = [queue for queue in queues if queue.name == name]
        if not queues:
            raise click.ClickException(
                "this application adds no QueryTaskMediator to its Boiler, so it has no tasks"
                if name is None
                else f"no QueryTaskMediator is called {name!r}; those of this application: {known}"
            )
        yield queues


def _chosen(parked: _ParkedTasks, paths: tuple[str, ...], *, every: bool) -> list[tuple[str, str]]:
    if every == bool(paths):
        raise click.UsageError("name the tasks by their paths, or say --all")
    # As consoles show them, paths begin with a slash.
    wanted = {path.strip("/") for path in paths}
    unknown = sorted(wanted.difference(path for _, path in parked))
    if unknown:
        raise click.ClickException(
            f"not parked: {', '.join(unknown)}; 'flask boiler tasks list' says what is. A task "
            "that waits for a parked one of its key goes on with that"
        )
    return [key for key in parked if every or key[1] in wanted]
