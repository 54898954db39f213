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
    """List the parked tasks, the longest parked first: since when, which, and why."""
    with _queues_of_app(name) as queues:
        parked = [task for queue in queues for task in queue.parked_tasks]
    for task in sorted(parked, key=lambda task: task.since):
        click.echo(
            f"{task.since:%Y-%m-%d %H:%M:%S}  {task.mediator}  {task.path}  "
            f"({task.attempts} attempt(s))  {task.error}"
        )
    click.echo(f"{len(parked)} task(s) parked")


@tasks.command("retry")
@_paths
@_every
@_mediator_option
def retry_tasks(paths: tuple[str, ...], every: bool, name: str | None) -> None:
    """Try parked tasks again, and then those that waited for them.

    They are applied by this command, unless a running worker is faster. The status is 1 if a
    task is parked again.
    """
    with _queues_of_app(name) as queues:
        chosen = _chosen(queues, paths, every=every)
        for queue, path in chosen:
            queue.retry(path)
        left = {(queue.name, task.path) for queue in queues for task in queue.parked_tasks}
    again = [path for queue, path in chosen if (queue.name, path) in left]
    for path in again:
        click.echo(f"{path} is parked again: see 'flask boiler tasks list'")
    click.echo(f"{len(chosen) - len(again)} of {len(chosen)} task(s) are done")
    if again:
        raise click.exceptions.Exit(1)


@tasks.command("drop")
@_paths
@_every
@_mediator_option
def drop_tasks(paths: tuple[str, ...], every: bool, name: str | None) -> None:
    """Mark parked tasks as processed without their effect; those that waited go on."""
    with _queues_of_app(name) as queues:
        chosen = _chosen(queues, paths, every=every)
        dropped = sum(queue.drop(path) for queue, path in chosen)
    click.echo(f"{dropped} task(s) dropped")


@contextmanager
def _queues_of_app(name: str | None) -> Iterator[list[QueryTaskMediator]]:
    boiler = _boiler_of_app()
    queues = [m for m in boiler.mediators if isinstance(m, QueryTaskMediator)]
    known = ", ".join(queue.name for queue in queues) or "none"
    if name is not None:
        queues = [queue for queue in queues if queue.name == name]
    if not queues:
        asked = "applies tasks" if name is None else f"of the name {name!r} applies tasks"
        raise click.ClickException(f"no mediator {asked}; those that do: {known}")
    try:
        with boiler.context.activated():
            yield queues
    except BoilerError as error:
        raise click.ClickException(str(error)) from error
    finally:
        boiler.close()


def _chosen(
    queues: list[QueryTaskMediator], paths: tuple[str, ...], *, every: bool
) -> list[tuple[QueryTaskMediator, str]]:
    if every == bool(paths):
        raise click.UsageError("name the tasks by their paths, or say --all")
    parked = [(queue, task.path) for queue in queues for task in queue.parked_tasks]
    unknown = [path for path in paths if path not in {known for _, known in parked}]
    if unknown:
        raise click.ClickException(f"not parked: {', '.join(unknown)}")
    return [(queue, path) for queue, path in parked if every or path in paths]


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
            line += f", {mediator.name}: {mediator.statistics.done} task(s) done"
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
