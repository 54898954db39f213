"""``flask boiler``: running the mediators outside the web workers."""

from __future__ import annotations

import signal
import threading
from types import FrameType

import click
from flask import current_app
from flask.cli import AppGroup

from flask_boiler.errors import BoilerError
from flask_boiler.extension import Boiler

__all__ = ["boiler_cli"]

boiler_cli = AppGroup("boiler", help="Run and inspect the mediators of flask_boiler.")


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
    try:
        while not ended.wait(status_every_s or None):
            click.echo(_status(boiler))
    finally:
        click.echo("stopping: finishing what is in hand")
        boiler.close()
    click.echo("stopped")


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


def _status(boiler: Boiler) -> str:
    statistics = boiler.engine.statistics
    line = (
        f"views {boiler.engine.views}, computed {statistics.computed}, "
        f"published {statistics.published}, lag {boiler.lag_s:.1f} s"
    )
    parked = boiler.parked
    if parked:
        line += f", parked {len(parked)}: " + "; ".join(
            f"{p.key} since {p.since:%H:%M:%S}: {p.error}" for p in parked[:3]
        )
    return line
