"""``flask boiler``: running the mediators outside the web workers, their tasks, their Firestore."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import click
from flask import current_app
from flask.cli import AppGroup

from flask_boiler.cli.firestore import firestore_commands
from flask_boiler.errors import BoilerError, UnavailableError
from flask_boiler.extension import Boiler
from flask_boiler.view import QueryTaskMediator
from flask_boiler.view.query_task.records import ParkedTask

__all__ = ["boiler_cli"]

boiler_cli = AppGroup("boiler", help="Run and inspect the mediators of flask_boiler.")
boiler_cli.add_command(firestore_commands)


@boiler_cli.command("run")
@click.option(
    "--status-every",
    "status_every_s",
    default=60.0,
    show_default=True,
    help="Seconds between status lines; 0 for none.",
)
def run(status_every_s: float) -> None:
    """Run the mediators until SIGINT or SIGTERM; then finish what is in hand."""
    boiler = _boiler_of_app()
    ended = threading.Event()
    _end_on_signals(ended)
    try:
        boiler.start()
    except BoilerError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{len(boiler.mediators)} mediator(s) running; Ctrl-C to stop")
    if (local := boiler.context.local_host) is not None:
        click.echo(f"Firestore at {local}; other processes need FIRESTORE_EMULATOR_HOST={local}")
    try:
        while not ended.wait(status_every_s or None):
            click.echo(status_of(boiler))
    finally:
        click.echo("stopping: finishing what is in hand")
        boiler.close()
    click.echo("stopped")


@boiler_cli.group("tasks")
def tasks() -> None:
    """See to the tasks that are parked."""


_mediator_option = click.option(
    "--mediator", "name", help="Only that mediator's tasks; by default those of all."
)
_paths = click.argument("paths", nargs=-1, metavar="[PATH]...")
_every = click.option("--all", "every", is_flag=True, help="All that are parked.")


@tasks.command("list")
@_mediator_option
def list_tasks(name: str | None) -> None:
    """List the parked tasks, the longest parked first: since when, which, and why.

    Those that wait for a parked one of their key are not listed.
    """
    with _queues_of_app(name) as queues:
        parked = _parked_of(queues)
    for task in sorted(parked.values(), key=lambda task: task.since):
        of_key = "" if task.key == task.path else f"{task.key}, "
        click.echo(
            f"{task.since:%Y-%m-%d %H:%M:%S} UTC  {task.mediator}  {task.path}  "
            f"({of_key}{_counted(task.attempts, 'attempt')})  {_line(task.error)}"
        )
    click.echo(f"{_counted(len(parked), 'task')} parked")


@tasks.command("retry")
@_paths
@_every
@_mediator_option
def retry_tasks(paths: tuple[str, ...], every: bool, name: str | None) -> None:
    """Try parked tasks again, and then those that waited for them.

    They are applied by this command, unless a running worker is faster. The status is 1 if any
    of all these is parked afterwards.
    """
    with _queues_of_app(name) as queues:
        before = _parked_of(queues)
        chosen = _chosen(before, paths, every=every)
        for key in chosen:
            _queue_of(queues, key).retry(key[1])
        after = _parked_of(queues)
    left = [key for key in chosen if key in after]
    for key in left:
        tried = after[key].since != before[key].since
        click.echo(f"{key[1]} is {_parked_again(after[key]) if tried else _NOT_TRIED}")
    click.echo(f"{len(chosen) - len(left)} of {_counted(len(chosen), 'task')} done")
    _tell_of_others(before, after, failed=bool(left))


@tasks.command("drop")
@_paths
@_every
@_mediator_option
def drop_tasks(paths: tuple[str, ...], every: bool, name: str | None) -> None:
    """Mark parked tasks as processed without their effect; those that waited go on.

    The status is 1 if one that waited is parked afterwards.
    """
    with _queues_of_app(name) as queues:
        before = _parked_of(queues)
        chosen = _chosen(before, paths, every=every)
        dropped = sum(_queue_of(queues, key).drop(key[1]) for key in chosen)
        after = _parked_of(queues)
    click.echo(f"{_counted(dropped, 'task')} dropped")
    _tell_of_others(before, after, failed=False)


#: Parked tasks by their mediators' names and their paths.
_ParkedTasks = dict[tuple[str, str], ParkedTask]

_NOT_TRIED = "still parked, and was not tried: an earlier task of its key is parked, too"


def _parked_of(queues: list[QueryTaskMediator]) -> _ParkedTasks:
    return {(task.mediator, task.path): task for queue in queues for task in queue.parked_tasks}


def _queue_of(queues: list[QueryTaskMediator], key: tuple[str, str]) -> QueryTaskMediator:
    return next(queue for queue in queues if queue.name == key[0])


def _parked_again(task: ParkedTask) -> str:
    return f"parked again: {_line(task.error)}"


def _tell_of_others(before: _ParkedTasks, after: _ParkedTasks, *, failed: bool) -> None:
    """Say which tasks have been parked that were not before, and end with the status."""
    others = [task for key, task in after.items() if key not in before]
    for task in others:
        click.echo(f"{task.path}, which was not parked before, is now: {_line(task.error)}")
    if others or failed:
        raise click.exceptions.Exit(1)


def _line(text: str) -> str:
    return " ".join(text.split())


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


@contextmanager
def _queues_of_app(name: str | None) -> Iterator[list[QueryTaskMediator]]:
    boiler = _boiler_of_app()
    queues = [m for m in boiler.mediators if isinstance(m, QueryTaskMediator)]
    known = ", ".join(queue.name for queue in queues) or "none"
    if name is not None:
        queues = [queue for queue in queues if queue.name == name]
    if not queues:
        missing = "is there" if name is None else f"is called {name!r}"
        raise click.ClickException(
            f"no QueryTaskMediator {missing}; those of this application: {known}"
        )
    try:
        with boiler.context.activated():
            yield queues
    except BoilerError as error:
        raise click.ClickException(str(error)) from error
    finally:
        boiler.close()


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


def _boiler_of_app() -> Boiler:
    boiler = current_app.extensions.get("boiler")
    if not isinstance(boiler, Boiler):
        raise click.ClickException(
            f"the app {current_app.name!r} has no Boiler: create one with Boiler(app), and add "
            "its mediators with boiler.add(...)"
        )
    if not boiler.mediators:
        raise click.ClickException(
            "there is nothing to run: add mediators with boiler.add(QueryMediator(...))"
        )
    return boiler


def _end_on_signals(ended: threading.Event) -> None:
    def end(number: int, frame: FrameType | None) -> None:
        ended.set()

    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGTERM, end)


def status_of(boiler: Boiler) -> str:
    """What the mediators do, in one line."""
    statistics = boiler.engine.statistics
    line = (
        f"views {boiler.engine.views}, computed {statistics.computed}, "
        f"published {statistics.published}, lag {boiler.lag_s:.1f} s"
    )
    for mediator in boiler.mediators:
        if isinstance(mediator, QueryTaskMediator):
            line += f", {mediator.name}: {_counted(mediator.statistics.done, 'task')} done"
    try:
        parked = boiler.parked
    except UnavailableError as error:
        # Parked tasks are known to Firestore alone; who waits for it goes on waiting.
        return f"{line}, parked unknown: {error}"
    if parked:
        line += f", parked {len(parked)}: " + "; ".join(
            f"{p.key} since {p.since:%H:%M:%S}: {p.error}" for p in parked[:3]
        )
    return line
