"""``flask boiler firestore``: the embedded Firestore as a process, and what it holds."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from flask.cli import AppGroup, NoAppException, ScriptInfo

from flask_boiler.context.config import Config
from flask_boiler.context.context import ApplicationContext
from flask_boiler.ground.addresses import emulator_host, normalized_host
from flask_boiler.local.embedded.serving.server import EmbeddedFirestore
from flask_boiler.local.embedded.storage.database import MEMORY
from flask_boiler.local.embedded_program import run_until_ended
from flask_boiler.local.joined import served_at
from flask_boiler.operate.cli.loading import errors_shown, wait_option
from flask_boiler.operate.cli.stored_data import DataAtRest, DataServed, StoredData
from flask_boiler.operate.extension import Boiler

__all__ = ["firestore_commands"]

firestore_commands = AppGroup("firestore", help="Run the embedded Firestore, and see to its data.")

#: Where Flask looks for an application that is not named.
_APP_FILES = ("wsgi.py", "app.py")

_path = click.Path(dir_okay=False, path_type=Path)


def _of_data(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say whose data are meant."""
    for option in (
        click.option("--host", help="HOST:PORT of an embedded Firestore that runs."),
        click.option("--file", type=_path, help="The file of one that does not run."),
        wait_option,
    ):
        command = option(command)
    return command


@firestore_commands.command("start", with_appcontext=False)
@click.option("--file", type=_path, help="Where the data are kept.  [default: in memory]")
@click.option("--address", default="127.0.0.1", show_default=True, help="Where it listens.")
@click.option("--port", type=click.IntRange(0, 65535), help="At which port.  [default: a free one]")
@click.option("--allow-remote", is_flag=True, help="Allow an address that others can reach.")
@click.option(
    "--trusted-host",
    "trusted_hosts",
    multiple=True,
    metavar="NAME",
    help="A name, besides localhost, under which browsers may ask, and whose pages may.",
)
@click.pass_context
def start(
    context: click.Context,
    file: Path | None,
    address: str,
    port: int | None,
    allow_remote: bool,
    trusted_hosts: tuple[str, ...],
) -> None:
    """Run an embedded Firestore until Ctrl-C (SIGTERM, SIGHUP), for several processes or a browser.

    What is not given here, the application's configuration says (firestore_file, firestore_port,
    firestore_trusted_hosts).
    """
    with errors_shown():
        config = _config(context)
        # It is told to whoever looks at the terminal.
        logging.getLogger("flask_boiler.local.embedded").setLevel(logging.ERROR)
        server = EmbeddedFirestore(
            file or _configured_file(config) or MEMORY,
            address=address,
            port=config.firestore_port if port is None else port,
            allow_remote=allow_remote,
            trusted_hosts=trusted_hosts or config.trusted_hosts,
        )
        run_until_ended(server, click.echo)


@firestore_commands.command("export", with_appcontext=False)
@click.argument("target", type=_path)
@_of_data
@click.pass_context
def export(
    context: click.Context, target: Path, host: str | None, file: Path | None, wait_s: float
) -> None:
    """Write all documents of all databases to TARGET, as text: one in each line."""
    with errors_shown():
        _data(_config(context), host, file, wait_s).export(target)
    with target.open(encoding="utf-8") as lines:
        # The first line says what the file is.
        click.echo(f"exported {sum(1 for _ in lines) - 1} document(s) to {target}")


@firestore_commands.command("import", with_appcontext=False)
@click.argument("source", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_of_data
@click.pass_context
def import_(
    context: click.Context, source: Path, host: str | None, file: Path | None, wait_s: float
) -> None:
    """Write the documents of SOURCE, an exported file; others stay as they are."""
    with errors_shown():
        count = _data(_config(context), host, file, wait_s).add(source)
    click.echo(f"imported {count} document(s) from {source}")


@firestore_commands.command("clear", with_appcontext=False)
@_of_data
@click.option("--project", help="Whose documents are deleted.  [default: the application's]")
@click.option("--database", help="In which database.  [default: the application's]")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_context
def clear(
    context: click.Context,
    host: str | None,
    file: Path | None,
    wait_s: float,
    project: str | None,
    database: str | None,
    yes: bool,
) -> None:
    """Delete all documents of one database."""
    for option, name in (("--project", project), ("--database", database)):
        # As a variable that is not set makes it.
        if name == "":
            raise click.UsageError(f"{option} is empty: leave it out to mean the application's")
    with errors_shown():
        config = _config(context)
        data = _data(config, host, file, wait_s)
        project = project or ApplicationContext(config).local_project
        world = f"projects/{project}/databases/{database or config.database}"
        if not yes:
            click.confirm(f"Delete all documents of {world} in {data}?", abort=True)
        count = data.clear(world)
    if count is None:
        click.echo(f"{data} has deleted what {world} had; it does not say how much that was")
    elif count == 0:
        click.echo(f"{world} has no documents in {data}; --project and --database name another")
    else:
        click.echo(f"deleted {count} document(s) of {world}")


def _config(context: click.Context) -> Config:
    """The application's configuration, or, where there is no application, the file's."""
    info = context.ensure_object(ScriptInfo)
    try:
        app = info.load_app()
    except NoAppException:
        # One that is meant and cannot be loaded is configured in ways that nobody knows.
        if info.app_import_path is not None or any(Path(name).exists() for name in _APP_FILES):
            raise
        return Config.load()
    boiler = app.extensions.get("boiler")
    if not isinstance(boiler, Boiler):
        return Config.load(over=app.config)
    # What it opened while it was loaded has the file, or the port, that is meant.
    boiler.close()
    return boiler.context.config


def _data(config: Config, host: str | None, file: Path | None, wait_s: float) -> StoredData:
    """Those that are named, or else those that the application works with."""
    if host is not None and file is not None:
        raise click.UsageError("--host names one that runs, --file one that does not: give one")
    if file is not None:
        return DataAtRest(file)
    named = None if host is None else normalized_host(host, named_by="--host")
    if found := named or config.emulator_host or emulator_host():
        return DataServed(found, wait_s=wait_s)
    if (configured := _configured_file(config)) is not None:
        # The application may be running.
        running = served_at(configured)
        return DataAtRest(configured) if running is None else DataServed(running, wait_s=wait_s)
    raise click.UsageError(
        "whose data? Give --host (or FIRESTORE_EMULATOR_HOST) of one that runs, or --file (or the "
        "configuration key firestore_file) of one that does not"
    )


def _configured_file(config: Config) -> Path | None:
    return None if config.firestore_file is None else Path(config.firestore_file).expanduser()
