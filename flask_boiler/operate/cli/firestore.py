"""``flask boiler firestore``: the embedded Firestore as a process, and what it holds.

No application is loaded: what is not given as an option, ``boiler.yaml`` and the environment say.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flask_boiler.context.config import Config
from flask_boiler.context.context import ApplicationContext
from flask_boiler.ground.addresses import emulator_host, normalized_host
from flask_boiler.local.joined import served_at
from flask_boiler.operate.cli.loading import Failure, errors_shown
from flask_boiler.operate.cli.shared_options import wait_option
from flask_boiler.operate.cli.terminal import progress_told

if TYPE_CHECKING:
    from flask_boiler.operate.cli.stored_data import StoredData

__all__ = ["command"]

_path = click.Path(dir_okay=False, path_type=Path)


@click.group("firestore")
def command() -> None:
    """Run the embedded Firestore; export, import and clear its data.

    These commands load no application. They read boiler.yaml and the environment.
    """


def _of_data(subcommand: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say whose data are meant."""
    for option in (
        wait_option,
        click.option("--file", type=_path, help="The file of a Firestore that does not run."),
        click.option("--host", metavar="HOST:PORT", help="The address of a Firestore that runs."),
    ):
        subcommand = option(subcommand)
    return subcommand


@command.command("start")
@click.option("--file", type=_path, help="The file for the data.  [default: in memory]")
@click.option(
    "--address",
    default="127.0.0.1",
    show_default=True,
    metavar="HOST",
    help="The address to listen at.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    help="The port.  [default: a free one]",
)
@click.option("--allow-remote", is_flag=True, help="Allow an address that others can reach.")
@click.option(
    "--trusted-host",
    "trusted_hosts",
    multiple=True,
    metavar="NAME",
    help="A name, besides localhost, under which browsers may ask, and whose pages may.",
)
def start(
    file: Path | None,
    address: str,
    port: int | None,
    allow_remote: bool,
    trusted_hosts: tuple[str, ...],
) -> None:
    """Run an embedded Firestore until Ctrl-C.

    Several processes can use it, and pages in browsers. Options that are not given are read from
    boiler.yaml (firestore_file, firestore_port, firestore_trusted_hosts) or from the environment
    (BOILER_FIRESTORE_FILE ...).

    Exits with 0 after Ctrl-C (SIGINT), SIGTERM or SIGHUP, 1 if it cannot start.
    """
    from flask_boiler.local.embedded.serving.server import EmbeddedFirestore
    from flask_boiler.local.embedded.storage.database import MEMORY
    from flask_boiler.local.embedded_program import run_until_ended

    with errors_shown():
        config = Config.load()
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


@command.command("export")
@click.argument("target", type=_path)
@_of_data
def export(target: Path, host: str | None, file: Path | None, wait_s: float) -> None:
    """Write all documents of all databases to a file.

    TARGET is a text file with one document on each line. If the export fails, TARGET stays as it
    was.

    Exits with 0 if all documents are written, 1 if not.
    """
    with errors_shown(), progress_told(f"exporting to {target}"):
        _data(Config.load(), host, file, wait_s).export(target)
    with target.open(encoding="utf-8") as lines:
        # The first line says what the file is.
        click.echo(f"exported {sum(1 for _ in lines) - 1} document(s) to {target}")


@command.command("import")
@click.argument("source", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_of_data
def import_(source: Path, host: str | None, file: Path | None, wait_s: float) -> None:
    """Write the documents of an exported file.

    Documents that are not in SOURCE stay as they are.

    Exits with 0 if all documents are written, 1 if not.
    """
    with errors_shown(), progress_told(f"importing {source}"):
        count = _data(Config.load(), host, file, wait_s).add(source)
    click.echo(f"imported {count} document(s) from {source}")


@command.command("clear")
@_of_data
@click.option("--project", metavar="NAME", help="The project.  [default: as configured]")
@click.option("--database", metavar="NAME", help="The database.  [default: as configured]")
@click.option("--yes", is_flag=True, help="Do not ask.")
def clear(
    host: str | None,
    file: Path | None,
    wait_s: float,
    project: str | None,
    database: str | None,
    yes: bool,
) -> None:
    """Delete all documents of one database.

    It asks first, unless --yes is given. The project and the database are read from boiler.yaml or
    the environment (BOILER_PROJECT ...), unless they are given.

    Exits with 0 if no document is left, 1 if not.
    """
    for option, name in (("--project", project), ("--database", database)):
        # As a variable that is not set makes it.
        if name == "":
            raise click.UsageError(f"{option} is empty: leave it out to use the configured one")
    with errors_shown():
        config = Config.load()
        data = _data(config, host, file, wait_s)
        project = project or ApplicationContext(config).local_project
        world = f"projects/{project}/databases/{database or config.database}"
        if not yes:
            _ask(f"Delete all documents of {world} in {data}?")
        with progress_told(f"deleting {world}"):
            count = data.clear(world)
    if count is None:
        click.echo(
            f"{data} has deleted all documents of {world}; it does not say how many there were"
        )
    elif count == 0:
        click.echo(
            f"{world} has no documents in {data}; use --project and --database for another one"
        )
    else:
        click.echo(f"deleted {count} document(s) of {world}")


def _ask(question: str) -> None:
    """Go on if somebody says yes.

    :raises ClickException: somebody says no, or nobody is there to be asked.
    """
    try:
        confirmed = click.confirm(question)
    except click.Abort as abort:
        if isinstance(abort.__context__, KeyboardInterrupt):
            raise
        raise click.UsageError(
            "there is nobody to answer the question: use --yes to go on"
        ) from abort
    if not confirmed:
        raise Failure("nothing was deleted")


def _data(config: Config, host: str | None, file: Path | None, wait_s: float) -> StoredData:
    """The data that the options name, or else those of the configured Firestore."""
    from flask_boiler.operate.cli.stored_data import DataAtRest, DataServed

    if host is not None and file is not None:
        raise click.UsageError(
            "--host is for a Firestore that runs, --file for one that does not: give only one of "
            "them"
        )
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
        "it is not clear whose data is meant: give --host (or FIRESTORE_EMULATOR_HOST) of a "
        "Firestore that runs, or --file (or firestore_file in boiler.yaml, or "
        "BOILER_FIRESTORE_FILE) of one that does not"
    )


def _configured_file(config: Config) -> Path | None:
    return None if config.firestore_file is None else Path(config.firestore_file).expanduser()
