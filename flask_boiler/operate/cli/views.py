"""``flask boiler views``: what is parked, listed and retried from a terminal on any machine."""

from __future__ import annotations

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
from flask_boiler.operate.cli.terminal import counted, line_of, say_json, say_parked, tell

if TYPE_CHECKING:
    from flask_boiler.operate.cli.parked_records import ParkedViews

__all__ = ["command"]


@click.group("views")
def command() -> None:
    """List and retry parked views, of all workers."""


@command.command("list")
@mediator_option
@json_option
@wait_option
def list_views(name: str | None, as_json: bool, wait_s: float) -> None:
    """List the parked views, the longest parked first.

    Each line says since when the view is parked, its key, the process that reported it, and the
    error. Parked documents of handlers are listed by 'flask boiler tasks list'.

    Exits with 0 if nothing is parked, 1 if something is, 2 if that could not be found out.
    """
    with opened_boiler(wait_s, failure=Undetermined) as boiler:
        from flask_boiler.operate.cli.parked_records import ParkedViews

        found = ParkedViews.of(boiler, name)
    if as_json:
        say_json(found.as_json())
    else:
        _say(found)
    if found.total:
        raise click.exceptions.Exit(FOUND)


@command.command("retry")
@click.argument("keys", nargs=-1, metavar="[KEY]...")
@every_option
@mediator_option
@outcome_option
def retry_views(keys: tuple[str, ...], every: bool, name: str | None, wait_s: float) -> None:
    """Ask the workers to compute parked views again.

    KEY is the key of a view, as 'list' shows it. The command waits for the answers of the workers
    that keep the views. A request that no worker answers is kept: the next worker that starts
    computes the view.

    Exits with 0 if all are well again, 1 if one is not, or if no worker answers.
    """
    if every == bool(keys):
        raise click.UsageError("give the keys of views, as 'list' shows them, or --all")
    with opened_boiler(wait_s) as boiler:
        from flask_boiler.operate.cli.parked_records import ParkedViews
        from flask_boiler.operate.cli.retries import Retrying

        found = ParkedViews.of(boiler, name)
        chosen = found.records if every else found.named(keys)
        counts = found.counts if every else []
        if not chosen and not counts:
            click.echo("nothing is parked")
            return
        retrying = Retrying(boiler.context.datastore, chosen, counts)
        retrying.ask()
        uncounted = sum(found.unlisted.values()) if every else 0
        others = f", and {uncounted} that are counted only" if uncounted else ""
        tell(f"asked for {counted(len(chosen), 'view')}{others}")
        retrying.wait(wait_s)
    click.echo(f"{retrying.well} of {counted(len(chosen), 'view')} well again")
    if retrying.well < len(chosen) or retrying.failed:
        raise click.exceptions.Exit(FOUND)


def _say(found: ParkedViews) -> None:
    lines = (
        f"{view.since:%Y-%m-%d %H:%M:%S} UTC  {line_of(str(view.key))}  "
        f"({line_of(view.process)})  {line_of(f'{view.kind}: {view.error}')}"
        for view in found.records
    )
    say_parked(lines, found.unlisted, "view", found.total)
    if found.commands:
        tell(f"{found.commands} more parked of handlers: see 'flask boiler tasks list'")
